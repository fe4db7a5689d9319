"""Sparse and mapped X: the same numbers as dense ones, and never more than some rows of them dense at once."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import BY_THE_BOOK, QUICK, blobs, identical, learned, sparse_blobs, twice
from numpy.testing import assert_allclose, assert_array_equal

import decnp
from decnp import DEC, Checkpoint, StackedAutoencoder
from decnp.training import features
from decnp.training.checkpoint import fingerprint
from decnp.utils.rows import BLOCK, LazyRows, blocks, first_rows, is_mapped, sampled_rows


def dec(**settings):
    small = {"hidden_layer_sizes": (5, 4, 2), "profile": QUICK, "n_init": 3, "batch_size": 64, "engine": "numpy"}
    return DEC(3, **{**small, "random_state": 0, **settings})


FORMS = {
    **{f"{form}_{kind}": getattr(sp, f"{form}_{kind}") for form in ("csr", "csc", "coo", "lil", "dok", "bsr")
       for kind in ("matrix", "array")},
    "in halves": twice,
}


# ---------------------------------------------------------------- the rows themselves

@pytest.mark.parametrize("source", [np.asfortranarray, sp.csr_array, sp.csr_matrix, twice])
def test_rows_come_dense(source):
    X = sparse_blobs()
    lazy = LazyRows(source(X), "float32")
    assert (len(lazy), lazy.shape, lazy.size, lazy.dtype) == (150, (150, 6), 900, np.float32)
    for i in (np.array([3, 3, 149, 0]), slice(None), slice(140, 999), slice(0, None, 40), slice(0)):
        x = lazy[i]
        assert type(x) is np.ndarray and x.flags.c_contiguous
        assert_array_equal(x, X.astype(np.float32)[i], strict=True)
    assert_array_equal(first_rows(lazy, 7)[:], X.astype(np.float32)[:7])
    assert isinstance(first_rows(lazy, 7), LazyRows) and first_rows(lazy, None) is first_rows(lazy, 150) is lazy


def test_blocks_are_all_rows_in_order():
    X = np.arange(2.0 * (2 * BLOCK + 1)).reshape(-1, 2)
    for rows in (X, LazyRows(sp.csr_array(X), float)):
        assert [len(x) for x in blocks(rows)] == [BLOCK, BLOCK, 1]
        assert_array_equal(np.concatenate(list(blocks(rows))), X)
    assert fingerprint(X) == hashlib.sha256(X.tobytes()).hexdigest()
    assert fingerprint(X) == fingerprint(LazyRows(sp.csr_array(X), float)) == fingerprint(X[:BLOCK], X[BLOCK:])


def test_a_sample_of_rows_is_sorted_and_the_same_each_time():
    rows = sampled_rows(1000, 400)
    assert len(set(rows)) == 400 and 0 <= rows[0] and rows[-1] < 1000 and (np.diff(rows) > 0).all()
    assert 150 < (rows % 2).sum() < 250  # of rows that alternate, both kinds
    assert_array_equal(rows, sampled_rows(1000, 400))
    assert_array_equal(sampled_rows(400, 400), np.arange(400))


def test_what_is_mapped(tmp_path):
    np.save(tmp_path / "X.npy", np.eye(3))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert all(map(is_mapped, (X, X[::2], np.asarray(X), X.T, np.asarray(X)[1:]))) and LazyRows(X, float).nbytes == 0
    assert not any(map(is_mapped, (np.eye(3), X + 0, np.array(X), None)))
    assert not any(map(is_mapped, (X.copy(), X.astype(np.float32), X[[0, 2]])))  # copies, some of them of the type memmap
    assert LazyRows(sp.csr_array(np.eye(3)), float).nbytes == 3 * 8 + 3 * 4 + 4 * 4


# ---------------------------------------------------------------- the same results as dense

@pytest.mark.parametrize("form", FORMS)
def test_every_sparse_form_gives_the_same_bits(form):
    X = sparse_blobs()
    dense, given = dec().fit(X), FORMS[form](X)
    other = dec().fit(given)
    assert identical(dense, other) and dense.history_ == other.history_
    for method in ("transform", "predict", "predict_proba"):
        assert_array_equal(getattr(dense, method)(X), getattr(dense, method)(given), strict=True)
    assert dense.autoencoder_.reconstruction_loss(given) == dense.autoencoder_.reconstruction_loss(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
@pytest.mark.parametrize("settings", [
    {"profile": BY_THE_BOOK},
    {"profile": replace(QUICK, lr_by_spectrum=True, finetune_dropout=0.1, autoencoder_rows=99)},
    {"engine": "numba", "update_encoder": False}, {"dtype": "float32"}, {"profile": replace(QUICK, input_scale=0.3)}])
def test_the_same_bits_in_every_dtype_and_schedule(settings, dtype):
    X = (10 * np.abs(sparse_blobs(60))).astype(dtype)
    dense, other = dec(**settings).fit(X), dec(**settings).fit(sp.csr_array(X))
    assert identical(dense, other) and dense.transform(X).dtype == other.transform(X).dtype


def test_centred_rows_agree_to_rounding():
    X = sparse_blobs(3 * BLOCK)
    settings = {"profile": replace(QUICK, center=True, max_iter=10)}
    dense, other = dec(**settings).fit(X), dec(**settings).fit(sp.csr_array(X))
    assert_allclose(other.autoencoder_.shift_, dense.autoencoder_.shift_, rtol=1e-13)  # one sum in another order
    assert_allclose(other.transform(X), dense.transform(X), rtol=1e-9, atol=1e-12)  # 150 steps feed it back


def test_features_that_would_take_more_memory_than_sparse_rows_are_not_kept(monkeypatch):
    X = sparse_blobs(600, 40, np.float32) * (np.random.default_rng(0).random((600, 40)) < 0.2).astype(np.float32)
    ae = StackedAutoencoder((30, 30, 2), profile=QUICK, engine="numpy", random_state=0)
    dense = StackedAutoencoder((30, 30, 2), profile=QUICK, engine="numpy", random_state=0).fit(X)
    made, map_blocks = [], features.map_blocks
    monkeypatch.setattr(features, "map_blocks", lambda f, X, pool: made.append(len(X)) or map_blocks(f, X, pool))
    ae.fit(sp.csr_array(X))
    assert identical(learned(ae), learned(dense)) and made == [600, 600]  # small features are, as for dense rows
    monkeypatch.setattr(features, "FEATURE_BYTES", 0)
    made.clear()
    ae.fit(sp.csr_array(X))
    assert not made
    for one, other in zip(learned(ae), learned(dense), strict=True):  # products of 256 rows, not of 600
        assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_run_on_dense_rows_goes_on_with_sparse_ones(tmp_path):
    X, checkpoint = sparse_blobs(), Checkpoint(tmp_path / "run.checkpoint", every=np.inf)
    with pytest.raises(KeyboardInterrupt):
        for step in dec(checkpoint=checkpoint, tol=0).steps(X):
            if step.phase == "cluster" and step.iteration == 20:
                checkpoint.stop()
    resumed = dec(checkpoint=tmp_path / "run.checkpoint", tol=0).resume(sp.csr_matrix(X))
    assert identical(resumed, dec(tol=0).fit(X))


@pytest.mark.parametrize("change, sentence", [
    (lambda X: X * np.nan, "contains NaN"), (lambda X: X.astype(complex), "Complex data not supported"),
    (lambda X: X[:2], "at least n_clusters = 3 samples; got n_samples = 2"),
    (lambda X: X[[0, 1] * 50], "at least n_clusters = 3 distinct rows; got 2"),
    (lambda X: X[:0], "Found array with 0 sample")])
def test_bad_sparse_rows_are_named(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dec().fit(change(sp.csr_array(blobs())))


def test_what_is_given_stays_as_it_is():
    X = twice(sparse_blobs())
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False  # as joblib's memory maps are
    dec().fit(X).predict(X)
    for part, was in zip((X.data, X.indices, X.indptr), before):
        assert_array_equal(part, was)


# ---------------------------------------------------------------- bounded memory

BOUNDED = """
import resource, sys, warnings
from pathlib import Path
import numpy as np
from scipy.sparse import csr_array
from decnp import DEC, Profile, TrainingWarning
from decnp.kernels import warmup

warmup()
warnings.simplefilter("ignore", TrainingWarning)  # of so few steps
rng = np.random.default_rng(0)
X = {X}
profile = Profile(init_std=None, pretrain_iter=2, finetune_iter=9, lr=0.1, shuffle=True, update_interval=5, max_iter=5)
model = DEC(2, hidden_layer_sizes=(16, 2), profile=profile, n_init=1, dtype="float32", random_state=0)
model.checkpoint = {file!r}
used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (150 << 20),) * 2)
try:
    X.astype(np.float32).toarray() if hasattr(X, "toarray") else X.astype(np.float32)
    sys.exit("a dense copy fits into memory: this shows nothing")
except MemoryError:
    pass
model.fit(X)
print(model.predict(X).shape, model.predict_proba(X).shape)
"""

LARGE = {  # 30,000 rows of 2,000 columns: 240 MB dense, in float32
    "sparse": "csr_array((rng.random(150_000), rng.integers(2000, size=150_000), np.arange(0, 150_001, 5)), "
              "(30_000, 2000))",
    "mapped": "np.load({npy!r}, mmap_mode='r')",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts the same only on Linux")
@pytest.mark.parametrize("kind", LARGE)
def test_memory_is_bounded_where_a_dense_copy_would_not_fit(tmp_path, kind):
    if kind == "mapped":  # float64, so that rows are converted; but for its first rows it has no bytes on the disk
        X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float64, (30_000, 2000))
        X[:500] = np.random.default_rng(0).random((500, 2000))
        del X
    code = BOUNDED.format(X=LARGE[kind].format(npy=str(tmp_path / "X.npy")), file=str(tmp_path / "run.checkpoint"))
    path = os.pathsep.join([str(Path(decnp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": path})
    assert (done.stdout, done.stderr) == ("(30000,) (30000, 2)\n", "")
