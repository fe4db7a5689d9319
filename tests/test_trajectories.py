"""Trajectory parity: every weight, centroid and loss, at each of hundreds of steps, against plain autodiff programs.

The package trains; so does a peer. A peer is a plain program: the definitions in ``data/make_autodiff.py``
(Eqs. 1-3 and 6-9 as printed), differentiated by HIPS autograd or PyTorch, and its own SGD with momentum.
The two share the data, the initial weights and centroids, the schedule's numbers, and the seed from which each
draws its masks and batches; no more. Each test leaves its worst difference in the JUnit report
(``pytest --junitxml=report.xml``).
Peers work in float64 throughout, also where the package works in float32.
"""

from dataclasses import replace
from functools import cache
from itertools import count, islice
from typing import NamedTuple
from unittest.mock import patch

import autograd
import autograd.numpy
import numpy as np
import pytest
from conftest import blobs
from make_autodiff import (
    Torch,
    clustering_loss,
    network,
    reconstruction_loss,
    soft_assignment,
    target_distribution,
)

from decnp import DEC, Profile, StackedAutoencoder
from decnp import autoencoder as autoencoder_module
from decnp import dec as dec_module
from decnp.autoencoder import descend as descend_phase
from decnp.clustering import Stepped, cluster
from decnp.layers import arrays_of

# Only where a JUnit report is asked for in its newer format, which pytest does not want to mix with properties.
pytestmark = pytest.mark.filterwarnings("ignore:record_property is incompatible")

SEED, BATCH, SIZES, K = 3, 64, (16, 12, 24, 4), 5  # 20-16-12-24-4; the third layer is wider than the data
N_PAIRS = len(SIZES)


class Case(NamedTuple):
    """A schedule for the package, and what of it the peer would rather be told plainly."""

    profile: Profile
    dropout: list
    """On the input and on the hidden layer of each pair."""
    alpha: float


CASES = {  # together: both decays, both orders, every dropout switch, burn-in, biases at a rate of their own
    "paper": Case(
        Profile(init_std=0.2, pretrain_iter=50, finetune_iter=200, lr_every=40, lr_factor=0.5, burn_in=30,
                kl_lr=0.05, update_interval=30, max_iter=200),
        dropout=[(0, 0.2), (0.2, 0.2), (0.2, 0.2), (0.2, 0)], alpha=1.0),
    "cosine": Case(
        Profile(init_std=None, pretrain_iter=50, finetune_iter=200, lr=0.2, lr_decay="cosine", burn_in=20, bias_lr=3.0,
                dropout_on_input=True, dropout_on_code=True, finetune_dropout=0.1, shuffle=True, kl_bias_lr=1.0,
                kl_lr=0.05, update_interval=40, max_iter=200),
        dropout=[(0.2, 0.2)] * N_PAIRS, alpha=3.7),
}

# Relative to the largest entry of each array. Each sum is rounded, to 2e-16 or 6e-8 of its terms, and hundreds of
# steps feed that back; seen: 4e-15 and 2e-6. A mistake of a thousandth in one factor is far above either.
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


# ---------------------------------------------------------------- the package's own training, watched

class WatchedAutoencoder(StackedAutoencoder):
    """Notes the loss and the weights after each step."""

    def fit(self, X, y=None):
        self.seen = []

        def watched(phase, *rest):
            for loss, x in descend_phase(phase, *rest):
                self.seen.append((loss, [a.copy() for a in arrays_of(phase.theta)]))
                yield loss, x

        with patch.object(autoencoder_module, "descend", watched):
            return super().fit(X)


class WatchedDEC(DEC):
    """Notes the loss, the centroids and the encoder's weights after each step."""

    def fit(self, X, y=None):
        self.seen = []

        def watched(X, state, *rest):
            for event in cluster(X, state, *rest):
                if isinstance(event, Stepped):
                    self.seen.append((event.loss, [a.copy() for a in [state.mu, *arrays_of(state.theta)]]))
                yield event

        with patch.object(dec_module, "cluster", watched):
            return super().fit(X)


def data(dtype):
    """300 rows: no multiple of a batch, so file order wraps round; groups that overlap, so labels change."""
    return blobs(n=300, n_features=20, k=K, spread=2.0, dtype=dtype)


@cache
def autoencoder(case, dtype, engine, trained=True):
    """The package's, after every step of ``case``, or with its initial weights."""
    profile = CASES[case].profile
    profile = profile if trained else replace(profile, pretrain_iter=0, finetune_iter=0)
    ae = WatchedAutoencoder(SIZES, profile=profile, batch_size=BATCH, engine=engine, random_state=SEED)
    return ae.fit(data(dtype))


@cache
def dec(case, dtype, engine):
    """The package's, from one and the same autoencoder for both engines."""
    profile, _, alpha = CASES[case]
    start = autoencoder(case, dtype, "numpy")
    return WatchedDEC(K, autoencoder=start, profile=profile, alpha=alpha, tol=0, batch_size=BATCH, n_init=3,
                      engine=engine, random_state=SEED).fit(data(dtype))


# ---------------------------------------------------------------- the peers

class Autograd:
    """Differentiates f(xp, ...) by HIPS autograd."""

    def gradients(self, f, trained, *constants):
        """f(xp, trained, *constants) and its gradient to each array of the list ``trained``."""
        return autograd.value_and_grad(lambda trained: f(autograd.numpy, trained, *constants))(trained)


def peer_named(name):
    if name == "autograd":
        return Autograd()
    pytest.importorskip("torch")
    return Torch()


def descend(peer, loss, trained, constants, lr, momentum, times):
    """Plain SGD with momentum from the arrays ``trained``: the (loss, arrays) of each step.

    ``constants`` has what else the loss takes, step by step; ``times`` is each array's factor on the rate.
    """
    velocity, seen = [0 * a for a in trained], []
    for t, args in enumerate(constants):
        value, grads = peer.gradients(loss, trained, *args)
        velocity = [momentum(t) * v - lr(t) * factor * g for v, g, factor in zip(velocity, grads, times)]
        trained = [a + v for a, v in zip(trained, velocity)]
        seen.append((float(value), trained))
    return seen


def batches(n, shuffle, rng):
    """Endless row numbers: in file order, round and round; or each epoch in a new order, without a shorter rest."""
    if not shuffle:
        for t in count():
            yield [(t * BATCH + i) % n for i in range(BATCH)]
    while True:
        order = rng.permutation(n)
        for start in range(0, n - BATCH + 1, BATCH):
            yield order[start : start + BATCH]


def mask(rng, width, rate):
    """One minibatch's dropout mask: 0 with probability ``rate``, by sixteen random bits for a unit, else 1/(1 - rate)."""
    if not rate:
        return 1
    words = rng.integers(0, 2**64, -(-BATCH * width // 4), np.uint64)  # of four units each
    units = np.ravel([words >> np.uint64(16 * i) & np.uint64(0xFFFF) for i in range(4)], order="F")
    return (units[: BATCH * width].reshape(BATCH, width) >= round(65536 * rate)) / (1 - rate)


def wide(layers):
    """W, b, W, b, ... in float64."""
    return [a.astype(np.float64) for a in arrays_of(layers)]


@cache
def peer_autoencoder(name, case, dtype):
    """Return (loss, arrays) of each step: the pairs one after the other, then the whole stack."""
    peer, (profile, dropout, _) = peer_named(name), CASES[case]
    start = autoencoder(case, dtype, "numpy", trained=False)
    encoder, decoder = ([wide([layer]) for layer in layers] for layers in (start.encoder_, start.decoder_))
    x = data(dtype).astype(np.float64)
    x /= np.sqrt(np.mean(x**2))
    _, noise, order = np.random.default_rng(SEED).spawn(3)

    def lr(t):
        if profile.lr_decay == "step":
            return profile.lr * profile.lr_factor ** (t // profile.lr_every)
        return profile.lr * (1 + np.cos(np.pi * t / n_iter)) / 2

    def momentum(t):
        return 0.9 * t / profile.burn_in if t < profile.burn_in else 0.9

    def phase(trained, x, acts, rates):
        def constants():
            for rows in islice(batches(len(x), profile.shuffle, order), n_iter):
                widths = [len(W) for W in trained[0::2]]
                yield x[rows], acts, [mask(noise, width, rate) for width, rate in zip(widths, rates, strict=True)]

        return descend(peer, reconstruction_loss, trained, constants(), lr, momentum, [1, profile.bias_lr] * len(acts))

    features, seen, n_iter = x, [], profile.pretrain_iter
    for l in range(N_PAIRS):
        acts = ["linear" if l == N_PAIRS - 1 else "relu", "linear" if l == 0 else "relu"]
        seen += phase(encoder[l] + decoder[-1 - l], features, acts, dropout[l])
        encoder[l], decoder[-1 - l] = seen[-1][1][:2], seen[-1][1][2:]
        features = network(np, encoder[l], features, acts[:1], [1])  # clean, and fixed from now on
    n_iter, acts = profile.finetune_iter, (["relu"] * (N_PAIRS - 1) + ["linear"]) * 2
    return seen + phase(sum(encoder + decoder, []), x, acts, [profile.finetune_dropout] + [0] * (2 * N_PAIRS - 1))


@cache
def peer_dec(name, case, dtype):
    """Return (loss, arrays) of each step: P by Eq. 3 from the whole data, some steps with zero velocity, and again."""
    peer, (profile, _, alpha) = peer_named(name), CASES[case]
    x = data(dtype).astype(np.float64)
    x /= np.sqrt(np.mean(x**2))
    mu = dec(case, dtype, "numpy").initial_centers_.astype(np.float64)
    trained = [mu, *wide(autoencoder(case, dtype, "numpy").encoder_)]
    acts = ["relu"] * (N_PAIRS - 1) + ["linear"]
    order = batches(len(x), profile.shuffle, np.random.default_rng(SEED).spawn(3)[2])
    seen = []
    while len(seen) < profile.max_iter:
        mu, *theta = trained
        p = target_distribution(np, soft_assignment(np, network(np, theta, x, acts, [1] * N_PAIRS), mu, alpha))
        steps = islice(order, min(profile.update_interval, profile.max_iter - len(seen)))
        constants = ((x[rows], p[rows], acts, alpha) for rows in steps)
        seen += descend(peer, clustering_loss, trained, constants, lambda t: profile.kl_lr, lambda t: 0.9,
                        [1] + [1, profile.kl_bias_lr] * N_PAIRS)  # the velocity starts from 0 each time
        trained = seen[-1][1]
    return seen


# ---------------------------------------------------------------- the comparisons

def worst_difference(seen, expected):
    """The largest difference of any loss or array entry at any step, relative to its array's largest entry."""
    return max(
        float(np.abs(a - b).max() / np.abs(b).max())
        for (loss, arrays), (expected_loss, expected_arrays) in zip(seen, expected, strict=True)
        for a, b in zip([np.array(loss), *arrays], [np.array(expected_loss), *expected_arrays], strict=True)
    )


def check(seen, expected, dtype, record_property):
    assert len(seen) == len(expected) and all(a.dtype == dtype for _, arrays in seen for a in arrays)
    worst = worst_difference(seen, expected)
    record_property("worst_difference", worst)
    assert worst < TOLERANCE[dtype]


over_cases = pytest.mark.parametrize("case", CASES)
over_dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
over_engines = pytest.mark.parametrize("engine", ["numpy", "numba"])
over_peers = pytest.mark.parametrize("peer", ["autograd", "torch"])


@over_engines
@over_dtypes
@over_cases
@over_peers
def test_200_denoising_and_200_end_to_end_steps(peer, case, dtype, engine, record_property):
    check(autoencoder(case, dtype, engine).seen, peer_autoencoder(peer, case, dtype), dtype, record_property)


@over_engines
@over_dtypes
@over_cases
@over_peers
def test_200_steps_of_dec(peer, case, dtype, engine, record_property):
    check(dec(case, dtype, engine).seen, peer_dec(peer, case, dtype), dtype, record_property)


@pytest.mark.parametrize("trained", [autoencoder, dec], ids=["autoencoder", "dec"])
@over_dtypes
@over_cases
def test_both_engines_walk_the_same_way(case, dtype, trained, record_property):
    check(*(trained(case, dtype, engine).seen for engine in ("numba", "numpy")), dtype, record_property)
    assert trained(case, dtype, "numba").engine == "numba"


@over_cases
def test_the_way_is_worth_watching(case):
    """Agreement would show little where nothing moves."""
    seen, n = autoencoder(case, "float64", "numpy").seen, CASES[case].profile.pretrain_iter
    assert [len(arrays) for _, arrays in seen] == [4] * 200 + [4 * N_PAIRS] * 200
    pairs = [seen[l * n : (l + 1) * n] for l in range(N_PAIRS)]
    for phase in [*pairs, seen[200:], dec(case, "float64", "numpy").seen]:
        for first, last in zip(phase[0][1], phase[-1][1], strict=True):
            assert np.abs(last - first).max() > 0.01 * np.abs(first).max()
    assert seen[-1][0] < 0.9 * seen[200][0]
    changed = [step.changed for step in dec(case, "float64", "numpy").history_ if step.phase == "cluster"]
    assert len(changed) > 5 and max(changed[1:]) > 0  # refreshes of P, at which labels change


@pytest.mark.parametrize("train, peer_trained, fault", [
    (autoencoder, peer_autoencoder, {"bias_lr": 2.002}),
    (autoencoder, peer_autoencoder, {"lr_every": 39}),
    (dec, peer_dec, {"kl_bias_lr": 2.002}),
    (dec, peer_dec, {"update_interval": 29}),
    (dec, peer_dec, {"momentum_restart": False}),
], ids=lambda value: str(value) if isinstance(value, dict) else value.__name__)
def test_a_planted_fault_is_seen(train, peer_trained, fault, monkeypatch):
    expected = peer_trained("autograd", "paper", "float64")
    monkeypatch.setitem(CASES, "paper", CASES["paper"]._replace(profile=replace(CASES["paper"].profile, **fault)))
    faulty = train.__wrapped__("paper", "float64", "numba")  # past the cache
    assert worst_difference(faulty.seen, expected) > 2 * TOLERANCE["float32"]
