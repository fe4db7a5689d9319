"""Optimizers, schedules and minibatches.

An optimizer holds references to the arrays that it trains, and updates them in place. Its state is the velocity (SGD) or
the two moments (Adam), and the step t. A learning rate or a momentum is a number, or a function of the step, which is
counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Union

import numpy as np

__all__ = [
    "SGD", "Adam", "Optimizer", "sgd_update", "adam_update", "constant", "step_decay", "cosine_decay", "burn_in",
    "Minibatches",
]

Schedule = Union[float, Callable[[int], float]]
UpdateRows = Callable[[int, slice, np.ndarray], None]


# ---------------------------------------------------------------- update rules

def sgd_update(w: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, momentum: float) -> None:
    """Set v <- momentum v - lr g, then w <- w + v, in place.

    In this form, which is Caffe's, the velocity includes lr. A velocity below the smallest normal number becomes 0,
    because denormal numbers of dead units would slow down every matrix product.

    Parameters
    ----------
    w : ndarray
        Weights, updated in place.
    v : ndarray of the shape of w
        Velocity, updated in place.
    g : ndarray of the shape of w
        Gradient.
    lr : float
        Learning rate.
    momentum : float
        Factor on the velocity.

    See Also
    --------
    decnp.kernels.sgd_update : Compiled version.
    """
    v *= momentum
    v -= lr * g
    v[np.abs(v) < np.finfo(v.dtype).tiny] = 0
    w += v


def adam_update(
    w: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, beta1: float, beta2: float, eps: float
) -> None:
    """Set m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, then w <- w - lr m / (sqrt(v) + eps), in place.

    Denormal m and v become 0.

    Parameters
    ----------
    w : ndarray
        Weights, updated in place.
    m, v : ndarray of the shape of w
        First and second moment, updated in place.
    g : ndarray of the shape of w
        Gradient.
    lr : float
        Learning rate, with the bias correction.
    beta1, beta2 : float
        Decay b1 and b2 of the moments.
    eps : float
        Number added to the root of v, with the bias correction.

    See Also
    --------
    decnp.kernels.adam_update : Compiled version.
    """
    for moment, beta, new in ((m, beta1, g), (v, beta2, g * g)):
        moment *= beta
        moment += (1 - beta) * new
        moment[np.abs(moment) < np.finfo(moment.dtype).tiny] = 0
    w -= lr * m / (np.sqrt(v) + eps)


# ---------------------------------------------------------------- optimizers

class Optimizer(Protocol):
    """Interface of ``SGD`` and ``Adam``, with the trained ``arrays`` and the step ``t``."""

    arrays: list[np.ndarray]
    t: int

    @property
    def state(self) -> list[np.ndarray]:
        """Return the arrays that change from step to step, besides the weights."""

    def step(self, grads: Sequence[np.ndarray]) -> None:
        """Update all arrays from ``grads``, in the order of ``arrays``."""

    def next_update(self) -> UpdateRows:
        """Advance t and return the update of step t for rows of one array."""

    def restart(self) -> None:
        """Set the state and t to 0."""


class SGD:
    """Stochastic gradient descent with momentum: v <- momentum v - lr(t) g;  w <- w + v.

    Parameters
    ----------
    arrays : sequence of ndarray
        Arrays to train, in place.
    lr : float or callable
        Learning rate: a number, or a function of the step.
    momentum : float or callable, default=0.9
        Momentum: a number, or a function of the step.
    lr_scale : sequence of float, default=None
        Factor on the learning rate of each array. The DEC authors' code has 2 for biases. None means 1.
    update : callable, default=sgd_update
        ``optim.sgd_update`` (readable) or ``kernels.sgd_update`` (one pass over memory).
    state : list of ndarray, default=None
        Velocity to continue from, used in place. None starts from 0.
    t : int, default=0
        Step to continue from.
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], lr: Schedule, momentum: Schedule = 0.9,
        lr_scale: Sequence[float] | None = None, update: Callable[..., None] = sgd_update,
        state: list[np.ndarray] | None = None, t: int = 0,
    ) -> None:
        self.arrays = list(arrays)
        self.lr, self.momentum = constant(lr), constant(momentum)
        self.lr_scale = [1.0] * len(self.arrays) if lr_scale is None else list(lr_scale)
        self.update = update
        self.velocity = [np.zeros_like(a) for a in self.arrays] if state is None else state
        self.t = t

    @property
    def state(self) -> list[np.ndarray]:
        """Return the velocity of each array."""
        return self.velocity

    def restart(self) -> None:
        """Set the velocity and t to 0, in place."""
        _set_zero(self)

    def step(self, grads: Sequence[np.ndarray]) -> None:
        """Take one step; ``grads`` has the order and shapes of ``arrays``. Raises ValueError if one is missing."""
        _update_all(self, grads)

    def next_update(self) -> UpdateRows:
        """Advance t and return ``update(i, rows, g)``, which takes step t on ``arrays[i][rows]`` with gradient g."""
        lr, momentum = self.lr(self.t), self.momentum(self.t)
        self.t += 1

        def update(i: int, rows: slice, g: np.ndarray) -> None:
            self.update(self.arrays[i][rows], self.velocity[i][rows], g, lr * self.lr_scale[i], momentum)

        return update


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1). The DEC paper does not use it.

    Parameters
    ----------
    arrays : sequence of ndarray
        Arrays to train, in place.
    lr : float or callable, default=1e-3
        Learning rate: a number, or a function of the step.
    beta1 : float, default=0.9
        Decay of the first moments.
    beta2 : float, default=0.999
        Decay of the second moments.
    eps : float, default=1e-8
        Number added to the root of the second moment.
    lr_scale : sequence of float, default=None
        Factor on the learning rate of each array. None means 1.
    update : callable, default=adam_update
        ``optim.adam_update`` (readable) or ``kernels.adam_update`` (one pass over memory).
    state : list of ndarray, default=None
        First moments of all arrays, then second moments, to continue from, used in place. None starts from 0.
    t : int, default=0
        Step to continue from.
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], lr: Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999,
        eps: float = 1e-8, lr_scale: Sequence[float] | None = None, update: Callable[..., None] = adam_update,
        state: list[np.ndarray] | None = None, t: int = 0,
    ) -> None:
        self.arrays = list(arrays)
        self.lr, self.beta1, self.beta2, self.eps = constant(lr), beta1, beta2, eps
        self.lr_scale = [1.0] * len(self.arrays) if lr_scale is None else list(lr_scale)
        self.update = update
        state = [np.zeros_like(a) for a in 2 * self.arrays] if state is None else state
        self.m, self.v = state[: len(self.arrays)], state[len(self.arrays) :]
        self.t = t

    @property
    def state(self) -> list[np.ndarray]:
        """Return the moments: m of each array, then v of each array."""
        return self.m + self.v

    def restart(self) -> None:
        """Set both moments and t to 0, in place."""
        _set_zero(self)

    def step(self, grads: Sequence[np.ndarray]) -> None:
        """Take one step; ``grads`` has the order and shapes of ``arrays``. Raises ValueError if one is missing."""
        _update_all(self, grads)

    def next_update(self) -> UpdateRows:
        """Advance t and return ``update(i, rows, g)``, as ``SGD.next_update`` does."""
        lr = self.lr(self.t)
        self.t += 1
        # m / (1 - b1^t) over sqrt(v / (1 - b2^t)) + eps, with both corrections moved into lr and eps
        root = np.sqrt(1 - self.beta2**self.t)
        lr = lr * root / (1 - self.beta1**self.t)
        eps = float(self.eps * root)

        def update(i: int, rows: slice, g: np.ndarray) -> None:
            w, m, v = self.arrays[i][rows], self.m[i][rows], self.v[i][rows]
            self.update(w, m, v, g, float(lr * self.lr_scale[i]), self.beta1, self.beta2, eps)

        return update


def _update_all(optimizer: Optimizer, grads: Sequence[np.ndarray]) -> None:
    if len(grads) != len(optimizer.arrays):
        raise ValueError(f"grads must have one array for each of the {len(optimizer.arrays)} trained; got {len(grads)}")
    update = optimizer.next_update()
    for i, g in enumerate(grads):
        update(i, slice(None), g)


def _set_zero(optimizer: Optimizer) -> None:
    """Set t and the state to 0 in place, so that other references to the arrays stay valid."""
    optimizer.t = 0
    for a in optimizer.state:
        a[...] = 0


# ---------------------------------------------------------------- schedules

def constant(value: Schedule) -> Callable[[int], float]:
    """Return ``value`` as a function of the step; return a function unchanged."""
    return value if callable(value) else lambda t: value


def step_decay(lr: float, every: int, factor: float = 0.1) -> Callable[[int], float]:
    """Return the schedule lr * factor^(t // every). DEC section 4.2: lr = 0.1, divided by 10 every 20,000 steps."""
    return lambda t: lr * factor ** (t // every)


def cosine_decay(lr: float, steps: int, warmup: int = 0) -> Callable[[int], float]:
    """Return a schedule that falls from ``lr`` to 0 as half a cosine, after a linear rise in ``warmup`` steps.

    Both phases together take ``steps`` steps.
    """

    def schedule(t: int) -> float:
        if t < warmup:
            return lr * (t + 1) / warmup
        done = min(1.0, (t - warmup) / max(1, steps - warmup))
        return lr * (1 + float(np.cos(np.pi * done))) / 2

    return schedule


def burn_in(momentum: float, steps: int) -> Callable[[int], float]:
    """Return a schedule that rises linearly from 0 to ``momentum`` in ``steps`` steps (1000 in the authors' code)."""
    return lambda t: momentum * min(1.0, t / steps) if steps else momentum


# ---------------------------------------------------------------- minibatches

@dataclass
class Minibatches:
    """Endless iterator over the row numbers of minibatches. Its fields are its complete state.

    Parameters
    ----------
    n : int
        Number of rows.
    batch_size : int
        Number of rows in a minibatch, at most ``n``.
    rng : numpy.random.Generator, default=None
        Source of a new random order for each epoch, in which a last, shorter minibatch is left out. None uses the order
        of the file, and continues with row 0 after row n - 1, as the authors' code does.
    start : int, default=0
        Position in the current order.
    order : ndarray of shape (n,), default=None
        Current random order.

    Examples
    --------
    >>> batches = Minibatches(5, 2)
    >>> [next(batches).tolist() for _ in range(3)]
    [[0, 1], [2, 3], [4, 0]]
    """

    n: int
    batch_size: int
    rng: np.random.Generator | None = None
    start: int = 0
    order: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.batch_size = min(self.batch_size, self.n)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        b = self.batch_size
        if self.rng is None:
            i = (self.start + np.arange(b)) % self.n
            self.start = (self.start + b) % self.n
            return i
        if self.order is None or self.start + b > self.n:
            self.order, self.start = self.rng.permutation(self.n), 0
        self.start += b
        return self.order[self.start - b : self.start]

    def restart(self) -> None:
        """Begin a new epoch: row 0 in file order, or a new random order."""
        self.start, self.order = 0, None
