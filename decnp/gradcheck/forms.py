"""A form of an equation, right or wrong, and the search for the forms that explain a user's numbers.

A form is matched up to a factor. The factors of all trials are then named: a mean over the batch, a factor in alpha, a
sign, or a constant. An epsilon is fitted where no form matches exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from .assignment_slips import Eps
from .trials import Trial

__all__ = [
    "Form", "Explanation", "explain", "fit_alpha", "scaled_error", "ALPHA_FACTORS", "REDUCTIONS",
]


@dataclass(frozen=True)
class Form:
    """One form of an equation."""

    names: tuple[str, ...]
    """Slips of the form, in words; () for the right form."""
    value: Callable[[Trial, Eps | None], np.ndarray]
    places: tuple[str, ...] = ()
    """Possible places of an epsilon."""


class Explanation(NamedTuple):
    """A form, and the factors and epsilon that turn its numbers into the user's."""

    form: Form
    reduction: str
    """A key of ``REDUCTIONS``."""
    alpha_factor: str
    """A key of ``ALPHA_FACTORS``."""
    constant: float
    eps: Eps | None
    residual: float

    @property
    def complexity(self) -> float:
        """Number of differences. A mean for a sum and an epsilon count less than a mistake."""
        return (len(self.form.names) + 0.25 * bool(self.reduction) + bool(self.alpha_factor)
                + (abs(abs(self.constant) - 1) > 1e-12) + (self.constant < 0) + 0.5 * bool(self.eps))


REDUCTIONS: dict[str, Callable[[Trial], float]] = {
    "": lambda t: 1.0,
    "the batch": lambda t: 1 / t.n,
    "the n k entries": lambda t: 1 / (t.n * t.k),
    "the k clusters": lambda t: 1 / t.k,
    "the d dimensions": lambda t: 1 / t.d,
    "the n d entries": lambda t: 1 / (t.n * t.d),
    "the k d entries": lambda t: 1 / (t.k * t.d),
}
"""Name of the entries averaged over -> factor of the mean, relative to the sum."""

FACTOR = "the factor (alpha + 1)/alpha is "
ALPHA_FACTORS: dict[str, Callable[[float], float]] = {
    "": lambda a: 1.0,
    FACTOR + "missing": lambda a: a / (a + 1),
    FACTOR + "taken as 2, its value for alpha = 1": lambda a: 2 * a / (a + 1),
    FACTOR + "upside down": lambda a: (a / (a + 1)) ** 2,
    FACTOR + "taken as alpha + 1: the 1/alpha of the chain rule is missing": lambda a: a,
    FACTOR + "taken as (alpha + 1)/2: the 2/alpha of the chain rule is missing": lambda a: a / 2,
    FACTOR + "taken as 1/alpha: the exponent's alpha + 1 is missing": lambda a: 1 / (a + 1),
    FACTOR + "taken as 2/alpha: the exponent's (alpha + 1)/2 is missing": lambda a: 2 / (a + 1),
    FACTOR + "divided by alpha once more": lambda a: 1 / a,
    FACTOR + "squared": lambda a: (a + 1) / a,
}
"""Slip of the factor of Eqs. 4 and 5 -> number by which it multiplies the right gradient."""


def scaled_error(result: np.ndarray, value: np.ndarray) -> tuple[float, float]:
    """Return the factor c for which c value is closest to the result, and the largest error left, relative to it."""
    result, value = np.ravel(result), np.ravel(value)
    square = float(value @ value)
    scale = float(np.abs(result).max())
    if not (scale > 0 and 0 < square < np.inf):
        return 0.0, np.inf
    c = float(result @ value) / square
    return c, float(np.abs(result - c * value).max()) / scale


def explain(
    forms: Sequence[Form], trials: Sequence[Trial], results: Sequence[np.ndarray], rtol: float,
    alpha_factors: bool = False,
) -> list[Explanation]:
    """Return the simplest explanations of the results, those that fit equally well; [] if there is none.

    ``results`` are those of ``trials``, and ``rtol`` is the relative error allowed. With ``alpha_factors``, slips of the
    factor of Eqs. 4 and 5 are tried too. Forms without a slip come first, then those with one, with two. An epsilon is
    fitted for the forms whose errors are small.
    """
    with np.errstate(all="ignore"):
        matcher = _Matcher(trials, results, rtol, ALPHA_FACTORS if alpha_factors else {"": ALPHA_FACTORS[""]})
        found: list[Explanation] = []
        for n_slips in range(1 + max(len(form.names) for form in forms)):
            if found and min(e.complexity for e in found) < n_slips:
                break
            near = []
            for form in forms:
                if len(form.names) == n_slips:
                    error = matcher.first_error(form)
                    exact = matcher.explanations(form, None) if error <= 10 * rtol else []
                    found += exact
                    if not exact and error < (0.02 if n_slips else 0.1):
                        near.append((form, error))
            if not found:
                near = sorted(near, key=lambda pair: pair[1])[:8]
                found = [e for form, error in near if error <= max(30 * near[0][1], 10 * rtol) for place in form.places
                         for e in matcher.with_epsilon(form, place, error)]
        return _simplest(found, rtol)


def _simplest(found: list[Explanation], rtol: float) -> list[Explanation]:
    """Return the explanations with the fewest slips, among these the ones that leave the smallest errors."""
    fewest = min((e.complexity for e in found), default=0)
    found = [e for e in found if e.complexity == fewest]
    best = min((e.residual for e in found), default=0.0)
    found = [e for e in found if e.residual <= max((2 if e.eps else 10) * best, rtol * 1e-3)]
    first = {(e.form.names, e.reduction, e.alpha_factor, round(e.constant, 6)): e for e in reversed(found)}
    return [*reversed(first.values())]  # of the places of an epsilon that fit equally well, the first


def fit_alpha(form: Form, trials: Sequence[Trial], results: Sequence[np.ndarray]) -> float | None:
    """Return the alpha, the same in all trials, for which a form is closest to the results; None if none is close."""
    def left(log_alpha: float) -> np.ndarray:
        errors = []
        for trial, result in zip(trials, results):
            value = np.asarray(form.value(trial.with_alpha(float(np.exp(log_alpha))), None))
            c = scaled_error(result, value)[0] if value.ndim else np.sign(result)
            errors.append(((result - c * value) / max(float(np.max(np.abs(result))), 1e-300)).ravel())
        return np.concatenate(errors)

    with np.errstate(all="ignore"):
        grid = np.log(np.geomspace(0.01, 100, 25))
        sizes = [float(np.sum(left(a) ** 2)) for a in grid]
        if not np.any(np.isfinite(sizes)):
            return None
        best = float(grid[int(np.nanargmin(sizes))])
        for _ in range(20):
            here = left(best)
            slope = (left(best + 1e-6) - here) / 1e-6
            step = float(here @ slope) / max(float(slope @ slope), 1e-300)
            if not np.isfinite(step) or abs(best - step) > 8:
                return None
            best -= float(np.clip(step, -1, 1))
            if abs(step) < 1e-10:
                break
        return float(np.exp(best)) if np.max(np.abs(left(best))) < 1e-2 else None


class _Matcher:
    """The trials and results that one function's forms are compared with."""

    def __init__(
        self, trials: Sequence[Trial], results: Sequence[np.ndarray], rtol: float,
        alpha_factors: dict[str, Callable[[float], float]],
    ) -> None:
        self.trials, self.results, self.rtol, self.alpha_factors = trials, results, rtol, alpha_factors
        self.scalar = np.ndim(results[0]) == 0
        self.largest = max(float(np.max(np.abs(result), initial=0.0)) for result in results)
        sizes = [(self._is_zero(result), trial.alpha == 1, trial.n * trial.k) for trial, result in zip(trials, results)]
        self.first = min(range(len(trials)), key=sizes.__getitem__)  # small, and alpha shows
        self.few = sorted(range(len(trials)), key=lambda i: trials[i].n * trials[i].k)[: len(trials) // 2]
        self.reductions = {name: np.array([factor(trial) for trial in trials]) for name, factor in REDUCTIONS.items()}

    def _is_zero(self, result: np.ndarray) -> bool:
        return bool(np.max(np.abs(result), initial=0.0) <= 1e-13 * self.largest)

    def first_error(self, form: Form) -> float:
        """Return the error of a form on one trial, up to a factor; for scalars on all, up to a reduction."""
        if not self.scalar:
            return scaled_error(self.results[self.first], form.value(self.trials[self.first], None))[1]
        few = self.few if len(self.few) > 1 else slice(None)
        ratios = self._ratios(form, None, few)
        error = min(_spread(ratios / by[few])[1] for by in self.reductions.values())
        if error > 0.1 or few == slice(None):
            return error
        ratios = self._ratios(form, None)
        return min(_spread(ratios / by)[1] for by in self.reductions.values())

    def _ratios(self, form: Form, eps: Eps | None, some: slice | list[int] = slice(None)) -> np.ndarray:
        chosen = range(len(self.trials))[some] if isinstance(some, slice) else some
        return np.array([self.results[i] / form.value(self.trials[i], eps) for i in chosen])

    def explanations(self, form: Form, eps: Eps | None) -> list[Explanation]:
        """Return all namings of the factors with which the form explains the results; [] if it does not."""
        factors, residual = [], 0.0
        for trial, result in zip(self.trials, self.results):
            value = form.value(trial, eps)
            if self._is_zero(result) and self._is_zero(value):
                factors.append(np.nan)  # an exponent that is 0 for this alpha
                continue
            c, error = scaled_error(result, value)
            if error > 2 * self.rtol:
                return []
            factors.append(c)
            residual = max(residual, error)
        alphas = [trial.alpha for trial in self.trials]
        found = []
        for (reduction, by), (name, in_alpha) in product(self.reductions.items(), self.alpha_factors.items()):
            constant, spread = _spread(np.array(factors) / by / [in_alpha(a) for a in alphas])
            if spread <= 2 * self.rtol and constant != 0:
                rounded = float(np.sign(constant)) if abs(abs(constant) - 1) <= 2 * self.rtol else constant
                found.append(Explanation(form, reduction, name, rounded, eps, max(residual, spread)))
        return found

    def with_epsilon(self, form: Form, place: str, error: float) -> list[Explanation]:
        """Return the explanations with a fitted epsilon at a place; [] if the fit does not explain the error."""
        size = self._fit(form, place)
        if size is None:
            return []
        return [e for e in self.explanations(form, Eps(place, size)) if e.residual <= max(0.02 * error, 0.1 * self.rtol)]

    def _fit(self, form: Form, place: str) -> float | None:
        """Return the size of the epsilon by Gauss-Newton on the errors that are left, or None."""
        size, before = 0.0, np.inf
        for i in range(12):
            step = max(1e-3 * size, 1e-7)
            here, there = self._left(form, Eps(place, size)), self._left(form, Eps(place, size + step))
            slope = (there - here) / step
            error = float(np.max(np.abs(here)))
            if i and error > 0.3 * before:
                return size if error <= self.rtol else None  # it does not explain the error
            before = error
            if not (np.all(np.isfinite(slope)) and np.any(slope)):
                return None
            new = size - float(here @ slope) / float(slope @ slope)
            if not 0 < new < 0.5:
                return None
            if abs(new - size) <= 1e-7 * new:
                return new
            size = new
        return size

    def _left(self, form: Form, eps: Eps) -> np.ndarray:
        """Return the errors that a form leaves, up to a factor, as one vector."""
        if self.scalar:
            ratios = self._ratios(form, eps)
            spreads = [(_spread(ratios / reduction)[1], reduction) for reduction in self.reductions.values()]
            least = min(spread for spread, _ in spreads)
            by = next(reduction for spread, reduction in spreads if spread <= 1.1 * least)
            constant = _spread(ratios / by)[0]
            return ratios / by / (np.sign(constant) if abs(abs(constant) - 1) < 0.05 else constant) - 1
        result, value = self.results[self.first], form.value(self.trials[self.first], eps)
        return (result - scaled_error(result, value)[0] * value).ravel()


def _spread(ratios: np.ndarray) -> tuple[float, float]:
    """Return the mean of the ratios that are not NaN, and how far the farthest is from it, relative to it."""
    if np.isnan(ratios).any():
        ratios = ratios[~np.isnan(ratios)]
    middle = float(ratios.sum()) / max(len(ratios), 1)
    if not np.isfinite(middle) or middle == 0:
        return 0.0, np.inf
    return middle, float(np.abs(ratios / middle - 1).max())
