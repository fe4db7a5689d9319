"""The cliques (each point with its nearest neighbors), and the Laplacians of their graph.

The cliques depend only on the data. At n = 70,000 the search takes most of the time of a fit, so reuse its result for
several settings::

    cliques = find_cliques(X)
    for lam in 10.0 ** np.arange(-8, 9, 2):
        labels = LDMGI(10, lam=lam, random_state=0).fit_predict(X, cliques=cliques)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.utils import check_array

from ..utils.rows import blocks
from ..utils.validation import check_number, check_rows

__all__ = ["Cliques", "find_cliques", "local_laplacian", "normalized_cut_laplacian", "trivial_vectors"]

EXTRA = 8
"""Number of candidates beyond k that the matrix products select. Their distances are computed again in float64."""

GROUP = 16
"""Number of columns of the distance table that share one minimum."""

BLOCK_BYTES = 2**27
"""Approximate size of a block of the distance table: 479 rows at n = 70,000 in float32."""


class Cliques(NamedTuple):
    """Cliques of n samples, from ``find_cliques``."""

    neighbors: np.ndarray
    """(n, k) int64. Row i is N_i: i itself, then its nearest points, nearest first."""
    grams: np.ndarray
    """(n, k, k) float64, X~_i^T X~_i: the inner products within N_i after subtraction of its mean."""

    def squared_distances(self) -> np.ndarray:
        """Return the squared distances within each clique.

        Returns
        -------
        squared : ndarray of shape (n, k)
            ||x_i - x_j||^2 for each j in N_i, float64. The first column, j = i, is 0.
        """
        own, others = self.grams[:, :1, 0], np.diagonal(self.grams, axis1=1, axis2=2)  # (n, 1), (n, k)
        return np.maximum(own + others - 2 * self.grams[:, 0], 0)  # the maximum only removes rounding


def find_cliques(X: ArrayLike, n_neighbors: int = 5) -> Cliques:
    """Return the clique N_i of each point, the point and its k - 1 nearest points, with the Gram matrices.

    Parameters
    ----------
    X : array-like of shape (n, D)
        Data. float32 is searched in float32, which is faster. Any other dtype is converted to float64.
    n_neighbors : int, default=5
        Size k of a clique, the point itself included, from 2 to n.

    Returns
    -------
    cliques : Cliques
        ``(neighbors, grams)``.

    Raises
    ------
    ValueError
        If X is not a finite numeric matrix, if its squared distances overflow, or if k is out of range.
    TypeError
        If X is sparse.

    See Also
    --------
    LDMGI, SEC : Estimators that take the cliques.

    Notes
    -----
    Distances are Euclidean. Every pair of points is compared. Matrix products in the precision of X select k + 8
    candidates for each point, and differences in float64 select the k nearest candidates. If the rounding of the products
    could hide a nearer point, as for groups of points that are far apart, differences in float64 are computed for all
    points. Ties are broken by row number. A point is the first of its own clique, even if it has duplicates.

    Cost: n^2 D multiplications, and about 500 MB in addition to X at MNIST's n = 70,000. scikit-learn's brute-force
    search returns the same neighbors and takes 1.6 times the CPU time at n = 20,000 (tests/benchmarks/baselines.py).

    Source: Yang et al. 2010. Differs from it: no.

    Examples
    --------
    >>> find_cliques([[0.0], [1.0], [5.0], [7.0]], n_neighbors=2).neighbors.tolist()
    [[0, 1], [1, 0], [2, 3], [3, 2]]
    """
    check_rows(X)
    rows: np.ndarray = check_array(X, dtype=[np.float64, np.float32])
    check_number("n_neighbors", n_neighbors, low=2, integer=True)
    n, k = len(rows), int(n_neighbors)
    if k > n:
        raise ValueError(f"n_neighbors must be at most the number of samples; got n_neighbors = {k}, n_samples = {n}")
    neighbors, grams = np.empty((n, k), np.int64), np.empty((n, k, k))
    for block, candidates, bound in _candidates(rows, min(k + EXTRA, n)):
        i = np.arange(block.start, block.stop)[:, None]
        candidates.sort(axis=1)  # the stable argsort below then prefers the earlier of two equally near points
        squared = ((rows[candidates] - rows[i].astype(np.float64)) ** 2).sum(axis=2)  # (b, k + EXTRA)
        squared[candidates == i] = -1  # the point itself first
        nearest = squared.argsort(axis=1, kind="stable")[:, :k]
        neighbors[block] = np.take_along_axis(candidates, nearest, axis=1)
        last = np.take_along_axis(squared, nearest[:, -1:], axis=1)[:, 0]  # (b,)
        for row in block.start + np.flatnonzero(last >= bound):
            neighbors[row] = _nearest(rows, row, k)
        z = rows[neighbors[block]].astype(np.float64)  # (b, k, D)
        z -= z.mean(axis=1, keepdims=True)
        grams[block] = z @ z.transpose(0, 2, 1)
    return Cliques(neighbors, grams)


def _candidates(X: np.ndarray, m: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield the slice of each block of rows, m points near each row, (b, m), and a bound for the other points, (b,).

    The m points include the row itself. The squared distance of each other point from the row is at least the bound. The
    table has a lower bound of each squared distance, and the m points with the smallest bounds are selected. The columns of
    the table form groups. These m points are in the m groups with the smallest minima, so only these groups are searched,
    which is much faster than a partition of the whole row.
    """
    n, D = X.shape
    width = -(-n // GROUP)  # the number of groups; group g holds the columns g, g + width, g + 2 width, ...
    padded = np.zeros((width * GROUP, D), X.dtype)
    np.subtract(X, X.mean(axis=0, dtype=np.float64).astype(X.dtype), out=padded[:n])  # the same distances, less rounding
    with np.errstate(over="ignore"):
        norms = np.einsum("ij,ij->i", padded, padded)
    if not np.isfinite(4 * norms.max()):
        raise ValueError(f"X is too large: squared distances overflow in {X.dtype}")
    # The error of a squared distance is below (D + 8) eps (||x_i||^2 + ||x_j||^2), so this is a lower bound.
    norms *= 1 - (D + 8) * np.finfo(X.dtype).eps
    norms[n:] = np.inf
    step = max(1, BLOCK_BYTES // (width * GROUP * X.dtype.itemsize))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        table = (-2 * padded[rows]) @ padded.T  # (b, width * GROUP): bounds of ||x_i - x_j||^2 - ||x_i||^2
        table += norms
        i = np.arange(rows.stop - start)[:, None]
        table[i[:, 0], np.arange(start, rows.stop)] = -np.inf
        best = table.reshape(len(i), GROUP, width).min(axis=1)
        groups = np.argpartition(best, min(m, width) - 1, axis=1)[:, :m]
        columns = (groups[:, :, None] + width * np.arange(GROUP)).reshape(len(i), -1)
        values = table[i, columns]
        picked = np.argpartition(values, m - 1, axis=1)[:, :m]
        largest = np.take_along_axis(values, picked, axis=1).max(axis=1).astype(np.float64)  # of the m; the others have more
        yield rows, np.take_along_axis(columns, picked, axis=1), largest + norms[rows] if m < n else np.full(len(i), np.inf)


def _nearest(X: np.ndarray, i: int, k: int) -> np.ndarray:
    """Return row number i and those of its k - 1 nearest rows, nearest first, from differences in float64."""
    squared = np.concatenate([cdist(X[i : i + 1], block, "sqeuclidean")[0] for block in blocks(X)])
    squared[i] = -1
    return squared.argsort(kind="stable")[:k]


def local_laplacian(cliques: Cliques, lam: float) -> sparse.csr_array:
    r"""Return the Laplacian of local discriminant models (LDMGI); ``lam`` times it is that of local regression (SEC).

    Parameters
    ----------
    cliques : Cliques
        Cliques of n samples.
    lam : float
        Regularization, above 0, in units of ||x||^2.

    Returns
    -------
    L : sparse array of shape (n, n)
        Laplacian, float64, with about 3 k n entries.

    Raises
    ------
    ValueError
        If lam is not a finite number > 0, or so small that 1 / lam overflows.

    See Also
    --------
    normalized_cut_laplacian : The other Laplacian of SEC.

    Notes
    -----
    The Laplacian is

    .. math:: L = \sum_i S_i L_i S_i^T, \quad
        L_i = H (\tilde X_i^T \tilde X_i + \lambda I)^{-1} H, \quad H = I - 1 1^T / k

    S_i maps the k x k matrix of clique i to the rows and columns N_i. L is symmetric and positive semidefinite, and
    L 1 = 0. In D dimensions, H - X~^T (X~ X~^T + lam I_D)^-1 X~ = lam H (X~^T X~ + lam I_k)^-1 H.

    Source: Yang et al. 2010, and Nie et al. 2011 for local regression. Differs from them: no constant factor lam.

    Examples
    --------
    >>> local_laplacian(find_cliques([[0.0], [2.0]], n_neighbors=2), lam=1.0).toarray().round(3) + 0.0
    array([[ 0.333, -0.333],
           [-0.333,  0.333]])
    """
    check_number("lam", lam, low=0, strict=True)
    neighbors, grams = cliques
    n, k = neighbors.shape
    w, V = np.linalg.eigh(grams)  # (n, k), (n, k, k)
    w[w <= np.finfo(float).eps * k * w[:, -1:]] = 0  # rounding, as along the vector 1
    H = np.eye(k) - 1 / k
    with np.errstate(over="ignore", invalid="ignore"):
        local = H @ (V / (w + lam)[:, None]) @ V.transpose(0, 2, 1) @ H
    if not np.isfinite(local).all():
        raise ValueError(f"lam is too small: 1 / lam overflows; got {lam!r}")
    rows, columns = np.repeat(neighbors, k, axis=1).ravel(), np.tile(neighbors, (1, k)).ravel()
    L = _summed(local, rows, columns, n)
    return ((L + L.T) / 2).tocsr()


def normalized_cut_laplacian(cliques: Cliques) -> tuple[sparse.csr_array, np.ndarray]:
    r"""Return the Laplacian of the normalized cut of the neighbor graph, and the vector that it maps to 0.

    Parameters
    ----------
    cliques : Cliques
        Cliques of n samples.

    Returns
    -------
    L : sparse array of shape (n, n)
        Laplacian, float64.
    trivial : ndarray of shape (n,)
        The square roots of the degrees D_ii, and 1 for each degree 0. L @ trivial = 0.

    See Also
    --------
    local_laplacian : The other Laplacian of SEC.

    Notes
    -----
    The Laplacian is

    .. math:: L = I - D^{-1/2} A D^{-1/2}, \quad
        A_{ij} = \exp(-\|x_i - x_j\|^2 / (\sigma_i \sigma_j)), \quad D_{ii} = \sum_j A_{ij}

    i and j are connected if one is in the clique of the other. sigma_i is the distance from i to the last point of its
    clique. 0 / 0 is defined as 0, so duplicates have A_ij = 1. A point of degree 0 has a row of zeros in L.

    Source: Shi & Malik 2000; sigma_i from Zelnik-Manor & Perona 2004. Differs from them: no.
    """
    n, k = cliques.neighbors.shape
    squared = cliques.squared_distances()  # (n, k)
    sigma = np.sqrt(squared[:, -1])
    scale = sigma[:, None] * sigma[cliques.neighbors]
    far = squared > 0
    exponent = np.divide(squared, scale, out=np.where(far, np.inf, 0.0), where=far & (scale > 0))
    A = _summed(np.exp(-exponent[:, 1:]), np.repeat(np.arange(n), k - 1), cliques.neighbors[:, 1:].ravel(), n)
    A = A.maximum(A.T).tocsr()
    degree = A.sum(axis=1)
    trivial = np.sqrt(np.where(degree, degree, 1.0))
    D = sparse.csr_array(sparse.diags(1 / trivial))
    L = sparse.csr_array(sparse.diags(np.sign(degree))) - D @ A @ D
    return ((L + L.T) / 2).tocsr(), trivial


def _summed(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, n: int) -> sparse.csr_array:
    """Return the (n, n) CSR array of these entries, with duplicates added. Its indices are int32 for csgraph."""
    entries = rows.astype(np.int32), columns.astype(np.int32)
    return sparse.coo_array((values.ravel(), entries), shape=(n, n)).tocsr()


def trivial_vectors(L: sparse.csr_array, trivial: np.ndarray) -> sparse.csr_array:
    """Return a basis of the null space of a Laplacian L, for a graph of p connected components.

    Parameters
    ----------
    L : sparse array of shape (n, n)
        Laplacian.
    trivial : ndarray of shape (n,)
        Vector without zeros for which L @ trivial = 0.

    Returns
    -------
    vectors : sparse array of shape (n, p)
        Orthonormal columns. Each column is ``trivial`` restricted to one component and scaled to length 1. The largest
        component is first.
    """
    L = L.copy()
    L.eliminate_zeros()
    _, part = connected_components(L)
    size = np.bincount(part)
    rank = np.empty(len(size), np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    length = np.sqrt(np.bincount(part, weights=trivial**2))
    return sparse.csr_array((trivial / length[part], (np.arange(len(part)), rank[part])))
