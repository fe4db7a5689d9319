"""Spectral rotation: from eigenvectors to labels, without k-means (Yu & Shi, ICCV 2003)."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["spectral_rotation"]


def spectral_rotation(F: np.ndarray, n_init: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """The discrete indicator Y and the rotation R that are nearest to each other, from F with rows of length 1.

        min ||Y - F~ R||_F^2,    F~ = rows of F / length,    R^T R = I,    Y in {0, 1}^(n x c) with one 1 a row

    Given R, row i of Y has its 1 at argmax_j (F~ R)_ij. Given Y = the labels, R = V U^T from the singular value
    decomposition U diag(s) V^T = Y^T F~, and the objective is n + ||F~||^2 - 2 sum(s). The two steps alternate
    from ``n_init`` starts; a start takes one random row of F~ and then, c - 1 times, the row that is the most
    orthogonal to those taken. A row of zeros stays zeros.

    Parameters
    ----------
    F : (n, c) eigenvectors in columns
    n_init : starts; the smallest objective wins, the first of equals
    rng : where the first rows are drawn from

    Returns
    -------
    labels : (n,) int32, the place of the 1 in each row of Y
    R : (c, c) orthogonal
    objective : ||Y - F~ R||_F^2, a sum

    Source: Yu & Shi 2003; LDMGI (Yang et al. 2010) with 20 starts, as in the DEC paper. Differs from them: no.

    >>> F = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    >>> labels, R, objective = spectral_rotation(F, 3, np.random.default_rng(0))
    >>> bool(labels[0] == labels[2] != labels[1]), round(objective, 12) + 0.0
    (True, 0.0)
    """
    length = np.linalg.norm(F, axis=1, keepdims=True)
    F = np.divide(F, length, out=np.zeros_like(F), where=length > 0)  # F~
    best: Any = None
    for _ in range(n_init):
        labels, R, objective = _alternate(F, _start(F, int(rng.integers(len(F)))))
        if best is None or objective < best[2]:
            best = labels, R, objective
    return best


def _start(F, first):
    """R (c, c) with rows of F~ as its columns, each the most orthogonal to those before it."""
    R = np.empty((F.shape[1], F.shape[1]))
    R[:, 0], overlap = F[first], np.zeros(len(F))
    for j in range(1, len(R)):
        overlap += np.abs(F @ R[:, j - 1])
        R[:, j] = F[overlap.argmin()]
    return R


def _alternate(F, R, tol=1e-10, max_iter=1000):
    """Labels, then R, and again, until the objective stays the same to ``tol`` n; it never rises."""
    n, c = F.shape
    last, squares = np.inf, float((F**2).sum())
    for _ in range(max_iter):
        labels = (F @ R).argmax(axis=1).astype(np.int32)
        sums = np.stack([np.bincount(labels, weights=F[:, j], minlength=c) for j in range(c)], axis=1)  # Y^T F~
        U, s, Vt = np.linalg.svd(sums)
        R, objective = Vt.T @ U.T, float(n + squares - 2 * s.sum())
        if last - objective <= tol * n:
            break
        last = objective
    return labels, R, objective
