"""The recipe of a table: worked by hand, against scikit-learn's own pipeline, in model files, in Python, in ONNX."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import scipy.sparse
from conftest import QUICK, blobs
from hostile_models import with_header
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

from decnp import DEC, ModelFileError, load, save
from decnp.export import export_onnx
from decnp.inference import Model, load_model
from decnp.io.model_file import read_model
from decnp.io.prepared_rows import PreparedRows
from decnp.io.raw_columns import raw_columns
from decnp.io.raw_table import RawTable
from decnp.io.recipe import Categories, Number, Recipe
from decnp.training.preparation import fit_recipe, pipeline_for, recipe_of, split_pipeline

ROOT = Path(__file__).parents[1]


def objects(*values):
    return np.array(values, object)


def table_of(words=(), **columns):
    """A raw table; ``words`` names its columns of categories."""
    arrays = [column if isinstance(column, np.ndarray) else objects(*column) if any(
        isinstance(cell, str) for cell in column) else np.array(column, float) for column in columns.values()]
    places = frozenset(j for j, name in enumerate(columns) if name in words)
    return RawTable("x.csv", arrays, tuple(columns), True, places, None, [], ())


def rows_of(recipe, *columns):
    return PreparedRows(recipe, columns)[:]


# ---------------------------------------------------------------- worked by hand

def test_numbers_and_categories_by_hand():
    """The median of 1, 2, 6 is 2; of 1, 2, 2, 6 (mean 2.75) the variance is 3.6875."""
    table = table_of(("kind",), size=[1, np.nan, 2, 6], kind=["cat", "dog", None, "cat"])
    recipe = fit_recipe(table, standardize=True, missing="median")
    assert recipe.features == (Number(0, 2.0, 2.75, np.sqrt(3.6875), 1), Categories(1, ("cat", "dog", None), (2, 1, 1)))
    assert recipe.feature_names == ("size", "kind=cat", "kind=dog", "kind=missing")
    std = np.sqrt(3.6875)
    assert_allclose(rows_of(recipe, *table.columns), [
        [-1.75 / std, 1, 0, 0], [-0.75 / std, 0, 1, 0], [-0.75 / std, 0, 0, 1], [3.25 / std, 1, 0, 0]], rtol=1e-15)


def test_nothing_is_done_that_was_not_asked_for():
    table = table_of(size=[1.5, 2.5], weight=[3, 4])
    assert fit_recipe(table, False, None).features == (Number(0, missing=0), Number(1, missing=0))
    assert fit_recipe(table, False, "mean").features == (Number(0, 2.0, missing=0), Number(1, 3.5, missing=0))
    with pytest.raises(ValueError, match="the column 'size' has 1 missing values, and the model's recipe has nothing"):
        rows_of(fit_recipe(table, True, None), np.array([np.nan]), np.array([1.0]))


def test_unseen_categories_are_counted_over_all_blocks():
    rows = PreparedRows(Recipe(("a", "b"), True, (Categories(0, ("x", "y")), Categories(1, (1.0, 2.5)))),
                        [objects("x", "z", "w", "y"), np.array([2.5, 1, 3, np.nan])])
    assert_array_equal(rows[0:2], [[1, 0, 0, 1], [0, 0, 1, 0]])
    assert rows.note() == ("1 cell has a category that the model was not trained on, which counts as none of them: "
                                  "'a' 1 ('z')")
    assert_array_equal(rows[2:4], [[0, 0, 0, 0], [0, 1, 0, 0]])
    assert rows.note() == ("4 cells have categories that the model was not trained on, which count as none of them: "
                                  "'a' 2 ('z'), 'b' 2 ('3')")


def test_columns_that_are_more_than_half_filled_in_are_named():
    """In "b", which two features take, 2 of 3 numbers are missing, in "a" 1 of 3. In "c" a missing cell is a category."""
    recipe = Recipe(("a", "b", "c"), True, (Number(0, 1.0), Number(1, 1.0), Number(1, 2.0), Categories(2, ("x", None))))
    rows = PreparedRows(recipe, [np.array([0, 1, np.nan]), objects("NA", None, "3"), objects(None, "", None)])
    rows[0:1]
    assert rows.note() == ""  # a single row
    rows[1:2]
    assert rows.note() == "more than half of the numbers of 'b' (100 %) are filled in"
    rows[2:3]
    assert rows.note() == "more than half of the numbers of 'b' (66 %) are filled in"
    rows = PreparedRows(recipe, [np.array([np.nan] * 2), np.ones(2), objects("x", "y")])
    rows[:]
    assert rows.note() == (
        "1 cell has a category that the model was not trained on, which counts as none of them: 'c' 1 ('y'); more than half "
        "of the numbers of 'a' (100 %) are filled in")


@pytest.mark.parametrize("cell, place", [
    ("1", 0), ("1.0", 0), (" 1 ", 0), (1, 0), (np.int8(1), 0), (True, 0), ("2.5", 1), (2.5, 1), ("x", None), (3, None),
    ("", 2), ("NA", 2), (None, 2), (np.nan, 2), (pd.NA, 2), (pd.NaT, 2)])
def test_the_same_number_in_other_words_is_the_same_category(cell, place):
    row, = rows_of(Recipe(("a",), True, (Categories(0, (1.0, 2.5, None)),)), objects(cell))
    assert_array_equal(np.flatnonzero(row), [] if place is None else [place])


@pytest.mark.parametrize("cell, place", [
    (True, 1), (np.False_, 0), ("TRUE", 1), (" False ", 0), ("true", 1), (" yes ", 2), ("YES", None), (1, None), ("", 3)])
def test_true_and_false_are_categories_in_any_case(cell, place):
    row, = rows_of(Recipe(("a",), True, (Categories(0, ("False", "true", "yes", None)),)), objects(cell))
    assert_array_equal(np.flatnonzero(row), [] if place is None else [place])


@pytest.mark.parametrize("cell, place", [
    (0.0, 0), (np.float32(1), 1), (-0.0, 0), ("0", 0), (0, 0), (2.0, 2), ("2.0", 2), (2, None), (1.5, None), ("0.0", None),
    (np.inf, None), (np.nan, 3)])
def test_a_whole_number_in_a_float_is_the_word_without_a_point(cell, place):
    """pandas turns whole numbers beside missing ones into floats."""
    row, = rows_of(Recipe(("a",), True, (Categories(0, ("0", "1", "2.0", None)),)), objects(cell))
    assert_array_equal(np.flatnonzero(row), [] if place is None else [place])


def test_two_cases_of_true_stay_two_categories():
    recipe = Recipe(("a",), True, (Categories(0, ("TRUE", "true")),))
    assert_array_equal(rows_of(recipe, objects("TRUE", "true", "True")), [[1, 0], [0, 1], [0, 1]])


def test_a_column_of_bool_is_one_of_true_and_false():
    recipe = Recipe(("a",), True, (Categories(0, ("false", "true")),))
    assert_array_equal(rows_of(recipe, np.array([True, False])), [[0, 1], [1, 0]])


def test_words_that_say_missing_may_be_categories():
    recipe = Recipe(("a",), True, (Categories(0, ("none", "x")),))
    assert_array_equal(rows_of(recipe, objects("none", "x", "")), [[1, 0], [0, 1], [0, 0]])


def test_cells_that_are_not_numbers():
    recipe = Recipe(("a",), True, (Number(0, 5.0),))
    assert_array_equal(rows_of(recipe, objects("1", True, None, "NA", 2.5, "false", pd.NA))[:, 0], [1, 1, 5, 5, 2.5, 0, 5])
    with pytest.raises(ValueError, match="the column 'a' must hold numbers; got '1_000'"):
        rows_of(recipe, objects("1_000"))
    with pytest.raises(ValueError, match=r"the column 'a' must hold numbers; got the dtype datetime64\[us\]"):
        rows_of(recipe, np.array(["2020-01-01"], "M8[us]"))


def test_describe_and_json():
    recipe = Recipe(("a", "b"), False, (Number(1, 2.0, 0.1, 0.7, 3), Categories(0, ("x", None), (1, 2), None, 1, "error")))
    data = json.loads(json.dumps(recipe.to_json()))
    assert Recipe.from_json(data) == recipe and recipe.n_features == 2 and recipe.feature_names == ("b", "a=x")
    assert recipe.to_json()["features"][0] == {"column": 1, "fill": 2.0, "mean": 0.1, "std": 0.7, "missing": 3}


# ---------------------------------------------------------------- against scikit-learn

NUMBERS = st.one_of(st.just(np.nan), st.integers(-5, 5).map(float), st.floats(-1e6, 1e6))
WORDS = st.sampled_from([None, "a", "b", "cd", "ä", "1"])


@st.composite
def raw_tables(draw):
    """Columns of numbers and of words, rows to train on and other rows."""
    n, m = draw(st.integers(2, 12)), draw(st.integers(1, 6))
    n_numbers, n_words = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    columns = [np.array(draw(st.lists(NUMBERS, min_size=n + m, max_size=n + m))) for _ in range(n_numbers)]
    columns += [objects(*draw(st.lists(WORDS, min_size=n + m, max_size=n + m))) for _ in range(n_words)]
    for column in columns[:n_numbers]:
        column[0] = draw(st.floats(-9, 9))  # no column is empty
    order = draw(st.permutations(range(len(columns))))
    return [columns[j] for j in order], frozenset(i for i, j in enumerate(order) if j >= n_numbers), n


@settings(max_examples=150, deadline=None)
@given(raw_tables(), st.booleans(), st.sampled_from(["median", "mean"]))
def test_numpy_gives_the_bits_of_scikit_learn(drawn, standardize, missing):
    columns, words, n = drawn
    names = tuple(f"c{j}" for j in range(len(columns)))
    table = RawTable("x.csv", [column[:n] for column in columns], names, True, words, None, [], ())
    recipe = fit_recipe(table, standardize, missing)
    numbers = [j for j in range(len(columns)) if j not in words]
    X = np.empty((len(columns[0]), len(columns)), object)
    for j, column in enumerate(columns):
        X[:, j] = column
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn, of unseen categories
        wanted = pipeline_for(numbers, sorted(words), standardize, missing).fit(X[:n]).transform(X)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    columns = [columns[names.index(name)] for name in again.columns]
    assert_array_equal(PreparedRows(again, columns)[:], np.asarray(wanted, float))  # to the bit: the same operations on one machine
    for feature in recipe.features:
        assert not isinstance(feature, Categories) or sum(feature.counts) == n


FRAME = pd.DataFrame({
    "size": [1.0, np.nan, 2.0, 6.0, 3.0, 3.5], "kind": ["cat", "dog", np.nan, "cat", "dog", "cow"], "old": [1, 0, 1, 1, 0, 0],
    "flag": [True, False, True, True, False, False], "code": [7, 8, 7, 9, 9, 9]})
OTHER = pd.DataFrame({
    "size": [np.nan, 5.0, 2.0], "kind": ["cow", "eel", np.nan], "old": [0, 1, 5], "flag": [False, True, True],
    "code": [9, 10, 7]})
ENCODE = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
PIPELINES = {
    "numbers alone": (["size", "old"], [SimpleImputer(strategy="median"), StandardScaler()]),
    "a scaler without a mean": (["size", "code"], [SimpleImputer(strategy="constant", fill_value=-1.0),
                                                   StandardScaler(with_mean=False)]),
    "categories alone": (["kind", "flag"], [ENCODE]),
    "a filled category": (["kind"], [SimpleImputer(strategy="most_frequent"), ENCODE]),
    "a category for what is missing": (["kind"], [SimpleImputer(strategy="constant", fill_value="unknown"), ENCODE]),
    "one category less": (["kind", "flag"], [OneHotEncoder(drop="if_binary", handle_unknown="ignore", sparse_output=False)]),
    "columns": (list(FRAME), [ColumnTransformer([
        ("words", ENCODE, ["flag", "kind"]), ("left", "drop", ["code"]),
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["size"])], remainder="passthrough")]),
    "columns twice, by place": (list(FRAME), [ColumnTransformer([
        ("numbers", SimpleImputer(), [0, -1]), ("words", ENCODE, slice(1, 2)), ("again", ENCODE, [4])])]),
    "columns by a function": (list(FRAME), [ColumnTransformer([
        ("numbers", Pipeline([("none", "passthrough"), ("scale", StandardScaler())]), lambda X: ["old", "code"])])]),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_recipe_of_a_pipeline(name):
    columns, steps = PIPELINES[name]
    fitted = make_pipeline(*steps).fit(FRAME[columns])
    recipe = recipe_of([("steps", fitted)], columns, True)
    for frame in (FRAME, OTHER):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = fitted.transform(frame[columns])
        assert_array_equal(PreparedRows(recipe, raw_columns(frame[list(recipe.columns)], recipe))[:], np.asarray(wanted, float))
    assert set(recipe.columns) == {columns[j] for j in range(len(columns)) if columns[j] not in ("code",)} or "code" in columns


def test_the_columns_of_a_pipeline_are_those_of_its_first_step_that_is_one():
    """A Pipeline asks its first entry for them, which can be "passthrough"."""
    steps = make_pipeline("passthrough", SimpleImputer(), StandardScaler()).fit(FRAME[["old", "size"]])
    recipe = split_pipeline(make_pipeline(*(step for _, step in steps.steps), "passthrough"))[1]
    assert recipe.columns == ("old", "size") and recipe.named


@pytest.mark.parametrize("rule, refused", [("error", True), ("ignore", False), ("infrequent_if_exist", False)])
def test_a_category_that_the_encoder_refuses_is_refused(rule, refused):
    """The rule of a fitted encoder is that of the recipe: catches a rule that is lost on the way."""
    fitted = make_pipeline(OneHotEncoder(handle_unknown=rule, sparse_output=False)).fit(FRAME[["kind"]])
    rows = PreparedRows(recipe_of(fitted.steps, ["kind"], True), [objects("cat", "eel")])
    if refused:
        with pytest.raises(ValueError, match="the column 'kind' has the category 'eel', which the model was not trained on"):
            rows[:]
    else:
        assert_array_equal(rows[:], [[1, 0, 0, 0], [0, 0, 0, 0]])
        assert "'kind' 1 ('eel')" in rows.note()


@pytest.mark.parametrize("steps, sentence", [
    ([SimpleImputer(), PCA(2)], "the step 'pca' (PCA) cannot be kept in a model file, which holds ColumnTransformer, "),
    ([SimpleImputer(), MinMaxScaler()], "the step 'minmaxscaler' (MinMaxScaler) cannot be kept"),
    ([SimpleImputer(), FunctionTransformer(np.log1p)], "the step 'functiontransformer' (FunctionTransformer) cannot be kept"),
    ([SimpleImputer(add_indicator=True)], "add_indicator and missing_values other than NaN are not supported"),
    ([SimpleImputer(missing_values=-1)], "add_indicator and missing_values other than NaN are not supported"),
    ([StandardScaler(), SimpleImputer()], "'simpleimputer' (SimpleImputer) cannot be kept in a model file: it comes after a "
                                          "StandardScaler"),
    ([SimpleImputer(), StandardScaler(), StandardScaler()], "it comes after a StandardScaler"),
    ([OneHotEncoder(sparse_output=False), StandardScaler()], "it comes after a OneHotEncoder"),
    ([OneHotEncoder(sparse_output=False), ColumnTransformer([("scale", StandardScaler(), [-1])])],
     "the step 'columntransformer' (ColumnTransformer) cannot be kept in a model file: it comes after a OneHotEncoder"),
    ([OneHotEncoder(min_frequency=2)], "min_frequency and max_categories are not supported"),
    ([SimpleImputer(strategy="constant", fill_value="x")], "the column 'size' holds words after the last step: add a OneHot"),
    ([ColumnTransformer([("scale", StandardScaler(), [0, 1])], transformer_weights={"scale": 2.0})],
     "the step 'columntransformer' (ColumnTransformer) cannot be kept in a model file: transformer_weights are not supported"),
    ([ColumnTransformer([("odd", MinMaxScaler(), [0])])], "the step 'columntransformer.odd' (MinMaxScaler) cannot be kept"),
])
def test_steps_that_cannot_be_kept_are_named(steps, sentence):
    X = FRAME[["size", "code"]].astype(object if "fill_value='x'" in str(steps) else float)
    X = X if "missing_values=-1" not in str(steps) else X.fillna(3.0)
    fitted = make_pipeline(*steps).fit(X)
    with pytest.raises(ValueError) as error:
        recipe_of(fitted.steps, ["size", "code"], True)
    assert sentence in str(error.value)


@pytest.mark.parametrize("column, sentence", [
    (pd.to_datetime(["2020-01-01", "2020-01-02"]).astype("M8[us]"),
     "categories that are neither words nor numbers, such as dates, are not supported"),
    (objects(b"cat", b"dog"), "categories that are neither words nor numbers, such as dates, are not supported"),
    ([2**53, 2**53 + 1], "two categories are the same number in float64"),
    (objects(None, np.nan), "None and NaN are two categories"),
])
def test_categories_that_cannot_be_kept_are_named(column, sentence):
    fitted = make_pipeline(OneHotEncoder()).fit(pd.DataFrame({"kind": pd.Series(column)}))
    with pytest.raises(ValueError) as error:
        recipe_of(fitted.steps, ["kind"], True)
    assert str(error.value) == f"the step 'onehotencoder' (OneHotEncoder) cannot be kept in a model file: {sentence}"


# ---------------------------------------------------------------- pipelines that end in DEC

def frame_of(n=90, seed=0):
    """Blobs with missing numbers, and a category that follows them."""
    X = blobs(n, n_features=3, spread=0.3)
    frame = pd.DataFrame(X * [1, 100, 1e-3] + [0, 2000, 0], columns=["a", "b", "c"])
    frame["kind"] = np.array(["x", "y", "z"])[np.arange(n) % 3]
    frame["grade"] = np.random.default_rng(seed).integers(1, 4, n)
    frame.loc[::7, "b"] = np.nan
    frame.loc[::11, "kind"] = np.nan  # for the encoder of scikit-learn, None is another category with pandas 2
    return frame


@pytest.fixture(scope="module")
def pipeline():
    prepare = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["a", "b", "c"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["kind", "grade"])])
    dec = DEC(3, hidden_layer_sizes=(8, 2), profile=QUICK, random_state=0)
    return make_pipeline(prepare, dec).fit(frame_of())


@pytest.fixture
def saved(pipeline, tmp_path):
    save(pipeline, tmp_path / "m.decnp")
    return load_model(tmp_path / "m.decnp")


NEW = pd.DataFrame({"a": [0.1, np.nan, 2], "b": [np.nan, 2100, 1900], "c": [0, 1e-3, np.nan], "kind": ["x", "w", np.nan],
                    "grade": [1, 2, 9]})


def test_a_saved_pipeline_predicts_from_raw_columns(pipeline, saved):
    assert saved.header["format"] == 4 and saved.feature_names == ("a", "b", "c", "kind", "grade") and saved.n_features == 5
    frame = frame_of()
    assert_array_equal(saved.predict(frame), pipeline[-1].labels_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = pipeline.predict_proba(NEW)
    with pytest.warns(UserWarning, match="2 cells have categories that the model was not trained on.*'kind' 1 .'w'., 'grade' 1"):
        assert_allclose(saved.predict_proba(NEW), wanted, rtol=1e-6)
    with pytest.warns(UserWarning, match="not trained on"):
        blocks = [z for _, z in saved.blocks(NEW)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_allclose(np.concatenate(blocks), saved.transform(NEW), rtol=1e-6)


@pytest.mark.parametrize("named", [True, False])
def test_a_pipeline_that_drops_columns_takes_the_table_it_was_fitted_on(tmp_path, named):
    frame = frame_of()[["kind", "a", "b"]]
    prepare = make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), [1, 2]))
    dec = DEC(3, hidden_layer_sizes=(4, 2), profile=QUICK, n_init=1, engine="numpy", random_state=0)
    X = frame if named else frame.to_numpy(object)
    pipeline = make_pipeline(prepare, dec).fit(X)
    save(pipeline, tmp_path / "m")
    for model in (load_model(tmp_path / "m"), Model.from_estimator(pipeline)):
        assert model.left_out == ("kind" if named else "1",)
        assert_array_equal(model.predict(X), dec.labels_)
        assert_array_equal(model.predict(X[["b", "a"]] if named else X[:, 1:]), dec.labels_)


@pytest.mark.parametrize("kind", ["dict", "objects", "lists", "shuffled", "arrow", "strings"])
def test_other_forms_of_a_table(saved, kind):
    frame = frame_of()
    wanted = saved.predict_proba(frame)
    forms = {
        "dict": lambda: {name: frame[name].tolist() for name in frame}, "objects": lambda: frame.to_numpy(object),
        "lists": lambda: frame.to_numpy(object).tolist(), "shuffled": lambda: frame[["grade", "c", "a", "kind", "b"]],
        "arrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(frame),
        "strings": lambda: frame.astype(object).where(frame.notna(), "").astype(str).to_numpy(str)}
    assert_array_equal(saved.predict_proba(forms[kind]()), wanted)


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_a_pipeline_that_was_fitted_on_a_sparse_matrix_takes_one(kind):
    X = getattr(scipy.sparse, kind)(np.maximum(blobs(30), 0))
    dec = DEC(2, hidden_layer_sizes=(4, 2), profile=QUICK, random_state=0)
    pipeline = make_pipeline(StandardScaler(with_mean=False), dec).fit(X)
    assert_array_equal(Model.from_estimator(pipeline).predict(X), dec.labels_)


def test_tables_that_do_not_fit(saved):
    frame = frame_of()
    for X, sentence in (
        (frame.drop(columns="b"), "X lacks columns that the model was trained on: 'b'"),
        (frame.assign(d=1), "X has columns that the model was not trained on: 'd'"),
        (frame.to_numpy(object)[:, 1:], "X must have the 5 columns 'a', 'b', 'c', 'kind', 'grade'; got 4"),
        (frame.to_numpy(object)[0], "X must have two axes, one row for each sample; got the shape (5,)"),
        ({**frame, "a": [1.0]}, "the columns of X must have one length; got 1, 90"),
        (frame.assign(a="far"), "the column 'a' must hold numbers; got 'far'"),
        (frame.assign(a=np.inf), "X must hold finite numbers within float"),
        (pd.concat([frame, frame[["a"]]], axis=1), "because the name 'a' occurs twice: it must have 5 such columns; got 6"),
    ):
        with pytest.raises(ValueError) as error:
            saved.predict(X)
        assert sentence in str(error.value)


def test_a_pipeline_is_loaded_as_a_dec_for_prepared_columns(pipeline, saved, tmp_path):
    dec = load(tmp_path / "m.decnp")
    assert list(dec.feature_names_in_) == [
        "a", "b", "c", "kind=x", "kind=y", "kind=z", "kind=missing", "grade=1", "grade=2", "grade=3"]
    with pytest.raises(ValueError, match="feature names"):
        dec.predict(frame_of())
    save(saved, tmp_path / "again.decnp", storage="float16")  # a Model keeps its recipe
    again = load_model(tmp_path / "again.decnp")
    assert again.recipe == saved.recipe and (again.predict(frame_of()) == pipeline[-1].labels_).mean() > 0.95
    dec = DEC(2, hidden_layer_sizes=(4, 2), profile=QUICK, random_state=0)
    bare = make_pipeline(StandardScaler(), dec).fit(blobs(30))
    save(bare, tmp_path / "bare.decnp")
    model = load_model(tmp_path / "bare.decnp")
    assert model.feature_names == () and model.recipe.columns == ("1", "2", "3", "4", "5", "6")
    assert_array_equal(model.predict(blobs(30)), dec.labels_)
    save(make_pipeline(dec), tmp_path / "alone.decnp")
    assert load_model(tmp_path / "alone.decnp").recipe is None


def test_pipelines_that_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="the last step of a pipeline must be a DEC; got StandardScaler"):
        save(make_pipeline(StandardScaler()).fit(blobs(9)), tmp_path / "m")
    with pytest.raises(ValueError, match="is not fitted yet"):
        save(make_pipeline(StandardScaler(), DEC(2)), tmp_path / "m")
    wide = make_pipeline(StandardScaler(), DEC(2, hidden_layer_sizes=(2,), profile=QUICK)).fit(
        np.random.default_rng(0).normal(size=(9, 6000)))
    with pytest.raises(ValueError, match="the recipe of 6000 columns .* takes .* bytes, and a model file holds 393216"):
        save(wide, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_numpy_alone_predicts(saved, tmp_path):
    frame_of().to_csv(tmp_path / "x.csv", index=False)
    program = """if True:
        import sys
        for name in ("scipy", "sklearn", "numba", "llvmlite", "threadpoolctl", "joblib", "onnx", "pandas"):
            sys.modules[name] = None
        from decnp.cli import main
        from decnp.inference import load_model
        model = load_model("m.decnp")
        print(*model.predict({"a": [0.1], "b": ["NA"], "c": ["0"], "kind": ["x"], "grade": [1]}))
        assert main(["predict", "m.decnp", "x.csv", "-q"]) == 0
        assert main(["info", "m.decnp"]) == 0
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    labels = [int(word) for word in done.stdout.split()[1:91]]
    assert_array_equal(labels, saved.predict(frame_of()))


# ---------------------------------------------------------------- ONNX

def test_onnx_takes_raw_columns(pipeline, saved, tmp_path):
    export_onnx(saved, tmp_path / "m.onnx")
    export_onnx(pipeline, tmp_path / "same.onnx")
    assert (tmp_path / "same.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    names = {key: json.loads(session.get_modelmeta().custom_metadata_map[key]) for key in ("x", "words")}
    assert names == {"x": ["a", "b", "c", "grade"], "words": ["kind"]}
    for frame in (frame_of(), NEW):
        q, labels = session.run(["q", "label"], {
            "x": frame[names["x"]].to_numpy(np.float32), "words": frame[names["words"]].fillna("").to_numpy(object)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_allclose(q, saved.predict_proba(frame), rtol=1e-4, atol=1e-5)
            assert_array_equal(labels, saved.predict(frame))


def test_onnx_and_inference_give_the_labels_of_the_estimator(pipeline, saved, tmp_path):
    """300 raw rows: each cell is missing in one of five, and each category is unseen in one of five."""
    rng = np.random.default_rng(1)
    gone, unseen = rng.random((300, 5)) < 0.2, rng.random((300, 2)) < 0.2
    frame = pd.concat([frame_of(150, seed=2)] * 2, ignore_index=True).mask(gone)
    frame["kind"], frame["grade"] = frame["kind"].mask(unseen[:, 0], "other"), frame["grade"].mask(unseen[:, 1], 77)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unseen categories
        q = pipeline.predict_proba(frame)
        labels = pipeline.predict(frame)
        assert_array_equal(saved.predict(frame), labels)
    export_onnx(saved, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    found = session.run(["label"], {"x": frame[["a", "b", "c", "grade"]].to_numpy(np.float32),
                                    "words": frame[["kind"]].fillna("").to_numpy(object)})[0]
    apart = np.diff(np.sort(q, axis=1)[:, -2:], axis=1)[:, 0] > 1e-4  # where float32 cannot choose the label
    assert_array_equal(found[apart], labels[apart])
    assert apart.sum() > 290 and len(set(labels)) == 3


@pytest.mark.parametrize("name", [name for name in PIPELINES if name != "columns twice, by place"])
def test_onnx_of_each_recipe(name, tmp_path):
    columns, steps = PIPELINES[name]
    dec = DEC(2, hidden_layer_sizes=(4, 2), profile=QUICK, random_state=0)
    rows = pd.concat([FRAME] * 5, ignore_index=True)
    save(make_pipeline(*steps, dec).fit(rows[columns]), tmp_path / "m.decnp")
    model = load_model(tmp_path / "m.decnp")
    export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    meta = session.get_modelmeta().custom_metadata_map
    frame = OTHER.astype({"flag": float})
    inputs = {"x": lambda names: frame[names].to_numpy(np.float32), "words": lambda names: frame[names].fillna("").to_numpy(object)}
    q, = session.run(["q"], {key: make(json.loads(meta[key])) for key, make in inputs.items() if key in meta})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_allclose(q, model.predict_proba(OTHER[list(model.recipe.columns)]), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- hostile files

def with_recipe(change):
    def edit(header):
        change(header["recipe"])
    return with_header(edit)


def feature(j, **values):
    return with_recipe(lambda recipe: recipe["features"][j].update(values))


CORRUPTIONS = {
    "a recipe that is a list": (with_header(lambda h: h.update(recipe=[])), "a recipe must have columns, named and features"),
    "a field too many": (with_recipe(lambda r: r.update(code="x")), "a recipe must have columns, named and features"),
    "columns that are numbers": (with_recipe(lambda r: r.update(columns=[1, 2, 3, 4, 5])), "must be different strings"),
    "a column twice": (with_recipe(lambda r: r["columns"].__setitem__(0, "b")), "must be different strings"),
    "half a character": (with_recipe(lambda r: r["columns"].__setitem__(0, "\ud800")), "damaged"),
    "a column too many": (with_recipe(lambda r: r["columns"].append("z")), "each column of a recipe must be used"),
    "a feature that is a list": (with_recipe(lambda r: r["features"].__setitem__(0, [])), "must have the fields of"),
    "a feature with a method": (feature(0, width=3), "must have the fields of"),
    "a column that is not there": (feature(0, column=5), "column that must be from 0 to 4"),
    "a negative column": (feature(0, column=-1), "column that must be from 0 to 4"),
    "a column that is true": (feature(0, column=True), "column that must be from 0 to 4"),
    "a mean that is NaN": (feature(0, mean=float("nan")), "mean that must be a finite number"),
    "a mean beyond floats": (feature(0, mean=10**400), "mean that must be a finite number"),
    "a std of 0": (feature(0, std=0), "std that must be a finite number > 0"),
    "a fill that is a word": (feature(0, fill="x"), "fill that must be a finite number"),
    "categories that are a text": (feature(3, values="xyz"), "list of categories that must not be empty"),
    "no categories": (feature(3, values=[]), "list of categories that must not be empty"),
    "mixed categories": (feature(3, values=["x", 1, None, "z"]), "all strings or all finite numbers"),
    "a list among the categories": (feature(3, values=["x", [], None, "z"]), "all strings or all finite numbers"),
    "a category twice": (feature(3, values=["x", "y", "x", None]), "category twice"),
    "half a category": (feature(3, values=["x", "\ud800", "z", None]), "damaged"),
    "a category fewer": (feature(3, values=["x", "y"]), "its recipe gives 8 columns, and the network takes 10"),
    "counts that are negative": (feature(3, counts=[-1, 2, 3, 4]), "number of rows for each category"),
    "another rule": (feature(3, unseen="guess"), "rule for unseen categories"),
    "a dropped category that is not there": (feature(3, dropped=4), "dropped category that must be one of them"),
    "names beside a recipe": (with_header(lambda h: h.update(feature_names=["f"] * 10)), "feature_names beside a recipe"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_hostile_recipes_are_refused(saved, tmp_path, name):
    make, sentence = CORRUPTIONS[name]
    (tmp_path / "bad").write_bytes(make((tmp_path / "m.decnp").read_bytes()))
    for read in (load_model, load, read_model):
        with pytest.raises(ModelFileError) as error:
            read(tmp_path / "bad")
        assert sentence in str(error.value) and "\n" not in str(error.value)
