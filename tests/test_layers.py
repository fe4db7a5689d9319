"""Layers held against plain loops, the complex step and the dot test; masks, initialisers, dtypes."""

import naive
import numpy as np
import pytest
from conftest import gradient
from numpy.testing import assert_allclose, assert_array_equal

from decnp.layers import (
    Dense,
    arrays_of,
    dense,
    dense_vjp,
    dropout_mask,
    encode,
    fan_in_uniform,
    gaussian,
    init_mlp,
    mlp,
    mlp_vjp,
    relu,
    relu_vjp,
    squared_error,
)

# Sums of at most ten products of size 1: a few roundings of 2e-16 or 6e-8, beside terms of size 1.
CLOSE = {np.float64: dict(rtol=1e-12, atol=1e-14), np.float32: dict(rtol=1e-5, atol=1e-6)}
EXACT = CLOSE[np.float64]  # closed form and complex step round separately, nothing else

SHAPES = [(1, 1, 1), (1, 4, 3), (7, 1, 2), (5, 4, 1), (6, 5, 3)]  # n samples, n_in, n_out


def problem(n, n_in, n_out, dtype=np.float64):
    """x, W, b and a gradient g of the output's shape."""
    rng = np.random.default_rng([n, n_in, n_out])
    return [rng.normal(size=shape).astype(dtype) for shape in [(n, n_in), (n_in, n_out), n_out, (n, n_out)]]


def network(sizes, acts, masked=False, n=6, dtype=np.float64):
    """theta with non-zero biases, x, masks or None, and a target."""
    rng = np.random.default_rng(len(sizes))
    theta = [Dense(W, rng.normal(size=b.shape).astype(dtype), act)
             for W, b, act in init_mlp(rng, sizes, acts, std=0.7, dtype=dtype)]
    x, target = (rng.normal(size=(n, size)).astype(dtype) for size in (sizes[0], sizes[-1]))
    masks = [dropout_mask(rng, (n, size), 0.4, dtype) for size in sizes[:-1]] if masked else None
    return theta, x, masks, target


# ---------------------------------------------------------------- judged by plain loops

@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_and_its_vjp_equal_plain_loops(shape, dtype):
    x, W, b, g = problem(*shape, dtype)
    assert_allclose(dense(x, W, b), naive.dense(x, W, b), **CLOSE[dtype])
    for result, expected in zip(dense_vjp(g, x, W), naive.dense_vjp(g, x, W), strict=True):
        assert_allclose(result, expected, **CLOSE[dtype])
        assert result.dtype == dtype and result.shape == expected.shape


def test_relu_and_its_vjp_equal_plain_loops_also_at_the_kink():
    a, g = np.array([[-2.0, 0.0, 3.0], [1e-300, -1e-300, -0.0]]), np.array([[1.0, 2.0, -3.0], [4.0, 5.0, 6.0]])
    h = relu(a)
    assert_array_equal(h, naive.relu(a))
    assert_array_equal(relu_vjp(g, h), naive.relu_vjp(g, h))
    assert_array_equal(relu_vjp(g, h), [[0, 0, -3], [4, 0, 0]])
    turned = a + np.where(a == 0, 0, 1e-30j)  # complex: decided by the real part
    assert_array_equal(relu(turned), naive.relu(turned))


@pytest.mark.parametrize("dtype", CLOSE)
def test_squared_error_equals_plain_loops(dtype):
    x_rec, x = (a.astype(dtype) for a in np.random.default_rng(0).normal(size=(2, 7, 4)))
    loss, g = squared_error(x_rec, x)
    expected_loss, expected_g = naive.squared_error(x_rec, x)
    assert_allclose(loss, expected_loss, **CLOSE[dtype])
    assert_allclose(g, expected_g, **CLOSE[dtype])


def test_squared_error_by_hand():
    loss, g = squared_error(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    assert_allclose(loss, 17 / 12, rtol=1e-15)  # (4 + 9 + 4) / (2 n D) with n D = 6
    assert_allclose(g, [[0, 2 / 6, 3 / 6], [0, -2 / 6, 0]], rtol=1e-15)


# ---------------------------------------------------------------- judged by the complex step

def test_the_judge_itself():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    assert_allclose(gradient(lambda x: np.sum(x**3), x), 3 * x**2, rtol=1e-15)  # one power, one product
    with pytest.raises(AssertionError):  # a planted fault of a thousandth is seen
        assert_allclose(gradient(lambda x: np.sum(x**3), x), 3.001 * x**2, **EXACT)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_vjp_is_the_derivative(shape):
    x, W, b, g = problem(*shape)
    g_x, g_W, g_b = dense_vjp(g, x, W)
    assert_allclose(g_x, gradient(lambda x: np.sum(g * dense(x, W, b)), x), **EXACT)
    assert_allclose(g_W, gradient(lambda W: np.sum(g * dense(x, W, b)), W), **EXACT)
    assert_allclose(g_b, gradient(lambda b: np.sum(g * dense(x, W, b)), b), **EXACT)


def test_relu_vjp_is_the_derivative():
    a, g = np.random.default_rng(0).normal(size=(2, 7, 4))
    assert_allclose(relu_vjp(g, relu(a)), gradient(lambda a: np.sum(g * relu(a)), a), **EXACT)


def test_squared_error_returns_its_own_gradient():
    x_rec, x = np.random.default_rng(0).normal(size=(2, 7, 4))
    assert_allclose(squared_error(x_rec, x)[1], gradient(lambda y: squared_error(y, x)[0], x_rec), **EXACT)


@pytest.mark.parametrize("masked", [False, True], ids=["clean", "dropout"])
@pytest.mark.parametrize("sizes, acts", [
    ([5, 4, 5], ["relu", "linear"]),  # DEC Eqs. 6-9, the first pair
    ([5, 3, 5], ["linear", "relu"]),  # the last pair
    ([5, 6, 2, 7, 5], ["relu", "linear", "relu", "linear"]),  # a whole autoencoder
    ([4, 3], ["linear"]),
], ids=str)
def test_the_gradient_of_a_network_to_every_weight_bias_and_input(sizes, acts, masked):
    theta, x, masks, target = network(sizes, acts, masked)

    def loss(x, theta):
        return squared_error(mlp(theta, x, masks)[-1], target)[0]

    hs = mlp(theta, x, masks)
    g_x, g_theta = mlp_vjp(squared_error(hs[-1], target)[1], theta, hs, masks)
    assert_allclose(g_x, gradient(lambda x: loss(x, theta), x), **EXACT)
    for l, (layer, (g_W, g_b)) in enumerate(zip(theta, g_theta, strict=True)):
        def with_layer(**change):
            return [*theta[:l], layer._replace(**change), *theta[l + 1 :]]

        assert_allclose(g_W, gradient(lambda W: loss(x, with_layer(W=W)), layer.W), **EXACT)
        assert_allclose(g_b, gradient(lambda b: loss(x, with_layer(b=b)), layer.b), **EXACT)


# ---------------------------------------------------------------- the dot test

@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_vjp_is_the_adjoint(shape):
    x, W, b, g = problem(*shape)
    g_x, g_W, g_b = dense_vjp(g, x, W)
    product = np.vdot(g, dense(x, W, 0 * b))
    close = dict(rtol=1e-12, atol=1e-13)  # roundings of up to 30 terms of size 1, which may cancel
    assert_allclose(np.vdot(g_x, x), product, **close)
    assert_allclose(np.vdot(g_W, W), product, **close)
    assert_allclose(np.vdot(g_b, b), np.vdot(g, dense(0 * x, W, b)), **close)


# ---------------------------------------------------------------- the tape, masks, and what may be left out

def test_the_tape_holds_what_each_layer_saw():
    theta, x, masks, _ = network([5, 4, 3], ["relu", "linear"], masked=True)
    hs = mlp(theta, x, masks)
    assert len(hs) == 3
    assert_array_equal(hs[0], x * masks[0])
    hidden = naive.relu(naive.dense(x * masks[0], theta[0].W, theta[0].b)) * masks[1]
    assert_allclose(hs[1], hidden, **EXACT)
    assert_allclose(hs[2], naive.dense(hidden, theta[1].W, theta[1].b), **EXACT)  # linear, and no mask behind it
    assert (hs[2] < 0).any()


def test_no_masks_none_masks_and_masks_of_ones_agree():
    theta, x, _, g = network([5, 4, 3], ["relu", "linear"])
    ones = [np.ones((6, 5)), np.ones((6, 4))]
    hs = mlp(theta, x)
    g_x, g_theta = mlp_vjp(g, theta, hs)
    assert hs[0] is x  # nothing is copied without need
    for masks in ([], [None], [None, None], ones, [ones[0], None], [None, ones[1]]):
        other = mlp(theta, x, masks)
        other_x, other_theta = mlp_vjp(g, theta, other, masks)
        for a, b in zip([*hs, g_x, *arrays_of(g_theta)], [*other, other_x, *arrays_of(other_theta)], strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("sizes, acts", [([5, 4, 3], ["relu", "linear"]), ([3, 3], ["relu"]), ([2, 6, 1, 4], ["linear"] * 3)])
def test_encode_is_the_output_of_mlp_to_the_bit(sizes, acts, dtype):
    theta, x, *_ = network(sizes, acts, dtype=dtype)
    before = x.copy()
    z = encode(theta, x)
    assert_array_equal(z, mlp(theta, x)[-1])
    assert z.dtype == dtype and (z < 0).any() == (acts[-1] == "linear")
    assert_array_equal(x, before)
    with pytest.raises(KeyError):
        encode([theta[0]._replace(act="tanh")], x)


def test_leaving_out_g_x_changes_no_other_gradient():
    theta, x, masks, g = network([5, 6, 2, 5], ["relu", "linear", "linear"], masked=True)
    hs = mlp(theta, x, masks)
    _, expected = mlp_vjp(g, theta, hs, masks)
    nothing, g_theta = mlp_vjp(g, theta, hs, masks, need_x=False)
    assert nothing is None
    for a, b in zip(arrays_of(g_theta), arrays_of(expected), strict=True):
        assert_array_equal(a, b)
    assert dense_vjp(g, hs[2], theta[2].W, need_x=False)[0] is None


def test_nothing_that_comes_in_is_changed():
    """Writing into a read-only array is a ValueError."""
    theta, x, masks, target = network([5, 4, 5], ["relu", "linear"], masked=True)
    for a in [x, target, *masks, *arrays_of(theta)]:
        a.flags.writeable = False
    hs = mlp(theta, x, masks)
    for a in hs:
        a.flags.writeable = False
    mlp_vjp(squared_error(hs[-1], target)[1], theta, hs, masks)


def test_arrays_of_is_flat_and_holds_the_arrays_themselves():
    theta, *_ = network([5, 4, 3], ["relu", "linear"])
    flat = arrays_of(theta)
    assert len(flat) == 4
    assert flat[0] is theta[0].W and flat[1] is theta[0].b and flat[2] is theta[1].W and flat[3] is theta[1].b


# ---------------------------------------------------------------- random numbers

def test_gaussian_has_the_std_it_says():
    W = gaussian(np.random.default_rng(0), 400, 300)
    assert W.shape == (400, 300)
    assert_allclose(W.std(), 0.01, rtol=0.01)  # 120,000 draws: the std is known to 0.2 %
    assert_allclose(W.mean(), 0, atol=0.01 * 4 / np.sqrt(W.size))  # four standard errors
    assert_allclose(gaussian(np.random.default_rng(0), 400, 300, std=2.0), 200 * W, rtol=1e-14)  # one more product


def test_fan_in_uniform_has_the_bounds_it_says():
    W = fan_in_uniform(np.random.default_rng(0), 400, 300)
    assert W.shape == (400, 300)
    assert np.abs(W).max() <= 1 / 20  # 1 / sqrt(400)
    assert W.min() < -0.0499 and W.max() > 0.0499  # 120,000 draws come near both bounds
    assert_allclose(W.std(), 1 / 20 / np.sqrt(3), rtol=0.01)  # a uniform's std; known to 0.2 %


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("std, expected", [(0.01, 0.01), (None, 1 / np.sqrt(3 * 100))])
def test_init_mlp(std, expected, dtype):
    theta = init_mlp(np.random.default_rng(0), [100, 300, 100], ["relu", "linear"], std, dtype)
    assert [layer.W.shape for layer in theta] == [(100, 300), (300, 100)]
    assert [layer.act for layer in theta] == ["relu", "linear"]
    assert all(a.dtype == dtype for a in arrays_of(theta))
    assert_array_equal(theta[0].b, np.zeros(300))
    assert_array_equal(theta[1].b, np.zeros(100))
    assert_allclose(theta[0].W.std(), expected, rtol=0.02)  # 30,000 draws: known to 0.4 %
    assert not np.isin(theta[0].W, theta[1].W).all()  # each layer draws anew


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_mask(rate, dtype):
    mask = dropout_mask(np.random.default_rng(0), (1000, 100), rate, dtype)
    assert mask.dtype == dtype and mask.shape == (1000, 100)
    assert_array_equal(np.unique(mask), np.array([0, 1 / (1 - rate)], dtype))
    assert_allclose(np.mean(mask == 0), rate, atol=0.01)  # 100,000 draws: known to 0.0016
    assert_allclose(mask.mean(dtype=np.float64), 1, atol=0.05)  # rate 0.9: standard error 0.01


def test_dropout_drops_the_numbers_below_the_rate():
    """Of the 65,536 numbers of sixteen bits, exactly half are below the rate 0.5."""
    class Counter:
        def integers(self, high, size, dtype):
            return np.arange(1 << 16, dtype=np.uint16).view(dtype)
    mask = dropout_mask(Counter(), (1 << 16,), 0.5)
    assert_array_equal(mask, 2 * (np.arange(1 << 16) >= 1 << 15))


@pytest.mark.parametrize("n", [1, 4, 5])
def test_four_units_take_one_word_of_random_bits(n):
    """More would change the masks, and the minibatches, of each seed."""
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    assert dropout_mask(rng, (1, n), 0.5).shape == (1, n)
    other.integers(1 << 64, size=(n + 3) // 4, dtype=np.uint64)
    assert rng.bit_generator.state == other.bit_generator.state


def test_no_dropout_draws_nothing():
    rng = np.random.default_rng(0)
    assert dropout_mask(rng, (3, 4), 0) is None
    assert rng.random() == np.random.default_rng(0).random()


def test_float32_stays_float32():
    theta, x, masks, target = network([5, 4, 3], ["relu", "linear"], masked=True, dtype=np.float32)
    hs = mlp(theta, x, masks)
    loss, g = squared_error(hs[-1], target)
    g_x, g_theta = mlp_vjp(g, theta, hs, masks)
    for a in [*masks, *hs, loss, g, g_x, *arrays_of(g_theta)]:
        assert a.dtype == np.float32


def test_the_output_has_no_mask():
    theta = [Dense(np.eye(2), np.zeros(2), "linear")]
    x = np.ones((3, 2))
    assert np.array_equal(mlp(theta, x, [None, 0 * x])[-1], x)


def test_a_reconstruction_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"one shape; got \(5, 4\) and \(1, 4\)"):
        squared_error(np.ones((5, 4)), np.ones((1, 4)))
