"""Derivatives of a scalar function of an array by two plain methods. Nothing else of the package is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..utils.validation import check_number

__all__ = ["complex_step", "central_difference", "relative_error"]

Scalar = Callable[[np.ndarray], complex]

FLOOR = 1e-3
"""Errors are relative to the largest expected entry, or to this number if all entries are smaller. A gradient that is
zero in theory (k = 1) is computed as 1e-17, which is rounding alone."""


def complex_step(fun: Scalar, x: ArrayLike, h: float = 1e-30) -> np.ndarray:
    r"""Return the gradient of a real scalar function by the complex step, exact to the last digits.

    .. math:: \partial f / \partial x_t = Im f(x + i h e_t) / h

    There is no subtraction, so no digits cancel, even for a tiny h.

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
        Derivative with respect to each entry of x.

    Raises
    ------
    ValueError
        If ``fun`` does not return a complex scalar: it drops the imaginary part, so the gradient would be zero. Or if h
        is not a finite number > 0, or x has masked values.

    See Also
    --------
    central_difference : Derivatives of functions that do not take complex numbers.
    check_gradient : Comparison of a gradient with either.

    Notes
    -----
    Source: Squire & Trapp, SIAM Review 40 (1998). Differs from the paper: the paper has no gradient check.

    Examples
    --------
    >>> complex_step(lambda x: np.sum(x**3), [1.0, 2.0])
    array([ 3., 12.])
    """
    x = _point(x, np.complex128, h)
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
    r"""Return the gradient of a scalar function by central differences, which have ten correct digits at best.

    .. math:: \partial f / \partial x_t = (f(x + h_t e_t) - f(x - h_t e_t)) / (2 h_t), \quad h_t = h \max(1, |x_t|)

    The error of the formula is proportional to h^2, and the error of rounding to 1/h. The best h is about 1e-5 or 1e-6.

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
        Derivative with respect to each entry of x.

    Raises
    ------
    ValueError
        If h is not a finite number > 0, or x has masked values.

    See Also
    --------
    complex_step : Exact derivatives of analytic functions.
    check_gradient : Comparison of a gradient with either.

    Examples
    --------
    >>> central_difference(lambda x: np.sum(x**3), [1.0, 2.0]).round(6)
    array([ 3., 12.])
    """
    x = _point(x, np.float64, h)
    gradient = np.empty(x.shape)
    for t in np.ndindex(x.shape):
        step = h * max(1.0, abs(float(x[t])))
        high, low = x.copy(), x.copy()  # fun may change its argument
        high[t], low[t] = x[t] + step, x[t] - step
        width = high[t] - low[t]
        gradient[t] = (float(fun(high)) - float(fun(low))) / width
    return gradient


def _point(x: ArrayLike, dtype: type, h: float) -> np.ndarray:
    """Return a copy of x in the dtype. Raises ValueError for masked values or a step h that is not > 0 and finite."""
    if np.ma.is_masked(x):
        raise ValueError(f"x must have no masked values; got {np.ma.count_masked(x)}")
    check_number("h", h, 0, strict=True)
    return np.array(x, dtype)


def relative_error(actual: np.ndarray, expected: np.ndarray) -> tuple[float, tuple]:
    r"""Return the largest difference relative to the largest entry, and its index; infinite if a number is not finite.

    .. math:: \max_t |actual_t - expected_t| / \max(\max_t |expected_t|, 10^{-3})

    Parameters
    ----------
    actual : ndarray
        Array to compare.
    expected : ndarray of the shape of actual
        Right values.

    Returns
    -------
    error : float
        Relative error.
    index : tuple of int
        Index of the largest difference.

    Examples
    --------
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
