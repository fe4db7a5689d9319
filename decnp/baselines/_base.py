"""What LDMGI and SEC have in common as estimators: their input, and the eigenvectors of a Laplacian alone."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from ..utils.validation import check_distinct, check_number
from .cliques import Cliques, find_cliques, trivial_vectors
from .eigen import smallest_eigenvectors

__all__ = ["SpectralBaseline", "nontrivial_eigenvectors"]


class SpectralBaseline(ClusterMixin, BaseEstimator):
    """Checks of X and of what both estimators are given."""

    def _checked(self, X):
        """X (n, D) as float32, if it is that, or float64; ValueError, in one sentence, for bad input."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        check_number("n_clusters", self.n_clusters, low=1, whole=True)
        check_number("n_neighbors", self.n_neighbors, low=2, whole=True)
        check_number("n_init", self.n_init, low=1, whole=True)
        check_distinct(X, self.n_clusters)
        return X

    def _cliques(self, X, cliques) -> Cliques:
        """The cliques of X, found or given; ValueError if those given are not of X."""
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


def nontrivial_eigenvectors(L, trivial: np.ndarray, c: int, rng) -> np.ndarray:
    """Eigenvectors 2 to c + 1 of a Laplacian L with L @ trivial = 0: the first, trivial one is dropped, (n, c).

    On a graph of p parts, p eigenvalues are 0, and their eigenvectors are known: ``trivial`` on each part. The
    iteration looks only for the others, so that no copy of 0 is missed. With p > c + 1 the method does not say
    which c to take; these are then the ones of the c + 1 largest parts, and a UserWarning says so.

    Raises ValueError if c >= n.
    """
    if c >= L.shape[0]:
        raise ValueError(f"X must have more than n_clusters = {c} samples, as the first eigenvector is dropped; "
                         f"got n_samples = {L.shape[0]}")
    null = trivial_vectors(L, trivial)  # (n, p)
    p = null.shape[1]
    if p > c + 1:
        warnings.warn(f"the graph has {p} parts, more than n_clusters + 1 = {c + 1}: only the largest are told "
                      "apart; a larger n_neighbors joins parts", UserWarning, stacklevel=3)
    parts = null[:, : c + 1]
    first = parts.T @ trivial  # (min(p, c + 1),): the trivial vector among them
    across = np.linalg.qr(np.column_stack([first, np.eye(len(first))]))[0][:, 1:]
    F = parts @ across  # (n, min(p - 1, c))
    if F.shape[1] < c:
        F = np.hstack([F, smallest_eigenvectors(L, c - F.shape[1], rng, null=null)])
    return F
