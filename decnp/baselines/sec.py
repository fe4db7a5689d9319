"""SEC: spectral embedded clustering (Nie, Zeng, Tsang, Xu, Zhang, IEEE TNN 2011)."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from ..utils.validation import as_generator, check_number
from ._base import SpectralBaseline, nontrivial_eigenvectors
from .cliques import Cliques, local_laplacian, normalized_cut_laplacian
from .eigen import regression, smallest_eigenvectors
from .rotation import spectral_rotation

__all__ = ["SEC"]


class SEC(SpectralBaseline):
    """Spectral embedded clustering, a baseline of the DEC paper (its Table 2).

    The indicator F is to be smooth on the neighbour graph and close to a linear function of the data:

        min_{F^T F = I, W, b} tr(F^T L F) + mu (||X W + 1 b^T - F||^2 + gamma ||W||^2)

    W and b are eliminated (``eigen.regression``): F is the c smallest eigenvectors of M = L + mu L_g, and for
    mu = 0 eigenvectors 2 to c + 1 of L. F becomes labels by k-means on its rows, or by spectral rotation.

    Parameters
    ----------
    n_clusters : number of clusters c
    mu : >= 0, weight of the linear fit
    gamma : > 0, weight of ||W||^2 in it, in units of ||x||^2 summed over samples
    laplacian : "local_regression", gamma_l times ``cliques.local_laplacian``, or "normalized_cut"
    gamma_l : > 0, regularises local regression, in units of ||x||^2
    n_neighbors : size of a clique, the point itself included
    assign_labels : "kmeans" or "rotation"
    n_init : starts of either
    random_state : None, int, ``numpy.random.Generator`` or ``RandomState``

    Attributes
    ----------
    labels_ : (n,) int32
    embedding_ : (n, c) F, eigenvectors of length 1
    n_features_in_ : D

    Source: Nie et al. 2011; their MATLAB code has mu' and gamma' with mu = mu' gamma' and gamma = 1 / gamma'.
    Differs from the DEC paper: it does not say which Laplacian, gamma and range of mu it used.

    >>> from decnp.baselines import SEC
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [9, 9], [9, 8], [8, 9], [8, 8], [9, 7]])
    >>> labels = SEC(2, random_state=0).fit_predict(X)
    >>> bool((labels[:5] == labels[0]).all() and (labels[5:] == 1 - labels[0]).all())
    True
    """

    def __init__(
        self, n_clusters=8, *, mu=1e-8, gamma=1.0, laplacian="local_regression", gamma_l=1.0, n_neighbors=5,
        assign_labels="kmeans", n_init=20, random_state=None,
    ):
        self.n_clusters = n_clusters
        self.mu = mu
        self.gamma = gamma
        self.laplacian = laplacian
        self.gamma_l = gamma_l
        self.n_neighbors = n_neighbors
        self.assign_labels = assign_labels
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X, y=None, *, cliques: Cliques | None = None) -> "SEC":
        """Cluster X (n, D). ``y`` is ignored; ``cliques`` saves the search, if ``find_cliques(X)`` has been done.

        Raises ValueError for bad input or parameters, in one sentence, and RuntimeError if the eigenvectors do not
        converge. Warns (UserWarning) if mu = 0 and the graph has more than c + 1 parts.
        """
        X = self._checked(X)
        check_number("mu", self.mu, low=0)
        for name in ("gamma", "gamma_l"):
            check_number(name, getattr(self, name), low=0, above=True)
        choices = {"laplacian": ("local_regression", "normalized_cut"), "assign_labels": ("kmeans", "rotation")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be {known[0]!r} or {known[1]!r}; got {getattr(self, name)!r}")
        eigen_rng, label_rng = as_generator(self.random_state).spawn(2)
        cliques = self._cliques(X, cliques)
        if self.laplacian == "local_regression":
            L, trivial = self.gamma_l * local_laplacian(cliques, self.gamma_l), np.ones(len(X))
        else:
            L, trivial = normalized_cut_laplacian(cliques)
        if self.mu == 0:
            F = nontrivial_eigenvectors(L, trivial, self.n_clusters, eigen_rng)
        else:
            fit = regression(X, self.gamma)
            F = smallest_eigenvectors(L, self.n_clusters, eigen_rng, mu=float(self.mu), fit=fit)
        self.embedding_, self.labels_ = F, self._labels(F, label_rng)
        return self

    def _labels(self, F, rng):
        """Labels (n,) int32 from F (n, c)."""
        if self.assign_labels == "rotation":
            return spectral_rotation(F, self.n_init, rng)[0]
        with threadpool_limits(1, "openmp"):  # with more threads, k-means adds up in any order
            kmeans = KMeans(self.n_clusters, n_init=self.n_init, random_state=int(rng.integers(2**31)))
            return kmeans.fit_predict(F).astype(np.int32)
