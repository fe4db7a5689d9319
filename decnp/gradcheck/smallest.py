"""The smallest problem that shows that a function is wrong, in full."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .derivatives import relative_error
from .trials import Trial

__all__ = ["smallest"]

SIZES = [(2, 2, 1), (2, 2, 2), (3, 2, 1), (4, 3, 2), (12, 3, 2)]
"""(n, k, d), tried in this order."""


def _plain(n: int, k: int, d: int, alpha: float) -> Trial:
    """Return a problem of few digits."""
    z = (np.arange(n * d) * 7 % 11).reshape(n, d) / 2 - 1
    mu = (np.arange(k * d) * 5 % 7).reshape(k, d) / 2 + 0.25
    p, q = ((np.arange(n * k).reshape(n, k) * step % 5 + 1.0) for step in (3, 2))
    return Trial(z, mu, p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True), alpha)


def smallest(
    run: Callable[[Trial], np.ndarray | str], equation: int, alphas: list[float], rtol: float, own_p: bool,
    of_loss: bool, fixed: tuple[int, int] | None,
) -> str | None:
    """Return the smallest problem where the result differs, with both results, as text; None if none does.

    Parameters
    ----------
    run : callable
        Trial -> the user's result, or a sentence that says why there is none.
    equation : int
        Number of the equation.
    alphas : list of float
        Degrees of freedom to try.
    rtol : float
        Relative error above which results differ.
    own_p : bool
        True if the user's loss makes P itself.
    of_loss : bool
        True if Eq. 2 is that of Eq. 1, not of a given q.
    fixed : tuple (k, d) or None
        Number of clusters and dimensions of a module; None if both may change.
    """
    sizes = [(2, *fixed), (3, *fixed)] if fixed else SIZES
    for n, k, d in sizes:
        for alpha in sorted(set(alphas), key=lambda a: (a != 1, abs(a - 2))):
            trial = _plain(n, k, d, alpha)
            trial.own_p = own_p
            with np.errstate(all="ignore"):
                try:
                    result, right = run(trial), trial.right(equation, of_loss)
                except Exception:  # the user's function does not take a problem of this size
                    continue
            if isinstance(result, str) or relative_error(result, right)[0] > rtol:
                return _text(trial, equation, result, right, of_loss)
    return None


def _text(trial: Trial, equation: int, result: np.ndarray | str, right: np.ndarray, of_loss: bool) -> str:
    inputs = {1: ["z", "mu"], 2: ["p", "q"], 3: ["q"]}.get(equation, ["z", "mu"] + ["p"] * (not trial.own_p))
    if equation == 2 and of_loss:
        inputs = ["z", "mu"] + ["p"] * (not trial.own_p)
    size = f"n = {trial.n}, k = {trial.k}" + (f", d = {trial.d}, alpha = {trial.alpha:g}" if "z" in inputs else "")
    lines = [size + ":", *(f"{name} = {_numbers(getattr(trial, name))}" for name in inputs)]
    yours = result if isinstance(result, str) else _numbers(result)
    return "\n".join([*lines, f"yours = {yours}", f"Eq. {equation} = {_numbers(right)}"])


def _numbers(array: np.ndarray) -> str:
    with np.printoptions(precision=6, suppress=False, threshold=60, linewidth=10_000, floatmode="maxprec"):
        return " ".join(str(np.asarray(array)).split())
