"""Writes the API reference from the docstrings, a page for each module: python docs/build.py [FOLDER].

Made with pdoc: pip install -e ".[docs]". Every warning is an error.
"""

import importlib
import pkgutil
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pdoc

import decnp


class ArrayLike:
    """numpy.typing's, in pages that would otherwise spell out what it stands for."""


ArrayLike.__module__ = "numpy.typing"


def modules() -> dict[str, ModuleType]:
    """The package's modules by name, without those that begin with an underscore and those of the command."""
    names = [module.name for module in pkgutil.walk_packages(decnp.__path__, "decnp.")]
    public = [name for name in names if not any(part.startswith(("_", "cli")) for part in name.split("."))]
    return {name: importlib.import_module(name) for name in ("decnp", *public)}


def to_markdown(docstring: str) -> str:
    """A docstring as Markdown: sections such as "Parameters" become lists, doctests become code.

    Sections are numpydoc's, but end at the first empty line: what follows is text again.

    >>> print(to_markdown("A sum.\\n\\nParameters\\n----------\\nx : (n,)\\n    numbers\\n\\n>>> 1 + 1\\n2"))
    A sum.
    <BLANKLINE>
    **Parameters**
    <BLANKLINE>
    - **x**: (n,) numbers
    <BLANKLINE>
    ```python
    >>> 1 + 1
    2
    ```
    """
    blocks = []
    for block in re.split(r"\n\s*\n", docstring.strip("\n")):
        title, *lines = block.split("\n")
        if lines and set(lines[0]) == {"-"}:
            entries = re.split(r"\n(?=\S)", "\n".join(lines[1:]))
            entries = [re.sub(r"(.+?)(?: : |\n\s+|$)", r"- **\1**: ", entry, count=1) for entry in entries]
            blocks += [f"**{title}**", "\n".join(re.sub(r"\n\s+", " ", entry) for entry in entries)]
        else:
            text, prompt, code = block.partition(">>>")
            blocks += [text] if text else []
            blocks += [f"```python\n{prompt}{code}\n```"] if prompt else []
    return "\n\n".join(blocks)


def build(folder: Path) -> None:
    """Write the pages into ``folder``; the first one is index.html."""
    warnings.simplefilter("error")
    for name in decnp.__all__:  # they are imported on first use, and pdoc shows what is there
        setattr(decnp, name, getattr(decnp, name))
    found = modules()
    for module in found.values():
        if hasattr(module, "ArrayLike"):
            module.ArrayLike = ArrayLike
        for value in vars(module).values():  # pdoc can't look up a NamedTuple's types for its constructor;
            if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
                value.__new__.__annotations__ = {}  # its fields have them too
    pdoc.render.configure(docformat="markdown", footer_text=f"decnp {decnp.__version__}")
    pdoc.render.env.filters["to_markdown"] = to_markdown
    # what lies in a package without __all__ pdoc adds by itself
    pdoc.pdoc(*(name for name in found if hasattr(found[name.rpartition(".")[0] or name], "__all__")),
              output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "api")
