"""Fixtures and helpers of several tests: small data, quick schedules, a fitted autoencoder, the complex step."""

import os
import signal
import sys
from copy import deepcopy
from pathlib import Path

import commands
import numpy as np
import pytest
import scipy.sparse as sp
from datafiles import empty_folders
from threadpoolctl import threadpool_limits

from decnp import Profile, StackedAutoencoder, equations
from decnp.cli import main
from decnp.exceptions import DataError
from decnp.io.tables import read_table
from decnp.layers import arrays_of, mlp, mlp_vjp

sys.path.append(str(Path(__file__).parent / "data"))  # for ``make_autodiff``, the script beside its vectors
threadpool_limits(1, "blas")  # this process, and ...
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # ... those that it starts, whose bits it compares
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and their children, ignore Ctrl-C

QUICK = Profile(
    init_std=None, optimizer="adam", lr=1e-3, lr_decay="cosine", pretrain_iter=30, finetune_iter=60, shuffle=True,
    update_interval=10, max_iter=100,
)
"""A schedule of milliseconds; enough to learn something about ``blobs``."""

BY_THE_BOOK = Profile(
    init_std=0.3, pretrain_iter=9, finetune_iter=11, lr=0.1, lr_every=4, burn_in=6, kl_lr=0.05, update_interval=7,
    max_iter=32,
)
"""The paper's schedule with every one of its features, in a few steps: each drop, rise and wrap happens."""


def blobs(n=150, n_features=6, k=3, spread=1.0, dtype=np.float64):
    """Overlapping groups of samples in no order: X (n, n_features)."""
    rng = np.random.default_rng(7)
    centres = 2 * rng.normal(size=(k, n_features))
    return (centres[rng.integers(k, size=n)] + spread * rng.normal(size=(n, n_features))).astype(dtype)


def sparse_blobs(n=150, n_features=6, dtype=np.float64):
    """``blobs``, with most places zero and some rows all of them."""
    X = blobs(n, n_features, dtype=dtype)
    X[np.abs(X) < 1.5] = 0
    X[::17] = 0
    return X


def twice(X):
    """X as CSR with each number in two halves, out of order, and a zero that is stored."""
    coo = sp.coo_array(X)
    rows, columns, halves = (np.concatenate([a, a[::-1], [0]]) for a in (coo.row, coo.col, coo.data / 2))
    halves[-1] = 0
    order = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[order], np.arange(len(X) + 1))
    return sp.csr_array((halves[order], columns[order], indptr), X.shape)


def gradient(f, x, h=1e-30):
    """The gradient of the scalar f at x by the complex step: Im f(x + ih) / h, exact to the last bits."""
    g = np.zeros(x.shape)
    for t in np.ndindex(x.shape):
        step = x.astype(complex)
        step[t] += 1j * h
        g[t] = f(step).imag / h
    return g


def learned(estimator):
    """Return the learned arrays of a fitted StackedAutoencoder or DEC."""
    ae = getattr(estimator, "autoencoder_", estimator)
    own = [] if ae is estimator else [estimator.labels_, estimator.cluster_centers_]
    return own + arrays_of(ae.encoder_ + ae.decoder_)


def identical(a, b):
    """Return True if two lists of arrays, or the learned arrays of two estimators, are equal to the bit."""
    a, b = (x if isinstance(x, list) else learned(x) for x in (a, b))
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def refused_file(path, read=read_table, *args):
    """The sentence with which ``path`` is refused; it must name the file and be one line."""
    with pytest.raises(DataError) as error:
        read(path, *args)
    sentence = str(error.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence.replace(str(path), "FILE")


class Mine:
    """Unpickling one of these would be noticed."""
    def __reduce__(self):
        return os._exit, (77,)


def plain_clustering(X, autoencoder, mu, alpha, profile, batch_size=64, restart=True, update_encoder=True):
    """The authors' loop with P from the whole data, without a stop: theta, mu, and a (loss, labels) a refresh."""
    theta, mu, x = deepcopy(autoencoder.encoder_), mu.copy(), (X - autoencoder.shift_) * autoencoder.scale_
    n, t, seek, seen, losses = len(x), 0, 0, [], []
    velocity = [0 * a for a in [mu, *arrays_of(theta)]]
    while True:
        q = equations.soft_assignment(mlp(theta, x)[-1], mu, alpha)
        p = equations.target_distribution(q)  # constant until the next refresh
        seen.append((equations.kl_divergence(p, q) / n if t == 0 else np.mean(losses), q.argmax(axis=1)))
        if t == profile.max_iter:
            return theta, mu, seen
        if restart:
            velocity = [0 * v for v in velocity]
        losses = []
        while len(losses) < profile.update_interval and t < profile.max_iter:
            i = [(seek + s) % n for s in range(batch_size)]
            seek, t = (seek + batch_size) % n, t + 1
            hs = mlp(theta, x[i])
            losses.append(np.sum(p[i] * np.log(p[i] / equations.soft_assignment(hs[-1], mu, alpha))) / batch_size)
            _, g_theta = mlp_vjp(equations.grad_z(hs[-1], mu, p[i], alpha) / batch_size, theta, hs)
            g_mu = equations.grad_mu(hs[-1], mu, p[i], alpha) / batch_size
            trained, grads = [mu, *arrays_of(theta)], [g_mu, *arrays_of(g_theta)]
            for a, v, g, times in zip(trained, velocity, grads, [1] + [1, 2] * 3):
                if a is mu or update_encoder:
                    v[...] = 0.9 * v - 0.05 * times * g
                    a += v


@pytest.fixture(scope="session")
def X():
    X = blobs()
    X.flags.writeable = False
    return X


@pytest.fixture(scope="session")
def autoencoder(X):
    """A fitted autoencoder in float64; a test must not train it."""
    return StackedAutoencoder((5, 4, 2), profile=QUICK, engine="numpy", random_state=0).fit(X)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders of $DECNP_DATA and of the cache, by the names "env" and "cache"."""
    return empty_folders(tmp_path, monkeypatch)


# ---------------------------------------------------------------- the command

def write_data(folder):
    """Write data that fit into a folder: x.npy (60, 6), and its labels in y.txt."""
    x = blobs(60, spread=0.3)
    np.save(folder / "x.npy", x)
    groups = (x @ np.random.default_rng(0).normal(size=6) > 0).astype(int)
    (folder / "y.txt").write_text("\n".join("ab"[group] for group in groups))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder to work in, with the files of ``write_data``."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    return tmp_path


@pytest.fixture
def says(capsys):
    """Function that runs the command in this process and returns status, output and errors."""
    def says(*argv):
        try:
            status = main([str(word) for word in argv])
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()
    return says


@pytest.fixture
def sketched(monkeypatch):
    """Reports whose pictures are not drawn, for tests of their words; to draw them takes a second."""
    from decnp.report import page, pictures  # here: they import Matplotlib, which .ci/elsewhere does not install

    monkeypatch.setattr(page, "pictures", lambda *_: ([pictures.Picture("sketch", "c", False, "data:,")], []))


@pytest.fixture
def refused(says):
    """Function that runs ``decnp fit``, which must end with status 2 and one sentence, and returns the sentence."""
    def refused(*argv):
        status, out, err = says("fit", *commands.QUICK, *argv)  # quick also where it is wrongly not refused
        assert (status, out) == (2, "")
        assert err.startswith("decnp: error: ") and err.count("\n") == 1 and err.endswith("\n"), err
        return err[len("decnp: error: "):-1]
    return refused
