"""The first line of a table: names or a row, and the lines and delimiters around it. No row is lost without a word."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import QUICK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from decnp.cli import resume
from decnp.cli.fit import _first_options
from decnp.exceptions import DataError
from decnp.io.column_choice import ColumnChoice
from decnp.io.raw_table import read_raw_table
from decnp.io.row_reader import open_rows
from decnp.io.tables import read_table

rng = np.random.default_rng(0)
FLOATS = pd.DataFrame(rng.normal(size=(30, 3)))
PIXELS = pd.DataFrame(rng.integers(0, 17, size=(30, 64)))
COUNTS = pd.DataFrame(rng.integers(100, 900, size=(30, 4)))


def both(path, label_column=None, **options):
    """Return the table, which the reader of blocks must read in the same way."""
    table = read_table(path, label_column, **options)
    with closing(open_rows(path, label_column, **options)) as rows:
        assert rows.columns == table.names and rows.notes == table.notes
        assert_array_equal(next(rows.blocks(10**6, np.dtype("f4")))[1], table.X)
    return table


@pytest.fixture
def read(tmp_path):
    def read(text, label_column=None, **options):
        (tmp_path / "x.csv").write_text(text)
        return both(tmp_path / "x.csv", label_column, **options)
    return read


def text_of(frame, names, **options):
    return frame.set_axis(names, axis=1).to_csv(index=False, **options) if names else frame.to_csv(
        index=False, header=False, **options)


# ---------------------------------------------------------------- names or a row

@pytest.mark.parametrize("frame, names", [
    (FLOATS, [400, 410, 420]), (FLOATS, ["0", "1", "2"]), (FLOATS, [1, 2, 3]), (FLOATS, [2023, 2024, 2025]),
    (FLOATS, ["inf", "nan", "blue"]), (FLOATS, ["id", "3.5kHz", 440]), (FLOATS[[0, 1]], [0, 1]),
    (PIXELS, [*range(64)]), (PIXELS, [*range(1, 65)]), (COUNTS, [2023, 2024, 2025, 2026]),
    (FLOATS, ["'vote'", "'age'", "'logpopul'"]), (FLOATS, ["a", "b", "c"]),
], ids=lambda value: "x".join(map(str, getattr(value, "shape", value[:4]))))
def test_lines_of_names(read, frame, names):
    table = read(text_of(frame, names))
    assert table.names == tuple(str(name).strip("'") for name in names) and len(table.X) == 30
    numbers = any(isinstance(name, int) or name.isdigit() or name == "nan" for name in names)
    assert len(table.notes) == numbers
    if numbers:
        listed = ", ".join(map(str, names[:4])) + (", ..." if names[4:] else "")
        assert table.notes == [f"the first line, {listed}, was read as the names of the columns "
                               "(--header no reads it as a row)"]


@pytest.mark.parametrize("text, note", [
    ("0,1\n1,0\n1,1\n0,0\n", "0, 1"), ("0,1,2\n5,5,5\n1,2,3\n", "0, 1, 2"),
    ("1,0\n0,1\n1,1\n", "1, 0"), ("1,1\n0,1\n1,0\n", None), ("1.5,2.5\n3.5,1.5\n", None), ("7\n8\n9\n", None),
    ("0,1,2,3,4\n1,0,2,4,3\n4,3,2,1,0\n", "0, 1, 2, 3, ..."),  # ranks
    ("0,1\n0.1,0.98\n0.2,0.94\n0.3,0.90\n0.4,0.81\n", "0, 1"),  # time begins at 0
    ("5,3\n5.5,3.2\n4.8,3.1\n5.1,3.6\n", "5, 3"),
    ("0,1,2\n", "0, 1, 2"), ("true,false\nfalse,true\n", None), ("NA,?\n1,2\n", None),
])
def test_lines_that_stay_rows(read, text, note):
    if "NA" in text:
        with pytest.raises(DataError, match="missing"):
            read(text)
        return
    table = read(text)
    assert len(table.X) == text.count("\n") and table.names == ()
    assert [n for n in table.notes if "first line" in n] == ([] if note is None else [
        f"the first line, {note}, was read as a row (--header yes reads it as the names of the columns)"])


@pytest.mark.parametrize("names, label", [
    (["0", "1", "2", "label"], None), (["label", "0", "1", "2"], None), (["region", "2023", "2024", "2025"], "region"),
    (["region", "1", "5", "2"], "region"), (["2023", "2024", "2025", "region"], "region")])
def test_numbers_beside_the_name_of_the_labels(read, names, label):
    at = names.index(label or "label")
    frame = FLOATS.copy()
    frame.insert(at, "words", ["north", "south"] * 15)
    table = read(text_of(frame, names), label)
    assert table.names == tuple(names[:at] + names[at + 1:]) and len(table.X) == 30
    assert set(table.y) == {"north", "south"}


def test_the_header_is_decided_by_the_option(read):
    text = "400,410\n1,2\n3,4\n5,7\n"
    assert read(text, header=True).names == ("400", "410") and read(text, header=True).notes == []
    assert len(read(text, header=False).X) == 4 and read(text, header=False).notes == []
    assert len(read("nan,2\n1,2\n", header=True).X) == 1
    with pytest.raises(DataError, match="x.csv, line 1, column 1: 'a' is not a number"):
        read("a,2\n3,4\n5,6\n", header=False)


@pytest.mark.parametrize("rows, note", [
    (["a,x", "b,y", "a,x"], True), (["a,x", "b,y", "c ,x", "d,z"], True), (["a;x", "a;y", "b;z"], True),
    (["v", "w", "v"], True),
    (["kind,size", "a,x", "b,y"], False), (["x,a", "a,x", "b,y"], False), (["label,x", "a,x", "b,x"], False)])
def test_a_line_of_words_that_occur_again_is_reported(tmp_path, rows, note):
    path, names = tmp_path / "x.csv", rows[0].replace(";", ",").split(",")
    path.write_text("\n".join([*rows, *rows[1:] * 20]) + "\n")
    table = read_raw_table(path, choice=ColumnChoice(path, categories=["auto"]))
    assert table.named and len(table.columns[0]) == 21 * len(rows[1:])
    sentence = f"the first line, {', '.join(names)}, was read as the names of the columns (--header no reads it as a row)"
    assert table.notes == [sentence] * note
    assert len(read_raw_table(path, header=False, choice=ColumnChoice(path, categories=["auto"])).columns[0]) == 21 * len(
        rows[1:]) + 1
    assert read_raw_table(path, choice=ColumnChoice(path, categories=names)).notes == []


@pytest.mark.parametrize("text", ["1,x\n3,4\n5,6\n", "5.1,3.5,x\n5.2,3.4,1.1\n4.4,3.3,1.2\n4.1,3.2,1.1\n"])
def test_one_odd_cell_in_a_row_is_an_error_and_not_a_line_of_names(read, text):
    with pytest.raises(DataError, match=r"line 1, column . *: 'x' is not a number.*--header yes"):
        read(text)


numbers = st.floats(-1e6, 1e6, width=32) | st.integers(-3, 9).map(float)


@st.composite
def tables(draw):
    rows, columns = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    row = st.lists(numbers, min_size=columns, max_size=columns)
    return draw(st.lists(row, min_size=rows, max_size=rows))


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(["%.6g", "%r", "%d", "%.3e"]), st.sampled_from(",;\t |"), st.booleans())
def test_no_row_is_lost_without_a_word(tmp_path_factory, rows, form, delimiter, named):
    path = tmp_path_factory.mktemp("rows") / "x.csv"
    names = [f"x{j}" for j in range(len(rows[0]))]
    cells = [[form % value for value in row] for row in rows]
    path.write_text("".join(delimiter.join(line) + "\n" for line in ([names] if named else []) + cells))
    table = both(path)
    if len(table.X) < len(rows):
        assert not named and "was read as the names" in table.notes[0]
    else:
        assert_array_equal(table.X, np.array([[float(cell) for cell in line] for line in cells], np.float32))
        assert table.names == (tuple(names) if named else ())


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(["repr", "savetxt", "pandas"]))
def test_no_row_is_lost_from_what_programs_write(tmp_path_factory, rows, writer):
    path, X = tmp_path_factory.mktemp("rows") / "x.csv", np.array(rows)
    if writer == "savetxt":
        np.savetxt(path, X, delimiter=",")
    elif writer == "pandas":
        pd.DataFrame(X).to_csv(path, index=False, header=False)
    else:
        path.write_text("".join(",".join(map(repr, row)) + "\n" for row in rows))
    assert_array_equal(both(path).X, X.astype(np.float32))


# ---------------------------------------------------------------- lines around it

def test_the_header_of_savetxt(tmp_path):
    X = np.c_[np.arange(30) % 3, rng.normal(size=(30, 3))]
    for header in ("label,red,green,blue", "made by hand\nlabel,red,green,blue"):
        np.savetxt(tmp_path / "x.csv", X, delimiter=",", header=header)
        table = both(tmp_path / "x.csv")
        assert table.names == ("red", "green", "blue") and table.y.tolist() == (np.arange(30) % 3).tolist()
    np.savetxt(tmp_path / "x.csv", X, delimiter=",", header="1,2,3,4")
    assert both(tmp_path / "x.csv").names == ("1", "2", "3", "4")


@pytest.mark.parametrize("above", [
    "# created today\n", "# a, b and c\n# of today\n\n", "sep=;\n", "sep=,\n", '"sep=;"\n', "\ufeffsep=;\r\n"])
def test_lines_above_the_table(read, above):
    delimiter = ";" if ";" in above else ","
    table = read(above + text_of(FLOATS, ["a", "b", "c"], sep=delimiter))
    assert table.names == ("a", "b", "c") and len(table.X) == 30
    assert len(read(above + text_of(FLOATS, None, sep=delimiter)).X) == 30


@pytest.mark.parametrize("text, names", [
    ('red,green,label\n1,2,"north; upper"\n3,4,"south; lower"\n', ("red", "green")),
    ('red,green,label\n1,2,"a\tb"\n3,4,"c\td"\n', ("red", "green")), ("a,b\n1.0,\t2.0\n3.0,\t4.0\n", ("a", "b")),
    ("a,b,label\n1,2,O&#039;Connor\n3,4,O&#039;Neil\n", ("a", "b")), ('a\tb\tlabel\n1\t2\t"Doe, J"\n3\t4\tx,y\n', ("a", "b")),
    ('a, "b", label\n1, 2, "c, d"\n3, 4, "e, f"\n', ("a", "b")), ('"a" "b c"\n1 2\n3 4\n', ("a", "b c")), ("sepal length\n1\n3\n", ("sepal length",)),
    ("time stamp,b\n1,2\n3,4\n", ("time stamp", "b")), ("a|b|label\n1|2|x,y\n3|4|z\n", ("a", "b")),
    ("a | b\n1 | 2\n3 | 4\n", ("a", "b")), ("a,label,b\n1,x|y,2\n3,z|y,4\n", ("a", "b"))])
def test_delimiters(read, text, names):
    table = read(text)
    assert table.names == names
    assert_array_equal(table.X, [[1, 2], [3, 4]] if len(names) == 2 else [[1], [3]])


@pytest.mark.parametrize("text, sentence", [
    ("a,b\nr1,1,2\nr2,3,4\n", "line 1 has one name fewer than the lines below have cells, so the first cells seem to be "
     "the row names that R writes; leave them out with row.names=FALSE, or with --drop 'Unnamed: 0'"),
    ('"a" "b"\n"1" 1 2\n"2" 3 4\n', "row.names=FALSE"),
    ("Title of all\n\na,b\n1,2\n3,4\n", "line 1 has 1 cell, the lines below have 2: delete it if it is not part of the table"),
    ("a,b,c\n1,2\n3,4\n", "line 1 has 3 cells, the lines below have 2"),
    ("made by X\nat noon\na,b\n1,2\n3,4\n", "lines 1 to 2 have other numbers of cells than those below, which have 2: "
     "delete them if they are not part of the table"),
    ("a,b,c,\n1,2,3\n4,5,6\n", "line 1 ends with a separator, the lines below do not"),
    ("a,b,c\n1,2,3,\n4,5,6,\n", "the lines below line 1 end with a separator, line 1 does not: delete the separator at "
     "their ends"),
    ("v\n1,\n", "line 1 does not"), ("a,b\nx,2,\n\ny,4,\n", "line 1 does not"),
    ("\n1;2\n4;5;\n" + "7;8; \n" * 30, "line 2 does not"),
    ("a,b\n" + "r,1,\n" * 30 + "r,1,2\n", "the first has no name and seems to hold row numbers"),
    ("a,b,\n1,2,\n3,4,\n", "column 3 ('Unnamed: 2'): every cell is empty, so the lines end with a separator; "
                           "--drop 'Unnamed: 2' leaves the column out"),
])
def test_lines_that_do_not_fit(read, text, sentence):
    with pytest.raises(DataError) as error:
        read(text)
    assert sentence in str(error.value)


def test_row_names_can_be_dropped_where_the_first_of_the_last_cells_are_missing(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"r{i},{i},\n" for i in range(30)) + "x,1,2\n")
    assert read_table(tmp_path / "x.csv", drop=["Unnamed: 0", "b"]).X[:, 0].tolist() == [*range(30), 1]


# ---------------------------------------------------------------- the command

def test_fit_and_predict_say_how_the_first_line_was_read(data, says):
    x = np.load("x.npy")
    frame = pd.DataFrame(x.round(3), columns=[*range(400, 460, 10)])
    frame.to_csv("x.csv", index=False)
    status, out, err = says("fit", "x.csv", *QUICK, "--out", "run")
    assert status == 0 and err.splitlines()[1] == (
        "decnp: the first line, 400, 410, 420, 430, ..., was read as the names of the columns (--header no reads it as a "
        "row)")
    assert says("fit", "x.csv", *QUICK, "-q")[2] == err.splitlines(keepends=True)[1]  # in a quiet run, too
    frame.head(3).to_csv("new.csv", index=False)
    status, out, err = says("predict", "run/model.decnp", "new.csv")
    assert (status, len(out.split()), err) == (0, 3, "")  # these are the model's names, so there is no doubt
    frame.head(3).to_csv("bare.csv", index=False, header=False)
    status, out, err = says("predict", "run/model.decnp", "bare.csv")
    assert (status, len(out.split())) == (0, 3)
    assert err == "decnp: bare.csv has no line of names: its columns are matched to the model's by position\n"
    status, out, err = says("predict", "run/model.decnp", "new.csv", "--header", "no")
    assert (status, len(out.split())) == (0, 4)


def test_predict_says_first_that_the_number_of_columns_differs(data, says):
    x = np.load("x.npy").round(3)
    frame = pd.DataFrame(x, columns=list("abcdef"))
    frame.to_csv("x.csv", index=False)
    np.save("bare.npy", x)
    for source in ("x.csv", "bare.npy"):
        assert says("fit", source, *QUICK, "--out", source[:-4])[0] == 0
    frame = frame.head(3)
    frame.assign(kind="cat").to_csv("wide.csv", index=False, header=False)
    frame[["a", "b"]].assign(kind=None).to_csv("narrow.csv", index=False, header=False)
    for name, width in (("wide.csv", 7), ("narrow.csv", 3)):
        for model in ("x/model.decnp", "bare/model.decnp"):
            sentence = f"decnp: error: {name} must have the 6 columns that {model} takes; got {width}"
            assert says("predict", model, name, "--header", "no")[::2] == (2, f"{sentence}\n")
            assert says("predict", model, name)[::2] == (
                2, f"{sentence}, and its first line seems to hold no names (--header yes reads it as names)\n")
    frame.assign(kind="cat").to_csv("wide.csv", index=False)  # with names, for a model without
    assert says("predict", "bare/model.decnp", "wide.csv")[2] == (
        "decnp: error: wide.csv must have the 6 columns that bare/model.decnp takes; got 7\n")
    frame.to_csv("wide.csv")
    assert "seems to hold the row numbers that pandas adds" in says("predict", "bare/model.decnp", "wide.csv")[2]


def test_the_option_is_recorded_and_a_resumed_run_has_it(data, says):
    pd.DataFrame(np.load("x.npy")).to_csv("x.csv", index=False, header=[*range(10, 16)])
    for word, n in (("no", 61), ("yes", 60)):
        argv = ["fit", "x.csv", *QUICK, "--header", word, "--drop", "1", "--out", word]
        if word == "yes":
            argv[argv.index("1")] = "10"
        assert says(*argv)[0] == 0
        source = json.loads(Path(word, "run.json").read_text())["source"]
        assert (source["n_samples"], source["n_features"], source["header"]) == (n, 5, word)
        resume.start(Path(word), argv)  # as if the run had been interrupted
        options, _ = _first_options(word)
        assert (options.header, options.drop) == (word == "yes", source["drop"])
