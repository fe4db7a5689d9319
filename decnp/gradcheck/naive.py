"""Equations as plain loops with the paper's subscripts. They are slow; the checks use them as references.

Samples are ``i``, clusters ``j`` (``jj`` where a sum runs over clusters inside a sum), coordinates ``t``.
Nothing else of the package is imported, nothing is vectorized, and nothing but the power of Eq. 1 is rearranged. All
arithmetic is in float64 (complex128 for complex input), whatever the dtype of the input.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "wide", "squared_distance", "student", "soft_assignment", "kl_divergence", "target_distribution", "frequency",
    "grad_z", "grad_mu", "dense", "dense_vjp", "relu", "relu_vjp", "squared_error",
]


def wide(a: ArrayLike) -> np.ndarray:
    """Return the argument as a float64 array, or complex128 if it is complex."""
    a = np.asarray(a)
    return a.astype(np.result_type(a.dtype, np.float64))


# ---------------------------------------------------------------- DEC, Eqs. 1-5


def squared_distance(z_i: np.ndarray, mu_j: np.ndarray) -> Any:
    """Return ||z_i - mu_j||^2 of two rows (d,), the distance in Eq. 1."""
    total = 0.0
    for t in range(len(z_i)):
        total += (z_i[t] - mu_j[t]) ** 2
    return total


def student(z_i: np.ndarray, mu_j: np.ndarray, alpha: float) -> Any:
    """Return (1 + ||z_i - mu_j||^2 / alpha)^(-(alpha+1)/2) of Eq. 1, as exp(log).

    For a large alpha, the sum 1 + ||z_i - mu_j||^2 / alpha loses the digits of the distance.
    """
    return np.exp(-(alpha + 1) / 2 * np.log1p(squared_distance(z_i, mu_j) / alpha))


def soft_assignment(z: ArrayLike, mu: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """Return Eq. 1 of z (n, d) and mu (k, d), with alpha degrees of freedom."""
    z, mu = wide(z), wide(mu)
    n, k = len(z), len(mu)
    q = np.zeros((n, k), np.result_type(z, mu))
    for i in range(n):
        total = 0.0
        for jj in range(k):
            total += student(z[i], mu[jj], alpha)
        for j in range(k):
            q[i, j] = student(z[i], mu[j], alpha) / total
    return q


def kl_divergence(p: ArrayLike, q: ArrayLike) -> Any:
    """Return Eq. 2, with 0 log 0 = 0 and infinity where q = 0 < p."""
    p, q = wide(p), wide(q)
    loss = 0.0
    for i in range(len(p)):
        for j in range(len(p[i])):
            if p[i, j] == 0:
                continue
            if q[i, j] == 0:
                return np.inf
            loss += p[i, j] * (np.log(p[i, j]) - np.log(q[i, j]))
    return loss


def target_distribution(q: ArrayLike) -> np.ndarray:
    """Return Eq. 3 of q (n, k). A cluster without points (f_j = 0) gets p_ij = 0."""
    q = wide(q)
    n, k = q.shape
    p = np.zeros((n, k), q.dtype)
    for i in range(n):
        total = 0.0
        for jj in range(k):
            if frequency(q, jj) != 0:
                total += q[i, jj] ** 2 / frequency(q, jj)
        for j in range(k):
            if frequency(q, j) != 0:
                p[i, j] = (q[i, j] ** 2 / frequency(q, j)) / total
    return p


def frequency(q: np.ndarray, j: int) -> Any:
    """Return f_j, the sum of column j of q over all samples."""
    total = 0.0
    for i in range(len(q)):
        total += q[i, j]
    return total


def grad_z(z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """Return Eq. 4 (n, d) of z (n, d), mu (k, d) and p (n, k), with alpha degrees of freedom."""
    z, mu, p = wide(z), wide(mu), wide(p)
    n, d, k = len(z), len(z[0]), len(mu)
    q = soft_assignment(z, mu, alpha)
    g = np.zeros((n, d), np.result_type(z, mu, p))
    for i in range(n):
        for t in range(d):
            for j in range(k):
                u_ij = 1 / (1 + squared_distance(z[i], mu[j]) / alpha)
                g[i, t] += (alpha + 1) / alpha * u_ij * (p[i, j] - q[i, j]) * (z[i, t] - mu[j, t])
    return g


def grad_mu(z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """Return Eq. 5 (k, d) of z (n, d), mu (k, d) and p (n, k), with alpha degrees of freedom."""
    z, mu, p = wide(z), wide(mu), wide(p)
    n, d, k = len(z), len(z[0]), len(mu)
    q = soft_assignment(z, mu, alpha)
    g = np.zeros((k, d), np.result_type(z, mu, p))
    for j in range(k):
        for t in range(d):
            for i in range(n):
                u_ij = 1 / (1 + squared_distance(z[i], mu[j]) / alpha)
                g[j, t] += -(alpha + 1) / alpha * u_ij * (p[i, j] - q[i, j]) * (z[i, t] - mu[j, t])
    return g


# ---------------------------------------------------------------- layers


def dense(x: ArrayLike, W: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return a = x W + b, with x (n, n_in), W (n_in, n_out), b (n_out,)."""
    x, W, b = wide(x), wide(W), wide(b)
    n, (n_in, n_out) = len(x), W.shape
    a = np.zeros((n, n_out), np.result_type(x, W, b))
    for i in range(n):
        for o in range(n_out):
            a[i, o] = b[o]
            for t in range(n_in):
                a[i, o] += x[i, t] * W[t, o]
    return a


def dense_vjp(g: ArrayLike, x: ArrayLike, W: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dL/dx, dL/dW and dL/db of a = x W + b, given g = dL/da (n, n_out), x (n, n_in) and W (n_in, n_out)."""
    g, x, W = wide(g), wide(x), wide(W)
    n, (n_in, n_out) = len(x), W.shape
    dtype = np.result_type(g, x, W)
    g_x, g_W, g_b = np.zeros((n, n_in), dtype), np.zeros((n_in, n_out), dtype), np.zeros(n_out, dtype)
    for i in range(n):
        for o in range(n_out):
            g_b[o] += g[i, o]
            for t in range(n_in):
                g_x[i, t] += g[i, o] * W[t, o]
                g_W[t, o] += g[i, o] * x[i, t]
    return g_x, g_W, g_b


def relu(a: ArrayLike) -> np.ndarray:
    """Return h = max(a, 0), decided by the real part."""
    a = wide(a)
    h = np.zeros(a.shape, a.dtype)
    for i in range(len(a)):
        for t in range(len(a[i])):
            if a[i, t].real > 0:
                h[i, t] = a[i, t]
    return h


def relu_vjp(g: ArrayLike, h: ArrayLike) -> np.ndarray:
    """Return dL/da, given g = dL/dh and the output h: g where h > 0, and 0 elsewhere (also at the kink)."""
    g, h = wide(g), wide(h)
    g_a = np.zeros(g.shape, g.dtype)
    for i in range(len(g)):
        for t in range(len(g[i])):
            if h[i, t].real > 0:
                g_a[i, t] = g[i, t]
    return g_a


def squared_error(x_rec: ArrayLike, x: ArrayLike) -> tuple[Any, np.ndarray]:
    """Return the mean over samples and dimensions of (x_rec - x)^2, halved, and its gradient in x_rec."""
    x_rec, x = wide(x_rec), wide(x)
    n, d = x.shape
    loss = 0.0
    g = np.zeros((n, d), np.result_type(x_rec, x))
    for i in range(n):
        for t in range(d):
            loss += (x_rec[i, t] - x[i, t]) ** 2 / (2 * n * d)
            g[i, t] = (x_rec[i, t] - x[i, t]) / (n * d)
    return loss, g
