"""Model files, pickles and imported arrays: the same bits come back. Bad files are in test_hostile_models.py."""

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import joblib
import numpy as np
import pytest
import safetensors
import skops.io as skops
from conftest import QUICK, identical
from hostile_models import taken_apart, with_header
from make_models import HERE, NAMES, SAID
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from decnp import DEC
from decnp.exceptions import ModelFileError
from decnp.export import export_onnx
from decnp.inference import Model, load_model
from decnp.io.model_file import read_model
from decnp.layers import Dense
from decnp.persistence import from_arrays, load, save, write_model

QUICKER = replace(QUICK, pretrain_iter=5, finetune_iter=10, max_iter=20)


@pytest.fixture(scope="module")
def dec(X):
    return DEC(3, hidden_layer_sizes=(5, 4, 2), alpha=2.5, profile=QUICKER, random_state=np.int64(0)).fit(X)


@pytest.fixture(scope="module")
def path(dec, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.decnp"
    save(dec, path)
    return path


def assert_same_bits(one, two, X):
    for method in ("transform", "predict_proba", "predict"):
        first, second = getattr(one, method)(X), getattr(two, method)(X)
        assert_array_equal(first, second)
        assert first.dtype == second.dtype
    assert_array_equal(one.autoencoder_.reconstruction_loss(X), two.autoencoder_.reconstruction_loss(X))


# ---------------------------------------------------------------- there and back

@pytest.mark.parametrize("parameters", [
    {}, {"dtype": "float32"}, {"dtype": np.float64}, {"engine": "numpy"}, {"alpha": np.float32(0.7)}, {"alpha": 3},
    {"hidden_layer_sizes": 2}, {"profile": replace(QUICKER, center=True)},
    {"profile": replace(QUICKER, input_scale=None)}, {"random_state": np.random.default_rng(0)}, {"n_clusters": 1},
], ids=lambda parameters: "-".join(parameters) or "default")
def test_the_same_bits_come_back(X, tmp_path, parameters):
    usual = {"n_clusters": 3, "hidden_layer_sizes": (5, 2), "profile": QUICKER, "random_state": 0}
    dec = DEC(**{**usual, **parameters}).fit(X)
    save(dec, tmp_path / "m")
    again = load(tmp_path / "m")
    assert_same_bits(dec, again, X)
    assert_same_bits(dec, again, X[:1].astype(np.float32))
    assert_array_equal(again.predict(X), dec.labels_)


def test_what_is_kept(dec, path, X):
    again = load(path)
    assert isinstance(again, DEC)
    assert (again.n_iter_, again.converged_, again.stop_reason_) == (dec.n_iter_, dec.converged_, dec.stop_reason_)
    assert again.n_features_in_ == dec.n_features_in_ == again.autoencoder_.n_features_in_
    assert_array_equal(again.get_feature_names_out(), dec.get_feature_names_out())
    assert again.get_params() == {**dec.get_params(), "random_state": 0}
    assert again.profile == QUICKER and again.autoencoder_.profile == QUICKER
    assert again.autoencoder_.hidden_layer_sizes == (5, 4, 2)
    assert_array_equal(again.autoencoder_.decode(again.transform(X)), dec.autoencoder_.decode(dec.transform(X)))


def test_a_loaded_model_can_be_trained_again(dec, path, X):
    assert_array_equal(load(path).fit(X).labels_, dec.labels_)


def test_the_same_model_gives_the_same_bytes_also_the_second_time(dec, path, tmp_path):
    save(dec, tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == path.read_bytes()
    save(load(path), tmp_path / "two")
    save(load(tmp_path / "two"), tmp_path / "three")
    assert (tmp_path / "two").read_bytes() == (tmp_path / "three").read_bytes()


def test_a_named_profile_becomes_the_profile_that_was_used(X, tmp_path):
    dec = DEC(3, hidden_layer_sizes=(5, 2), profile=QUICKER, max_iter=8, update_interval=4, random_state=0).fit(X)
    dec.profile = "paper"
    save(dec, tmp_path / "m")
    again = load(tmp_path / "m")
    assert again._schedule(1) == replace(dec._schedule(len(X)), center=False)  # "auto" as it was decided
    assert (again.max_iter, again.update_interval) == (8, 4)


def test_feature_names_are_kept(X, tmp_path):
    dec = DEC(3, hidden_layer_sizes=(5, 2), profile=QUICKER, random_state=0).fit(X)
    dec.feature_names_in_ = np.array(list("abcdef"), object)
    save(dec, tmp_path / "m")
    assert_array_equal(load(tmp_path / "m").feature_names_in_, dec.feature_names_in_)


def test_the_file_is_small_and_plain(dec, path):
    arrays = read_model(path)[1]
    assert path.stat().st_size < sum(array.nbytes for array in arrays.values()) + (64 << 10)
    table, data = taken_apart(path.read_bytes())
    header = json.loads(table.pop("__metadata__")["decnp"])
    assert table.keys() == arrays.keys() == header["sha256"].keys()
    for name, entry in table.items():
        begin, end = entry["data_offsets"]
        assert_array_equal(np.frombuffer(data[begin:end], "<f8").reshape(entry["shape"]), arrays[name])
    assert header["format"] == 4 and header["hidden_layer_sizes"] == [5, 4, 2] and header["alpha"] == 2.5
    assert header["profile"]["optimizer"] == "adam" and header["versions"]["numpy"] == np.__version__
    assert header["training"]["n_samples"] == len(dec.labels_)


# ---------------------------------------------------------------- the safetensors package

@pytest.mark.parametrize("storage, dtype", [(None, np.float64), ("float16", np.float16)])
def test_the_safetensors_package_opens_the_file(dec, X, tmp_path, storage, dtype):
    """Rows of numbers through its arrays alone give the estimator's q: names, shapes and order are as documented."""
    save(dec, tmp_path / "m", storage)
    with safetensors.safe_open(tmp_path / "m", framework="numpy") as file:
        header = json.loads(file.metadata()["decnp"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        assert file.get_slice("encoder.0.W").get_shape() == [6, 5]
    assert arrays["encoder.0.W"].dtype == dtype and arrays["scale"].shape == ()
    h = (X - arrays["shift"]) * arrays["scale"]
    for l, act in enumerate(header["activations"]["encoder"]):
        h = h @ arrays[f"encoder.{l}.W"].astype(float) + arrays[f"encoder.{l}.b"]
        h = np.maximum(h, 0) if act == "relu" else h
    q = (1 + ((h[:, None] - arrays["centers"]) ** 2).sum(2) / header["alpha"]) ** (-(header["alpha"] + 1) / 2)
    assert_allclose(q / q.sum(1, keepdims=True), load(tmp_path / "m").predict_proba(X), rtol=1e-3 if storage else 1e-12)


def test_each_array_begins_at_a_multiple_of_its_itemsize(tmp_path):
    """PyTorch and JAX view the bytes of the file as numbers. The matrices in float16 have an odd number of values."""
    model = from_arrays([np.ones((3, 5)), np.ones((5, 1))], [np.ones(5), np.ones(1)], np.ones((3, 1)))
    for storage in (None, "float16"):
        save(model, tmp_path / "m", storage)
        content = (tmp_path / "m").read_bytes()
        table, data = taken_apart(content)
        for name in table.keys() - {"__metadata__"}:
            itemsize = int(table[name]["dtype"][1:]) // 8
            assert (len(content) - len(data) + table[name]["data_offsets"][0]) % itemsize == 0


def test_a_file_that_the_safetensors_package_wrote_again(dec, path, X, tmp_path):
    with safetensors.safe_open(path, framework="numpy") as file:
        arrays, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    save_file(arrays, tmp_path / "m", metadata)
    assert (tmp_path / "m").read_bytes() != path.read_bytes()
    assert_same_bits(load(tmp_path / "m"), dec, X)
    save_file(arrays, tmp_path / "m", {"format": "np"})
    with pytest.raises(ModelFileError, match="is not a decnp model file: its __metadata__ must have a text called decnp"):
        load(tmp_path / "m")


def test_names_that_are_too_long_for_the_header_are_kept(dec, tmp_path):
    """Arrays have them, one JSON string a line. In the header each quotation mark would take four bytes."""
    long, left_out = ['"' * 200_000, *"bcde", "größe\n"], [f"a column that is not a feature {j}" for j in range(20_000)]
    with open(tmp_path / "m", "wb") as file:
        write_model(dec, file, feature_names=long, left_out=left_out)
    assert load(tmp_path / "m").feature_names_in_.tolist() == long
    model = load_model(tmp_path / "m")
    assert (list(model.feature_names), list(model.left_out)) == (long, left_out)
    save(model, tmp_path / "again")
    assert load_model(tmp_path / "again").feature_names == model.feature_names
    with safetensors.safe_open(tmp_path / "m", framework="numpy") as file:
        assert [json.loads(line) for line in file.get_tensor("left_out").tobytes().splitlines()] == left_out


def test_names_beyond_what_is_read_are_refused(dec, tmp_path):
    with pytest.raises(ValueError, match="feature_names take 17000023 bytes, and 16777216 are the most"), \
            open(tmp_path / "m", "wb") as file:
        write_model(dec, file, feature_names=["x" * 17_000_000, *"bcdef"])


# ---------------------------------------------------------------- writing

def test_only_fitted_models_are_saved_and_failure_leaves_the_old_file(dec, tmp_path):
    (tmp_path / "m").write_text("old")
    with pytest.raises(NotFittedError):
        save(DEC(), tmp_path / "m")
    assert (tmp_path / "m").read_text() == "old"
    with pytest.raises(FileNotFoundError) as error:
        save(dec, tmp_path / "nowhere" / "m")
    assert error.value.filename == str(tmp_path / "nowhere" / "m")
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("use", [lambda model: save(model, "m"), Model.from_estimator, lambda model: export_onnx(model, "m")])
def test_other_estimators_are_refused_by_their_class(dec, use):
    for model, got in ((KMeans(2, n_init=1).fit([[0], [1]]), "KMeans"), (None, "NoneType"), (dec.autoencoder_, "StackedAutoencoder")):
        with pytest.raises(ValueError, match=f"model must be a fitted DEC, .* or a decnp.inference.Model; got {got}$"):
            use(model)
    with pytest.raises(ValueError, match="the last step of a pipeline must be a DEC; got KMeans"):
        use(make_pipeline(StandardScaler(), KMeans(2, n_init=1)).fit([[0], [1]]))


def test_saving_over_a_model_keeps_it_until_the_new_one_is_complete(dec, path, tmp_path, monkeypatch):
    shutil.copy(path, tmp_path / "m")
    monkeypatch.setattr("decnp.io.model_file.write_safetensors", lambda file, *_: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(dec, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == path.read_bytes()
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("change, sentence", [
    (lambda dec: dec.cluster_centers_.fill(np.nan), "NaN or infinite values cannot be saved; centers has some"),
    (lambda dec: dec.autoencoder_.decoder_[1].b.fill(np.inf), "cannot be saved; decoder.1.b has some"),
    (lambda dec: dec.set_params(alpha=0), "this model cannot be saved, the file would not be readable: .* alpha"),
    (lambda dec: dec.set_params(engine="torch"), "the parameters of a DEC"),
    (lambda dec: dec.set_params(tol=np.inf), "the number inf"),
    (lambda dec: setattr(dec.autoencoder_, "shift_", np.zeros(5)), r"shift must have the shape \(6,\); got \(5,\)"),
    (lambda dec: setattr(dec.autoencoder_, "scale_", np.float64(0)), "a scale that is not > 0 cannot be saved; got 0.0"),
], ids=["nan", "inf", "alpha", "engine", "tol", "shift", "scale"])
def test_what_could_not_be_read_again_is_not_saved(path, tmp_path, change, sentence):
    dec = load(path)
    change(dec)
    with pytest.raises(ValueError, match=sentence):
        save(dec, tmp_path / "m")
    assert os.listdir(tmp_path) == []


def test_thousands_of_layers_are_too_many_for_a_file(tmp_path):
    one, zero = np.ones((1, 1)), np.zeros(1)
    save(from_arrays([one] * 1000, [zero] * 1000, one), tmp_path / "m")
    assert len(load_model(tmp_path / "m").encoder) == 1000
    with pytest.raises(ValueError, match="3000 layers, and 1000 are the most"):
        save(from_arrays([one] * 3000, [zero] * 3000, one), tmp_path / "m")


# ---------------------------------------------------------------- files of every format

@pytest.mark.parametrize("name", NAMES)
def test_files_of_every_format_say_what_they_said(name):
    said, model = np.load(SAID), load_model(HERE / f"{name}.decnp")
    close = dict(rtol=1e-4, atol=1e-5)  # float32 sums in another order; the layers and clusters differ by far more
    assert_allclose(model.transform(said["X"]), said[f"{name}/z"], **close)
    assert_allclose(model.predict_proba(said["X"]), said[f"{name}/q"], **close)
    assert_array_equal(model.predict(said["X"]), said[f"{name}/labels"])
    assert model.header["format"] == int(name[6]) and model.alpha == 2.5 and model.dtype == np.float32
    if "recipe" in model.header:
        assert load(HERE / f"{name}.decnp").get_feature_names_out().tolist() == ["dec0", "dec1"]
    elif name.endswith("encoder"):
        with pytest.raises(ModelFileError, match="has no decoder, .* decnp.inference.load_model reads it"):
            load(HERE / f"{name}.decnp")
    else:
        dec = load(HERE / f"{name}.decnp")
        assert_array_equal(dec.predict(said["X"]), said[f"{name}/labels"])
        assert dec.profile.finetune_iter == 2000 and dec.alpha == 2.5
        assert dec.autoencoder_.decode(dec.transform(said["X"])).shape == (12, 6)


def test_a_file_of_format_1_keeps_its_content_when_it_is_written_again(tmp_path):
    save(load(HERE / "format1.decnp"), tmp_path / "m")
    (old, old_arrays), (new, new_arrays) = read_model(HERE / "format1.decnp"), read_model(tmp_path / "m")
    # fields that format 1 did not have
    later = {"batch_size": 256, "init": "k-means", "label_iter": 0, "short_finetune_iter": None}
    assert {name: new["profile"].pop(name) for name in later} == later
    assert {**new, "format": 1, "versions": 0, "training": 0} == {**old, "versions": 0, "training": 0}
    assert all(np.array_equal(new_arrays[name], old_arrays[name]) for name in old_arrays)


# ---------------------------------------------------------------- float16

@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float16_rounds_the_matrices_alone_and_computes_in_float32(X, tmp_path, dtype):
    dec = DEC(3, hidden_layer_sizes=(8, 2), profile=QUICKER, dtype=dtype, random_state=0).fit(X)
    save(dec, tmp_path / "m", storage="float16")
    again, (header, arrays) = load(tmp_path / "m"), read_model(tmp_path / "m")
    assert (header["format"], header["dtype"], header["storage"]) == (4, "float32", "float16")
    ae = dec.autoencoder_
    for part, layers in (("encoder", ae.encoder_), ("decoder", ae.decoder_)):
        for l, layer in enumerate(layers):
            assert_array_equal(arrays[f"{part}.{l}.W"], layer.W.astype(np.float16).astype(np.float32))
            assert_array_equal(arrays[f"{part}.{l}.b"], layer.b.astype(np.float32))
    assert_array_equal(arrays["centers"], dec.cluster_centers_.astype(np.float32))
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert again.transform(X).dtype == np.float32
    assert_allclose(again.transform(X), dec.transform(X), rtol=0, atol=3 * 2**-11 * np.abs(dec.transform(X)).max())
    save(again, tmp_path / "n", storage="float16")
    assert_array_equal(load(tmp_path / "n").transform(X), again.transform(X))  # rounded once and for all


def test_float16_takes_half_the_bytes(tmp_path):
    W = np.full((784, 500), 0.1, np.float32)
    model = Model([Dense(W, np.zeros(500, np.float32), "linear")], np.ones((10, 500), np.float32))
    save(model, tmp_path / "m", storage="float16")
    assert W.nbytes / 2 < (tmp_path / "m").stat().st_size < W.nbytes / 2 + (64 << 10)


def test_float16_overflow_is_refused(tmp_path):
    for largest, fits in ((65504, True), (-65504, True), (65519, True), (65520, False), (-1e9, False)):
        model = from_arrays([[[1.0, largest]]], [[1e9, 1e9]], [[0.0, 1e9]])  # biases and centroids may be large
        if fits:
            save(model, tmp_path / "m", storage="float16")
            assert_array_equal(load_model(tmp_path / "m").encoder[0].W, [[1, np.clip(largest, -65504, 65504)]])
        else:
            with pytest.raises(ValueError, match="holds weights up to 65504; encoder.0.W has"):
                save(model, tmp_path / "n", storage="float16")
    with pytest.raises(ValueError, match="storage must be None or 'float16'; got 'int8'"):
        save(model, tmp_path / "n", storage="int8")
    assert os.listdir(tmp_path) == ["m"]


# ---------------------------------------------------------------- models from elsewhere

def parts_of(dec):
    encoder = dec.autoencoder_.encoder_
    return [layer.W for layer in encoder], [layer.b for layer in encoder], dec.cluster_centers_, dec.alpha


def test_arrays_make_the_model_and_its_file(dec, X, tmp_path):
    ae = dec.autoencoder_
    model = from_arrays(*parts_of(dec), shift=ae.shift_, scale=ae.scale_)
    save(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.header["activations"] == {"encoder": ["relu", "relu", "linear"], "decoder": []}
    for one in (model, again):
        assert_array_equal(one.predict(X), dec.labels_)
        assert_allclose(one.predict_proba(X), dec.predict_proba(X), rtol=1e-12)
        assert one.dtype == np.float64 and one.alpha == 2.5
    save(again, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()


def test_the_arrays_are_copied_and_their_dtype_kept():
    W, b, mu = np.eye(2, dtype=np.float32), np.zeros(2, np.float16), np.eye(2, dtype=np.float32)
    model = from_arrays([W], [b], mu, scale=2)
    W += 1
    assert_array_equal(model.encoder[0].W, np.eye(2))
    assert model.dtype == model.encoder[0].b.dtype == model.scale.dtype == np.float32
    assert from_arrays([np.eye(2)], [b], mu).dtype == from_arrays([[[1, 0], [0, 1]]], [b], mu).dtype == np.float64


def test_a_shift_for_each_column_is_not_rounded():
    one = np.eye(2, dtype=np.float32)
    model = from_arrays([one], [one[0] * 0], one, shift=np.array([1.7e9, 1.7e9]))
    assert model.dtype == np.float64
    assert_array_equal(model.transform([[1.7e9 + 1, 1.7e9]]), [[1, 0]])


def test_other_activations(X):
    W, b = np.random.default_rng(0).normal(size=(6, 2)), np.ones(2)
    model = from_arrays([W, np.eye(2)], [b, b], np.eye(2), activations=["linear", "relu"])
    assert_allclose(model.transform(X), np.maximum(X @ W + 2, 0), rtol=1e-12)


def test_a_deployed_model_says_how_it_was_trained(dec, path, tmp_path):
    save(load_model(path), tmp_path / "m")
    header = load_model(tmp_path / "m").header
    assert header["training"]["stop_reason"] == dec.stop_reason_ and header["profile"]["optimizer"] == "adam"
    assert (tmp_path / "m").stat().st_size < path.stat().st_size


def test_what_a_deployed_model_says_of_its_training_is_checked_too(path, tmp_path):
    save(load_model(path), tmp_path / "m")
    bad = with_header(lambda header: header["training"].update(n_iter="9"))((tmp_path / "m").read_bytes())
    (tmp_path / "m").write_bytes(bad)
    with pytest.raises(ModelFileError, match="n_iter in its header must be of the kind int"):
        load_model(tmp_path / "m")


EYE, ZERO = np.eye(2), np.zeros(2)


@pytest.mark.parametrize("given, sentence", [
    (dict(weights=[np.ones((5, 6)), np.ones((2, 5))], biases=[np.ones(5), ZERO]),
     r"biases\[0\] must have the shape \(6,\), for weights\[0\] of the shape \(5, 6\); got \(5,\); "
     r"they fit as W.T, so these are \(n_out, n_in\), as PyTorch has them: give W.T of each"),
    (dict(weights=[np.ones((6, 5)), np.ones((4, 2))], biases=[np.ones(5), ZERO]),
     r"weights\[1\] must have the shape \(5, n_out\); got \(4, 2\)$"),
    (dict(weights=[ZERO]), r"weights\[0\] must have the shape \(n_in, n_out\); got \(2,\)"),
    (dict(weights=[np.ones((0, 2))]), r"weights\[0\] must have the shape"),
    (dict(weights=[]), "weights and biases must be as many, and at least one; got 0 and 1"),
    (dict(biases=[ZERO, ZERO]), "got 1 and 2"),
    (dict(biases=[np.zeros((2, 1))]), r"biases\[0\] must have the shape \(2,\)"),
    (dict(centers=np.eye(3)), r"centers must have the shape \(k, 2\); got \(3, 3\)"),
    (dict(centers=np.ones((0, 2))), r"centers must have the shape \(k, 2\); got \(0, 2\)"),
    (dict(centers=[[1.0, 2.0], [3.0]]), "centers must be an array of numbers"),
    (dict(centers=[["a", "b"]]), "centers must hold finite real numbers, which its values of the dtype <U1 are not"),
    (dict(weights=[EYE * np.nan]), r"weights\[0\] must hold finite real numbers"),
    (dict(biases=[1j * ZERO]), r"biases\[0\] must hold finite real numbers, .* complex128"),
    (dict(alpha=0), "alpha must be a finite number > 0; got 0"),
    (dict(shift=np.zeros(3)), r"shift must be a number or \(2,\)"),
    (dict(scale=0), "scale a number > 0"),
    (dict(weights=[EYE.astype("f4")], biases=[ZERO.astype("f4")], centers=EYE.astype("f4"), scale=1e-50),
     "scale a number > 0 in float32; got"),
    (dict(weights=[EYE.astype("f4")], biases=[ZERO.astype("f4")], centers=EYE.astype("f4"), shift=1e39),
     "shift must hold finite numbers within float32"),
    (dict(weights=[EYE.astype("f4")], biases=[ZERO.astype("f4")], centers=EYE.astype("f4"), scale=1e300),
     "scale must hold finite numbers within float32"),
    (dict(scale=np.ones(2)), "scale a number > 0"),
    (dict(activations=["tanh"]), r"activations must be 'relu' or 'linear' for each of the 1 weights; got \['tanh'\]"),
    (dict(activations=["relu", "linear"]), "for each of the 1 weights"),
])
def test_arrays_that_do_not_fit(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_arrays(**{**dict(weights=[EYE], biases=[ZERO], centers=EYE), **given})


def test_the_recipe_for_pytorch(X, tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    mu = torch.nn.Parameter(torch.randn(3, 2))

    state = {name: tensor.numpy(force=True) for name, tensor in net.state_dict().items()}
    model = from_arrays(
        weights=[array.T for name, array in state.items() if name.endswith("weight")],  # (n_out, n_in) there
        biases=[array for name, array in state.items() if name.endswith("bias")],
        centers=mu.numpy(force=True))
    save(model, tmp_path / "model.decnp")

    z = net(torch.tensor(X, dtype=torch.float32))
    q = 1 / (1 + torch.cdist(z, mu) ** 2)
    q = (q / q.sum(dim=1, keepdim=True)).numpy(force=True)
    assert_allclose(load_model(tmp_path / "model.decnp").predict_proba(X.astype(np.float32)), q, atol=1e-5)  # float32, q < 1


def test_the_recipe_for_keras(X, tmp_path):
    """encoder.get_weights() is [W, b, W, b, ...], each W (n_in, n_out); a DEC's clustering layer holds (k, d)."""
    rng = np.random.default_rng(0)
    given = [rng.normal(size=shape).astype(np.float32) for shape in ((6, 5), (5,), (5, 2), (2,))]
    mu = rng.normal(size=(3, 2)).astype(np.float32)

    save(from_arrays(given[0::2], given[1::2], mu), tmp_path / "model.decnp")

    z = np.maximum(X @ given[0] + given[1], 0) @ given[2] + given[3]
    q = 1 / (1 + ((z[:, None] - mu) ** 2).sum(axis=2))
    q /= q.sum(axis=1, keepdims=True)
    assert_allclose(load_model(tmp_path / "model.decnp").predict_proba(X), q, atol=1e-5)  # the model computes in float32; q < 1


def test_a_model_from_elsewhere_needs_numpy_alone(tmp_path):
    program = """if True:
        import sys
        for name in ("scipy", "sklearn", "numba", "threadpoolctl", "joblib"):
            sys.modules[name] = None
        import numpy as np
        from decnp.inference import load_model
        from decnp.persistence import from_arrays, save
        save(from_arrays([np.eye(2)], [np.zeros(2)], np.eye(2)), sys.argv[1], storage="float16")
        assert load_model(sys.argv[1]).predict([[1, 0], [0, 1]]).tolist() == [0, 1]
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program, tmp_path / "m"], capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- scikit-learn's own ways

def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def by_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


OURS = ["decnp.autoencoder.StackedAutoencoder", "decnp.training.records.Record", "decnp.training.records.History",
        "decnp.training.records.Diagnosis", "decnp.dec.DEC", "decnp.layers.Dense",
        "decnp.profiles.Profile"]


def by_skops(estimator):
    content = skops.dumps(estimator)
    unknown = skops.get_untrusted_types(data=content)
    assert set(unknown) <= set(OURS) and type(estimator).__module__ + "." + type(estimator).__name__ in unknown
    return skops.loads(content, trusted=unknown)


@pytest.mark.parametrize("way", [by_pickle, by_joblib, by_skops])
def test_scikit_learns_own_ways(dec, autoencoder, X, way):
    again = way(dec)
    assert identical(again, dec)
    assert_same_bits(again, dec, X)
    assert repr(again.get_params()) == repr(dec.get_params())
    assert again.history_ == dec.history_ and again.stop_reason_ == dec.stop_reason_
    again = way(autoencoder)
    assert identical(again, autoencoder)
    assert_array_equal(again.encode(X), autoencoder.encode(X))
    assert again.history_ == autoencoder.history_ and again.profile == autoencoder.profile


@pytest.mark.parametrize("fitted", ["dec", "autoencoder"])
def test_a_clone_is_not_fitted(fitted, request, X):
    fitted = request.getfixturevalue(fitted)
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.transform(X)
    assert identical(again.fit(X), fitted)
