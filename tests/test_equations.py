"""Eqs. 1-5 held against plain loops, the complex step, and everything the paper implies about them."""

import os
import re

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import ALPHAS, CLOSE, DRESSES, EQUATIONS, SHAPES, dressed, problem

from decnp import equations

pytestmark = pytest.mark.filterwarnings("error")

# The same examples on every run; DECNP_EXAMPLES asks for fewer (or many more) of them.
some_examples = settings(max_examples=int(os.environ.get("DECNP_EXAMPLES", "100")), deadline=None, derandomize=True)


# ---------------------------------------------------------------- judged by plain loops

@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("name", EQUATIONS)
def test_equals_plain_loops_and_keeps_the_dtype(name, alpha, dtype, shape):
    args = problem(*shape, alpha, dtype)[name]
    result = getattr(equations, name)(*args)
    assert_allclose(result, getattr(naive, name)(*args), **CLOSE[dtype])
    assert result.dtype == dtype


@pytest.mark.parametrize("name", EQUATIONS)
def test_complex_numbers_pass_straight_through(name):
    rng = np.random.default_rng(1)
    args = dressed(problem(6, 3, 2, 3.7)[name], lambda a: a + 0.1j * rng.normal(size=a.shape))
    result = getattr(equations, name)(*args)
    assert_allclose(result, getattr(naive, name)(*args), rtol=1e-12, atol=1e-14)  # reason as for CLOSE
    assert result.dtype == np.complex128


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", EQUATIONS)
def test_memory_layout_does_not_matter(name, dress):
    args = problem(11, 3, 5, 2)[name]
    result = getattr(equations, name)(*dressed(args, DRESSES[dress]))
    # NumPy may add in another order: a few roundings, beside terms of size 1
    assert_allclose(result, getattr(equations, name)(*args), rtol=1e-13, atol=1e-14)


def test_loss_and_grads_is_the_three_functions_together():
    z, mu, p, alpha = args = problem(11, 3, 5, 3.7)["loss_and_grads"]
    q = equations.soft_assignment(z, mu, alpha)
    expected = equations.kl_divergence(p, q), equations.grad_z(*args), equations.grad_mu(*args)
    for result, alone in zip(equations.loss_and_grads(*args), expected, strict=True):
        assert_array_equal(result, alone)


def test_worked_example():
    z = mu = [[0], [1]]
    q = equations.soft_assignment(z, mu)
    p = equations.target_distribution(q)
    exact = dict(rtol=1e-14)  # small fractions: a handful of roundings
    assert_allclose(q, [[2 / 3, 1 / 3], [1 / 3, 2 / 3]], **exact)
    assert_allclose(p, [[4 / 5, 1 / 5], [1 / 5, 4 / 5]], **exact)
    loss = 2 * (0.8 * np.log(0.8 / (2 / 3)) + 0.2 * np.log(0.2 / (1 / 3)))
    assert_allclose(equations.kl_divergence(p, q), loss, rtol=1e-13)  # its two terms nearly cancel
    assert f"{loss:.7f}" == "0.0873842"  # the number printed in our documents
    for gradient in (equations.grad_z, equations.grad_mu):
        assert_allclose(gradient(z, mu, p), [[2 / 15], [-2 / 15]], rtol=1e-14)


# ---------------------------------------------------------------- Eqs. 4 and 5 are the derivative of Eq. 2

def loss(z, mu, p, alpha):
    return equations.kl_divergence(p, equations.soft_assignment(z, mu, alpha))


def derivative(f, x, slope):
    """df/dx, entry by entry; ``slope`` measures it along one unit direction."""
    units = np.eye(x.size).reshape(x.size, *x.shape)
    return np.reshape([slope(f, x, e) for e in units], x.shape)


def complex_step(f, x, e, h=1e-30):
    return f(x + 1j * h * e).imag / h  # nothing is subtracted, so nothing is lost


def central_difference(f, x, e, h=1e-6):
    return (f(x + h * e) - f(x - h * e)) / (2 * h)


# complex step: closed form and step round separately, nothing else. Central difference: truncation
# h^2 = 1e-12 is harmless, rounding of the loss (about 10) over h is 2e-16 * 10 / 1e-6 = 2e-9.
STEPS = [(complex_step, dict(rtol=1e-12, atol=1e-14)), (central_difference, dict(rtol=1e-6, atol=1e-8))]


@pytest.mark.parametrize("slope, close", STEPS, ids=["complex_step", "central_difference"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradients_are_the_derivative_of_the_loss_with_p_frozen(alpha, shape, slope, close):
    z, mu, p, _ = args = problem(*shape, alpha)["grad_z"]
    assert_allclose(equations.grad_z(*args), derivative(lambda x: loss(x, mu, p, alpha), z, slope), **close)
    assert_allclose(equations.grad_mu(*args), derivative(lambda x: loss(z, x, p, alpha), mu, slope), **close)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_differentiating_through_p_would_be_something_else(alpha):
    z, mu, _ = problem(11, 3, 2, alpha)["soft_assignment"]

    def p_of(x):
        return equations.target_distribution(equations.soft_assignment(x, mu, alpha))

    frozen = equations.grad_z(z, mu, p_of(z), alpha)
    through = derivative(lambda x: loss(x, mu, p_of(x), alpha), z, complex_step)
    assert np.abs(through - frozen).max() > 0.1 * np.abs(frozen).max()  # far beyond any rounding


# ---------------------------------------------------------------- what must hold for any points

@st.composite
def problems(draw):
    """z, mu, p, alpha of any small shape, spread between 1e-3 and 1e3."""
    shape = [draw(st.integers(1, 6)) for _ in range(3)]
    alpha = draw(st.floats(0.1, 50))
    scale = 10.0 ** draw(st.integers(-3, 3))
    return problem(*shape, alpha, scale=scale, seed=draw(st.integers(0, 2**32)))["grad_z"]


def same(result, expected):
    """Equal but for rounding: 2e-16, times the power 25 of alpha = 50, times 1e2 where a shift cancels."""
    assert_allclose(result, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@some_examples
@given(problems())
def test_rows_are_distributions_and_the_loss_is_not_negative(case):
    z, mu, p, alpha = case
    q = equations.soft_assignment(z, mu, alpha)
    for rows in (q, equations.target_distribution(q)):
        assert (rows >= 0).all()
        assert_allclose(rows.sum(axis=1), 1, rtol=1e-14)  # at most 6 terms: a few roundings
    assert equations.kl_divergence(p, q) >= -1e-14  # Gibbs; rounding of terms near 1


@some_examples
@given(problems())
def test_permuting_clusters_permutes_columns(case):
    z, mu, p, alpha = case
    order = np.random.default_rng(0).permutation(len(mu))
    q = equations.soft_assignment(z, mu, alpha)
    same(equations.soft_assignment(z, mu[order], alpha), q[:, order])
    same(equations.target_distribution(q[:, order]), equations.target_distribution(q)[:, order])
    same(equations.grad_z(z, mu[order], p[:, order], alpha), equations.grad_z(z, mu, p, alpha))
    same(equations.grad_mu(z, mu[order], p[:, order], alpha), equations.grad_mu(z, mu, p, alpha)[order])


@some_examples
@given(problems())
def test_shifting_and_rotating_everything_changes_no_distance(case):
    z, mu, p, alpha = case
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(z.shape[1], z.shape[1])))
    shift = np.abs(z).max() * rng.normal(size=z.shape[1])
    z2, mu2 = z @ turn + shift, mu @ turn + shift
    same(equations.soft_assignment(z2, mu2, alpha), equations.soft_assignment(z, mu, alpha))
    same(equations.grad_z(z2, mu2, p, alpha), equations.grad_z(z, mu, p, alpha) @ turn)
    same(equations.grad_mu(z2, mu2, p, alpha), equations.grad_mu(z, mu, p, alpha) @ turn)


@some_examples
@given(problems())
def test_all_gradients_together_sum_to_zero(case):
    g_z, g_mu = equations.grad_z(*case), equations.grad_mu(*case)
    size = np.abs(g_z).sum() + np.abs(g_mu).sum()
    # rounding, 2e-16 of the single pulls; those may have cancelled already within one gradient
    assert_allclose(g_z.sum(axis=0) + g_mu.sum(axis=0), 0, atol=1e-10 * size)


@some_examples
@given(problems())
def test_p_equal_to_q_is_a_minimum(case):
    z, mu, _, alpha = case
    q = equations.soft_assignment(z, mu, alpha)
    assert equations.kl_divergence(q, q) == 0
    assert_array_equal(equations.grad_z(z, mu, q, alpha), np.zeros_like(z))
    assert_array_equal(equations.grad_mu(z, mu, q, alpha), np.zeros_like(mu))


def test_one_cluster_takes_everything_and_pulls_nothing():
    args = problem(7, 1, 3, 3.7)
    assert_array_equal(equations.soft_assignment(*args["soft_assignment"]), np.ones((7, 1)))
    assert_array_equal(equations.grad_z(*args["grad_z"]), np.zeros((7, 3)))
    assert_array_equal(equations.grad_mu(*args["grad_mu"]), np.zeros((1, 3)))


def test_large_alpha_is_a_gaussian():
    z, mu, _ = problem(7, 4, 3)["soft_assignment"]
    s = np.exp(-((z[:, None] - mu) ** 2).sum(axis=2) / 2)
    # the next term of the series is d^2/alpha = 1e-10; log(1 + x) in place of log1p is off by 1e-4
    assert_allclose(equations.soft_assignment(z, mu, 1e12), s / s.sum(axis=1, keepdims=True), rtol=1e-8)


# ---------------------------------------------------------------- edges

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("far", [1e4, 1e8])
def test_far_points_stay_finite(far, dtype):
    z, mu, p, _ = problem(5, 3, 2, 10, dtype)["grad_z"]
    z[1:] += dtype(far)  # here u^5.5 is below 1e-38, too small for float32; the first point stays near
    q = equations.soft_assignment(z, mu, 10)
    assert_allclose(q.sum(axis=1), 1, rtol=1e-6)  # float32: a few times 6e-8
    # log s is near -200, so the relative error of s is 200 times 6e-8 in float32, which ends at 1e-38
    close = dict(rtol=1e-4, atol=1e-38)
    assert_allclose(q, naive.soft_assignment(z, mu, 10), **close)
    assert_allclose(equations.soft_assignment(mu, z[::-1], 10), naive.soft_assignment(mu, z[::-1], 10), **close)
    assert np.isfinite(equations.grad_z(z, mu, p, 10)).all()


def test_a_point_on_its_centroid_and_two_equal_centroids():
    z, mu, p = [[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]], [[0.9, 0.1]]
    assert_array_equal(equations.soft_assignment(z, mu, 2), [[0.5, 0.5]])
    assert_array_equal(equations.grad_z(z, mu, p, 2), [[0, 0]])


def test_zero_probabilities():
    q = np.array([[0.3, 0, 0.7], [0.9, 0, 0.1]])  # f_2 = 0: nobody is in the middle cluster
    assert_array_equal(equations.target_distribution(q)[:, 1], 0)
    assert_allclose(equations.target_distribution(q), naive.target_distribution(q), rtol=1e-14)  # few roundings
    assert equations.kl_divergence([[1, 0]], [[1, 0]]) == 0  # 0 log 0 = 0
    assert_allclose(equations.kl_divergence([[1, 0]], [[0.5, 0.5]]), np.log(2), rtol=1e-15)  # one rounding
    assert equations.kl_divergence([[0.5, 0.5]], [[1, 0]]) == np.inf  # q = 0 < p


# ---------------------------------------------------------------- what the errors say

BAD_SHAPES = "z must be (n, d) and mu (k, d) with the same d; got "


@pytest.mark.parametrize("function", [equations.soft_assignment, equations.grad_z, equations.grad_mu])
@pytest.mark.parametrize("z, mu, alpha, sentence", [
    ((4, 2), (3, 5), 1, BAD_SHAPES + "(4, 2) and (3, 5)"),
    ((4,), (3, 4), 1, BAD_SHAPES + "(4,) and (3, 4)"),
    ((4, 2), (3, 2, 1), 1, BAD_SHAPES + "(4, 2) and (3, 2, 1)"),
    ((4, 2), (0, 2), 1, "mu must hold at least one centroid; got none"),
    *(((4, 2), (3, 2), a, f"alpha must be a finite number > 0; got {a!r}")
      for a in (0, -1, np.inf, np.nan, "1", None, 1j)),
])
def test_bad_points_centroids_or_alpha_are_named(function, z, mu, alpha, sentence):
    p = [] if function is equations.soft_assignment else [np.ones((4, 3))]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        function(np.ones(z), np.ones(mu), *p, alpha=alpha)


@pytest.mark.parametrize("name, shapes, sentence", [
    ("grad_z", [(4, 2), (3, 2), (3, 4)], "p must have the shape (n, k) = (4, 3); got (3, 4)"),
    ("grad_mu", [(4, 2), (3, 2), (4,)], "p must have the shape (n, k) = (4, 3); got (4,)"),
    ("kl_divergence", [(4, 3), (3, 4)], "p and q must both have the shape (n, k); got (4, 3) and (3, 4)"),
    ("kl_divergence", [(3,), (3,)], "p and q must both have the shape (n, k); got (3,) and (3,)"),
    ("target_distribution", [(3,)], "q must have the shape (n, k); got (3,)"),
    ("target_distribution", [(2, 3, 4)], "q must have the shape (n, k); got (2, 3, 4)"),
])
def test_bad_distributions_are_named(name, shapes, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        getattr(equations, name)(*map(np.ones, shapes))
