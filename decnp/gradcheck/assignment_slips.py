"""Forms of Eq. 1, right and wrong, each with its derivative, as autodiff computes it for a wrong q.

Every form is a kernel s_ij of a distance D_ij, normalized. So the gradient of any loss needs only d log s / dD:

    dL/d(log s) = q (g - sum_j q g)  for normalized rows, with g = dL/dq,    dL/dz_i = sum_j dL/d(log s_ij) dlog s/dD dD/dz
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .trials import Trial

__all__ = ["Kernel", "KERNELS", "RIGHT_KERNEL", "IGNORED", "Eps", "Assignment", "assign", "EPS_PLACES"]

IGNORED = "alpha is ignored: this is the formula for alpha = 1"
BRACKET = "a bracket is missing in the exponent -(alpha + 1) / 2: "


class Kernel(NamedTuple):
    """One form of Eq. 1."""

    name: str
    log_s: Callable[[np.ndarray, float, int], np.ndarray]
    """(D, alpha, d) -> log s, (n, k)."""
    slope: Callable[[np.ndarray, float, int], np.ndarray]
    """(D, alpha, d) -> d log s / dD, (n, k)."""
    measure: str = "squared"
    """Distance D: "squared", "mean" (of the squares, over d) or "L1". With "sum" or "product", s is computed of (z - mu)^2
    in each dimension, then combined. With "average", q is computed in each dimension, then averaged."""
    norm: str = "rows"
    """Entries that are normalized: "rows", "columns", "all", "none", or "softmax" (of the rows, once more)."""


def _student(
    name: str, exponent: Callable[[float, int], float], inner: Callable = lambda D, a: D / a,
    d_inner: Callable = lambda D, a: 1 / a, measure: str = "squared", norm: str = "rows",
) -> Kernel:
    """Return s = (1 + inner(D)) ** -exponent."""
    return Kernel(
        name, lambda D, a, d: -exponent(a, d) * np.log1p(inner(D, a)),
        lambda D, a, d: -exponent(a, d) * d_inner(D, a) / (1 + inner(D, a)), measure, norm)


def _half(a: float, d: int = 0) -> float:
    return (a + 1) / 2


def _softmax(name: str, scale: Callable[[float], float]) -> Kernel:
    """Return s = exp(-scale D)."""
    return Kernel(name, lambda D, a, d: -scale(a) * D, lambda D, a, d: -scale(a) + 0 * D)


def _one_outside(D: np.ndarray, a: float, d: int) -> np.ndarray:
    return np.log1p((D / a) ** -_half(a))


def _one_outside_slope(D: np.ndarray, a: float, d: int) -> np.ndarray:
    return -_half(a) * (D / a) ** -_half(a) / D / (1 + (D / a) ** -_half(a))


RIGHT_KERNEL = _student("", _half)
GAUSSIAN = "it is a Gaussian kernel, "
KERNELS = [
    RIGHT_KERNEL,
    _student(IGNORED, lambda a, d: 1.0, lambda D, a: D, lambda D, a: 1.0),
    _student(BRACKET + "(...) ** -(alpha + 1) / 2 is ((...) ** -(alpha + 1)) / 2", lambda a, d: a + 1),
    _student(BRACKET + "-alpha + 1 / 2 for -(alpha + 1) / 2", lambda a, d: a - 0.5),
    _student(BRACKET + "-(alpha + 1 / 2) for -(alpha + 1) / 2", lambda a, d: a + 0.5),
    _student(BRACKET + "-alpha + 1 for -(alpha + 1), over 2", lambda a, d: (a - 1) / 2),
    Kernel(BRACKET + "1 + (...) ** ... for (1 + ...) ** ...", _one_outside, _one_outside_slope),
    _student("the exponent's sign is missing: q grows with the distance", lambda a, d: -_half(a)),
    _student("the exponent -(alpha + 1) / 2 is taken as -1", lambda a, d: 1.0),
    _student("the exponent is -alpha, not -(alpha + 1) / 2", lambda a, d: a),
    _student("the exponent is -alpha / 2, not -(alpha + 1) / 2", lambda a, d: a / 2),
    _student("the exponent is -(alpha + d) / 2, as in the multivariate t; in Eq. 1 it is -(alpha + 1) / 2",
             lambda a, d: (a + d) / 2),
    _student("the exponent is 1 / (-(alpha + 1) / 2), upside down", lambda a, d: 1 / _half(a)),
    _student("the distances are not squared", _half, lambda D, a: np.sqrt(D) / a, lambda D, a: 0.5 / (a * np.sqrt(D))),
    _student("the distances are squared twice", _half, lambda D, a: D**2 / a, lambda D, a: 2 * D / a),
    _student("d is not divided by alpha", _half, lambda D, a: D, lambda D, a: 1.0),
    _student("d is multiplied by alpha, not divided", _half, lambda D, a: D * a, lambda D, a: a),
    _student("d is divided by alpha^2, not by alpha", _half, lambda D, a: D / a**2, lambda D, a: 1 / a**2),
    _student("d is divided by 2 alpha, not by alpha", _half, lambda D, a: D / (2 * a), lambda D, a: 1 / (2 * a)),
    Kernel("the 1 in 1 + d/alpha is missing", lambda D, a, d: -_half(a) * np.log(D / a), lambda D, a, d: -_half(a) / D),
    _student("d is the mean of the squares over the dimensions, not their sum", _half, measure="mean"),
    _student("d is the L1 distance, the sum of |z - mu|, not the sum of squares", _half, measure="L1"),
    _softmax(GAUSSIAN + "softmax(-d), not Student's t", lambda a: 1.0),
    _softmax(GAUSSIAN + "softmax(-d/2), not Student's t", lambda a: 0.5),
    _softmax(GAUSSIAN + "softmax(-d/alpha), not Student's t", lambda a: 1 / a),
    _softmax(GAUSSIAN + "softmax(-d/(2 alpha)), not Student's t", lambda a: 0.5 / a),
    Kernel("it is softmax(-||z - mu||) of the unsquared distances, not Student's t",
           lambda D, a, d: -np.sqrt(D), lambda D, a, d: -0.5 / np.sqrt(D)),
    Kernel("it is a Gaussian kernel in each dimension, summed over the dimensions, not Student's t of the distance",
           lambda D, a, d: -D / 2, lambda D, a, d: -0.5 + 0 * D, "sum"),
    _student("it is Student's t in each dimension, summed over the dimensions, not of the distance", _half, measure="sum"),
    _student("it is Student's t in each dimension, multiplied over the dimensions, not of the distance", _half,
             measure="product"),
    _student("q is computed in each dimension and averaged over the dimensions", _half, measure="average"),
    _student("the rows are not normalized", _half, norm="none"),
    _student("the columns are normalized, not the rows", _half, norm="columns"),
    _student("the sum over all points and clusters is normalized, not each row", _half, norm="all"),
    _student("a softmax is applied to q, whose rows sum to 1 already", _half, norm="softmax"),
]
"""The right form first, with the name ""."""


class Eps(NamedTuple):
    """An epsilon of a size, at a place, which is one of the keys of ``EPS_PLACES`` or of those of Eq. 2."""

    place: str
    size: float


EPS_PLACES = {
    "distance": "d + {0}, or sqrt(d + {0}) squared",
    "difference": "z - mu + {0}, as in F.pairwise_distance",
    "bracket": "1 + d/alpha + {0}",
    "kernel": "u^((alpha+1)/2) + {0}",
    "row sum": "the sum of a row + {0}",
}
"""Places of an epsilon in Eq. 1, as they are printed."""


class Assignment(NamedTuple):
    """q of one form of Eq. 1, and the arrays of its derivative."""

    q: np.ndarray
    soft: np.ndarray
    """q before a second softmax."""
    slope: np.ndarray
    """d log s / dD (n, k)."""
    pull: np.ndarray
    """dD/dz (n, k, d)."""
    norm: str

    def weights(self, g: np.ndarray) -> np.ndarray:
        """Return dL/dD (n, k), or (n, k, d) for a q of each dimension, from g = dL/dq."""
        if self.norm == "dimensions":
            g = g[:, :, None] / self.soft.shape[2]
            return self.soft * (g - np.sum(self.soft * g, axis=1, keepdims=True))
        if self.norm == "softmax":
            g = self.q * (g - np.sum(self.q * g, axis=1, keepdims=True))
        q = self.soft
        return q * (g - (0.0 if self.norm == "none" else _sum(q * g, self.norm))) * self.slope


def _sum(s: np.ndarray, norm: str) -> np.ndarray:
    """Return the sum by which a norm divides."""
    return np.sum(s, axis={"columns": 0, "all": None}.get(norm, 1), keepdims=True)


def assign(trial: Trial, kernel: Kernel, eps: Eps | None = None) -> Assignment:
    """Return the form ``kernel`` of Eq. 1 for a trial, with an epsilon if ``eps`` is given.

    Without one, the result is stored in the trial's cache.
    """
    if eps is None and kernel.name in trial.cache:
        return trial.cache[kernel.name]
    place, size = eps or ("", 0.0)
    shift = size if place == "difference" else 0.0
    diff = trial.diff + shift
    if kernel.measure in ("sum", "product", "average"):
        return _assign_by_dimension(trial, kernel)
    if kernel.measure == "L1":
        D, pull = np.sum(np.abs(diff), axis=2), np.sign(diff)
    else:
        over = trial.d if kernel.measure == "mean" else 1
        D, pull = (np.sum(diff**2, axis=2) if shift else trial.dist2) / over, 2 * diff / over
    D = D + size if place == "distance" else D
    scale = 1 / (1 + size) if place == "bracket" else 1.0  # (1 + e + D/a)^b = (1 + e)^b (1 + D/(1 + e)/a)^b
    s = np.exp(kernel.log_s(D * scale, trial.alpha, trial.d))
    slope = kernel.slope(D * scale, trial.alpha, trial.d) * scale
    if place == "kernel":
        s, slope = s + size, slope * s / (s + size)
    q = soft = s if kernel.norm == "none" else s / (_sum(s, kernel.norm) + size * (place == "row sum"))
    if kernel.norm == "softmax":
        q = np.exp(soft) / np.sum(np.exp(soft), axis=1, keepdims=True)
    result = Assignment(q, soft, slope, pull, kernel.norm)
    if eps is None:
        trial.cache[kernel.name] = result
    return result


def _assign_by_dimension(trial: Trial, kernel: Kernel) -> Assignment:
    """Return a form that is computed of (z - mu)^2 in each dimension; an epsilon does not matter here."""
    log_s = kernel.log_s(trial.diff**2, trial.alpha, 1)  # (n, k, d)
    pull = kernel.slope(trial.diff**2, trial.alpha, 1) * 2 * trial.diff
    s = np.exp(log_s)
    if kernel.measure == "average":
        q = s / s.sum(axis=1, keepdims=True)
        return Assignment(q.mean(axis=2), q, np.ones(1), pull, "dimensions")
    if kernel.measure == "sum":
        total = s.sum(axis=2)
        pull = pull * s / total[:, :, None]  # of the logarithm of the sum
    else:
        total = s.prod(axis=2)
    q = total / total.sum(axis=1, keepdims=True)
    return Assignment(q, q, np.ones_like(q), pull, "rows")
