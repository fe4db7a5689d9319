"""Vector-Jacobian products of Eqs. 1-3. Training does not use them; the checks do.

Each function takes ``g``, the gradient of some scalar with respect to the equation's output. Chained, the products are
Eq. 4: put g = -p/q (from Eq. 2) into the product of Eq. 1. Then q (g - sum q g) becomes q - p, because each row of p
sums to 1.
"""

from __future__ import annotations

import numpy as np

from ..equations import soft_assignment

__all__ = ["soft_assignment_vjp", "kl_divergence_vjp", "target_distribution_vjp"]


def soft_assignment_vjp(
    g: np.ndarray, z: np.ndarray, mu: np.ndarray, alpha: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the VJP of Eq. 1: g (n, k), z (n, d), mu (k, d) -> g_z (n, d), g_mu (k, d).

        g_z_i = -(alpha+1)/alpha sum_j u_ij q_ij (g_ij - sum_j' q_ij' g_ij') (z_i - mu_j),    g_mu_j: plus, sum over i
    """
    q = soft_assignment(z, mu, alpha)
    diff = z[:, None] - mu[None]  # (n, k, d)
    u = 1 / (1 + np.sum(diff**2, axis=2) / alpha)  # (n, k)
    weight = (alpha + 1) / alpha * u * q * (g - np.sum(q * g, axis=1, keepdims=True))
    pull = weight[:, :, None] * diff
    return -pull.sum(axis=1), pull.sum(axis=0)


def kl_divergence_vjp(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of Eq. 2: p, q (n, k) -> dL/dp = log(p/q) + 1 and dL/dq = -p/q, both (n, k)."""
    return np.log(p) - np.log(q) + 1, -p / q


def target_distribution_vjp(g: np.ndarray, q: np.ndarray, constant: str = "") -> np.ndarray:
    """Return the VJP of Eq. 3: g, q (n, k) -> g_q (n, k). Each f_j depends on every q_ij of its column.

    With w = q^2/f and p = w / sum_j w:  dw = 2 q dq / f - q^2 df / f^2,  dp = (dw - p sum_j dw) / sum_j w.
    ``constant`` is "f" or "row sums" if these are held constant.
    """
    f = q.sum(axis=0)
    w = q * q / f
    total = w.sum(axis=1, keepdims=True)
    g_w = g / total
    if constant != "row sums":
        g_w = g_w - np.sum(g * (w / total), axis=1, keepdims=True) / total
    g_q = 2 * g_w * q / f
    return g_q if constant == "f" else g_q - np.sum(g_w * w / f, axis=0)
