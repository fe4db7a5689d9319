"""The smallest eigenvectors of M = L + mu (I - Y Y^T): L sparse, Y tall. The work of both spectral baselines.

Four ways to the same vectors, each where it is the quickest (``smallest_eigenvectors`` chooses):

- ``dense``: LAPACK; for small n.
- ``direct``: Lanczos on (M - sigma)^-1, from a sparse LU of L + (mu - sigma) I and Woodbury's identity. Exact at every
  mu and for any spectrum, but the LU fills up: seconds at n = 10,000, minutes at 70,000.
- ``lanczos``: Lanczos on M itself; for large n and mu below the size of L. On a graph in several parts with a small mu,
  it could miss one of several eigenvalues near 0, so that case goes to ``direct``.
- ``davidson``: for large n and large mu. There L is a small disturbance of mu (I - Y Y^T), whose inverse is known in
  closed form, and Lanczos would stall on eigenvalues that are tiny beside mu.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

__all__ = ["Regression", "regression", "smallest_eigenvectors"]

DENSE = 300
"""Up to so many samples, LAPACK."""

DIRECT = 20_000
"""Up to so many samples, the sparse LU when there is a Y."""


ACCURACY = 1e-2
"""The largest ||M v - theta v|| that ``lanczos`` lets pass, as a share of the next eigenvalue after those wanted."""

SEEDED = "rng" in inspect.signature(eigsh).parameters
"""Whether ARPACK's restarts can be seeded. Older SciPy cannot: its eigenvectors repeat to ``tol`` only."""


class Regression(NamedTuple):
    """Linear regression from X, eliminated: L_g = I - Y Y^T.

    Y : (n, r) float64
    t : (r,) the squared lengths of its columns, which are orthogonal to rounding
    """

    Y: np.ndarray
    t: np.ndarray


def regression(X: np.ndarray, gamma: float) -> Regression:
    """The best linear fit of F from X (n, D), as a quadratic form in F.

        min_{W, b} ||X W + 1 b^T - F||^2 + gamma ||W||^2 = tr(F^T L_g F)
        L_g = H - X~ (X~^T X~ + gamma I)^-1 X~^T = I - Y Y^T,    X~ = H X,    H = I - 1 1^T / n

    With X~^T X~ = E diag(w) E^T, Y = [1 / sqrt(n), X~ E diag(w + gamma)^-1/2]; for D > n the same from X~ X~^T. Both
    squared penalties are sums. gamma > 0. Source: Nie et al. 2011. Differs from it: rows are samples.
    """
    n, D = X.shape
    centred = X - X.mean(axis=0, dtype=np.float64)  # X~, (n, D) float64
    if D <= n:
        w, E = linalg.eigh(centred.T @ centred)
        w = np.maximum(w, 0)  # only removes rounding
    else:
        w, V = linalg.eigh(centred @ centred.T)
        w = np.maximum(w, 0)
    t = w / (w + gamma)
    keep = np.flatnonzero(t > np.finfo(float).eps)[::-1]  # largest first; the others are nothing beside I
    Y = np.empty((n, 1 + len(keep)))
    Y[:, 0] = 1 / np.sqrt(n)
    Y[:, 1:] = centred @ (E[:, keep] / np.sqrt(w[keep] + gamma)) if D <= n else V[:, keep] * np.sqrt(t[keep])
    return Regression(Y, np.r_[1.0, t[keep]])


def smallest_eigenvectors(
    L, count: int, rng, *, mu: float = 0.0, fit: Regression | None = None, null=None
) -> np.ndarray:
    """The ``count`` smallest eigenvectors of M = L + mu (I - Y Y^T), (n, count), in ascending order.

    Parameters
    ----------
    L : (n, n) sparse, symmetric, positive semidefinite
    count : of eigenvectors, at most n, or n - p with ``null``
    rng : where the first vector is drawn from
    mu, fit : Y is ``fit.Y``; without it, M = L
    null : (n, p) sparse with orthonormal columns, eigenvectors of L that are known and not wanted; without Y only

    Returns
    -------
    F : (n, count) float64, orthonormal; the entry of largest size in a column is positive

    Raises RuntimeError if the eigenvectors cannot be found; the sentence says what helps.
    """
    n, bound = L.shape[0], float(abs(L).sum(axis=1).max())  # of the eigenvalues of L
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
            except ArpackNoConvergence:  # a stiff L: duplicates, or fewer features than neighbours, at a tiny lam
                F = direct(L, count, mu, fit, null, start, bound)
    except ArpackNoConvergence:
        raise RuntimeError(
            f"the {count} smallest eigenvectors did not converge: eigenvalues lie too close together; "
            "take a larger lam, gamma or n_neighbors"
        ) from None
    return F * np.where(F.max(axis=0) >= -F.min(axis=0), 1, -1)


def dense(L, count, mu=0.0, fit=None, null=None):
    """By LAPACK, from M as a full matrix."""
    M = L.toarray()
    if fit is not None:
        M += mu * (np.eye(len(M)) - fit.Y @ fit.Y.T)
    if null is not None:  # to the far end of the spectrum
        M += 2 * max(abs(M).sum(axis=1).max(), 1e-300) * (null @ null.T).toarray()
    return linalg.eigh(M, subset_by_index=(0, count - 1))[1]


def lanczos(L, count, mu, fit, null, start, bound):
    """By Lanczos on I - M / s, whose largest eigenvalues are near 1; Y in float32, as tol is far above its rounding.

    ARPACK's tol is a share of s. On a stiff L, that can be more than the eigenvalues wanted; so the residuals are held
    against the next eigenvalue, and ArpackNoConvergence is raised where they are not small beside it.
    """
    s = bound + (mu if fit is not None else 0)
    Y = None if fit is None else np.asfortranarray(fit.Y, np.float32)

    def matvec(v):
        v = v.ravel()
        Mv = L @ v
        if Y is not None:
            Mv += mu * (v - Y @ (v.astype(np.float32) @ Y))
        out = v - Mv / s
        return out if null is None else out - 2 * (null @ (null.T @ v))

    w, V = _largest(matvec, count + 1, start, tol=1e-7)
    residual = np.linalg.norm(np.column_stack([matvec(v) for v in V.T]) - V * w, axis=0).max()
    if residual > ACCURACY * (1 - w[-1]):
        raise ArpackNoConvergence("not accurate enough", w[:0], V[:, :0])
    return V[:, :count]


def direct(L, count, mu, fit, null, start, bound):
    """By Lanczos on (M - sigma)^-1, sigma a little below 0. B = L + (mu - sigma) I is sparse, and by Woodbury

    (B - mu Y Y^T)^-1 = B^-1 + B^-1 Y (I / mu - Y^T B^-1 Y)^-1 Y^T B^-1.
    """
    sigma = -1e-9 * (bound + mu)
    B = (L + (mu - sigma) * sparse.csr_array(sparse.eye(len(start)))).tocsc()
    lu = splu(B, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    if fit is not None:
        Z = lu.solve(fit.Y)  # B^-1 Y
        S = linalg.inv(np.eye(len(fit.t)) / mu - fit.Y.T @ Z)

    def solve(v):
        v = v.ravel()
        if null is not None:
            v = v - null @ (null.T @ v)
        x = lu.solve(v)
        if fit is not None:
            x += Z @ (S @ (Z.T @ v))
        return x if null is None else x - null @ (null.T @ x)

    return _largest(solve, count, start, tol=1e-12)[1]


def _largest(matvec, count, start, tol):
    """ARPACK's ``count`` largest eigenvalues of a symmetric operator, largest first, and their vectors."""
    n = len(start)
    seed = {"rng": np.random.default_rng(0)} if SEEDED else {}
    w, V = eigsh(LinearOperator((n, n), matvec=matvec, dtype=np.float64), count, which="LA",
                 ncv=min(n, max(80, 4 * count)), tol=tol, v0=start, maxiter=150, **seed)
    order = np.argsort(-w, kind="stable")
    return w[order], V[:, order]


def davidson(L, count, mu, fit, rng, bound, tol=1e-7, max_iter=500):
    """By block Davidson: Rayleigh-Ritz on a growing space V, which takes in the residuals, preconditioned.

    The preconditioner is the inverse of l I + mu (I - Y Y^T), where l is the mean of L's diagonal: up to rounding,
    (I + Y diag(mu / (l + mu (1 - t))) Y^T) / (l + mu). Where it is poor, this is slow but no less exact: a vector is
    taken once ||M v - theta v|| is below ``tol`` times the spread of the eigenvalues wanted.
    """
    Y, t = fit
    n, block = len(Y), count + 2
    level = L.diagonal().mean()
    gain = mu / (level + mu * (1 - t))

    def apply(V):
        return L @ V + mu * (V - Y @ (Y.T @ V))

    V = np.linalg.qr(np.hstack([Y[:, :block], rng.normal(size=(n, block))]))[0]
    MV = apply(V)
    for _ in range(max_iter):
        theta, C = np.linalg.eigh(V.T @ MV)
        F = V @ C[:, :count]
        residual = MV @ C[:, :count] - F * theta[:count]
        limit = tol * (theta[count] - theta[0]) + 1e-14 * (bound + mu)
        open_ = np.linalg.norm(residual, axis=0) > limit
        if not open_.any():
            return F
        if V.shape[1] + block > 8 * block:  # start again from the best vectors
            V, MV = V @ C[:, : 3 * block], MV @ C[:, : 3 * block]
        T = residual[:, open_]
        T = T + Y @ (gain[:, None] * (Y.T @ T))
        for _ in range(2):  # once leaves what rounding put back
            T = np.linalg.qr(T - V @ (V.T @ T))[0]
        V, MV = np.hstack([V, T]), np.hstack([MV, apply(T)])
    raise ArpackNoConvergence("no convergence", theta[:0], F[:, :0])
