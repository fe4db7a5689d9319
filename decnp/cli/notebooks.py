"""``decnp notebooks``: copy the notebooks into a folder, with or without the answers to their exercises."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..exceptions import UserError
from ..io.os_errors import explain_os_errors
from .arguments import Subparsers, add_command
from .process import print_result

__all__ = ["add_parser", "without_answers"]

RESULTS = (
    "restarts-mnist-fast.json", "restarts-reuters10k-sample-fast.json", "recipe.json", "paper/figure2.json",
    "paper/table4.json",
)
"""Raw results that notebook 08 reads, as paths in ``data/results``."""

HINT = " Answers to the exercises are in folded cells."
YOUR_ANSWER = {"code": ["# Your answer\n"], "markdown": ["*Your answer:*\n"]}


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "notebooks", _notebooks, help="copy the course's notebooks into a folder",
        description="Write the notebooks and the teacher's page into DIR. It stops if a file exists.\n"
                    'Jupyter is needed to open them: pip install "decnp[notebooks]".',
        examples=["decnp notebooks course", "decnp notebooks students --without-answers"])
    parser.add_argument("folder", metavar="DIR", help="folder to write to; it is made if it does not exist")
    parser.add_argument("--without-answers", action="store_true",
                        help="copies for students: an empty cell in the place of each answer, and no teacher's page")


def _notebooks(args: argparse.Namespace, argv: list[str]) -> int:
    folder = Path(args.folder)
    sources = _sources(with_readme=not args.without_answers)
    with explain_os_errors(f"the notebooks could not be written to {folder}"):
        for name in sources:
            if (folder / name).exists():
                raise UserError(f"{folder / name} exists; choose another folder, or move the file away")
        for name, source in sources.items():
            content = source.read_text(encoding="utf-8")
            if args.without_answers and source.suffix == ".ipynb":
                content = json.dumps(without_answers(json.loads(content)), indent=1, ensure_ascii=False) + "\n"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
    count = sum(name.endswith(".ipynb") for name in sources)
    print_result(f"{count} notebooks are in {folder}. To open them: jupyter lab {folder}")
    return 0


def _sources(with_readme: bool) -> dict[str, Path]:
    """Return the files to copy, by their paths in the folder."""
    package = Path(__file__).parents[1]
    home, results = package / "notebooks", package / "notebooks" / "results"
    if not home.is_dir():  # in a checkout they are outside the package
        home, results = package.parent / "notebooks", package.parent / "data" / "results"
    sources = {path.name: path for path in sorted(home.glob("*.ipynb"))}
    if not sources:
        raise UserError(f"there are no notebooks in {home}; install decnp from its wheel, or run it in a checkout")
    if with_readme:
        sources["README.md"] = home / "README.md"
    return sources | {f"results/{name}": results / name for name in RESULTS}


def without_answers(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with an empty cell in the place of each cell that is tagged "answer".

    Parameters
    ----------
    notebook : dict
        The parsed JSON of an ``.ipynb`` file. It is not changed.

    Returns
    -------
    copy : dict

    Examples
    --------
    >>> answer = {"cell_type": "code", "id": "a", "source": ["# Answer\\n", "42"], "metadata": {"tags": ["answer"]}}
    >>> without_answers({"cells": [answer]})["cells"][0]["source"]
    ['# Your answer\\n']
    """
    cells = []
    for cell in notebook["cells"]:
        if "answer" in cell["metadata"].get("tags", []):
            cell = cell | {"metadata": {}, "source": YOUR_ANSWER[cell["cell_type"]]}
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
        cells.append(cell | {"source": [line.replace(HINT, "") for line in cell["source"]]})
    return notebook | {"cells": cells}
