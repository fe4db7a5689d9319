"""Clusters of the neighbor graph of the embedding: the start of ``DEC(init="neighbors")``.

The method is spectral clustering (Ng, Jordan & Weiss 2001): k-means on the eigenvectors of the graph's normalized
Laplacian, each row scaled to length 1. More eigenvectors than clusters (``EXTRA``) are taken, because the best separated
groups of a graph are often outlying parts of one cluster, and would otherwise take the place of a cluster (Rebagliati &
Verri 2011). Groups far smaller than a cluster are left out, and the graph is built again without them.

A graph without ``n_clusters`` clusters raises ``GraphError``; no labels are needed to see that.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components, laplacian
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from ..baselines._base import nontrivial_eigenvectors

__all__ = ["GraphError", "agreement_of_halves", "graph_clusters", "stability"]

N_NEIGHBORS = 7
"""Number of nearest neighbors to which a row is connected in the graph."""
EXTRA = 0.3
"""Eigenvectors beyond the number of clusters, as a fraction of it, rounded up."""
SMALLEST = 0.1
"""A group is left out if it has fewer rows than this fraction of n / k."""
LARGEST = 2.0
"""Largest size of a cluster, as a multiple of n / k. A graph with a larger one separates only small groups from it."""
LEFT_OUT = 0.2
"""Largest fraction of the rows that may be left out."""
ROUNDS = 5
"""Largest number of graphs that are built."""
HALVES = 2
"""Number of random halves of the rows whose graphs ``stability`` builds."""


class GraphError(Exception):
    """The neighbor graph has no clusters; the message is a clause that says why."""


def graph_clusters(z: np.ndarray, n_clusters: int, n_init: int, rng: np.random.Generator) -> np.ndarray:
    """Return the clusters of the neighbor graph of z, without use of the distance between far rows.

    Parameters
    ----------
    z : ndarray of shape (n, d)
        Embedding. Every pair of rows is compared, so n is bounded by the caller.
    n_clusters : int
        Number of clusters k.
    n_init : int
        Restarts of k-means on the eigenvectors.
    rng : numpy.random.Generator
        Seeds the eigensolver and k-means.

    Returns
    -------
    labels : ndarray of shape (n,)
        int32, from 0 to k - 1; -1 for rows that are left out. Each cluster has at least ``SMALLEST`` n / k rows.

    Raises
    ------
    GraphError
        If there are too few rows, if all rows are equal, if the graph has more than k large parts, if small groups hold
        more than ``LEFT_OUT`` of the rows, if a cluster is larger than ``LARGEST``, or if the eigensolver does not converge.
    """
    z = z - z.mean(axis=0, dtype=np.float64)
    spread = float(np.sqrt(np.mean(z * z)))
    if not spread > 0:
        raise GraphError("all rows have the same embedding")
    z, smallest = z / spread, SMALLEST * len(z) / n_clusters
    labels = np.full(len(z), -1, np.int32)
    rows = np.arange(len(z))
    for _ in range(ROUNDS):
        if len(rows) < (1 - LEFT_OUT) * len(z):
            raise GraphError(f"{1 - len(rows) / len(z):.0%} of the rows lie in groups of fewer than {smallest:.0f}, apart "
                             "from all others")
        if len(rows) <= n_clusters + 1:
            raise GraphError(f"a graph needs more than n_clusters + 1 = {n_clusters + 1} rows, and there are {len(rows)}")
        found = _clusters(z[rows], n_clusters, smallest, n_init, rng)
        large = np.bincount(found) >= smallest
        if large.all():
            break
        rows = rows[large[found]]
    else:
        raise GraphError(f"groups of fewer than {smallest:.0f} rows split off in each of {ROUNDS} rounds")
    largest = np.bincount(found).max() * n_clusters / len(rows)
    if largest > LARGEST:
        raise GraphError(f"its largest cluster has {largest:.1f} times as many rows as the mean of all")
    labels[rows] = found
    return labels


def stability(
    z: np.ndarray, labels: np.ndarray, n_clusters: int, n_init: int, rng: np.random.Generator
) -> float:
    """Return the agreement of ``labels`` with the clusters of the graphs of random halves of the rows.

    Parameters
    ----------
    z : ndarray of shape (n, d)
        Embedding.
    labels : ndarray of shape (n,)
        Clusters of the graph of all rows; -1 for rows that are left out.
    n_clusters, n_init, rng
        As in ``graph_clusters``.

    Returns
    -------
    agreement : float
        Adjusted Rand index, a mean over ``HALVES`` halves: 1 for the same clusters, near 0 for unrelated ones.

    Raises
    ------
    GraphError
        If the graph of a half has no clusters.
    """
    return agreement_of_halves(labels, lambda half: graph_clusters(z[half], n_clusters, n_init, rng), len(z) // 2, rng)


def agreement_of_halves(
    labels: np.ndarray, cluster: Callable[[np.ndarray], np.ndarray], n_rows: int, rng: np.random.Generator
) -> float:
    """Return the mean adjusted Rand index of ``labels`` (n,) with the clusters of ``HALVES`` random samples of the rows.

    ``cluster`` maps the numbers of the ``n_rows`` rows of a sample to their labels (n_rows,). Rows with the label -1 are
    left out. ``rng`` draws the samples.
    """
    found = []
    for _ in range(HALVES):
        half = rng.choice(len(labels), n_rows, replace=False)
        again = cluster(half)
        both = (again >= 0) & (labels[half] >= 0)
        found.append(adjusted_rand_score(labels[half][both], again[both]))
    return float(np.mean(found))


def _clusters(
    z: np.ndarray, n_clusters: int, smallest: float, n_init: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the parts of the graph if one is too small, else its clusters: (n,) from 0."""
    n_neighbors = max(2, min(N_NEIGHBORS, len(z) // n_clusters - 1))  # no more than a cluster has
    A = kneighbors_graph(z, n_neighbors)  # (n, n) 1 for each neighbor
    A = A + A.T
    n_parts, part = connected_components(A, directed=False)
    if (np.bincount(part) < smallest).any():
        return part
    if n_parts > n_clusters:
        raise GraphError(f"the graph has {n_parts} parts, more than n_clusters = {n_clusters}")
    L, root = laplacian(A, normed=True, return_diag=True)  # root: (n,) square root of the degree
    n_vectors = min(n_clusters + ceil(EXTRA * n_clusters), len(z) - 1)
    try:
        others = nontrivial_eigenvectors(sparse.csr_array(L), root, n_vectors - 1, rng)
    except RuntimeError as error:
        raise GraphError("the eigenvectors of its Laplacian did not converge") from error
    F = np.column_stack([root / np.linalg.norm(root), others])  # (n, k + ceil(EXTRA k))
    F /= np.linalg.norm(F, axis=1, keepdims=True)
    kmeans = KMeans(n_clusters, n_init=n_init, random_state=int(rng.integers(2**31)))
    return kmeans.fit_predict(F)
