"""Each default that a docstring names is that of the signature: a changed one is noticed, and a docstring stays right."""

import ast
import importlib
import inspect
import pkgutil
import re

import pytest

import decnp.dec

MODULES = [module.name for module in pkgutil.walk_packages(decnp.__path__, "decnp.")
           if not module.name.startswith("decnp.notebooks") and module.name != "decnp.__main__"]


def documented(module):
    """(name, callable, docstring) of each public function, class and method with parameters in its docstring."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        members = vars(thing).items() if inspect.isclass(thing) else ()
        for label, function, doc in [(name, thing, inspect.getdoc(thing)), *(
                (f"{name}.{method}", f, f.__doc__) for method, f in members
                if inspect.isfunction(f) and not method.startswith("_"))]:
            if callable(function) and "Parameters\n" in (doc or ""):
                yield label, function, inspect.cleandoc(doc)


def named_defaults(doc):
    """The defaults in the section of the parameters, by name."""
    section = doc.split("Parameters\n")[1].split("\n", 1)[1]
    section = re.split(r"\n[A-Z][\w ]+\n-{3,}", section)[0]
    found = {}
    for names, text in re.findall(r"^([*\w, ]+) : .*default=(.*)$", section, re.M):
        names = names.replace("*", "").split(", ")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            continue  # a function or a dtype
        each = isinstance(value, tuple) and len(value) == len(names) > 1  # "shift, scale : float, default=0.0, 1.0"
        found.update(zip(names, value if each else [value] * len(names)))
    return found


@pytest.mark.parametrize("name", MODULES)
def test_the_defaults_are_those_of_the_docstring(name):
    module = importlib.import_module(name)
    for label, function, doc in documented(module):
        parameters = inspect.signature(function).parameters
        for parameter, named in named_defaults(doc).items():
            default = parameters[parameter].default
            assert (type(default), default) == (type(named), named), f"{label}({parameter}={default!r}), not {named!r}"


def test_what_is_read_from_a_docstring():
    doc = """F.

Parameters
----------
a, b : int, default=1
c, d : float, default=0.0, 1.0
e : str, default='x'
f : dtype, default=np.float32
g : float, optional

Returns
-------
h : int, default=5
"""
    assert named_defaults(doc) == {"a": 1, "b": 1, "c": 0.0, "d": 1.0, "e": "x"}
    [seen] = [doc for name, _, doc in documented(decnp.dec) if name == "DEC"]
    assert len(named_defaults(seen)) > 10
