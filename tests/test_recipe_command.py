"""``decnp fit`` and ``predict`` on tables with missing numbers, categories, dates and decimal commas."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chromium import BROWSER, look
from commands import QUICK, whole
from conftest import blobs
from numpy.testing import assert_array_equal
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import N, penguins

from decnp.inference import load_model
from decnp.io.recipe import Categories, Number, Recipe
from decnp.io.table_warnings import label_copies, table_warnings
from decnp.report.describe import NumberFact, ShareFact, describe_clusters, one_column_warnings

OPTIONS = ["--standardize", "--missing", "median", "--categories", "auto"]


@pytest.fixture
def table(data):
    frame = penguins()
    frame.to_csv("p.csv", index=False, na_rep="NA")
    return frame


@pytest.fixture
def run(table, says):
    status, out, err = says("fit", "p.csv", *QUICK, *OPTIONS, "--label-column", "species", "--drop", "year", "--out", "run")
    assert status == 0, err
    return err


def test_a_plain_fit_ends_in_one_error_with_the_options(table, refused):
    assert refused("p.csv", "--label-column", "species") == (
        f"p.csv has 5 columns that cannot be used as they are: 'island' holds words ('{table.island[0]}' in line 2); 'bill' has "
        "1 missing value in line 5; 'flipper' has 1 missing value in line 5; 'mass' has 1 missing value in line 5; 'sex' holds "
        f"words ('{table.sex[0]}' in line 2) and 3 missing values. Remedies: --categories island,sex takes their words as "
        "categories; --missing median fills in the missing numbers of 3 columns")
    assert "'bill' has 1 missing value" in refused("p.csv", "--label-column", "species", "--categories", "auto")
    assert "'island' holds words" in refused("p.csv", "--label-column", "species", "--missing", "median", "--standardize")


def test_the_run_and_its_model(run, table, says):
    assert run.startswith(
        "decnp: p.csv: 90 rows of 5 columns, with a first line of names; 3 columns of numbers (standardized, missing ones "
        "filled in), 2 of categories (6 of them); the labels in 'species' are for the scores only\n")
    record, model = json.loads(Path("run/run.json").read_text()), load_model("run/model.decnp")
    assert record["columns"] == ["bill", "flipper", "mass", "island=Biscoe", "island=Dream", "island=Torgersen", "sex=female",
                                 "sex=male", "sex=missing"]
    assert record["recipe"] == model.recipe.to_json() and model.feature_names == ("island", "bill", "flipper", "mass", "sex")
    assert model.left_out == ("species", "year")
    by_name = {model.recipe.columns[one.column]: one for one in model.recipe.features}
    assert by_name["bill"].fill == table.bill.median() and by_name["bill"].missing == 1
    assert by_name["sex"].counts == tuple(table.sex.fillna("~").value_counts().sort_index())
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit_transform(table[["bill", "flipper", "mass"]])
    words = OneHotEncoder(sparse_output=False).fit_transform(table[["island", "sex"]])
    z = model.without_recipe().transform(np.hstack([numbers, words]).astype(np.float32))
    assert_array_equal(z, np.load("run/embedding.npy"))


def test_predict_takes_raw_rows(run, table, says):
    own = np.load("run/labels.npy").tolist()
    status, out, err = says("predict", "run/model.decnp", "p.csv")
    assert (status, [int(word) for word in out.split()], err) == (0, own, "")
    table[["mass", "sex", "bill", "flipper", "island"]].to_csv("other.csv", index=False, sep=";")  # order, missing as ""
    status, out, err = says("predict", "run/model.decnp", "other.csv")
    assert [int(word) for word in out.split()] == own and err == (
        "decnp: other.csv: columns are matched to the model's by name\n")
    assert load_model("run/model.decnp").predict(table).tolist() == own  # the labels and the year are left out
    table.assign(island=["Dream", "Elephant", *table.island[2:]]).to_csv("new.csv", index=False)
    status, out, err = says("predict", "run/model.decnp", "new.csv", "--proba")
    assert status == 0 and len(out.splitlines()) == N and err == (
        "decnp: new.csv: warning: 1 cell has a category that the model was not trained on, which counts as none of them: "
        "'island' 1 ('Elephant')\n")
    assert says("predict", "run/model.decnp", "new.csv", "-q")[2] == ""


def test_rows_in_which_a_column_is_empty(run, table, says):
    table[:2].assign(mass=np.nan, sex=np.nan).to_csv("new.csv", index=False)
    status, out, err = says("predict", "run/model.decnp", "new.csv", "--proba")
    sentence = "more than half of the numbers of 'mass' (100 %) are filled in"
    assert (status, err) == (0, f"decnp: new.csv: warning: {sentence}\n")
    with pytest.warns(UserWarning, match=re.escape(sentence)):
        load_model("run/model.decnp").predict(pd.read_csv("new.csv"))
    assert says("predict", "run/model.decnp", "new.csv", "-q")[2] == ""
    table[2:4].to_csv("half.csv", index=False)  # one mass of two is missing
    assert says("predict", "run/model.decnp", "half.csv")[2] == ""
    filled = load_model("run/model.decnp").predict_proba(table[:2].assign(mass=table.mass.median(), sex=None))
    np.testing.assert_allclose([[float(q) for q in line.split(",")] for line in out.splitlines()], filled, rtol=1e-5)


def test_rows_that_predict_refuses(run, table, says):
    for frame, sentence in (
        (table.drop(columns="mass"), "bad.csv lacks columns that the model was trained on: 'mass'"),
        (table.assign(mass="heavy"), "bad.csv, line 2, column 5 ('mass'): 'heavy' is not a number"),
        (table.assign(mass=np.inf), "bad.csv has NaN or infinite values"),
    ):
        frame.to_csv("bad.csv", index=False)
        status, out, err = says("predict", "run/model.decnp", "bad.csv")
        assert (status, out) == (2, "") and sentence in err and "--missing" not in err
    np.save("x.npy", np.ones((3, 5)))
    assert ("x.npy holds numbers, and the model takes words in the columns 'island', 'sex': take a .csv file"
            in says("predict", "run/model.decnp", "x.npy")[2])


def test_an_error_names_missing_cells_only_where_nothing_fills_them_in(run, table, says, refused):
    bad = table.astype({"mass": object, "bill": object})
    bad.loc[5, "mass"], bad.loc[6, "mass"] = "heavy", None
    bad.to_csv("bad.csv", index=False)  # row 3 has no mass either
    expected = "bad.csv, line 7, column 5 ('mass'): 'heavy' is not a number"
    assert says("predict", "run/model.decnp", "bad.csv")[2] == f"decnp: error: {expected}\n"
    options = ["--label-column", "species", "--categories", "auto"]
    assert refused("bad.csv", *options, "--missing", "mean") == expected
    assert "'mass' has a cell that is not a number ('heavy' in line 7) and 2 missing values" in refused("bad.csv", *options)
    bad.loc[7, "bill"] = "x"
    bad.to_csv("bad.csv", index=False)
    assert says("predict", "run/model.decnp", "bad.csv")[2] == (
        "decnp: error: bad.csv has 2 columns that cannot be used as they are: 'bill' has a cell that is not a number ('x' in "
        "line 9); 'mass' has a cell that is not a number ('heavy' in line 7)\n")
    Path("bad.csv").write_text('a,b\n1,"0,5"\n2,\n3,"1,5"\n')
    assert refused("bad.csv", "--missing", "median") == (
        "bad.csv, line 2, column 2 ('b'): '0,5' is not a number; --decimal comma reads decimal commas; --drop b leaves the "
        "column out")
    Path("bad.csv").write_text("a,b\n1,\n2,NA\n")
    assert "column 2 ('b'): every cell is" in refused("bad.csv", "--missing", "median")  # it has no median


def test_info_and_report_show_the_recipe(run, says):
    status, out, err = says("info", "run/model.decnp")
    assert status == 0 and "raw        5 columns, prepared by the recipe in the file" in out
    assert '"bill" (mean ' in out and "1 missing -> " in out and '"missing" 3)' in " ".join(out.split())
    assert json.loads(says("info", "run/model.decnp", "--json")[1])["recipe"]["columns"] == [
        "island", "bill", "flipper", "mass", "sex"]
    assert says("report", "run")[0] == 0
    assert "could not be read again" not in Path("run/report.html").read_text()
    penguins(N - 1).to_csv("p.csv", index=False)
    assert says("report", "run")[0] == 0 and "p.csv has changed" in Path("run/report.html").read_text()


def test_a_report_of_a_table_that_has_lost_a_column(run, table, says):
    table.rename(columns={"mass": "weight"}).to_csv("p.csv", index=False, na_rep="NA")
    assert says("report", "run")[0] == 0
    page = Path("run/report.html").read_text()
    assert "p.csv: the table lacks columns that the model was trained on: &#x27;mass&#x27;." in page


def test_numbers_alone_from_an_npy_and_through_export(table, says):
    names = ["bill", "flipper", "mass"]
    status, _, err = says("fit", "p.csv", *QUICK, "--missing", "mean", "--columns", "bill,flipper", "--columns", "mass", "--out",
                          "run")
    assert status == 0, err
    assert load_model("run/model.decnp").left_out == ("species", "island", "sex", "year")
    np.save("x.npy", table[names].to_numpy())  # with NaN
    own = np.load("run/labels.npy").tolist()
    for data in ("x.npy", "p.csv"):
        assert [int(word) for word in says("predict", "run/model.decnp", data)[1].split()] == own
    assert "x (n, 3) float32 -> z" in says("export", "run/model.decnp", "m.onnx")[1]


def test_a_table_without_names(table, says):
    table.to_csv("bare.csv", index=False, header=False)
    status, _, err = says("fit", "bare.csv", *QUICK, *OPTIONS, "--drop", "1,7", "--out", "run")
    assert status == 0, err
    model = load_model("run/model.decnp")
    assert (model.recipe.columns, model.feature_names, model.left_out) == (("2", "3", "4", "5", "6"), (), ("1", "7"))
    own = np.load("run/labels.npy").tolist()
    assert [int(word) for word in says("predict", "run/model.decnp", "bare.csv")[1].split()] == own
    table.iloc[:, 1:6].to_csv("less.csv", index=False, header=False)
    assert [int(word) for word in says("predict", "run/model.decnp", "less.csv")[1].split()] == own


def test_dates_and_decimal_commas(data, says, refused):
    """A table as Excel writes it in many countries."""
    X = blobs(60, 2, spread=0.3)
    lines = [f"{1 + i % 28:02}.03.2024;{a:.3f};{b:.2f};{'yes' if i % 2 else 'no'}".replace(".", ",").replace(
        ",03,2024", ".03.2024") for i, (a, b) in enumerate(X)]
    Path("x.csv").write_text("\n".join(["day;height;width;open", *lines]) + "\n")
    assert refused("x.csv").endswith("Remedies: --drop day leaves it out; --categories open takes its words as categories; "
                                     "--label-column open takes it as the labels; --decimal comma reads decimal commas")
    assert "'day' is" not in refused("x.csv", "--decimal", "comma", "--categories", "auto")
    status, _, err = says("fit", "x.csv", *QUICK, "--decimal", "comma", "--categories", "open", "--drop", "day", "--out", "run")
    assert status == 0, err
    own = np.load("run/labels.npy").tolist()
    assert [int(word) for word in says("predict", "run/model.decnp", "x.csv")[1].split()] == own
    model = load_model("run/model.decnp")
    assert model.recipe.decimal == ","
    assert model.predict({"height": [f"{a:.3f}".replace(".", ",") for a in X[:, 0]], "width": X[:, 1].round(2),
                          "open": ["yes" if i % 2 else "no" for i in range(60)]}).tolist() == own


@pytest.mark.parametrize("cell, sentence", [
    ("1.007", "'1.007' is not a number"), ("-12.345.678", "'-12.345.678' is not a number"),
    ("1.007,5", "'1.007,5' is not a number"), ("0.007", ""), ("1.07", ""), ("1234.567", ""), ("1.007e3", "")])
def test_a_point_that_may_separate_thousands_is_refused_with_decimal_commas(data, refused, says, cell, sentence):
    lines = [f"{a:.3f};{b:.2f}".replace(".", ",") for a, b in blobs(60, 2, spread=0.3)]
    Path("x.csv").write_text("\n".join(["a;b", "0,5;500", f"0,5;{cell}", *lines]) + "\n")
    if sentence:
        assert refused("x.csv", "--decimal", "comma") == (
            f"x.csv, line 3, column 2 ('b'): {sentence}; with a decimal comma, a point may separate thousands: write "
            "numbers without it")
    else:
        assert says("fit", "x.csv", *QUICK, "--decimal", "comma")[0] == 0


def test_predict_refuses_a_point_that_may_separate_thousands_in_words_alone(data, says):
    lines = [f"{a:.3f};{b:.2f}".replace(".", ",") for a, b in blobs(60, 2, spread=0.3)]
    Path("x.csv").write_text("\n".join(["a;b", *lines]) + "\n")
    assert says("fit", "x.csv", *QUICK, "--decimal", "comma", "--out", "run")[0] == 0
    Path("new.csv").write_text("a;b\n0,5;1.007\n")
    assert "'1.007' is not a number; with a decimal comma, a point may separate" in says("predict", "run/model.decnp", "new.csv")[2]
    model = load_model("run/model.decnp")
    number = np.array([1.007], object)
    assert model.predict({"a": [0.5], "b": number}).tolist() == model.predict({"a": [0.5], "b": [1.007]}).tolist()
    with pytest.raises(ValueError, match="the column 'b' must hold numbers; got '1.007'"):
        model.predict({"a": [0.5], "b": ["1.007"]})


def test_clusters_csv_has_one_decimal_sign(data, says):
    for name, delimiter in (("x.csv", ";"), ("y.csv", ",")):
        pd.DataFrame(blobs(60, 2, spread=0.3)).to_csv(name, index=False, decimal=",", sep=delimiter)
        assert says("fit", name, *QUICK, "--decimal", "comma", "--out", "run", "--overwrite")[0] == 0
        q = pd.read_csv("run/clusters.csv", sep=delimiter, decimal=",")["q"]
        assert q.dtype == float and (q < 1).any()


def test_categories_that_are_numbers(data, says):
    frame = pd.DataFrame(blobs(60, 2, spread=0.3), columns=list("ab")).assign(month=np.arange(60) % 4 + 1.0)
    frame.to_csv("x.csv", index=False)
    assert says("fit", "x.csv", *QUICK, "--categories", "month", "--out", "run")[0] == 0
    model = load_model("run/model.decnp")
    assert model.recipe.features[2].values == (1.0, 2.0, 3.0, 4.0) and model.recipe.feature_names[2:] == (
        "month=1", "month=2", "month=3", "month=4")
    own = np.load("run/labels.npy").tolist()
    assert model.predict(frame.astype({"month": int})).tolist() == own == model.predict(frame.to_numpy()).tolist()


@pytest.mark.parametrize("words", [["1", "2", "3", "4+"], ["01", "02", "10", "x"], ["1", "2.0", "-3", "1e3?"]])
def test_categories_of_numbers_and_a_word_where_new_rows_have_the_numbers_alone(data, says, words):
    frame = pd.DataFrame(0.1 * blobs(60, 2, spread=0.3), columns=list("ab"))
    frame.insert(1, "rooms", [words[i % 4] for i in range(60)])
    frame.to_csv("x.csv", index=False)
    assert says("fit", "x.csv", *QUICK, "--categories", "rooms", "--out", "run")[0] == 0
    q, rows = load_model("run/model.decnp").predict_proba(frame), np.flatnonzero(frame.rooms != words[3])
    frame.iloc[rows].to_csv("new.csv", index=False)
    status, out, err = says("predict", "run/model.decnp", "new.csv", "--proba")
    assert (status, err) == (0, "")
    np.testing.assert_allclose(np.loadtxt(out.splitlines(), delimiter=","), q[rows], rtol=1e-5)


def test_options_that_do_not_fit(table, refused):
    assert refused("p.csv", "--categories", "iland") == (
        "p.csv has no column called 'iland' of categories; did you mean 'island'?")
    assert refused("p.csv", "--columns", "bill,weight").startswith("p.csv has no column called 'weight' to read; ")
    assert refused("p.csv", "--columns", "bill", "--drop", "bill") == (
        "p.csv: the column 'bill' is to be read and to be dropped: take one")
    assert refused("p.csv", "--categories", "sex", "--drop", "sex") == (
        "p.csv: the column 'sex' of categories is left out by another option")
    assert refused("x.npy", "--standardize") == (
        "--standardize, --missing, --categories and --decimal are for a .csv file; got x.npy")
    assert refused("digits", "--missing", "mean") == "--missing is for a .csv file; digits is a data set with a name"
    assert refused("digits", "--columns", "a") == "--columns is for a .csv file; digits is a data set with a name"
    assert refused("p.csv", "--missing", "mode").startswith("argument --missing: invalid choice: 'mode'")


@pytest.mark.parametrize("options", [
    ["--standardize", "--missing", "mean"], ["--missing", "median"], ["--categories", "auto"], ["--decimal", "comma"]])
def test_a_name_that_occurs_twice_is_named(data, refused, options):
    Path("x.csv").write_text("b,a,a\n" + "1,2,3\n" * 9)
    sentence = f"rename the columns, because {options[0]} needs different names"
    assert refused("x.csv", *options) == f"x.csv: the name 'a' occurs twice; {sentence}"
    Path("x.csv").write_text("a,a,a\n" + "1,2,3\n" * 9)
    assert refused("x.csv", *options) == f"x.csv: the name 'a' occurs 3 times; {sentence}"


@pytest.mark.parametrize("option", ["--standardize", "--missing=mean"])
def test_infinite_values_are_refused_with_their_place(data, refused, option):
    Path("x.csv").write_text("a,b\n1,2\n3,-inf\n,1e999\n")
    option = [option] if option != "--standardize" else [option, "--missing", "median"]
    assert refused("x.csv", *option) == (
        "x.csv has infinite values: the first (-inf) in row 2 (counted from 1) of the column 'b'")


@pytest.mark.parametrize("value", ["1.3e199", "1e305"])
def test_values_that_are_too_large_to_standardize_are_named(data, refused, value):
    rows = [f"{i},{value if i == 0 or value == '1e305' else i}" for i in range(60)]
    Path("x.csv").write_text("\n".join(["a,red", *rows]))
    Path("bare.csv").write_text("\n".join(rows))
    sentence = f"has values too large to standardize ({float(value):.2g})"
    for options in ([], ["--missing", "mean"]):
        assert refused("x.csv", "--standardize", *options) == f"x.csv: the column 'red' {sentence}"
    assert refused("bare.csv", "--standardize", "--header", "no") == f"bare.csv: column 2 {sentence}"


def test_a_name_with_a_comma(data, says):
    pd.DataFrame(blobs(60, 2), columns=["a", "b"]).assign(**{"c, d": "x"}).to_csv("x.csv", index=False)
    assert says("fit", "x.csv", *QUICK, "--drop", "c, d", "--out", "run")[0] == 0
    assert load_model("run/model.decnp").left_out == ("c, d",)


def test_warnings_about_raw_columns(table, says):
    table["gust"] = np.where(np.arange(N) % 3 == 0, 1.0 * np.arange(N), np.nan)
    table["species_id"] = table.species.map({"Adelie": 7, "Chinstrap": 3, "Gentoo": 5})
    table["island"] = ["Elephant", *table.island[1:]]
    table.to_csv("p.csv", index=False)
    err = says("fit", "p.csv", *QUICK, *OPTIONS, "--label-column", "species")[2]
    for sentence in (
        "the column 'year' has the same value in all rows; --drop year leaves it out",
        "more than half of the numbers of 'gust' are filled in; --drop gust leaves it out",
        "some categories occur in one row only: 1 of 4 in 'island'",
        "the column 'species_id' divides the rows as the labels do; if it is a copy of them, say --drop species_id",
    ):
        assert f"decnp: warning: {sentence}\n" in err
    assert "differ much in scale" not in err


def test_warnings_about_plain_tables():
    X = np.c_[np.arange(6) % 3, np.ones(6), [0.5, 1, 7, 8, 9, 4]]
    assert table_warnings(X, ["a", "b", "c"]) == [
        "the column 'b' has the same value in all rows; --drop b leaves it out"]
    y = np.array(["x", "y", "z"] * 2)
    assert label_copies(X, ["a", "b", "c"], y) == [
        "the column 'a' divides the rows as the labels do; if it is a copy of them, say --drop a"]
    assert label_copies(X, ["a", "b", "c"], None) == label_copies(X, ["a", "b", "c"], y[:1].repeat(6)) == []


def test_missing_cells_of_a_table_of_one_column_are_rows(data, says):
    column = pd.Series(blobs(60, 1, spread=0.3)[:, 0], name="v")
    column[[4, 9, 11]] = None
    column.to_csv("x.csv", index=False)
    assert Path("x.csv").read_text().count('""') == 3
    status, _, err = says("fit", "x.csv", *QUICK, "--missing", "median", "--out", "run")
    assert status == 0 and "60 rows" in err
    own = np.load("run/labels.npy").tolist()
    assert [int(word) for word in says("predict", "run/model.decnp", "x.csv")[1].split()] == own and len(own) == 60
    assert len(Path("run/clusters.csv").read_text().splitlines()) == 61


def test_a_resumed_run_has_the_recipe(table):
    argv = ["p.csv", *QUICK, *OPTIONS, "--drop", "species,year"]
    status, _, err = whole("fit", *argv, "--out", "whole", cwd=os.getcwd())
    assert status == 0, err
    Path("cut").mkdir()
    Path("cut/resume.json").write_text(json.dumps({"argv": ["fit", *argv, "--out", "cut"], "folder": os.getcwd()}))
    status, _, err = whole("fit", "--resume", "cut", cwd=os.getcwd())
    assert status == 0, err
    assert Path("cut/labels.npy").read_bytes() == Path("whole/labels.npy").read_bytes()
    assert load_model("cut/model.decnp").recipe == load_model("whole/model.decnp").recipe


# ---------------------------------------------------------------- clusters.csv and the report

def test_clusters_csv_has_the_rows_of_the_table(run, table, says):
    found = pd.read_csv("run/clusters.csv", keep_default_na=False, dtype=str)
    own = pd.read_csv("p.csv", keep_default_na=False, dtype=str)
    assert found[list(own)].equals(own) and list(found)[-2:] == ["cluster", "q"]
    assert found["cluster"].astype(int).tolist() == np.load("run/labels.npy").tolist()
    q = load_model("run/model.decnp").predict_proba(table).max(axis=1)
    np.testing.assert_allclose(found["q"].astype(float), q, rtol=1e-3)


def test_clusters_csv_of_other_files(data, says, monkeypatch):
    assert says("fit", "x.npy", *QUICK, "--out", "run")[0] == 0
    assert not Path("run/clusters.csv").exists()
    frame = pd.DataFrame(blobs(60, 2), columns=["cluster", "b"])
    frame.to_csv("x.csv", index=False, sep=";")
    assert says("fit", "x.csv", *QUICK, "--out", "run", "--overwrite")[0] == 0
    lines = Path("run/clusters.csv").read_text().splitlines()
    assert lines[0] == "cluster;b;cluster_;q" and len(lines) == 61
    frame.to_csv("bare.txt", index=False, header=False, sep=" ")
    assert says("fit", "bare.txt", *QUICK, "--out", "run", "--overwrite")[0] == 0
    assert Path("run/clusters.csv").read_text().startswith("1,2,cluster,q\n")
    assert says("fit", "x.npy", *QUICK, "--out", "run", "--overwrite")[0] == 0
    assert not Path("run/clusters.csv").exists()  # that of the earlier run


def test_a_table_that_changes_during_the_run(table, says, monkeypatch):
    from decnp.cli import run_fit as module

    finish = module.finish
    monkeypatch.setattr(module, "finish", lambda out: (finish(out), penguins(N + 1).to_csv("p.csv", index=False)))
    status, _, err = says("fit", "p.csv", *QUICK, *OPTIONS, "--out", "run")
    assert status == 0 and "decnp: warning: clusters.csv was not written: p.csv has 91 rows now, and had 90\n" in err
    assert sorted(path.name for path in Path("run").iterdir()) == [
        "centroids.npy", "embedding.npy", "labels.npy", "model.decnp", "run.json"]


def test_the_clusters_in_the_units_of_the_table():
    """Worked by hand: the median of size is 3 over all rows, 2 in cluster 0; its standard deviation is 2."""
    size, kind = np.array([1.0, 2, 3, 5, 7, 3]), np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0]])
    recipe = Recipe(("size", "kind"), True, (Number(0, 3.0, 3.5, 2.0), Categories(1, ("cat", "dog"))))
    labels = np.array([0, 0, 0, 2, 2, 2])
    q = np.array([[0.5, 0.2, 0.3], [0.9, 0, 0.1], [0.6, 0, 0.4], [0, 0, 1], [0.2, 0.2, 0.6], [0, 0.1, 0.9]])
    first, last = describe_clusters(np.c_[(size - 3.5) / 2, kind], recipe.feature_names, labels, q, recipe)
    std = size.std()
    assert (first.cluster, first.size, first.typical, first.unsure) == (0, 3, [2, 3, 1], [1, 3, 2])
    assert first.numbers == [NumberFact("size", 2.0, 3.0, -1 / std, std)]
    assert first.shares == [ShareFact("kind", "cat", 1.0, 0.5), ShareFact("kind", "dog", 0.0, 2 / 6)]
    assert (last.cluster, last.typical, last.numbers[0].median) == (2, [4, 6, 5], 5.0)
    assert last.shares == [ShareFact("kind", "cat", 0.0, 0.5), ShareFact("kind", "dog", 2 / 3, 2 / 6)]


def test_medians_of_a_standardized_column_are_computed_in_float64():
    seconds = 1_700_000_000 + 7.0 * np.arange(60)  # float32 would round them to multiples of 128
    number = Number(0, mean=float(seconds.mean()), std=float(seconds.std()))
    recipe, labels = Recipe(("time",), True, (number,)), np.arange(60) // 30
    X = ((seconds - seconds.mean()) / seconds.std()).astype(np.float32)[:, None]
    for j, cluster in enumerate(describe_clusters(X, ["time"], labels, np.eye(2)[labels], recipe)):
        fact, = cluster.numbers
        assert fact[1:3] == pytest.approx((np.median(seconds[labels == j]), np.median(seconds)), abs=1e-3, rel=0)
        assert fact.std == pytest.approx(seconds.std())


def test_columns_of_the_same_name_are_both_described():
    labels = np.array([0, 0, 1, 1])
    X = np.stack([labels, 10 * labels, labels, 1 - labels], 1).astype(float)
    first, _ = describe_clusters(X[:, :2], ["size", "size"], labels, np.eye(2)[labels])
    assert [(fact.column, fact.of_all) for fact in first.numbers] == [("size", 0.5), ("size", 5.0)]
    kinds = Recipe(("kind", "kind"), True, (Categories(0, ("a", "b")), Categories(1, ("c", "d"))))
    first, _ = describe_clusters(X, kinds.feature_names, labels, np.eye(2)[labels], kinds)
    assert sorted(fact.category for fact in first.shares) == ["a", "b", "c", "d"]


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def copied(columns, labels, recipe=None, names=()):
    return [sentence.split(" (adjusted")[0] for sentence in one_column_warnings(np.stack(columns, 1), names, labels, recipe)]


def test_columns_that_give_the_clusters():
    n, rng = 300, np.random.default_rng(0)
    labels, size, noise = np.arange(n) % 3, rng.normal(size=n), rng.integers(4, size=n)
    values = np.array([7.5, -2, 1e9])[labels]
    whole = "alone gives the cluster of 100% of the rows"
    assert copied([size, values, noise], labels) == [f"column 2 {whole}"]
    assert copied([size, values], labels, names=["size", "kind"]) == [f"the column 'kind' {whole}"]
    assert copied([size, values], labels == 0) == [f"column 2 {whole}"]  # two of its values are one cluster
    assert copied([values, labels], labels) == [f"column 1 {whole}", f"column 2 {whole}"]
    for fraction, share in ((0.02, ["column 2 alone gives the cluster of 98% of the rows"]), (0.1, [])):
        moved = np.where(np.arange(n) < fraction * n, (labels + 1) % 3, labels)
        assert copied([size, values], moved) == share
    assert copied([size, labels > 0], labels) == []  # the clusters divide a value further
    assert copied([size, noise], np.arange(n) > 2) == []  # 99 % of the rows are in one cluster, whatever the value
    assert copied([size, values], 0 * labels) == copied([values], labels) == []  # one cluster, one column
    assert copied([labels, np.arange(n) // 10], np.arange(n) // 20) == ["column 2 " + whole]
    assert copied([labels, np.arange(n) // 9], np.arange(n) // 18) == []  # too few rows for each value
    assert copied([size[:10], values[:10]], labels[:10]) == []


def test_a_column_that_alternates_in_a_long_table_gives_the_clusters():
    labels = np.arange(4000) % 2
    assert copied([np.arange(4000.0), labels], labels) == ["column 2 alone gives the cluster of 100% of the rows"]


def test_categories_that_give_the_clusters_are_one_column():
    labels, size = np.arange(90) % 3, np.arange(90.0)
    recipe = Recipe(("kind", "size"), True, (Categories(0, ("a", "b", "c", "d"), dropped=1), Number(1, std=2.0)))
    first, rest = np.equal.outer(np.arange(90) % 4, [0, 2, 3]).astype(float), size / 2
    X = [*first.T, rest]
    assert copied(X, np.arange(90) % 4 > 1, recipe) == ["the column 'kind' alone gives the cluster of 100% of the rows"]
    assert copied(X, np.arange(90) % 4, recipe) == ["the column 'kind' alone gives the cluster of 100% of the rows"]
    assert copied(X, labels, recipe) == []
    nameless = Recipe(("1", "2"), False, recipe.features)
    assert copied(X, np.arange(90) % 4, nameless) == ["column 1 alone gives the cluster of 100% of the rows"]


@pytest.mark.parametrize("words", [True, False], ids=["categories", "numbers"])
def test_a_fit_whose_clusters_are_a_column_warns(data, says, words):
    kind, rng = np.arange(90) % 3, np.random.default_rng(0)
    frame = pd.DataFrame({"the kind": np.array(["cat", "dog", "eel"])[kind] if words else kind * 5,
                          "a": 0.05 * rng.normal(size=90), "b": 0.05 * rng.normal(size=90)})
    frame.to_csv("x.csv", index=False)
    options = ["--categories", "auto"] if words else []
    status, _, err = says("fit", "x.csv", *QUICK, *options, "--out", "run", "--report")
    sentence = ("the column 'the kind' alone gives the cluster of 100% of the rows (adjusted Rand index 1.00), so the other "
                "columns add little; --drop 'the kind' leaves it out")
    assert status == 0 and f"decnp: warning: {sentence}\n" in err
    assert sentence in json.loads(Path("run/run.json").read_text())["warnings"]
    assert "alone gives the cluster of 100% of the rows" in Path("run/report.html").read_text()


def test_the_report_describes_the_clusters(run, says, sketched):
    assert says("report", "run")[0] == 0
    page = Path("run/report.html").read_text()
    assert headings(page)[:3] == ["Clusters in the units of the table", "Cluster sizes", "Scores"]  # the figures follow
    assert "90 rows of 5 columns" in page
    assert "<td>sex = male</td>" in page and "Missing numbers count as they were filled in." in page
    assert "an array (n, 5) of raw columns" in page and "clusters.csv has the rows themselves" in page
    labels = np.load("run/labels.npy")
    for j in range(3):
        assert f"Cluster {j}: {np.sum(labels == j)} rows ({np.mean(labels == j):.1%})" in page


def test_rows_in_the_report_are_numbered_as_in_clusters_csv(run, says, sketched):
    """As a spreadsheet and an editor number them: row 1 is the line of names."""
    assert says("report", "run")[0] == 0
    page, lines = Path("run/report.html").read_text(), Path("run/clusters.csv").read_text().splitlines()
    assert "Rows are numbered as in clusters.csv, where row 1 holds the names." in page
    for j in range(3):
        part = page.partition(f"Cluster {j}: ")[2].partition("</details></details>")[0]
        typical, unsure = (re.findall(r"(\d+) \(([\d.]+)\)", words) for words in re.search(
            "Most typical rows, with q: (.*?)\\. Least typical rows: (.*?)\\.</p>", part).groups())
        of_cluster = {number: line.split(",") for number, line in enumerate(lines[1:], 2) if line.split(",")[-2] == str(j)}
        shown = [(int(number), float(q)) for number, q in [*typical, *unsure]]
        assert len(typical) == len(unsure) == 5 and shown[0][1] > shown[5][1]
        for number, own in shown:
            assert abs(float(of_cluster[number][-1]) - own) < 0.0051
        assert shown[0][1] >= max(float(cells[-1]) for cells in of_cluster.values()) - 0.0051
        assert shown[5][1] <= min(float(cells[-1]) for cells in of_cluster.values()) + 0.0051
        names, *rows = [re.findall("<t[hd]>(.*?)</t[hd]>", row) for row in re.findall("<tr>.*?</tr>", part.partition(
            "These rows")[2])]
        places = [lines[0].split(",").index(name) for name in names[2:]]
        assert names[:2] == ["row", "q"] and {"bill", "island"} <= {*names} and len(rows) == 10
        for number, _, *cells in rows:  # the cells of the file, with missing ones
            assert cells == [of_cluster[int(number)][place] for place in places]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\xff\xfe,1\n2")])
def test_without_clusters_csv_the_first_row_of_data_is_row_1(run, says, sketched, spoil):
    spoil(Path("run/clusters.csv"))
    assert says("report", "run")[0] == 0
    page = Path("run/report.html").read_text()
    assert "Most typical rows, with q: " in page and "These rows" not in page
    assert "Rows are numbered from 1, the first row of data." in page


def test_text_in_the_cells_is_escaped(table, says, sketched):
    table.assign(island=np.where(table.island == "Dream", "<b>&'x'", table.island)).to_csv("p.csv", index=False)
    assert says("fit", "p.csv", *QUICK, *OPTIONS, "--drop", "species,year", "--out", "run", "--report")[0] == 0
    page = Path("run/report.html").read_text()
    assert "<b>" not in page and "<td>&lt;b&gt;&amp;&#x27;x&#x27;</td>" in page


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")
def test_the_report_of_a_table_in_a_browser(table, says):
    """Mixed columns, missing cells and long names, on a screen and on a telephone."""
    table.rename(columns={"bill": "length_of_the_bill_in_millimetres_as_measured"}).to_csv("p.csv", index=False, na_rep="NA")
    assert says("fit", "p.csv", *QUICK, *OPTIONS, "--drop", "species,year", "--out", "run", "--report")[0] == 0
    (wide, narrow), console = look("run/report.html", 1280, 400)
    assert console == []
    for seen in (wide, narrow):
        assert len(seen["images"]) == 5 and all(width > 100 for width in seen["images"])
        assert seen["too_wide"] == seen["hidden"] == 0 and seen["smallest"] >= 14
        for sentence in ("Cluster 2: ", "Most typical rows, with q: ", "length_of_the_bill_in_millimetres_as_measured"):
            assert sentence in seen["text"]
    page = Path("run/report.html").read_text()
    Path("spoiled.html").write_text(page.replace("overflow-wrap: anywhere", "").replace("font-size: .95rem", "font-size: .6rem"))
    (seen,), _ = look("spoiled.html", 400)  # would it be seen?
    assert seen["hidden"] > 50 and seen["smallest"] < 11
