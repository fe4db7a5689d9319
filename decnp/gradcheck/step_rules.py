"""A whole DEC step of this package, and the same step with one known mistake: loss, gradients of each W and b and of mu."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import equations, losses
from ..layers import Dense, arrays_of, dense, dense_vjp, mlp, mlp_vjp
from . import vjps

__all__ = ["Step", "right_step", "step_with_slope", "wrong_steps"]


class Step(NamedTuple):
    """Result of one step: means over the batch, as in training."""

    loss: float
    g_mu: np.ndarray
    g_theta: list[np.ndarray]
    """W, b, W, b, ... with W (n_in, n_out)."""


def right_step(theta: Sequence[Dense], mu: np.ndarray, x: np.ndarray, p: np.ndarray, alpha: float) -> Step:
    """Return loss and gradients of the step (DEC section 3.1), P held constant.

    ``theta`` is the encoder, mu (k, d) the centroids, x (b, D) the minibatch, p (b, k) its targets, alpha the degrees of
    freedom.
    """
    loss, g_mu, g_theta = losses.clustering_loss_and_grads(theta, mu, x, p, alpha)
    return Step(loss, g_mu, arrays_of(g_theta))


def step_with_slope(
    theta: Sequence[Dense], mu: np.ndarray, x: np.ndarray, p: np.ndarray, alpha: float, slope: float
) -> Step:
    """Return the step in which the derivative of a ReLU at 0 is ``slope``, not 0.

    The arguments theta, mu, x, p and alpha are those of ``right_step``.
    """
    hs = mlp(theta, x)
    loss, g_z, g_mu = losses.clustering_loss(hs[-1], mu, p, alpha)
    g: Any = g_z
    g_theta: list[np.ndarray] = []
    for (W, b, act), h in zip(theta[::-1], hs[-2::-1]):
        a = dense(h, W, b)
        g, g_W, g_b = dense_vjp(g * np.where(a == 0, slope, a > 0) if act == "relu" else g, h, W)
        g_theta = [g_W, g_b, *g_theta]
    return Step(loss, g_mu, g_theta)


def wrong_steps(
    theta: Sequence[Dense], mu: np.ndarray, x: np.ndarray, p: np.ndarray, alpha: float
) -> Iterator[tuple[str, Step]]:
    """Yield each known mistake in words, with the step that it gives.

    The arguments theta, mu, x, p and alpha are those of ``right_step``.
    """
    hs = mlp(theta, x)
    q = equations.soft_assignment(hs[-1], mu, alpha)
    batch_p = equations.target_distribution(q)
    for l, layer in enumerate(theta, start=1):
        if layer.act == "relu":
            yield (f"the ReLU of layer {l} is missing in the backward pass",
                   _backward([*theta[: l - 1], layer._replace(act="linear"), *theta[l:]], hs, mu, p, alpha))
    if alpha != 1:
        yield "alpha is ignored: this is the step for alpha = 1", right_step(theta, mu, x, p, 1.0)
    yield "p is ignored: P is taken from the batch itself", right_step(theta, mu, x, batch_p, alpha)
    cross_entropy = -float(np.sum(p * np.log(q))) / len(x)
    yield ("the term p log p is missing in the loss: this is the cross-entropy",
           right_step(theta, mu, x, p, alpha)._replace(loss=cross_entropy))
    g_q = -batch_p / q + vjps.target_distribution_vjp(np.log(batch_p / q) + 1, q)
    loss = float(equations.kl_divergence(batch_p, q))
    yield "P is taken from the batch itself and not held constant", _from_q(loss, g_q, theta, hs, mu, alpha)
    if np.all(p > 0):
        yield "p and q are swapped in Eq. 2", _from_q(
            float(equations.kl_divergence(q, p)), np.log(q / p) + 1, theta, hs, mu, alpha)
    if theta[-1].act == "linear":
        yield "a ReLU follows the last layer", right_step([*theta[:-1], theta[-1]._replace(act="relu")], mu, x, p, alpha)
    if any(layer.act == "relu" for layer in theta):
        yield "no layer has a ReLU", right_step([layer._replace(act="linear") for layer in theta], mu, x, p, alpha)


def _backward(
    theta: Sequence[Dense], hs: Sequence[np.ndarray], mu: np.ndarray, p: np.ndarray, alpha: float
) -> Step:
    """Return the step of the activations ``hs``, with the backward pass of ``theta``."""
    loss, g_z, g_mu = losses.clustering_loss(hs[-1], mu, p, alpha)
    return Step(loss, g_mu, arrays_of(mlp_vjp(g_z, theta, hs)[1]))


def _from_q(
    loss: float, g_q: np.ndarray, theta: Sequence[Dense], hs: Sequence[np.ndarray], mu: np.ndarray, alpha: float
) -> Step:
    """Return the step of a loss whose gradient with respect to q is ``g_q``; both are sums over the batch."""
    g_z, g_mu = vjps.soft_assignment_vjp(g_q, hs[-1], mu, alpha)
    n = len(hs[-1])
    return Step(loss / n, g_mu / n, arrays_of(mlp_vjp(g_z / n, theta, hs)[1]))
