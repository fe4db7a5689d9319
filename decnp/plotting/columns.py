"""What the clusters of a table are: how far each column is from its mean there."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np
from matplotlib.axes import Axes

from ..utils.rows import BLOCK, LazyRows
from ._canvas import TEXT, axes, names, numbers, style

__all__ = ["cluster_columns"]

WITH_NUMBERS = 8  # clusters whose cells have room for numbers
LIMIT = 2.0  # standard deviations at the ends of the colours


def cluster_columns(
    X: Any, labels: Any, columns: Optional[Sequence[str]] = None, ax: Optional[Axes] = None, n: int = 20,
) -> Axes:
    """Each column's mean in each cluster, in standard deviations from its mean over all rows.

    Parameters
    ----------
    X : (N, D) a table, or ``decnp.utils.rows.LazyRows``
    labels : (N,) the cluster of each row
    columns : the D names of the columns; without them they are numbered from 1
    n : columns to draw; where there are more, those whose means differ most between the clusters, in their own order

    A column that never changes is 0 everywhere.

    >>> ax = cluster_columns([[0, 5], [0, 5], [2, 5], [2, 5]], labels=[0, 0, 1, 1], columns=["size", "age"])
    >>> ax.images[0].get_array().data
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    X = X if isinstance(X, LazyRows) else numbers("X", X, ndim=2)
    labels = names("labels", labels, len(X))
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n must be a whole number >= 1; got {n!r}")
    called = np.array([str(j + 1) for j in range(X.shape[1])] if columns is None else list(map(str, columns)))
    if len(called) != X.shape[1]:
        raise ValueError(f"columns must have {X.shape[1]} names; got {len(called)}")
    clusters = np.unique(labels)
    means, spread = _moments(X, labels == clusters[:, None])
    far = np.divide(means, spread, out=np.zeros_like(means), where=spread > 0).T  # (D, k)
    drawn = np.sort(np.argsort(-far.std(axis=1), kind="stable")[:n])

    ax = axes(ax, 8, 1.4 + 0.34 * len(drawn))
    image = ax.imshow(far[drawn], cmap="PuOr_r", vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    bar = ax.figure.colorbar(image, ax=ax, label="standard deviations from the mean", extend="both")
    bar.ax.tick_params(labelsize=TEXT - 3)
    ax.set_xticks(range(len(clusters)), clusters, parse_math=False)
    short = [name if len(name) <= 30 else f"{name[:29]}…" for name in called[drawn].tolist()]
    ax.set_yticks(range(len(drawn)), short, parse_math=False)
    style(ax, "cluster", "" if columns is not None else "column", grid=False)
    if len(clusters) <= WITH_NUMBERS:
        for (i, j), value in np.ndenumerate(far[drawn]):
            ax.text(j, i, f"{value:+.1f}", ha="center", va="center", fontsize=TEXT - 3,
                    color="white" if abs(value) > 0.6 * LIMIT else "black")
    return ax


def _moments(X, members):
    """Of the rows X (n, D) whose clusters are ``members`` (k, n): each cluster's mean less that of all, (k, D), and the
    standard deviations (D,). Some rows at a time, and less the first row, so that a column without change gives 0.
    """
    first, starts = X[:1].astype(np.float64), range(0, len(X), BLOCK)
    sums, squares = np.zeros((len(members), X.shape[1])), np.zeros(X.shape[1])
    for start in starts:
        sums += members[:, start : start + BLOCK] @ (X[start : start + BLOCK] - first)
    mean = sums.sum(axis=0) / len(X)
    for start in starts:
        squares += np.square(X[start : start + BLOCK] - first - mean).sum(axis=0)
    return sums / members.sum(axis=1, keepdims=True) - mean, np.sqrt(squares / len(X))
