"""A model in use: the same answers as the estimator's, on NumPy alone, however the rows come."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import QUICK
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from decnp import DEC, ModelFileError
from decnp.inference import Model, load_model
from decnp.layers import Dense
from decnp.utils.rows import BLOCK
from decnp.utils.threads import blas_threads


@pytest.fixture(scope="module", params=["float32", "float64"])
def fitted(request, X, tmp_path_factory):
    """A fitted DEC and its file."""
    dec = DEC(3, hidden_layer_sizes=(8, 6, 2), profile=QUICK, alpha=2.5, dtype=request.param, random_state=0).fit(X)
    path = tmp_path_factory.mktemp("model") / "model.decnp"
    dec.save(path)
    return dec, path


# Another order of additions in float32 is 1e-7 a product of each layer; q is at most 1.
CLOSE = {"float32": dict(rtol=0, atol=1e-6), "float64": dict(rtol=0, atol=1e-13)}


def many(X):
    """More rows than go through at once, and no multiple of that."""
    return np.tile(X, (2 * BLOCK // len(X) + 1, 1))[: 2 * BLOCK + 17]


def test_same_labels_and_q_as_the_estimator(fitted, X):
    dec, path = fitted
    model, x = load_model(path), many(X)
    labels, q, z = model.predict(x), model.predict_proba(x), model.transform(x)
    assert_array_equal(labels, dec.predict(x))
    assert_allclose(q, dec.predict_proba(x), **CLOSE[dec.dtype])
    assert_allclose(z, dec.transform(x), rtol=1e-4 if dec.dtype == "float32" else 1e-12, atol=1e-5)
    assert labels.dtype == np.int32 and q.dtype == z.dtype == dec.dtype
    assert labels.shape == (len(x),) and q.shape == (len(x), 3) and z.shape == (len(x), 2)


def test_a_model_is_made_from_the_estimator_or_from_a_pipeline_that_ends_in_it(fitted, X):
    """Steps that are "passthrough" or None are left out, so that nothing is prepared."""
    dec, path = fitted
    pipeline = Pipeline([("none", None), ("left", "passthrough"), ("dec", dec)])
    for model in (Model.from_estimator(dec), Model.from_estimator(pipeline)):
        assert model.recipe is None
        assert_array_equal(model.predict_proba(X), load_model(path).predict_proba(X))
    scaled = make_pipeline("passthrough", StandardScaler().fit(X), dec)
    assert_array_equal(Model.from_estimator(scaled).predict(X), dec.predict(StandardScaler().fit_transform(X)))


def test_a_table_in_another_order_is_warned_of_at_the_callers_line():
    """Catches another stacklevel, and a permutation that is applied twice or backwards."""
    pd = pytest.importorskip("pandas")
    theta = [Dense(np.array([[1.0], [10.0], [100.0]]), np.zeros(1), "linear")]
    model = Model(theta, np.array([[0.0], [400.0]]), header={"feature_names": ["a", "b", "c"]})
    table = pd.DataFrame({"c": [3.0], "a": [1.0], "b": [2.0]})
    for method in (model.transform, model.predict, model.predict_proba):
        with pytest.warns(UserWarning, match="the columns of X were reordered by name") as seen:
            found = method(table)
        assert [warning.filename for warning in seen] == [__file__]
        assert_array_equal(found, method(table[["a", "b", "c"]]))
    with pytest.warns(UserWarning):
        assert_array_equal(model.transform(table), [[321.0]])


@pytest.mark.parametrize("form", ["pandas", "arrow"])
def test_columns_that_the_fit_left_out_may_be_there(form):
    """They may hold words and dates, as labels do, and stand anywhere."""
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"day": pd.to_datetime(["2020-01-01"]), "b": [2.0], "kind": ["cat"], "a": [1.0]})
    table = table if form == "pandas" else pytest.importorskip("pyarrow").Table.from_pandas(table)
    theta = [Dense(np.array([[1.0], [10.0]]), np.zeros(1), "linear")]
    model = Model(theta, np.array([[0.0]]), header={"feature_names": ["b", "a"], "left_out": ["kind", "day"]})
    assert_array_equal(model.transform(table), [[12.0]])
    with pytest.raises(ValueError, match="X has columns that the model was not trained on: 'kind'"):
        Model(theta, np.array([[0.0]]), header={"feature_names": ["b", "a"], "left_out": ["day"]}).transform(table)


def test_a_row_does_not_depend_on_its_batch_but_for_rounding(fitted, X):
    dec, path = fitted
    model, x = load_model(path), many(X)
    q = model.predict_proba(x)
    for size in (1, 2, 7, 64):
        parts = np.vstack([model.predict_proba(x[start : start + size]) for start in range(0, 140, size)])
        assert_allclose(parts, q[: len(parts)], **CLOSE[dec.dtype])


def test_shift_and_scale_are_the_models_own(X):
    theta = [Dense(np.array([[1.0], [0.0]]), np.zeros(1), "linear")]
    model = Model(theta, np.array([[0.0], [4.0]]), shift=np.array([1.0, 0.0]), scale=2.0)
    assert_array_equal(model.transform([[1.0, 9.0], [3.0, 9.0]]), [[0.0], [4.0]])
    assert_array_equal(model.predict([[1.0, 9.0], [3.0, 9.0]]), [0, 1])


def test_any_numbers_do_and_none_at_all(fitted, X):
    dec, path = fitted
    model = load_model(path)
    x = np.round(X[:20] * 3)
    for other in (x.astype(np.int16), np.asfortranarray(x), x[::-1][::-1], x.tolist(), x.astype(np.float32)):
        assert_array_equal(model.predict(other), model.predict(x))
    assert model.predict(x[:0]).shape == (0,) and model.predict_proba(x[:0]).shape == (0, 3)


def test_a_memory_map_is_read_in_pieces(fitted, X, tmp_path):
    dec, path = fitted
    np.save(tmp_path / "x.npy", many(X))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert [rows for rows, _ in load_model(path).blocks(mapped)] == [
        slice(0, BLOCK), slice(BLOCK, 2 * BLOCK), slice(2 * BLOCK, 2 * BLOCK + 17)]
    assert_array_equal(load_model(path).predict(mapped), dec.predict(many(X)))


def test_a_crew_changes_no_bit_and_leaves_the_threads_as_they_were(fitted, X):
    dec, path = fitted
    model, x = load_model(path), many(X)
    with threadpool_limits(1, "blas"):
        alone = model.predict_proba(x)
    with threadpool_limits(3, "blas"):
        assert_array_equal(model.predict_proba(x), alone)
        assert_array_equal(np.vstack([z for _, z in model.blocks(x)]), model.transform(x))
        x[[BLOCK + 3, 2 * BLOCK + 1], 0] = np.nan
        with pytest.raises(ValueError, match=rf"row {BLOCK + 3} \(counted from 0\) does not"):
            model.predict(x)
        assert blas_threads() == 3


def frame(x, column, dtype):
    """Return x as a DataFrame with one column of another dtype."""
    return pytest.importorskip("pandas").DataFrame(x).astype({column: dtype})


@pytest.mark.parametrize("wrong, sentence", [
    (lambda x: x[:, :5], r"X must have the shape \(n, 6\); got \(4, 5\)"),
    (lambda x: x[0], r"X must have the shape \(n, 6\); got \(6,\)"),
    (lambda x: x + 1j, "X must hold real numbers; got the dtype complex128"),
    (lambda x: x.astype(str), "X must hold real numbers; got the dtype <U"),
    (lambda x: (x + 1j).astype(object), "X must hold real numbers; .*complex"),
    (lambda x: frame(np.where(np.arange(4)[:, None] == 1, np.nan, x.round()), 0, "Int64"),
     r"X must hold finite numbers within float\d\d; row 1 .counted from 0. does"),
    (lambda x: [[10**400, *x[0, 1:]]], "X must hold real numbers; int too large"),
    (lambda x: [x[0].tolist(), [1.0]], "X must be an array of numbers .*inhomogeneous"),
    (lambda x: {"a": x[:, 0]}, r"X must have the shape \(n, 6\); got a value of the type dict"),
    (lambda x: sp.csr_array(x[:, :5]), r"X must have the shape \(n, 6\); got \(4, 5\)"),
    (lambda x: 3.0, r"X must have the shape \(n, 6\); got a value of the type float"),
    (lambda x: np.where(np.arange(4)[:, None] == 2, np.nan, x), r"X must hold finite numbers within float\d\d; row 2 .counted from 0. does"),
    (lambda x: np.where(np.arange(4)[:, None] == 3, -np.inf, x), r"X must hold finite numbers within float\d\d; row 3 .counted from 0. does"),
    (lambda x: np.ma.array(x, mask=np.broadcast_to(np.arange(4)[:, None] == 3, x.shape)), "X must have no masked values; got "),
], ids=["columns", "one row", "complex", "words", "complex objects", "NA", "a huge number", "ragged", "dict", "sparse", "a number", "nan", "inf", "masked"])
def test_bad_input_is_one_sentence(fitted, X, wrong, sentence):
    model = load_model(fitted[1])
    for method in (model.transform, model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=sentence):
            method(wrong(X[:4]))


def test_what_float32_cannot_hold_is_refused(X):
    model = Model([Dense(np.ones((1, 1), np.float32), np.zeros(1, np.float32), "linear")], np.ones((1, 1), np.float32))
    with pytest.raises(ValueError, match="finite numbers within float32; row 1 .counted from 0. does not"):
        model.predict([[1.0], [1e39]])


@pytest.mark.parametrize("form", [
    sp.csr_array, sp.coo_matrix, lambda x: x.astype(object),
    lambda x: frame(x, 5, "Int64"), lambda x: frame(x, 0, bool),
], ids=["csr", "coo", "objects", "Int64", "bool"])
def test_it_takes_what_the_estimator_takes(fitted, X, form):
    dec, path = fitted
    x = many(X).round()
    x[:, 0] = x[:, 0] > 0
    dense = load_model(path).predict_proba(x)
    assert_array_equal(load_model(path).predict_proba(form(x)), dense)
    assert_array_equal(load_model(path).predict(form(x)), dense.argmax(axis=1))


@pytest.mark.parametrize("n", [10, 2 * BLOCK])
def test_an_embedding_that_overflows_is_refused(n):
    one = np.ones((1, 1), np.float32)
    model = Model([Dense(one, one[0], "linear")], np.array([[1], [2]], np.float32), scale=1e6)
    x = np.ones((n, 1), np.float32)
    for value, uses in ((1e36, (model.transform, model.predict, model.predict_proba, lambda x: [*model.blocks(x)])),
                        (1e20, (model.predict, model.predict_proba))):  # whose square overflows
        x[-2] = value
        for use in uses:
            with pytest.raises(ValueError, match=rf"the embedding of row {n - 2} .counted from 0. overflows float32"):
                use(x)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"PK not at all")
    with pytest.raises(ModelFileError, match="is not a decnp model file"):
        load_model(tmp_path / "x")


def test_numpy_is_all_it_needs(fitted, X, tmp_path):
    dec, path = fitted
    np.save(tmp_path / "x.npy", many(X))
    program = """if True:
        import sys
        for name in ("scipy", "sklearn", "numba", "llvmlite", "threadpoolctl", "joblib"):
            sys.modules[name] = None  # importing it raises ImportError
        import numpy as np
        from decnp.inference import load_model
        model = load_model(sys.argv[1])
        x = np.load(sys.argv[2])
        np.save(sys.argv[3], model.predict(x)), model.predict_proba(x), model.transform(x)
        assert not {"ssl", "http.client", "urllib.request"} & set(sys.modules), "a cold start needs no network"
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program, path, tmp_path / "x.npy", tmp_path / "y.npy"],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    assert_array_equal(np.load(tmp_path / "y.npy"), dec.predict(many(X)))
