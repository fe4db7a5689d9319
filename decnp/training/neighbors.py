"""Clusters of the neighbor graph of the embedding: the start of ``DEC(init="neighbors")``.

The method is LDMGI (Yang et al. 2010), a baseline of the DEC paper, with four changes. One eigenvector more than clusters
is taken: it separates an outlying group that would otherwise take the place of a cluster. k-means on the eigenvectors'
rows, scaled to length 1 (Ng, Jordan & Weiss 2001), gives the labels. ``lam`` is relative to the scatter within the cliques.
Groups far smaller than a cluster are left out, and the graph is built again without them.

A graph without ``n_clusters`` clusters raises ``GraphError``; no labels are needed to see that.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ..baselines import find_cliques
from ..baselines._base import nontrivial_eigenvectors
from ..baselines.cliques import local_laplacian

__all__ = ["GraphError", "graph_clusters", "stability"]

N_NEIGHBORS = 10
"""Largest size of a clique of the graph, the row itself included."""
LAM = 10.0
"""LDMGI's ``lam``, as a multiple of the mean squared distance of a row from the mean of its clique."""
SMALLEST = 0.1
"""A group is left out if it has fewer rows than this fraction of n / k."""
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
        If there are too few rows, if all are equal, if the graph has more than k large parts, if small groups hold more than
        ``LEFT_OUT`` of the rows, or if the eigensolver does not converge.
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
            labels[rows] = found
            return labels
        rows = rows[large[found]]
    raise GraphError(f"groups of fewer than {smallest:.0f} rows split off again and again")


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
    found = []
    for _ in range(HALVES):
        half = rng.choice(len(z), len(z) // 2, replace=False)
        again = graph_clusters(z[half], n_clusters, n_init, rng)
        both = (again >= 0) & (labels[half] >= 0)
        found.append(adjusted_rand_score(labels[half][both], again[both]))
    return float(np.mean(found))


def _clusters(
    z: np.ndarray, n_clusters: int, smallest: float, n_init: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the parts of the graph if one is too small, else its clusters: (n,) from 0."""
    n_neighbors = max(2, min(N_NEIGHBORS, len(z) // n_clusters))  # a clique is no larger than a cluster
    cliques = find_cliques(z, n_neighbors)
    scatter = float(np.trace(cliques.grams, axis1=1, axis2=2).mean()) / n_neighbors
    L = local_laplacian(cliques, LAM * max(scatter, 1e-12))
    L.eliminate_zeros()
    n_parts, part = connected_components(L, directed=False)
    if (np.bincount(part) < smallest).any():
        return part
    if n_parts > n_clusters:
        raise GraphError(f"the graph has {n_parts} parts, more than n_clusters = {n_clusters}")
    trivial = np.ones(len(z))
    try:
        F = np.column_stack([trivial / np.sqrt(len(z)), nontrivial_eigenvectors(L, trivial, n_clusters, rng)])
    except RuntimeError as error:
        raise GraphError("the eigenvectors of its Laplacian did not converge") from error
    F /= np.linalg.norm(F, axis=1, keepdims=True)  # (n, k + 1)
    kmeans = KMeans(n_clusters, n_init=n_init, random_state=int(rng.integers(2**31)))
    return kmeans.fit_predict(F)
