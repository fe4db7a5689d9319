"""Derivatives of a scalar function of an array by two plain methods. Nothing else of the package is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["complex_step", "central_difference", "relative_error"]

Scalar = Callable[[np.ndarray], complex]

FLOOR = 1e-3
"""Errors are relative to the largest expected entry, or to this number if all entries are smaller. A gradient that is
zero in theory (k = 1) is computed as 1e-17, which is rounding alone."""


def complex_step(fun: Scalar, x: ArrayLike, h: float = 1e-30) -> np.ndarray:
    """Return the gradient of a real scalar function by the complex step, exact to the last digits.

        df/dx_t = Im f(x + i h e_t) / h

    Nothing is subtracted, so h may be tiny and nothing is lost.

    Parameters
    ----------
    fun : callable
        Analytic scalar function of an array. It must take complex numbers (no ``abs``, no ``float``).
    x : array-like of any shape
        Point.
    h : float, default=1e-30
        Step.

    Returns
    -------
    gradient : float64 array of the shape of x

    Raises
    ------
    ValueError
        If ``fun`` does not return a complex scalar: it drops the imaginary part, so the gradient would be zero.

    Source: Squire & Trapp, SIAM Review 40 (1998). Not in the paper.

    >>> complex_step(lambda x: np.sum(x**3), [1.0, 2.0])
    array([ 3., 12.])
    """
    x = np.array(x, np.complex128)
    gradient = np.empty(x.shape)
    for t in np.ndindex(x.shape):
        point = x.copy()  # one for each call: fun may change it
        point[t] += 1j * h
        value = np.asarray(fun(point))
        if value.ndim or not np.iscomplexobj(value):
            raise ValueError(f"fun must return a complex scalar for complex x; got {value.dtype} of shape {value.shape}")
        gradient[t] = value.imag / h
    return gradient


def central_difference(fun: Callable[[np.ndarray], Any], x: ArrayLike, h: float = 1e-6) -> np.ndarray:
    """Return the gradient of a scalar function by central differences, which have ten correct digits at best.

        df/dx_t = (f(x + h_t e_t) - f(x - h_t e_t)) / (2 h_t),    h_t = h max(1, abs(x_t))

    The formula's own error falls with h^2, the rounding of f grows with 1/h; the best h is about 1e-5 or 1e-6.

    Parameters
    ----------
    fun : callable
        Real scalar function of an array.
    x : array-like of any shape
        Point.
    h : float, default=1e-6
        Relative step.

    Returns
    -------
    gradient : float64 array of the shape of x

    >>> central_difference(lambda x: np.sum(x**3), [1.0, 2.0]).round(6)
    array([ 3., 12.])
    """
    x = np.array(x, np.float64)
    gradient = np.empty(x.shape)
    for t in np.ndindex(x.shape):
        step = h * max(1.0, abs(float(x[t])))
        high, low = x.copy(), x.copy()  # fun may change its argument
        high[t], low[t] = x[t] + step, x[t] - step
        width = high[t] - low[t]
        gradient[t] = (float(fun(high)) - float(fun(low))) / width
    return gradient


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
