"""The two losses that DEC minimizes, each with its gradients from one function.

The autoencoder minimizes ``layers.squared_error`` of its reconstruction (section 3.2). The clustering phase minimizes
``clustering_loss``, Eq. 2, of the embedding (section 3.1). Both start backpropagation in the same way: the gradient with
respect to the network's output is the ``g`` of ``layers.mlp_vjp``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import equations
from .layers import Dense, Masks, mlp, mlp_vjp, squared_error

__all__ = ["clustering_loss", "clustering_loss_and_grads", "reconstruction_loss_and_grads"]

Gradients = list[tuple[np.ndarray, np.ndarray]]
"""(g_W, g_b) of each layer."""


def reconstruction_loss_and_grads(
    theta: Sequence[Dense], x: np.ndarray, masks: Masks = None
) -> tuple[np.floating, Gradients]:
    """Return the loss of an autoencoder and its gradients with respect to all weights (DEC Eqs. 6-9).

    Parameters
    ----------
    theta : sequence of Dense
        Layers of encoder and decoder.
    x : ndarray of shape (n, D)
        Minibatch. The target of the reconstruction is x without a mask.
    masks : sequence of ndarray or None, default=None
        Dropout masks, as for ``layers.mlp``.

    Returns
    -------
    loss : float
        ``squared_error``: a mean over elements, halved.
    g_theta : list of (g_W, g_b)
        Gradients of each layer.

    Raises
    ------
    KeyError
        For an unknown activation.
    ValueError
        If the shapes do not fit.

    See Also
    --------
    decnp.layers.squared_error : Formula of the loss.
    kernels.fused_step.FusedStep.reconstruct : Compiled training step.

    Notes
    -----
    Differs from the paper: in the scale of the loss, as described at ``layers.squared_error``.

    Examples
    --------
    >>> theta = [Dense(np.array([[3.0]]), np.zeros(1), "linear")]
    >>> loss, [(g_W, g_b)] = reconstruction_loss_and_grads(theta, np.array([[1.0]]))
    >>> float(loss), g_W, g_b
    (2.0, array([[2.]]), array([2.]))
    """
    hs = mlp(theta, x, masks)
    loss, g = squared_error(hs[-1], x)
    _, g_theta = mlp_vjp(g, theta, hs, masks, need_x=False)
    return loss, g_theta


def clustering_loss(
    z: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float = 1.0, n: int | None = None,
    loss_and_grads: Callable[..., tuple] = equations.loss_and_grads,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return Eqs. 2, 4 and 5 of a minibatch as means over its samples (DEC section 3.1.3).

    Parameters
    ----------
    z : ndarray of shape (b, d)
        Embedding of the minibatch, or of a part of it.
    mu : ndarray of shape (k, d)
        Centroids.
    p : ndarray of shape (b, k)
        Rows of P that belong to z, held constant.
    alpha : float, default=1.0
        Degrees of freedom.
    n : int, default=None
        Number of samples in the whole minibatch. None means b. If z is a part of the minibatch, the results of all parts
        add up to the result of the whole minibatch.
    loss_and_grads : callable, default=equations.loss_and_grads
        ``equations.loss_and_grads`` or ``kernels.loss_and_grads``: Eqs. 2, 4 and 5.

    Returns
    -------
    loss : float
        KL in nats per sample.
    g_z : ndarray of shape (b, d)
        Eq. 4 / n: the ``g`` of backpropagation.
    g_mu : ndarray of shape (k, d)
        Eq. 5 / n.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    See Also
    --------
    clustering_loss_and_grads : The same through the encoder, down to its weights.
    decnp.equations.loss_and_grads : Eqs. 2, 4 and 5 as sums.

    Notes
    -----
    Differs from the paper: the paper prints sums. The authors' code divides by the size of the minibatch, and its
    learning rate of 0.01 belongs to that scale.

    Examples
    --------
    >>> z = mu = np.array([[0.0], [1.0]])
    >>> loss, g_z, g_mu = clustering_loss(z, mu, np.array([[0.8, 0.2], [0.2, 0.8]]))
    >>> round(loss, 6), g_z.round(4)
    (0.043692, array([[ 0.0667],
           [-0.0667]]))
    """
    n = len(z) if n is None else n
    loss, grad_z, grad_mu = loss_and_grads(z, mu, p, alpha)  # Eqs. 2, 4 and 5: sums over samples
    return float(loss) / n, grad_z / n, grad_mu / n


def clustering_loss_and_grads(
    theta: Sequence[Dense], mu: np.ndarray, x: np.ndarray, p: np.ndarray, alpha: float = 1.0,
    loss_and_grads: Callable[..., tuple] = equations.loss_and_grads, update_encoder: bool = True,
) -> tuple[float, np.ndarray, Gradients]:
    """Return the loss of a clustering step and its gradients with respect to centroids and encoder.

    Parameters
    ----------
    theta : sequence of Dense
        Layers of the encoder, D to d. Without layers, x is the embedding.
    mu : ndarray of shape (k, d)
        Centroids.
    x : ndarray of shape (b, D)
        Minibatch, scaled as in training.
    p : ndarray of shape (b, k)
        Rows of P that belong to x, held constant.
    alpha : float, default=1.0
        Degrees of freedom.
    loss_and_grads : callable, default=equations.loss_and_grads
        ``equations.loss_and_grads`` or ``kernels.loss_and_grads``: Eqs. 2, 4 and 5.
    update_encoder : bool, default=True
        False skips the gradients of the encoder.

    Returns
    -------
    loss : float
        KL in nats per sample.
    g_mu : ndarray of shape (k, d)
        Mean over samples.
    g_theta : list of (g_W, g_b)
        Mean over samples for each layer. Empty if ``update_encoder`` is False.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    See Also
    --------
    clustering_loss : The same for an embedding.
    kernels.fused_step.FusedStep.cluster : Compiled training step.

    Notes
    -----
    Differs from the paper: in the scale of the loss, as described at ``clustering_loss``.

    Examples
    --------
    >>> theta = [Dense(np.eye(1), np.zeros(1), "linear")]
    >>> x = mu = np.array([[0.0], [1.0]])
    >>> loss, g_mu, [(g_W, g_b)] = clustering_loss_and_grads(theta, mu, x, np.array([[0.8, 0.2], [0.2, 0.8]]))
    >>> g_mu.round(4)
    array([[ 0.0667],
           [-0.0667]])
    """
    hs = mlp(theta, x)
    loss, g_z, g_mu = clustering_loss(hs[-1], mu, p, alpha, loss_and_grads=loss_and_grads)
    if not update_encoder:
        return loss, g_mu, []
    _, g_theta = mlp_vjp(g_z, theta, hs, need_x=False)
    return loss, g_mu, g_theta
