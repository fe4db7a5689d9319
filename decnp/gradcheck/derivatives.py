"""Derivatives by two plain methods, and a check of a gradient that says where it is wrong.

Nothing else of the package is imported. Any scalar function of an array can be checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["complex_step", "central_difference", "check_gradient", "GradientCheck", "relative_error"]

Scalar = Callable[[np.ndarray], complex]

FLOOR = 1e-3
"""Errors are relative to the largest expected entry, or to this number if all entries are smaller. A gradient that is
zero in theory (k = 1) is computed as 1e-17, and no digit of that means anything."""


def complex_step(fun: Scalar, x: ArrayLike, h: float = 1e-30) -> np.ndarray:
    """Return the gradient of a real scalar function by the complex step, exact to the last digits.

        df/dx_t = Im f(x + i h e_t) / h

    Nothing is subtracted, so h may be tiny and nothing is lost.

    Parameters
    ----------
    fun : analytic scalar function of an array; it must let complex numbers pass (no ``abs``, no ``float``)
    x : array of any shape
    h : the step

    Returns
    -------
    gradient : float64 array of the shape of x

    Raises
    ------
    ValueError
        If ``fun`` returns no complex scalar: then it has dropped the imaginary part, and all would be zero.

    Source: Squire & Trapp, SIAM Review 40 (1998). Not in the paper.

    >>> complex_step(lambda x: np.sum(x**3), [1.0, 2.0])
    array([ 3., 12.])
    """
    x = np.array(x, np.complex128)
    gradient = np.empty(x.shape)
    for t in np.ndindex(x.shape):
        kept = x[t]
        x[t] += 1j * h
        value = np.asarray(fun(x))
        if value.ndim or not np.iscomplexobj(value):
            raise ValueError(f"fun must return a complex scalar for complex x; got {value.dtype} of shape {value.shape}")
        gradient[t] = value.imag / h
        x[t] = kept
    return gradient


def central_difference(fun: Callable[[np.ndarray], Any], x: ArrayLike, h: float = 1e-6) -> np.ndarray:
    """Return the gradient of a scalar function by central differences, which have ten correct digits at best.

        df/dx_t = (f(x + h_t e_t) - f(x - h_t e_t)) / (2 h_t),    h_t = h max(1, |x_t|)

    The formula's own error falls with h^2, the rounding of f grows with 1/h; the best h is about 1e-5 or 1e-6.

    Parameters
    ----------
    fun : real scalar function of an array
    x : array of any shape
    h : the relative step

    Returns
    -------
    gradient : float64 array of the shape of x

    >>> central_difference(lambda x: np.sum(x**3), [1.0, 2.0]).round(6)
    array([ 3., 12.])
    """
    x = np.array(x, np.float64)
    gradient = np.empty(x.shape)
    for t in np.ndindex(x.shape):
        kept, step = x[t], h * max(1.0, abs(float(x[t])))
        high, low = kept + step, kept - step
        x[t] = high
        above = float(fun(x))
        x[t] = low
        gradient[t] = (above - float(fun(x))) / (high - low)
        x[t] = kept
    return gradient


@dataclass(frozen=True)
class GradientCheck:
    """Result of ``check_gradient``: true if the gradient holds. ``str()`` gives it in a sentence."""

    ok: bool
    error: float
    """The largest difference, relative to the largest entry of the numerical derivative."""
    rtol: float
    index: tuple
    """The entry that differs most."""
    actual: float
    """The given gradient there."""
    expected: float
    """The numerical derivative there."""
    method: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.ok:
            return f"the gradient holds: relative error {self.error:.1e} against the {self.method}, allowed {self.rtol:.0e}"
        where = f"at {list(self.index)} " if self.index else ""
        return (f"the gradient is wrong: {where}it is {self.actual:.10g}, the {self.method} gives {self.expected:.10g} "
                f"(relative error {self.error:.1e}, allowed {self.rtol:.0e})")


METHODS = {"complex_step": (complex_step, 1e-12), "central_difference": (central_difference, 1e-6)}


def check_gradient(
    fun: Scalar, grad: ArrayLike | Callable[[np.ndarray], ArrayLike], x: ArrayLike, *,
    method: str = "complex_step", rtol: float | None = None,
) -> GradientCheck:
    """Compare a gradient with the numerical derivative of its function.

    Parameters
    ----------
    fun : scalar function of an array
    grad : its gradient at x, or a function that gives it
    x : array of any shape, the point
    method : "complex_step" (``fun`` must let complex numbers pass) or "central_difference"
    rtol : the relative error allowed; None: 1e-12 and 1e-6

    Returns
    -------
    check : ``GradientCheck``: ``ok``, ``error``, ``index``, ``actual``, ``expected``

    Raises
    ------
    ValueError
        For an unknown method, or a gradient of another shape than x.

    >>> check = check_gradient(lambda x: np.sum(x**3), lambda x: 2 * x**2, [1.0, 2.0])
    >>> check.ok, check.index
    (False, (1,))
    >>> print(check)
    the gradient is wrong: at [1] it is 8, the complex step gives 12 (relative error 3.3e-01, allowed 1e-12)
    """
    if method not in METHODS:
        raise ValueError(f"method must be {' or '.join(map(repr, METHODS))}; got {method!r}")
    derivative, default = METHODS[method]
    x = np.asarray(x, np.float64)
    actual = np.asarray(grad(x.copy()) if callable(grad) else grad)
    if actual.shape != x.shape:
        raise ValueError(f"grad must have the shape of x, {x.shape}; got {actual.shape}")
    expected = derivative(fun, x)
    error, index = relative_error(actual, expected)
    rtol = default if rtol is None else rtol
    at = (float(actual[index]), float(expected[index])) if x.size else (0.0, 0.0)
    return GradientCheck(error <= rtol, error, rtol, index, *at, method.replace("_", " "))


def relative_error(actual: np.ndarray, expected: np.ndarray) -> tuple[float, tuple]:
    """Return max |actual - expected| / max(|expected|, 1e-3) and its index; infinite if a number is not finite.

    >>> relative_error(np.array([1.0, 2.2]), np.array([1.0, 2.0]))
    (0.10000000000000009, (1,))
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if expected.size == 0:
        return 0.0, ()
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(np.isfinite(actual) & np.isfinite(expected), np.abs(actual - expected), np.inf)
        scale = max(float(np.max(np.abs(expected))), FLOOR)
    index = np.unravel_index(np.argmax(difference), expected.shape)
    error = float(difference[index])
    return (error / scale if np.isfinite(error) else np.inf), tuple(map(int, index))
