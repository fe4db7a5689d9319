"""A whole training step of somebody else: what is right holds, the first wrong array is named, and its mistake."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from decnp import equations, layers, losses
from decnp.gradcheck import check_step, complex_step, references, vjps
from decnp.gradcheck.problems import draw_problem
from decnp.layers import Dense, arrays_of

PROBLEM = draw_problem(np.random.default_rng(3), n=12, k=4, d=3, alpha=2.0, dtype=np.float64)
MU, X, P = PROBLEM.mu, PROBLEM.x, PROBLEM.p
WEIGHTS = arrays_of(PROBLEM.theta[:3])  # 6-5-7-3


def stack(weights, acts=("relu", "relu", "linear")):
    return [Dense(W, b, act) for W, b, act in zip(weights[::2], weights[1::2], acts)]


def step(weights, mu, x, p, alpha, times=1.0, forget=None, acts=("relu", "relu", "linear"), ignore_p=False):
    """The step, written out; ``forget`` is the layer whose ReLU the backward pass forgets."""
    theta = stack(weights, acts)
    hs = layers.mlp(theta, x)
    if ignore_p:
        p = equations.target_distribution(equations.soft_assignment(hs[-1], mu, alpha))
    loss, g, g_mu = losses.clustering_loss(hs[-1], mu, p, alpha)
    grads = []
    for l in reversed(range(3)):
        if theta[l].act == "relu" and l + 1 != forget:
            g = g * (hs[l + 1] > 0)
        grads = [hs[l].T @ g, g.sum(axis=0), *grads]
        g = g @ theta[l].W.T
    return times * loss, [times * g for g in grads], times * g_mu


def check(my_step=step, alpha=2.0, weights=WEIGHTS, **options):
    return check_step(my_step, weights, MU, X, P, alpha, **options)


def changed(name, change):
    """The right step, one of its results changed."""
    def wrong(*args):
        loss, grads, g_mu = step(*args)
        if name == "loss":
            return change(loss), grads, g_mu
        if name == "mu":
            return loss, grads, change(g_mu)
        place = 2 * int(name[1]) - (2 if name[0] == "W" else 1)
        grads[place] = change(grads[place])
        return loss, grads, g_mu
    return wrong


NAMES = ["mu", "b3", "W3", "b2", "W2", "b1", "W1", "loss"]


def last_line(report):
    return str(report).splitlines()[-1]


def test_a_right_step_holds():
    report = check()
    assert report and report.first_wrong is None and report.slip is None and report.factor == 1
    assert [finding.name for finding in report.findings] == NAMES
    assert max(finding.error for finding in report.findings) < 1e-13
    assert str(report).startswith("the weights are (in, out)\n") and last_line(report) == "the step holds"


@pytest.mark.parametrize("times, words", [
    (12.0, "as a sum over the batch: 12 times the mean"),
    (0.25, "as a mean over the b k = 48 entries: 1/4 of the mean over the batch"),
    (0.5, "as 0.5 times the mean over the batch"), (2.0, "as 2 times the mean over the batch")])
def test_one_factor_of_all_is_named_and_holds(times, words):
    report = check(lambda *args: step(*args, times=times))
    assert report and report.factor == pytest.approx(times, rel=1e-12) and last_line(report) == f"the step holds, {words}"


def test_the_opposite_sign_does_not_hold():
    report = check(lambda *args: step(*args, times=-1.0))
    assert report.first_wrong == "mu" and "mu: wrong: the sign is wrong" in str(report)


@pytest.mark.parametrize("name", NAMES)
def test_one_wrong_array_is_named_alone(name):
    report = check(changed(name, lambda g: g * (1 + 1e-3 * np.arange(np.size(g)).reshape(np.shape(g)) + 1e-3)))
    assert [finding.name for finding in report.findings if not finding.ok] == [name] == [report.first_wrong]
    expected = "the gradients hold, but the loss is wrong" if name == "loss" else f"{name} is the first that is wrong, from the loss down"
    assert last_line(report) == expected


def test_the_first_of_several_is_the_one_nearest_to_the_loss():
    def wrong(*args):
        loss, grads, g_mu = step(*args)
        return loss, [grads[0] * 0.3, grads[1], grads[2] ** 2, *grads[3:]], g_mu

    assert check(wrong).first_wrong == "W2"


@pytest.mark.parametrize("name, change, words", [
    ("W2", lambda g: 12 * g, "W2: wrong: it is 12 times what it must be, everywhere"),
    ("b1", lambda g: g / 12, "b1: wrong: it is 0.0833333 times what it must be, everywhere"),
    ("mu", lambda g: -g, "mu: wrong: the sign is wrong"),
    ("W1", lambda g: 0 * g, "W1: wrong: it is zero everywhere; is it detached, or frozen?"),
    ("mu", lambda g: None, "mu: wrong: no gradient; it does not take part in the loss"),
    ("W1", lambda g: g.T, "W1: wrong: the gradient must have the shape (6, 5); got (5, 6) (transposed)"),
    ("b2", lambda g: g[None], "b2: wrong: the gradient must have the shape (7,); got (1, 7)"),
    ("W3", lambda g: g * np.nan, "W3: wrong: at [0, 0] it is nan, it must be"),
    ("loss", lambda loss: 12 * loss, "it is right as a sum over the batch: 12 times the mean, but the gradients are 0.0833333 times those of this loss"),
])
def test_the_kind_of_a_mistake_is_said(name, change, words):
    report = check(changed(name, change))
    assert report.first_wrong == name and words in str(report)


def kl_of_q_and_p(weights, mu, x, p, alpha):
    theta = stack(weights)
    hs = layers.mlp(theta, x)
    q = equations.soft_assignment(hs[-1], mu, alpha)
    g_z, g_mu = vjps.soft_assignment_vjp((np.log(q / p) + 1) / len(x), hs[-1], mu, alpha)
    return np.sum(q * np.log(q / p)) / len(x), arrays_of(layers.mlp_vjp(g_z, theta, hs)[1]), g_mu


def p_not_constant(weights, mu, x, p, alpha):
    def loss_of(l, a):
        arrays = [*weights, mu]
        arrays[l] = a
        q = equations.soft_assignment(layers.mlp(stack(arrays[:-1]), x)[-1], arrays[-1], alpha)
        return equations.kl_divergence(equations.target_distribution(q), q) / len(x)
    *grads, g_mu = [complex_step(lambda a: loss_of(l, a), arrays) for l, arrays in enumerate([*weights, mu])]
    return loss_of(0, weights[0]), grads, g_mu


SLIPS = [
    (lambda *a: step(*a, forget=1), "b1", "the ReLU of layer 1 is missing in the backward pass"),
    (lambda *a: step(*a, forget=2), "b2", "the ReLU of layer 2 is missing in the backward pass"),
    (lambda *a: step(*a, forget=2, times=12.0), "b2", "the ReLU of layer 2 is missing in the backward pass (as a sum over the batch: 12 times the mean)"),
    (lambda w, mu, x, p, alpha: step(w, mu, x, p, 1.0), "mu", "alpha is ignored: this is the step for alpha = 1"),
    (lambda *a: step(*a, ignore_p=True), "mu", "p is ignored: P is taken from the batch itself"),
    (p_not_constant, "mu", "P is taken from the batch itself and not held constant"),
    (kl_of_q_and_p, "mu", "p and q are swapped in Eq. 2"),
    (lambda *a: step(*a, acts=("relu", "relu", "relu")), "mu", "a ReLU follows the last layer"),
    (lambda *a: step(*a, acts=("linear", "linear", "linear")), "mu", "no layer has a ReLU"),
]


@pytest.mark.parametrize("mine, first, slip", SLIPS, ids=[slip for *_, slip in SLIPS])
def test_a_known_mistake_is_named(mine, first, slip):
    report = check(mine)
    assert report.first_wrong == first and report.slip == slip
    assert last_line(report) == f"{first} is the first that is wrong, from the loss down; likely: {slip}"


# ---------------------------------------------------------------- what is given


def test_weights_that_are_out_in_are_recognised_and_said():
    def turned(weights, *rest):
        loss, grads, g_mu = step([w.T for w in weights], *rest)
        return loss, [g.T for g in grads], g_mu

    report = check(turned, weights=[w.T for w in WEIGHTS])
    assert report and report.layout == "(out, in)" and str(report).startswith("the weights are (out, in), as in torch\n")
    report = check(lambda w, *rest: (step([v.T for v in w], *rest)), weights=[w.T for w in WEIGHTS])
    assert report.first_wrong == "W3" and "must have the shape (3, 7); got (7, 3) (transposed)" in str(report)


def test_square_weights_are_tried_in_both_layouts():
    rng = np.random.default_rng(0)
    weights = [a for _ in range(3) for a in (rng.normal(size=(3, 3)), rng.normal(size=3))]
    x = rng.normal(size=(12, 3))

    def turned(weights, *rest):
        loss, grads, g_mu = step([w.T for w in weights], *rest)
        return loss, [g.T for g in grads], g_mu

    for mine, layout in ((step, "(in, out)"), (turned, "(out, in)")):
        report = check_step(mine, weights, MU, x, P, 2.0)
        assert report and report.layout == layout
    assert not check_step(turned, weights, MU, x, P, 2.0, layout="(in, out)")
    transposed = lambda *a: (lambda loss, grads, g_mu: (loss, [grads[0].T, *grads[1:]], g_mu))(*step(*a))
    assert "W1: wrong: it is transposed" in str(check_step(transposed, weights, MU, x, P, 2.0))


def test_layers_without_b_pairs_of_gradients_and_no_loss():
    def without_b(weights, *rest):
        _, grads, g_mu = step([weights[0], np.zeros(5), *weights[1:]], *rest)
        return None, [grads[0], grads[2:4], grads[4:]], g_mu

    report = check(without_b, weights=[WEIGHTS[0], *WEIGHTS[2:]])
    assert report and [finding.name for finding in report.findings] == ["mu", "b3", "W3", "b2", "W2", "W1"]


def test_a_step_of_one_alpha_and_other_activations():
    linear = ("linear", "relu", "relu")
    report = check(lambda w, mu, x, p: step(w, mu, x, p, 1.0, acts=linear), alpha=1.0, activations=linear)
    assert report
    with pytest.raises(ValueError, match="my_step takes no alpha, so alpha must be 1; got 2"):
        check(lambda w, mu, x, p: None)


def test_weights_may_be_an_iterator():
    assert check(weights=iter(WEIGHTS)).ok


@pytest.mark.parametrize("slope, words", [
    (0.0, "the step holds"), (1.0, "the step holds, with 1 as the derivative of a ReLU at 0; 0 is usual"),
    (0.5, "the step holds, with 0.5 as the derivative of a ReLU at 0; 0 is usual"),
    (2.0, "b1 is the first that is wrong, from the loss down")])
def test_the_derivative_of_a_relu_at_0_is_a_convention(slope, words):
    def mine(weights, mu, x, p, alpha):
        theta = stack(weights)
        hs = layers.mlp(theta, x)
        loss, g, g_mu = losses.clustering_loss(hs[-1], mu, p, alpha)
        grads = []
        for l in reversed(range(3)):
            a = hs[l] @ theta[l].W + theta[l].b
            g = g * np.where(a == 0, slope, a > 0) if l < 2 else g
            grads = [hs[l].T @ g, g.sum(axis=0), *grads]
            g = g @ theta[l].W.T
        return loss, grads, g_mu

    x = X.copy()
    x[:2] = 0  # empty rows and b = 0, as at the start of training
    weights = [WEIGHTS[0], 0 * WEIGHTS[1], *WEIGHTS[2:]]
    report = check_step(mine, weights, MU, x, P, 2.0)
    assert report.ok == (slope <= 1) and last_line(report) == words, str(report)
    assert check_step(lambda *a: step(*a, forget=1), weights, MU, x, P, 2.0).slip == "the ReLU of layer 1 is missing in the backward pass"


def test_the_cross_entropy_is_named():
    def mine(weights, mu, x, p, alpha):
        loss, grads, g_mu = step(weights, mu, x, p, alpha, times=12.0)
        return loss - np.sum(p * np.log(p)), grads, g_mu

    report = check(mine)
    assert report.first_wrong == "loss" and last_line(report) == (
        "the gradients hold, as a sum over the batch: 12 times the mean, but the loss is wrong; likely: the term p log p is "
        "missing in the loss: this is the cross-entropy (as a sum over the batch: 12 times the mean)")


def test_what_is_given_is_not_changed():
    def careless(weights, mu, x, p, alpha):
        result = step(weights, mu, x, p, alpha)
        for a in (*weights, mu, x, p):
            a *= 0
        return result

    before = [a.copy() for a in (*WEIGHTS, MU, X, P)]
    assert check(careless)
    for a, b in zip((*WEIGHTS, MU, X, P), before):
        assert_allclose(a, b, rtol=0)


def test_single_precision_and_an_epsilon_are_said():
    single = lambda *a: step(*([np.float32(w) for w in a[0]], *map(np.float32, a[1:4]), a[4]))
    report = check(single)
    assert report and last_line(report) == "the step holds, in single precision"
    hidden = lambda *a: (lambda loss, grads, g_mu: (float(loss), [np.float64(g) for g in grads], np.float64(g_mu)))(*single(*a))
    report = check(hidden)
    assert report and "is there single precision, or an epsilon, inside?" in last_line(report)
    assert not check(hidden, rtol=1e-8)
    assert not check(changed("W2", lambda g: g * 1.0005 * (1 + 1e-3 * np.arange(7))))


@pytest.mark.parametrize("options, words", [
    (dict(weights=WEIGHTS[1:]), r"weights must be W, b, W, b, .*; got the shapes \(5,\), \(5, 7\)"),
    (dict(weights=[]), "weights must hold at least one W"),
    (dict(weights=WEIGHTS[:4]), r"weights must lead from the 6 columns of x to the 3 of mu, .*; got \(6, 5\) \(5,\), \(5, 7\) \(7,\)"),
    (dict(activations=["relu"]), "activations must be 'relu' or 'linear' for each of the 3 layers"),
    (dict(activations=["tanh"] * 3), "activations must be 'relu' or 'linear' for each of the 3 layers"),
    (dict(layout="NCHW"), r"layout must be '\(in, out\)' or '\(out, in\)'; got 'NCHW'"),
    (dict(autodiff="theano"), "autodiff must be None or one of 'torch', 'jax', 'autograd'; got 'theano'"),
    (dict(my_step=lambda *a: 1.0), "my_step must return .loss, gradients of the weights, gradient of mu., .*; got float"),
    (dict(my_step=lambda *a: (1.0, [], MU)), "my_step must return one gradient for each of the 6 weights; got 0"),
    (dict(my_step=lambda *a: (np.ones(8), [], MU)), r"the loss of my_step must be a number; got an array of shape \(8,\): it is not summed"),
    (dict(my_step=lambda *a: ("one", [], MU)), "the loss of my_step must be a number; got str"),
    (dict(my_step=lambda *a: (1j, [], MU)), "the loss of my_step must be real; got complex numbers"),
    (dict(my_step=lambda *a: (1.0, None, MU)), "the gradients of the weights that my_step returns must be a list of arrays; got NoneType"),
    (dict(my_step=lambda *a: (1.0, dict(W1=MU), MU)), "the gradients of the weights that my_step returns must be a list of arrays; got dict"),
    (dict(my_step=lambda *a: (1.0, ["W1"], MU)), "a gradient of my_step must be an array of numbers; got str"),
    (dict(my_step=lambda *a: (1.0, [], 1j * MU)), "a gradient of my_step must be real; got complex numbers"),
    (dict(alpha=-1.0), "alpha must be a finite number > 0; got -1.0"),
    (dict(alpha="one"), "alpha must be a finite number > 0; got 'one'"),
])
def test_arguments_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        check(**options)


def test_targets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"x must be \(b, D\), mu \(k, d\) and p \(b, k\)"):
        check_step(step, WEIGHTS, MU, X, P[:-1])
    with pytest.raises(ValueError, match="the rows of p must sum to 1"):
        check_step(step, WEIGHTS, MU, X, P * 1.001)
    with pytest.raises(ValueError, match="weights, mu, x and p must be finite"):
        check_step(step, WEIGHTS, MU * np.nan, X, P)
    with pytest.raises(ValueError, match="x must be real; got complex numbers"):
        check_step(step, WEIGHTS, MU, X + 0j, P)
    with pytest.raises(ValueError, match="mu must have no masked values; got 1"):
        check_step(step, WEIGHTS, np.ma.masked_equal(MU, MU[0, 0]), X, P)


def test_a_step_that_raises_is_quoted_with_what_it_got():
    with pytest.raises(RuntimeError, match=r"my_step raised ValueError: .*in numpy: \(6, 5\) float64, \(5,\) float64"):
        check(lambda w, *rest: w[0] @ w[0])
    with pytest.raises(RuntimeError, match="my_step raised SystemExit: 0"):
        check(lambda *args: sys.exit(0))


# ---------------------------------------------------------------- autodiff packages


def written_for(xp):
    """A step that returns the loss alone, a sum over the batch."""
    def loss(weights, mu, x, p, alpha):
        h = xp.where(x @ weights[0] + weights[1] > 0, x @ weights[0] + weights[1], 0.0)
        h = xp.where(h @ weights[2] + weights[3] > 0, h @ weights[2] + weights[3], 0.0)
        z = h @ weights[4] + weights[5]
        s = (1 + ((z[:, None] - mu) ** 2).sum(2) / alpha) ** (-(alpha + 1) / 2)
        q = s / s.sum(1)[:, None]
        return (p * xp.log(p / q)).sum()
    return loss


def test_autograd_takes_the_gradients():
    import autograd.numpy as xp

    report = check(written_for(xp), autodiff="autograd")
    assert report and report.factor == 12 and max(finding.error for finding in report.findings) < 1e-12
    wrong = lambda w, mu, x, p, alpha: written_for(xp)(w, mu, x, p, 1.0)
    assert check(wrong, autodiff="autograd").slip.startswith("alpha is ignored")


def test_a_loss_that_autodiff_cannot_take_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"the loss of my_step must be a number; got an array of shape \(12,\): it is not summed"):
        check(lambda w, mu, x, p, alpha: (x @ w[0]).sum(axis=1), autodiff="autograd")
    with pytest.raises(ValueError, match="with autodiff, my_step must return the loss alone; got tuple"):
        check(lambda w, mu, x, p, alpha: (w[0].sum(), w, mu), autodiff="autograd")
    monkeypatch.setattr(references, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="autodiff must be a package on this machine; 'torch' is not installed"):
        check(autodiff="torch")


def test_jax_takes_the_gradients():
    jax = pytest.importorskip("jax")
    report = check(written_for(jax.numpy), autodiff="jax")
    assert report and report.factor == 12 and last_line(report).endswith("in single precision")


def test_torch_takes_the_gradients_of_a_module_as_it_is():
    torch = pytest.importorskip("torch")
    assert check(written_for(torch), autodiff="torch").factor == 12
    encoder = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 7), torch.nn.ReLU(),
                                  torch.nn.Linear(7, 3))

    def loss(weights, mu, x, p, alpha, detach=False):
        z = encoder(x)
        s = (1 + torch.cdist(z.detach() if detach else z, mu) ** 2 / alpha) ** (-(alpha + 1) / 2)
        q = s / s.sum(1, keepdim=True)
        return torch.nn.functional.kl_div(q.log(), p, reduction="batchmean")

    data = [torch.tensor(a, dtype=torch.float32) for a in (MU, X, P)]
    report = check_step(loss, list(encoder.parameters()), *data, alpha=2.0, autodiff="torch")
    assert report and report.layout == "(out, in)" and last_line(report) == "the step holds, in single precision"
    assert all(parameter.grad is None for parameter in encoder.parameters())
    report = check_step(lambda *a: loss(*a, detach=True), list(encoder.parameters()), *data, alpha=2.0, autodiff="torch")
    assert report.first_wrong == "b3" and "b3: wrong: no gradient; it does not take part in the loss" in str(report)
    report = check_step(lambda *a: loss(*a).detach(), list(encoder.parameters()), *data, alpha=2.0, autodiff="torch")
    assert report.first_wrong == "mu" and "mu: wrong: no gradient; it does not take part in the loss" in str(report)
    with pytest.raises(ValueError, match=r"the loss of my_step must be a number; got an array of shape \(12, 3\)"):
        check_step(lambda w, mu, x, p, alpha: encoder(x), list(encoder.parameters()), *data, alpha=2.0, autodiff="torch")
