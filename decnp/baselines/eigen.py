"""Eigenvectors of the smallest eigenvalues of M = L + mu (I - Y Y^T), with L sparse and Y tall, for LDMGI and SEC.

Four solvers compute the same vectors. ``smallest_eigenvectors`` selects the fastest:

- ``dense``: LAPACK, for small n.
- ``direct``: Lanczos on (M - sigma)^-1, by a sparse LU of L + (mu - sigma) I and Woodbury's identity. The result is
  accurate at every mu and for any spectrum. The LU has much fill-in: seconds at n = 10,000, minutes at 70,000.
- ``lanczos``: Lanczos on M itself, for large n and for mu below the norm of L. On a graph with several parts and a
  small mu it can miss one of several eigenvalues near 0. ``direct`` handles that case.
- ``davidson``: for large n and large mu. L is then a small perturbation of mu (I - Y Y^T), whose inverse has a closed
  form. Lanczos would stall, because the eigenvalues wanted are tiny compared with mu.

SciPy's ``lobpcg`` with Davidson's preconditioner stalls at small mu. At large mu it gives the same vectors, mostly in
less time, if its absolute tolerance is known in advance. It reports a failure only as a warning. The script
tests/benchmarks/baselines.py compares ``lobpcg`` and ``davidson``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

__all__ = ["Regression", "regression", "smallest_eigenvectors"]

DENSE = 300
"""Largest number of samples for which LAPACK is used."""

DIRECT = 20_000
"""Largest number of samples for which the sparse LU is used if there is a Y."""

ACCURACY = 1e-2
"""Largest residual ||M v - theta v|| that ``lanczos`` accepts, as a fraction of the next larger eigenvalue."""

SEEDED = "rng" in inspect.signature(eigsh).parameters
"""True if ``eigsh`` has a seed for ARPACK's restarts. With an older SciPy, eigenvectors are reproducible only to ``tol``."""


class Regression(NamedTuple):
    """Quadratic form L_g = I - Y Y^T of a linear regression after elimination of W and b."""

    Y: np.ndarray
    """(n, r) float64, with columns orthogonal up to rounding."""
    t: np.ndarray
    """(r,) squared lengths of the columns."""


def regression(X: np.ndarray, gamma: float) -> Regression:
    r"""Return the error of the best linear fit of F from X, as a quadratic form in F.

    Parameters
    ----------
    X : ndarray of shape (n, D)
        Data.
    gamma : float
        Weight of ||W||^2, above 0.

    Returns
    -------
    fit : Regression
        Y and the squared lengths of its columns.

    Notes
    -----
    Both squared penalties are sums:

    .. math:: \min_{W, b} \|X W + 1 b^T - F\|^2 + \gamma \|W\|^2 = tr(F^T L_g F), \quad
        L_g = H - \tilde X (\tilde X^T \tilde X + \gamma I)^{-1} \tilde X^T = I - Y Y^T, \quad
        \tilde X = H X, \quad H = I - 1 1^T / n

    With X~^T X~ = E diag(w) E^T, Y = [1 / sqrt(n), X~ E diag(w + gamma)^-1/2]. For D > n, Y comes from X~ X~^T.

    Source: Nie et al. 2011. Differs from it: rows are samples.
    """
    n, D = X.shape
    centered = X - X.mean(axis=0, dtype=np.float64)  # X~, (n, D) float64
    if D <= n:
        w, E = linalg.eigh(centered.T @ centered)
    else:
        w, V = linalg.eigh(centered @ centered.T)
    w[w <= np.finfo(float).eps * len(w) * w[-1]] = 0  # rounding, as along 1 / sqrt(n)
    t = w / (w + gamma)
    keep = np.flatnonzero(t > np.finfo(float).eps)[::-1]  # largest first; the others are below the rounding of I
    Y = np.empty((n, 1 + len(keep)))
    Y[:, 0] = 1 / np.sqrt(n)
    Y[:, 1:] = centered @ (E[:, keep] / np.sqrt(w[keep] + gamma)) if D <= n else V[:, keep] * np.sqrt(t[keep])
    return Regression(Y, np.r_[1.0, t[keep]])


def smallest_eigenvectors(
    L: sparse.csr_array, count: int, rng: np.random.Generator, *,
    mu: float = 0.0, fit: Regression | None = None, null: sparse.csr_array | None = None,
) -> np.ndarray:
    """Return eigenvectors of the ``count`` smallest eigenvalues of M = L + mu (I - Y Y^T), in ascending order.

    Parameters
    ----------
    L : sparse array of shape (n, n)
        Laplacian, symmetric and positive semidefinite.
    count : int
        Number of eigenvectors, at most n, or n - p with ``null``.
    rng : numpy.random.Generator
        Source of the initial vector of the iteration.
    mu : float, default=0.0
        Weight of I - Y Y^T.
    fit : Regression or None, default=None
        Regression with Y. None means M = L.
    null : sparse array of shape (n, p) or None, default=None
        Known eigenvectors of L to leave out, as orthonormal columns. Not used with ``fit``.

    Returns
    -------
    F : ndarray of shape (n, count)
        Eigenvectors, float64 and orthonormal. The entry of largest magnitude in each column is positive.

    Raises
    ------
    RuntimeError
        If the eigensolver does not converge. The message names the parameters to change.
    """
    n, bound = L.shape[0], float(abs(L).sum(axis=1).max())  # bound >= every eigenvalue of L
    start = rng.normal(size=n)
    try:
        if n <= DENSE or 4 * count >= n:
            F = dense(L, count, mu, fit, null)
        elif fit is not None and n <= DIRECT:
            F = direct(L, count, mu, fit, None, start, bound)
        elif fit is not None and mu > bound / 4:
            F = davidson(L, count, mu, fit, rng, bound)
        elif fit is not None and connected_components(L, directed=False)[0] > 1:
            F = direct(L, count, mu, fit, None, start, bound)
        else:
            try:
                F = lanczos(L, count, mu, fit, null, start, bound)
            except ArpackNoConvergence:  # a stiff L: duplicates, or fewer features than neighbors, at a tiny lam
                F = direct(L, count, mu, fit, null, start, bound)
    except ArpackNoConvergence:
        raise RuntimeError(
            f"the {count} smallest eigenvectors did not converge: eigenvalues are too close together; "
            "use a larger lam, gamma or n_neighbors"
        ) from None
    return F * np.where(F.max(axis=0) >= -F.min(axis=0), 1, -1)


def dense(
    L: sparse.csr_array, count: int, mu: float = 0.0, fit: Regression | None = None,
    null: sparse.csr_array | None = None,
) -> np.ndarray:
    """Return the eigenvectors by LAPACK, from M as a dense matrix."""
    M = L.toarray()
    if fit is not None:
        M += mu * (np.eye(len(M)) - fit.Y @ fit.Y.T)
    if null is not None:  # moved to the other end of the spectrum
        M += 2 * max(abs(M).sum(axis=1).max(), 1e-300) * (null @ null.T).toarray()
    return linalg.eigh(M, subset_by_index=(0, count - 1))[1]


def lanczos(
    L: sparse.csr_array, count: int, mu: float, fit: Regression | None, null: sparse.csr_array | None,
    start: np.ndarray, bound: float,
) -> np.ndarray:
    """Return the eigenvectors by Lanczos on I - M / s, whose largest eigenvalues are near 1.

    Y is stored in float32, because ``tol`` is far above the rounding of float32. ARPACK's ``tol`` is relative to s.
    On a stiff L, s times ``tol`` can exceed the eigenvalues wanted. The residuals are therefore compared with the next
    larger eigenvalue, and ArpackNoConvergence is raised if they are not small compared with it.
    """
    s = bound + (mu if fit is not None else 0)
    Y = None if fit is None else np.asfortranarray(fit.Y, np.float32)

    def matvec(v: np.ndarray) -> np.ndarray:
        v = v.ravel()
        Mv = L @ v
        if Y is not None:
            Mv += mu * (v - Y @ (v.astype(np.float32) @ Y))
        out = v - Mv / s
        return out if null is None else out - 2 * (null @ (null.T @ v))

    w, V = _largest(matvec, count + 1, start, tol=1e-7)
    residual = np.linalg.norm(np.column_stack([matvec(v) for v in V.T]) - V * w, axis=0).max()
    if residual > ACCURACY * (1 - w[-1]):
        raise ArpackNoConvergence("not accurate enough", w, V)
    return V[:, :count]


def direct(
    L: sparse.csr_array, count: int, mu: float, fit: Regression | None, null: sparse.csr_array | None,
    start: np.ndarray, bound: float,
) -> np.ndarray:
    """Return the eigenvectors by Lanczos on (M - sigma)^-1, with sigma slightly below 0.

    B = L + (mu - sigma) I is sparse, and Woodbury's identity gives

        (B - mu Y Y^T)^-1 = B^-1 + B^-1 Y (I / mu - Y^T B^-1 Y)^-1 Y^T B^-1.
    """
    sigma = -1e-9 * (bound + mu)
    B = (L + (mu - sigma) * sparse.csr_array(sparse.eye(len(start)))).tocsc()
    lu = splu(B, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    if fit is not None:
        Z = lu.solve(fit.Y)  # B^-1 Y
        S = linalg.inv(np.eye(len(fit.t)) / mu - fit.Y.T @ Z)

    def solve(v: np.ndarray) -> np.ndarray:
        v = v.ravel()
        if null is not None:
            v = v - null @ (null.T @ v)
        x = lu.solve(v)
        if fit is not None:
            x += Z @ (S @ (Z.T @ v))
        return x if null is None else x - null @ (null.T @ x)

    return _largest(solve, count, start, tol=1e-12)[1]


def _largest(
    matvec: Callable[[np.ndarray], np.ndarray], count: int, start: np.ndarray, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``count`` largest eigenvalues of a symmetric operator, in descending order, and their vectors."""
    n = len(start)
    seed = {"rng": np.random.default_rng(0)} if SEEDED else {}
    w, V = eigsh(LinearOperator((n, n), matvec=matvec, dtype=np.float64), count, which="LA",
                 ncv=min(n, max(80, 4 * count)), tol=tol, v0=start, maxiter=150, **seed)
    order = np.argsort(-w, kind="stable")
    return w[order], V[:, order]


def davidson(
    L: sparse.csr_array, count: int, mu: float, fit: Regression, rng: np.random.Generator, bound: float,
    tol: float = 1e-7, max_iter: int = 500,
) -> np.ndarray:
    """Return the eigenvectors by block Davidson: Rayleigh-Ritz on a space V that grows by preconditioned residuals.

    The preconditioner is the inverse of l I + mu (I - Y Y^T), where l is the mean of L's diagonal. Up to rounding this
    is (I + Y diag(mu / (l + mu (1 - t))) Y^T) / (l + mu). A poor preconditioner costs time but no accuracy: a vector
    is accepted once ||M v - theta v|| is below ``tol`` times the spread of the eigenvalues wanted.
    """
    Y, t = fit
    n, block = len(Y), count + 2
    level = L.diagonal().mean()
    gain = mu / (level + mu * (1 - t))

    def apply(V: np.ndarray) -> np.ndarray:
        return L @ V + mu * (V - Y @ (Y.T @ V))

    V = np.linalg.qr(np.hstack([Y[:, :block], rng.normal(size=(n, block))]))[0]
    MV = apply(V)
    for _ in range(max_iter):
        theta, C = np.linalg.eigh(V.T @ MV)
        F = V @ C[:, :count]
        residual = MV @ C[:, :count] - F * theta[:count]
        limit = tol * (theta[count] - theta[0]) + 1e-14 * (bound + mu)
        unconverged = np.linalg.norm(residual, axis=0) > limit
        if not unconverged.any():
            return F
        if V.shape[1] + block > 8 * block:  # restart from the best vectors
            V, MV = V @ C[:, : 3 * block], MV @ C[:, : 3 * block]
        T = residual[:, unconverged]
        T = T + Y @ (gain[:, None] * (Y.T @ T))
        for _ in range(2):  # the second pass removes the components along V that rounding left
            T = np.linalg.qr(T - V @ (V.T @ T))[0]
        V, MV = np.hstack([V, T]), np.hstack([MV, apply(T)])
    raise ArpackNoConvergence("no convergence", theta, F)
