r"""DEC Eqs. 1-5, one function each, in plain NumPy. Read this file first.

Letters are the paper's: ``z`` (n, d) embedded points, ``mu`` (k, d) centroids, ``q`` (n, k) soft
assignments, ``p`` (n, k) targets, ``alpha`` the degrees of freedom of Student's t. Rows are samples.
One letter is not the paper's: ``u`` (n, k) is the kernel that Eqs. 1, 4 and 5 share,

.. math:: u_{ij} = (1 + \|z_i - \mu_j\|^2 / \alpha)^{-1}

Every function is analytic in its arguments (no ``abs``, no clipping) and accepts complex numbers. The complex
step can therefore differentiate each function to rounding error. This file imports no other module of decnp.
Under the same names, ``decnp.kernels`` has compiled versions, and ``decnp.gradcheck.naive`` plain loops.
"""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads"]


def soft_assignment(z: ArrayLike, mu: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    r"""Return DEC Eq. 1: soft assignments of points to clusters, by Student's t.

    .. math:: q_{ij} = u_{ij}^{(\alpha + 1) / 2} / \sum_{j'} u_{ij'}^{(\alpha + 1) / 2},
        \quad u_{ij} = (1 + \|z_i - \mu_j\|^2 / \alpha)^{-1}

    Parameters
    ----------
    z : array-like of shape (n, d)
        Embedded points.
    mu : array-like of shape (k, d)
        Centroids.
    alpha : float, default=1.0
        Degrees of freedom of Student's t, above 0.

    Returns
    -------
    q : ndarray of shape (n, k)
        Soft assignments. Each row sums to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.

    See Also
    --------
    decnp.kernels.soft_assignment : Compiled version.
    decnp.gradcheck.naive.soft_assignment : Plain loops.
    target_distribution : Eq. 3, the targets of these assignments.

    Notes
    -----
    Differs from the paper: not in value. The powers are computed as exp(log). Each row is divided by its largest power
    before it is normalized, so that far points do not become 0/0, unless their squared distance overflows.

    Examples
    --------
    >>> soft_assignment([[0.0], [1.0]], [[0.0], [1.0]]).round(4)
    array([[0.6667, 0.3333],
           [0.3333, 0.6667]])
    """
    z, mu, alpha = _points_and_centroids(z, mu, alpha)
    _, dist2 = _differences(z, mu)  # (n, k) ||z_i - mu_j||^2
    log_s = -(alpha + 1) / 2 * _log1p(dist2 / alpha)  # (n, k) log u_ij^((alpha+1)/2)
    s = np.exp(log_s - log_s.real.max(axis=1, keepdims=True))
    return s / s.sum(axis=1, keepdims=True)


def kl_divergence(p: ArrayLike, q: ArrayLike) -> np.floating:
    r"""Return DEC Eq. 2: the clustering loss, a sum over all points, in nats.

    .. math:: L = KL(P \| Q) = \sum_i \sum_j p_{ij} \log (p_{ij} / q_{ij}), \quad 0 \log 0 = 0

    Parameters
    ----------
    p : array-like of shape (n, k)
        Targets.
    q : array-like of shape (n, k)
        Soft assignments.

    Returns
    -------
    loss : floating scalar
        At least 0, up to rounding. Infinite if some q_ij = 0 < p_ij.

    Raises
    ------
    ValueError
        If the shapes differ.

    See Also
    --------
    decnp.kernels.kl_divergence : Compiled version.
    decnp.gradcheck.naive.kl_divergence : Plain loops.
    decnp.losses.clustering_loss : Mean over the minibatch, which the training loop minimizes.

    Notes
    -----
    Differs from the paper: no.

    Examples
    --------
    >>> q = [[2/3, 1/3], [1/3, 2/3]]
    >>> float(kl_divergence(target_distribution(q), q).round(6))
    0.087384
    """
    p, q = np.asarray(p), np.asarray(q)
    if p.ndim != 2 or p.shape != q.shape:
        raise ValueError(f"p and q must both have the shape (n, k); got {p.shape} and {q.shape}")
    dtype = np.result_type(p, q, np.float32)
    log_p, log_q = np.zeros(p.shape, dtype), np.zeros(p.shape, dtype)
    with np.errstate(divide="ignore"):  # q = 0 < p: the loss is infinite
        np.log(p, out=log_p, where=p != 0, dtype=dtype)
        np.log(q, out=log_q, where=p != 0, dtype=dtype)
    return np.sum(p * (log_p - log_q))


def target_distribution(q: ArrayLike) -> np.ndarray:
    r"""Return DEC Eq. 3: the sharpened targets P, from the soft assignments of *all* points.

    .. math:: p_{ij} = (q_{ij}^2 / f_j) / \sum_{j'} (q_{ij'}^2 / f_{j'}), \quad f_j = \sum_i q_{ij}

    Parameters
    ----------
    q : array-like of shape (n, k)
        Soft assignments of the whole data set, because f_j sums over all points.

    Returns
    -------
    p : ndarray of shape (n, k)
        Targets. Each row sums to 1.

    Raises
    ------
    ValueError
        If ``q`` is not two-dimensional.

    See Also
    --------
    decnp.kernels.target_distribution : Compiled version.
    decnp.gradcheck.naive.target_distribution : Plain loops.
    soft_assignment : Eq. 1, the assignments q.

    Notes
    -----
    Differs from the paper: no. q^2/f is computed as q (q/f), which does not underflow. A cluster with f_j = 0 has
    p_ij = 0.

    Examples
    --------
    >>> target_distribution([[2/3, 1/3], [1/3, 2/3]]).round(4)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    q = np.asarray(q)
    if q.ndim != 2:
        raise ValueError(f"q must have the shape (n, k); got {q.shape}")
    q = q.astype(np.result_type(q, np.float32), copy=False)
    f = q.sum(axis=0, dtype=np.result_type(q, np.float64)).astype(q.dtype)  # (k,) soft frequencies; n may be large
    weight = q * (q / np.where(f == 0, 1, f))  # (n, k) q_ij^2 / f_j
    return weight / weight.sum(axis=1, keepdims=True)


def grad_z(z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    r"""Return DEC Eq. 4: the gradient of Eq. 2 with respect to each embedded point, P held constant.

    .. math:: \partial L / \partial z_i = \frac{\alpha + 1}{\alpha} \sum_j u_{ij} (p_{ij} - q_{ij}) (z_i - \mu_j),
        \quad u_{ij} = (1 + \|z_i - \mu_j\|^2 / \alpha)^{-1}

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

    Returns
    -------
    grad_z : ndarray of shape (n, d)
        Gradient of the *sum* over points.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.

    See Also
    --------
    decnp.kernels.grad_z : Compiled version.
    decnp.gradcheck.naive.grad_z : Plain loops.
    grad_mu : Eq. 5, the gradient with respect to the centroids.

    Notes
    -----
    Differs from the paper: no.

    Examples
    --------
    >>> grad_z([[0.0], [1.0]], [[0.0], [1.0]], [[0.8, 0.2], [0.2, 0.8]]).round(4)
    array([[ 0.1333],
           [-0.1333]])
    """
    weight, diff = _gradient_factors(z, mu, p, alpha)
    return np.sum(weight[:, :, None] * diff, axis=1)  # (n, d), sum over j


def grad_mu(z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    r"""Return DEC Eq. 5: the gradient of Eq. 2 with respect to each centroid, P held constant.

    .. math:: \partial L / \partial \mu_j = -\frac{\alpha + 1}{\alpha} \sum_i u_{ij} (p_{ij} - q_{ij}) (z_i - \mu_j),
        \quad u_{ij} = (1 + \|z_i - \mu_j\|^2 / \alpha)^{-1}

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

    Returns
    -------
    grad_mu : ndarray of shape (k, d)
        Gradient of the *sum* over points.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.

    See Also
    --------
    decnp.kernels.grad_mu : Compiled version.
    decnp.gradcheck.naive.grad_mu : Plain loops.
    grad_z : Eq. 4, the gradient with respect to the points.

    Notes
    -----
    Differs from the paper: no.

    Examples
    --------
    >>> grad_mu([[0.0], [1.0]], [[0.0], [1.0]], [[0.8, 0.2], [0.2, 0.8]]).round(4)
    array([[ 0.1333],
           [-0.1333]])
    """
    weight, diff = _gradient_factors(z, mu, p, alpha)
    return -np.sum(weight[:, :, None] * diff, axis=0)  # (k, d), sum over i


def loss_and_grads(
    z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0
) -> tuple[np.floating, np.ndarray, np.ndarray]:
    """Return DEC Eqs. 2, 4 and 5 together: the loss and both of its gradients, P held constant.

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

    Returns
    -------
    loss : floating scalar
        Eq. 2, a *sum* over points, in nats.
    grad_z : ndarray of shape (n, d)
        Eq. 4.
    grad_mu : ndarray of shape (k, d)
        Eq. 5.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.

    See Also
    --------
    decnp.kernels.loss_and_grads : Compiled version, in one pass over the points.
    decnp.losses.clustering_loss : The same as means over the minibatch.

    Notes
    -----
    Differs from the paper: no.

    Examples
    --------
    >>> loss, g_z, g_mu = loss_and_grads([[0.0], [1.0]], [[0.0], [1.0]], [[0.8, 0.2], [0.2, 0.8]])
    >>> float(loss.round(6))
    0.087384
    """
    return kl_divergence(p, soft_assignment(z, mu, alpha)), grad_z(z, mu, p, alpha), grad_mu(z, mu, p, alpha)


def _gradient_factors(z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors of Eqs. 4 and 5: (alpha+1)/alpha u_ij (p_ij - q_ij), (n, k), and z_i - mu_j, (n, k, d)."""
    z, mu, alpha = _points_and_centroids(z, mu, alpha)
    p = np.asarray(p)
    if p.shape != (len(z), len(mu)):
        raise ValueError(f"p must have the shape (n, k) = {(len(z), len(mu))}; got {p.shape}")
    diff, dist2 = _differences(z, mu)
    u = 1 / (1 + dist2 / alpha)  # (n, k)
    return (alpha + 1) / alpha * u * (p - soft_assignment(z, mu, alpha)), diff


def _differences(z: np.ndarray, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return z_i - mu_j, (n, k, d), and their squared lengths, (n, k)."""
    diff = z[:, None] - mu[None]
    return diff, np.sum(diff**2, axis=2)


def _log1p(x: np.ndarray) -> np.ndarray:
    """Return log(1 + x), exact for small x, for a real part of x > -1."""
    if not np.iscomplexobj(x):
        return np.log1p(x)
    t = x.imag / (1 + x.real)  # np.log1p takes the logarithm of 1 + x where x is complex: a small x is lost
    return np.log1p(x.real) + np.log1p(t * t) / 2 + 1j * np.arctan(t)


def _points_and_centroids(z: ArrayLike, mu: ArrayLike, alpha: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return z and mu as floating arrays and alpha as a float; raise ValueError for invalid shapes or alpha."""
    z, mu = np.asarray(z), np.asarray(mu)
    if z.ndim != 2 or mu.ndim != 2 or z.shape[1] != mu.shape[1]:
        raise ValueError(f"z must be (n, d) and mu (k, d) with the same d; got {z.shape} and {mu.shape}")
    if len(mu) == 0:
        raise ValueError("mu must hold at least one centroid; got none")
    if not (isinstance(alpha, Real) and 0 < float(alpha) < np.inf):
        raise ValueError(f"alpha must be a finite number > 0; got {alpha!r}")
    dtype = np.result_type(z, mu, np.float32)  # small integers would wrap around in z - mu
    return z.astype(dtype, copy=False), mu.astype(dtype, copy=False), float(alpha)
