"""The numba kernels held against ``decnp.equations``, and the optimisers' kernels against their formulas."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from problems import CLOSE, DRESSES, EQUATIONS, SHAPES, dressed, problem

from decnp import equations, kernels
from decnp.kernels import tiles
from decnp.utils.threads import ThreadPool

pytestmark = pytest.mark.filterwarnings("error")

JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
ROOT = Path(__file__).parents[1]

# float64: NumPy adds in another order than the loops; far above that rounding, far below any mistake.
# float32: as in CLOSE; what differs is the reference's rounding, the kernel itself adds in float64.
PARITY = {**CLOSE, np.float64: dict(rtol=1e-10, atol=1e-14)}

both = pytest.mark.parametrize("module", [kernels, equations])


# ---------------------------------------------------------------- kernels == reference

@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("alpha", [0.5, 1, 2, 10])
@pytest.mark.parametrize("name", EQUATIONS)
def test_equals_the_reference_and_keeps_the_dtype(name, alpha, dtype, shape):
    args = problem(*shape, alpha, dtype)[name]
    result = getattr(kernels, name)(*args)
    assert_allclose(result, getattr(equations, name)(*args), **PARITY[dtype])
    assert isinstance(result, float) if name == "kl_divergence" else result.dtype == dtype


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", EQUATIONS)
def test_memory_layout_does_not_matter_to_the_last_bit(name, dress):
    args = problem(11, 3, 5, 2)[name]
    result = getattr(kernels, name)(*dressed(args, DRESSES[dress]))
    for _ in range(2):  # the loops add in one fixed order, every time
        assert_array_equal(result, getattr(kernels, name)(*args))


@both
@pytest.mark.parametrize("k, on", [(k, on) for k in range(2, 6) for on in range(k)])
def test_a_point_on_any_centroid_and_far_from_the_others_belongs_to_it(module, k, on):
    """At alpha = 100 the powers of Eq. 1 would overflow, if they were not divided by that of the nearest centroid."""
    mu = np.full((k, 2), 1e10)
    mu[on] = 0
    assert_array_equal(module.soft_assignment(np.zeros((3, 2)), mu, 100.0), np.tile(np.arange(k) == on, (3, 1)))


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32), (np.float32, np.int64)])
@pytest.mark.parametrize("name", [name for name in EQUATIONS if name != "target_distribution"])
def test_mixed_dtypes_are_computed_in_the_wider_one(name, dtypes):
    first, second, *rest = problem(5, 4, 3, 2)[name]
    args = [first.astype(dtypes[0]), (4 * second).astype(dtypes[1]), *rest]
    result = getattr(kernels, name)(*args)
    widened = dressed(args, lambda a: a.astype(np.float64))  # exact
    assert_allclose(result, getattr(equations, name)(*widened), **PARITY[np.float64])
    assert np.asarray(result).dtype == np.float64


@pytest.mark.parametrize("name", [name for name in EQUATIONS if name != "kl_divergence"])
def test_out_is_written_and_returned_or_refused(name):
    args = problem(11, 3, 5, 2)[name]
    good = getattr(kernels, name)(*args)
    out = np.full_like(good, np.nan)
    assert getattr(kernels, name)(*args, out=out) is out
    assert_array_equal(out, good)
    sentence = re.escape(f"out must be a writable C-contiguous float64 array of shape {good.shape}")
    for wrong in (good[:-1], good.astype(np.float32), *(dress(good) for dress in DRESSES.values())):
        with pytest.raises(ValueError, match=sentence):
            getattr(kernels, name)(*args, out=wrong)


@pytest.mark.parametrize("alpha, dtype", [(1, np.float64), (3.7, np.float64), (3.7, np.float32)])
def test_loss_and_grads_is_the_three_functions_together(alpha, dtype):
    z, mu, p, _ = args = problem(11, 3, 5, alpha, dtype)["loss_and_grads"]
    p[0] = [0, 1, 0]  # 0 log 0 takes part
    loss, g_z, g_mu = kernels.loss_and_grads(*args)
    # in float32 the pair of functions rounds q on the way, the single pass does not: 6e-8 of a log near 1
    assert_allclose(loss, kernels.kl_divergence(p, kernels.soft_assignment(z, mu, alpha)), **CLOSE[dtype])
    assert_allclose(loss, equations.loss_and_grads(*args)[0], **CLOSE[dtype])
    out = np.full_like(z, np.nan), np.full_like(mu, np.nan)
    again = kernels.loss_and_grads(*args, out=out)
    assert isinstance(loss, float) and again[0] == loss and again[1] is out[0] and again[2] is out[1]
    for pair in [(g_z, g_mu), out]:
        assert_array_equal(pair[0], kernels.grad_z(*args))
        assert_array_equal(pair[1], kernels.grad_mu(*args))
    for wrong in [(g_mu, g_mu), (g_z, g_z)]:
        with pytest.raises(ValueError, match="out must be"):
            kernels.loss_and_grads(*args, out=wrong)


# ---------------------------------------------------------------- tiles and parts

@pytest.mark.parametrize("n", [tiles.T - 1, tiles.T, tiles.T + 1, 2 * tiles.T + 5])
@pytest.mark.parametrize("k, d", [(3, 4), (4, 3)])
@pytest.mark.parametrize("name", EQUATIONS)
def test_equals_the_reference_at_the_edges_of_a_tile(name, k, d, n):
    args = problem(n, k, d)[name]
    assert_allclose(getattr(kernels, name)(*args), getattr(equations, name)(*args), **PARITY[np.float64])


@pytest.mark.parametrize("name", EQUATIONS)
def test_threads_change_no_bit(name, monkeypatch):
    args = problem(333, 3, 2)[name]
    monkeypatch.setattr(kernels.equations, "PART", 50)  # six parts of 55 or 56 points
    results = []
    for n_threads in (1, 2, 5):
        monkeypatch.setattr(kernels.equations, "ThreadPool", lambda n_threads=n_threads: ThreadPool(n_threads))
        results.append(getattr(kernels, name)(*args))
    assert_array_equal(results[0], results[1])
    assert_array_equal(results[0], results[2])
    assert_allclose(results[0], getattr(equations, name)(*args), **PARITY[np.float64])


@np.errstate(all="ignore")  # without compilation, NumPy warns
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_point_spoils_its_own_row_only(bad):
    z, mu, p, alpha = problem(tiles.T + 3, 3, 2)["grad_z"]
    good_q, good_g = kernels.soft_assignment(z, mu), kernels.grad_z(z, mu, p)
    z[7, 1] = bad
    for result, good in (kernels.soft_assignment(z, mu), good_q), (kernels.grad_z(z, mu, p), good_g):
        assert np.isnan(result[7]).all()
        assert_array_equal(np.delete(result, 7, axis=0), np.delete(good, 7, axis=0))
    assert np.isnan(kernels.grad_mu(z, mu, p)).all() and np.isnan(kernels.loss_and_grads(z, mu, p)[0])


# the ends of [sqrt(1/2), sqrt(2)), where the exponent steps, and far outside and close to 1
RATIOS = np.concatenate([np.sqrt(0.5) * (1 + np.arange(-4, 5) * 2.0**-52), 2.0 ** np.array([-990, -53, -1, 0, 1]),
                         1 + np.arange(-4, 5) * 2.0**-30, np.geomspace(1e-290, 2, 200)])


@pytest.mark.parametrize("neighbours", [[], [0]])  # 0 log(0/0) makes the loop take the careful way
def test_the_loss_has_a_logarithm_to_the_last_digits(neighbours):
    losses = [kernels.kl_divergence([[1, *neighbours]], [[q, *neighbours]]) for q in RATIOS]
    # rtol: 2 units in the last place. atol: p/q is rounded before its logarithm is taken
    assert_allclose(losses, -np.log(RATIOS), rtol=5e-16, atol=1.2e-16)


@np.errstate(all="ignore")
@pytest.mark.parametrize("p, q", [
    (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5), (np.nan, 0.5), (0.5, np.nan), (np.inf, 0.5), (0.5, np.inf), (0.5, 0.0),
    (0.0, 0.0), (0.0, np.nan), (1e-310, 0.5), (0.5, 1e300), (1e300, 1e-200),
])
def test_the_loss_of_what_is_no_probability_is_the_reference_s(p, q):
    p, q = [[p, 0.5]], [[q, 0.25]]
    assert_allclose(kernels.kl_divergence(p, q), equations.kl_divergence(p, q), rtol=1e-14)  # few roundings


# ---------------------------------------------------------------- edges

@pytest.mark.parametrize("alpha", [1, 10])
@pytest.mark.parametrize("far", [1e4, 1e8])
def test_far_points_stay_finite(far, alpha):
    z, mu, _ = problem(5, 3, 2, alpha, np.float32)["soft_assignment"]
    z[1:] += np.float32(far)
    q = kernels.soft_assignment(z, mu, alpha)
    assert_allclose(q, naive.soft_assignment(z, mu, alpha), rtol=1e-7)  # float64, rounded once to float32: 6e-8
    for points, centroids in [(z, mu), (mu, z[::-1])]:  # (1 + d/100)^(-50.5) underflows even in float64
        assert_allclose(kernels.soft_assignment(points, centroids, 100).sum(axis=1), 1, rtol=1e-6)


def test_zero_probabilities():
    q = np.array([[0.3, 0, 0.7], [0.9, 0, 0.1]])  # f_2 = 0: nobody is in the middle cluster
    assert_allclose(kernels.target_distribution(q), naive.target_distribution(q), rtol=1e-14)  # few roundings
    assert kernels.kl_divergence([[1, 0]], [[1, 0]]) == 0  # 0 log 0 = 0
    assert kernels.kl_divergence([[0.5, 0.5]], [[1, 0]]) == np.inf  # q = 0 < p


MANY = 200_000 if JIT else 20_000  # samples; the plain Python loops are slow


@both
def test_frequencies_of_many_float32_samples_are_added_in_double(module):
    q = np.tile(np.float32([[0.3, 0.7], [0.6, 0.4]]), (MANY // 2, 1))
    # p is rounded to float32 up to four times, 6e-8 each; f added up in float32 is off by 3e-3
    assert_allclose(module.target_distribution(q), equations.target_distribution(q.astype(float)), rtol=3e-7)


def test_centroid_gradient_of_many_float32_samples_is_added_in_double():
    z, mu, p, _ = problem(1, 2, 2, 1, np.float32)["grad_z"]
    expected = MANY * equations.grad_mu(z.astype(float), mu.astype(float), p.astype(float))
    result = kernels.grad_mu(np.repeat(z, MANY, axis=0), mu, np.repeat(p, MANY, axis=0))
    assert_allclose(result, expected, rtol=1e-7)  # rounded once to float32; added up in it, far worse


@both
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_integers_do_not_wrap_around(module, dtype):
    z, mu, p = (np.array(a, dtype) for a in ([[100, 0], [3, 127]], [[0, 127], [90, 3]], [[1, 0], [0, 1]]))
    for name, args in {"soft_assignment": (z, mu), "grad_z": (z, mu, p), "grad_mu": (z, mu, p)}.items():
        # small integers may be computed in float32
        assert_allclose(getattr(module, name)(*args), getattr(naive, name)(*args), **CLOSE[np.float32])


@both
@pytest.mark.parametrize("name", ["soft_assignment", "grad_z", "grad_mu"])
def test_alpha_as_a_numpy_number_keeps_the_dtype(name, module):
    assert getattr(module, name)(*problem(3, 2, 2, np.float64(2), np.float32)[name]).dtype == np.float32


@pytest.mark.parametrize("module", [kernels, equations])
def test_loss_is_finite_where_q_is_tiny_but_not_zero(module):
    assert_allclose(module.kl_divergence([[1]], [[1e-310]]), 310 * np.log(10), rtol=1e-10)  # 1e-310 has few digits


# ---------------------------------------------------------------- what the errors say

@pytest.mark.parametrize("name", EQUATIONS)
def test_complex_and_misshapen_arguments_are_named(name):
    args = problem(4, 3, 2)[name]
    named = dict(zip(inspect.signature(getattr(kernels, name)).parameters, args, strict=False))
    for argument in named.keys() & {"z", "mu", "p", "q"}:
        with pytest.raises(TypeError, match=f"{argument} must hold real numbers; got dtype complex128"):
            getattr(kernels, name)(**{**named, argument: named[argument] + 0j})
        with pytest.raises(ValueError, match=f"{argument} must be two-dimensional; got the shape"):
            getattr(kernels, name)(**{**named, argument: named[argument][0]})


GRADIENTS = ["grad_z", "grad_mu", "loss_and_grads"]
Z, MU, P = (4, 2), (3, 2), (4, 3)


@pytest.mark.parametrize("name", ["soft_assignment", *GRADIENTS])
@pytest.mark.parametrize("shapes, alpha, sentence", [
    ([Z, (3, 5), P], 1, "and the same d; got (4, 2) and (3, 5)"),
    ([Z, (0, 2), P], 1, "with k >= 1 and the same d; got (4, 2) and (0, 2)"),
    *(([Z, MU, P], a, f"alpha must be a finite number > 0; got {a!r}") for a in (0, -1, np.inf, np.nan, "1", None, 1j)),
])
def test_bad_centroids_or_alpha_are_named(name, shapes, alpha, sentence):
    shapes = shapes[:2] if name == "soft_assignment" else shapes
    with pytest.raises(ValueError, match=re.escape(sentence)):
        getattr(kernels, name)(*map(np.ones, shapes), alpha=alpha)


@pytest.mark.parametrize("name, shapes, sentence", [
    *((name, [Z, MU, (3, 4)], "p must have the shape (n, k) = (4, 3); got (3, 4)") for name in GRADIENTS),
    ("kl_divergence", [P, (3, 4)], "p and q must both have the shape (n, k); got (4, 3) and (3, 4)"),
])
def test_bad_distributions_are_named(name, shapes, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        getattr(kernels, name)(*map(np.ones, shapes))


# ---------------------------------------------------------------- optimisers

# Three steps in their own dtype against the formula in float64: a dozen roundings of 2e-16 or 6e-8.
STEPS_CLOSE = {np.float64: dict(rtol=1e-13, atol=1e-15), np.float32: dict(rtol=2e-6, atol=1e-7)}


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("dtype", STEPS_CLOSE)
def test_sgd_follows_the_formula_in_place(dtype, momentum):
    w, v, *gradients = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(dtype)
    w_ref, v_ref = w.astype(float), v.astype(float)
    for g in gradients:
        assert kernels.sgd_update(w, v, DRESSES["read-only"](g), 0.1, momentum) is None
        v_ref = momentum * v_ref - 0.1 * g.astype(float)
        w_ref = w_ref + v_ref
        assert_allclose([v, w], [v_ref, w_ref], **STEPS_CLOSE[dtype])


@pytest.mark.parametrize("dtype", STEPS_CLOSE)
def test_adam_follows_the_formula_in_place(dtype):
    w, m, v, *gradients = np.random.default_rng(0).normal(size=(6, 3, 4)).astype(dtype)
    v = np.abs(v)
    w_ref, m_ref, v_ref = (a.astype(float) for a in (w, m, v))
    for g in gradients:
        assert kernels.adam_update(w, m, v, DRESSES["read-only"](g), 0.1, 0.9, 0.99, 1e-3) is None
        m_ref = 0.9 * m_ref + 0.1 * g.astype(float)
        v_ref = 0.99 * v_ref + 0.01 * g.astype(float) ** 2
        w_ref = w_ref - 0.1 * m_ref / (np.sqrt(v_ref) + 1e-3)
        assert_allclose([m, v, w], [m_ref, v_ref, w_ref], **STEPS_CLOSE[dtype])


@pytest.mark.parametrize("dtype", STEPS_CLOSE)
def test_denormals_become_zero_and_normal_numbers_stay(dtype):
    tiny = np.finfo(dtype).tiny
    start, halved = np.array([1.5, -1.5, 4, -4], dtype) * tiny, np.array([0, 0, 2, -2], dtype) * tiny
    w, g, v = np.zeros(4, dtype), np.zeros(4, dtype), start.copy()
    kernels.sgd_update(w, v, g, 0.1, 0.5)
    assert_array_equal([v, w], [halved, halved])
    w, m, v = np.zeros(4, dtype), start.copy(), np.abs(start)
    kernels.adam_update(w, m, v, g, 0.1, 0.5, 0.5, 1.0)
    assert_array_equal([m, v], [halved, np.abs(halved)])


def sgd(w, g):
    kernels.sgd_update(w, np.zeros_like(w), g, 0.1, 0.9)


def adam(w, g):
    kernels.adam_update(w, np.zeros_like(w), np.zeros_like(w), g, 0.1, 0.9, 0.99, 1.0)


@pytest.mark.parametrize("update", [sgd, adam])
def test_a_nan_gradient_is_not_hidden(update):
    w = np.ones(3)
    update(w, np.array([0, np.nan, 0]))
    assert_array_equal(np.isnan(w), [False, True, False])


@pytest.mark.parametrize("layout", ["Fortran", "strided"])
@pytest.mark.parametrize("update", [sgd, adam])
def test_an_update_of_any_layout_is_done_or_refused_but_never_lost(update, layout):
    w = DRESSES[layout](np.ones((3, 5)))
    try:
        update(w, np.ones((3, 5)))
    except ValueError:
        return
    assert (w != 1).all()


@pytest.mark.parametrize("update", [sgd, adam])
def test_an_update_with_too_short_a_gradient_is_refused(update):
    with pytest.raises(ValueError):
        update(np.ones((3, 5)), np.ones(14))


# ---------------------------------------------------------------- compilation

WARM = """
import numpy as np
from decnp import kernels
from decnp.kernels import optim, tiles
loops = {**vars(tiles), **vars(optim)}.values()
count = lambda: [len(f.signatures) for f in loops if hasattr(f, "signatures")]
kernels.warmup((np.float32,))
kernels.warmup()
warm = count()
for a in np.ones((2, 3), np.float32), np.ones((2, 3)):
    fortran, read_only = np.asfortranarray(a), np.broadcast_to(a, a.shape)
    kernels.soft_assignment(fortran, read_only), kernels.target_distribution(fortran)
    kernels.kl_divergence(fortran, read_only), kernels.loss_and_grads(fortran, read_only, a[:, :2])
    kernels.sgd_update(a, a, a, 0, 0), kernels.adam_update(a, a, a, a, 0, 0, 0, 1)
assert warm == count(), (warm, count())
"""


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_warmup_leaves_nothing_to_compile():
    """A kernel that ``warmup`` forgets ends the process with an error."""
    subprocess.run([sys.executable, "-W", "error", "-c", WARM], cwd=ROOT, check=True)


@pytest.mark.slow
@pytest.mark.skipif(not JIT, reason="this is that run")
def test_everything_holds_without_compilation_too():
    arguments = "-m pytest -n 0 -W error -q -p no:cacheprovider tests/test_equations.py tests/test_kernels.py".split()
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "DECNP_EXAMPLES": "5", "PYTEST_ADDOPTS": ""}
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
