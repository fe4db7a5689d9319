"""``check_against`` on other people's DEC: each planted slip is named, each right variant is called right."""

import inspect
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import pytest

from decnp.cli import main
from decnp.exceptions import FunctionError
from decnp.gradcheck import Verdict, check_against, your_code
from decnp.gradcheck.my_file import NAMES

ROOT = Path(__file__).parents[1]
SMALL = dict(n=96, k=4, d=3)


# ---------------------------------------------------------------- a right implementation, from parts that can be changed


def dist2(z, mu):
    return anp.sum((z[:, None] - mu) ** 2, axis=2)


def rows(s):
    return s / anp.sum(s, axis=1, keepdims=True)


def kernel(d, alpha):
    return (1 + d / alpha) ** (-(alpha + 1) / 2)


def soft(z, mu, alpha):
    return rows(kernel(dist2(z, mu), alpha))


def target(q):
    return rows(q**2 / anp.sum(q, axis=0))


def kl(p, q):
    return anp.sum(anp.where(p > 0, p * anp.log(anp.where(p > 0, p, 1) / q), 0))


def loss(z, mu, p, alpha):
    return kl(p, soft(z, mu, alpha))


def gradient(axis, z, mu, p, alpha, weight=lambda p, q: p - q, factor=lambda a: (a + 1) / a, power=lambda u, a: u,
             pull=lambda z, mu: z[:, None] - mu, q=soft):
    u = power(1 / (1 + dist2(z, mu) / alpha), alpha)
    W = factor(alpha) * u * weight(p, q(z, mu, alpha))
    return (1 if axis == 1 else -1) * np.sum(W[:, :, None] * pull(z, mu), axis=axis)


def grad_z(z, mu, p, alpha, **parts):
    return gradient(1, z, mu, p, alpha, **parts)


def grad_mu(z, mu, p, alpha, **parts):
    return gradient(0, z, mu, p, alpha, **parts)


RIGHT = dict(my_soft_assignment=soft, my_kl=kl, my_target=target, my_grad_z=grad_z, my_grad_mu=grad_mu)


def test_a_right_implementation_holds():
    report = check_against(**RIGHT)
    assert report and report.ok and report.equation is None and report.slip is None and report.first_wrong is None
    assert [finding.equation for finding in report.findings] == [1, 2, 3, 4, 5]
    assert {finding.verdict for finding in report.findings} == {Verdict.HOLDS} and str(report).endswith("all hold")
    assert max(finding.error for finding in report.findings) < 1e-12
    assert not any(f.edges or f.smallest or f.slip or f.factor for f in report.findings)


def test_a_right_loss_holds_with_both_its_gradients():
    report = check_against(my_loss=loss, autodiff="autograd")
    assert report.ok and [finding.equation for finding in report.findings] == [2, 4, 5], str(report)


# ---------------------------------------------------------------- slips of Eq. 1: q itself, and the gradient of a loss of it

KERNELS = [  # s of d = ||z - mu||^2 and alpha, and the words of its name
    ("ignored", lambda d, a: (1 + d) ** -1.0, "alpha is ignored"),
    ("bracket", lambda d, a: (1 + d / a) ** -(a + 1) / 2, "(...) ** -(alpha + 1) / 2 is ((...) ** -(alpha + 1)) / 2"),
    ("bracket2", lambda d, a: (1 + d / a) ** (-a + 1 / 2), "-alpha + 1 / 2 for -(alpha + 1) / 2"),
    ("bracket3", lambda d, a: (1 + d / a) ** -(a + 1 / 2), "-(alpha + 1 / 2) for -(alpha + 1) / 2"),
    ("bracket4", lambda d, a: (1 + d / a) ** ((-a + 1) / 2), "-alpha + 1 for -(alpha + 1), over 2"),
    ("one outside", lambda d, a: 1 + (d / a) ** (-(a + 1) / 2), "1 + (...) ** ... for (1 + ...) ** ..."),
    ("sign", lambda d, a: (1 + d / a) ** ((a + 1) / 2), "the exponent's sign is missing"),
    ("minus one", lambda d, a: 1 / (1 + d / a), "the exponent -(alpha + 1) / 2 is taken as -1"),
    ("alpha", lambda d, a: (1 + d / a) ** -a, "the exponent is -alpha, not"),
    ("half alpha", lambda d, a: (1 + d / a) ** (-a / 2), "the exponent is -alpha / 2, not"),
    ("multivariate", lambda d, a: (1 + d / a) ** (-(a + 3) / 2), "the exponent is -(alpha + d) / 2"),
    ("upside down", lambda d, a: (1 + d / a) ** (-2 / (a + 1)), "upside down"),
    ("unsquared", lambda d, a: kernel(anp.sqrt(d), a), "the distances are not squared"),
    ("twice", lambda d, a: kernel(d**2, a), "the distances are squared twice"),
    ("undivided", lambda d, a: (1 + d) ** (-(a + 1) / 2), "d is not divided by alpha"),
    ("multiplied", lambda d, a: (1 + d * a) ** (-(a + 1) / 2), "d is multiplied by alpha"),
    ("alpha^2", lambda d, a: (1 + d / a**2) ** (-(a + 1) / 2), "d is divided by alpha^2"),
    ("2 alpha", lambda d, a: (1 + d / (2 * a)) ** (-(a + 1) / 2), "d is divided by 2 alpha"),
    ("no one", lambda d, a: (d / a) ** (-(a + 1) / 2), "the 1 in 1 + d/alpha is missing"),
    ("mean", lambda d, a: kernel(d / 3, a), "d is the mean of the squares"),
    ("softmax", lambda d, a: anp.exp(-d), "a Gaussian kernel, softmax(-d), not Student's t"),
    ("softmax/2", lambda d, a: anp.exp(-d / 2), "a Gaussian kernel, softmax(-d/2), not"),
    ("softmax/alpha", lambda d, a: anp.exp(-d / a), "a Gaussian kernel, softmax(-d/alpha)"),
    ("softmax of length", lambda d, a: anp.exp(-anp.sqrt(d)), "softmax(-||z - mu||)"),
]
NOT_OF_D = {"multivariate", "mean"}
"""Forms in which d = 3 is written out: the second problem has another d."""


def q_of(s):
    return lambda z, mu, alpha: rows(s(dist2(z, mu), alpha))


def of_three_dimensions(s):
    """The form for any d, where 3 stands for it."""
    return {"multivariate": lambda d, a, dim: (1 + d / a) ** (-(a + dim) / 2),
            "mean": lambda d, a, dim: kernel(d / dim, a)}[s]


def form(name, s):
    if name not in NOT_OF_D:
        return q_of(s)
    general = of_three_dimensions(name)
    return lambda z, mu, alpha: rows(general(dist2(z, mu), alpha, z.shape[1]))


OTHER_Q = [
    ("l1", lambda z, mu, a: rows(kernel(anp.sum(anp.abs(z[:, None] - mu), axis=2), a)), "d is the L1 distance"),
    ("Gaussians by dimension", lambda z, mu, a: rows(anp.sum(anp.exp(-((z[:, None] - mu) ** 2) / 2), axis=2)),
     "a Gaussian kernel in each dimension, summed over the dimensions"),
    ("sum by dimension", lambda z, mu, a: rows(anp.sum(kernel((z[:, None] - mu) ** 2, a), axis=2)),
     "Student's t in each dimension, summed"),
    ("product by dimension", lambda z, mu, a: rows(anp.prod(kernel((z[:, None] - mu) ** 2, a), axis=2)),
     "Student's t in each dimension, multiplied"),
    ("average by dimension", lambda z, mu, a: anp.mean(rows(kernel((z[:, None] - mu) ** 2, a)), axis=2),
     "q is computed in each dimension and averaged"),
    ("not normalized", lambda z, mu, a: kernel(dist2(z, mu), a), "the rows are not normalized"),
    ("columns", lambda z, mu, a: (lambda s: s / anp.sum(s, axis=0))(kernel(dist2(z, mu), a)), "the columns are normalized"),
    ("all", lambda z, mu, a: (lambda s: s / anp.sum(s))(kernel(dist2(z, mu), a)), "the sum over all points"),
    ("softmax twice", lambda z, mu, a: rows(anp.exp(soft(z, mu, a))), "a softmax is applied to q"),
]
Q_SLIPS = [(name, form(name, s), words) for name, s, words in KERNELS] + OTHER_Q


def one(report, equation):
    [finding] = [finding for finding in report.findings if finding.equation == equation]
    return finding


SAME = ["not normalized", "softmax twice", "log softmax", "no q"]
"""Slips that give the same numbers as another one: both are said."""


def assert_named(report, equation, words, verdict=Verdict.WRONG, alone=True):
    finding = one(report, equation)
    assert finding.verdict == verdict and not finding.ok, str(report)
    assert finding.slip is not None and words in finding.slip, str(report)
    assert alone == (", or " not in finding.slip), finding.slip
    assert finding.smallest and "yours = " in finding.smallest
    assert words in finding.sentence


@pytest.mark.parametrize("name, q, words", Q_SLIPS, ids=[slip[0] for slip in Q_SLIPS])
def test_a_slip_of_eq_1_is_named(name, q, words):
    verdict = Verdict.ONE_ALPHA if name == "ignored" else Verdict.WRONG
    assert_named(check_against(my_soft_assignment=q, **SMALL), 1, words, verdict)


@pytest.mark.parametrize("name, q, words", Q_SLIPS, ids=[slip[0] for slip in Q_SLIPS])
def test_the_true_gradient_of_a_wrong_q_is_named(name, q, words):
    report = check_against(my_loss=lambda z, mu, p, a: kl(p, q(z, mu, a)) / len(z), autodiff="autograd", **SMALL)
    verdict = Verdict.ONE_ALPHA if name == "ignored" else Verdict.WRONG
    assert one(report, 2).verdict == one(report, 4).verdict == one(report, 5).verdict == verdict, str(report)
    for equation in (2, 4, 5):
        assert_named(report, equation, words, verdict, alone=name not in SAME or (name, equation) == ("not normalized", 2))
        assert "mean over the batch" in one(report, equation).slip


# ---------------------------------------------------------------- slips of Eq. 2

LOSSES = [
    ("swapped", lambda p, q: anp.sum(q * anp.log(q / p)), "this is KL(Q || P)"),
    ("no log", lambda p, q: anp.sum(p * (anp.log(p) - q)), "the logarithm of q is forgotten"),  # M7
    ("swapped, no log", lambda p, q: anp.sum(q * (anp.log(q) - p)), "the logarithm of p is forgotten"),
    ("ratio", lambda p, q: anp.sum(p * (p / q)), "the sum of p p/q"),
    ("no weight", lambda p, q: anp.sum(anp.log(p / q)), "the weight p is missing"),
    ("log softmax", lambda p, q: anp.sum(p * (anp.log(p) - anp.log(rows(anp.exp(q))))), "the logarithm is doubled"),
    ("log target", lambda p, q: anp.sum(anp.exp(p) * (p - anp.log(q))), "log_target=True"),
    ("squares", lambda p, q: anp.sum((p - q) ** 2), "the squared error"),
    ("absolute", lambda p, q: anp.sum(anp.abs(p - q)), "the absolute error"),
    ("binary", lambda p, q: -anp.sum(p * anp.log(q) + (1 - p) * anp.log(1 - q)), "binary cross-entropy"),
    ("symmetric", lambda p, q: anp.sum((p - q) * anp.log(p / q)), "the symmetric KL"),
    ("js", lambda p, q: anp.sum(p * anp.log(2 * p / (p + q)) + q * anp.log(2 * q / (p + q))) / 2, "Jensen-Shannon"),
    ("entropy of q", lambda p, q: -anp.sum(q * anp.log(q)), "the entropy of q"),
    ("terms", lambda p, q: anp.sum(anp.abs(p * anp.log(p / q))), "the absolute value of each term"),
]
ONLY_VALUES = [  # p is constant in Eqs. 4 and 5: the gradient is right, or that of another
    ("cross-entropy", lambda p, q: -anp.sum(p * anp.log(q)), "this is the cross-entropy"),
    ("cross-entropy of p", lambda p, q: -anp.sum(q * anp.log(p)), "the cross-entropy with p and q swapped"),
    ("no logs", lambda p, q: anp.sum(p * (p - q)), "both logarithms are forgotten"),
    ("p log p", lambda p, q: anp.sum(p * anp.log(p)), "the sum of p log p"),
    ("sign", lambda p, q: -kl(p, q), "the sign is wrong"),
]


@pytest.mark.parametrize("name, wrong, words", LOSSES + ONLY_VALUES, ids=[slip[0] for slip in LOSSES + ONLY_VALUES])
@pytest.mark.parametrize("mean", [False, True], ids=["sum", "mean"])
def test_a_slip_of_eq_2_is_named_and_beside_a_mean(name, wrong, words, mean):  # M6
    report = check_against(my_kl=lambda p, q: wrong(p, q) / (len(p) if mean else 1), **SMALL)
    assert_named(report, 2, words)
    assert ("it is the mean over the batch" in report.slip) is mean


@pytest.mark.parametrize("name, wrong, words", LOSSES, ids=[slip[0] for slip in LOSSES])
def test_the_gradient_of_a_wrong_loss_is_named(name, wrong, words):
    report = check_against(my_loss=lambda z, mu, p, a: wrong(p, soft(z, mu, a)), autodiff="autograd", **SMALL)
    for equation in (2, 4, 5):
        assert_named(report, equation, words, alone=name not in SAME)


def test_the_gradient_of_the_cross_entropy_is_right():
    report = check_against(my_loss=lambda z, mu, p, a: -anp.sum(p * anp.log(soft(z, mu, a))), autodiff="autograd", **SMALL)
    assert [f.ok for f in report.findings] == [False, True, True] and "cross-entropy" in report.slip


def test_a_base_of_the_logarithm_is_a_factor_and_named():
    report = check_against(my_kl=lambda p, q: kl(p, q) / np.log(2), **SMALL)
    assert report.findings[0].verdict == Verdict.FACTOR and "the logarithm is to base 2" in report.slip


# ---------------------------------------------------------------- slips of Eq. 3


def of_batches(q, size, order=None, shift=0):
    """P per batch, of rows in an order, with f of the batch ``shift`` places on."""
    order = np.arange(len(q)) if order is None else order
    p = np.empty_like(q)
    parts = [order[s : s + size] for s in range(0, len(q), size)]
    for i, part in enumerate(parts):
        p[part] = rows(q[part] ** 2 / q[parts[(i + shift) % len(parts)]].sum(axis=0))
    return p


def shuffled(q, size):
    return of_batches(q, size, np.random.default_rng(len(q)).permutation(len(q)))


def recycled(vector, shape):
    """R's vector of a matrix's shape: it runs down the columns, again and again."""
    return np.resize(vector, shape[0] * shape[1]).reshape(shape, order="F")


TARGETS = [
    ("q", lambda q: q, "P is q itself"),  # W2
    ("f over clusters", lambda q: rows(q**2 / q.sum(axis=1, keepdims=True)), "f is missing, or sums over the clusters"),  # W3
    ("no f", lambda q: rows(q**2), "f is missing, or sums over the clusters"),
    ("unsquared", lambda q: rows(q / q.sum(axis=0)), "q is not squared"),
    ("cubed", lambda q: rows(q**3 / q.sum(axis=0)), "q is cubed"),
    ("f squared", lambda q: rows((q / q.sum(axis=0)) ** 2), "f is squared, too"),
    ("root of f", lambda q: rows(q**2 / np.sqrt(q.sum(axis=0))), "f is under a square root"),
    ("R", lambda q: rows(q**2 / recycled(q.sum(axis=0), q.shape)), "f runs down the columns"),
    ("R twice", lambda q: (lambda w: w / recycled(w.sum(axis=1), q.shape[::-1]).T)(q**2 / recycled(q.sum(axis=0), q.shape)),
     "f and the sums of the rows run down the columns"),
    ("f multiplies", lambda q: rows(q**2 * q.sum(axis=0)), "f multiplies"),
    ("not normalized", lambda q: q**2 / q.sum(axis=0), "the rows are not normalized"),
    ("columns", lambda q: (lambda w: w / w.sum(axis=0))(q**2 / q.sum(axis=0)), "the columns are normalized"),
    ("all", lambda q: (lambda w: w / w.sum())(q**2 / q.sum(axis=0)), "the sum over all entries"),
    ("softmax", lambda q: rows(np.exp(q**2 / q.sum(axis=0))), "a softmax stands for"),
    ("hard", lambda q: np.eye(q.shape[1])[q.argmax(axis=1)], "p is made hard"),
] + [(f"batches of {size}", lambda q, size=size: of_batches(q, size), f"P is taken per batch (of {size})")
     for size in (2, 7, 50, 256, 600, 1024, 2048, 4096)] + [  # F1
    ("shuffled", lambda q: shuffled(q, 32), "P is taken per batch (of 32, of shuffled rows)"),  # M9
    ("shuffled 1024", lambda q: shuffled(q, 1024), "P is taken per batch (of 1024, of shuffled rows)"),
    ("another batch", lambda q: of_batches(q, 64, shift=1), "P is taken per batch (of 64), with the f of another batch"),
    ("other rows", lambda q: of_batches(q, 64, shift=0) if len(q) < 64 else _of_other_rows(q, 64),
     "P is taken per batch (of 64), with an f that is not that of the batch's q"),
]


def _of_other_rows(q, size):
    f = np.random.default_rng(0).uniform(1, 2, (len(q) // size + 1, q.shape[1]))
    return rows(q**2 / np.repeat(f, size, axis=0)[: len(q)])


@pytest.mark.parametrize("name, wrong, words", TARGETS, ids=[slip[0] for slip in TARGETS])
def test_a_slip_of_eq_3_is_named(name, wrong, words):
    report = check_against(my_target=wrong, **SMALL)
    finding = report.findings[0]
    assert finding.verdict == Verdict.WRONG and words in finding.slip, str(report)


def test_a_slow_first_call_leaves_no_problem_out(monkeypatch):
    first = iter([0.25])  # as a compilation takes

    def compiled(q):
        time.sleep(next(first, 0))
        return of_batches(q, 1024)

    assert "P is taken per batch (of 1024)" in check_against(my_target=compiled, **SMALL).slip
    monkeypatch.setattr(your_code, "FAST", 0.0)
    report = check_against(my_target=target, **SMALL)
    assert report.ok and "it takes long, so it was not called with 6144 points, which show P per batch" in str(report)


# ---------------------------------------------------------------- slips of gradients written by hand

HAND = [
    ("sign", dict(weight=lambda p, q: q - p), "the sign is wrong, as when p and q are swapped in (p - q)"),
    ("no factor", dict(factor=lambda a: 1.0), "the factor (alpha + 1)/alpha is missing"),
    ("two", dict(factor=lambda a: 2.0), "the factor (alpha + 1)/alpha is taken as 2"),
    ("upside down", dict(factor=lambda a: a / (a + 1)), "the factor (alpha + 1)/alpha is upside down"),
    ("no 1/alpha", dict(factor=lambda a: a + 1), "the 1/alpha of the chain rule is missing"),
    ("no 2/alpha", dict(factor=lambda a: (a + 1) / 2), "the 2/alpha of the chain rule is missing"),
    ("no exponent", dict(factor=lambda a: 1 / a), "the exponent's alpha + 1 is missing"),
    ("2/alpha", dict(factor=lambda a: 2 / a), "the exponent's (alpha + 1)/2 is missing"),
    ("no q", dict(weight=lambda p, q: p), "q is missing"),
    ("no p", dict(weight=lambda p, q: q), "p is missing"),
    ("absolute", dict(weight=lambda p, q: np.abs(p - q)), "|p - q| stands for"),
    ("log", dict(weight=lambda p, q: np.log(p / q)), "log(p/q) stands for"),
    ("over q", dict(weight=lambda p, q: (p - q) / q), "(p - q) is divided by q"),
    ("power of Eq. 1", dict(power=lambda u, a: u ** ((a + 1) / 2)), "has the power (alpha + 1)/2 of Eq. 1"),
    ("no bracket", dict(power=lambda u, a: 1), "the bracket u_ij = 1 / (1 + d/alpha) is missing"),
    ("bracket up", dict(power=lambda u, a: 1 / u), "the bracket u_ij = 1 / (1 + d/alpha) is upside down"),
    ("undivided", dict(power=lambda u, a: 1 / (1 + a * (1 / u - 1))), "d is not divided by alpha in the bracket"),
    ("squared pull", dict(pull=lambda z, mu: (z[:, None] - mu) ** 2), "(z - mu)^2 stands for z - mu"),
    ("absolute pull", dict(pull=lambda z, mu: np.abs(z[:, None] - mu)), "|z - mu| stands for z - mu"),
    ("sum pull", dict(pull=lambda z, mu: z[:, None] + mu), "z + mu stands for z - mu"),
    ("z", dict(pull=lambda z, mu: z[:, None] + 0 * mu), "z stands for z - mu"),
    ("bracketless q", dict(q=q_of(lambda d, a: (1 + d / a) ** -(a + 1) / 2)), "(in the q inside the gradient)"),
    ("unsquared q", dict(q=q_of(lambda d, a: kernel(np.sqrt(d), a))), "the distances are not squared (in the q inside"),
    ("Gaussian q", dict(q=q_of(lambda d, a: np.exp(-d))), "a Gaussian kernel, softmax(-d), not Student's t (in the q inside"),
    ("two slips", dict(weight=lambda p, q: q - p, factor=lambda a: 1.0), "(alpha + 1)/alpha is missing and the sign is wrong"),
    ("three slips", dict(weight=lambda p, q: (q - p) / len(p), pull=lambda z, mu: np.abs(z[:, None] - mu)),
     "|z - mu| stands for z - mu and the sign is wrong"),
]


@pytest.mark.parametrize("name, parts, words", HAND, ids=[slip[0] for slip in HAND])
def test_a_slip_of_eqs_4_and_5_is_named(name, parts, words):
    report = check_against(my_grad_z=lambda *a: grad_z(*a, **parts), my_grad_mu=lambda *a: grad_mu(*a, **parts), **SMALL)
    for equation in (4, 5):
        assert_named(report, equation, words, alone=name not in SAME)


WHOLE = [
    ("alpha ignored", lambda g: lambda z, mu, p, a: g(z, mu, p, 1.0), "alpha is ignored", Verdict.ONE_ALPHA),
    ("p ignored", lambda g: lambda z, mu, p, a: g(z, mu, target(soft(z, mu, a)), a), "p is ignored", Verdict.WRONG),
    ("p ignored, mean", lambda g: lambda z, mu, p, a: g(z, mu, target(soft(z, mu, a)), a) / p.size,
     "p is ignored: P is taken from the batch itself, where it must come from the whole data and it is the mean over the n k",
     Verdict.WRONG),
    ("batches", lambda g: lambda z, mu, p, a: g(z, mu, of_batches(soft(z, mu, a), 16), a), "P is taken per batch (of 16)",
     Verdict.WRONG),
    ("batches, alpha", lambda g: lambda z, mu, p, a: g(z, mu, of_batches(soft(z, mu, 1), 16), 1),
     "alpha is ignored: this is the formula for alpha = 1 and P is taken per batch (of 16)", Verdict.WRONG),  # M9
    ("batches, mean", lambda g: lambda z, mu, p, a: g(z, mu, of_batches(soft(z, mu, a), 16), a) / p.size,
     "P is taken per batch (of 16): f must sum over the whole data and it is the mean over the n k", Verdict.WRONG),  # M9
    ("rows of the first batch", lambda g: lambda z, mu, p, a: g(z, mu, np.resize(p[:16], p.shape), a),
     "P is that of other rows: each batch (of 16) gets the P of the first one", Verdict.WRONG),
    ("rows of the batch before", lambda g: lambda z, mu, p, a: g(z, mu, np.r_[p[:16], p[:-16]], a) / len(z),
     "P is that of other rows: each batch (of 16) gets the P of the batch before", Verdict.WRONG),
    ("zero", lambda g: lambda z, mu, p, a: 0 * g(z, mu, p, a), "it is zero everywhere", Verdict.WRONG),
    ("p is q", lambda g: lambda z, mu, p, a: 0 * g(z, mu, soft(z, mu, a), a), "or P is q", Verdict.WRONG),
]


@pytest.mark.parametrize("name, wrong, words, verdict", WHOLE, ids=[slip[0] for slip in WHOLE])
def test_a_slip_of_the_whole_gradient_is_named(name, wrong, words, verdict):
    report = check_against(my_grad_z=wrong(grad_z), my_grad_mu=wrong(grad_mu), **SMALL)
    for finding in report.findings:
        assert finding.verdict == verdict and words in finding.slip, str(report)


def test_the_sum_over_j_in_eq_5_is_named():
    def summed(z, mu, p, a):
        return np.broadcast_to(grad_mu(z, mu, p, a).sum(axis=0), mu.shape)

    assert_named(check_against(my_grad_mu=summed, **SMALL), 5, "the sum is over j, too")


# ---------------------------------------------------------------- P made inside the loss


def own_p(q, constant=True, of=target):
    """A loss of (z, mu, alpha) that makes its own P; with autograd, a constant is what is computed of plain numbers."""
    def made(z, mu, alpha):
        plain = [getattr(a, "_value", a) for a in (z, mu)] if constant else (z, mu)
        return kl(of(q(*plain, alpha)), q(z, mu, alpha))
    return made


def test_a_loss_that_makes_its_own_p_holds_if_p_is_constant():
    report = check_against(my_loss=own_p(soft), autodiff="autograd", **SMALL)
    assert report.ok and len(report.findings) == 3, str(report)
    assert all("makes its own P from the points that it is given: f must sum over the whole data" in finding.sentence
               for finding in report.findings), str(report)


@pytest.mark.parametrize("mean", [1, 96], ids=["sum", "mean"])
def test_p_that_is_not_held_constant_is_named(mean):  # M3
    report = check_against(my_loss=lambda z, mu, alpha: own_p(soft, constant=False)(z, mu, alpha) / mean,
                           autodiff="autograd", **SMALL)
    assert one(report, 2).verdict == (Verdict.HOLDS if mean == 1 else Verdict.FACTOR)
    for equation in (4, 5):
        assert_named(report, equation, "P is not held constant: the gradient goes through P, too")


def test_p_that_is_not_held_constant_is_named_where_another_is_handed_over():
    report = check_against(my_loss=lambda z, mu, p, alpha: own_p(soft, constant=False)(z, mu, alpha), autodiff="autograd",
                           **SMALL)
    assert_named(report, 2, "p is ignored: P is taken from the batch itself")
    assert_named(report, 4, "P is not held constant")


def test_p_per_batch_inside_a_loss_is_named():
    def batched(q):
        return of_batches(np.asarray(q), 32)

    report = check_against(my_loss=own_p(soft, of=batched), autodiff="autograd", **SMALL)
    assert "P is taken per batch (of 32)" in one(report, 4).slip and one(report, 4).verdict == Verdict.WRONG
    report = check_against(my_loss=own_p(lambda z, mu, a: soft(z, mu, 1.0)), autodiff="autograd", **SMALL)
    assert one(report, 4).verdict == Verdict.ONE_ALPHA and "alpha is ignored" in report.slip


# ---------------------------------------------------------------- an alpha that is fixed inside


@pytest.mark.parametrize("fixed", [0.05, 0.2, 3.0])
def test_an_alpha_fixed_inside_is_fitted_and_named(fixed):  # M8
    report = check_against(my_soft_assignment=lambda z, mu: soft(z, mu, fixed),
                           my_grad_z=lambda z, mu, p, alpha: grad_z(z, mu, p, fixed), **SMALL)
    for equation in (1, 4):
        assert_named(report, equation, f"alpha = {fixed:g} is fixed inside", Verdict.ONE_ALPHA)
    assert check_against(my_soft_assignment=lambda z, mu: soft(z, mu, fixed), alphas=(fixed,), **SMALL)


def test_an_alpha_fixed_inside_a_wrong_formula_is_named():
    wrong = q_of(lambda d, a: (1 + d / a) ** -(a + 1) / 2)
    report = check_against(my_soft_assignment=lambda z, mu: wrong(z, mu, 0.2), **SMALL)  # SpaGCN
    assert_named(report, 1, "alpha = 0.2 is fixed inside and a bracket is missing in the exponent")


def test_an_implementation_of_one_alpha_is_asked_about_that():
    report = check_against(my_soft_assignment=lambda z, mu: soft(z, mu, 1.0), my_grad_z=lambda z, mu, p: grad_z(z, mu, p, 1.0),
                           my_loss=lambda z, mu, p: loss(z, mu, p, 1.0), autodiff="autograd", **SMALL)
    assert report.ok and {finding.verdict for finding in report.findings} == {Verdict.ONE_ALPHA}
    assert "for alpha = 1; it takes no other" in str(report)


# ---------------------------------------------------------------- factors


@pytest.mark.parametrize("constant", [0.5, 0.25, 2.0, 0.1])
def test_a_constant_factor_is_said_first(constant):  # W1b
    report = check_against(my_grad_z=lambda z, mu, p, a: constant * grad_z(z, mu, p, a), **SMALL)
    [finding] = report.findings
    assert finding.verdict == Verdict.FACTOR and not finding.ok and finding.factor == pytest.approx(constant)
    assert finding.slip.startswith(f"it is {constant:g} times Eq. 4, everywhere"), finding.slip


def test_what_one_alpha_cannot_tell_apart_is_both_said():
    report = check_against(my_grad_z=lambda z, mu, p: grad_z(z, mu, p, 1.0) / 2, **SMALL)
    assert report.findings[0].verdict == Verdict.FACTOR
    assert "it is 0.5 times Eq. 4, everywhere" in report.slip
    assert "or the factor (alpha + 1)/alpha is missing" in report.slip


def test_a_factor_that_is_nearly_one_is_wrong_and_said():
    report = check_against(my_grad_z=lambda *a: 1.0001 * grad_z(*a), **SMALL)
    assert report.findings[0].verdict == Verdict.FACTOR and "it is 1.0001 times" in report.slip and not report.ok


# ---------------------------------------------------------------- right variants


MEANS = [
    ("kl", dict(my_kl=lambda p, q: kl(p, q) / len(p)), "the batch"),
    ("kl nk", dict(my_kl=lambda p, q: kl(p, q) / p.size), "the n k entries"),
    ("grad_z", dict(my_grad_z=lambda *a: grad_z(*a) / len(a[0])), "the batch"),  # W6
    ("grad_mu", dict(my_grad_mu=lambda *a: grad_mu(*a) / len(a[0])), "the batch"),
    ("grad_z nk", dict(my_grad_z=lambda *a: grad_z(*a) / a[2].size), "the n k entries"),  # M4
    ("grad_z nk, one alpha", dict(my_grad_z=lambda z, mu, p: grad_z(z, mu, p, 1.0) / p.size), "the n k entries"),  # W1
    ("grad_mu nk, one alpha", dict(my_grad_mu=lambda z, mu, p: grad_mu(z, mu, p, 1.0) / p.size), "the n k entries"),
    ("loss", dict(my_loss=lambda z, mu, p, a: loss(z, mu, p, a) / len(z), autodiff="autograd"), "the batch"),
    ("loss nk", dict(my_loss=lambda z, mu, p, a: anp.mean(p * anp.log(p / soft(z, mu, a))), autodiff="autograd"),
     "the n k entries"),
]


@pytest.mark.parametrize("name, given, over", MEANS, ids=[mean[0] for mean in MEANS])
@pytest.mark.parametrize("k", [4, 5])
def test_a_mean_holds_and_is_said(name, given, over, k):
    report = check_against(**given, **{**SMALL, "k": k})
    for finding in report.findings:
        if not finding.edges:  # p log(p/q) is NaN for p = 0
            assert finding.ok and finding.verdict == Verdict.MEAN, str(report)
        assert f"holds, as a mean over {over}" in finding.sentence
    assert check_against(**given, reduction="mean", **SMALL).ok == report.ok
    strict = check_against(**given, reduction="sum", **SMALL)
    assert not strict and strict.first_wrong.smallest and f"the mean over {over}" in strict.slip


def test_a_sum_is_refused_where_the_mean_is_asked_for():
    report = check_against(**RIGHT, reduction="mean", **SMALL)
    assert [finding.ok for finding in report.findings] == [True, False, True, False, False]
    assert "is a sum here, where the mean was asked for" in report.slip


def test_the_seriousness_decides_what_is_said_first():
    report = check_against(my_kl=lambda p, q: kl(p, q) / len(p), my_target=lambda q: 1.0 * rows(q**2),
                           my_soft_assignment=lambda *a: 1.5 * soft(*a), reduction="sum", **SMALL)
    assert report.equation == 3 and str(report).endswith("Eq. 3 is the first that is wrong")
    report = check_against(my_kl=lambda p, q: kl(p, q) / len(p), my_grad_z=lambda *a: 3 * grad_z(*a), reduction="sum", **SMALL)
    assert report.equation == 4 and "3 times" in report.slip
    assert str(report).endswith("Eq. 4 is the first with another factor; the formulas hold")


EPSILONS = [  # the argument, the function, the words
    ("log q", "my_kl", lambda p, q: np.sum(p * np.log(p / (q + 1e-6))), "log(q + 1e-06)"),  # M2
    ("log q, mean", "my_kl", lambda p, q: np.sum(p * np.log(p / (q + 1e-6)), axis=1).mean(), "log(q + 1e-06)"),  # M1
    ("log q 1e-4", "my_kl", lambda p, q: np.sum(p * (np.log(p) - np.log(q + 1e-4))), "log(q + 0.0001)"),
    ("log p", "my_kl", lambda p, q: np.sum(p * np.log((p + 1e-5) / q)), "log(p + 1e-05)"),
    ("both", "my_kl", lambda p, q: np.sum(p * np.log((p + 1e-5) / (q + 1e-5))), "log(p + 1e-05) and log(q + 1e-05)"),
    ("ratio", "my_kl", lambda p, q: np.sum(p * np.log(p / q + 1e-5)), "log(p/q + 1e-05)"),
    ("ratio twice", "my_kl", lambda p, q: np.sum(p * np.log(p / (q + 1e-6) + 1e-6)), "log(p/(q + 1e-06) + 1e-06)"),
    ("distance", "my_soft_assignment", lambda z, mu, a: rows(kernel(np.sqrt(dist2(z, mu) + 1e-4) ** 2, a)), "d + 0.0001"),
    ("difference", "my_soft_assignment",
     lambda z, mu, a: rows(kernel(np.sum((z[:, None] - mu + 1e-6) ** 2, axis=2), a)), "z - mu + 1e-06"),
    ("bracket", "my_soft_assignment",
     lambda z, mu, a: rows((1 + dist2(z, mu) / a + 1e-5) ** (-(a + 1) / 2)), "1 + d/alpha + 1e-05"),
    ("kernel", "my_soft_assignment", lambda z, mu, a: rows(kernel(dist2(z, mu), a) + 1e-6), "u^((alpha+1)/2) + 1e-06"),
    ("row sum", "my_soft_assignment",
     lambda z, mu, a: (lambda s: s / (s.sum(axis=1, keepdims=True) + 1e-4))(kernel(dist2(z, mu), a)), "a row + 0.0001"),
    ("f", "my_target", lambda q: rows(q**2 / (q.sum(axis=0) + 1e-2)), "f + 0.01"),
    ("q^2", "my_target", lambda q: rows((q**2 + 1e-6) / q.sum(axis=0)), "q^2 + 1e-06"),
    ("all of P", "my_target", lambda q: (lambda w: w / (w.sum(axis=1, keepdims=True) + 1e-8))((q**2 + 1e-8) / (q.sum(axis=0) + 1e-8)),
     "q^2 + 1e-08, f + 1e-08 and the sum of a row + 1e-08"),
    ("target sum", "my_target",
     lambda q: (lambda w: w / (w.sum(axis=1, keepdims=True) + 1e-6))(q**2 / q.sum(axis=0)), "a row + 1e-06"),
]
LOSS_EPSILONS = [
    ("log q", lambda z, mu, p, a: anp.sum(p * anp.log(p / (soft(z, mu, a) + 1e-6))), "log(q + 1e-06)"),
    ("mean, log q", lambda z, mu, p, a: anp.sum(p * anp.log(p / (soft(z, mu, a) + 1e-8))) / len(z), "log(q + 1e-08)"),
    ("distance", lambda z, mu, p, a: kl(p, rows(kernel(anp.sqrt(dist2(z, mu) + 1e-4) ** 2, a))), "d + 0.0001"),
    ("kernel", lambda z, mu, p, a: kl(p, rows(kernel(dist2(z, mu), a) + 1e-6)), "u^((alpha+1)/2) + 1e-06"),
]


@pytest.mark.parametrize("name, argument, guarded, words", EPSILONS, ids=[guard[0] for guard in EPSILONS])
def test_an_epsilon_inside_holds_and_is_said(name, argument, guarded, words):
    finding = check_against(**{argument: guarded}, **SMALL).findings[0]
    assert "an epsilon is inside" in finding.sentence and words in finding.sentence, finding.sentence
    assert finding.sentence.count(", or ") == (words.startswith("d +"))  # d + e, or sqrt(d + e) squared
    assert finding.verdict == (Verdict.EDGE if finding.edges else Verdict.EPSILON)
    assert finding.ok == (not finding.edges) and (finding.error < 0.05 or "mean" in name)
    assert not finding.edges or argument == "my_kl" or name == "row sum"  # 0 log 0; a far point's sum is below epsilon


@pytest.mark.parametrize("name, guarded, words", LOSS_EPSILONS, ids=[guard[0] for guard in LOSS_EPSILONS])
def test_an_epsilon_inside_a_loss_is_found_in_its_gradients(name, guarded, words):
    report = check_against(my_loss=guarded, autodiff="autograd", **SMALL)
    for finding in report.findings:
        assert words in finding.sentence and "an epsilon is inside" in finding.sentence, finding.sentence
        assert finding.verdict in (Verdict.EPSILON, Verdict.EDGE)


BESIDE = [
    ("cross-entropy", "my_kl", lambda p, q: -np.sum(p * np.log(q + 1e-8), axis=1).mean(), "this is the cross-entropy"),  # ClustPy
    ("swapped", "my_kl", lambda p, q: np.sum(q * np.log(q / (p + 1e-6))), "this is KL(Q || P)"),
    ("bracket", "my_soft_assignment", lambda z, mu, a: rows((1 / (1 + dist2(z, mu) / a + 1e-8)) ** (a + 1)),
     "a bracket is missing in the exponent"),
]


@pytest.mark.parametrize("name, argument, wrong, words", BESIDE, ids=[slip[0] for slip in BESIDE])
def test_an_epsilon_beside_a_slip_does_not_hide_it(name, argument, wrong, words):  # M1
    assert_named(check_against(**{argument: wrong}, **SMALL), 2 if argument == "my_kl" else 1, words)


def test_spagcn_s_gradients_are_named():  # a bracket, the mean and log(q + 1e-6) together
    def theirs(z, mu, p, a):
        q = rows((1 / (1 + dist2(z, mu) / a + 1e-8)) ** (a + 1) / 2)
        return anp.mean(anp.sum(p * anp.log(p / (q + 1e-6)), axis=1))

    report = check_against(my_loss=theirs, autodiff="autograd")
    for equation in (2, 4, 5):
        assert_named(report, equation, "((...) ** -(alpha + 1)) / 2")


@pytest.mark.parametrize("small", [1e-4, 1e-6])
def test_a_small_difference_that_nothing_explains_is_wrong(small):
    report = check_against(my_soft_assignment=lambda *a: soft(*a) * (1 + small * np.sin(dist2(a[0], a[1]))), **SMALL)
    assert report.findings[0].verdict == Verdict.WRONG and report.slip is None and "likely" not in str(report)


# ---------------------------------------------------------------- precision


def single(a):
    return np.asarray(a, np.float32)


PRECISIONS = [
    ("all", lambda f: lambda *a: single(f(*map(single, a))), {}),
    ("arguments", lambda f: lambda *a: f(*map(single, a)), {}),
    ("mu", lambda f: lambda z, mu, *a: f(z, single(mu), *a), {}),  # W4: a float32 parameter, a float64 result
    ("result", lambda f: lambda *a: single(f(*a)).astype(float), {}),
    ("asarray", lambda f: lambda *a: f(*a), {"asarray": single}),
]


@pytest.mark.parametrize("name, change, options", PRECISIONS, ids=[p[0] for p in PRECISIONS])
def test_single_precision_on_the_way_is_enough(name, change, options):
    given = {argument: change(f) for argument, f in RIGHT.items() if name != "mu" or "mu" in inspect.signature(f).parameters}
    report = check_against(**given, **options, **SMALL)
    assert report.ok, str(report)
    assert {f.verdict for f in report.findings} <= {Verdict.SINGLE, Verdict.HOLDS}
    assert Verdict.SINGLE in {f.verdict for f in report.findings} or name == "mu"
    wrong = check_against(my_grad_z=change(lambda *a: grad_z(*a, factor=lambda a: 1.0)), **options, **SMALL)
    assert "the factor (alpha + 1)/alpha is missing" in wrong.slip


def test_float64_from_float32_arrays_is_compared_with_what_was_handed_over():  # W5
    report = check_against(my_soft_assignment=lambda z, mu, a: soft(z.astype(float), mu.astype(float), a), asarray=single)
    assert report.ok and report.findings[0].error < 1e-14


def test_single_precision_between_is_found():
    report = check_against(my_soft_assignment=lambda z, mu, a: rows(kernel(single(dist2(z, mu)).astype(float), a)), **SMALL)
    assert report.ok and report.findings[0].verdict == Verdict.SINGLE


def test_half_precision_is_said():
    report = check_against(my_soft_assignment=soft, asarray=lambda a: a.astype(np.float16), **SMALL)
    assert report.ok and "half precision" in str(report)


# ---------------------------------------------------------------- edges


def nan_at(report, equation, where):
    return any(f"Eq. {equation} where {where}: it is NaN" in edge for edge in one(report, equation).edges)


def test_a_zero_in_p_is_tried():  # F2
    report = check_against(my_kl=lambda p, q: np.sum(p * np.log(p / q)), **SMALL)
    assert nan_at(report, 2, "a p_ij is 0") and report.findings[0].verdict == Verdict.EDGE and not report.ok
    assert "holds" in report.findings[0].sentence and "a p_ij is 0" in report.slip
    assert str(report).endswith("the formulas hold; Eq. 2 is the first that fails at an edge")


def test_a_point_on_a_centroid_is_tried():  # F3
    report = check_against(my_loss=lambda z, mu, p, a: kl(p, rows(kernel(anp.sqrt(dist2(z, mu)) ** 2, a))),
                           autodiff="autograd", **SMALL)
    assert one(report, 2).verdict == Verdict.HOLDS
    assert nan_at(report, 4, "a point is on a centroid") and nan_at(report, 5, "a point is on a centroid")


def test_a_far_point_is_tried():
    report = check_against(my_soft_assignment=lambda z, mu, a: rows(np.exp(-dist2(z, mu))), **SMALL)
    assert nan_at(report, 1, "a point is far away (1e6)") and report.findings[0].verdict == Verdict.WRONG
    report = check_against(my_soft_assignment=lambda z, mu, a: rows(np.prod((1 + dist2(z, mu)[:, :, None] / a)
                           * np.ones(40), axis=2) ** (-(a + 1) / 80)), **SMALL)
    assert nan_at(report, 1, "a point is far away (1e6)") and report.findings[0].verdict == Verdict.EDGE


@pytest.mark.parametrize("size", [dict(n=1, k=1, d=1), dict(n=5, k=2, d=2), dict(n=96, k=5, d=5)], ids=str)
def test_a_right_implementation_holds_at_all_sizes(size):
    assert check_against(**RIGHT, my_loss=loss, autodiff="autograd", alphas=(0.5, 10.0), **size)


def test_one_cluster_is_tried():
    def needs_two(z, mu, a):
        return np.squeeze(soft(z, mu, a))

    assert any("where k = 1: the shape must be" in edge for edge in check_against(my_soft_assignment=needs_two).findings[0].edges)


# ---------------------------------------------------------------- what is handed over and what comes back


RESULTS = [
    ("tuple", dict(my_soft_assignment=lambda z, mu, a: (z, soft(z, mu, a))), "returns 2 results, of which the second was taken"),
    ("both gradients", dict(my_grad_mu=lambda *a: (grad_z(*a), grad_mu(*a))), "of which the second was taken"),
    ("dict", dict(my_soft_assignment=lambda z, mu, a: {"z": z, "q": soft(z, mu, a)}), "of which the second was taken"),
    ("transposed", dict(my_grad_mu=lambda *a: grad_mu(*a).T), "returns it transposed"),
    ("log q", dict(my_soft_assignment=lambda *a: np.log(soft(*a))), "returns log q"),
    ("named order", dict(my_kl=lambda q, p: kl(p, q)), "is called as (q, p), as its arguments are named"),
]


@pytest.mark.parametrize("name, given, words", RESULTS, ids=[result[0] for result in RESULTS])
def test_what_can_be_read_is_read_and_said(name, given, words):
    report = check_against(**given, **SMALL)
    assert report.ok and words in str(report), str(report)


REFUSED = [
    ("None", dict(my_grad_z=lambda z, mu, p, a: None), "it returns None"),
    ("not summed", dict(my_kl=lambda p, q: (p * np.log(p / q)).sum(axis=1)), "the shape must be (); got (96,): it is not summed"),
    ("a sum is missing", dict(my_grad_z=lambda z, mu, p, a: z[:, None] - mu), "got (96, 4, 3): one of the sums is missing"),
    ("a string", dict(my_grad_z=lambda z, mu, p, a: "z"), "it must return an array of shape (96, 3); got str"),
    ("complex", dict(my_kl=lambda p, q: kl(p, q) + 1j), "it must be real; got complex numbers"),
    ("NaN", dict(my_grad_z=lambda *a: grad_z(*a) * np.nan), "it is nan"),
    ("masked", dict(my_target=lambda q: np.ma.masked_less(target(q), 0.1)), "it must have no masked values; got "),
    ("a wrong tuple", dict(my_grad_z=lambda *a: (np.ones(2), np.ones(3))), "got 2 results of shapes (2,), (3,)"),
]


@pytest.mark.parametrize("name, given, words", REFUSED, ids=[result[0] for result in REFUSED])
def test_what_cannot_be_read_is_wrong_and_said(name, given, words):
    report = check_against(**given, **SMALL)
    assert report.findings[0].verdict == Verdict.WRONG and words in str(report), str(report)


def test_orders_of_arguments():
    def theirs(output, goal):
        return kl(goal, output)

    assert "order of the arguments is q, p" in check_against(my_kl=theirs, **SMALL).slip
    assert check_against(my_kl=theirs, arguments=("q", "p"), **SMALL)
    assert check_against(my_kl=theirs, my_target=target, arguments={"my_kl": ("q", "p")}, **SMALL)
    assert check_against(my_grad_z=lambda mu, z, p, alpha: grad_z(z, mu, p, alpha), **SMALL)
    assert check_against(my_grad_z=lambda z, mu, *, p, alpha=1.0: grad_z(z, mu, p, alpha), **SMALL)
    assert check_against(my_soft_assignment=lambda z, mu, eps=0.0: soft(z, mu, 1.0) + eps, **SMALL)  # eps is not alpha
    assert check_against(my_soft_assignment=lambda *args: (lambda z, mu: soft(z, mu, 1.0))(*args), **SMALL)
    assert check_against(my_loss=lambda x, c, v: own_p(soft)(x, c, v), arguments=("z", "mu", "alpha"), autodiff="autograd")


@pytest.mark.parametrize("theirs", [
    lambda centers, z, alpha: soft(z, centers, alpha),
    lambda mu, z, a: soft(z, mu, a),
    lambda Z, eps=0.0, *, centroids, nu: soft(Z, centroids, nu) + eps,
    lambda clusters, z, v=1.0: soft(z, clusters, v),
], ids=lambda f: str(inspect.signature(f)))
def test_usual_names_of_mu_and_alpha_are_known(theirs):
    report = check_against(my_soft_assignment=theirs, **SMALL)
    assert [finding.verdict for finding in report.findings] == [Verdict.HOLDS], str(report)


@pytest.mark.parametrize("theirs", [lambda z, a: soft(z, a, 1.0), lambda z, centers, n_clusters: soft(z, centers, n_clusters),
                                    lambda z, v, alpha: soft(z, v, alpha)], ids=lambda f: str(inspect.signature(f)))
def test_names_that_do_not_fit_are_taken_by_their_place(theirs):
    assert check_against(my_soft_assignment=theirs, **SMALL)


@pytest.mark.parametrize("given", [
    dict(my_soft_assignment=lambda first, second, third: soft(second, first, third)),
    dict(my_loss=lambda first, second, third: own_p(soft)(second, first, third), arguments=("z", "mu", "alpha"),
         autodiff="autograd")], ids=["q", "loss"])
def test_z_and_mu_in_the_other_order_are_named(given):
    report = check_against(**given, **SMALL)
    assert {finding.verdict for finding in report.findings} == {Verdict.WRONG}
    assert all(finding.slip == "z and mu are swapped (or the order of the arguments is mu, z)"
               for finding in report.findings), str(report)
    assert "transposed" not in str(report)


@pytest.mark.parametrize("given", [
    dict(my_kl=lambda q, target: kl(target, q)),
    dict(my_soft_assignment=lambda cluster_centers, embedding, alpha: soft(embedding, cluster_centers, alpha)),
    dict(my_loss=lambda target, z, centers: loss(z, centers, target, 1.0), autodiff="autograd"),
], ids=["kl", "q", "loss"])
def test_one_unknown_name_is_the_argument_that_is_left(given):
    report = check_against(**given, **SMALL)
    assert report.ok and "as its arguments are named" in str(report), str(report)


def grad_z_of_q(z, mu, p, q, alpha=1.0):
    return grad_z(z, mu, p, alpha, q=lambda *_: q)


def grad_mu_of_q(p, q, z, mu, alpha):
    return grad_mu(z, mu, p, alpha, q=lambda *_: q)


def test_a_gradient_that_takes_q_gets_that_of_eq_1():
    report = check_against(my_grad_z=grad_z_of_q, my_grad_mu=grad_mu_of_q, **SMALL)
    assert {finding.verdict for finding in report.findings} == {Verdict.HOLDS}, str(report)
    assert "it is called as (z, mu, p, q, alpha), as its arguments are named" in str(report)
    assert check_against(my_grad_z=lambda x, mu, p, q: grad_z_of_q(x, mu, p, q), **SMALL)
    assert check_against(my_grad_z=lambda a, b, c, d, e: grad_z_of_q(a, b, c, d, e), arguments=("z", "mu", "p", "q", "alpha"), **SMALL)
    wrong = check_against(my_grad_z=lambda z, mu, p, q, alpha: grad_z_of_q(z, mu, q, p, alpha), **SMALL)
    assert "the sign is wrong, as when p and q are swapped" in wrong.slip


def test_a_function_that_raises_is_shown_how_it_was_called():
    def broken(z, mu, p, alpha):
        raise KeyError("centroids")

    with pytest.raises(FunctionError, match=r"my_grad_z raised KeyError: 'centroids'. It was called with "
                                            r"z ndarray \(96, 3\) float64, mu ndarray \(4, 3\) float64") as raised:
        check_against(broken, **SMALL)
    assert isinstance(raised.value.__cause__, KeyError)


def test_a_function_that_takes_one_shape_only_is_asked_about_that():
    def fixed(z, mu, alpha):
        assert mu.shape == (4, 3) and len(z) % 256 == 0  # a batch size that must divide n
        return soft(z, mu, alpha)

    assert one(check_against(my_soft_assignment=fixed), 1).verdict == Verdict.EDGE  # k = 1 is said
    assert "k = 1" in check_against(my_soft_assignment=fixed).findings[0].edges[0]


def test_bad_choices_are_refused():
    for options, words in [
        ({}, "give at least one function to check, one of my_soft_assignment"),
        (dict(my_kl=kl, autodiff="theano"), "autodiff must be None or one of 'torch', 'jax', 'autograd'; got 'theano'"),
        (dict(my_kl=kl, reduction="max"), "reduction must be 'sum', 'mean' or 'either'; got 'max'"),
        (dict(my_kl=kl, alphas=()), "alphas must be numbers > 0, one or more"),
        (dict(my_kl=kl, arguments=("p", "z")), "arguments of my_kl must be names among p, q"),
        (dict(my_kl=kl, my_target=target, arguments=("p", "q")), "arguments must be a dict of function name to order"),
        (dict(my_kl=kl, arguments={"kl": ("p", "q")}), "with keys among"),
        (dict(my_kl=kl, arguments=5), "arguments of my_kl must be names among p, q, each once; got 5"),
        (dict(my_kl=kl, arguments={"my_kl": [["p"], "q"]}), "arguments of my_kl must be names among p, q"),
        (dict(my_kl=kl, autodiff=["torch"]), r"autodiff must be None or one of .*; got \['torch'\]"),
        (dict(my_kl=kl, reduction=np.mean), "reduction must be 'sum', 'mean' or 'either'; got <function mean"),
        (dict(my_kl=kl, alphas="half"), "alphas must be numbers > 0, one or more; got 'half'"),
        (dict(my_kl=kl, alphas=[1.0, np.inf]), "alphas must be numbers > 0, one or more"),
        (dict(my_kl=kl, alphas=np.eye(2)), "alphas must be numbers > 0, one or more"),
        (dict(my_kl=kl, alphas=-1.0), "alphas must be numbers > 0, one or more; got -1.0"),
        (dict(my_kl=kl, n=0), "n must be a whole number >= 1; got 0"),
        (dict(my_kl=kl, n=7.5), "n must be a whole number >= 1; got 7.5"),
        (dict(my_kl=kl, k="4"), "k must be a whole number >= 1; got '4'"),
        (dict(my_kl=kl, d={"a": 1}), "d must be a whole number >= 1; got {'a': 1}"),
        (dict(my_kl=kl, random_state="x"), "random_state must be None, a whole number >= 0"),
        (dict(my_kl=kl, asarray=3), "asarray must be a function; got 3"),
        (dict(my_kl=0.5), "my_kl must be a function; got 0.5"),
        (dict(module=kl), "module must be a torch.nn.Module; got function"),
    ]:
        with pytest.raises(ValueError, match=words):
            check_against(**options)


def test_alphas_of_all_kinds():
    for alphas in (2.0, np.float32(2), np.array([1.0, 2.0]), range(1, 3), {2: "two"}):
        assert check_against(my_soft_assignment=soft, alphas=alphas, **SMALL).ok


def test_the_arguments_are_not_ours_to_lose():
    def careless(z, mu, p, alpha):
        g = grad_z(z, mu, p, alpha)
        z *= 0
        return g

    assert check_against(my_grad_z=careless, my_grad_mu=grad_mu, **SMALL)


def test_results_in_one_array_are_read_before_the_next_call():
    def in_one_array(f):
        results = {}

        def function(*args):
            value = np.asarray(f(*args))
            results.setdefault(value.shape, np.empty(value.shape))[...] = value
            return results[value.shape]
        return function

    report = check_against(**{name: in_one_array(lambda *args, f=f: f(*args)) for name, f in RIGHT.items()},
                           arguments={name: inspect.getfullargspec(f).args for name, f in RIGHT.items()}, **SMALL)
    assert report.ok and {finding.verdict for finding in report.findings} == {Verdict.HOLDS}, str(report)


def test_the_same_seed_gives_the_same_report():
    wrong = dict(my_grad_z=lambda *a: grad_z(*a, factor=lambda a: 1.0), **SMALL)
    assert str(check_against(**wrong, random_state=3)) == str(check_against(**wrong, random_state=3))
    assert str(check_against(**wrong, random_state=3)) != str(check_against(**wrong, random_state=4))


def test_the_smallest_problem_shows_both_results():
    report = check_against(my_grad_z=lambda *a: -grad_z(*a), **SMALL)
    assert report.first_wrong.smallest.splitlines() == [
        "n = 2, k = 2, d = 1, alpha = 1:", "z = [[-1. ] [ 2.5]]", "mu = [[0.25] [2.75]]",
        "p = [[0.2 0.8 ] [0.285714 0.714286]]", "yours = [[-0.312697] [-0.165666]]", "Eq. 4 = [[0.312697] [0.165666]]"]
    assert report.first_wrong.smallest.replace("\n", "\n    ") in str(report)
    report = check_against(my_target=lambda q: of_batches(q, 32), **SMALL)
    assert report.first_wrong.smallest == "no problem with n <= 12 shows it; one with n = 6144 does"


def test_the_smallest_problem_shows_the_result_that_was_compared():
    report = check_against(my_grad_mu=lambda *a: (grad_z(*a), -grad_mu(*a)), **SMALL)  # both are (2, 1) there
    right = check_against(my_grad_mu=lambda *a: -grad_mu(*a), **SMALL)
    assert report.first_wrong.smallest == right.first_wrong.smallest


# ---------------------------------------------------------------- PyTorch and JAX


def torch_soft_assignment(z, mu, alpha):
    import torch

    s = (1 + torch.cdist(z, mu) ** 2 / alpha) ** (-(alpha + 1) / 2)
    return s / s.sum(1, keepdim=True)


def cluster_layer(k=4, d=3, alpha=1.0, exponent=lambda a: -(a + 1) / 2, answer=lambda z, q: q, turned=False):
    """A torch module whose forward gives ``answer`` of z and q; its parameter is (k, d), or (d, k) if turned."""
    import torch

    class ClusterLayer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.alpha = alpha
            self.centers = torch.nn.Parameter(torch.ones(d, k) if turned else torch.ones(k, d))

        def forward(self, z):
            centers = self.centers.T if turned else self.centers
            s = (1 + ((z[:, None] - centers) ** 2).sum(2) / self.alpha) ** exponent(self.alpha)
            return answer(z, s / s.sum(1, keepdim=True))

    return ClusterLayer()


def test_a_torch_loss_is_differentiated():
    torch = pytest.importorskip("torch")
    kl_div = torch.nn.functional.kl_div
    report = check_against(my_loss=lambda z, mu, p, alpha: kl_div(torch_soft_assignment(z, mu, alpha).log(), p, reduction="batchmean"),
                           autodiff="torch", **SMALL)
    assert report.ok and {f.verdict for f in report.findings} == {Verdict.MEAN} and len(report.findings) == 3
    report = check_against(my_loss=lambda z, mu, p, alpha: kl_div(torch_soft_assignment(z, mu.detach(), alpha).log(), p,
                                                                  reduction="sum"), autodiff="torch", **SMALL)
    assert report.equation == 5 and "it is zero everywhere: no gradient reaches it (detached?)" in report.slip


def test_a_torch_loss_without_detach_is_named():
    pytest.importorskip("torch")

    def theirs(z, mu, alpha, detach):
        q = torch_soft_assignment(z, mu, alpha)
        w = q**2 / q.sum(0)
        p = w / w.sum(1, keepdim=True)
        return ((p.detach() if detach else p) * (p / q).log()).sum() / len(z)

    assert_named(check_against(my_loss=lambda z, mu, alpha: theirs(z, mu, alpha, False), autodiff="torch", **SMALL), 4,
                 "P is not held constant")
    assert_named(check_against(my_loss=lambda z, mu, p, alpha: theirs(z, mu, alpha, False), autodiff="torch", **SMALL), 4,
                 "P is not held constant")


def test_gradients_are_taken_through_a_torch_q():
    pytest.importorskip("torch")
    report = check_against(my_soft_assignment=torch_soft_assignment, autodiff="torch", **SMALL)
    assert report.ok and [finding.equation for finding in report.findings] == [1, 4, 5]
    assert "a point is on a centroid" not in str(report)  # torch.cdist has a gradient there


@pytest.mark.parametrize("dtype, words", [("float64", "holds (rel"), ("float32", "holds in single precision"),
                                          ("bfloat16", "holds in half precision")])
def test_a_module_is_taken_as_it_is(dtype, words):
    torch = pytest.importorskip("torch")
    module = cluster_layer().to(getattr(torch, dtype))
    before = module.centers.clone()
    report = check_against(module=module, **SMALL)
    assert report.ok and [finding.equation for finding in report.findings] == [1, 4, 5], str(report)
    assert all(words in finding.sentence for finding in report.findings), str(report)
    assert "its centroids are centers (4, 3)" in str(report) and "alpha is set by .alpha" in str(report)
    assert torch.equal(module.centers, before) and module.alpha == 1.0 and module.centers.grad is None
    assert check_against(my_soft_assignment=cluster_layer(7, 5), **SMALL).findings[0].argument == "my_soft_assignment"


@pytest.mark.parametrize("options, words", [
    (dict(turned=True), "centers (3, 4), transposed"),
    (dict(answer=lambda z, q: (z, q)), "returns 2 results, of which the second was taken"),
    (dict(answer=lambda z, q: q.log()), "returns log q"),
    (dict(alpha=None, exponent=lambda a: -1.0), ""),
], ids=["transposed", "a tuple", "log q", "one alpha"])
def test_modules_of_all_kinds(options, words):
    pytest.importorskip("torch")
    module = cluster_layer(**options)
    if module.alpha is None:
        module.alpha = pytest.importorskip("torch").ones(1)  # not a number: it stays
    report = check_against(module=module, **SMALL)
    assert report.ok and words in str(report), str(report)


def test_a_wrong_module_is_named_and_one_without_centroids_refused():
    torch = pytest.importorskip("torch")
    report = check_against(module=cluster_layer(exponent=lambda a: -(a + 1)), my_kl=lambda p, q: torch.sum(p * (p / q).log()),
                           **SMALL)
    assert report.equation == 1 and "a bracket is missing in the exponent" in report.slip
    assert_named(report, 5, "this is the true gradient of that q")
    two = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Linear(6, 7))
    with pytest.raises(ValueError, match=r"one parameter with the centroids.*0.weight \(6, 5\), 0.bias \(6,\)"):
        check_against(module=two)


def test_a_layer_within_a_network_is_found():
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Linear(9, 3), cluster_layer())
    assert check_against(module=network, **SMALL).ok


@pytest.mark.parametrize("inner", [
    lambda torch: torch.nn.Linear(3, 4, bias=False), lambda torch: torch.nn.Embedding(4, 3),
    lambda torch: torch.nn.ParameterDict({"weight": torch.ones(4, 3)})], ids=["Linear", "Embedding", "ParameterDict"])
def test_centroids_may_be_the_parameter_of_another_module(inner):
    torch = pytest.importorskip("torch")

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.alpha = 1.0
            self.inner = inner(torch)

        def forward(self, z):
            return torch_soft_assignment(z, self.inner.weight, self.alpha)

    report = check_against(module=Layer(), **SMALL)
    assert report.ok and "its alpha is set by .alpha" in str(report), str(report)
    network = torch.nn.Module()
    network.layer = Layer()
    assert check_against(module=network, **SMALL).ok


@pytest.mark.parametrize("kind", ["buffer", "parameter"])
def test_an_alpha_that_is_a_tensor_is_set(kind):
    torch = pytest.importorskip("torch")
    module = cluster_layer(alpha=None)
    del module.alpha
    if kind == "buffer":
        module.register_buffer("alpha", torch.tensor(2.0))
    else:
        module.alpha = torch.nn.Parameter(torch.full((1,), 2.0))
    report = check_against(module=module, **SMALL)
    assert report.ok and "its alpha is set by .alpha" in str(report), str(report)
    assert module.alpha.item() == 2.0


def test_a_torch_loss_without_a_graph_has_no_gradient():
    pytest.importorskip("torch")
    report = check_against(my_loss=lambda z, mu, p, alpha: (p * (p / torch_soft_assignment(z, mu, alpha)).log()).nansum().item(),
                           autodiff="torch", **SMALL)
    assert one(report, 2).ok and "no gradient reaches it (detached?)" in one(report, 4).slip, str(report)


def test_an_error_of_the_backward_pass_is_a_function_error():
    torch = pytest.importorskip("torch")

    def in_place(z, mu, alpha):
        q = torch.cdist(z, mu).pow_(2).add_(1).reciprocal_()
        return q / q.sum(1, keepdim=True)

    words = "the gradient by torch raised RuntimeError: one of the variables needed for gradient computation"
    with pytest.raises(FunctionError, match=f"my_loss: {words}"):
        check_against(my_loss=lambda z, mu, p: -(p * in_place(z, mu, 1.0).log()).sum(), autodiff="torch", **SMALL)
    module = cluster_layer()
    module.forward = lambda z: in_place(z, module.centers, 1.0)
    type(module).forward = lambda self, z: in_place(z, self.centers, 1.0)
    del module.forward
    with pytest.raises(FunctionError, match=f"module: {words}"):
        check_against(module=module, **SMALL)
    with pytest.raises(FunctionError, match="module: the gradient by torch raised TypeError"):
        check_against(module=cluster_layer(answer=lambda z, q: q.detach().numpy()), **SMALL)


def test_jax_is_compared_in_double_precision():
    jnp = pytest.importorskip("jax.numpy")

    def q(z, mu, alpha):
        s = (1 + ((z[:, None] - mu) ** 2).sum(2) / alpha) ** (-(alpha + 1) / 2)
        return s / s.sum(1, keepdims=True)

    report = check_against(my_soft_assignment=q, autodiff="jax", alphas=1.0, **SMALL)
    assert {finding.verdict for finding in report.findings} == {Verdict.HOLDS}, str(report)
    assert jnp.ones(1).dtype == "float32"  # the user's setting is left


def test_a_jax_loss_is_differentiated():
    jnp = pytest.importorskip("jax.numpy")

    def theirs(z, mu, p, alpha):
        s = (1 + ((z[:, None] - mu) ** 2).sum(2) / alpha) ** (-(alpha + 1) / 2)
        return jnp.mean(-p * jnp.log(s / s.sum(1, keepdims=True)))

    report = check_against(my_loss=theirs, autodiff="jax", **SMALL)
    assert [finding.ok for finding in report.findings] == [False, True, True] and report.findings[1].error > 0.9
    assert "this is the cross-entropy and it is the mean over the n k entries" in report.slip
    assert jnp.ones(1).dtype == "float32"  # the user's setting is left


# ---------------------------------------------------------------- the functions of a file


RIGHT_FILE = """
from powers import square

def target_distribution(q):
    w = square(q) / q.sum(axis=0)
    return w / w.sum(axis=1, keepdims=True)
"""


def test_the_command_checks_the_functions_of_a_file(tmp_path, capsys):
    (tmp_path / "powers.py").write_text("def square(x):\n    return x**2\n")
    (tmp_path / "my_dec.py").write_text(RIGHT_FILE)
    done = subprocess.run([sys.executable, "-m", "decnp", "gradcheck", "--mine", "my_dec.py"], cwd=tmp_path, text=True,
                          capture_output=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "all hold", "")
    (tmp_path / "my_dec.py").write_text(RIGHT_FILE + "\nloss = lambda z, mu, p, alpha: -1.0\n")
    assert main(["gradcheck", "--mine", str(tmp_path / "my_dec.py")]) == 1
    assert "my_loss, Eq. 2: wrong" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for names in NAMES.values() for name in names if name != "module"])
def test_no_function_of_a_file_is_left_out_in_silence(tmp_path, capsys, name):
    """Each name is compared, here with a wrong function; any other name is listed."""
    right = "def soft_assignment(z, mu):\n    u = 1 / (1 + ((z[:, None] - mu) ** 2).sum(axis=2))\n" \
            "    return u / u.sum(axis=1, keepdims=True)\n"
    wrong = f"def {name}(*args):\n    return 0.5 + 0 * args[0]\n"
    (tmp_path / "my_dec.py").write_text(wrong if "soft" in name else right + wrong)
    assert main(["gradcheck", "--mine", str(tmp_path / "my_dec.py")]) != 0
    (tmp_path / "my_dec.py").write_text(right + "def sharpen(q):\n    return q\ndef _hidden(q):\n    return q\n")
    capsys.readouterr()
    assert main(["gradcheck", "--mine", str(tmp_path / "my_dec.py"), "--alpha", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "not compared (no equation has this name): sharpen" and out[-1] == "all hold"


@pytest.mark.parametrize("text, words", [
    ("x = 1\n", "my_dec.py must define at least one of: my_soft_assignment or soft_assignment,"),
    ("def kl(p, q):\n    raise KeyError('q')\n", "my_dec.py: my_kl raised KeyError: 'q'. It was called with p ndarray (768, 4)"),
    ("1 / 0\n", "my_dec.py could not be run: ZeroDivisionError: division by zero"),
    ("def kl(p, q):\n    return 1.0\nimport sys\nsys.exit(0)\n", "my_dec.py could not be run: it calls sys.exit(0): put that under if __name__ == '__main__'"),
    ("import argparse\nargparse.ArgumentParser().parse_args(['-x'])\n", "my_dec.py could not be run: it calls sys.exit(2)"),
    ("def kl(p, q):\n    return 1.0\nasarray = lambda a: 1 / 0\n", "my_dec.py: asarray raised ZeroDivisionError: division by zero"),
    ("def kl(p, q):\n    raise SystemExit(3)\n", "my_dec.py: my_kl raised SystemExit: 3. It was called with p ndarray"),
    ("loss = 0.25\nkl = 0.5\n", "my_dec.py must define at least one of: my_soft_assignment or soft_assignment,"),
    ("def kl(p, q):\n    return 1.0\nd = {'a': 1}\n", "my_dec.py: d must be a whole number >= 1; got {'a': 1}. The variables "
     "autodiff, asarray, arguments, reduction, alphas, n, k, d, random_state of the file are options of check_against"),
    ("def kl(p, q):\n    return 1.0\nreduction = 'max'\n", "reduction must be 'sum', 'mean' or 'either'; got 'max'"),
])
def test_a_file_that_cannot_be_checked_is_said(tmp_path, capsys, monkeypatch, text, words):
    (tmp_path / "my_dec.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["gradcheck", "--mine", "my_dec.py"]) == 2
    assert words in capsys.readouterr().err
    assert main(["gradcheck", "--mine", "none.py"]) == 2
    assert "there is no file none.py" in capsys.readouterr().err


def test_the_report_of_a_file_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "my_dec.py").write_text("import os\ndef kl(p, q):\n    return float('nan')\ndef sharpen(q):\n    return q\n"
                                        "os.chdir('elsewhere')\n")
    assert main(["gradcheck", "--mine", "my_dec.py", "--json", "out.json"]) == 1
    printed, written = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text())
    assert written["command"] == "decnp gradcheck --mine my_dec.py --json out.json"
    assert (written["ok"], written["equation"], written["not_compared"]) == (False, 2, ["sharpen"])
    [finding] = written["findings"]
    assert (finding["argument"], finding["verdict"], finding["error"]) == ("my_kl", "wrong", "inf")
    assert finding["sentence"] in printed
    monkeypatch.chdir(tmp_path)
    assert main(["gradcheck", "--mine", "my_dec.py", "--json", "no/out.json"]) == 2
    assert "no/out.json cannot be written" in capsys.readouterr().err


def test_numbers_with_the_name_of_a_function_are_left_alone(tmp_path, capsys):
    (tmp_path / "my_dec.py").write_text("def target(q):\n    w = q**2 / q.sum(axis=0)\n"
                                        "    return w / w.sum(axis=1, keepdims=True)\nloss = 0.25\nkl = my_kl = 0.5\nalphas = 2\n")
    assert main(["gradcheck", "--mine", str(tmp_path / "my_dec.py")]) == 0
    assert capsys.readouterr().out.endswith("all hold\n")


def test_a_file_sees_the_arguments_and_the_folder_of_a_script(tmp_path, capsys):
    (tmp_path / "powers.py").write_text("def square(x):\n    return x**2\n")
    (tmp_path / "my_dec.py").write_text("import argparse\nargparse.ArgumentParser().parse_args()\ndef target(q):\n"
                                        "    argparse.ArgumentParser().parse_args()\n    from powers import square\n"
                                        "    w = square(q) / q.sum(axis=0)\n    return w / w.sum(axis=1, keepdims=True)\n")
    before = list(sys.argv), list(sys.path)
    assert main(["gradcheck", "--mine", str(tmp_path / "my_dec.py")]) == 0, capsys.readouterr().err
    assert before == (sys.argv, sys.path)


def test_the_options_of_a_file_and_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "import autograd.numpy as np\nn = 96\ndef my_loss(z, mu, p, alpha):\n" \
           "    s = 1 / (1 + np.sum((z[:, None] - mu) ** 2, axis=2))\n" \
           "    return -np.sum(p * np.log(s / np.sum(s, axis=1, keepdims=True)))\n"
    (tmp_path / "my_dec.py").write_text(text)
    assert main(["gradcheck", "--mine", "my_dec.py", "--alpha", "1"]) == 1
    out = capsys.readouterr().out
    assert "cross-entropy" in out and "my_loss, Eq. 5: holds (relative" in out  # differentiated by autograd
    assert main(["gradcheck", "--mine", "my_dec.py"]) == 1
    assert "alpha is ignored" in capsys.readouterr().out



# ---------------------------------------------------------------- what a loss may do besides


@pytest.mark.parametrize("held, words", [
    ("f", "only f is held constant"), ("row sums", "only the row sums of P are held constant"),
    ("", "P is not held constant")])
def test_a_p_that_is_held_constant_in_part_is_named(held, words):
    def my_loss(z, mu, alpha):
        plain = [getattr(a, "_value", a) for a in (z, mu)]
        q, q_plain = soft(z, mu, alpha), soft(*plain, alpha)
        w = q**2 / anp.sum(q_plain if held == "f" else q, axis=0)
        total = anp.sum(q_plain**2 / anp.sum(q_plain, axis=0) if held == "row sums" else w, axis=1, keepdims=True)
        return kl(w / total, q)

    report = check_against(my_loss=my_loss, autodiff="autograd", **SMALL)
    assert [finding.ok for finding in report.findings] == [True, False, False], str(report)
    assert words in report.findings[1].slip and words in report.findings[2].slip, str(report)


@pytest.mark.parametrize("added, divisor, sentences", [
    (lambda z, mu: 0.05, 1, {2: "it is Eq. 2 plus 0.05"}),
    (lambda z, mu: 0.01 * anp.sum(mu**2), 96, {
        2: "it is the mean of Eq. 2 over the batch plus 0.01 |mu|^2",
        5: "it is the mean of Eq. 5 over the batch plus the gradient of 0.01 |mu|^2"}),
    (lambda z, mu: 0.01 * anp.sum(z**2), 1, {
        2: "it is Eq. 2 plus 0.01 |z|^2", 4: "it is Eq. 4 plus the gradient of 0.01 |z|^2"}),
], ids=["a constant", "mu", "z"])
def test_a_term_that_is_added_to_the_loss_is_named(added, divisor, sentences):
    def my_loss(z, mu, p, alpha):
        return kl(p, soft(z, mu, alpha)) / (len(z) if divisor > 1 else 1) + added(z, mu)

    report = check_against(my_loss=my_loss, autodiff="autograd", **SMALL)
    wrong = {f.equation: f.slip for f in report.findings if f.verdict == "wrong"}
    assert wrong == {equation: f"{words}: another term is in the loss" for equation, words in sentences.items()}, str(report)


def test_a_function_that_keeps_a_state_is_told():
    f = np.ones(4)

    def my_target(q):
        nonlocal f
        w = q**2 / f if q.shape[1] == 4 else q**2 / q.sum(axis=0)
        f = q.sum(axis=0) if q.shape[1] == 4 else f
        return rows(w)

    assert "it gives different results for the same arguments" in str(check_against(my_target=my_target, **SMALL))
    assert "it gives different results" not in str(check_against(my_target=target, **SMALL))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_function_that_is_not_finite_keeps_no_state(value):
    def my_target(q):
        p = target(q)
        p[0, 1] = value
        return p

    for wrong in (dict(my_kl=lambda p, q: value), dict(my_target=my_target)):
        assert "it gives different results" not in str(check_against(**wrong, **SMALL))
    values = iter([1.0, value, 1.0] * 99)
    assert "it gives different results" in str(check_against(my_kl=lambda p, q: next(values), **SMALL))


@pytest.mark.parametrize("d_in", [5, 3])
def test_a_network_that_has_the_centroids_itself_is_refused_with_advice(d_in):
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Linear(d_in, 3)
            self.decoder = torch.nn.Linear(3, d_in)
            self.centers = torch.nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            q = 1 / (1 + ((self.encoder(x)[:, None] - self.centers) ** 2).sum(2))
            return q / q.sum(1, keepdim=True)

    network = Network()
    with pytest.raises(ValueError, match=r"module must give q of z, but the forward of Network, .* torch\.nn\.Identity\(\)"):
        check_against(module=network, **SMALL)
    network.encoder = torch.nn.Identity()
    assert check_against(module=network, **SMALL).ok
