"""Forms of Eq. 3, right and wrong, and the batches from which a user's P was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from .assignment_slips import Eps
from .forms import Form
from .trials import Trial

__all__ = ["TARGET_FORMS", "TARGET_EPS_PLACES", "batches"]

TARGET_EPS_PLACES = {
    "f": "f + {0}", "q": "q + {0}", "row sum": "the sum of a row + {0}", "square": "q^2 + {0}",
    "everywhere": "q^2 + {0}, f + {0} and the sum of a row + {0}",
}
"""Places of an epsilon in Eq. 3, as they are printed."""


def _rows(s: np.ndarray) -> np.ndarray:
    return s / s.sum(axis=1, keepdims=True)


def _target(
    power: float, f_power: float, norm: Callable[[np.ndarray], np.ndarray], trial: Trial, eps: Eps | None
) -> np.ndarray:
    """Return q^power / f^f_power, normalized."""
    place, size = eps or ("", 0.0)
    q = trial.q + size if place == "q" else trial.q
    f = q.sum(axis=0) + (size if place in ("f", "everywhere") else 0.0)
    weight = (q**power + (size if place in ("square", "everywhere") else 0.0)) / f**f_power
    if place in ("row sum", "everywhere"):
        return weight / (weight.sum(axis=1, keepdims=True) + size)
    return norm(weight)


def _recycled(sums_too: bool, trial: Trial, eps: Eps | None) -> np.ndarray:
    """Return q^2 / colSums(q) as in R, which recycles f down the first column, then down the second, and so on.

    ``sums_too``: the sums of the rows are repeated so in the transposed array.
    """
    n, k = trial.q.shape
    weight = trial.q**2 / np.resize(trial.q.sum(axis=0), n * k).reshape((n, k), order="F")
    total = weight.sum(axis=1)
    return weight / np.resize(total, n * k).reshape(n, k) if sums_too else weight / total[:, None]


def _one_hot(q: np.ndarray) -> np.ndarray:
    return (q == q.max(axis=1, keepdims=True)).astype(float)


def _form(name: str, power: float, f_power: float, norm: Callable[[np.ndarray], np.ndarray] = _rows) -> Form:
    return Form((name,) if name else (), partial(_target, power, f_power, norm), tuple(TARGET_EPS_PLACES))


TARGET_FORMS = [
    _form("", 2, 1),
    _form("P is q itself: it returns q, as with f per point or P per batch of 1", 1, 0),
    _form("f is missing, or sums over the clusters, not over the points: p is q^2, normalized", 2, 0),
    _form("q is not squared: p is q/f, normalized", 1, 1),
    _form("q is cubed: the power is 3, not 2", 3, 1),
    _form("the square is of q/f: f is squared, too", 2, 2),
    _form("f is under a square root", 2, 0.5),
    Form(("f runs down the columns, not along the rows, as R recycles it",), partial(_recycled, False)),
    Form(("f and the sums of the rows run down the columns, not along the rows, as R recycles them",),
         partial(_recycled, True)),
    _form("f multiplies, it must divide", 2, -1),
    _form("the rows are not normalized", 2, 1, lambda s: s),
    _form("the columns are normalized, not the rows", 2, 1, lambda s: s / s.sum(axis=0)),
    _form("the sum over all entries is normalized, not each row", 2, 1, lambda s: s / s.sum()),
    _form("a softmax stands for the normalization of the rows", 2, 1, lambda s: _rows(np.exp(s))),
    _form("p is made hard: 1 for the largest q of each point", 1, 0, _one_hot),
]


def batches(trials: Sequence[Trial], results: Sequence[np.ndarray], rtol: float) -> str | None:
    """Return the slip if P is made from batches, of any size and in any order; None if not.

    ``results`` are the user's P for ``trials``; ``rtol`` is the relative error allowed. q^2/p is f of the row's batch,
    up to a factor of the row. So it is the same for the rows of one batch, and shows which rows were summed.
    """
    trial, result = max(zip(trials, results), key=lambda pair: pair[0].n)
    if trial.k < 2 or trial.n < 3 or not np.all(result > 0):
        return None
    f = trial.q**2 / result
    f = f / f.sum(axis=1, keepdims=True)
    groups = _groups(f, max(1e-9, 10 * rtol))
    count = int(groups.max()) + 1
    if not 1 < count <= trial.n // 2:
        return None
    members = [np.flatnonzero(groups == g) for g in range(count)]
    sums = _rows(np.stack([trial.q[rows].sum(axis=0) for rows in members]))  # (count, k)
    f_of = np.stack([f[rows].mean(axis=0) for rows in members])
    size = max(len(rows) for rows in members)
    tolerance = max(1e-8, 100 * rtol)
    in_order = all(len(rows) == rows[-1] - rows[0] + 1 for rows in members)
    whole = f"P is taken per batch (of {size}{'' if in_order else ', of shuffled rows'}): f must sum over the whole data"
    if np.max(np.abs(sums - f_of)) <= tolerance:
        return whole
    far = np.abs(f_of[:, None] - sums[None]).max(axis=2)  # (count, count)
    if np.all(far.min(axis=1) <= tolerance):
        return f"P is taken per batch (of {size}), with the f of another batch; f must sum over the whole data"
    if in_order and len({len(rows) for rows in members[:-1]}) <= 1:
        return f"P is taken per batch (of {size}), with an f that is not that of the batch's q"
    return None


def _groups(f: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the number of the group of each row, in the order of their first rows; rows of a group agree."""
    order = np.lexsort(f.T[::-1])
    breaks = np.max(np.abs(np.diff(f[order], axis=0)), axis=1) > tolerance
    numbers = np.empty(len(f), int)
    numbers[order] = np.concatenate([[0], np.cumsum(breaks)])
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
