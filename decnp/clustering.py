"""The clustering phase of DEC, section 3.1: the loop ``cluster``, and its complete state ``ClusteringState``.

The loop yields after every refresh of P and every step. Its caller, ``decnp.DEC``, saves checkpoints, reports progress
and tests for divergence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from .layers import Dense, arrays_of, encode
from .optim import SGD, Minibatches
from .profiles import Profile
from .training.engine import Engine
from .training.state import Start
from .utils.rows import ScaledRows
from .utils.threads import ThreadPool, map_blocks

__all__ = ["ClusteringState", "Refresh", "Stepped", "cluster", "initial_state"]

LABEL_REPORTS = 4
"""Number of reports while P is one-hot, from the labels of the start, if there are that many intervals; at most seven."""


@dataclass
class ClusteringState:
    """Complete state of the clustering phase. A checkpoint stores these fields.

    See Also
    --------
    initial_state : State before the first refresh of P.
    """

    mu: np.ndarray
    """Centroids (k, d)."""
    theta: list[Dense]
    """Layers of the encoder f_theta; empty if the encoder is fixed."""
    batches: Minibatches
    """Iterator over the row numbers of the minibatches."""
    velocity: list[np.ndarray]
    """Velocity of SGD for mu, W, b, W, b, ..."""
    labels: np.ndarray
    """argmax_j q_ij (n,) at the last refresh; -1 before the first."""
    p: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    """Targets (n, k), constant between two refreshes; empty before the first, unless P is one-hot from the start."""
    label_iter: int = 0
    """Number of first steps with one-hot P: a multiple of the update interval, or less than one interval."""
    t: int = 0
    """Number of SGD steps so far."""
    refresh_due: bool = True
    """True if the next action is a refresh of P."""
    done: bool = False
    """True after the last refresh."""


class Refresh(NamedTuple):
    """Event after a refresh of the targets P, or after a report while P is one-hot, from the labels of the start."""

    z: np.ndarray
    """Embedding (n, d)."""
    q: np.ndarray
    """Soft assignments (n, k), Eq. 1."""
    p_before: np.ndarray
    """Targets (n, k) before the refresh; empty at the first, unless P is one-hot from the start."""
    changed: float
    """Fraction of labels that changed since the previous refresh; 1.0 at the first."""


class Stepped(NamedTuple):
    """Event after a step of SGD."""

    loss: float
    """Eq. 2, a mean over the minibatch, in nats."""


def cluster(
    X: np.ndarray | ScaledRows, state: ClusteringState, schedule: Profile, engine: Engine, alpha: float, tol: float,
    pool: ThreadPool,
) -> Iterator[Refresh | Stepped]:
    """Minimize KL(P || Q) with respect to encoder and centroids (DEC section 3.1, Eqs. 1-5).

    Parameters
    ----------
    X : ndarray or ScaledRows of shape (n, D)
        Input of the encoder. If the encoder is fixed, X (n, d) is the embedding.
    state : ClusteringState
        State to start or resume from, updated in place. It is complete at every yield.
    schedule : Profile
        Learning rate, momentum, update interval and number of steps.
    engine : Engine
        Equations and updates, readable or compiled.
    alpha : float
        Degrees of freedom of Student's t.
    tol : float
        Fraction of changed labels below which the loop stops.
    pool : ThreadPool
        Open thread pool, inside its ``with`` block.

    Yields
    ------
    event : Refresh or Stepped
        After each refresh of P, and after each step.

    See Also
    --------
    initial_state : State to start from.
    decnp.dec.DEC : Estimator that runs this loop.

    Notes
    -----
    Differs from the paper: gradients are means over the minibatch, as described at ``decnp.losses.clustering_loss``.
    """
    arrays = [state.mu, *arrays_of(state.theta)]
    lr_scale = [1.0, *[1.0, schedule.kl_bias_lr] * len(state.theta)]
    optimizer = SGD(arrays, schedule.kl_lr, schedule.kl_momentum, lr_scale, engine.sgd_update, state.velocity)
    step = engine.step_for(state.theta, optimizer, state.batches.batch_size, pool)
    while not state.done:
        if state.refresh_due:  # every lambda steps
            with np.errstate(over="ignore", invalid="ignore"):  # the observer tests z and mu
                z = map_blocks(partial(encode, state.theta), X, pool)  # (n, d), all points
                q = engine.soft_assignment(z, state.mu, alpha)  # (n, k), Eq. 1
                labels, p_before = q.argmax(axis=1).astype(np.int32), state.p
                changed = float(np.mean(labels != state.labels))
                state.labels = labels
                if state.t >= state.label_iter:
                    state.p = engine.target_distribution(q)  # Eq. 3
            settled = changed < tol and not 0 < state.t <= state.label_iter  # up to there, P was the labels of the start
            state.refresh_due, state.done = False, settled or state.t >= schedule.max_iter
            yield Refresh(z, q, p_before, changed)
            del z, q, p_before  # to free memory: each has n rows
        else:
            if schedule.momentum_restart and state.t % schedule.update_interval == 0:
                optimizer.restart()
            i = next(state.batches)  # (b,) row numbers
            loss = step.cluster(X[i], state.mu, state.p[i], alpha)  # Eqs. 2, 4 and 5, backpropagation, SGD
            state.t += 1
            state.refresh_due = _refresh_is_due(state, schedule)
            yield Stepped(loss)


def _refresh_is_due(state: ClusteringState, schedule: Profile) -> bool:
    """Return True after every ``update_interval`` steps, and after the last one.

    While P is one-hot, from the labels of the start, q is for the reports only. A report then follows several intervals, so
    that there are about ``LABEL_REPORTS`` reports.
    """
    interval = schedule.update_interval
    if state.t < state.label_iter:
        interval *= max(1, state.label_iter // interval // LABEL_REPORTS)
    return state.t % interval == 0 or state.t in (state.label_iter, schedule.max_iter)


def initial_state(
    start: Start, theta: list[Dense], schedule: Profile, rng: np.random.Generator
) -> ClusteringState:
    """Return the state before the first refresh of P.

    Parameters
    ----------
    start : Start
        Centroids and labels to start from. If the centroids are means of labels and the encoder is trained, P is one-hot,
        from these labels, for ``schedule.label_iter`` steps, at most two thirds of ``schedule.max_iter``. A number above
        ``schedule.update_interval`` is rounded down to a multiple of ``update_interval``.
    theta : list of Dense
        Layers of the encoder; empty if it stays fixed.
    schedule : Profile
        Schedule of the training: batch size and order of the rows.
    rng : numpy.random.Generator
        Generator that shuffles the rows.

    Returns
    -------
    state : ClusteringState
        State at step 0; ``cluster`` changes it in place.

    See Also
    --------
    cluster : Loop that starts from this state.
    """
    mu, labels = start.centers.copy(), start.labels
    batches = Minibatches(len(labels), schedule.batch_size, rng if schedule.shuffle else None)
    velocity = [np.zeros_like(a) for a in [mu, *arrays_of(theta)]]
    state = ClusteringState(mu, theta, batches, velocity, labels=np.full_like(labels, -1))
    label_iter = min(schedule.label_iter, schedule.max_iter * 2 // 3)  # Eq. 3 has the last third at least
    if label_iter > schedule.update_interval:
        label_iter -= label_iter % schedule.update_interval
    if theta and start.by_labels and label_iter:
        state.p = (labels[:, None] == np.arange(len(mu))).astype(mu.dtype)  # (n, k), one-hot
        state.label_iter = label_iter
    return state
