"""Comparison of a user's function with its equations: calls, explanation, edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..exceptions import FunctionError
from .calling import Author, handed_over
from .derivatives import relative_error
from .edges import edges_of
from .forms import Explanation
from .naming import explanations_of, factor_of, joined, ok_reduction, verdict_of
from .precision import RTOL, Precision, least_precision, precision_of_dtype, tolerance
from .results import Reading, copied, only_place, read
from .smallest import smallest
from .trials import Trial
from .verdicts import SERIOUSNESS, Finding, Verdict

__all__ = ["examine"]

OWN_P = ("makes its own P from the points that it is given: f must sum over the whole data, so these must be all points, "
         "not a minibatch")

SWAPPED = "z and mu are swapped (or the order of the arguments is mu, z)"


def examine(author: Author, trials: Sequence[Trial], reduction: str) -> list[Finding]:
    """Return a finding for each equation of ``author``, a user's function, from its results for ``trials``.

    ``reduction`` is "sum", "mean" or "either", as in ``check_against``.
    """
    run = author.run
    author = author._replace(run=_cached(run))
    handed = [handed_over(replace(trial, own_p=author.own_p, cache={}), author.asarray) for trial in trials]
    seen, results = [], []
    for trial, _ in handed:
        try:
            with np.errstate(all="ignore"):
                results.append(author.run(trial))
            seen.append(trial)
        except FunctionError:
            if trial.main:
                raise  # the others have another k and d, which the function may not take
    if _keeps_state(run, seen[0], results[0], author.of_loss):
        author = author._replace(note="; it ".join(filter(None, [author.note, CHANGES])))
    return [_Comparison(author, equation, seen, [result[equation] for result in results], handed[0][1], reduction).finding()
            for equation in author.equations]


CHANGES = "gives different results for the same arguments: it keeps a state, or draws random numbers"


def _keeps_state(
    run: Callable[[Trial], dict[int, Any]], trial: Trial, before: dict[int, Any], of_loss: bool
) -> bool:
    """Return True if a call with the arguments of a trial, after a call with others, gives another result than before."""
    with np.errstate(all="ignore"):
        run(trial.changed(z=trial.z / 2, q=trial.p))
        again = run(trial)
    for equation, result in before.items():
        shape = np.shape(trial.right(equation, of_loss))
        values = [r.value for r in (read(result, shape, equation), read(again[equation], shape, equation))
                  if isinstance(r, Reading)]
        if len(values) == 2 and _differ(*values):
            return True
    return False


def _differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Return True if two results differ by more than rounding. NaN equals NaN, and an infinity equals itself."""
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(np.where(finite, 0, one), np.where(finite, 0, other), equal_nan=True):
        return True
    return relative_error(np.where(finite, one, 0), np.where(finite, other, 0))[0] > 1e-4


def _cached(run: Callable[[Trial], dict[int, Any]]) -> Callable[[Trial], dict[int, Any]]:
    """Return the function with a cache of its results: the equations of one loss use the same trials."""
    results: dict[Any, dict[int, Any]] = {}

    def cached(trial: Trial) -> dict[int, Any]:
        key = (trial.alpha, *(a.tobytes() for a in (trial.z, trial.mu, trial.p, trial.q)))
        if key not in results:
            results[key] = copied(run(trial))
        return results[key]

    return cached


class _Comparison:
    """Comparison of one function with one equation."""

    def __init__(
        self, author: Author, equation: int, trials: list[Trial], raw: list[Any], handed_dtype: str, reduction: str
    ) -> None:
        self.author, self.equation, self.reduction = author, equation, reduction
        places = [only_place(result, self._shape(trial)) for result, trial in zip(raw, trials)]
        self.place = next((place for place in places if place is not None), None)
        readings = [self._read(result, trial) for result, trial in zip(raw, trials)]
        if any(isinstance(r, str) for r, t in zip(readings, trials) if not t.main):  # of another k and d
            pairs = [(r, t) for r, t in zip(readings, trials) if t.main]
            readings, trials = [r for r, _ in pairs], [t for _, t in pairs]
        self.trials, self.readings = trials, readings
        self.handed = precision_of_dtype(handed_dtype)

    def _read(self, result: Any, trial: Trial) -> Reading | str:
        return read(result, self._shape(trial), self.equation, self.place)

    def _shape(self, trial: Trial) -> tuple[int, ...]:
        return np.shape(trial.right(self.equation, self.author.of_loss))

    def _run(self, trial: Trial) -> np.ndarray | str:
        """Return the user's result for a trial, or a sentence that says what is wrong with it."""
        trial = replace(trial, own_p=self.author.own_p)
        try:
            with np.errstate(all="ignore"):
                reading = self._read(self.author.run(trial)[self.equation], trial)
        except FunctionError as error:
            return str(error)
        return reading if isinstance(reading, str) else reading.value

    def _value(self, trial: Trial) -> np.ndarray:
        result = self._run(trial)
        return np.asarray(np.nan) if isinstance(result, str) else result

    def finding(self) -> Finding:
        refused = next((r for r in self.readings if isinstance(r, str)), None)
        if refused is not None:
            return self._found(Verdict.WRONG, np.inf, None, refused, f"wrong: {refused}", None)
        readings = [r for r in self.readings if not isinstance(r, str)]
        self.results = [r.value for r in readings]
        self.rights = [np.asarray(t.right(self.equation, self.author.of_loss)) for t in self.trials]
        errors = [relative_error(a, b) for a, b in zip(self.results, self.rights)]
        error = max(e for e, _ in errors)
        precision = max(self.handed, *(precision_of_dtype(r.dtype) for r in readings))
        alphas = [t.alpha for t in self.trials]
        if error > tolerance(precision, alphas) and np.isfinite(error):
            precision = max(precision, least_precision(
                self._value, self.trials[0], self.author.inputs, self.results[0]))
        self.precision, self.rtol = precision, tolerance(precision, alphas)
        own = [OWN_P] if self.author.own_p else []
        notes = (*filter(None, [self.author.note]), *readings[0].notes, *own)
        if error <= self.rtol:
            return self._holds(error, notes)
        return self._differs(error, errors, notes)

    # ------------------------------------------------------------ right results

    def _holds(self, error: float, notes: tuple[str, ...]) -> Finding:
        single = error > RTOL[Precision.DOUBLE]
        verdict, words = Verdict.HOLDS, "holds"
        if single:
            verdict, words = Verdict.SINGLE, f"holds in {self.precision} precision"
        if not self.author.has_alpha and (self.equation in (1, 4, 5) or self.author.of_loss):
            words += f" for alpha = {self.trials[0].alpha:g}; it takes no other"
            verdict = verdict if single else Verdict.ONE_ALPHA
        ok, slip = True, None
        if self.reduction == "mean" and self._is_reducible:
            ok, slip = False, f"Eq. {self.equation} is a sum here, where the mean was asked for"
            words += ", as a sum, where the mean was asked for"
        return self._found(verdict, error, None, slip, f"{words} (relative error {error:.1e})", lambda t: 1.0, notes, ok)

    @property
    def _is_reducible(self) -> bool:
        return self.equation in (2, 4, 5)

    # ------------------------------------------------------------ wrong results

    def _differs(self, error: float, errors: list[tuple[float, tuple]], notes: tuple[str, ...]) -> Finding:
        explanations: list[Explanation | str] = []
        if self._is_swapped():
            explanations, notes = [SWAPPED], tuple(note for note in notes if "transposed" not in note)
        elif all(np.all(np.isfinite(result)) for result in self.results):
            explanations = explanations_of(
                self.equation, self.trials, self.results, self.rtol, self.author.own_p, self.author.of_loss,
                self._ignores_p())
        verdicts = [verdict_of(e) for e in explanations] or [Verdict.WRONG]
        ranks = {verdict: rank for rank, verdict in enumerate(SERIOUSNESS)}
        best = max(range(len(verdicts)), key=lambda i: ranks.get(verdicts[i], len(ranks)))
        verdict, slip = verdicts[best], joined(explanations, self.equation) if explanations else None
        if verdict == Verdict.WRONG:
            return self._found(verdict, error, None, slip, self._where(errors) + (f"; likely: {slip}" if slip else ""),
                               None, notes)
        explanation = explanations[best]
        assert not isinstance(explanation, str)
        constant = None if explanation.constant == 1 else explanation.constant
        words, ok = self._convention(verdict, explanation, error, slip or "")
        factor = factor_of(explanation) if verdict != Verdict.ONE_ALPHA else None
        return self._found(verdict, error, constant, slip, words, factor, notes, ok)

    def _is_swapped(self) -> bool:
        """Return True if all results are right for calls in which z and mu are exchanged."""
        if self.author.fixed or not {"z", "mu"} <= set(self.author.inputs):
            return False
        equation = {4: 5, 5: 4}.get(self.equation, self.equation) if self.author.of_loss else self.equation
        for trial, right in zip(self.trials, self.rights):
            try:
                with np.errstate(all="ignore"):
                    results = self.author.run(trial.changed(z=trial.mu, mu=trial.z))
            except FunctionError:
                return False
            result = read(results[equation], right.shape, self.equation)
            if isinstance(result, str) or relative_error(result.value, right)[0] > self.rtol:
                return False
            if any("transposed" in note for note in result.notes):
                return False  # the columns are normalized, not the rows
        return True

    def _ignores_p(self) -> bool:
        """Return True if another P gives the same result."""
        largest = max(range(len(self.trials)), key=lambda i: float(np.max(np.abs(self.results[i]))))
        trial = self.trials[largest]
        return ("p" in self.author.inputs and "z" in self.author.inputs
                and np.array_equal(self._value(trial.changed(p=trial.p[::-1].copy())), self.results[largest]))

    def _where(self, errors: list[tuple[float, tuple]]) -> str:
        worst = int(np.argmax([e for e, _ in errors]))
        error, index = errors[worst]
        at = f" at {list(index)}" if index else ""
        alpha = "" if self.equation in (2, 3) and not self.author.of_loss else f" for alpha = {self.trials[worst].alpha:g}"
        return (f"wrong{at}{alpha}: it is {self.results[worst][index]:.6g}, it must be {self.rights[worst][index]:.6g} "
                f"(relative error {error:.1e})")

    def _convention(self, verdict: Verdict, explanation: Explanation, error: float, slip: str) -> tuple[str, bool]:
        """Return the words for a result that holds up to a convention, and whether that is allowed."""
        mean = ok_reduction(explanation)
        words = f"holds, as a mean over {mean}" if mean else "holds"
        ok = self.reduction != "sum" if mean else not (self.reduction == "mean" and self._is_reducible)
        if verdict == Verdict.EPSILON:
            words += f", to {error:.1e}" if not mean else ""
            words += f": {slip}"
        elif verdict == Verdict.FACTOR:
            words, ok = f"holds up to a factor: {slip}", False
        elif verdict == Verdict.ONE_ALPHA:
            words, ok = f"holds for one alpha only: {slip}", False
        single = f", in {self.precision} precision" if self.precision else ""
        return words + single, ok

    # ------------------------------------------------------------ the finding

    def _found(
        self, verdict: Verdict, error: float, factor: float | None, slip: str | None, words: str,
        of_right: Callable[[Trial], float] | None, notes: tuple[str, ...] = (), ok: bool | None = None,
    ) -> Finding:
        """Return the finding, with its edges and the smallest problem that shows it."""
        author, equation = self.author, self.equation
        ok = verdict != Verdict.WRONG if ok is None else ok
        edges: tuple[str, ...] = ()
        if np.isfinite(error):
            edges = edges_of(self._run, self.trials[0], equation, author.inputs, author.of_loss, author.fixed,
                             self.precision, of_right, self.rtol, float(np.max(np.abs(self.results[0]))))
        if ok and edges:
            verdict, ok, slip = Verdict.EDGE, False, edges[0]
        shown = None
        if not ok and verdict != Verdict.EDGE:
            rtol = getattr(self, "rtol", RTOL[Precision.HALF])
            alphas = [t.alpha for t in self.trials]
            fixed = (self.trials[0].k, self.trials[0].d) if author.fixed else None
            shown = smallest(self._run, equation, alphas, rtol, author.own_p, author.of_loss, fixed)
            shown = shown or f"no problem with n <= 12 shows it; one with n = {max(t.n for t in self.trials)} does"
        sentence = f"{author.name}, Eq. {equation}: {words}" + "".join(f"; it {_verb(note)}" for note in notes)
        return Finding(author.name, equation, verdict, ok, error, factor, slip, sentence, shown, edges)


def _verb(note: str) -> str:
    return note if note.split()[0] in ("returns", "is", "takes", "makes", "gives") else f"is a module: {note}"
