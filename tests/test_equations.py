"""Eqs. 1-5 held against plain loops, the complex step, and everything the paper implies about them."""

import os
import re

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from decnp import equations

pytestmark = pytest.mark.filterwarnings("error")

EQUATIONS = ["soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu"]
ALPHAS = [0.5, 1, 2, 3.7, 10]
SHAPES = [(1, 1, 1), (1, 3, 2), (7, 1, 3), (5, 4, 1), (11, 3, 5)]  # n samples, k clusters, d dimensions

# rtol: a dozen roundings (2e-16, 6e-8), amplified by the power (alpha+1)/2 <= 5.5 and a log up to 10.
# atol: p - q and the sums of Eqs. 4, 5 cancel, so small entries carry the rounding of terms up to 10.
CLOSE = {np.float64: dict(rtol=1e-12, atol=1e-14), np.float32: dict(rtol=1e-4, atol=1e-6)}

# The same examples on every run; DECNP_EXAMPLES asks for fewer (or many more) of them.
some_examples = settings(
    max_examples=int(os.environ.get("DECNP_EXAMPLES", "100")), deadline=None, derandomize=True
)


def problem(n, k, d, alpha=1.0, dtype=np.float64, scale=1.0, seed=0):
    """Arguments for each equation, by name; p and q are any distributions, not yet related to z and mu."""
    rng = np.random.default_rng([seed, n, k, d])
    z, mu = scale * rng.normal(size=(n, d)), scale * rng.normal(size=(k, d))
    p, q = rng.dirichlet(np.ones(k), n), rng.dirichlet(np.ones(k), n)
    z, mu, p, q = (a.astype(dtype) for a in (z, mu, p, q))
    return {
        "soft_assignment": (z, mu, alpha),
        "kl_divergence": (p, q),
        "target_distribution": (q,),
        "grad_z": (z, mu, p, alpha),
        "grad_mu": (z, mu, p, alpha),
    }


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


DRESSES = {  # the same numbers, laid out differently
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "list": lambda a: a.tolist(),
}


def dressed(args, dress):
    return [dress(a) if isinstance(a, np.ndarray) else a for a in args]


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


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8, np.float16])
@pytest.mark.parametrize("name", EQUATIONS)
def test_small_types_do_not_wrap_around_or_overflow(name, dtype):
    z, mu, onehot = [[100, 0], [3, 127]], [[0, 127], [90, 3]], [[1, 0], [0, 1]]
    args = {
        "soft_assignment": (z, mu), "grad_z": (z, mu, onehot), "grad_mu": (z, mu, onehot),
        "kl_divergence": (onehot, onehot), "target_distribution": (onehot,),
    }[name]
    result = getattr(equations, name)(*(np.array(a, dtype) for a in args))
    # d is up to 2e4 but q still near 1e-3; computed in float32 or better, hence its tolerance
    assert_allclose(result, getattr(naive, name)(*args), rtol=1e-4, atol=1e-6)


def test_alpha_as_a_numpy_number_keeps_the_dtype():
    for name in ("soft_assignment", "grad_z", "grad_mu"):
        args = problem(3, 2, 2, np.float64(2), np.float32)[name]
        assert getattr(equations, name)(*args).dtype == np.float32, name


def test_worked_example():
    z = mu = [[0], [1]]
    q = equations.soft_assignment(z, mu)
    p = equations.target_distribution(q)
    exact = dict(rtol=1e-14)  # small fractions: a handful of roundings
    assert_allclose(q, [[2 / 3, 1 / 3], [1 / 3, 2 / 3]], **exact)
    assert_allclose(p, [[4 / 5, 1 / 5], [1 / 5, 4 / 5]], **exact)
    loss = 2 * (0.8 * np.log(0.8 / (2 / 3)) + 0.2 * np.log(0.2 / (1 / 3)))
    assert_allclose(equations.kl_divergence(p, q), loss, rtol=1e-13)  # its two terms nearly cancel
    assert round(float(loss), 7) == 0.0873843  # the number printed in our documents
    for gradient in (equations.grad_z, equations.grad_mu):
        assert_allclose(gradient(z, mu, p), [[2 / 15], [-2 / 15]], rtol=1e-14)


# ---------------------------------------------------------------- Eqs. 4 and 5 are the derivative of Eq. 2


def loss(z, mu, p, alpha):
    return equations.kl_divergence(p, equations.soft_assignment(z, mu, alpha))


def complex_step(f, x, h=1e-30):
    """df/dx, entry by entry, as Im f(x + ih) / h: nothing is subtracted, so nothing is lost."""
    g = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[at] += 1j * h
        g[at] = f(moved).imag / h
    return g


def central_difference(f, x, h=1e-6):
    g = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[at] += h
        behind[at] -= h
        g[at] = (f(ahead) - f(behind)) / (2 * h)
    return g


# complex step: closed form and step round separately, nothing else. Central difference: truncation
# h^2 = 1e-12 is harmless, rounding of the loss (about 10) over h is 2e-16 * 10 / 1e-6 = 2e-9.
STEPS = [(complex_step, dict(rtol=1e-12, atol=1e-14)), (central_difference, dict(rtol=1e-6, atol=1e-8))]


@pytest.mark.parametrize("step, close", STEPS, ids=lambda s: getattr(s, "__name__", ""))
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradients_are_the_derivative_of_the_loss_with_p_frozen(alpha, shape, step, close):
    z, mu, p, _ = problem(*shape, alpha)["grad_z"]
    assert_allclose(equations.grad_z(z, mu, p, alpha), step(lambda x: loss(x, mu, p, alpha), z), **close)
    assert_allclose(equations.grad_mu(z, mu, p, alpha), step(lambda x: loss(z, x, p, alpha), mu), **close)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_differentiating_through_p_would_be_something_else(alpha):
    z, mu, _, _ = problem(11, 3, 2, alpha)["grad_z"]

    def loss_through_p(x):
        q = equations.soft_assignment(x, mu, alpha)
        return equations.kl_divergence(equations.target_distribution(q), q)

    p = equations.target_distribution(equations.soft_assignment(z, mu, alpha))
    frozen = equations.grad_z(z, mu, p, alpha)
    difference = np.abs(complex_step(loss_through_p, z) - frozen).max()
    assert difference > 0.1 * np.abs(frozen).max()  # far beyond any rounding


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
    size = np.abs(g_z).sum() + np.abs(g_mu).sum()  # rounding of the parts: 2e-16 of their size, and
    assert_allclose(g_z.sum(axis=0) + g_mu.sum(axis=0), 0, atol=1e-10 * size)  # they cancel before


@some_examples
@given(problems())
def test_p_equal_to_q_is_a_minimum(case):
    z, mu, _, alpha = case
    q = equations.soft_assignment(z, mu, alpha)
    assert equations.kl_divergence(q, q) == 0
    assert_array_equal(equations.grad_z(z, mu, q, alpha), np.zeros_like(z))
    assert_array_equal(equations.grad_mu(z, mu, q, alpha), np.zeros_like(mu))


def test_one_cluster_takes_everything_and_pulls_nothing():
    z, mu, p, alpha = problem(7, 1, 3, 3.7)["grad_z"]
    assert_array_equal(equations.soft_assignment(z, mu, alpha), np.ones((7, 1)))
    assert_array_equal(equations.grad_z(z, mu, p, alpha), np.zeros((7, 3)))
    assert_array_equal(equations.grad_mu(z, mu, p, alpha), np.zeros((1, 3)))


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
    q = equations.soft_assignment(z + dtype(far), mu, 10)  # every u^5.5 is below 1e-38 in float32
    assert_allclose(q.sum(axis=1), 1, rtol=1e-6)  # float32: a few times 6e-8
    # log s is near -200, so the relative error of s is 200 times 6e-8 in float32
    assert_allclose(q, naive.soft_assignment(z + dtype(far), mu, 10), rtol=1e-4)
    assert np.isfinite(equations.grad_z(z + dtype(far), mu, p, 10)).all()


def test_a_point_on_its_centroid_and_two_equal_centroids():
    z, mu, p = [[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]], [[0.9, 0.1]]
    assert_array_equal(equations.soft_assignment(z, mu, 2), [[0.5, 0.5]])
    assert_array_equal(equations.grad_z(z, mu, p, 2), [[0, 0]])


def test_an_empty_cluster_gets_no_target():
    q = np.array([[0.3, 0, 0.7], [0.9, 0, 0.1]])
    p = equations.target_distribution(q)
    assert_array_equal(p[:, 1], 0)
    assert_allclose(p, naive.target_distribution(q), rtol=1e-14)  # small fractions: a few roundings


def test_loss_at_zero_probabilities():
    assert equations.kl_divergence([[1, 0]], [[1, 0]]) == 0  # 0 log 0 = 0
    assert_allclose(equations.kl_divergence([[1, 0]], [[0.5, 0.5]]), np.log(2), rtol=1e-15)  # one rounding
    assert equations.kl_divergence([[0.5, 0.5]], [[1, 0]]) == np.inf  # q = 0 < p


@pytest.mark.parametrize("dtype, small", [(np.float64, 1e-310), (np.float32, 1e-40)])
def test_loss_is_finite_where_q_is_tiny_but_not_zero(dtype, small):
    q = np.array([[small]], dtype)
    # a denormal q is itself only good to 1e-5 in float32, but both sides read the same one
    assert_allclose(equations.kl_divergence(np.ones((1, 1), dtype), q), naive.kl_divergence([[1]], q), rtol=1e-6)


def test_no_points_give_no_rows():
    assert equations.soft_assignment(np.zeros((0, 2)), np.zeros((3, 2))).shape == (0, 3)


# ---------------------------------------------------------------- what the errors say

ONES = np.ones
BAD_SHAPES = "z must be (n, d) and mu (k, d) with the same d; got "
ERRORS = [
    (lambda f: f(ONES((4, 2)), ONES((3, 5))), BAD_SHAPES + "(4, 2) and (3, 5)"),
    (lambda f: f(ONES(4), ONES((3, 4))), BAD_SHAPES + "(4,) and (3, 4)"),
    (lambda f: f(ONES((4, 2)), ONES((3, 2, 1))), BAD_SHAPES + "(4, 2) and (3, 2, 1)"),
    (lambda f: f(ONES((4, 2)), ONES((0, 2))), "mu must hold at least one centroid; got none"),
] + [
    (lambda f, a=a: f(ONES((4, 2)), ONES((3, 2)), alpha=a), f"alpha must be a finite number > 0; got {a!r}")
    for a in (0, -1, np.inf, np.nan, "1", None, 1j)
]


@pytest.mark.parametrize("call, sentence", ERRORS, ids=[sentence[-28:] for _, sentence in ERRORS])
def test_bad_points_centroids_or_alpha_are_named(call, sentence):
    p = ONES((4, 3)) / 3
    with_p = [lambda *a, f=f, **k: f(*a, p, **k) for f in (equations.grad_z, equations.grad_mu)]
    for function in (equations.soft_assignment, *with_p):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            call(function)


def test_bad_distributions_are_named():
    z, mu, p, _ = problem(4, 3, 2)["grad_z"]
    for gradient in (equations.grad_z, equations.grad_mu):
        with pytest.raises(ValueError, match=re.escape("p must have the shape (n, k) = (4, 3); got (3, 4)")):
            gradient(z, mu, p.T)
    for bad in (p.T, p[0]):
        sentence = f"p and q must both have the shape (n, k); got (4, 3) and {bad.shape}"
        with pytest.raises(ValueError, match=re.escape(sentence)):
            equations.kl_divergence(p, bad)
    with pytest.raises(ValueError, match=re.escape("p and q must both have the shape (n, k); got (3,) and (3,)")):
        equations.kl_divergence(p[0], p[0])
    with pytest.raises(ValueError, match=re.escape("q must have the shape (n, k); got (3,)")):
        equations.target_distribution(p[0])
