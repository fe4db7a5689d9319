"""What the tests share: small data, a quick schedule, a fitted autoencoder, and the complex step."""

import numpy as np
import pytest

from decnp import Profile, StackedAutoencoder
from decnp.layers import arrays_of

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


def gradient(f, x, h=1e-30):
    """The gradient of the scalar f at x by the complex step: Im f(x + ih) / h, exact to the last bits."""
    g = np.zeros(x.shape)
    for t in np.ndindex(x.shape):
        step = x.astype(complex)
        step[t] += 1j * h
        g[t] = f(step).imag / h
    return g


def learned(estimator):
    """Every array that a fitted StackedAutoencoder or DEC has learned."""
    ae = getattr(estimator, "autoencoder_", estimator)
    own = [] if ae is estimator else [estimator.labels_, estimator.cluster_centers_]
    return own + arrays_of(ae.encoder_ + ae.decoder_)


def identical(a, b):
    """Whether two lists of arrays, or what two estimators have learned, are the same to the bit."""
    a, b = (x if isinstance(x, list) else learned(x) for x in (a, b))
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


@pytest.fixture(scope="session")
def X():
    X = blobs()
    X.flags.writeable = False
    return X


@pytest.fixture(scope="session")
def autoencoder(X):
    """A fitted one, in float64; read it, do not train it."""
    return StackedAutoencoder((5, 4, 2), profile=QUICK, engine="numpy", random_state=0).fit(X)
