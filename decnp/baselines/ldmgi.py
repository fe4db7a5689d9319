"""LDMGI: clustering by local discriminant models and global integration (Yang et al., IEEE TIP 2010)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..utils.validation import Seed, as_generator, check_number
from ._base import SpectralBaseline, nontrivial_eigenvectors
from .cliques import Cliques, local_laplacian
from .rotation import spectral_rotation

__all__ = ["LDMGI"]


class LDMGI(SpectralBaseline):
    r"""Local discriminant models and global integration, a baseline of the DEC paper (Table 2).

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters c.
    lam : float, default=1e-2
        Regularization of the local models, above 0, in units of ||x||^2. The DEC paper tries 1e-8, 1e-6, ..., 1e8.
    n_neighbors : int, default=5
        Size of a clique, the point itself included.
    n_init : int, default=20
        Number of starts of the rotation. The result is that of the start with the smallest ||Y - G~ R||^2.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the eigensolver and the rotation.

    Attributes
    ----------
    labels_ : ndarray of shape (n,)
        Labels, int32.
    embedding_ : ndarray of shape (n, c)
        Eigenvectors G. Each column has length 1.
    rotation_ : ndarray of shape (c, c)
        Orthogonal matrix R.
    objective_ : float
        ||Y - G~ R||^2 of the labels, a sum over samples.
    n_features_in_ : int
        Number of features D.

    See Also
    --------
    SEC : The other spectral baseline of the DEC paper.
    find_cliques : Neighbor search, whose result ``fit`` accepts.

    Notes
    -----
    A regularized linear discriminant model in the clique of each point measures how well an indicator G separates
    the clique. The sum over all cliques is minimized:

    .. math:: \min_G tr(G^T L G), \quad G^T G = I, \quad
        L = \sum_i S_i H (\tilde X_i^T \tilde X_i + \lambda I)^{-1} H S_i^T

    X~_i are the centered points of clique i, lambda is ``lam``, H is the centering matrix, and S_i maps the clique to
    its rows. G consists of eigenvectors 2 to c + 1 of L. Spectral rotation converts the rows of G, scaled to length 1
    (G~), into labels.

    Source: Yang, Xu, Nie, Yan, Zhuang 2010. c, 5 neighbors and 20 starts are as in the DEC paper. Differs from the DEC
    paper: no. The DEC paper does not mention that the constant first eigenvector is dropped. With this step the
    accuracy agrees with Table 2.

    Examples
    --------
    >>> from decnp.baselines import LDMGI
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [9, 9], [9, 8], [8, 9], [8, 8], [9, 7]])
    >>> labels = LDMGI(2, random_state=0).fit_predict(X)
    >>> bool((labels[:5] == labels[0]).all() and (labels[5:] == 1 - labels[0]).all())
    True
    """

    def __init__(
        self, n_clusters: int = 8, *, lam: float = 1e-2, n_neighbors: int = 5, n_init: int = 20,
        random_state: Seed = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.lam = lam
        self.n_neighbors = n_neighbors
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None, *, cliques: Cliques | None = None) -> LDMGI:
        """Cluster the rows of X, and return the estimator.

        Parameters
        ----------
        X : array-like of shape (n, D)
            Data.
        y : ignored, default=None
            Present for the API of scikit-learn.
        cliques : Cliques or None, default=None
            Result of ``find_cliques(X, n_neighbors)``. None computes it.

        Returns
        -------
        self : LDMGI
            Fitted estimator.

        Raises
        ------
        ValueError
            If X or a parameter is invalid.
        TypeError
            If X is sparse.
        RuntimeError
            If the eigensolver does not converge.

        Warns
        -----
        UserWarning
            If the graph has more than c + 1 connected components.
        """
        rows = self._checked(X)
        check_number("lam", self.lam, low=0, strict=True)
        eigen_rng, rotation_rng = as_generator(self.random_state).spawn(2)
        L = local_laplacian(self._cliques(rows, cliques), self.lam)
        self.embedding_ = nontrivial_eigenvectors(L, np.ones(len(rows)), self.n_clusters, eigen_rng)
        self.labels_, self.rotation_, self.objective_ = spectral_rotation(self.embedding_, self.n_init, rotation_rng)
        return self
