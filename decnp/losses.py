"""The two losses that DEC minimises, each with its gradients from one function."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from . import equations
from .layers import Dense, Masks, mlp, mlp_vjp, squared_error

__all__ = ["reconstruction_loss_and_grads", "clustering_loss_and_grads"]


def reconstruction_loss_and_grads(
    theta: Sequence[Dense], x: np.ndarray, masks: Masks = None
) -> tuple[np.floating, list[tuple[np.ndarray, np.ndarray]]]:
    """An autoencoder's whole gradient: x (n, D) -> ``squared_error`` of its reconstruction, [(g_W, g_b) of each layer].

    ``masks`` are as for ``mlp``; the target is x without a mask (DEC Eqs. 6-9). Raises as ``mlp`` does.

    >>> theta = [Dense(np.array([[3.0]]), np.zeros(1), "linear")]
    >>> loss, [(g_W, g_b)] = reconstruction_loss_and_grads(theta, np.array([[1.0]]))
    >>> float(loss), g_W, g_b
    (2.0, array([[2.]]), array([2.]))
    """
    hs = mlp(theta, x, masks)
    loss, g = squared_error(hs[-1], x)
    _, g_theta = mlp_vjp(g, theta, hs, masks, need_x=False)
    return loss, g_theta


def clustering_loss_and_grads(
    theta: Sequence[Dense], mu: np.ndarray, x: np.ndarray, p: np.ndarray, alpha: float = 1.0,
    loss_and_grads: Callable = equations.loss_and_grads, update_encoder: bool = True,
) -> tuple[float, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """One clustering step's loss and gradients, as means over its b samples (DEC section 3.1.3).

    Parameters
    ----------
    theta : the encoder's layers, D to d
    mu : (k, d) centroids
    x : (b, D) minibatch, scaled as in training
    p : (b, k) its rows of P, held constant
    alpha : degrees of freedom
    loss_and_grads : Eqs. 2, 4 and 5, from ``equations`` or ``kernels``
    update_encoder : False leaves the encoder's gradients out

    Returns
    -------
    loss : KL in nats per sample
    g_mu : (k, d)
    g_theta : [(g_W, g_b) of each layer]; empty without ``update_encoder``

    Raises ValueError where the shapes do not fit. Differs from the paper: it prints sums; the authors' code
    divides by the minibatch, and the learning rate of 0.01 is meant for that.

    >>> theta = [Dense(np.eye(1), np.zeros(1), "linear")]
    >>> x = mu = np.array([[0.0], [1.0]])
    >>> loss, g_mu, [(g_W, g_b)] = clustering_loss_and_grads(theta, mu, x, np.array([[0.8, 0.2], [0.2, 0.8]]))
    >>> g_mu.round(4)
    array([[ 0.0667],
           [-0.0667]])
    """
    b = len(x)
    hs = mlp(theta, x)
    loss, grad_z, grad_mu = loss_and_grads(hs[-1], mu, p, alpha)  # Eqs. 2, 4, 5: sums
    g_theta: list[tuple[np.ndarray, np.ndarray]] = []
    if update_encoder:
        _, g_theta = mlp_vjp(grad_z / b, theta, hs, need_x=False)  # Eq. 4 is the g of backpropagation
    return float(loss) / b, grad_mu / b, g_theta
