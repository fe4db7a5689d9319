"""LDMGI: clustering by local discriminant models and global integration (Yang et al., IEEE TIP 2010)."""

from __future__ import annotations

import numpy as np

from ..utils.validation import as_generator, check_number
from ._base import SpectralBaseline, nontrivial_eigenvectors
from .cliques import Cliques, local_laplacian
from .rotation import spectral_rotation

__all__ = ["LDMGI"]


class LDMGI(SpectralBaseline):
    """Local discriminant models and global integration, a baseline of the DEC paper (its Table 2).

    In the clique of each point, a regularised linear discriminant model says how well an indicator G separates
    it; all cliques together give

        min_G tr(G^T L G),    G^T G = I,    L = sum_i S_i H (X~_i^T X~_i + lam I)^-1 H S_i^T.

    G is eigenvectors 2 to c + 1 of L. Its rows, at length 1, become labels by spectral rotation.

    Parameters
    ----------
    n_clusters : number of clusters c
    lam : > 0, regularises the local models, in units of ||x||^2; the paper tries 1e-8, 1e-6, ..., 1e8
    n_neighbors : size of a clique, the point itself included
    n_init : starts of the rotation; the smallest ||Y - G~ R||^2 wins
    random_state : None, int, ``numpy.random.Generator`` or ``RandomState``

    Attributes
    ----------
    labels_ : (n,) int32
    embedding_ : (n, c) the eigenvectors G, of length 1, as they are before their rows are
    rotation_ : (c, c) orthogonal, R
    objective_ : ||Y - G~ R||^2 of the labels, a sum over samples
    n_features_in_ : D

    Source: Yang, Xu, Nie, Yan, Zhuang 2010; c, 5 neighbours and 20 starts as in the DEC paper. Differs from it:
    no; that the constant first eigenvector is dropped is not in the DEC paper's text, but meets its accuracy.

    >>> from decnp.baselines import LDMGI
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [9, 9], [9, 8], [8, 9], [8, 8], [9, 7]])
    >>> labels = LDMGI(2, random_state=0).fit_predict(X)
    >>> bool((labels[:5] == labels[0]).all() and (labels[5:] == 1 - labels[0]).all())
    True
    """

    def __init__(self, n_clusters=8, *, lam=1e-2, n_neighbors=5, n_init=20, random_state=None):
        self.n_clusters = n_clusters
        self.lam = lam
        self.n_neighbors = n_neighbors
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X, y=None, *, cliques: Cliques | None = None) -> "LDMGI":
        """Cluster X (n, D). ``y`` is ignored; ``cliques`` saves the search, if ``find_cliques(X)`` has been done.

        Raises ValueError for bad input or parameters, in one sentence. Warns (UserWarning) if the graph has more than
        c + 1 parts.
        """
        X = self._checked(X)
        check_number("lam", self.lam, low=0, above=True)
        eigen_rng, rotation_rng = as_generator(self.random_state).spawn(2)
        L = local_laplacian(self._cliques(X, cliques), self.lam)
        self.embedding_ = nontrivial_eigenvectors(L, np.ones(len(X)), self.n_clusters, eigen_rng)
        self.labels_, self.rotation_, self.objective_ = spectral_rotation(self.embedding_, self.n_init, rotation_rng)
        return self
