"""Model files: the same bits come back, and no other file is ever taken for a model."""

import io
import json
import os
import shutil
import struct
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUICK
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from decnp import DEC
from decnp.persistence import HEADER, ModelFileError, load, read_model, save

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
    assert again._profile(1) == dec._profile(len(X))
    assert (again.max_iter, again.update_interval) == (8, 4)


def test_feature_names_are_kept(X, tmp_path):
    dec = DEC(3, hidden_layer_sizes=(5, 2), profile=QUICKER, random_state=0).fit(X)
    dec.feature_names_in_ = np.array(list("abcdef"), object)
    save(dec, tmp_path / "m")
    assert_array_equal(load(tmp_path / "m").feature_names_in_, dec.feature_names_in_)


def test_the_file_is_small_and_plain(dec, path):
    arrays = read_model(path)[1]
    assert path.stat().st_size < sum(array.nbytes for array in arrays.values()) + (64 << 10)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == HEADER
        for name in archive.namelist()[1:]:
            with archive.open(name) as file:
                assert_array_equal(np.lib.format.read_array(file, allow_pickle=False), arrays[name[:-4]])
        header = json.loads(archive.read(HEADER))
    assert header["format"] == 1 and header["hidden_layer_sizes"] == [5, 4, 2] and header["alpha"] == 2.5
    assert header["profile"]["optimizer"] == "adam" and header["versions"]["numpy"] == np.__version__
    assert header["training"]["n_samples"] == len(dec.labels_)


def test_only_fitted_models_are_saved_and_failure_leaves_the_old_file(dec, tmp_path):
    (tmp_path / "m").write_text("old")
    with pytest.raises(NotFittedError):
        save(DEC(), tmp_path / "m")
    assert (tmp_path / "m").read_text() == "old"
    with pytest.raises(FileNotFoundError):
        save(dec, tmp_path / "nowhere" / "m")
    assert os.listdir(tmp_path) == ["m"]


# ---------------------------------------------------------------- files that are no models

def refused(path):
    """The sentence with which ``path`` is refused; it names the file."""
    with pytest.raises(ModelFileError) as error:
        load(path)
    sentence = str(error.value)
    assert sentence.startswith(str(path)) and "\n" not in sentence
    return sentence[len(str(path)) + 1:]


def rewritten(path, target, change=lambda header: None, arrays=None, compression=zipfile.ZIP_STORED, more=()):
    """A copy of the model file with another header and other bytes for some arrays (None leaves one out)."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(contents[HEADER])
    changed = change(header)
    contents[HEADER] = json.dumps(changed if isinstance(changed, list) else header)
    contents.update(arrays or {})
    with zipfile.ZipFile(target, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice is what we are after
        for name, content in [*contents.items(), *more]:
            if content is not None:
                archive.writestr(name, content)
    return target


def npy(array, **kwargs):
    content = io.BytesIO()
    np.save(content, array, **kwargs)
    return content.getvalue()


def test_a_copy_made_by_this_test_is_a_model(dec, path, tmp_path, X):
    assert_same_bits(dec, load(rewritten(path, tmp_path / "m")), X)
    assert_same_bits(dec, load(rewritten(path, tmp_path / "m", lambda header: header.update(note="new"))), X)


def test_missing_and_foreign_files(path, tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "m")
    with pytest.raises(OSError):
        load(tmp_path)
    for content in (b"", b"PK", b"\x80\x04N.", b"PK\5\6" + bytes(18), npy(np.eye(3)), os.urandom(999)):
        (tmp_path / "m").write_bytes(content)
        assert "is no decnp model file" in refused(tmp_path / "m")
    np.savez(tmp_path / "m.npz", np.eye(3))
    assert refused(tmp_path / "m.npz") == "is no decnp model file: it has no header.json"


def test_every_truncation_is_named(path, tmp_path):
    content = path.read_bytes()
    for n in range(0, len(content), 61):
        (tmp_path / "m").write_bytes(content[:n])
        assert "is no decnp model file, or is damaged or cut short" in refused(tmp_path / "m")


def test_flipped_bits_are_found_or_do_not_matter(dec, path, tmp_path, X):
    content, rng, found = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(400):
        changed = bytearray(content)
        for at in rng.integers(len(content), size=rng.integers(1, 4)):
            changed[at] ^= 1 << rng.integers(8)
        (tmp_path / "m").write_bytes(changed)
        try:
            again = load(tmp_path / "m")
        except ModelFileError:
            found += 1
        else:  # such as a date in the archive's directory
            assert_same_bits(dec, again, X[:9])
    assert found > 200


@pytest.mark.parametrize("change, sentence", [
    (lambda h: h.update(format=2), "has the model format 2 of a newer decnp, this one reads 1: update decnp"),
    (lambda h: h.update(format=0), "is no decnp model file of format 1"),
    (lambda h: h.update(format="1"), "is no decnp model file of format 1"),
    (lambda h: h.update(dtype="object"), "is no decnp model file of format 1"),
    (lambda h: h.pop("format"), "damaged"),
    (lambda h: h.pop("sha256"), "damaged"),
    (lambda h: h.pop("training"), "does not describe a training run"),
    (lambda h: h.update(training=[]), "does not describe a training run"),
    (lambda h: [h], "damaged"),
    (lambda h: h.update(alpha=-1), "alpha"),
    (lambda h: h.update(alpha=float("nan")), "alpha"),
    (lambda h: h.update(alpha=True), "alpha"),
    (lambda h: h.update(alpha="1"), "alpha"),
    (lambda h: h.update(alpha=10**400), "alpha|damaged"),
    (lambda h: h.update(n_features=7), "encoder.0.W must be float64 (7, 5); got float64 (6, 5)"),
    (lambda h: h.update(n_features=10**9), "encoder.0.W must be"),
    (lambda h: h.update(n_features=-6), "widths"),
    (lambda h: h.update(n_features=6.0), "widths"),
    (lambda h: h.update(n_clusters=True), "widths"),
    (lambda h: h.update(n_clusters=4), "centers must be float64 (4, 2); got float64 (3, 2)"),
    (lambda h: h.update(hidden_layer_sizes=[]), "widths"),
    (lambda h: h.update(hidden_layer_sizes="542"), "widths"),
    (lambda h: h.update(hidden_layer_sizes=[5, 2]), "activation|relu"),
    (lambda h: h.update(hidden_layer_sizes=[2], activations={"encoder": ["relu"], "decoder": ["relu"]}),
     "it must have 7 arrays; got 15"),
    (lambda h: h["activations"].update(encoder=["relu", "relu", "os.system"]), "relu or linear"),
    (lambda h: h["activations"].pop("decoder"), "damaged"),
    (lambda h: h.update(dtype="float32"), "centers must be float32"),
    (lambda h: h["sha256"].update(centers="0" * 64), "centers does not have the sha256 that the header gives"),
    (lambda h: h["sha256"].pop("scale"), "damaged"),
    (lambda h: h["parameters"].pop("tol"), "parameters"),
    (lambda h: h["parameters"].update(base_estimator=1), "parameters"),
    (lambda h: h["parameters"].update(engine="torch"), "parameters"),
    (lambda h: h["parameters"].update(tol=[1]), "parameters"),
    (lambda h: h["profile"].update(lr={}), "does not describe a training run (lr must be"),
    (lambda h: h.update(profile=["lr"]), "does not describe a training run"),
])
def test_headers_that_do_not_fit(path, tmp_path, change, sentence):
    found = refused(rewritten(path, tmp_path / "m", change))
    assert any(part in found for part in sentence.split("|"))


W = "encoder.1.W.npy"


@pytest.mark.parametrize("arrays, sentence", [
    ({W: None}, "it must have 15 arrays; got 14"),
    ({"../../evil.npy": npy(np.eye(2))}, "it must have 15 arrays; got 16"),
    ({W: None, "../evil.npy": npy(np.eye(2))}, W[:-4]),
    ({W: npy(np.zeros((5, 4)))}, "encoder.1.W does not have the sha256"),
    ({W: npy(np.zeros((4, 5)))}, "encoder.1.W must be float64 (5, 4); got float64 (4, 5)"),
    ({W: npy(np.zeros((5, 4), "f4"))}, "encoder.1.W must be float64 (5, 4); got float32 (5, 4)"),
    ({W: npy(np.zeros((5, 4), ">f8"))}, "encoder.1.W must be float64"),
    ({W: npy(np.array([[print]], object))}, "holds Python objects, which are never loaded"),
    ({W: npy(np.zeros((5, 4)))[:-1]}, "announces 160 bytes of data, and 159 are there"),
    ({W: npy(np.zeros((5, 4))) + b"x"}, "announces 160 bytes of data, and 161 are there"),
    ({W: npy(np.zeros((5, 4))).replace(b"(5, 4), }", b"(9**9,4)}")}, "damaged"),
    ({W: npy(np.zeros((5, 4))).replace(b"(5, 4), }      ", b"(99999999, 99),}")}, "announces"),
    ({W: b"\x80\x04N."}, "damaged"),
    ({W: b""}, "damaged"),
    ({HEADER: None}, "it has no header.json"),
    ({HEADER: b""}, "damaged"),
    ({HEADER: b"[" * 100_000}, "damaged"),
    ({HEADER: b'{"format": 1'}, "damaged"),
    ({HEADER: b"\xff\xfe{}"}, "damaged"),
    ({HEADER: b" " * (1 << 22)}, "entries cannot be as large as they say"),
])
def test_entries_that_do_not_fit(path, tmp_path, arrays, sentence):
    assert sentence in refused(rewritten(path, tmp_path / "m", arrays=arrays))


def test_archives_of_another_kind(path, tmp_path):
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "must be plain" in refused(rewritten(path, tmp_path / "m", compression=compression))
    assert "each there once" in refused(rewritten(path, tmp_path / "m", more=[(W, npy(np.zeros((5, 4))))]))
    content = path.read_bytes()
    directory = content.index(b"PK\1\2")
    encrypted = bytearray(content)
    encrypted[directory + 8] |= 1
    (tmp_path / "m").write_bytes(encrypted)
    assert "damaged" in refused(tmp_path / "m")
    for size in (1 << 20, 2**32 - 2):  # more than there is, in the archive's directory
        large = content[: directory + 20] + struct.pack("<II", size, size) + content[directory + 28:]
        (tmp_path / "m").write_bytes(large)
        assert "its entries cannot be as large as they say" in refused(tmp_path / "m")


def test_a_model_needs_nothing_but_numpy_to_be_read(path):
    header, arrays = read_model(path)
    assert sorted(arrays)[0] == "centers" and header["n_clusters"] == 3
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays.values())


def test_saving_over_a_model_keeps_it_until_the_new_one_is_complete(dec, path, tmp_path, monkeypatch):
    shutil.copy(path, tmp_path / "m")
    monkeypatch.setattr(np.lib.format, "write_array", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(dec, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == path.read_bytes()
    assert os.listdir(tmp_path) == ["m"]
