"""Lowest precision inside a user's function, whatever the dtype of its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np

from .trials import Trial

__all__ = ["Precision", "RTOL", "precision_of_dtype", "least_precision", "tolerance"]


class Precision(IntEnum):
    """Precision of a computation."""

    DOUBLE = 0
    SINGLE = 1
    HALF = 2

    def __str__(self) -> str:
        return self.name.lower()


RTOL = {Precision.DOUBLE: 1e-8, Precision.SINGLE: 2e-5, Precision.HALF: 5e-2}
"""Ours is right to 1e-15. A float32 carries roundings of 6e-8, a float16 of 5e-4, a bfloat16 of 4e-3; each is
multiplied by the cancellation in p - q, and added up over the points."""


def tolerance(precision: Precision, alphas: Sequence[float]) -> float:
    """Return the relative error allowed in ``precision``.

    The power (alpha + 1)/2 multiplies the roundings; the largest of ``alphas`` counts.
    """
    return RTOL[precision] * (max(1.0, *((alpha + 1) / 2 for alpha in alphas)) if precision else 1.0)


def precision_of_dtype(dtype: str) -> Precision:
    """Return the precision of a dtype by its name."""
    if dtype in ("float16", "bfloat16", "half"):
        return Precision.HALF
    return Precision.SINGLE if dtype in ("float32", "float") else Precision.DOUBLE


def _rounded(array: np.ndarray, precision: Precision) -> np.ndarray:
    """Return the array rounded to float32, or to the 8 bits of a bfloat16."""
    if precision == Precision.SINGLE:
        return array.astype(np.float32).astype(np.float64)
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


def least_precision(
    result_of: Callable[[Trial], np.ndarray], trial: Trial, inputs: Sequence[str], result: np.ndarray
) -> Precision:
    """Find the least precision inside a function by calls with changed numbers.

    ``result_of`` maps a trial to the function's result, and ``result`` is that of ``trial``. ``inputs`` are the arrays
    that the function takes.

    A function in float64 follows a change of its arguments by 1e-9 smoothly. A function that
    rounds an argument to float32 ignores a change that the rounding removes. A function that rounds an intermediate
    result changes in steps.
    """
    if np.array_equal(result, _rounded(result, Precision.HALF)) and result.size > 1 and len(np.unique(result)) > 2:
        return Precision.HALF
    found = Precision.DOUBLE
    if np.array_equal(result, result.astype(np.float32)):
        found = Precision.SINGLE if len(np.unique(result)) > 2 or result.size == 1 else found
    for name in inputs:
        for precision in (Precision.HALF, Precision.SINGLE):
            if precision > found and _is_rounded(result_of, trial, name, precision, result):
                found = precision
    if found == Precision.DOUBLE and _is_rough(result_of, trial, inputs, result):
        return Precision.SINGLE
    return found


def _is_rounded(
    result_of: Callable[[Trial], np.ndarray], trial: Trial, name: str, precision: Precision, result: np.ndarray
) -> bool:
    """Return True if an argument is rounded before it is used: its own rounding then changes nothing."""
    array = getattr(trial, name)
    if not np.array_equal(result, result_of(trial.changed(**{name: _rounded(array, precision)}))):
        return False
    return not np.array_equal(result, result_of(trial.changed(**{name: array * (1 + _noise(array, 0.05))})))


def _is_rough(
    result_of: Callable[[Trial], np.ndarray], trial: Trial, inputs: Sequence[str], result: np.ndarray
) -> bool:
    """Return True if two equal small steps of all arguments change the result differently."""
    moved = [result]
    for step in (1e-9, 2e-9):
        arrays = {name: getattr(trial, name) * (1 + _noise(getattr(trial, name), step)) for name in inputs}
        moved.append(result_of(trial.changed(**arrays)))
    bend = np.max(np.abs(moved[2] - 2 * moved[1] + moved[0]))
    return bool(bend > 1e-11 * np.max(np.abs(result)))


def _noise(array: np.ndarray, size: float) -> np.ndarray:
    """Return the same signs of a size for each array of a shape."""
    return size * np.random.default_rng(array.size).choice([-1.0, 1.0], array.shape)
