"""Comparison of a user's whole training step with that of this package: loss, every W and b of the encoder, mu."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..layers import Dense
from ..utils.validation import check_number
from .arrays import DOUBLE, precision, real_argument
from .derivatives import relative_error
from .step_call import CalledStep, call_step
from .step_rules import Step, right_step, step_with_slope, wrong_steps

__all__ = ["check_step", "StepReport", "StepFinding"]

RTOL = {DOUBLE: 1e-8, 2.0**-23: 1e-4, 2.0**-10: 2e-2, 2.0**-7: 0.1}
SINGLE_RTOL = 1e-4
"""A step that returns float64 and holds to this, but not to 1e-8, was computed in single precision or has an epsilon."""

SLOPE = "with {:g} as the derivative of a ReLU at 0; 0 is usual"


class StepFinding(NamedTuple):
    """Result for one array of the step.

    Attributes
    ----------
    name : str
        "mu", "b2", "W2", ..., "loss".
    ok : bool
        True if the array holds.
    error : float
        The largest difference from the right array times the common factor, relative to its largest entry.
    sentence : str
        The finding in words.
    """

    name: str
    ok: bool
    error: float
    sentence: str


@dataclass(frozen=True)
class StepReport:
    """Result of ``check_step``. Its truth value is ``ok``, and ``str()`` of it has a line for each array.

    Attributes
    ----------
    findings : list of StepFinding
        From the top of the backward pass: mu, the last layer's b and W, ..., the first layer's, and the loss.
    factor : float
        Common factor of the gradients, relative to the mean over the batch.
    words : str
        Name of the factor, such as "as a sum over the batch"; empty for 1.
    layout : str
        Layout of the weights: "(in, out)" or "(out, in)", which is torch's.
    slip : str or None
        Likely mistake, in words; None if the step holds or no known mistake gives these numbers.
    note : str, default=""
        Convention and precision with which the step holds, if they are not those of this package and of float64.
    """

    findings: list[StepFinding]
    factor: float
    words: str
    layout: str
    slip: str | None
    note: str = ""

    @property
    def ok(self) -> bool:
        """True if all arrays hold, up to one common factor."""
        return all(finding.ok for finding in self.findings)

    @property
    def first_wrong(self) -> str | None:
        """Name of the first array that is wrong, from the top of the backward pass."""
        return next((finding.name for finding in self.findings if not finding.ok), None)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"the weights are {self.layout}" + (", as in torch" if self.layout == "(out, in)" else "")]
        lines += [finding.sentence for finding in self.findings]
        likely = f"; likely: {self.slip}" if self.slip else ""
        how = "".join(f", {part}" for part in (self.words, self.note) if part)
        if self.ok:
            lines.append(f"the step holds{how}")
        elif self.first_wrong == "loss":
            lines.append(f"the gradients hold{how}, but the loss is wrong{likely}")
        else:
            lines.append(f"{self.first_wrong} is the first that is wrong, from the loss down{likely}")
        return "\n".join(lines)


def check_step(
    my_step: Callable[..., Any], weights: Iterable[Any], mu: Any, x: Any, p: Any, alpha: float = 1.0, *,
    activations: Sequence[str] | None = None, autodiff: str | None = None,
    asarray: Callable[[np.ndarray], Any] | None = None, layout: str | None = None, rtol: float | None = None,
) -> StepReport:
    """Compare one training step of your network with that of this package: loss, and gradients of weights and centroids.

    The loss of this package is the mean of Eq. 2 over the batch, backpropagated through the encoder in float64, P held
    constant. A step that is right up to one positive factor holds, and the report names the factor: it is b for a sum
    over the batch.

    Parameters
    ----------
    my_step : callable
        (weights, mu, x, p, alpha) -> (loss, gradients of the weights in their order, gradient of mu). The loss may be
        None. With ``autodiff``, it returns the loss alone. It may leave ``alpha`` out if alpha is 1.
    weights : iterable of array
        W and b of each layer of the encoder, first layer first: W, b, W, b, ... A b may be missing. W is (in, out), or
        (out, in) as in torch: ``list(encoder.parameters())`` of dense layers is such a list.
    mu : array of shape (k, d)
        Centroids.
    x : array of shape (b, D)
        Minibatch.
    p : array of shape (b, k)
        Targets of x; rows sum to 1.
    alpha : float, default=1.0
        Degrees of freedom.
    activations : sequence of {"relu", "linear"}, default=None
        Activation of each layer. None means "relu", and "linear" for the last.
    autodiff : {"torch", "jax", "autograd"}, default=None
        Package that takes the gradients of the loss. torch parameters that require a gradient are handed over
        themselves, so ``my_step`` may call the module to which they belong. All other arrays are copies.
    asarray : callable, default=None
        Makes the arrays that ``my_step`` gets from float64 NumPy arrays, such as ``torch.tensor``. None means arrays of the
        kind and dtype of those that are given, or of the package of ``autodiff``.
    layout : {"(in, out)", "(out, in)"}, default=None
        Layout of each W. None decides by the shapes. If all are square, it is (out, in) for torch.
    rtol : float, default=None
        Relative error allowed. None means 1e-4 in double precision and float32, 0.02 in float16, 0.1 in bfloat16. In double
        precision, the report says so if the error is above 1e-8.

    Returns
    -------
    report : StepReport
        Result, with ``ok``, ``first_wrong``, ``slip``, ``factor``, ``layout`` and ``findings``.

    Raises
    ------
    ValueError
        If shapes, activations or the package do not fit, a number is not finite, not real or masked, the rows of p do not
        sum to 1, or ``my_step`` returns another form.
    FunctionError
        If ``my_step`` raises: with the shapes and dtypes of its arguments.

    See Also
    --------
    check_against : Check of the functions of Eqs. 1-5.
    check_gradient : Check of any gradient.

    Examples
    --------
    >>> from decnp.gradcheck.problems import draw_problem
    >>> from decnp.layers import arrays_of
    >>> from decnp.losses import clustering_loss_and_grads
    >>> pr = draw_problem(np.random.default_rng(0), n=8, k=4, d=3, alpha=1.0, dtype=float)
    >>> encoder = pr.theta[: pr.n_encoder]
    >>> def my_step(weights, mu, x, p, alpha):
    ...     loss, g_mu, g_theta = clustering_loss_and_grads(encoder, mu, x, p, alpha)
    ...     return 8 * loss, [8 * g for g in arrays_of(g_theta)], 8 * g_mu
    >>> report = check_step(my_step, arrays_of(encoder), pr.mu, pr.x, pr.p)
    >>> print(str(report).splitlines()[-1])
    the step holds, as a sum over the batch: 8 times the mean
    """
    alpha = getattr(alpha, "item", lambda: alpha)()  # a number of torch or JAX
    check_number("alpha", alpha, 0, strict=True)
    weights = list(weights)
    given = [real_argument("weights", a) for a in weights]
    mu_given, x_given, p_given = (real_argument(name, a) for name, a in (("mu", mu), ("x", x), ("p", p)))
    if not all(np.isfinite(a).all() for a in (*given, mu_given, x_given, p_given)):
        raise ValueError("weights, mu, x and p must be finite")
    if p_given.ndim == 2 and not np.allclose(p_given.sum(axis=1), 1, atol=2e-2 if precision(p) > 2.0**-23 else 1e-5):
        raise ValueError("the rows of p must sum to 1: Eqs. 4 and 5 assume it")
    _orientations(_layers(given, mu_given, x_given, p_given, activations), x_given, mu_given, layout, False)
    called = call_step(my_step, [*weights, mu, x, p], float(alpha), autodiff, asarray)
    *seen, mu, x, p = called.seen
    layers = _layers(seen, mu, x, p, activations)
    has_b = [b is not None for _, b, _ in layers]
    if rtol is None:
        rtol = max(RTOL.get(called.eps, SINGLE_RTOL), SINGLE_RTOL)
    reports = []
    for name, theta in _orientations(layers, x, mu, layout, called.package == "torch"):
        report = _report(called, right_step(theta, mu, x, p, float(alpha)), name, has_b, rtol)
        if not report.ok:
            report = replace(report, slip=_slip(called, wrong_steps(theta, mu, x, p, float(alpha)), name, has_b, rtol))
        for slope in (1.0, 0.5):
            if not (report.ok or report.slip):
                other = _report(called, step_with_slope(theta, mu, x, p, float(alpha), slope), name, has_b, rtol)
                report = replace(other, note=SLOPE.format(slope)) if other.ok else report
        reports.append(report)
    report = next((report for report in reports if report.ok or report.slip), reports[0])
    return replace(report, note=", ".join(filter(None, (report.note, _precision_note(report, called.eps)))))


def _precision_note(report: StepReport, eps: float) -> str:
    """Return with which precision the step holds; "" for float64."""
    if eps > DOUBLE:
        return {2.0**-23: "in single precision", 2.0**-7: "in bfloat16"}.get(eps, "in half precision")
    error = max((finding.error for finding in report.findings if finding.ok), default=0.0)
    return f"to {error:.0e}: is there single precision, or an epsilon, inside?" if error > RTOL[DOUBLE] else ""


def _layers(
    weights: list[np.ndarray], mu: np.ndarray, x: np.ndarray, p: np.ndarray, activations: Sequence[str] | None
) -> list[tuple[np.ndarray, np.ndarray | None, str]]:
    """Return W, b and the activation of each layer, or raise ValueError."""
    pairs: list[list[np.ndarray | None]] = []
    for a in weights:
        if a.ndim == 2:
            pairs.append([a, None])
        elif a.ndim == 1 and pairs and pairs[-1][1] is None:
            pairs[-1][1] = a
        else:
            raise ValueError("weights must be W, b, W, b, ... of dense layers, W with two dimensions and b with one; got "
                             f"the shapes {', '.join(str(w.shape) for w in weights)}")
    if not pairs:
        raise ValueError("weights must hold at least one W; got none")
    if x.ndim != 2 or mu.ndim != 2 or p.shape != (len(x), len(mu)):
        raise ValueError(f"x must be (b, D), mu (k, d) and p (b, k); got {x.shape}, {mu.shape} and {p.shape}")
    acts = ["relu"] * (len(pairs) - 1) + ["linear"] if activations is None else list(activations)
    if len(acts) != len(pairs) or not set(acts) <= {"relu", "linear"}:
        raise ValueError(f"activations must be 'relu' or 'linear' for each of the {len(pairs)} layers; got {acts}")
    return [(W, b, act) for (W, b), act in zip(pairs, acts) if W is not None]


def _orientations(
    layers: list[tuple[np.ndarray, np.ndarray | None, str]], x: np.ndarray, mu: np.ndarray, layout: str | None, torch: bool
) -> list[tuple[str, list[Dense]]]:
    """Return the layouts that the shapes allow, the likelier first, each with the network in the layout of this package."""
    names = ["(out, in)", "(in, out)"] if torch else ["(in, out)", "(out, in)"]
    if layout is not None and layout not in names:
        raise ValueError(f"layout must be '(in, out)' or '(out, in)'; got {layout!r}")
    fitting = []
    for name in names if layout is None else [layout]:
        theta = []
        for W, b, act in layers:
            W = W.T if name == "(out, in)" else W
            theta.append(Dense(W, np.zeros(W.shape[1]) if b is None else b, act))
        sizes = [x.shape[1], *(len(W) for W, _, _ in theta[1:]), mu.shape[1]]
        if all(W.shape == (n_in, n_out) and b.shape == (n_out,)
               for (W, b, _), n_in, n_out in zip(theta, sizes, sizes[1:])):
            fitting.append((name, theta))
    if not fitting:
        shapes = ", ".join(f"{W.shape}{'' if b is None else f' {b.shape}'}" for W, b, _ in layers)
        raise ValueError(f"weights must lead from the {x.shape[1]} columns of x to the {mu.shape[1]} of mu, as (in, out) or "
                         f"(out, in); got {shapes}")
    return fitting


def _report(called: CalledStep, right: Step, layout: str, has_b: list[bool], limit: float) -> StepReport:
    """Compare the user's step with the right one, array by array from the top of the backward pass."""
    ours = [(f"{letter}{l + 1}", g.T if letter == "W" and layout == "(out, in)" else g)
            for l in range(len(has_b)) for letter, g in zip("Wb", right.g_theta[2 * l : 2 * l + 2])
            if letter == "W" or has_b[l]]
    if len(called.g_weights) != len(ours):
        raise ValueError(f"my_step must return one gradient for each of the {len(ours)} weights; got "
                         f"{len(called.g_weights)}")
    pairs = [("mu", called.g_mu, right.g_mu)]
    pairs += [(name, given, our) for (name, our), given in reversed(list(zip(ours, called.g_weights)))]
    b, k = len(called.seen[-2]), len(right.g_mu)
    factor = _common_factor(pairs, limit, b, k)
    findings = [_finding(name, given, our, factor, limit) for name, given, our in pairs]
    if called.loss is not None:
        findings.append(_loss(called.loss, right.loss, factor, b, k, limit))
    return StepReport(findings, factor, _factor_words(factor, b, k), layout, None)


def _factor(given: np.ndarray | None, our: np.ndarray, limit: float) -> float | None:
    """Return c if the given array is c times the right one everywhere, else None."""
    size = float(np.sum(our * our))
    if given is None or given.shape != our.shape or size == 0 or not np.isfinite(given).all():
        return None
    c = float(np.sum(given * our)) / size
    return c if c != 0 and relative_error(given / c, our)[0] <= limit else None


def _common_factor(pairs: list[tuple[str, np.ndarray | None, np.ndarray]], limit: float, b: int, k: int) -> float:
    """Return the factor that most of the arrays have, from the top; 1 if none has one or it is not positive."""
    factors = [c for c in (_factor(given, our, limit) for _, given, our in pairs) if c is not None and c > 0]
    if not factors:
        return 1.0
    c = max(factors, key=lambda c: sum(abs(other - c) <= 2 * limit * c for other in factors))  # the first of equals
    return next((exact for exact in (1.0, float(b), 1 / k) if abs(c - exact) <= 2 * limit * exact), c)


def _factor_words(factor: float, b: int, k: int) -> str:
    if factor == 1:
        return ""
    if factor == b:
        return f"as a sum over the batch: {b} times the mean"
    if factor == 1 / k:
        return f"as a mean over the b k = {b * k} entries: 1/{k} of the mean over the batch"
    return f"as {factor:.6g} times the mean over the batch"


def _finding(name: str, given: np.ndarray | None, our: np.ndarray, factor: float, limit: float) -> StepFinding:
    """Compare one gradient with the right one times the common factor."""
    if given is None:
        return StepFinding(name, False, np.inf, f"{name}: wrong: no gradient; it does not take part in the loss")
    if given.shape != our.shape:
        turned = " (transposed)" if given.shape == our.shape[::-1] else ""
        return StepFinding(name, False, np.inf,
                           f"{name}: wrong: the gradient must have the shape {our.shape}; got {given.shape}{turned}")
    right = factor * our
    error, index = relative_error(given / factor, our)
    if error <= limit:
        return StepFinding(name, True, error, f"{name}: holds (relative error {error:.1e})")
    own = _factor(given, right, limit)
    if not given.any():
        why = "it is zero everywhere; is it detached, or frozen?"
    elif own is not None:
        why = "the sign is wrong" if abs(own + 1) <= 2 * limit else f"it is {own:.6g} times what it must be, everywhere"
    elif our.ndim == 2 and our.shape[0] == our.shape[1] and relative_error(given.T / factor, our)[0] <= limit:
        why = "it is transposed"
    else:
        why = (f"at {list(index)} it is {given[index]:.6g}, it must be {right[index]:.6g} "
               f"(relative error {error:.1e})")
    return StepFinding(name, False, error, f"{name}: wrong: {why}")


def _loss(given: float, our: float, factor: float, b: int, k: int, limit: float) -> StepFinding:
    """Compare the loss with the right one times the factor of the gradients."""
    error = abs(given / factor - our) / max(abs(our), 1e-3)
    if error <= limit:
        return StepFinding("loss", True, error, f"loss: holds (relative error {error:.1e})")
    for other in (1.0, float(b), 1 / k):
        if abs(given / other - our) <= limit * max(abs(our), 1e-3):
            name = _factor_words(other, b, k) or "as a mean over the batch"
            return StepFinding("loss", False, error, f"loss: wrong: it is right {name}, but the gradients are "
                                                     f"{factor / other:.6g} times those of this loss")
    return StepFinding("loss", False, error if np.isfinite(error) else np.inf,
                       f"loss: wrong: it is {given:.6g}, it must be {factor * our:.6g}")


def _slip(
    called: CalledStep, known: Iterable[tuple[str, Step]], layout: str, has_b: list[bool], limit: float
) -> str | None:
    """Return the first known mistake that gives the same step, up to a factor."""
    with np.errstate(all="ignore"):
        for name, wrong in known:
            report = _report(called, wrong, layout, has_b, limit)
            if report.ok:
                return name + (f" ({report.words})" if report.words else "")
    return None
