"""One training step, in place and on a thread pool: forward pass, loss, backward pass and update.

The step computes the same as ``layers.mlp``, the loss, ``layers.mlp_vjp`` and ``SGD.step`` in sequence. The minibatch is
split into parts by rows, and so is each weight matrix. First, the forward and the backward pass run for each part of the
*minibatch*. Then, for each part of the *weights*, the gradient is summed over the minibatch and the part is updated.
There are at least two parts, so one and two threads give the same bits.

``tests/benchmarks/steps.py`` measured on two cores: on an idle machine the fused step takes 0.96 to 0.98 of the time of
the readable step; with another process busy on one core, 0.68 to 0.90.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..layers import Dense, Masks
from ..losses import clustering_loss
from ..optim import Optimizer, UpdateRows
from ..utils.threads import ThreadPool
from . import layers as kernels
from .equations import loss_and_grads

__all__ = ["FusedStep"]

MIN_PARALLEL = 10_000_000
"""Smallest number of multiplications for which a second thread saves time: about a fifth of a millisecond of work."""

OutputLoss = Callable[[slice, np.ndarray, np.ndarray], tuple[float, list[np.ndarray]]]
"""Function (rows, output, g) -> (loss, gradients of the optimizer's other arrays). It sets g to the output's gradient."""


class FusedStep:
    """A network and its optimizer, with the work arrays for minibatches of one size.

    Parameters
    ----------
    theta : sequence of Dense
        Layers, float32 or float64, C-contiguous.
    optimizer : SGD or Adam
        Optimizer of the arrays ``[*others, W, b, W, b, ...]``.
    batch_size : int
        Rows of every minibatch.
    pool : ThreadPool
        Open thread pool, inside its ``with`` block.
    """

    def __init__(self, theta: Sequence[Dense], optimizer: Optimizer, batch_size: int, pool: ThreadPool) -> None:
        self.theta, self.optimizer, self.pool = theta, optimizer, pool
        self.n_parts = max(2, pool.n_threads)
        self.serial = batch_size * sum(layer.W.size for layer in theta) < MIN_PARALLEL
        dtype = theta[0].W.dtype
        self.hs = [np.empty((0, 0), dtype)]  # the tape of layers.mlp; hs[0] is the input after its mask
        self.hs += [np.empty((batch_size, len(layer.b)), dtype) for layer in theta]
        self.gs = [np.empty_like(h) for h in self.hs[1:]]  # gs[l] is the gradient at the output of layer l
        largest = max(-(-len(layer.W) // self.n_parts) * len(layer.b) for layer in theta)
        self.g_W = np.empty((self.n_parts, largest), dtype)  # a row for each part, reused for each layer
        self.g_b: list[Any] = [np.empty((self.n_parts, len(layer.b)), dtype) for layer in theta]

    def reconstruct(self, x: np.ndarray, masks: Masks = None) -> float:
        """Take one step of an autoencoder and return its loss, ``layers.squared_error``.

        Parameters
        ----------
        x : ndarray of shape (b, D)
            Minibatch.
        masks : sequence of ndarray or None, default=None
            Dropout masks, as for ``layers.mlp``.

        See Also
        --------
        decnp.losses.reconstruction_loss_and_grads : Readable version.
        """
        size = x.dtype.type(x.size)

        def output_loss(rows: slice, x_rec: np.ndarray, g: np.ndarray) -> tuple[float, list[np.ndarray]]:
            return kernels.squared_error(x_rec, x[rows], size, g), []

        return self._step(x, output_loss, masks)

    def cluster(self, x: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float = 1.0) -> float:
        """Take one step of DEC and return its loss, ``losses.clustering_loss``.

        Parameters
        ----------
        x : ndarray of shape (b, D)
            Minibatch.
        mu : ndarray of shape (k, d)
            Centroids, the first array of the optimizer.
        p : ndarray of shape (b, k)
            Rows of P that belong to x, held constant.
        alpha : float, default=1.0
            Degrees of freedom of Student's t.

        See Also
        --------
        decnp.losses.clustering_loss_and_grads : Readable version.
        """

        def output_loss(rows: slice, z: np.ndarray, g: np.ndarray) -> tuple[float, list[np.ndarray]]:
            loss, g[...], g_mu = clustering_loss(z, mu, p[rows], alpha, len(x), loss_and_grads)
            return loss, [g_mu]

        return self._step(x, output_loss)

    def _step(self, x: np.ndarray, output_loss: OutputLoss, masks: Masks = None) -> float:
        self.hs[0] = x if not masks or masks[0] is None else x * masks[0]
        masks_of = {l: mask for l, mask in enumerate(masks or []) if l > 0 and mask is not None}
        parts = self._map(lambda part: self._forward_backward(part, output_loss, masks_of))
        update = self.optimizer.next_update()
        others: list[Any] = [sum(of_parts) for of_parts in zip(*(others for _, others in parts))]
        for i, g in enumerate(others):
            update(i, slice(None), g)
        self._map(lambda part: self._update_weights(part, len(others), update))
        for l, g_b in enumerate(self.g_b):
            update(len(others) + 2 * l + 1, slice(None), sum(g_b))
        return float(sum(loss for loss, _ in parts))

    def _map(self, f: Callable[[int], object]) -> list:
        return self.pool.map(f, range(self.n_parts), serial=self.serial)

    def _slice(self, n: int, part: int) -> slice:
        return slice(n * part // self.n_parts, n * (part + 1) // self.n_parts)

    def _forward_backward(
        self, part: int, output_loss: OutputLoss, masks: dict[int, np.ndarray]
    ) -> tuple[float, list[np.ndarray]]:
        """Run ``layers.mlp``, the loss and ``layers.mlp_vjp`` on one part of the minibatch."""
        rows = self._slice(len(self.hs[0]), part)
        hs, gs = [h[rows] for h in self.hs], [g[rows] for g in self.gs]
        for l, (W, b, act) in enumerate(self.theta):
            np.matmul(hs[l], W, out=hs[l + 1])
            (kernels.bias_relu if act == "relu" else kernels.bias_linear)(hs[l + 1], b)
            if l + 1 in masks:
                hs[l + 1] *= masks[l + 1][rows]
        loss, others = output_loss(rows, hs[-1], gs[-1])
        for l, (W, _, act) in reversed(list(enumerate(self.theta))):
            if act == "relu":
                kernels.relu_vjp(gs[l], hs[l + 1], self.g_b[l][part])
            else:
                kernels.linear_vjp(gs[l], self.g_b[l][part])
            if l > 0:
                np.matmul(gs[l], W.T, out=gs[l - 1])
                if l in masks:
                    gs[l - 1] *= masks[l][rows]
        return loss, others

    def _update_weights(self, part: int, first: int, update: UpdateRows) -> None:
        """Compute the gradient of one part of each weight matrix, and update that part."""
        for l, (W, _, _) in enumerate(self.theta):
            rows = self._slice(len(W), part)
            g_W = self.g_W[part, : W[rows].size].reshape(W[rows].shape)
            np.matmul(self.hs[l][:, rows].T, self.gs[l], out=g_W)
            update(first + 2 * l, rows, g_W)
