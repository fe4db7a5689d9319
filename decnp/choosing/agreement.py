"""Agreement of several clusterings of the same rows, and that of k-means for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from ..metrics import adjusted_rand_index
from ..utils.rows import LazyRows, Rows, sampled_rows

__all__ = ["KMEANS_ROWS", "STABLE", "agreement", "agreement_sentence", "cluster_agreement", "kmeans_labels", "matrix_of"]

STABLE = 0.7
"""Runs agree if their mean adjusted Rand index is at least this.

Measured with ``hidden_layer_sizes=(32, 5)``, three seeds, and four fifths of the rows for each seed (``choose_k``): in 5 to
20 columns of uniform or normal noise the agreement is at most 0.26 for k = 2 to 10. In data with groups it is 1.00 for iris
(k = 2), 0.93 for wine (3), 0.87 for breast cancer (2), 0.94 to 1.00 for three sets of four blobs (4), and 0.72 for digits
(10). It is also 0.71 for k = 3 in two columns of uniform noise, so that agreement alone does not show that clusters are in
the data. With five seeds and all rows (``fit_restarts``) it is at most 0.47 in these three kinds of noise (k = 2 to 4), 1.00
for blobs (4) and iris (2), 0.88 for wine (3), 0.73 for digits (10) and 0.72 for iris (3), but 0.65 for breast cancer (2),
where runs of k-means agree to 0.97."""

KMEANS_ROWS = 100_000
"""Maximal number of rows for the runs of k-means that restarts are compared with."""


def agreement(runs: Sequence[ArrayLike]) -> float | None:
    """Return the mean adjusted Rand index over all pairs of runs, or None for fewer than two runs.

    Parameters
    ----------
    runs : sequence of array-like of shape (n,)
        Labels of each run.

    Returns
    -------
    score : float or None
        1 if all runs are equal, and 0 on average for labels drawn at random.

    See Also
    --------
    cluster_agreement : Agreement cluster by cluster.

    Examples
    --------
    >>> agreement([[0, 0, 1, 1], [1, 1, 0, 0]])
    1.0
    """
    pairs = [adjusted_rand_index(one, other) for one, other in combinations(runs, 2)]
    return float(np.mean(pairs)) if pairs else None


def cluster_agreement(labels: np.ndarray, others: Iterable[np.ndarray], n_clusters: int) -> list[float | None]:
    """Return for each cluster the mean over other runs of the largest Jaccard index with one of their clusters.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Clusters 0 to n_clusters - 1 of one run.
    others : iterable of ndarray of shape (n,)
        Clusters of the other runs.
    n_clusters : int
        Number of clusters k.

    Returns
    -------
    scores : list of float or None
        From 0 to 1, for each cluster. None for a cluster without rows, and where there are no other runs.

    See Also
    --------
    agreement : One number for all clusters.

    Notes
    -----
    Source: Hennig 2007, "Cluster-wise assessment of cluster stability", where the other runs are those of resampled rows.
    The Jaccard index of two clusters is the number of rows in both, over the number of rows in one of them or both.

    Examples
    --------
    >>> cluster_agreement(np.array([0, 0, 1, 1]), [np.array([2, 2, 2, 0])], 2)
    [0.6666666666666666, 0.5]
    """
    sizes = np.bincount(labels, minlength=n_clusters)
    best = []
    for other in others:
        codes = np.unique(other, return_inverse=True)[1]
        m = codes.max() + 1
        both = np.bincount(labels * m + codes, minlength=n_clusters * m).reshape(n_clusters, m)  # rows in both clusters
        either = sizes[:, None] + np.bincount(codes)[None] - both
        best.append((both / either).max(axis=1))  # (k,)
    means = np.mean(best, axis=0) if best else np.zeros(n_clusters)
    return [float(mean) if size and best else None for mean, size in zip(means, sizes)]


def kmeans_labels(data: Any, n_clusters: int, seed: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the labels (n,) of one run of k-means with a single start (``n_init=1``), as int32.

    Parameters
    ----------
    data : ndarray or sparse matrix of shape (n, D)
        Data, as from ``matrix_of``.
    n_clusters : int
        Number of clusters k.
    seed : int
        Seed of the start.
    rows : ndarray of int, default=None
        Rows that the centroids are fitted to. None means all.

    Returns
    -------
    labels : ndarray of shape (n,)
        Nearest centroid of each row.
    """
    with threadpool_limits(1, "openmp"):  # with more threads, the order of the sums varies
        model = KMeans(n_clusters, n_init=1, random_state=seed).fit(data if rows is None else data[rows])
        return model.predict(data).astype(np.int32)


def matrix_of(X: Rows, max_rows: int | None = None) -> Any:
    """Return X (n, D) as an array or a sparse matrix, with at most ``max_rows`` rows, drawn at random.

    All rows of an array in the dtype of X are not copied.
    """
    source = X.source if isinstance(X, LazyRows) else X
    if max_rows is not None and max_rows < len(X):
        source = source[sampled_rows(len(X), max_rows)]
    return source if hasattr(source, "toarray") else np.asarray(source, X.dtype)


def agreement_sentence(n_runs: int, score: float, kmeans: float) -> str:
    """Return the warning for ``n_runs`` runs whose agreement ``score`` is below ``STABLE``; ``kmeans`` is k-means's."""
    return (f"{n_runs} seeds agree to {score:.2f} only (adjusted Rand index; k-means on the same rows: {kmeans:.2f}): these "
            "clusters may not be in the data")
