"""Comparison of a gradient with the numerical derivative of its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..utils.validation import check_number
from .arrays import DOUBLE, accepts, array_maker, as_numpy, library, real_argument, real_result
from .derivatives import FLOOR, relative_error
from .differences import RATIO, Differences, Probe, complex_gradient, differences, is_analytic, is_refuted, recipe

__all__ = ["check_gradient", "GradientCheck", "compare"]

METHODS = ("auto", "complex_step", "central_difference")
COMPLEX_STEP = 1e-30
COMPLEX_RTOL = 1e-12
MOST_REPEATED = 100
"""Largest number of wrong entries to compare again with smaller steps, the worst first, until one stays wrong."""


@dataclass(frozen=True)
class GradientCheck:
    """Result of ``check_gradient``. Its truth value is ``ok``, and ``str()`` of it is a sentence.

    Attributes
    ----------
    ok : bool
        True if the gradient holds.
    error : float
        The largest difference, relative to the largest entry of the numerical derivative.
    rtol : float
        Relative error allowed.
    index : tuple
        Index of the entry that differs most.
    actual : float
        The given gradient at ``index``.
    expected : float
        The numerical derivative at ``index``.
    method : str
        "complex step" or "central difference".
    verdict : str, default=""
        "holds", "wrong", "not decided" (the numerical derivative has too few digits) or "not analytic".
    note : str, default=""
        Further sentence: why the complex step was not used, kinks, or why the check was not decided.
    kinks : tuple, default=()
        Indices where the one-sided derivatives differ, as for a ReLU at 0.
    """

    ok: bool
    error: float
    rtol: float
    index: tuple
    actual: float
    expected: float
    method: str
    verdict: str = ""
    note: str = ""
    kinks: tuple = ()

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        if self.verdict == "not analytic":
            return f"fun is not analytic ({self.note}): use method='central_difference'"
        if self.verdict == "not decided":
            return f"not decided: {self.note}"
        if self.ok:
            return (f"the gradient holds: relative error {self.error:.1e} against the {self.method}, "
                    f"allowed {self.rtol:.0e}{note}")
        where = f"at {list(self.index)} " if self.index else ""
        return (f"the gradient is wrong: {where}it is {self.actual:.10g}, the {self.method} gives {self.expected:.10g} "
                f"(relative error {self.error:.1e}, allowed {self.rtol:.0e}){note}")


def check_gradient(
    fun: Callable[[Any], Any], grad: Any, x: Any, *, method: str = "auto", rtol: float | None = None,
    h: float | None = None, asarray: Callable[[np.ndarray], Any] | None = None,
) -> GradientCheck:
    """Compare a gradient with the numerical derivative of its function.

    ``fun`` and ``grad`` get a new array for each call, so they may change it.

    Parameters
    ----------
    fun : callable
        Function of an array of the shape of x. It returns a number. If it returns an array y, the check is of the
        scalar sum(u * y), where u has random entries from a fixed seed.
    grad : callable, array or None
        Gradient at x, or a function of x that returns it. If ``fun`` returns an array y, the Jacobian, of shape
        y.shape + x.shape, or a function of x that returns it, or a function vjp(x, u) that returns the gradient of
        sum(u * y). None means that ``fun`` returns (loss, gradient).
    x : array
        Point: a NumPy array or list, a torch tensor or a JAX array. ``fun`` and ``grad`` get float64 NumPy arrays, or
        arrays of the package and dtype of x.
    method : {"auto", "complex_step", "central_difference"}, default="auto"
        "complex_step" is exact to the last digits. ``fun`` must be analytic: no abs, conj, vdot, norm, no cast to
        float. "auto" takes it where fun is analytic and works in double precision on NumPy arrays. Elsewhere it takes
        central differences, with two steps.
    rtol : float, default=None
        Relative error allowed. None means 1e-12 for the complex step, and for central differences 1e-6 in double
        precision, 0.01 in float32, 0.03 in float16 and 0.1 in bfloat16.
    h : float, default=None
        Relative step of central differences; the second step is a quarter of it. None means 2.4e-5, 0.02, 0.4, 0.6 in the
        precisions above. With ``method="complex_step"``, the imaginary step, and None means 1e-30.
    asarray : callable, default=None
        Makes the array that ``fun`` and ``grad`` get from a float64 NumPy array, such as ``torch.tensor``.

    Returns
    -------
    check : GradientCheck
        Result, with ``ok``, ``verdict``, ``error``, ``index``, ``actual``, ``expected``, ``method`` and ``kinks``.

    Raises
    ------
    ValueError
        For an unknown method, an h that is not > 0, a negative rtol, an x that is empty, not finite, not real or masked, or
        a gradient that is not real or has another shape than x.

    See Also
    --------
    dot_test : Check of a backward pass in a few calls.
    complex_step, central_difference : The numerical derivatives.

    Notes
    -----
    An entry where the one-sided derivatives differ is a kink. Any value from the left to the right derivative holds
    at a kink. Central differences call ``fun`` four times for each entry of x.

    Examples
    --------
    >>> check = check_gradient(lambda x: np.sum(x**3), lambda x: 2 * x**2, [1.0, 2.0])
    >>> check.ok, check.index
    (False, (1,))
    >>> print(check)
    the gradient is wrong: at [1] it is 8, the complex step gives 12 (relative error 3.3e-01, allowed 1e-12)
    >>> check = check_gradient(lambda x: np.vdot(x, x), lambda x: 2 * x, [1.0, 2.0])
    >>> check.ok, check.method
    (True, 'central difference')
    >>> print(check.note)
    fun is not analytic: complex step and central differences disagree, as with abs, conj, vdot or x.real
    """
    if method not in METHODS:
        raise ValueError(f"method must be {', '.join(map(repr, METHODS[:-1]))} or {METHODS[-1]!r}; got {method!r}")
    if h is not None:
        check_number("h", h, 0, strict=True)
    if rtol is not None:
        check_number("rtol", rtol, 0)
    f, x, is_numpy = _prepare(fun, grad, x, asarray)
    with np.errstate(all="ignore"):  # the points around x may lie where fun is not defined
        value, again = f(x), f(x)
        eps, rounding = f.precision(x)
        if not np.isfinite(value):
            return _undecided(method, f"fun is {value:g} at x")
        if abs(again - value) > 1e3 * eps * abs(value):
            return _undecided(method, f"two calls of fun at x give {value:.10g} and {again:.10g}; fix its random numbers")
        actual = _gradient(f, grad, x)
        return compare(f, actual, x, method, is_numpy, eps, rounding, h, rtol)


def compare(
    f: Probe, actual: np.ndarray, x: np.ndarray, method: str, is_numpy: bool, eps: float, rounding: float,
    h: float | None = None, rtol: float | None = None,
) -> GradientCheck:
    """Compare the gradient ``actual`` with the derivative of ``f`` at x, by one method or by the best for ``f`` ("auto").

    ``is_numpy``: f gets NumPy arrays. ``eps`` is the precision of f, ``rounding`` that of its result, as ``Probe.precision``
    returns them. h and rtol are those of ``check_gradient``.
    """
    if method == "complex_step":
        return _by_complex_step(f, actual, x, COMPLEX_STEP if h is None else h, rtol)
    if method == "central_difference" or rounding > DOUBLE or not is_numpy:
        return _by_differences(f, actual, x, eps, rounding, h, rtol)
    check = _by_complex_step(f, actual, x, COMPLEX_STEP, rtol)
    if check.verdict in ("holds", "wrong"):
        return check
    by_differences = _by_differences(f, actual, x, eps, rounding, h, rtol)
    if check.verdict == "not decided" and by_differences.ok and check.error <= by_differences.rtol:
        return replace(check, verdict="wrong", note="")  # the differences confirm the complex step as far as they reach
    if check.verdict == "not decided" or by_differences.kinks or by_differences.verdict == "not decided":
        return by_differences
    return replace(by_differences, note=f"fun is not analytic: {check.note}")


def _prepare(fun: Callable, grad: Any, x: Any, asarray: Callable | None) -> tuple[Probe, np.ndarray, bool]:
    """Return the function as a ``Probe``, the point as it sees it, and whether it gets NumPy arrays."""
    make = array_maker(x, asarray)
    given = real_argument("x", x)
    if given.size == 0:
        raise ValueError(f"x must have at least one entry; got the shape {given.shape}")
    if not np.isfinite(given).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(given))[0])
        raise ValueError(f"x must be finite; got {given[index]} at {list(index)}")
    handed = make(given)
    point = as_numpy(handed)  # as the function sees it: rounded to its dtype
    f = Probe(fun, make, pair=grad is None)
    result = f.result(point)
    try:
        value = as_numpy(result)
    except (TypeError, ValueError):
        raise ValueError(f"fun must return a number or an array of numbers; got {type(result).__name__}") from None
    if np.iscomplexobj(value):
        raise ValueError("fun must return real numbers for real x; got complex ones: take the real part")
    if value.size != 1:
        f.weights = np.random.default_rng(0).normal(size=value.shape)
    return f, point, library(handed) == "numpy" and isinstance(handed, np.ndarray)


def _gradient(f: Probe, grad: Any, x: np.ndarray) -> np.ndarray:
    """Return the given gradient of the scalar in x as a NumPy array."""
    with_u = callable(grad) and accepts(grad, 2) and not accepts(grad, 1)
    if grad is None:
        given = f.fun(f.make(x))[1]
    elif f.weights is not None and with_u:
        given = grad(f.make(x), f.make(f.weights))
    else:
        given = grad(f.make(x)) if callable(grad) else grad
    gradient = real_result("grad", given, "an array of the shape of x")
    if f.weights is not None and with_u:
        if gradient.shape != x.shape:
            raise ValueError(f"grad(x, u) must return the shape of x, {x.shape}; got {gradient.shape}")
        return gradient
    if f.weights is not None:
        if gradient.shape != f.weights.shape + x.shape:
            raise ValueError(
                f"fun returns an array of shape {f.weights.shape}, so grad must be its Jacobian, of shape "
                f"{f.weights.shape + x.shape}, or a function of x and u; got the shape {gradient.shape}")
        return np.asarray(np.tensordot(f.weights, gradient, f.weights.ndim))
    if gradient.shape != x.shape:
        raise ValueError(f"grad must have the shape of x, {x.shape}; got {gradient.shape}")
    return gradient


def _by_complex_step(f: Probe, actual: np.ndarray, x: np.ndarray, h: float, rtol: float | None) -> GradientCheck:
    """Compare with the complex step; "not analytic" or "not decided" where it can't be relied on."""
    rtol = COMPLEX_RTOL if rtol is None else rtol
    expected, reason = complex_gradient(f, x, h)
    if expected is None:
        return replace(_undecided("complex_step", reason), verdict="not analytic", rtol=rtol)
    if not np.isfinite(expected).all():
        return _undecided("complex_step", "the complex step gives numbers that are not finite: give another x")
    error, index = relative_error(actual, expected)
    check = GradientCheck(error <= rtol, error, rtol, index, float(actual[index]), float(expected[index]),
                          "complex step", "holds" if error <= rtol else "wrong")
    analytic = is_analytic(f, x, expected)
    if analytic is False:
        note = "complex step and central differences disagree, as with abs, conj, vdot or x.real"
        return replace(check, ok=False, verdict="not analytic", note=note)
    if analytic is None and not check.ok and h == COMPLEX_STEP:
        return replace(check, verdict="not decided", note="the complex step could not be confirmed")
    return check


def _by_differences(
    f: Probe, actual: np.ndarray, x: np.ndarray, eps: float, rounding: float, h: float | None, rtol: float | None
) -> GradientCheck:
    """Compare with central differences; entries where two steps disagree decide nothing."""
    h, rtol = recipe(max(eps, rounding)).h if h is None else h, recipe(eps).rtol if rtol is None else rtol
    d = differences(f, x, h, rounding, rtol)
    expected = d.nearest(actual)
    known = np.isfinite(expected)
    scale = _scale(expected[known], actual, eps * max(d.largest, FLOOR))
    away = np.where(np.isfinite(actual), np.abs(actual - expected), np.inf)
    away = np.where(known, away, np.nan)
    off = ~(away <= rtol * scale)
    undecided = ~d.kinks & (np.isnan(away) | ((d.spread > rtol * scale) & (away <= 4 * d.spread)))
    wrong, open_ = off & ~undecided, off & undecided & ~d.near
    for candidates in (wrong, open_):
        for t in sorted(zip(*np.nonzero(candidates)), key=lambda t: -away[t])[:MOST_REPEATED]:
            if is_refuted(f, x, t, float(actual[t]), float(away[t]), h, rounding):
                break
            candidates[t], d.near[t] = False, True
    verdict = "wrong" if wrong.any() else "not decided" if open_.any() or 2 * d.near.sum() > x.size else "holds"
    chosen = wrong if wrong.any() else open_ if open_.any() else ~(off & d.near)
    chosen = chosen if chosen.any() else np.ones(x.shape, bool)
    ranked = np.where(chosen, np.nan_to_num(away, nan=np.inf, posinf=np.inf), -1.0)
    index = tuple(map(int, np.unravel_index(np.argmax(ranked), x.shape)))
    kinks = tuple(tuple(map(int, t)) for t in np.argwhere(d.kinks))
    note = _disagreement(d, index, h, rounding, actual) if verdict == "not decided" else _kinks(d, kinks, h, actual)
    return GradientCheck(verdict == "holds", float(away[index]) / scale, rtol, index, float(actual[index]),
                         float(expected[index]), "central difference", verdict, note, kinks)


def _scale(expected: np.ndarray, actual: np.ndarray, rounding: float) -> float:
    """Return the largest entry of the derivative; at least ``FLOOR`` for a gradient that is zero up to roundings."""
    largest = float(np.max(np.abs(expected), initial=0))
    is_zero = bool(np.all(np.abs(actual) <= 4 * rounding))
    return max(largest, FLOOR) if is_zero else largest or FLOOR


def _disagreement(d: Differences, index: tuple, h: float, rounding: float, actual: np.ndarray) -> str:
    """Return why the numerical derivative has too few digits at an entry."""
    at = f"at {list(index)} " if index else ""
    given = f"; the given gradient is {float(actual[index]):.6g}"
    if not np.isfinite(d.coarse[index] + d.fine[index]):
        return f"{at}fun is not finite within a step of {h:g} from x: give a smaller h, or another x{given}"
    if abs(d.coarse[index] - d.fine[index]) > d.spread[index] / 2:
        return (f"the two steps disagree: {at}a relative step of {h:g} gives {d.coarse[index]:.6g}, one of {h / RATIO:g} "
                f"gives {d.fine[index]:.6g}{given}")
    return (f"{at}the rounding of fun, {rounding:.1e} of its value, is {d.spread[index]:.1g} in the derivative: "
            f"compute in a higher precision or give a larger h{given}")


def _kinks(d: Differences, kinks: tuple, h: float, actual: np.ndarray) -> str:
    """Return where kinks are; "" if there are none."""
    if not kinks:
        near = int(d.near.sum())
        return f"at {near} of {d.near.size} entries, fun has a kink within the relative step of {h:g}" if near else ""
    first = kinks[0]
    at = f" at {list(first)}" if first else ""
    more = f" and at {len(kinks) - 1} other entries" if len(kinks) > 1 else ""
    return (f"fun has a kink{at}{more}: the left derivative is {d.left[first] + 0.0:.6g}, "
            f"the right one {d.right[first]:.6g}, the given gradient {float(actual[first]):.6g}")


def _undecided(method: str, note: str) -> GradientCheck:
    name = "complex step" if method == "complex_step" else "central difference"
    return GradientCheck(False, np.inf, 0.0, (), np.nan, np.nan, name, "not decided", note)
