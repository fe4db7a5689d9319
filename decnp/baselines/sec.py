"""SEC: spectral embedded clustering (Nie, Zeng, Tsang, Xu, Zhang, IEEE TNN 2011)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from ..utils.validation import Seed, as_generator, check_number
from ._base import SpectralBaseline, nontrivial_eigenvectors
from .cliques import Cliques, local_laplacian, normalized_cut_laplacian
from .eigen import regression, smallest_eigenvectors
from .rotation import spectral_rotation

__all__ = ["SEC"]


class SEC(SpectralBaseline):
    r"""Spectral embedded clustering, a baseline of the DEC paper (Table 2).

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters c.
    mu : float, default=1e-8
        Weight of the linear fit, at least 0.
    gamma : float, default=1.0
        Weight of ||W||^2 in the linear fit, above 0, in units of ||x||^2 summed over samples.
    laplacian : {"local_regression", "normalized_cut"}, default="local_regression"
        Laplacian L: ``gamma_l`` times ``cliques.local_laplacian``, or ``cliques.normalized_cut_laplacian``.
    gamma_l : float, default=1.0
        Regularization of the local regression, above 0, in units of ||x||^2.
    n_neighbors : int, default=5
        Size of a clique, the point itself included.
    assign_labels : {"kmeans", "rotation"}, default="kmeans"
        Method that converts F into labels.
    n_init : int, default=20
        Number of starts of k-means or of the rotation.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the eigensolver and of ``assign_labels``.

    Attributes
    ----------
    labels_ : ndarray of shape (n,)
        Labels, int32.
    embedding_ : ndarray of shape (n, c)
        Eigenvectors F. Each column has length 1.
    n_features_in_ : int
        Number of features D.

    See Also
    --------
    LDMGI : The other spectral baseline of the DEC paper.
    find_cliques : Neighbor search, whose result ``fit`` accepts.

    Notes
    -----
    The indicator F is smooth on the neighbor graph and close to a linear function of the data:

    .. math:: \min_{F, W, b} tr(F^T L F) + \mu (\|X W + 1 b^T - F\|^2 + \gamma \|W\|^2), \quad F^T F = I

    W and b are eliminated (``eigen.regression``). F then consists of the eigenvectors of the c smallest eigenvalues of
    M = L + mu L_g, or, for mu = 0, of eigenvectors 2 to c + 1 of L. The labels are computed by k-means on the rows of F,
    or by spectral rotation.

    Source: Nie et al. 2011. Their MATLAB code has mu' and gamma' with mu = mu' gamma' and gamma = 1 / gamma'.
    Differs from the DEC paper: the DEC paper does not say which Laplacian, gamma and range of mu it used.

    Examples
    --------
    >>> from decnp.baselines import SEC
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [9, 9], [9, 8], [8, 9], [8, 8], [9, 7]])
    >>> labels = SEC(2, random_state=0).fit_predict(X)
    >>> bool((labels[:5] == labels[0]).all() and (labels[5:] == 1 - labels[0]).all())
    True
    """

    def __init__(
        self, n_clusters: int = 8, *, mu: float = 1e-8, gamma: float = 1.0, laplacian: str = "local_regression",
        gamma_l: float = 1.0, n_neighbors: int = 5, assign_labels: str = "kmeans", n_init: int = 20,
        random_state: Seed = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.mu = mu
        self.gamma = gamma
        self.laplacian = laplacian
        self.gamma_l = gamma_l
        self.n_neighbors = n_neighbors
        self.assign_labels = assign_labels
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None, *, cliques: Cliques | None = None) -> SEC:
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
        self : SEC
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
            If mu = 0 and the graph has more than c + 1 connected components.
        """
        rows = self._checked(X)
        self._check_parameters()
        eigen_rng, label_rng = as_generator(self.random_state).spawn(2)
        L, trivial = self._laplacian(self._cliques(rows, cliques))
        if self.mu == 0:
            F = nontrivial_eigenvectors(L, trivial, self.n_clusters, eigen_rng)
        else:
            fit = regression(rows, self.gamma)
            F = smallest_eigenvectors(L, self.n_clusters, eigen_rng, mu=float(self.mu), fit=fit)
        self.embedding_, self.labels_ = F, self._labels(F, label_rng)
        return self

    def _check_parameters(self) -> None:
        """Raise ValueError for an invalid parameter that LDMGI does not have."""
        check_number("mu", self.mu, low=0)
        for name in ("gamma", "gamma_l"):
            check_number(name, getattr(self, name), low=0, strict=True)
        choices = {"laplacian": ("local_regression", "normalized_cut"), "assign_labels": ("kmeans", "rotation")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be {known[0]!r} or {known[1]!r}; got {getattr(self, name)!r}")

    def _laplacian(self, cliques: Cliques) -> tuple[sparse.csr_array, np.ndarray]:
        """Return L (n, n), and the vector (n,) that L maps to 0."""
        if self.laplacian == "local_regression":
            return self.gamma_l * local_laplacian(cliques, self.gamma_l), np.ones(len(cliques.neighbors))
        return normalized_cut_laplacian(cliques)

    def _labels(self, F: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return labels (n,) int32 from F (n, c)."""
        if self.assign_labels == "rotation":
            return spectral_rotation(F, self.n_init, rng).labels
        with threadpool_limits(1, "openmp"):  # with more threads the order of k-means' sums varies
            kmeans = KMeans(self.n_clusters, n_init=self.n_init, random_state=int(rng.integers(2**31)))
            return kmeans.fit_predict(F).astype(np.int32)
