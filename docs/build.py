"""Write the API reference from the docstrings, one page per public module: python docs/build.py [FOLDER].

It needs pdoc: pip install -e ".[docs]". Every warning is an error.
"""

import importlib
import re
import sys
import warnings
from itertools import chain
from pathlib import Path

import pdoc

import decnp

GROUPS = {title: [f"decnp.{name}" for name in names.split()] for title, names in {
    "The paper": "equations layers losses optim profiles autoencoder clustering dec metrics",
    "Training and using": "restarts training.checkpoint training.records training.diagnostics inference persistence "
                          "export plotting report exceptions",
    "Checking": "gradcheck gradcheck.naive kernels",
    "Data and experiments": "datasets io.tables baselines experiments",
}.items()}
"""Public modules, by what a reader wants to do."""

TEXT_SECTIONS = ("Examples", "Notes", "References", "See Also")
"""Sections of a docstring that are text and code. The others are lists."""


class ArrayLike:
    """Stand-in for numpy.typing.ArrayLike, which pages would otherwise show as a long union of types."""


ArrayLike.__module__ = "numpy.typing"


def to_markdown(docstring: str) -> str:
    """Return a docstring as Markdown: sections such as "Parameters" become lists, doctests become code.

    The sections are those of numpydoc. A list ends at the first empty line, and text follows.

    >>> print(to_markdown("A sum.\\n\\nParameters\\n----------\\nx : (n,)\\n    numbers\\n\\nThat is all."))
    A sum.
    <BLANKLINE>
    **Parameters**
    <BLANKLINE>
    - **x**: (n,) numbers
    <BLANKLINE>
    That is all.
    """
    blocks = []
    for block in re.split(r"\n\s*\n", docstring.strip("\n")):
        title, *lines = block.split("\n")
        if lines and set(lines[0]) == {"-"} and title in TEXT_SECTIONS:
            blocks += [f"**{title}**"]
            block = "\n".join(lines[1:])
        elif lines and set(lines[0]) == {"-"}:
            entries = re.split(r"\n(?=\S)", "\n".join(lines[1:]))
            entries = [re.sub(r"(.+?)(?: : |\n\s+|$)", r"- **\1**: ", entry, count=1) for entry in entries]
            blocks += [f"**{title}**", "\n".join(re.sub(r"\n\s+", " ", entry) for entry in entries)]
            continue
        text, prompt, code = block.partition(">>>")
        blocks += [text] if text else []
        blocks += [f"```python\n{prompt}{code}\n```"] if prompt else []
    return "\n\n".join(blocks)


def build(folder: Path) -> None:
    """Write the pages into ``folder``; the first one is index.html."""
    warnings.simplefilter("error")
    for name in decnp.__all__:  # pdoc shows what is imported, and these are imported on first use
        setattr(decnp, name, getattr(decnp, name))
    names = ["decnp", *chain.from_iterable(GROUPS.values())]
    for module in map(importlib.import_module, names):
        if hasattr(module, "ArrayLike"):
            module.ArrayLike = ArrayLike
        for value in vars(module).values():  # pdoc cannot resolve the types in a NamedTuple's constructor
            if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
                value.__new__.__annotations__ = {}  # the fields have them too
    pdoc.render.configure(docformat="markdown", footer_text=f"decnp {decnp.__version__}",
                          template_directory=Path(__file__).parent / "templates")
    pdoc.render.env.filters["to_markdown"] = to_markdown
    pdoc.render.env.globals["groups"] = GROUPS
    all_others = f"!(?!({'|'.join(map(re.escape, names))})$)"  # pdoc adds the modules of packages without __all__
    pdoc.pdoc(*names, all_others, output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "api")
