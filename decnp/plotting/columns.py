"""Figure of the clusters of a table: the mean of each column in each cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..utils.rows import BLOCK, LazyRows, Rows, blocks
from ..utils.validation import check_number
from ._canvas import TEXT, axes, names, numbers, style

__all__ = ["cluster_columns"]

MAX_NUMBERED = 8  # clusters with numbers in their cells
LIMIT = 2.0  # standard deviations at the ends of the color scale


def cluster_columns(
    X: Any, labels: Any, columns: Sequence[str] | None = None, ax: Axes | None = None, n: int = 20,
) -> Axes:
    """Draw the mean of each column in each cluster, in standard deviations from the mean of the column.

    A constant column is 0 in each cluster.

    Parameters
    ----------
    X : array-like or LazyRows of shape (N, D)
        Table.
    labels : array-like of shape (N,)
        Cluster of each row, integers or strings.
    columns : sequence of str, default=None
        Names of the D columns. None uses the numbers of the columns, from 1.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    n : int, default=20
        Maximal number of columns to draw. The columns whose means differ most between the clusters are selected, and
        drawn in the order of the table.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    cluster_montage : The same for images.

    Examples
    --------
    >>> ax = cluster_columns([[0, 5], [0, 5], [2, 5], [2, 5]], labels=[0, 0, 1, 1], columns=["size", "age"])
    >>> ax.images[0].get_array().data
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    X = X if isinstance(X, LazyRows) else numbers("X", X, ndim=2)
    labels = names("labels", labels, len(X))
    check_number("n", n, low=1, integer=True)
    header = np.array([str(j + 1) for j in range(X.shape[1])] if columns is None else list(map(str, columns)))
    if len(header) != X.shape[1]:
        raise ValueError(f"columns must have {X.shape[1]} names; got {len(header)}")
    clusters = np.unique(labels)
    means, spread = _moments(X, labels == clusters[:, None])
    far = np.divide(means, spread, out=np.zeros_like(means), where=spread > 0).T  # (D, k)
    drawn = np.sort(np.argsort(-far.std(axis=1), kind="stable")[:n])

    ax = axes(ax, 8, 1.4 + 0.34 * len(drawn))
    image = ax.imshow(far[drawn], cmap="PuOr_r", vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    bar = ax.figure.colorbar(image, ax=ax, label="standard deviations from the mean", extend="both")
    bar.ax.tick_params(labelsize=TEXT - 3)
    ax.set_xticks(range(len(clusters)), clusters, parse_math=False)
    short = [name if len(name) <= 30 else f"{name[:29]}…" for name in header[drawn].tolist()]
    ax.set_yticks(range(len(drawn)), short, parse_math=False)
    style(ax, "cluster", "" if columns is not None else "column", grid=False)
    if len(clusters) <= MAX_NUMBERED:
        for (i, j), value in np.ndenumerate(far[drawn]):
            ax.text(j, i, f"{value:+.1f}", ha="center", va="center", fontsize=TEXT - 3,
                    color="white" if abs(value) > 0.6 * LIMIT else "black")
    return ax


def _moments(X: Rows, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each cluster's mean minus the mean of all rows, (k, D), and the standard deviations, (D,).

    ``members`` (k, n) is True for the rows of X (n, D) in each cluster. The rows are read in blocks. The first row is
    subtracted from each, so that a constant column gives exactly 0.
    """
    first = X[:1].astype(np.float64)
    sums, squares = np.zeros((len(members), X.shape[1])), np.zeros(X.shape[1])
    for start, block in zip(range(0, len(X), BLOCK), blocks(X)):
        sums += members[:, start : start + BLOCK] @ (block - first)
    mean = sums.sum(axis=0) / len(X)
    for block in blocks(X):
        squares += np.square(block - first - mean).sum(axis=0)
    return sums / members.sum(axis=1, keepdims=True) - mean, np.sqrt(squares / len(X))
