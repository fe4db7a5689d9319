"""Eqs. 1-5 as numba kernels, with the names and arguments of ``decnp.equations``, and an argument ``out``.

Each function checks, converts and allocates arrays, then calls a compiled loop of ``tiles.py``. The loops compute in
float64 for every input dtype. Large inputs are split into parts for a ``ThreadPool``. The sums over parts are added in
order, so the result does not depend on the number of threads.

``decnp.equations`` is the specification, with the formulas; ``tests/test_kernels.py`` compares the two. No function
differs from the paper in value.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..utils.threads import ThreadPool
from . import tiles

__all__ = ["soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads"]

PART = 16_000
"""Smallest number of points per thread: half a millisecond of work, several times the cost of starting a task."""


def soft_assignment(z: ArrayLike, mu: ArrayLike, alpha: float = 1.0, out: np.ndarray | None = None) -> np.ndarray:
    """Return DEC Eq. 1: soft assignments of points to clusters, by Student's t.

    Parameters
    ----------
    z : array-like of shape (n, d)
        Embedded points.
    mu : array-like of shape (k, d)
        Centroids.
    alpha : float, default=1.0
        Degrees of freedom of Student's t, above 0.
    out : ndarray of shape (n, k), default=None
        Array to write the result into, C-contiguous and of the result's dtype. None allocates it.

    Returns
    -------
    q : ndarray of shape (n, k)
        Soft assignments. Each row sums to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.
    TypeError
        If the input is complex. ``decnp.equations`` accepts complex numbers.

    See Also
    --------
    decnp.equations.soft_assignment : Readable version in NumPy, with the formula.

    Examples
    --------
    >>> soft_assignment([[0.0], [1.0]], [[0.0], [1.0]]).round(4)
    array([[0.6667, 0.3333],
           [0.3333, 0.6667]])
    """
    z, mu = _arrays(z=z, mu=mu)
    _check(z, mu, alpha)
    q = _output(out, (len(z), len(mu)), z.dtype)
    _over_parts(len(z), lambda part: tiles.soft_assignment(z[part], mu, float(alpha), q[part]))
    return q


def kl_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Return DEC Eq. 2: the clustering loss KL(P || Q), a sum over all points, in nats.

    Parameters
    ----------
    p : array-like of shape (n, k)
        Targets.
    q : array-like of shape (n, k)
        Soft assignments.

    Returns
    -------
    loss : float
        At least 0, up to rounding. Infinite if some q_ij = 0 < p_ij.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If the input is complex. ``decnp.equations`` accepts complex numbers.

    See Also
    --------
    decnp.equations.kl_divergence : Readable version in NumPy, with the formula.

    Examples
    --------
    >>> round(kl_divergence([[0.8, 0.2]], [[2/3, 1/3]]), 6)
    0.043692
    """
    p, q = _arrays(p=p, q=q)
    if p.shape != q.shape:
        raise ValueError(f"p and q must both have the shape (n, k); got {p.shape} and {q.shape}")
    return float(sum(_over_parts(len(p), lambda part: tiles.kl_divergence(p[part].reshape(-1), q[part].reshape(-1)))))


def target_distribution(q: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """Return DEC Eq. 3: the sharpened targets P, from the soft assignments of *all* points.

    Parameters
    ----------
    q : array-like of shape (n, k)
        Soft assignments of the whole data set.
    out : ndarray of shape (n, k), default=None
        Array to write the result into, C-contiguous and of the result's dtype. None allocates it.

    Returns
    -------
    p : ndarray of shape (n, k)
        Targets. Each row sums to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If the input is complex. ``decnp.equations`` accepts complex numbers.

    See Also
    --------
    decnp.equations.target_distribution : Readable version in NumPy, with the formula.

    Examples
    --------
    >>> target_distribution([[2/3, 1/3], [1/3, 2/3]]).round(4)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    (q,) = _arrays(q=q)
    p = _output(out, q.shape, q.dtype)
    f = sum(_over_parts(len(q), lambda part: tiles.frequencies(q[part])))
    _over_parts(len(q), lambda part: tiles.target_distribution(q[part], f, p[part]))
    return p


def grad_z(
    z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0, out: np.ndarray | None = None
) -> np.ndarray:
    """Return DEC Eq. 4: the gradient of Eq. 2 with respect to each embedded point, P held constant.

    Parameters
    ----------
    z : array-like of shape (n, d)
        Embedded points.
    mu : array-like of shape (k, d)
        Centroids.
    p : array-like of shape (n, k)
        Targets. Each row sums to 1.
    alpha : float, default=1.0
        Degrees of freedom of Student's t, above 0.
    out : ndarray of shape (n, d), default=None
        Array to write the result into, C-contiguous and of the result's dtype. None allocates it.

    Returns
    -------
    grad_z : ndarray of shape (n, d)
        Gradient of the *sum* over points.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.
    TypeError
        If the input is complex. ``decnp.equations`` accepts complex numbers.

    See Also
    --------
    decnp.equations.grad_z : Readable version in NumPy, with the formula.
    """
    z, mu, p = _arrays(z=z, mu=mu, p=p)
    _check(z, mu, alpha, p)
    g_z = _output(out, z.shape, z.dtype)
    _sums(z, mu, p, alpha, g_z)
    return g_z


def grad_mu(
    z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0, out: np.ndarray | None = None
) -> np.ndarray:
    """Return DEC Eq. 5: the gradient of Eq. 2 with respect to each centroid, P held constant.

    Parameters
    ----------
    z : array-like of shape (n, d)
        Embedded points.
    mu : array-like of shape (k, d)
        Centroids.
    p : array-like of shape (n, k)
        Targets. Each row sums to 1.
    alpha : float, default=1.0
        Degrees of freedom of Student's t, above 0.
    out : ndarray of shape (k, d), default=None
        Array to write the result into, C-contiguous and of the result's dtype. None allocates it.

    Returns
    -------
    grad_mu : ndarray of shape (k, d)
        Gradient of the *sum* over points.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.
    TypeError
        If the input is complex. ``decnp.equations`` accepts complex numbers.

    See Also
    --------
    decnp.equations.grad_mu : Readable version in NumPy, with the formula.
    """
    z, mu, p = _arrays(z=z, mu=mu, p=p)
    _check(z, mu, alpha, p)
    g_mu = _output(out, mu.shape, z.dtype)
    _, g_mu[...] = _sums(z, mu, p, alpha, z[:0])
    return g_mu


def loss_and_grads(
    z: ArrayLike,
    mu: ArrayLike,
    p: ArrayLike,
    alpha: float = 1.0,
    out: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return DEC Eqs. 2, 4 and 5 in one pass over the points, P held constant.

    Parameters
    ----------
    z : array-like of shape (n, d)
        Embedded points.
    mu : array-like of shape (k, d)
        Centroids.
    p : array-like of shape (n, k)
        Targets. Each row sums to 1.
    alpha : float, default=1.0
        Degrees of freedom of Student's t, above 0.
    out : tuple of ndarray of shapes (n, d) and (k, d), default=None
        Arrays to write the gradients into, C-contiguous and of the result's dtype. None allocates them.

    Returns
    -------
    loss : float
        Eq. 2, a *sum* over points, in nats.
    grad_z : ndarray of shape (n, d)
        Eq. 4.
    grad_mu : ndarray of shape (k, d)
        Eq. 5.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.
    TypeError
        If the input is complex. ``decnp.equations`` accepts complex numbers.

    See Also
    --------
    decnp.equations.loss_and_grads : Readable version in NumPy, with the formula.

    Examples
    --------
    >>> loss, g_z, g_mu = loss_and_grads([[0.0], [1.0]], [[0.0], [1.0]], [[0.8, 0.2], [0.2, 0.8]])
    >>> round(loss, 6), g_z.ravel().round(4), g_mu.ravel().round(4)
    (0.087384, array([ 0.1333, -0.1333]), array([ 0.1333, -0.1333]))
    """
    z, mu, p = _arrays(z=z, mu=mu, p=p)
    _check(z, mu, alpha, p)
    g_z, g_mu = (None, None) if out is None else out
    g_z = _output(g_z, z.shape, z.dtype)
    g_mu = _output(g_mu, mu.shape, z.dtype)
    loss, g_mu[...] = _sums(z, mu, p, alpha, g_z, want_loss=True)
    return float(loss), g_z, g_mu


# ---------------------------------------------------------------- parts of the points

def _over_parts(n: int, f: Callable[[slice], Any]) -> list[Any]:
    """Return [f(part) for each slice of the n points], on as many threads as a matrix product would use."""
    n_parts = n // PART
    if n_parts < 2:
        return [f(slice(0, n))]
    with ThreadPool() as pool:
        return pool.map(f, [slice(n * part // n_parts, n * (part + 1) // n_parts) for part in range(n_parts)])


def _sums(
    z: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float, g_z: np.ndarray, want_loss: bool = False
) -> tuple[float, np.ndarray]:
    """Return the loss and dL/dmu; write dL/dz into g_z, if that is not empty."""
    parts = _over_parts(
        len(z), lambda part: tiles.loss_and_grads(z[part], mu, p[part], float(alpha), g_z[part], want_loss))
    losses, g_mus = zip(*parts)
    return sum(losses), sum(g_mus)


# ---------------------------------------------------------------- checks

def _arrays(**named: ArrayLike) -> list[np.ndarray]:
    """Return the arguments as writable C-contiguous arrays of one floating dtype, so that a kernel is compiled once."""
    arrays = {name: np.asarray(a) for name, a in named.items()}
    for name, a in arrays.items():
        if a.ndim != 2:
            raise ValueError(f"{name} must be two-dimensional; got the shape {a.shape}")
        if a.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers; got dtype {a.dtype} (decnp.equations accepts complex numbers)")
    dtype = np.result_type(np.float32, *arrays.values())
    if dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return [np.require(a, dtype, ["C", "W"]) for a in arrays.values()]


def _check(z: np.ndarray, mu: np.ndarray, alpha: float, p: np.ndarray | None = None) -> None:
    if z.shape[1] != mu.shape[1] or len(mu) == 0:
        raise ValueError(f"z must be (n, d) and mu (k, d) with k >= 1 and the same d; got {z.shape} and {mu.shape}")
    if not (isinstance(alpha, Real) and 0 < float(alpha) < np.inf):
        raise ValueError(f"alpha must be a finite number > 0; got {alpha!r}")
    if p is not None and p.shape != (len(z), len(mu)):
        raise ValueError(f"p must have the shape (n, k) = {(len(z), len(mu))}; got {p.shape}")


def _output(out: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.carray:
        raise ValueError(f"out must be a writable C-contiguous {dtype} array of shape {shape}")
    return out
