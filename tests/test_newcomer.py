"""Messages for a new user with a table."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK, here
from conftest import blobs

from decnp.io.table_warnings import table_warnings


@pytest.fixture
def table(data):
    """my.csv, with a header and a column of words."""
    X = blobs(40, n_features=3, spread=0.3).round(3).tolist()
    rows = [",".join([*map(str, row), "ab"[row[0] > 0]]) for row in X]
    Path("my.csv").write_text("\n".join(["width,height,weight,kind", *rows]))


@pytest.mark.parametrize("words, sentence", [
    ([], "my.csv, line 2, column 4 ('kind'): 'a' is not a number; if 'kind' holds the labels, say --label-column kind; "
     "--categories kind takes its words as categories; --drop kind leaves the column out"),
    (["--labels", "kind"],
     "--labels takes a file, and none is called kind; for a column of my.csv, say --label-column kind"),
    (["--labels", "kind.csv"], "no such file: kind.csv"),
    (["--label-column", "kinds"], "my.csv has no column called 'kinds'; did you mean 'kind'?"),
    (["--label-column", "colour"],
     "my.csv has no column called 'colour'; its columns are 'width', 'height', 'weight', 'kind'"),
    (["--label-column", "kind", "--labels", "y.txt"],
     "--labels FILE and --label-column NAME both say where the labels are: take one"),
])
def test_mistakes_with_labels_are_refused(table, refused, words, sentence):
    Path("my.csv").write_text(Path("my.csv").read_text().replace(",b", ",a"))
    if "no such file" in sentence:
        Path("my.csv").write_text("1,2\n3,4\n")
    assert refused("my.csv", *words) == sentence


def test_label_columns_are_of_tables(data, refused):
    assert refused("digits", "--label-column", "y") == (
        "--label-column names a column of a .csv file; digits has its own labels")
    assert refused("x.npy", "--label-column", "y") == (
        "a label column (here 'y') needs a .csv file with a first line of names; got x.npy")


def test_what_is_wrong_in_a_process_of_its_own(table):
    status, out, err = here("fit", "my.csv")
    assert (status, out) == (2, "") and err == (
        f"decnp: error: my.csv, line 2, column 4 ('kind'): {Path('my.csv').read_text().split()[1][-1]!r} is not a number; "
        "if 'kind' holds the labels, say --label-column kind; "
        "--categories kind takes its words as categories; --drop kind leaves the column out\n")


def test_warnings_about_a_table():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(30, 2)), rng.integers(3, size=30), np.arange(30) + 7]
    assert table_warnings(X, ("a", "b", "Species", "id")) == [
        "the column 'Species' is trained on like the others; if it holds labels, say --label-column Species",
        "the column 'id' counts the rows; if that is all it does, say --drop id"]
    assert table_warnings(X[:, :3], ("a", "target", "c")) == []  # 1.7 is no label
    assert table_warnings(X, ()) == []
    X[:, 1] *= 1000
    scale, = table_warnings(X[:, :2], ("height", "income"))
    assert scale.startswith("the columns differ much in scale: the standard deviation of 'income' is "
                            f"{X[:, 1].std():.3g}, that of 'height' {X[:, 0].std():.3g}")
    assert table_warnings(X[:, :2], ("0", "1")) == []  # pixels, it seems
    constant, = table_warnings(np.c_[X[:, 0], np.ones(30)], ("a", "b"))  # a column that never changes has no scale
    assert constant == "the column 'b' has the same value in all rows; --drop b leaves it out"
    assert table_warnings(X[:, :2] * [99e-3, 1], ("a", "b")) != [] and table_warnings(X[:, :2] * [99, 1], ("a", "b")) == []


def test_warnings_are_shown_before_training_and_stored(data, says):
    x = blobs(40, n_features=2, spread=0.3)
    np.savetxt("my.csv", np.c_[x, (x[:, 0] > 0)], delimiter=",", header="a,b,class", comments="")
    sentence = "the column 'class' is trained on like the others; if it holds labels, say --label-column class"
    _, _, err = says("fit", "my.csv", *QUICK, "--out", "run")
    assert err.splitlines()[1] == f"decnp: warning: {sentence}" and err.count(sentence) == 1
    assert json.loads(Path("run/run.json").read_text())["source"]["warnings"] == [sentence]
    _, _, err = says("fit", "my.csv", *QUICK, "-q")
    assert err.splitlines()[0] == f"decnp: warning: {sentence}"
    _, _, err = says("fit", "my.csv", *QUICK, "-q", "--label-column", "class")
    assert sentence not in err
