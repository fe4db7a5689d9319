"""ONNX files: the checker takes them, and onnxruntime gives what the model gives."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from conftest import QUICK, blobs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from decnp import DEC, __version__, export
from decnp.equations import soft_assignment
from decnp.export import OPSET, export_onnx
from decnp.inference import Model, load_model
from decnp.layers import Dense, mlp

ROOT = Path(__file__).parents[1]
ALPHAS = (0.5, 1.0, 2.0, 10.0)
CLOSE = dict(rtol=0, atol=1e-5)  # of q, in float32


def network(sizes, k, alpha=1.0, dtype=np.float32, seed=0, offset=0.0, shift=0.0, scale=1.0, last="linear"):
    """A model that was not trained: centroids among the embedded points, all of it ``offset`` from the origin."""
    rng = np.random.default_rng(seed)
    acts = ["relu"] * (len(sizes) - 2) + [last]
    theta = [Dense((rng.normal(size=(i, o)) / np.sqrt(i)).astype(dtype), (0.1 * rng.normal(size=o)).astype(dtype), act)
             for i, o, act in zip(sizes, sizes[1:], acts)]
    theta[-1] = theta[-1]._replace(b=(theta[-1].b + dtype(offset)).astype(dtype))
    points = (np.asarray(shift) + rng.normal(size=(k, sizes[0])) / scale).astype(dtype)
    centers = mlp(theta, ((points - np.asarray(shift, dtype)) * dtype(scale)).astype(dtype))[-1]
    return Model(theta, centers, alpha, np.asarray(shift, dtype), dtype(scale))


def in_float64(model, x):
    """z and q of the model's own numbers, computed in float64."""
    theta = [Dense(W.astype(np.float64), b.astype(np.float64), act) for W, b, act in model.encoder]
    z = mlp(theta, (x.astype(np.float64) - model.shift.astype(np.float64)) * float(model.scale))[-1]
    return z, soft_assignment(z, model.centers.astype(np.float64), model.alpha)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it warns of devices that it does not find
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.fixture
def runs(tmp_path):
    """Exports a model, has it checked, and returns x -> z, q, label by onnxruntime."""
    def runs(model):
        path = tmp_path / "model.onnx"
        export_onnx(model, path)
        onnx.checker.check_model(str(path), full_check=True)
        return lambda x, run=session(path): run.run(["z", "q", "label"], {"x": np.asarray(x, np.float32)})
    return runs


# ---------------------------------------------------------------- the same answers

@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trained_model(runs, tmp_path, X, alpha, dtype):
    X = X + 40.0
    dec = DEC(3, hidden_layer_sizes=(8, 6, 2), profile=replace(QUICK, center=True), alpha=alpha, dtype=dtype,
              random_state=0).fit(X)
    dec.save(tmp_path / "model.decnp")
    model, x = load_model(tmp_path / "model.decnp"), X.astype(np.float32)
    for what in (model, dec, tmp_path / "model.decnp", str(tmp_path / "model.decnp")):
        z, q, label = runs(what)(x)
        assert_allclose(q, model.predict_proba(x), **CLOSE)
        assert_array_equal(label, model.predict(x))
        assert_allclose(z, model.transform(x), rtol=1e-5, atol=1e-5)
    assert (z.dtype, q.dtype, label.dtype) == (np.float32, np.float32, np.int64)
    assert (z.shape, q.shape, label.shape) == ((150, 2), (150, 3), (150,))


@pytest.mark.parametrize("n", [0, 1, 2, 33, 3000])
def test_any_number_of_rows(runs, n):
    model = network([7, 20, 4], 5, alpha=2.0)
    x = np.random.default_rng(1).normal(size=(n, 7)).astype(np.float32)
    z, q, label = runs(model)(x)
    assert (z.shape, q.shape, label.shape) == ((n, 4), (n, 5), (n,))
    assert_allclose(q, model.predict_proba(x), **CLOSE)
    assert_array_equal(label, model.predict(x))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_graph_cannot_refuse_numbers_that_are_not_finite(runs, bad):
    x = np.ones((2, 7), np.float32)
    x[1, 3] = bad
    _, q, _ = runs(network([7, 20, 4], 5))(x)
    assert np.isfinite(q[0]).all() and np.isnan(q[1]).all()


@pytest.mark.parametrize("alpha", [0.01, *ALPHAS, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_from_the_origin_and_any_alpha(runs, alpha, offset, dtype):
    """float32 holds 1e6 to 0.06 only, and 1 + 1e-9 not at all: q must not see either."""
    model = network([7, 30, 3], 6, alpha=alpha, dtype=dtype, offset=offset)
    x = np.random.default_rng(1).normal(size=(400, 7)).astype(np.float32)
    wanted_z, wanted = in_float64(model, x)
    z, q, label = runs(model)(x)
    assert_allclose(q, wanted, **CLOSE)
    assert_array_equal(label, wanted.argmax(axis=1))
    assert_allclose(z, wanted_z, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("size", [1e-20, 1e-3, 1e3, 1e9, 1e17])
def test_near_and_far_points(runs, alpha, size):
    """Centroids around the origin, points ``size`` from it, down to squares below float32 and up to its end."""
    rng = np.random.default_rng(3)
    mu = (rng.normal(size=(5, 2)) * min(size, 1e3)).astype(np.float32)
    model = Model([Dense(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), "linear")], mu, alpha)
    x = (rng.normal(size=(300, 2)) * size).astype(np.float32)
    x[:5] = mu
    _, wanted = in_float64(model, x)
    z, q, label = runs(model)(x)
    assert_allclose(q, wanted, **CLOSE)
    apart = np.diff(np.sort(wanted, axis=1)[:, -2:], axis=1)[:, 0] > 2e-5  # where rounding cannot choose the label
    assert_array_equal(label[apart], wanted.argmax(axis=1)[apart])
    assert_allclose(z, x, rtol=1e-6, atol=1e-6 * np.abs(mu).max())


def test_a_tiny_alpha_on_top_of_a_centroid(runs):
    model = Model([Dense(np.eye(1, dtype=np.float32), np.zeros(1, np.float32), "linear")],
                  np.array([[0.0], [1e15]], np.float32), 1e-30)
    _, q, label = runs(model)([[0.0], [1e15]])
    assert_array_equal(label, [0, 1])
    assert np.isfinite(q).all() and (q.max(axis=1) > 0.5).all()


def test_shift_and_scale_of_a_float64_model_that_float32_does_not_hold(runs):
    shift = 1000 + np.random.default_rng(5).uniform(size=7)
    model = network([7, 20, 3], 4, dtype=np.float64, shift=shift, scale=1.3)
    x = (shift + np.random.default_rng(6).normal(size=(200, 7))).astype(np.float32)
    _, wanted = in_float64(model, x)
    _, q, label = runs(model)(x)
    assert_allclose(q, wanted, **CLOSE)
    assert_array_equal(label, wanted.argmax(axis=1))


def test_numbers_that_float32_rounds_too_much_are_refused(tmp_path, runs):
    """float32 holds 1.7e9, a time in seconds, in steps of 128."""
    shift = np.array([0, 1.7e9])
    with pytest.raises(ValueError, match=r"the column 2 has numbers near 1\.7e\+09, which float32 rounds to steps of 128: "
                                         r"too much for the model, in which 1 stands for 1e\+04 of this column. Subtract a"):
        export_onnx(network([2, 4, 2], 2, dtype=np.float64, shift=shift, scale=1e-4), tmp_path / "m.onnx")
    runs(network([2, 4, 2], 2, dtype=np.float64, shift=shift, scale=1e-6))
    runs(network([2, 4, 2], 2, dtype=np.float32, shift=shift, scale=1e-4))  # the model rounds in the same way


@pytest.mark.parametrize("column, sentence", [
    ([1.7e9, 1.7e9 + 5, 1.7e9 + 9], r"the column 'when' has numbers near 1\.7e\+09"),
    ([123456789, 123456790, 123456791], r"the column 'when' has the categories 123456789\.0 and 123456790\.0, which are equal in float32"),
    ([1.0, 2.0, 1e39], "the column 'when' has the category 1e\\+39, which float32 does not hold"),
])
def test_a_recipe_that_float32_cannot_apply_is_refused(tmp_path, column, sentence):
    frame = pd.DataFrame({"a": np.arange(30.0) % 7, "when": np.tile(column, 10)})
    step = StandardScaler() if "numbers" in sentence else OneHotEncoder(sparse_output=False)
    prepare = ColumnTransformer([("a", "passthrough", ["a"]), ("when", step, ["when"])])
    dec = DEC(2, hidden_layer_sizes=(4, 2), profile=QUICK, n_init=1, engine="numpy", random_state=0)
    with pytest.raises(ValueError, match=sentence):
        export_onnx(make_pipeline(prepare, dec).fit(frame), tmp_path / "m.onnx")


def test_a_last_layer_with_relu_and_other_shapes(runs):
    x = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    for sizes, k, last in (([3, 4], 3, "relu"), ([3, 1], 1, "linear"), ([3, 5, 1], 2, "relu"), ([3, 2], 9, "linear")):
        model = network(sizes, k, last=last, shift=0.25, scale=2.0)
        z, q, label = runs(model)(x)
        assert_allclose(q, model.predict_proba(x), **CLOSE)
        assert_allclose(z, model.transform(x), rtol=1e-5, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 6), st.floats(0.05, 50))
def test_any_model(tmp_path_factory, seed, D, d, k, alpha):
    model = network([D, 4, d], k, alpha=alpha, seed=seed)
    path = tmp_path_factory.mktemp("any") / "model.onnx"
    export_onnx(model, path)
    x = np.random.default_rng(seed + 1).normal(size=(20, D)).astype(np.float32)
    z, q, _ = session(path).run(["z", "q", "label"], {"x": x})
    wanted_z, wanted = in_float64(model, x)
    assert_allclose(q, wanted, **CLOSE)
    assert_allclose(z, wanted_z, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- the file

def test_what_the_file_says(tmp_path):
    export_onnx(network([7, 20, 4], 5, alpha=2.5, dtype=np.float64), tmp_path / "model.onnx")
    file = onnx.load(tmp_path / "model.onnx")
    assert (file.producer_name, file.producer_version, file.ir_version) == ("decnp", __version__, 7)
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", OPSET)]
    assert {prop.key: prop.value for prop in file.metadata_props} == {
        "alpha": "2.5", "n_clusters": "5", "trained_dtype": "float64"}

    def shapes(values):
        tensors = {value.name: value.type.tensor_type for value in values}
        return {name: (tensor.elem_type, [axis.dim_param or axis.dim_value for axis in tensor.shape.dim])
                for name, tensor in tensors.items()}
    assert shapes(file.graph.input) == {"x": (onnx.TensorProto.FLOAT, ["n", 7])}
    assert shapes(file.graph.output) == {
        "z": (onnx.TensorProto.FLOAT, ["n", 4]), "q": (onnx.TensorProto.FLOAT, ["n", 5]),
        "label": (onnx.TensorProto.INT64, ["n"])}
    assert len({node.name for node in file.graph.node}) == len(file.graph.node)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in "ab":
        export_onnx(network([7, 20, 4], 5), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---------------------------------------------------------------- what is refused

@pytest.mark.parametrize("change, name", [
    (lambda m: m.encoder[0].W.__setitem__((0, 0), 1e39), "W1"),
    (lambda m: m.centers.__setitem__((0, 0), 1e39), "c"),
    (lambda m: setattr(m, "alpha", 1e-60), "alpha"),
    (lambda m: setattr(m, "alpha", 1e60), "alpha"),
    (lambda m: setattr(m, "scale", np.float64(1e39)), "scale"),
])
def test_what_float32_cannot_hold(tmp_path, change, name):
    model = network([3, 2], 2, dtype=np.float64)
    change(model)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=f"the model's {name} does not fit into float32"):
        export_onnx(model, tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


def test_what_is_too_large_for_the_format(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="which holds at most 2 GB"):
        export_onnx(network([7, 20, 4], 5), tmp_path / "model.onnx")


def test_without_onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "decnp\[onnx\]"'):
        export_onnx(network([3, 2], 2), tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- the command

@pytest.fixture(scope="module", params=["float32", "float64"])
def model_file(request, X, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.decnp"
    DEC(3, hidden_layer_sizes=(8, 2), profile=QUICK, dtype=request.param, random_state=0).fit(X).save(path)
    return path


def test_export_from_the_command_line(model_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = load_model(model_file)
    done = subprocess.run([sys.executable, "-W", "error", "-m", "decnp", "export", model_file, "m.onnx"],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    note = "; the model computes in float64, the graph in float32" if model.dtype == "float64" else ""
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"m.onnx: ONNX opset 13, x (n, 6) float32 -> z (n, 2), q (n, 3), label (n,){note}\n"
    x = blobs(40, dtype=np.float32)
    z, q, label = session("m.onnx").run(["z", "q", "label"], {"x": x})
    assert_allclose(q, model.predict_proba(x), **CLOSE)
    assert_array_equal(label, model.predict(x))
    assert os.listdir() == ["m.onnx"]


def test_mistakes(model_file, tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    os.symlink(model_file, "model.onnx")
    Path("x.decnp").write_text("no model")
    Path("kept.onnx").write_text("an earlier one")
    Path("folder.onnx").mkdir()
    m = str(model_file)
    for argv, sentence in (
        ([m, "m.pb"], "the name of the output file must end in .onnx; got m.pb"),
        ([m, "model.onnx"], f"model.onnx would replace {m}, which is an input of this command: choose another name"),
        ([m, "none/m.onnx"], "none/m.onnx cannot be written: No such file or directory"),
        ([m, "folder.onnx"], "folder.onnx exists and is not a file: choose another name"),
        (["none.decnp", "kept.onnx"], "cannot read none.decnp: No such file or directory"),
        (["x.decnp", "kept.onnx"], "x.decnp is not a decnp model file"),
    ):
        status, out, err = says("export", *argv)
        assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith(f"decnp: error: {sentence}"), err
    monkeypatch.setattr(export, "MAX_BYTES", 100)
    assert says("export", m, "kept.onnx")[::2] == (
        2, "decnp: error: the encoder does not fit into an ONNX file, which holds at most 2 GB\n")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    status, out, err = says("export", m, "kept.onnx")
    assert (status, out, err.count("\n")) == (2, "", 1) and 'pip install "decnp[onnx]"' in err
    assert Path("kept.onnx").read_text() == "an earlier one" and not [p for p in os.listdir() if p.endswith(".part")]
