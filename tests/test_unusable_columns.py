"""Tables with columns that are not numbers: one error names all of them and the remedies; --drop leaves columns out."""

import datetime
import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import QUICK
from conftest import QUICK as QUICK_PROFILE
from conftest import blobs
from numpy.testing import assert_array_equal

from decnp import DEC
from decnp.exceptions import DataError
from decnp.inference import Model, load_model
from decnp.io.row_reader import open_rows
from decnp.io.table_warnings import label_warnings
from decnp.io.tables import read_table

N = 12
COLUMNS = {
    "kind": ["cat", "dog"] * 6, "name": [f"n{i}x" for i in range(N)], "day": [f"2020-01-{i + 10}" for i in range(N)],
    "share": [f"{i}.5%" for i in range(N)], "cost": [f"{i + 1},234.5" for i in range(N)], "ok": ["yes", "no"] * 6,
    "gaps": ["NA", "?", "", 1.5] * 3, "flag": ["true", "False"] * 6, "mixed": ["true", "2"] * 6,
    "half": ["true", ""] * 6, "odd": [*range(11), "x"], "none": [""] * N, "pair": ["a", ""] + ["b"] * 10,
}
SENTENCES = {
    "kind": "'cat' is not a number; if 'kind' holds the labels, say --label-column kind; "
            "--categories kind takes its words as categories; --drop kind leaves the column out",
    "name": "'n0x' is not a number; --drop name leaves the column out",
    "day": "'2020-01-10' is not a number; dates have to be written as numbers; --drop day leaves the column out",
    "share": "'0.5%' is not a number; write percentages without %; --drop share leaves the column out",
    "cost": "'1,234.5' is not a number; write numbers without thousands separators; --drop cost leaves the column out",
    "ok": "'yes' is not a number; write yes and no as 1 and 0; if 'ok' holds the labels, say --label-column ok; "
          "--categories ok takes its words as categories; --drop ok leaves the column out",
    "gaps": "'NA' is a missing value; 9 values are missing in the column (75 % of its cells); --missing median fills "
            "them in; --drop gaps leaves the column out",
    "mixed": "'true' is not a number; write true and false as 1 and 0",
    "half": "the cell is empty; 6 values are missing in the column (50 % of its cells); --missing median fills them in; "
            "--drop half leaves the column out",
    "odd": "'x' is not a number",
    "none": "every cell is empty; --drop none leaves the column out",
    "pair": "'a' is not a number; --categories pair takes its words as categories; --drop pair leaves the column out",
}


def write(path, *names, **options):
    frame = pd.DataFrame({"size": np.arange(N) + 0.5, **{name: COLUMNS[name] for name in names}})
    frame.to_csv(path, index=False, **options)
    return path


def error(path, *args, **options):
    with pytest.raises(DataError) as found:
        read_table(path, *args, **options)
    assert "\n" not in str(found.value)
    return str(found.value).replace(str(path), "FILE")


@pytest.mark.parametrize("name", SENTENCES)
def test_one_column(tmp_path, name):
    path = write(tmp_path / "x.csv", name)
    at = {"none": "", "odd": "line 13, ", "half": "line 3, "}.get(name, "line 2, ")
    assert error(path) == f"FILE, {at}column 2 ({name!r}): {SENTENCES[name]}"
    assert read_table(path, drop=[name]).X.shape == (N, 1)


@pytest.mark.parametrize("cells, mends", [
    (["1", "2", "1", "3+"] * 3, "; --categories b takes its cells as categories; --drop b leaves the column out"),
    ([*"01234567", "0", "x", "x", "1"], "; --drop b leaves the column out"),  # 9 categories in 12 rows
    ([*range(10), "<1", "<1"], "; --drop b leaves the column out"),
    ([*range(10), "x", "y"], ""), (["1", "2"] * 5 + ["x", "y"], "")])
def test_repeated_words_in_a_column_of_numbers(tmp_path, cells, mends):
    pd.DataFrame({"a": np.arange(N) + 0.5, "b": cells}).to_csv(tmp_path / "x.csv", index=False)
    line, word = next((i, cell) for i, cell in enumerate(map(str, cells), 2) if not cell.isdigit())
    sentence = f"FILE, line {line}, column 2 ('b'): {word!r} is not a number"
    assert error(tmp_path / "x.csv") == sentence + mends
    with pytest.raises(DataError) as found:
        open_rows(tmp_path / "x.csv")
    assert str(found.value).replace(str(tmp_path / "x.csv"), "FILE") == sentence  # predict has no such options


def test_several_columns_of_numbers_with_repeated_words(tmp_path):
    frame = pd.DataFrame({"a": ["1", "2", "1", "3+"] * 3, "b": ["0", "0", "many"] * 4, "c": [*range(10), "x", "y"]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    assert error(tmp_path / "x.csv") == (
        "FILE has 3 columns that cannot be used as they are: 'a' has 3 cells that are not numbers ('3+' in line 5); 'b' has "
        "4 cells that are not numbers ('many' in line 4); 'c' has 2 cells that are not numbers ('x' in line 12). Remedies: "
        "--categories a,b takes their cells as categories, or --drop a,b")


def test_all_columns_at_once(tmp_path):
    path = write(tmp_path / "x.csv", "kind", "day", "gaps", "flag", "odd", "none", "pair", "ok", "name", "mixed")
    assert error(path) == (
        "FILE has 9 columns that cannot be used as they are: 'kind' holds words ('cat' in line 2); 'day' holds dates or "
        "times ('2020-01-10' in line 2); 'gaps' has 9 missing values (75 %), the first ('NA') in line 2; 'odd' has a cell that is "
        "not a number ('x' in line 13); 'none' is empty; 'pair' holds words ('a' in line 2) and 1 missing value; 'ok' holds "
        "yes and no ('yes' in line 2); 'name' holds 12 different words ('n0x' in line 2); 'mixed' holds true and false beside numbers "
        "('true' in line 2). Remedies: --drop day,none,name leave them out; --categories kind,pair,ok takes their words "
        "as categories; --missing median fills in the missing numbers, or --drop gaps; --label-column NAME takes a column as "
        "the labels; write true and false as 1 and 0")
    assert "--label-column" not in error(path, "kind")


def test_many_columns_are_cut_short(tmp_path):
    pd.DataFrame([["a"] * 40] * 3, columns=[f"c{j}" for j in range(40)]).to_csv(tmp_path / "x.csv", index=False)
    sentence = error(tmp_path / "x.csv")
    assert "has 40 columns" in sentence and "'c29' holds" in sentence and "'c30'" not in sentence
    assert sentence.endswith("; and 10 more. Remedies: --categories auto takes their words as categories; --label-column NAME "
                             "takes a column as the labels")


def test_decimal_commas(tmp_path):
    (tmp_path / "x.csv").write_text("red;green\n0,126;-0,132\n1,5;2\n")
    assert error(tmp_path / "x.csv") == (
        "FILE has 2 columns that cannot be used as they are: 'red' holds numbers with a decimal comma ('0,126' in line 2); "
        "'green' holds numbers with a decimal comma ('-0,132' in line 2). Remedies: --decimal comma reads decimal commas")


@pytest.mark.parametrize("cell", [
    "2020-01-31", "31.01.2020", "1/31/20", "Jan 1 2000", "Jan-1-1995", "1974Q1", "1974-Q1", "2020-01-31 12:30", "12:30",
    "1949-02", "3 March 1999", "2020-01-31T12:30:00Z"])
def test_dates(tmp_path, cell):
    (tmp_path / "x.csv").write_text(f"a,b\n1,{cell}\n2,{cell}\n")
    assert "dates have to be written as numbers" in error(tmp_path / "x.csv")


@pytest.mark.parametrize("cell", ["4.5.6", "12-34", "may 5 be", "1.2.3.4", "A-1", "555-1234"])
def test_words_that_are_no_dates(tmp_path, cell):
    (tmp_path / "x.csv").write_text(f"a,b\n1,{cell}\n2,{cell}\n")
    assert "dates" not in error(tmp_path / "x.csv")


def test_true_and_false_are_1_and_0(tmp_path):
    path = write(tmp_path / "x.csv", "flag")
    table = read_table(path)
    assert_array_equal(table.X[:, 1], [1, 0] * 6)
    assert table.notes == ["true and false were read as 1 and 0 in column 2 ('flag')"]
    with closing(open_rows(path)) as rows:
        assert rows.notes == table.notes
        assert_array_equal(next(rows.blocks(99, np.dtype("f4")))[1], table.X)
    assert read_table(path, "flag").y.tolist() == ["true", "False"] * 6  # labels stay as they are


def test_whole_numbers_that_float64_rounds_are_named(tmp_path):
    cells = [f"{i + 0.5},{2**53 + i},{2**53 + 2 * i},{2**(60 + 9 * i)},{2.0**70 + i:.1f}" for i in range(3)]
    (tmp_path / "x.csv").write_text("\n".join(["size,id,even,power,float", *cells]))
    assert read_table(tmp_path / "x.csv").notes == [
        "whole numbers of more than 15 digits were rounded to float64 in column 2 ('id'), so that different ones may be equal; "
        "leave the column out if it holds identifiers"]
    (tmp_path / "x.csv").write_text(f"a,b,c\n-{2**60 + 1},9,1\n1,{2**60 + 1},1\n1,1,1\n")
    assert "in column 1 ('a'), column 2 ('b'), so that" in read_table(tmp_path / "x.csv").notes[0]


def test_counts_of_rows_above_a_table_are_no_names(tmp_path):
    X = np.round(np.random.default_rng(0).normal(size=(25, 5)), 2)
    for head in ("25,4,setosa,virginica,versicolor", "25,4,0,0,0"):
        np.savetxt(tmp_path / "x.csv", X, delimiter=",", fmt="%.2f", header=head, comments="")
        if "setosa" in head:
            assert error(tmp_path / "x.csv") == (
                "FILE: the first line begins with 25, the number of rows below it, so it seems to hold no names; delete it, "
                "or say --header yes")
            assert len(read_table(tmp_path / "x.csv", header=True).X) == 25


# ---------------------------------------------------------------- --drop

def test_columns_to_drop(tmp_path):
    path = write(tmp_path / "x.csv", "kind", "name")
    assert read_table(path, "kind", drop=["name"]).names == ("size",)
    assert error(path, drop=["nam"]) == "FILE has no column called 'nam' to drop; did you mean 'name'?"
    assert error(path, drop=["colour"]) == (
        "FILE has no column called 'colour' to drop; its columns are 'size', 'kind', 'name'")
    path = write(tmp_path / "bare.csv", "kind", "name", header=False)
    table = read_table(path, drop=["2", "3"])
    assert table.X.shape == (N, 1) and table.names == ()
    (tmp_path / "numbered.csv").write_text(",a\n0,5\n1,7\n")
    assert_array_equal(read_table(tmp_path / "numbered.csv", drop=["Unnamed: 0"]).X, [[5], [7]])
    (tmp_path / "label.csv").write_text("a,label\n1,2\n3,4\n")
    assert read_table(tmp_path / "label.csv", drop=["label"]).y is None


@pytest.fixture
def table(data):
    frame = pd.DataFrame(blobs(60, n_features=3, spread=0.3).round(3), columns=list("abc"))
    frame.insert(1, "id", [f"r{i}" for i in range(60)])
    frame["kind"] = ["x", "y", "z"] * 20
    frame.to_csv("x.csv", index=False)
    return frame


def test_a_dropped_column_is_recorded_and_ignored_by_predict(table, says):
    status, _, err = says("fit", "x.csv", *QUICK, "--drop", "id", "--label-column", "kind", "--out", "run")
    assert status == 0, err
    record = json.loads(Path("run/run.json").read_text())
    assert record["source"]["drop"] == ["id"] and record["columns"] == ["a", "b", "c"]
    assert load_model("run/model.decnp").left_out == ("id", "kind")
    own = np.load("run/labels.npy").tolist()
    status, out, err = says("predict", "run/model.decnp", "x.csv")
    assert (status, [int(word) for word in out.split()], err) == (0, own, "")
    table.assign(other="w").to_csv("more.csv", index=False)
    status, out, err = says("predict", "run/model.decnp", "more.csv")
    assert status == 2 and "was not trained on: 'other'; leave them out with --extra ignore" in err
    status, out, err = says("predict", "run/model.decnp", "more.csv", "--extra", "ignore")
    assert [int(word) for word in out.split()] == own  # the words in it are not read
    assert 'left out   "id", "kind"' in says("info", "run/model.decnp")[1]
    assert says("report", "run")[0] == 0
    assert "could not be read again" not in Path("run/report.html").read_text()  # the columns are left out again


def test_a_dropped_column_without_a_name(table, says):
    table.to_csv("bare.csv", index=False, header=False)
    assert says("fit", "bare.csv", *QUICK, "--drop", "2", "--drop", "5", "--out", "run")[0] == 0
    status, out, _ = says("predict", "run/model.decnp", "bare.csv")
    assert [int(word) for word in out.split()] == np.load("run/labels.npy").tolist()
    table[list("abc")].to_csv("less.csv", index=False, header=False)
    assert says("predict", "run/model.decnp", "less.csv")[1] == out


def test_a_dropped_name_that_is_a_number_is_no_position(table, says):
    rows = table[list("abc")]
    rows.set_axis(["0", "1", "2"], axis=1).to_csv("numbers.csv", index=False)
    rows.to_csv("bare.csv", index=False, header=False)
    for options in ([], ["--standardize"]):
        words = ["fit", "numbers.csv", "--header", "yes", *QUICK, "--drop", "1", "--out", "run", "--overwrite", *options]
        assert says(*words)[0] == 0
        labels = np.load("run/labels.npy").tolist()
        assert [int(word) for word in says("predict", "run/model.decnp", "numbers.csv")[1].split()] == labels
        status, out, err = says("predict", "run/model.decnp", "bare.csv", "--header", "no")
        assert (status, out) == (2, "")
        assert err == "decnp: error: bare.csv must have the 2 columns that run/model.decnp takes; got 3\n"


def test_options_that_do_not_fit(table, refused):
    assert refused("x.csv", "--drop", "kind", "--label-column", "kind") == (
        "--label-column and --drop both name the column 'kind': take one")
    assert refused("digits", "--drop", "a") == "--drop is for a .csv file; digits is a data set with a name"
    assert refused("digits", "--header", "no") == "--header is for a .csv file; digits is a data set with a name"
    assert refused("x.npy", "--drop", "a") == "--drop is for a .csv file; got x.npy"
    assert refused("x.npy", "--header", "no") == "--header is for a .csv file; got x.npy"
    assert refused("x.csv", "--header", "maybe").startswith("argument --header: must be yes or no; got 'maybe'")


@pytest.mark.parametrize("options", [[], ["--standardize"]], ids=["plain", "recipe"])
def test_a_column_that_is_taken_as_the_labels_is_named_if_it_holds_none(table, refused, says, options):
    table[list("abc")].assign(Label=table["a"] + 0.25).to_csv("x.csv", index=False)
    sentence = refused("x.csv", *options)
    assert sentence.startswith("x.csv must hold labels that are whole numbers or strings; got ") and sentence.endswith(
        " in row 1 (counted from 1); the column 'Label' is taken as the labels (--drop Label leaves it out, and --columns with "
        "its name trains on it)")
    assert refused("x.csv", *options, "--label-column", "Label").endswith("in row 1 (counted from 1)")
    for remedy, width in ((["--drop", "Label"], 3), (["--columns", "a,b,c,Label"], 4)):
        status, out, _ = says("fit", "x.csv", *QUICK, *options, *remedy, "--json")
        assert status == 0 and json.loads(out)["source"]["n_features"] == width


def test_labels_that_name_the_rows(table, says):
    _, _, err = says("fit", "x.csv", *QUICK, "--label-column", "id", "--drop", "kind")
    assert ("warning: the labels in 'id' have 60 different values in 60 rows; they seem to be names of the rows, "
            "not classes\n") in err
    assert label_warnings(np.arange(10) % 5, "a") == [] != label_warnings(np.arange(10) % 6, None)
    assert label_warnings(None, "a") == label_warnings(np.arange(3), "a") == []


# ---------------------------------------------------------------- DataFrames

@pytest.fixture(scope="module")
def fitted():
    X = pd.DataFrame(blobs()[:30, :2], columns=["a", "t"])
    return DEC(2, hidden_layer_sizes=(4, 2), profile=QUICK_PROFILE, random_state=0).fit(X)


def cannot_be_used(fitted, X, sentence):
    """The estimator and its model refuse X with the same sentence."""
    for refused in (DEC(2, hidden_layer_sizes=(4, 2)).fit, fitted.predict, Model.from_estimator(fitted).predict):
        with pytest.raises(ValueError) as error:
            refused(X)
        assert str(error.value) == f"X must hold numbers; the columns {sentence}: convert them to numbers or leave them out"


def arrow(frame):
    return pytest.importorskip("pyarrow").Table.from_pandas(frame)


@pytest.mark.parametrize("table", [pd.DataFrame, arrow], ids=["pandas", "arrow"])
def test_dates_in_a_table(fitted, table):
    frame = pd.DataFrame({"a": np.arange(30.0), "t": pd.date_range("2020", periods=30)})
    for X in (frame, frame.assign(t=frame.t - frame.t[0]), frame.assign(t=frame.t.dt.tz_localize("UTC"))):
        cannot_be_used(fitted, table(X), "'t' hold dates or times")


@pytest.mark.parametrize("table", [pd.DataFrame, arrow], ids=["pandas", "arrow"])
def test_words_in_a_table(fitted, table):
    frame = pd.DataFrame({"a": np.arange(30.0), "t": ["1"] * 29 + ["cat"]})
    for X in (frame, frame.astype({"t": object}), frame.astype({"t": "category"}), frame.astype({"t": "string"})):
        cannot_be_used(fitted, table(X), "'t' hold other values, such as 'cat'")
    dates = frame.assign(t=[datetime.date(2020, 1, 1)] * 30)
    if table is pd.DataFrame:  # Arrow has a type for dates
        cannot_be_used(fitted, dates, "'t' hold other values, such as datetime.date(2020, 1, 1)")
        cannot_be_used(fitted, frame.assign(t=pd.period_range("2020", periods=30)), "'t' hold dates or times")
    else:
        cannot_be_used(fitted, table(dates), "'t' hold dates or times")


def test_numbers_of_any_kind_in_a_table(fitted):
    frame = pd.DataFrame(blobs()[:30, :2].round(3), columns=["a", "t"])
    wanted, model = fitted.predict_proba(frame), Model.from_estimator(fitted)
    decimals = frame.assign(t=[Decimal(str(x)) for x in frame.t])
    for X in (decimals, arrow(decimals), *(frame.astype({"t": kind}) for kind in (str, "Float64", "category"))):
        assert_array_equal(fitted.predict_proba(X), wanted)
        assert_array_equal(model.predict_proba(X), model.predict_proba(frame))


def test_missing_and_huge_numbers_among_python_objects():
    for X in ([[1.0, None], [2.0, 3.0]], pd.DataFrame({"a": [1.0, 2.0], "t": pd.Series([None, 3.0], dtype=object)})):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            DEC(2).fit(X)
    with pytest.raises(ValueError, match="X must hold finite numbers within float64; int too large"):
        DEC(2).fit([[10**400, 1], [2, 3]])


def test_a_name_that_controls_a_terminal_is_escaped_in_the_options_too(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("n\x1b[31m\u202e,b\n" + "cat,1\n" * 3)
    with pytest.raises(DataError) as error:
        read_table(path)
    assert str(error.value).isprintable() and r"--drop $'n\x1b[31m\u202e' leaves the column out" in str(error.value)
