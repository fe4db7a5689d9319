"""Each notebook is run from top to bottom in a fresh namespace, ends in an assertion, and is committed light."""

import ast
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def sources(path, cell_type):
    return ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == cell_type]


def asserts(code):
    return any(isinstance(statement, ast.Assert) for statement in ast.walk(ast.parse(code)))


@pytest.mark.filterwarnings("error::decnp.TrainingWarning")
@each_notebook
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "__main__"}
    try:
        for number, code in enumerate(sources(path, "code")):
            exec(compile(code, f"{path.name}, code cell {number}", "exec"), names)
    finally:
        plt.close("all")


@each_notebook
def test_the_last_cell_is_code_with_an_assertion(path):
    last = cells_of(path)[-1]
    assert last["cell_type"] == "code" and asserts("".join(last["source"]))


@each_notebook
def test_the_first_cell_says_what_the_reader_will_be_able_to_do(path):
    first = cells_of(path)[0]
    assert first["cell_type"] == "markdown" and "be able to" in "".join(first["source"])


@each_notebook
def test_notebook_is_committed_without_outputs(path):
    for cell in cells_of(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, f"clear the outputs of cell {cell['id']}"
        assert not cell.get("attachments")


@each_notebook
def test_each_exercise_has_an_answer_and_it_is_folded(path):
    exercises, answers = [], []
    for cell in cells_of(path):
        text = "".join(cell["source"])
        exercises += re.findall(r"\*\*Exercise (\d+)\.\*\*", text)
        found = re.findall(r"(?:^# |<summary>)Answer (\d+)", text)
        answers += found
        if found and cell["cell_type"] == "code":
            assert cell["metadata"] == {"jupyter": {"source_hidden": True}}
    assert answers == exercises == [str(number + 1) for number in range(len(exercises))] != []


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_equations", "02_gradients", "03_autoencoder", "04_dec_on_mnist", "05_kernels", "06_choosing_k"]
