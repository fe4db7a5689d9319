"""Start of the clustering phase: labels and centroids in the embedded space z.

DEC section 3.1 takes them from k-means in z. ``find_start`` takes them from any ``init`` of ``DEC``.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from ..profiles import INITS
from ..utils.threads import single_threaded_blas
from .neighbors import N_NEIGHBORS, GraphError, agreement_of_halves, graph_clusters, stability
from .state import Start

__all__ = ["INITS", "check_init", "find_start"]

SAMPLE = 20_000
"""Largest number of rows whose neighbor graph is built; more rows are sampled."""

AGREEMENT = 0.6
"""Clusters of the graph are a start if at least this fraction of their rows is nearest to the mean of its own cluster."""

STABLE = 0.65
"""Clusters of the graph, or of directions, are a start if their mean adjusted Rand index with those of half of the rows is
at least this."""

DIRECTED = 0.5
"""A cluster has a direction if the mean of its rows, each scaled to length 1, is at least this long (from 0 to 1)."""


def check_init(init: Any, n_samples: int, n_clusters: int, d: int, name: str = "init") -> None:
    """Raise ValueError unless ``init`` is None, one of ``INITS``, a callable, or an array that ``find_start`` takes.

    Parameters
    ----------
    init : None, str, array or callable
        As in ``DEC``.
    n_samples : int
        Number of rows n of the embedding.
    n_clusters : int
        Number of clusters k.
    d : int
        Number of columns of the embedding.
    name : str, default="init"
        Name of the argument in the message.

    Raises
    ------
    ValueError
        If ``init`` is not valid.
    """
    if isinstance(init, str):
        if init not in INITS:
            raise ValueError(f"init must be {', '.join(map(repr, INITS))}, an array or a callable; got {init!r}")
    elif init is not None and not callable(init):
        _checked_array(name, init, n_samples, n_clusters, d)


def find_start(
    z: np.ndarray, n_clusters: int, init: Any, n_init: int, rng: np.random.Generator, dtype: DTypeLike
) -> Start:
    """Return labels and centroids from which the clustering phase starts.

    Parameters
    ----------
    z : ndarray of shape (n, d)
        Embedding.
    n_clusters : int
        Number of clusters k.
    init : str, array or callable
        As in ``DEC``.
    n_init : int
        Restarts of k-means.
    rng : numpy.random.Generator
        Exactly one number is drawn from it.
    dtype : dtype
        Type of the centroids.

    Returns
    -------
    start : Start
        Labels, centroids, name of the start, and its loss.

    Raises
    ------
    ValueError
        If ``init`` is not valid, or is a callable that returns an invalid array.

    See Also
    --------
    check_init : Check of ``init`` before training.
    """
    seed = int(rng.integers(2**31))
    with single_threaded_blas, threadpool_limits(1, "openmp"):  # with more threads, the order of the sums varies
        if callable(init):
            found = init(z.copy(), n_clusters, random_state=np.random.RandomState(seed))
            start = _from_array("callable", "the array that init returns", found, z, n_clusters)
        elif not isinstance(init, str):
            start = _from_array("array", "init", init, z, n_clusters)
        else:
            start = (_from_kmeans if init == "k-means" else _from_neighbors)(z, n_clusters, n_init, seed)
    with np.errstate(over="ignore"):
        centers = start.centers.astype(dtype)
    if not np.isfinite(centers).all():
        raise ValueError(f"the centroids of init must hold finite numbers within {np.dtype(dtype)}")
    return start._replace(centers=centers)


def _from_kmeans(z: np.ndarray, n_clusters: int, n_init: int, seed: int) -> Start:
    """Return the best of ``n_init`` runs of k-means (DEC section 3.1)."""
    kmeans = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(z)
    return Start(kmeans.labels_.astype(np.int32), kmeans.cluster_centers_, "k-means", kmeans.n_iter_,
                 kmeans.inertia_ / len(z))


def _from_neighbors(z: np.ndarray, n_clusters: int, n_init: int, seed: int) -> Start:
    """Return the start from clusters of the neighbor graph, or one from k-means with a warning if it has none.

    Rows that are not in the sample, or that the graph leaves out, have the most frequent label of their nearest rows with a
    label.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(z), min(SAMPLE, len(z)), replace=False))
    try:
        found = graph_clusters(z[rows], n_clusters, n_init, rng)
        stable = stability(z[rows], found, n_clusters, n_init, rng)
        if stable < STABLE:
            raise GraphError("the clusters of the graph change if half of the rows are left out (adjusted Rand index "
                             f"{stable:.2f}, below {STABLE})")
        rows, found = rows[found >= 0], found[found >= 0]
        centers = _means(z[rows], found, n_clusters)
        agreement = float(np.mean(_nearest(z[rows], centers) == found))
        if agreement < AGREEMENT:
            raise GraphError(f"only {agreement:.0%} of the rows are nearest to the mean of their own cluster, and a "
                             "cluster of DEC is one centroid")
    except GraphError as error:
        start = _from_kmeans_or_directions(z, rows, n_clusters, n_init, seed)
        no_action = ("because k-means is the start of the paper" if start.name == "k-means" else "because k-means, the "
                     "start of the paper, has a cluster that holds the short rows of several directions")
        return start._replace(warnings=[f"the clustering phase started from {start.name}, not from the neighbor graph of "
                                        f"the embedding: {error}; this alone needs no action, {no_action}"])
    labels = np.full(len(z), -1, np.int32)
    labels[rows] = found
    others = np.flatnonzero(labels < 0)
    if len(others):
        labels[others] = KNeighborsClassifier(min(N_NEIGHBORS, len(rows))).fit(z[rows], found).predict(z[others])
    return _start("neighbors", z, labels, centers, True)


def _from_kmeans_or_directions(z: np.ndarray, rows: np.ndarray, n_clusters: int, n_init: int, seed: int) -> Start:
    """Return the start from k-means, or from spherical k-means if k-means has a cluster of short rows.

    In an embedding of text, the length of z grows with that of the document, and k-means may put the short rows of all
    topics into one cluster around the origin. Spherical k-means (Dhillon & Modha 2001) compares directions: here it is
    k-means on rows of length 1. It is taken if a cluster of k-means has no direction (``DIRECTED``), and if its own
    clusters are stable on random halves of ``rows`` (``STABLE``).
    """
    start = _from_kmeans(z, n_clusters, n_init, seed)
    if len(np.unique(start.labels)) < n_clusters:  # there are fewer different rows
        return start
    length = np.linalg.norm(z, axis=1, keepdims=True)
    directions = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
    resultants = np.linalg.norm(_means(directions, start.labels, n_clusters), axis=1)
    if resultants.min() >= DIRECTED or _stability(directions[rows], n_clusters, n_init, seed) < STABLE:
        return start
    labels = _from_kmeans(directions, n_clusters, n_init, seed).labels
    if len(np.unique(labels)) < n_clusters:
        return start
    return _start("spherical k-means", z, labels, _means(z, labels, n_clusters), True)


def _stability(x: np.ndarray, n_clusters: int, n_init: int, seed: int) -> float:
    """Return the mean adjusted Rand index of k-means on x (n, d) with k-means on random halves of the rows."""
    def cluster(rows: Any) -> np.ndarray:
        return _from_kmeans(x[rows], n_clusters, n_init, seed).labels

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer than n_clusters different rows
        n_rows = max(len(x) // 2, n_clusters)
        return agreement_of_halves(cluster(slice(None)), cluster, n_rows, np.random.default_rng(seed))


def _from_array(name: str, what: str, array: Any, z: np.ndarray, n_clusters: int) -> Start:
    """Return the start from labels (n,) or centroids (k, d); ``what`` names the array in messages."""
    array = _checked_array(what, array, len(z), n_clusters, z.shape[1])
    if array.ndim == 1:
        labels = array.astype(np.int32)
        return _start(name, z, labels, _means(z, labels, n_clusters), True)
    centers = array.astype(np.float64)
    return _start(name, z, _nearest(z, centers), centers, False)


def _means(z: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return the mean of the rows with each label, (k, d) float64; each label occurs."""
    sums = [np.bincount(labels, weights=column, minlength=n_clusters) for column in z.T]
    return np.stack(sums, axis=1) / np.bincount(labels, minlength=n_clusters)[:, None]


def _nearest(z: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the nearest centroid of each row, (n,) int32."""
    return pairwise_distances_argmin(z, centers).astype(np.int32)


def _start(name: str, z: np.ndarray, labels: np.ndarray, centers: np.ndarray, by_labels: bool) -> Start:
    """Return a start of one iteration, with its loss."""
    difference = z - centers[labels]
    loss = float(np.einsum("ij,ij->", difference, difference)) / len(z)
    return Start(labels, centers, name, 1, loss, by_labels)


# ---------------------------------------------------------------- checks of arrays

def _checked_array(name: str, given: Any, n: int, k: int, d: int) -> np.ndarray:
    """Return centroids (k, d) or labels (n,) as an array; raise ValueError for anything else."""
    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be an array of labels ({n},) or of centroids ({k}, {d}); {error}") from error
    if array.shape not in ((n,), (k, d)):
        raise ValueError(f"{name} must be an array of labels, of the shape (n,) = ({n},), or of centroids in the "
                         f"embedded space, of the shape (n_clusters, d) = ({k}, {d}); got the shape {array.shape}")
    if array.ndim == 1:
        _check_labels(name, array, k)
    elif array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite real numbers, the coordinates of the centroids")
    return array


def _check_labels(name: str, labels: np.ndarray, k: int) -> None:
    """Raise ValueError unless the labels are whole numbers 0 to k - 1, each of which occurs."""
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold whole numbers if it is an array of labels; got the dtype {labels.dtype}")
    outside = (labels < 0) | (labels >= k)
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(f"{name} must hold labels from 0 to n_clusters - 1 = {k - 1}; got {labels[row]} in row {row + 1} "
                         "(counted from 1)")
    empty = np.flatnonzero(np.bincount(labels.astype(np.intp), minlength=k) == 0)
    if len(empty):
        raise ValueError(f"{name} must hold each label from 0 to n_clusters - 1 = {k - 1}, because a cluster without "
                         f"rows has no centroid; {k - len(empty)} of {k} labels occur, and {empty[0]} does not")
