"""Divergence and dead networks: tests of an autoencoder phase that the paper does not mention.

``PhaseMonitor`` watches the steps of a phase from outside. It reports, and raises ``TrainingError`` where training
diverged or the network died. The phase can then start again at half the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..exceptions import TrainingError
from ..layers import Dense, mlp
from ..utils.rows import sampled_rows
from .diagnostics import SAMPLE
from .records import Record

__all__ = ["PhaseMonitor", "PhaseProgress"]

DEAD = 1e-4
"""A network is dead if the variance of its reconstructions is below this fraction of the data's."""


@dataclass
class PhaseProgress:
    """State of the monitor of one phase."""

    start: list[np.ndarray]
    """Weights at the start of the phase."""
    halvings: int = 0
    """Number of times that the phase started again."""
    loss_sum: float = 0.0
    """Sum of the minibatches' losses since the last report."""
    zero_loss_sum: float = 0.0
    """Sum of the losses of reconstructing every row as 0, since the last report."""
    n_steps: int = 0
    """Steps since the last report."""
    first_loss: float = 0.0
    """Loss of the first minibatch."""


class PhaseMonitor:
    """Observer of one autoencoder phase.

    Parameters
    ----------
    phase : str
        Name for reports, such as "finetune".
    theta : sequence of Dense
        Layers that the phase trains.
    batch_at : callable
        Row numbers -> inputs (b, D) of the phase.
    n : int
        Number of rows.
    n_iter : int
        Steps of the phase.
    must_live : bool
        Raise TrainingError for a dead network after a quarter of the steps.
    progress : PhaseProgress
        State to continue from; changed in place.
    """

    def __init__(
        self, phase: str, theta: Sequence[Dense], batch_at: Callable[[np.ndarray], np.ndarray], n: int, n_iter: int,
        must_live: bool, progress: PhaseProgress,
    ) -> None:
        self.phase, self.theta, self.batch_at, self.n, self.n_iter = phase, theta, batch_at, n, n_iter
        self.must_live, self.progress = must_live, progress
        self.interval = max(1, min(n_iter // 20, 1000))
        self.zero_loss_all = _zero_loss(batch_at(sampled_rows(n)))

    def see(self, t: int, loss: float, x: np.ndarray) -> Record | None:
        """Record the ``loss`` of step ``t`` on the minibatch x (b, D); return a record if a report is due.

        Raises TrainingError if the phase diverged or the network died.
        """
        p = self.progress
        p.first_loss = loss if t == 1 else p.first_loss
        p.loss_sum, p.zero_loss_sum, p.n_steps = p.loss_sum + loss, p.zero_loss_sum + _zero_loss(x), p.n_steps + 1
        if not (t % self.interval == 0 or t == self.n_iter or not np.isfinite(loss)):
            return None
        self._check_progress(t)
        if self.must_live and t >= self.n_iter / 4:
            self._check_alive(t)
        record = Record(self.phase, t, self.n_iter, p.loss_sum / p.n_steps)
        p.loss_sum, p.zero_loss_sum, p.n_steps = 0.0, 0.0, 0
        return record

    def _check_progress(self, t: int) -> None:
        """Raise TrainingError if the loss is more than twice that of the start and of reconstructing rows as 0."""
        p = self.progress
        mean = p.loss_sum / p.n_steps
        first = p.first_loss if np.isfinite(p.first_loss) else 0.0
        reference = max(self.zero_loss_all, p.zero_loss_sum / p.n_steps, first)
        if not mean <= 2 * reference:
            raise TrainingError(
                f"the reconstruction loss became {mean:.3g} in phase '{self.phase}' before iteration {t}, "
                f"and is no more than {reference:.3g} at the start or for a reconstruction of 0: the learning "
                "rate is too large for the scale of the data; try input_scale='unit' or a smaller lr in the profile"
            )

    def _check_alive(self, t: int) -> None:
        """Raise TrainingError if the reconstruction is the same for all rows of a sample that differ."""
        x = self.batch_at(sampled_rows(self.n, SAMPLE))
        with np.errstate(over="ignore", invalid="ignore"):
            varies, data = (float(np.var(a, axis=0, dtype=np.float64).sum()) for a in (mlp(self.theta, x)[-1], x))
        if varies < DEAD * data:
            raise TrainingError(f"the network is dead at iteration {t}: it reconstructs all rows as the same one")


def _zero_loss(x: np.ndarray) -> float:
    """Return the loss of reconstructing x (n, D) as 0."""
    return float(np.square(x).mean(dtype=np.float64)) / 2
