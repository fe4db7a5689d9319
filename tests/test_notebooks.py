"""Each notebook is run from top to bottom in a fresh namespace, ends in an assertion, and is committed light."""

import ast
import base64
import configparser
import io
import json
import re
import sys
import tempfile
from pathlib import Path

import pytest
from commands import whole
from matplotlib.image import imread

import decnp
from decnp import plotting
from decnp.cli.notebooks import without_answers
from decnp.plotting import panels
from decnp.plotting.notebook import Picture

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LONG = {"03_autoencoder", "04_dec_on_mnist", "06_choosing_k", "07_your_own_table"}  # 8 to 20 s of training each
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_notebook_in_its_time = pytest.mark.parametrize("path", [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else []) for path in NOTEBOOKS])


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def sources(path, cell_type):
    return ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == cell_type]


def asserts(code):
    return any(isinstance(statement, ast.Assert) for statement in ast.walk(ast.parse(code)))


@pytest.mark.filterwarnings("error::decnp.TrainingWarning")
@each_notebook_in_its_time
def test_notebook_runs(path, tmp_path, monkeypatch):
    """Its cells hold their own assertions; a name or an argument that decnp no longer has is an error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(path.parent)
    run(path)


def run(path):
    names = {"__name__": "__main__"}
    for number, code in enumerate(sources(path, "code")):
        exec(compile(code, f"{path.name}, code cell {number}", "exec"), names)


@each_notebook
def test_what_a_notebook_imports_is_there(path):
    """Also where the notebook itself is not run: a name that decnp no longer has is an ImportError."""
    imports = [statement for code in sources(path, "code") for statement in ast.parse(code).body
               if isinstance(statement, (ast.Import, ast.ImportFrom))]
    assert imports
    exec(compile(ast.Module(imports, []), path.name, "exec"), {})


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
def test_each_exercise_is_followed_by_its_answer_which_is_folded(path):
    order = []
    for cell in cells_of(path):
        text = "".join(cell["source"])
        order += [f"exercise {number}" for number in re.findall(r"\*\*Exercise (\d+)\.\*\*", text)]
        if "Answer" not in text.partition("\n")[0]:
            assert "<summary>" not in text and "answer" not in cell["metadata"].get("tags", [])
            continue
        order.append("answer")
        if cell["cell_type"] == "code":
            assert text.partition("\n")[0] == "# Answer"
            assert cell["metadata"] == {
                "jupyter": {"outputs_hidden": True, "source_hidden": True}, "tags": ["answer", "hide-cell"]}
        else:
            assert text.startswith("<details><summary>Answer</summary>\n") and text.rstrip().endswith("</details>")
            assert cell["metadata"] == {"tags": ["answer"]}
    count = len(order) // 2
    assert count > 0 and order == [word for n in range(count) for word in (f"exercise {n + 1}", "answer")]


@each_notebook
def test_a_students_copy_has_no_answer_and_does_not_need_one(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    answers = [cell for cell in notebook["cells"] if "answer" in cell["metadata"].get("tags", [])]
    copy = without_answers(notebook)
    text = json.dumps(copy, ensure_ascii=False)
    assert len(copy["cells"]) == len(notebook["cells"]) and "folded" not in text
    assert "hidden" not in json.dumps([cell["metadata"] for cell in copy["cells"]])
    for answer in answers:
        prose = [line.rstrip("\n") for line in answer["source"][1:] if len(line) > 30 and (
            line.startswith("#") or answer["cell_type"] == "markdown")]
        assert not [line for line in prose if json.dumps(line, ensure_ascii=False)[1:-1] in text]
    missing = bound_in(answers) - bound_in(copy["cells"])
    assert not missing & {name for cell in copy["cells"] for name in names_in(cell, ast.Load)}


def names_in(cell, context):
    """The names that a code cell reads (``ast.Load``) or binds (``ast.Store``, with those of its functions)."""
    if cell["cell_type"] != "code":
        return set()
    tree = list(ast.walk(ast.parse("".join(cell["source"]))))
    found = {node.id for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
    return found | {node.name for node in tree if isinstance(node, ast.FunctionDef) and context is ast.Store}


def bound_in(cells):
    return {name for cell in cells for name in names_in(cell, ast.Store)}


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "00_dec_on_one_page", "01_equations", "02_gradients", "03_autoencoder", "04_dec_on_mnist", "05_kernels",
        "06_choosing_k", "07_your_own_table", "08_why_one_number_proves_nothing"]


# ---------------------------------------------------------------- pictures

def test_a_picture_is_a_png_with_its_alternative_text():
    (ax,) = panels(1, 1, 4, 3)
    picture = Picture(ax, "An empty picture.")
    data, metadata = picture._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == "An empty picture." == repr(picture)
    assert 'alt="An empty picture."' in data["text/html"] and 'width="320"' in data["text/html"]
    source = data["text/html"].partition("base64,")[2].partition('"')[0]
    assert base64.b64decode(source) == data["image/png"] == picture.png
    assert "a &lt; b &quot;" in Picture(ax, 'a < b "')._repr_mimebundle_()[0]["text/html"]
    image = imread(io.BytesIO(data["image/png"]))
    assert image.shape[:2] == (480, 640) and metadata["image/png"]["width"] == 320  # sharp on any screen
    assert Picture(ax.figure, "The same.").png == picture.png
    for drawn, alt in ((ax, " "), (ax, None), (picture, "Not axes.")):
        with pytest.raises(ValueError, match="must"):
            Picture(drawn, alt)


@each_notebook
def test_every_picture_has_an_alternative_text(path):
    for code in sources(path, "code"):
        assert "pyplot" not in code  # shows its figures without a text
        tree = ast.parse(code)
        outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
        called = {getattr(node.func, "id", "") for statement in outside for node in ast.walk(statement)
                  if isinstance(node, ast.Call)}
        if called & {"panels", *plotting.__all__}:
            assert isinstance(outside[-1], ast.Expr) and ast.unparse(outside[-1]).startswith("Picture("), code


# ---------------------------------------------------------------- the command

def test_the_command_copies_the_notebooks_with_what_they_read(tmp_path, monkeypatch):
    status, out, err = whole("notebooks", "course", cwd=tmp_path)
    assert (status, err) == (0, "") and out.startswith(f"{len(NOTEBOOKS)} notebooks are in course.")
    for path in [*NOTEBOOKS, NOTEBOOKS[0].parent / "README.md"]:
        assert (tmp_path / "course" / path.name).read_bytes() == path.read_bytes()
    results = NOTEBOOKS[0].parents[1] / "data" / "results"
    copied = [path for path in (tmp_path / "course" / "results").rglob("*") if path.is_file()]
    assert copied and all(
        path.read_bytes() == (results / path.relative_to(tmp_path / "course" / "results")).read_bytes() for path in copied)
    monkeypatch.chdir(tmp_path / "course")
    run(tmp_path / "course" / "08_why_one_number_proves_nothing.ipynb")


def test_the_command_writes_copies_for_students_and_replaces_nothing(tmp_path):
    status, _, err = whole("notebooks", "students", "--without-answers", cwd=tmp_path)
    assert (status, err) == (0, "")
    for path in NOTEBOOKS:
        copy = json.loads((tmp_path / "students" / path.name).read_text(encoding="utf-8"))
        assert copy == without_answers(json.loads(path.read_text(encoding="utf-8")))
    assert not (tmp_path / "students" / "README.md").exists()  # the teacher's page
    written = tmp_path / "students" / NOTEBOOKS[-1].name
    written.write_text("a student's work")
    for other in NOTEBOOKS[:-1]:
        (tmp_path / "students" / other.name).unlink()
    status, out, err = whole("notebooks", "students", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err == (f"decnp: error: {Path('students', written.name)} exists; choose another folder, or move the file away\n")
    assert written.read_text() == "a student's work" and not (tmp_path / "students" / NOTEBOOKS[0].name).exists()


def test_setup_cfg_lists_every_package_and_the_notebooks_extra_has_what_they_import():
    config = configparser.ConfigParser()
    config.read(NOTEBOOKS[0].parents[1] / "setup.cfg")
    home = Path(decnp.__file__).parent
    packages = {".".join(("decnp", *path.relative_to(home).parent.parts)) for path in home.rglob("__init__.py")}
    assert set(config["options"]["packages"].split()) == packages | {"decnp.notebooks", "decnp.notebooks.results"}
    extra = {requirement.split(">")[0] for requirement in config["options.extras_require"]["notebooks"].split()}
    imported = {module.split(".")[0] for path in NOTEBOOKS for code in sources(path, "code")
                for module in re.findall(r"^(?:import|from) ([\w.]+)", code, re.M)}
    ours = {"decnp", "numba", "numpy", "scipy", "sklearn", "threadpoolctl"}
    assert extra == {"jupyterlab", "matplotlib"} | imported - set(sys.stdlib_module_names) - ours
