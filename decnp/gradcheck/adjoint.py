"""Dot test: check a backward pass by one scalar product on each side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..utils.validation import check_number
from .arrays import DOUBLE, array_maker, as_numpy, precision, real_argument, real_result
from .differences import Probe, recipe
from .gradients import GradientCheck, compare

__all__ = ["dot_test", "DotTest"]

LINEAR_RTOL = {DOUBLE: 1e-12, 2.0**-23: 1e-4, 2.0**-10: 2e-2, 2.0**-7: 0.1}
"""Precision -> relative tolerance where nothing is differentiated: only roundings are left."""


@dataclass(frozen=True)
class DotTest:
    """Result of ``dot_test``. Its truth value is ``ok``, and ``str()`` of it is a sentence.

    Attributes
    ----------
    ok : bool
        True if both products are equal.
    forward : float
        <J v, u>, J the Jacobian of ``forward``.
    backward : float
        <v, vjp(x, u)>.
    error : float
        Difference of ``forward`` and ``backward``, relative to <J v, u>.
    rtol : float
        Relative error allowed.
    method : str
        "complex step", "central difference", or "forward(v)" for a linear function.
    verdict : str
        "holds", "wrong", "not decided" or "not linear".
    note : str, default=""
        Further sentence, such as the reason why the test was not decided.
    """

    ok: bool
    forward: float
    backward: float
    error: float
    rtol: float
    method: str
    verdict: str
    note: str = ""

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.verdict == "not linear":
            return f"forward is not linear: {self.note}"
        if self.verdict == "not decided":
            return f"not decided: {self.note}"
        relation = "the adjoint holds" if self.ok else "the adjoint is wrong"
        return (f"{relation}: <J v, u> is {self.forward:.10g} by {self.method}, <v, vjp> is {self.backward:.10g} "
                f"(relative error {self.error:.1e}, allowed {self.rtol:.0e}){f'; {self.note}' if self.note else ''}")


def dot_test(
    forward: Callable[[Any], Any], vjp: Callable[..., Any], x: Any, *, linear: bool = False, rtol: float | None = None,
    random_state: int = 0, asarray: Callable[[np.ndarray], Any] | None = None,
) -> DotTest:
    """Compare <J v, u> with <v, vjp(x, u)> for random v and u, where J is the Jacobian of ``forward`` at x.

    The two are equal for every v and u if and only if vjp(x, u) is J^T u, the gradient of sum(u * forward(x)). One
    random pair shows a wrong backward pass, in a few calls, for x of any size. ``check_gradient`` shows which entry is
    wrong. v is normal; u has random sizes and the signs of J v, so that no terms cancel.

    Parameters
    ----------
    forward : callable
        Function of an array of the shape of x that returns an array or a number.
    vjp : callable
        Backward pass: (x, u) -> array of the shape of x, where u has the shape of forward(x). With ``linear``, the
        adjoint: u -> array of the shape of x.
    x : array
        Point: a NumPy array or list, a torch tensor or a JAX array. With ``linear``, only its shape and kind matter.
    linear : bool, default=False
        True for a linear function without a constant: J v is forward(v), and nothing is differentiated. With False,
        J v is taken by the complex step, or by central differences, as ``check_gradient`` does.
    rtol : float, default=None
        Relative error allowed. None means 1e-12 for the complex step and with ``linear``. Single and half precision and
        central differences have larger ones.
    random_state : int, default=0
        Seed of v and u.
    asarray : callable, default=None
        Makes the arrays that the functions get from a float64 NumPy array, such as ``torch.tensor``.

    Returns
    -------
    test : DotTest
        Result, with ``ok``, ``forward``, ``backward``, ``error`` and ``verdict``.

    Raises
    ------
    ValueError
        If ``vjp`` returns another shape than x, ``forward`` returns complex numbers, or x is empty or not finite.

    See Also
    --------
    check_gradient : Comparison of each entry of a gradient.

    Notes
    -----
    Source: the dot test of PyLops (``pylops.utils.dottest``). Here functions need not be linear. Differs from the paper:
    the paper has no such test.

    Examples
    --------
    >>> from decnp.layers import dense, dense_vjp
    >>> rng = np.random.default_rng(0)
    >>> x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    >>> bool(dot_test(lambda W: dense(x, W, b), lambda W, u: dense_vjp(u, x, W)[1], W))
    True
    >>> bool(dot_test(lambda x: dense(x, W, b), lambda x, u: u @ W.T / 2, x))
    False
    >>> dot_test(lambda x: x @ W, lambda u: u @ W.T, x, linear=True).verdict
    'holds'
    """
    if rtol is not None:
        check_number("rtol", rtol, 0)
    make = array_maker(x, asarray)
    point = real_argument("x", x)
    if point.size == 0 or not np.isfinite(point).all():
        raise ValueError(f"x must be finite and have at least one entry; got {point!r}")
    point = as_numpy(make(point))
    result = forward(make(point))
    value = as_numpy(result)
    if np.iscomplexobj(value):
        raise ValueError("forward must return real numbers; got complex ones")
    eps = max(precision(make(point)), precision(result))
    if np.any(np.abs(as_numpy(forward(make(point))) - value) > 1e3 * eps * np.max(np.abs(value), initial=0)):
        return DotTest(False, np.nan, np.nan, np.inf, 0.0 if rtol is None else rtol, "forward(x)", "not decided",
                       "two calls of forward at x give different results; fix its random numbers")
    rng = np.random.default_rng(random_state)
    v, u = rng.normal(size=point.shape), rng.uniform(0.5, 1.5, value.shape)
    v = as_numpy(make(v))  # rounded to the dtype of x
    start, step = (0 * v, v) if linear else (point, recipe(eps).h / 4 * v)
    falls = as_numpy(forward(make(start + step))) < as_numpy(forward(make(start - step)))
    u = as_numpy(make(np.where(falls, -u, u)))  # the terms of <J v, u> do not cancel
    back = real_result("the result of vjp", vjp(make(u)) if linear else vjp(make(point), make(u)))
    if back.shape != point.shape:
        raise ValueError(f"vjp must return the shape of x, {point.shape}; got {back.shape}")
    backward = float(np.sum(v * back))
    if linear:
        return _linear(forward, make, v, u, backward, LINEAR_RTOL.get(eps, 1e-12) if rtol is None else rtol)
    f = Probe(lambda t: np.sum(u * as_numpy(forward(make(point + t[0] * v)))), np.array)
    is_numpy = isinstance(make(point), np.ndarray)
    with np.errstate(all="ignore"):
        eps, rounding = (eps, eps) if eps > DOUBLE else f.precision(np.zeros(1))
        check = compare(f, np.array([backward]), np.zeros(1), "auto", is_numpy, eps, rounding, rtol=rtol)
    return _result(check)


def _result(check: GradientCheck) -> DotTest:
    """Return the check of the derivative along v as the result of a dot test."""
    note = check.note.replace("at [0] ", "").replace(" at [0]", " along v").replace("fun ", "forward ")
    method = f"the {check.method}"
    return DotTest(check.ok, check.expected, check.actual, check.error, check.rtol, method, check.verdict, note)


def _linear(
    forward: Callable[[Any], Any], make: Callable[[np.ndarray], Any], v: np.ndarray, u: np.ndarray, backward: float,
    rtol: float,
) -> DotTest:
    """Return the dot test of a function that the user calls linear; the verdict says if it is not."""
    there = as_numpy(forward(make(v)))
    other = np.roll(v, 1) + 0.5
    apart = as_numpy(forward(make(v + other))) - there - as_numpy(forward(make(other)))
    left = float(np.sum(u * there))
    size = abs(left) or 1.0
    error = abs(left - backward) / size
    error = error if np.isfinite(error) else np.inf
    verdict, note = ("holds" if error <= rtol else "wrong"), ""
    if not np.max(np.abs(apart)) <= 10 * rtol * max(float(np.max(np.abs(there))), float(np.max(np.abs(other)))):
        verdict, note = "not linear", "forward(v + w) differs from forward(v) + forward(w): leave linear=True out"
    return DotTest(verdict == "holds", left, backward, error, rtol, "forward(v)", verdict, note)
