"""Columns by name: a table whose columns come in another order gives the same labels, and others are refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import QUICK, blobs
from numpy.testing import assert_array_equal

from decnp import DEC, save
from decnp.inference import Model, load_model
from decnp.utils.validation import match_columns

NAMES = ["height", "age", "income", "rooms", "a,b", "größe"]
FIT = ["--n-clusters", "3", "--hidden", "8,2", "--set", "finetune_iter=60", "--max-iter", "10", "-q"]


@pytest.fixture
def table(tmp_path, monkeypatch, says):
    """A folder with a trained run, from a CSV with names; returns the table."""
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(blobs(120), columns=NAMES)
    table.to_csv("train.csv", index=False)
    status, _, err = says("fit", "train.csv", *FIT, "--out", "run")
    assert status == 0, err
    return table


def labels(says, *argv):
    status, out, err = says("predict", "run/model.decnp", *argv)
    assert status == 0, err
    return [int(line) for line in out.split()], err


def error(says, *argv):
    status, out, err = says("predict", "run/model.decnp", *argv)
    assert (status, out) == (2, "")
    return err


def test_another_order_gives_the_same_labels_and_is_said(table, says):
    own, err = labels(says, "train.csv")
    assert err == "" and own == np.load("run/labels.npy").tolist() and len(set(own)) > 1
    table[NAMES[::-1]].to_csv("reversed.csv", index=False)
    same, err = labels(says, "reversed.csv")
    assert same == own and err == "decnp: reversed.csv: columns are matched to the model's by name\n"
    assert labels(says, "reversed.csv", "-q") == (own, "")
    np.save("x.npy", table.to_numpy())  # an .npy has no names: the order is the model's
    assert labels(says, "x.npy") == (own, "")
    table.to_csv("bare.csv", index=False, header=False)
    assert labels(says, "bare.csv")[0] == own


def test_missing_and_unknown_columns_are_refused_by_name(table, says):
    table.drop(columns=["age", "größe"]).to_csv("less.csv", index=False)
    assert "less.csv lacks columns that the model was trained on: 'age', 'größe'" in error(says, "less.csv")
    table.assign(weight=1.0).rename(columns={"age": "Age"}).to_csv("other.csv", index=False)
    assert "other.csv lacks columns that the model was trained on: 'age'" in error(
        says, "other.csv", "--extra", "ignore")


def test_extra_columns_are_refused_or_ignored_as_asked_for(table, says):
    own, _ = labels(says, "train.csv")
    extra = table.assign(weight=7.0, label=3)  # a column called label is no feature
    extra[["weight", *NAMES[::-1], "label"]].to_csv("extra.csv", index=False)
    sentence = error(says, "extra.csv")
    assert "extra.csv has columns that the model was not trained on: 'weight'; leave them out with --extra ignore" in sentence
    same, err = labels(says, "extra.csv", "--extra", "ignore")
    assert same == own and "by name; unknown columns left out: 1" in err


def test_wide_tables_keep_their_names(tmp_path, monkeypatch, says):
    """Names that take more than the header of a model file holds: those of the columns, and those left out."""
    monkeypatch.chdir(tmp_path)
    wide = pd.DataFrame(np.tile(blobs(30), 1100), columns=[f"a column with a name of ninety letters {j:050}" for j in range(6600)])
    wide.to_csv("wide.csv", index=False)
    status, _, err = says("fit", "wide.csv", *FIT, "--out", "run")
    assert status == 0, err
    own = np.load("run/labels.npy").tolist()
    wide[wide.columns[::-1]].to_csv("reversed.csv", index=False)
    assert labels(says, "reversed.csv") == (own, "decnp: reversed.csv: columns are matched to the model's by name\n")
    three = ",".join(wide.columns[:3])
    status, _, err = says("fit", "wide.csv", *FIT, "--columns", three, "--out", "few")
    assert status == 0, err
    assert load_model("few/model.decnp").left_out == tuple(wide.columns[3:])


def test_info_lists_the_columns(table, says):
    _, out, _ = says("info", "run/model.decnp")
    assert 'columns    "height", "age", "income", "rooms", "a,b", "gr\\u00f6\\u00dfe"' in out
    assert json.loads(says("info", "run/model.decnp", "--json")[1])["feature_names"] == NAMES
    assert json.loads(Path("run/run.json").read_text())["columns"] == NAMES


def test_a_data_frame_is_matched_by_name_without_pandas_being_imported(table):
    model = load_model("run/model.decnp")
    assert list(model.feature_names) == NAMES
    own = model.predict(table)
    assert_array_equal(own, model.predict(table.to_numpy()))
    turned = table[NAMES[::-1]]
    for function in (model.predict, model.predict_proba, model.transform, lambda X: next(model.blocks(X))[1]):
        with pytest.warns(UserWarning, match="the columns of X were reordered by name to match the model") as seen:
            assert_array_equal(function(turned), function(table))
        assert seen[0].filename == __file__ or function is not model.predict
    with pytest.raises(ValueError, match="X lacks columns that the model was trained on: 'age'"):
        model.predict(table.drop(columns="age"))
    with pytest.raises(ValueError, match="X has columns that the model was not trained on: 'weight'"):
        model.predict(table.assign(weight=1.0))


def test_a_model_taken_from_an_estimator_has_its_names(table):
    dec = DEC(3, hidden_layer_sizes=(4, 2), profile=QUICK, n_init=1, engine="numpy", random_state=0).fit(table)
    model = Model.from_estimator(dec)
    assert model.feature_names == tuple(NAMES)
    with pytest.warns(UserWarning, match="the columns of X were reordered by name"):
        assert_array_equal(model.predict(table[NAMES[::-1]]), dec.labels_)


def test_an_arrow_table_is_matched_by_name(table):
    class ArrowTable:
        """The part of pyarrow.Table that matters: its ``columns`` are the values, not the names."""
        def __init__(self, frame):
            self.column_names, self.columns = list(frame), [frame[name].to_numpy() for name in frame]

        def __len__(self):
            return len(self.columns[0])

        def __array__(self, dtype=None, copy=None):
            return np.column_stack(self.columns)

    model = load_model("run/model.decnp")
    assert_array_equal(model.predict(ArrowTable(table)), model.predict(table))
    with pytest.warns(UserWarning, match="the columns of X were reordered by name"):
        assert_array_equal(model.predict(ArrowTable(table[NAMES[::-1]])), model.predict(table))


def test_a_model_without_names_takes_any_frame_of_its_width(tmp_path):
    dec = DEC(3, hidden_layer_sizes=(4, 2), profile=QUICK, n_init=1, engine="numpy", random_state=0).fit(blobs())
    save(dec, tmp_path / "model.decnp")
    model = load_model(tmp_path / "model.decnp")
    assert model.feature_names == ()
    assert_array_equal(model.predict(pd.DataFrame(blobs(), columns=NAMES)), dec.labels_)


@pytest.mark.parametrize("expected, given, order", [
    (["a", "b"], ["b", "a"], [1, 0]), (["a", "b"], ["a", "b"], [0, 1]), ([], ["a"], None), (["a"], [], None),
    (["a", "a", "b"], ["a", "a", "b"], [0, 1, 2]), (["a", "a", "b"], ["a", "c", "a", "b"], [0, 2, 3]),
    (["a", "b"], ["c", "b", "c", "a"], [3, 1]),
])
def test_names_decide_where_they_can(expected, given, order):
    assert match_columns(expected, given, "X", ignore_extra=True) == order


@pytest.mark.parametrize("expected, given, sentence", [
    (["a", "a", "b"], ["b", "a", "a"], "the model's column 1 is 'a'; got 'b'"),
    (["a", "a"], ["c", "a"], "it must have 2 such columns; got 1"),
    (["a", "b"], ["a", "b", "a"], "it must have 2 such columns; got 3"),
])
def test_columns_with_equal_names_are_matched_in_the_models_order_only(expected, given, sentence):
    with pytest.raises(ValueError, match=f"^X must have the model's columns in their order, because the name 'a' occurs twice: "
                                         f"{sentence}$"):
        match_columns(expected, given, "X", ignore_extra=True)


def test_predict_refuses_equal_names_in_another_order(table, says):
    for name, columns in (("train.csv", ["a", "a", "b", "c", "d", "e"]), ("new.csv", ["b", "a", "a", "c", "d", "e"])):
        table.set_axis(columns, axis=1).to_csv(name, index=False)
    assert says("fit", "train.csv", *FIT, "--out", "run", "--overwrite")[0] == 0
    assert labels(says, "train.csv")[0] == np.load("run/labels.npy").tolist()
    assert error(says, "new.csv").endswith("because the name 'a' occurs twice: the model's column 1 is 'a'; got 'b'\n")
    with pytest.raises(ValueError, match="the model's column 1 is 'a'; got 'b'"):
        load_model("run/model.decnp").predict(table.set_axis(columns, axis=1))


def test_many_names_are_cut_short():
    with pytest.raises(ValueError, match="'9' and 2 more$"):
        match_columns([str(i) for i in range(12)], ["x"], "X")
