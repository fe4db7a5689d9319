"""Numerical derivatives of a function that is not known to be analytic: two steps, their difference, and kinks.

``Probe`` turns a user's function into a real scalar function of a NumPy array. The user's function may take torch tensors,
return (loss, gradient) or an array, or change its argument.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .arrays import DOUBLE, as_numpy, precision

__all__ = ["Probe", "Recipe", "recipe", "Differences", "differences", "is_refuted", "complex_gradient",
           "is_analytic"]

SINGLE = 2.0**-23
RATIO = 4.0
"""The second step is the first one divided by this."""

ComplexWarning: type[Warning] = getattr(np, "exceptions", np).ComplexWarning


class Recipe(NamedTuple):
    """Relative step and relative tolerance of central differences."""

    h: float
    rtol: float


RECIPES = {2.0**-52: Recipe(2.4e-5, 1e-6), SINGLE: Recipe(2e-2, 1e-2), 2.0**-10: Recipe(0.4, 3e-2),
           2.0**-7: Recipe(0.6, 0.1)}
"""Precision of the function -> recipe. In double precision the steps are small, so that they rarely cross a kink."""


def recipe(eps: float) -> Recipe:
    """Return the steps and the tolerance for a function of precision ``eps``."""
    return RECIPES[min(RECIPES, key=lambda known: abs(np.log2(known / eps)))]


@dataclass
class Probe:
    """A function of the user as a scalar function of a NumPy array."""

    fun: Callable[[Any], Any]
    make: Callable[[np.ndarray], Any]
    """Makes a new array of the user's kind: each call gets its own."""
    pair: bool = False
    """The function returns (loss, gradient)."""
    weights: np.ndarray | None = None
    """Weights of the entries, where the function returns an array."""

    def result(self, x: np.ndarray) -> Any:
        """Return the result of the function at x; the loss alone if it returns a pair."""
        result = self.fun(self.make(x))
        if self.pair:
            if not (isinstance(result, (tuple, list)) and len(result) == 2):
                raise ValueError(f"without grad, fun must return (loss, gradient); got {type(result).__name__}")
            return result[0]
        if isinstance(result, tuple):
            raise ValueError("fun must return a number or an array; got a tuple. "
                             "If it is (loss, gradient), give grad=None")
        return result

    def __call__(self, x: np.ndarray) -> Any:
        value = as_numpy(self.result(x))
        if self.weights is not None:
            return np.sum(self.weights * value)
        return value.reshape(())[()]

    def rounded(self, number: float) -> float:
        """Return a number as the function sees it: in the dtype of its argument."""
        return float(as_numpy(self.make(np.array([number])))[0])

    def precision(self, x: np.ndarray) -> tuple[float, float]:
        """Return the lowest precision between x and the result, and the precision of the result.

        Single precision inside ``fun`` is found although the result is in double precision.
        """
        eps = max(precision(self.make(x)), precision(self.result(x)))
        if eps > DOUBLE:
            return eps, eps
        nearby = [x + part * steps_for(x, 0.01) for part in (0.31, 0.73, -0.57)]
        values = [float(np.real(self(point))) for point in nearby]
        single = all(float(np.float32(v)) == v for v in values)  # by chance: once in 2^87
        if values[0] == values[1] == values[2]:  # f is constant, or its rounding hides that it is not: 0 has none
            return DOUBLE, SINGLE if single and values[0] else DOUBLE
        if single:
            return SINGLE, SINGLE
        insensitive = float(np.real(self(nearby[0] + steps_for(x, 1e-12)))) == values[0]
        return SINGLE if insensitive else DOUBLE, DOUBLE


def steps_for(x: np.ndarray, h: float) -> np.ndarray:
    """Return the step of each entry: h max(|x_t|, m) with m = min(1, largest |x_t|), or m = 1 if x is 0."""
    largest = float(np.max(np.abs(x)))
    return h * np.maximum(np.abs(x), min(1.0, largest) or 1.0)


@dataclass(frozen=True)
class Differences:
    """Central differences with two steps; all arrays have the shape of x."""

    gradient: np.ndarray
    """From both steps: their errors in h^2 cancel."""
    coarse: np.ndarray
    fine: np.ndarray
    spread: np.ndarray
    """|coarse - fine| and the rounding of the function: no digit below this is known."""
    left: np.ndarray
    right: np.ndarray
    """One-sided differences with the smaller step."""
    kinks: np.ndarray
    """True where the one-sided differences stay apart as the step gets smaller: x lies on a kink."""
    near: np.ndarray
    """True where a kink lies within the larger step, but not at x."""
    largest: float
    """Largest absolute value of the function."""

    def nearest(self, gradient: np.ndarray) -> np.ndarray:
        """Return the derivative; at and near kinks, the value closest to ``gradient`` that the one-sided ones allow."""
        wider = np.where(self.near, np.abs(self.right - self.left) / 2, 0)
        low, high = np.fmin(self.left, self.right) - wider, np.fmax(self.left, self.right) + wider
        given = np.where(np.isfinite(gradient), np.real(gradient), (low + high) / 2)
        return np.where(self.kinks | self.near, np.clip(given, low, high), self.gradient)


def differences(f: Probe, x: np.ndarray, h: float, rounding: float, rtol: float) -> Differences:
    """Return the central differences of ``f`` at x, a point that ``f`` gets without rounding, with relative step h.

    ``rounding`` is the precision of the function's result, ``rtol`` the tolerance above which a jump is a kink.
    """
    steps, value = steps_for(x, h), float(f(x))
    slopes = np.empty((4, *x.shape))  # right and left with the larger step, right and left with the smaller one
    largest = np.full(x.shape, abs(value))
    for t in np.ndindex(x.shape):
        for row, step in enumerate((steps[t], -steps[t], steps[t] / RATIO, -steps[t] / RATIO)):
            point = x.copy()
            point[t] = f.rounded(x[t] + step)
            there = float(np.real(f(point)))
            slopes[row][t] = np.divide(there - value, point[t] - x[t])  # NaN where the step is lost in rounding
            largest[t] = max(largest[t], abs(there))
    right, left = slopes[::2], slopes[1::2]  # each: larger step, smaller step
    coarse, fine = (right + left) / 2
    jump_coarse, jump_fine = right - left  # h f'' where f is smooth
    noise = 2 * rounding * largest / (steps / RATIO)
    finite = np.abs(fine[np.isfinite(fine)])
    kinked = np.abs(RATIO * jump_fine - jump_coarse) > 0.5 * np.abs(jump_coarse) + RATIO * noise
    moved = np.maximum(np.abs(right[1] - right[0]), np.abs(left[1] - left[0]))
    allowed = rtol * (float(finite.max()) if finite.size else 0.0)
    kinked &= np.fmax(np.abs(jump_fine), np.abs(jump_coarse)) > allowed  # smaller jumps may be rounding inside the function
    least = np.maximum(4 * noise, allowed)
    kinks = kinked & (np.abs(jump_fine) > np.maximum(least, moved))
    near = kinked & ~kinks
    spread = np.where(near, np.abs(jump_fine), np.abs(coarse - fine)) + noise
    gradient = fine + (fine - coarse) / (RATIO**2 - 1)
    return Differences(gradient, coarse, fine, spread, left[1], right[1], kinks, near, float(largest.max()))


def is_refuted(f: Probe, x: np.ndarray, t: tuple, given: float, away: float, h: float, rounding: float) -> bool:
    """Return True if an entry of a gradient stays ``away`` from the differences of ``f`` at x with smaller steps.

    ``t`` is the index of the entry, ``given`` its value, h the relative step to begin with. Several kinks within a step
    can look like curvature; smaller steps contain fewer. The search ends when ``rounding`` of f hides the difference.
    """
    step, apart = float(steps_for(x, h)[t]) / RATIO, away
    while np.isfinite(given) and step > 1e-6 * h:
        step /= RATIO
        above, below = x.copy(), x.copy()
        above[t], below[t] = f.rounded(x[t] + step), f.rounded(x[t] - step)
        high, low = float(np.real(f(above))), float(np.real(f(below)))
        if not 2 * rounding * max(abs(high), abs(low)) / step < apart / 2:
            break
        apart = abs(given - float(np.divide(high - low, above[t] - below[t])))
        if apart < 0.85 * away:
            return False
    return True


def complex_gradient(f: Probe, x: np.ndarray, h: float) -> tuple[np.ndarray | None, str]:
    """Return the gradient of ``f`` at x by the complex step h, and "".

    If ``f`` does not take complex x, return None and the reason.
    """
    gradient, point = np.empty(x.shape), x.astype(np.complex128)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ComplexWarning)
        for t in np.ndindex(x.shape):
            point[t] = x[t] + 1j * h
            try:
                value = f(point)
            except ComplexWarning:
                return None, "it drops the imaginary part of complex x"
            except Exception as error:  # any: the function takes real x, and that is all that it promises
                return None, f"complex x gives {type(error).__name__}"
            if not np.iscomplexobj(value):
                return None, "its result is real for complex x"
            gradient[t] = value.imag / h
            point[t] = x[t]
    return gradient, ""


def is_analytic(f: Probe, x: np.ndarray, gradient: np.ndarray) -> bool | None:
    """Return True if the complex step's gradient of ``f`` at x agrees with a central difference in a random direction.

    None if the difference has too few digits to decide.
    """
    rng = np.random.default_rng(0)
    move = steps_for(x, RECIPES[DOUBLE].h) * rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1, x.shape)
    above, below = ([float(np.real(f(x + sign * move / ratio))) for ratio in (1, RATIO)] for sign in (1, -1))
    coarse, fine = (above[0] - below[0]) / 2, (above[1] - below[1]) / 2 * RATIO
    size = float(np.sum(np.abs(gradient * move)))
    uncertainty = 4 * abs(coarse - fine) + 8 * DOUBLE * max(map(abs, above + below))
    apart = abs(fine - float(np.sum(gradient * move)))
    if apart > uncertainty + 1e-6 * size:
        return False
    return True if uncertainty <= 1e-3 * max(size, abs(fine)) else None
