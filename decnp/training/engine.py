"""Two implementations of what the training loops compute: ``Readable`` and ``Compiled``.

``Readable`` calls ``equations``, ``layers``, ``losses`` and ``optim``, and is the specification. ``Compiled`` calls the
numba versions in ``kernels``; tests compare the two step by step. A training loop chooses one of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .. import equations, optim
from ..layers import Dense, Masks, arrays_of
from ..losses import clustering_loss_and_grads, reconstruction_loss_and_grads
from ..optim import SGD, Adam, Optimizer, burn_in, cosine_decay, step_decay
from ..profiles import Profile
from ..utils.threads import ThreadPool

__all__ = ["Compiled", "Engine", "Readable", "TrainingStep", "engine_for", "make_optimizer"]


class TrainingStep(Protocol):
    """Interface of one training step of a network ``theta`` and its optimizer."""

    def reconstruct(self, x: np.ndarray, masks: Masks = None) -> float:
        """Take a step of an autoencoder on the clean minibatch x (b, D) with dropout ``masks``; return the loss."""

    def cluster(self, x: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float = 1.0) -> float:
        """Take a step of DEC on x (b, D), with its rows p (b, k) of P; return the KL in nats per sample.

        The optimizer's first array is mu (k, d). ``alpha`` are the degrees of freedom of Eq. 1.
        """


class Engine(Protocol):
    """Interface of ``Readable`` and ``Compiled``."""

    @property
    def soft_assignment(self) -> Callable[..., Any]:
        """Return Eq. 1."""

    @property
    def kl_divergence(self) -> Callable[..., Any]:
        """Return Eq. 2."""

    @property
    def target_distribution(self) -> Callable[..., Any]:
        """Return Eq. 3."""

    @property
    def sgd_update(self) -> Callable[..., None]:
        """Return the update of ``SGD``."""

    @property
    def adam_update(self) -> Callable[..., None]:
        """Return the update of ``Adam``."""

    def step_for(self, theta: Sequence[Dense], optimizer: Optimizer, batch_size: int, pool: ThreadPool) -> TrainingStep:
        """Return the training step of ``theta`` for minibatches of ``batch_size`` rows.

        It updates ``theta`` by ``optimizer``, and computes in the threads of ``pool``.
        """


class Readable:
    """Engine in plain NumPy, which is the specification of ``Compiled``."""

    soft_assignment = staticmethod(equations.soft_assignment)
    kl_divergence = staticmethod(equations.kl_divergence)
    target_distribution = staticmethod(equations.target_distribution)
    sgd_update = staticmethod(optim.sgd_update)
    adam_update = staticmethod(optim.adam_update)

    def step_for(self, theta: Sequence[Dense], optimizer: Optimizer, batch_size: int, pool: ThreadPool) -> TrainingStep:
        return ReadableStep(theta, optimizer, equations.loss_and_grads)


class Compiled:
    """Engine of compiled kernels, the default. Its constructor imports numba."""

    def __init__(self) -> None:
        from .. import kernels
        from ..kernels.fused_step import FusedStep

        self.soft_assignment = kernels.soft_assignment
        self.kl_divergence = kernels.kl_divergence
        self.target_distribution = kernels.target_distribution
        self.sgd_update = kernels.sgd_update
        self.adam_update = kernels.adam_update
        self._loss_and_grads, self._fused_step = kernels.loss_and_grads, FusedStep

    def step_for(self, theta: Sequence[Dense], optimizer: Optimizer, batch_size: int, pool: ThreadPool) -> TrainingStep:
        if theta:
            return self._fused_step(theta, optimizer, batch_size, pool)
        return ReadableStep(theta, optimizer, self._loss_and_grads)  # centroids alone: nothing to fuse


class ReadableStep:
    """Training step in plain NumPy: loss and gradients, then the optimizer.

    Overflow is left to the caller, which tests the loss or the embedding.
    """

    def __init__(
        self, theta: Sequence[Dense], optimizer: Optimizer, loss_and_grads: Callable[..., tuple]
    ) -> None:
        self.theta, self.optimizer, self.loss_and_grads = theta, optimizer, loss_and_grads

    def reconstruct(self, x: np.ndarray, masks: Masks = None) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            loss, g_theta = reconstruction_loss_and_grads(self.theta, x, masks)
            self.optimizer.step(arrays_of(g_theta))
        return float(loss)

    def cluster(self, x: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float = 1.0) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            loss, g_mu, g_theta = clustering_loss_and_grads(self.theta, mu, x, p, alpha, self.loss_and_grads)
            self.optimizer.step([g_mu, *arrays_of(g_theta)])
        return loss


def engine_for(engine: str) -> Engine:
    """Return the engine of a name: "numba" (``Compiled``) or "numpy" (``Readable``).

    Raises ValueError for any other name. numba is imported for "numba" only.
    """
    if engine == "numba":
        return Compiled()
    if engine == "numpy":
        return Readable()
    raise ValueError(f"engine must be 'numba' or 'numpy'; got {engine!r}")


def make_optimizer(
    theta: Sequence[Dense], schedule: Profile, n_iter: int, engine: Engine,
    state: list[np.ndarray] | None = None, t: int = 0,
) -> Optimizer:
    """Return the optimizer of ``schedule`` for an autoencoder phase of ``n_iter`` steps, at its step ``t``.

    ``theta`` are the layers to train, ``engine`` has the update. ``state`` holds the arrays to continue from; None starts
    from 0.
    """
    if schedule.lr_decay == "step":
        lr = step_decay(schedule.lr, schedule.lr_every, schedule.lr_factor)
    else:
        lr = cosine_decay(schedule.lr, n_iter)
    arrays, lr_scale = arrays_of(theta), [1.0, schedule.bias_lr] * len(theta)
    if schedule.optimizer == "adam":
        return Adam(arrays, lr, lr_scale=lr_scale, update=engine.adam_update, state=state, t=t)
    momentum = burn_in(schedule.momentum, schedule.burn_in)
    return SGD(arrays, lr, momentum, lr_scale, engine.sgd_update, state, t)
