"""The fused step against the readable one, the crew's threads, and what a fit leaves as it found it."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

import decnp
from decnp import DEC, Profile, kernels, layers
from decnp.kernels import layers as layer_kernels
from decnp.kernels.fused_step import FusedStep
from decnp.layers import arrays_of, dropout_mask, init_mlp
from decnp.losses import reconstruction_loss_and_grads
from decnp.optim import SGD, Adam
from decnp.utils.threads import ThreadPool, blas_threads

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}  # sums in another order, fed back a few times; seen: 2e-6, 5e-15


def optimizers(arrays, rule):
    if rule == "adam":
        return Adam(arrays, 0.01, lr_scale=[1.0, 2.0] * (len(arrays) // 2), update=kernels.adam_update)
    return SGD(arrays, lambda t: 0.1 / (t + 1), 0.9, [1.0, 2.0] * (len(arrays) // 2), kernels.sgd_update)


# ---------------------------------------------------------------- one step

@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3), n_features=st.integers(1, 8), b=st.integers(1, 7),
    rate=st.sampled_from([0, 0.3]), rule=st.sampled_from(["sgd", "adam"]), n_threads=st.integers(1, 4),
    dtype=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_readable_step(sizes, n_features, b, rate, rule, n_threads, dtype, seed):
    rng = np.random.default_rng(seed)
    sizes = [n_features, *sizes, n_features]
    acts = [["relu", "linear"][int(a)] for a in rng.integers(0, 2, len(sizes) - 1)]
    theta = init_mlp(rng, sizes, acts, 0.5, dtype)
    for layer in theta:
        layer.b[...] = rng.standard_normal(len(layer.b))
    fast = [layers.Dense(W.copy(), bias.copy(), act) for W, bias, act in theta]
    optimizer, fast_optimizer = optimizers(arrays_of(theta), rule), optimizers(arrays_of(fast), rule)
    with ThreadPool(n_threads) as crew:
        step = FusedStep(fast, fast_optimizer, b, crew)
        step.serial = False
        for _ in range(3):  # the second finds what the first left in its arrays
            x = rng.standard_normal((b, n_features)).astype(dtype)
            masks = [dropout_mask(rng, (b, n), rate, dtype) for n in sizes[:-1]]
            masks[0] = masks[0] if b % 2 else None  # as for raw inputs in the layer-wise phase
            loss, g_theta = reconstruction_loss_and_grads(theta, x, masks)
            optimizer.step(arrays_of(g_theta))
            given_x = x.copy()
            assert_allclose(step.reconstruct(x, masks), loss, rtol=TOLERANCE[dtype])
            assert_array_equal(x, given_x)
    if rule == "sgd":  # Adam divides by the gradient's size: where that is a rounding, so is its step
        for a, judge in zip(arrays_of(fast), arrays_of(theta), strict=True):
            assert a.dtype == dtype
            assert_allclose(a, judge, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for a, judge in zip(fast_optimizer.state, optimizer.state, strict=True):
        assert_allclose(a, judge, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_adam_takes_the_same_steps():
    rng = np.random.default_rng(0)
    theta = init_mlp(rng, [6, 5, 6], ["linear", "linear"], 0.5, np.float64)
    fast = [layers.Dense(W.copy(), bias.copy(), act) for W, bias, act in theta]
    optimizer, fast_optimizer = optimizers(arrays_of(theta), "adam"), optimizers(arrays_of(fast), "adam")
    with ThreadPool(1) as crew:
        step = FusedStep(fast, fast_optimizer, 8, crew)
        for _ in range(5):
            x = rng.standard_normal((8, 6))
            optimizer.step(arrays_of(reconstruction_loss_and_grads(theta, x)[1]))
            step.reconstruct(x)
    for a, judge in zip(arrays_of(fast), arrays_of(theta), strict=True):
        assert_allclose(a, judge, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_thread_and_two_give_the_same_bits(dtype):
    def trained(n_threads):
        rng = np.random.default_rng(0)
        theta = init_mlp(rng, [30, 200, 301, 30], ["relu", "linear", "linear"], None, dtype)
        with ThreadPool(n_threads) as crew:
            step = FusedStep(theta, SGD(arrays_of(theta), 0.5, update=kernels.sgd_update), 99, crew)
            step.serial = False
            losses = [step.reconstruct(rng.random((99, 30)).astype(dtype)) for _ in range(10)]
        return losses, arrays_of(theta)

    (losses, arrays), (other_losses, others) = trained(1), trained(2)
    assert losses == other_losses and losses[-1] < losses[0]
    for a, b in zip(arrays, others):
        assert_array_equal(a, b)


@pytest.mark.parametrize("width, small", [(10, True), (20_000, False)])
def test_small_work_stays_on_its_thread_and_large_work_does_not(width, small, monkeypatch):
    seen, crew_map = [], ThreadPool.map
    monkeypatch.setattr(ThreadPool, "map", lambda *args, serial=False: seen.append(serial) or crew_map(*args, serial=serial))
    theta = init_mlp(np.random.default_rng(0), [3, width, 3], ["relu", "linear"])
    with ThreadPool(2) as crew:
        FusedStep(theta, SGD(arrays_of(theta), 0.1), 100, crew).reconstruct(np.ones((100, 3), np.float32))
    assert seen == [small] * 2


# ---------------------------------------------------------------- its kernels

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_are_the_layers(dtype):
    rng = np.random.default_rng(0)
    a, b, g = (rng.standard_normal(shape).astype(dtype) for shape in ((7, 5), 5, (7, 5)))
    a[0] = [-0.0, 0.0, np.nan, np.inf, -np.inf]
    b[:3] = [0, 0, 1]
    close = dict(rtol=10 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)
    h, linear, g_a, g_b = a.copy(), a.copy(), g.copy(), np.full(5, np.nan, dtype)
    layer_kernels.bias_relu(h, b)
    assert_array_equal(h, layers.relu(a + b))  # what is not a number stays so
    layer_kernels.bias_linear(linear, b)
    assert_array_equal(linear, a + b)
    layer_kernels.relu_vjp(g_a, h, g_b)
    assert_array_equal(g_a, layers.relu_vjp(g, h))
    assert_allclose(g_b, layers.relu_vjp(g, h).sum(axis=0), **close)
    layer_kernels.linear_vjp(g, g_b)
    assert_allclose(g_b, g.sum(axis=0), **close)
    x_rec, x = g.copy(), rng.standard_normal((7, 5)).astype(dtype)
    loss, g_rec = layers.squared_error(g, x)
    g_kernel = np.full_like(x, np.nan)
    assert_allclose(layer_kernels.squared_error(x_rec, x, dtype(x.size), g_kernel), loss, **close)
    assert_allclose(g_kernel, g_rec, **close)


# ---------------------------------------------------------------- the crew

def blas():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("serial", [False, True])
def test_results_come_in_order_and_the_library_has_one_thread_meanwhile(serial):
    with threadpool_limits(3, "blas"), ThreadPool(2) as crew:
        assert crew.map(lambda part: (part, *blas()), range(5), serial=serial) == [(n, *[1] * len(blas())) for n in range(5)]
        assert set(blas()) == {3}


def test_it_really_has_two_threads():
    """With one thread the barrier breaks, which is an error."""
    together = threading.Barrier(2, timeout=20)  # breaks where one waits for another that never comes
    with ThreadPool(2) as crew:
        crew.map(lambda part: together.wait(), range(2))


def test_it_has_as_many_threads_as_a_product_would_use():
    for n in (1, 2):
        with threadpool_limits(n, "blas"):
            assert blas_threads() == ThreadPool().n_threads == n


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_comes_out_and_leaves_nothing_behind(n_threads):
    before, threads = blas(), threading.active_count()
    with pytest.raises(ZeroDivisionError), ThreadPool(n_threads) as crew:
        crew.map(lambda part: 1 / part, [1, 0, 2])
    assert blas() == before and threading.active_count() == threads


def test_overflow_in_a_part_is_no_warning():
    with ThreadPool(2) as crew:  # warnings are errors here
        for serial in (False, True):
            crew.map(lambda part: np.full(3, 1e300) * part, [1.0, 1e300], serial=serial)
        with pytest.raises(RuntimeWarning):
            np.full(3, 1e300) * 1e300  # as before, outside


# ---------------------------------------------------------------- a fit among others

PROFILE = Profile(init_std=None, pretrain_iter=2, finetune_iter=8, update_interval=4, max_iter=8)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).random((300, 64)).astype(np.float32)


def test_a_fit_has_the_same_bits_on_one_thread_and_on_two(X):
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, "blas"):
            models.append(DEC(3, hidden_layer_sizes=(400, 100, 5), profile=PROFILE, random_state=0).fit(X))
    one, two = models
    for a, b in zip(arrays_of(one.autoencoder_.encoder_), arrays_of(two.autoencoder_.encoder_)):
        assert_array_equal(a, b)
    assert_array_equal(one.cluster_centers_, two.cluster_centers_)
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert [step[3:] for step in one.history_] == [step[3:] for step in two.history_]


@pytest.mark.parametrize("ending", ["to its end", "given up", "lost numbers"])
def test_a_fit_leaves_the_process_as_it_found_it(X, ending):
    def state():
        return threadpool_info(), np.geterr(), np.random.get_state()[1].tolist(), threading.active_count()

    dec = DEC(3, hidden_layer_sizes=(400, 5), profile=PROFILE, random_state=0)
    before = state()
    if ending == "to its end":
        dec.fit(X)
    elif ending == "given up":
        steps = dec.steps(X)
        for _ in range(5):
            next(steps)
            assert state()[:3] == before[:3]  # and between two reports
        steps.close()
    else:
        with pytest.raises(decnp.TrainingError):
            DEC(3, hidden_layer_sizes=(400, 5), profile=Profile(lr=1e30, finetune_iter=50)).fit(X)
    assert state() == before
