"""One training step with nothing wasted: ``layers.mlp``, ``mlp_vjp`` and ``SGD.step`` in place, on a crew of threads.

The minibatch is cut into parts, and so is each weight matrix. First each part of the *rows* goes forward, gets
its gradient at the output (Eq. 4, or the reconstruction's) and comes back; then each part of the *weights* sums
its gradient over all rows and is updated at once. There are at least two parts, so one thread and two give the
same bits.
"""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from ..layers import Dense, Masks
from ..utils.threads import ThreadPool
from . import layers as kernels

__all__ = ["FusedStep"]

SERIAL = 10_000_000
"""Multiplications below which a product is not worth a second thread: about a fifth of a millisecond."""

Head = Callable[[slice, np.ndarray], tuple]


class FusedStep:
    """A stack of layers and its optimiser, with the arrays that a minibatch of ``batch_size`` rows needs.

    Parameters
    ----------
    theta : the layers; float32 or float64, C-contiguous
    optimizer : ``SGD`` or ``Adam`` over [*others, W, b, W, b, ...]
    batch_size : rows b of every minibatch
    crew : the threads, within their context
    """

    def __init__(self, theta: Sequence[Dense], optimizer, batch_size: int, crew: ThreadPool):
        self.theta, self.optimizer, self.crew = theta, optimizer, crew
        self.n_parts = max(2, crew.n_threads)
        self.serial = batch_size * sum(layer.W.size for layer in theta) < SERIAL
        dtype = theta[0].W.dtype
        self.hs = [np.empty((0, 0), dtype)]  # the tape; hs[0] is x as the net saw it
        self.hs += [np.empty((batch_size, len(layer.b)), dtype) for layer in theta]
        self.gs = [np.empty_like(h) for h in self.hs[1:]]  # gs[l] is the gradient at layer l's output
        largest = max(-(-len(layer.W) // self.n_parts) * len(layer.b) for layer in theta)
        self.g_W = np.empty((self.n_parts, largest), dtype)  # each part's, for one layer at a time
        self.g_b = [np.empty((self.n_parts, len(layer.b)), dtype) for layer in theta]

    def __call__(self, x: np.ndarray, head: Head, masks: Masks = None) -> float:
        """One step on the minibatch x (b, D); returns the loss.

        Parameters
        ----------
        head : (rows, output) -> loss, others. Turns the output of these rows into the gradient with respect to it, in
            place; ``others`` are its gradients for the optimiser's other arrays. Losses and gradients of parts add up.
        masks : as for ``layers.mlp``
        """
        self.hs[0] = x if not masks or masks[0] is None else x * masks[0]
        parts = self._map(lambda part: self._through(part, head, masks or []))
        update = self.optimizer.next_update()
        others = [sum(of_parts) for of_parts in zip(*(others for _, others in parts))]
        for i, g in enumerate(others):
            update(i, slice(None), g)
        self._map(lambda part: self._learn(part, len(others), update))
        for l, g_b in enumerate(self.g_b):
            update(len(others) + 2 * l + 1, slice(None), sum(g_b))
        return float(sum(loss for loss, _ in parts))

    def reconstruct(self, x: np.ndarray, masks: Masks = None) -> float:
        """One step of an autoencoder on x (b, D), whose head is ``squared_error``; returns the loss."""
        size = x.dtype.type(x.size)
        return self(x, lambda rows, x_rec: (kernels.squared_error(x_rec, x[rows], size), []), masks)

    def _map(self, f: Callable[[int], object]) -> list:
        return self.crew.map(f, range(self.n_parts), serial=self.serial)

    def _cut(self, n: int, part: int) -> slice:
        return slice(n * part // self.n_parts, n * (part + 1) // self.n_parts)

    def _through(self, part: int, head: Head, masks) -> tuple:
        """``mlp``, the head and ``mlp_vjp`` for one part of the rows."""
        rows = self._cut(len(self.hs[0]), part)
        hs, gs = [h[rows] for h in self.hs], [g[rows] for g in self.gs]
        masks = {l: mask[rows] for l, mask in enumerate(masks) if l > 0 and mask is not None}
        for l, (W, b, act) in enumerate(self.theta):
            np.matmul(hs[l], W, out=hs[l + 1])
            (kernels.bias_relu if act == "relu" else kernels.bias_linear)(hs[l + 1], b)
            if l + 1 in masks:
                hs[l + 1] *= masks[l + 1]
        gs[-1][...] = hs[-1]
        loss, others = head(rows, gs[-1])
        for l, (W, _, act) in reversed(list(enumerate(self.theta))):
            if act == "relu":
                kernels.relu_back(gs[l], hs[l + 1], self.g_b[l][part])
            else:
                kernels.linear_back(gs[l], self.g_b[l][part])
            if l > 0:
                np.matmul(gs[l], W.T, out=gs[l - 1])
                if l in masks:
                    gs[l - 1] *= masks[l]
        return loss, others

    def _learn(self, part: int, first: int, update) -> None:
        """The gradient of one part of each layer's weights, and their update."""
        for l, (W, _, _) in enumerate(self.theta):
            rows = self._cut(len(W), part)
            g_W = self.g_W[part, : W[rows].size].reshape(W[rows].shape)
            np.matmul(self.hs[l][:, rows].T, self.gs[l], out=g_W)
            update(first + 2 * l, rows, g_W)
