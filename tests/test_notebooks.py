"""Each notebook's code is run from top to bottom, and ends in an assertion."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert "assert" in cells[-1]
    names = {}
    for cell in cells:
        exec(compile(cell, path.name, "exec"), names)


def test_there_are_notebooks():
    assert NOTEBOOKS
