"""Base class of LDMGI and SEC with input validation, and the nontrivial eigenvectors of a Laplacian."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from ..utils.validation import check_distinct, check_number, check_rows
from .cliques import Cliques, find_cliques, trivial_vectors
from .eigen import smallest_eigenvectors

__all__ = ["SpectralBaseline", "nontrivial_eigenvectors"]


class SpectralBaseline(ClusterMixin, BaseEstimator):
    """Base class of LDMGI and SEC, which validates their common input and parameters."""

    n_clusters: int
    n_neighbors: int
    n_init: int

    def _checked(self, X: ArrayLike) -> np.ndarray:
        """Return X (n, D) in float32 if X is float32, else in float64; raise ValueError for invalid input."""
        check_rows(X)
        rows: np.ndarray = validate_data(self, X, dtype=[np.float64, np.float32])
        check_number("n_clusters", self.n_clusters, low=1, integer=True)
        check_number("n_neighbors", self.n_neighbors, low=2, integer=True)
        check_number("n_init", self.n_init, low=1, integer=True)
        check_distinct(rows, self.n_clusters)
        return rows

    def _cliques(self, X: np.ndarray, cliques: Cliques | None) -> Cliques:
        """Return ``cliques``, or those found in X for None; raise ValueError if their shape does not match X."""
        if cliques is None:
            return find_cliques(X, self.n_neighbors)
        if not isinstance(cliques, Cliques):
            raise ValueError(f"cliques must come from find_cliques(X, n_neighbors), or be None; got {type(cliques)}")
        if cliques.neighbors.shape != (len(X), self.n_neighbors):
            raise ValueError(
                f"cliques must be of X's {len(X)} samples, {self.n_neighbors} neighbors each; "
                f"got {cliques.neighbors.shape[0]} of {cliques.neighbors.shape[1]}"
            )
        return cliques


def nontrivial_eigenvectors(
    L: sparse.csr_array, trivial: np.ndarray, c: int, rng: np.random.Generator
) -> np.ndarray:
    """Return eigenvectors 2 to c + 1, (n, c), of a Laplacian L with L @ trivial = 0.

    The Laplacian of a graph with p connected components has the eigenvalue 0 p times. Its eigenvectors are known:
    ``trivial`` restricted to each component. The iterative solver, which ``rng`` starts, computes only the other
    eigenvectors, so it cannot miss a copy of the eigenvalue 0. For p > c + 1 the choice of c eigenvectors is ambiguous.
    This function then uses the c + 1 largest components, and issues a UserWarning.

    Raises ValueError if c >= n.
    """
    n = len(trivial)
    if c >= n:
        raise ValueError(f"X must have more than n_clusters = {c} samples, as the first eigenvector is dropped; "
                         f"got n_samples = {n}")
    null = trivial_vectors(L, trivial)  # (n, p)
    p = null.shape[1]
    if p > c + 1:
        warnings.warn(f"the graph has {p} connected components, more than n_clusters + 1 = {c + 1}: only the largest "
                      "are separated; use a larger n_neighbors to join components", UserWarning, stacklevel=3)
    parts = null[:, : c + 1]
    first = parts.T @ trivial  # (min(p, c + 1),): the trivial vector in the basis of the parts
    across = np.linalg.qr(np.column_stack([first, np.eye(len(first))]))[0][:, 1:]
    F = parts @ across  # (n, min(p - 1, c))
    if F.shape[1] < c:
        F = np.hstack([F, smallest_eigenvectors(L, c - F.shape[1], rng, null=null)])
    return F
