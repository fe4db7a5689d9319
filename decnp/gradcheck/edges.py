"""Problems at the edges: where a right formula may give NaN, infinity or no correct digit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .derivatives import FLOOR, relative_error
from .precision import Precision
from .trials import Trial

__all__ = ["edges_of"]


def _edges(trial: Trial, fixed: bool, precision: Precision) -> Iterator[tuple[str, Trial, set[int], str]]:
    """Yield a name, a trial, the equations that it concerns, and the input that must be among the arguments."""
    p = trial.p.copy()
    p[0, 0] = 0
    if trial.k > 1:
        yield "a p_ij is 0", trial.changed(p=p / p.sum(axis=1, keepdims=True)), {2, 4, 5}, "p"
    z = trial.z.copy()
    z[0] = trial.mu[0]
    yield "a point is on a centroid", trial.changed(z=z), {1, 2, 4, 5}, "z"
    if precision != Precision.HALF:
        z = trial.z.copy()
        z[0] += 1e6
        yield "a point is far away (1e6)", trial.changed(z=z), {1, 2, 4, 5}, "z"
    if not fixed:
        ones = np.ones((trial.n, 1))
        yield "k = 1", trial.changed(mu=trial.mu[:1], p=ones, q=ones), {1, 2, 3, 4, 5}, ""


def edges_of(
    run: Callable[[Trial], np.ndarray | str], trial: Trial, equation: int, inputs: tuple[str, ...], of_loss: bool,
    fixed: bool, precision: Precision, factor: Callable[[Trial], float] | None, rtol: float, scale: float,
) -> tuple[str, ...]:
    """Return a sentence for each edge where the user's result is not that of a right formula.

    Parameters
    ----------
    run : callable
        Trial -> the user's result, or a sentence that says why there is none.
    trial : Trial
        Problem that is changed into one at each edge.
    equation : int
        Number of the equation.
    inputs : tuple of str
        Arrays that the function takes.
    of_loss : bool
        True if Eq. 2 is that of Eq. 1, not of a given q.
    fixed : bool
        True if k and d are those of a module.
    precision : Precision
        Precision of the function. Far points are left out in half precision.
    factor : callable or None
        Trial -> the user's result divided by the right one, such as 1/n. None if the formula is wrong; then the
        numbers are not compared.
    rtol : float
        Relative error allowed.
    scale : float
        Largest number of a usual result, to which errors are relative.
    """
    sentences = []
    for name, edge, equations, needs in _edges(trial, fixed, precision):
        if equation not in equations or (needs and needs not in inputs):
            continue
        with np.errstate(all="ignore"):
            result = run(edge)
        if isinstance(result, str):
            sentences.append(f"Eq. {equation} where {name}: {result}")
        elif not np.all(np.isfinite(result)):
            kind = "NaN" if np.any(np.isnan(result)) else "infinite"
            count = int(np.sum(~np.isfinite(result)))
            many = f" in {count} of {result.size} numbers" if result.size > 1 else ""
            sentences.append(f"Eq. {equation} where {name}: it is {kind}{many}, it must be finite")
        elif factor is not None:
            right = np.asarray(edge.right(equation, of_loss)) * factor(edge)
            error, index = relative_error(result, right)
            size = max(float(np.max(np.abs(right))), FLOOR)
            if error * size > max(1e-3, 10 * rtol) * max(size, scale):
                sentences.append(f"Eq. {equation} where {name}: it is {result[index]:.6g}, it must be {right[index]:.6g}")
    return tuple(sentences)
