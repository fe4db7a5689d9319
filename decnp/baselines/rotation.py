"""Spectral rotation: from eigenvectors to labels, without k-means (Yu & Shi, ICCV 2003)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Rotation", "spectral_rotation"]


class Rotation(NamedTuple):
    """Result of ``spectral_rotation``."""

    labels: np.ndarray
    """(n,) int32, the column of the 1 in each row of Y."""
    R: np.ndarray
    """(c, c) orthogonal matrix."""
    objective: float
    """||Y - F~ R||_F^2, a sum over samples."""


def spectral_rotation(F: np.ndarray, n_init: int, rng: np.random.Generator) -> Rotation:
    r"""Return the labels Y and the rotation R that minimize ||Y - F~ R||^2.

    Parameters
    ----------
    F : ndarray of shape (n, c)
        Eigenvectors in columns.
    n_init : int
        Number of starts. The result is that of the first start with the smallest objective.
    rng : numpy.random.Generator
        Source of the first row of each start.

    Returns
    -------
    rotation : Rotation
        ``(labels, R, objective)``.

    Notes
    -----
    The problem is

    .. math:: \min_{Y, R} \|Y - \tilde F R\|_F^2, \quad R^T R = I, \quad Y \in \{0, 1\}^{n \times c}

    F~ has the rows of F, scaled to length 1, and Y has one 1 in each row. Given R, row i of Y has its 1 at
    argmax_j (F~ R)_ij. Given Y, R = V U^T from the singular value decomposition U diag(s) V^T = Y^T F~, and the
    objective is n + ||F~||^2 - 2 sum(s). The two steps alternate from ``n_init`` starts. A start selects a random row of
    F~, and then c - 1 times the row most orthogonal to the rows selected before. Rows of zeros stay zero.

    Source: Yu & Shi 2003; LDMGI (Yang et al. 2010) with 20 starts, as in the DEC paper. Differs from them: no.

    Examples
    --------
    >>> F = np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    >>> labels, R, objective = spectral_rotation(F, 3, np.random.default_rng(0))
    >>> bool(labels[0] == labels[2] != labels[1]), round(objective, 12) + 0.0
    (True, 0.0)
    """
    length = np.linalg.norm(F, axis=1, keepdims=True)
    F = np.divide(F, length, out=np.zeros_like(F), where=length > 0)  # F~
    starts = (_start(F, int(rng.integers(len(F)))) for _ in range(n_init))
    return min((_alternate(F, R) for R in starts), key=lambda found: found.objective)


def _start(F: np.ndarray, first: int) -> np.ndarray:
    """Return R (c, c) whose columns are rows of F~, each the most orthogonal to those before it."""
    R = np.empty((F.shape[1], F.shape[1]))
    R[:, 0], overlap = F[first], np.zeros(len(F))
    for j in range(1, len(R)):
        overlap += np.abs(F @ R[:, j - 1])
        R[:, j] = F[overlap.argmin()]
    return R


def _alternate(F: np.ndarray, R: np.ndarray, tol: float = 1e-10, max_iter: int = 1000) -> Rotation:
    """Alternate the two steps until the objective, which never rises, falls by at most ``tol`` * n."""
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
    return Rotation(labels, R, objective)
