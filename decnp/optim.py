"""Optimisers, schedules and minibatches.

An optimiser holds references to the arrays it trains and changes them in place; its velocity is the
only thing here that remembers. A learning rate or a momentum is a number, or a function of the step
(counted from 0).
"""

from __future__ import annotations

from typing import Callable, Iterator, Sequence, Union

import numpy as np

__all__ = [
    "SGD", "Adam", "sgd_update", "adam_update", "constant", "step_decay", "cosine_decay", "burn_in",
    "cyclic_minibatches", "shuffled_minibatches",
]

Schedule = Union[float, Callable[[int], float]]
Update = Callable[[int, slice, np.ndarray], None]


def sgd_update(w: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, momentum: float) -> None:
    """v <- momentum v - lr g;  w <- w + v, in place, arrays of one shape (Caffe's form: lr is inside v).

    A velocity too small to be a normal number becomes 0: a dead unit's would otherwise stay denormal
    for ever and slow every product down.
    """
    v *= momentum
    v -= lr * g
    v[np.abs(v) < np.finfo(v.dtype).tiny] = 0
    w += v


def adam_update(
    w: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, beta1: float, beta2: float, eps: float
) -> None:
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  w <- w - lr m / (sqrt(v) + eps), in place.

    Arrays of one shape. ``lr`` and ``eps`` come with the bias correction in them. Denormal m and v become 0.
    """
    for moment, beta, new in ((m, beta1, g), (v, beta2, g * g)):
        moment *= beta
        moment += (1 - beta) * new
        moment[np.abs(moment) < np.finfo(moment.dtype).tiny] = 0
    w -= lr * m / (np.sqrt(v) + eps)


class SGD:
    """Stochastic gradient descent with momentum: v <- momentum v - lr(t) g;  w <- w + v.

    Parameters
    ----------
    arrays : the arrays to train, in place
    lr, momentum : numbers, or functions of the step
    lr_scale : one factor for each array on its learning rate (DEC's code has 2 for biases); default 1
    update : ``optim.sgd_update`` (readable) or ``kernels.sgd_update`` (one pass over memory)
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], lr: Schedule, momentum: Schedule = 0.9,
        lr_scale: Sequence[float] | None = None, update: Callable = sgd_update,
    ):
        self.arrays = list(arrays)
        self.lr, self.momentum = constant(lr), constant(momentum)
        self.lr_scale = [1.0] * len(self.arrays) if lr_scale is None else list(lr_scale)
        self.update = update
        self.restart()

    def restart(self) -> None:
        """Forget the velocity and count steps from 0 again."""
        self.t = 0
        self.velocity = [np.zeros_like(a) for a in self.arrays]

    @property
    def memory(self) -> list[np.ndarray]:
        """All that it remembers beside ``t``."""
        return self.velocity

    def step(self, grads: Sequence[np.ndarray]) -> None:
        """One update; ``grads`` in the order and shapes of ``arrays``. Raises ValueError if one is missing."""
        _update_all(self, grads)

    def next_update(self) -> Update:
        """Step t is taken; what comes back updates ``arrays[i][rows]`` by its gradient, piece by piece."""
        lr, momentum = self.lr(self.t), self.momentum(self.t)
        self.t += 1

        def update(i: int, rows: slice, g: np.ndarray) -> None:
            self.update(self.arrays[i][rows], self.velocity[i][rows], g, lr * self.lr_scale[i], momentum)

        return update


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1). Not in the DEC paper.

    Parameters as for ``SGD``, with ``beta1``, ``beta2`` and ``eps`` of Adam's paper;
    ``update`` is ``optim.adam_update`` or ``kernels.adam_update``.
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], lr: Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999,
        eps: float = 1e-8, lr_scale: Sequence[float] | None = None, update: Callable = adam_update,
    ):
        self.arrays = list(arrays)
        self.lr, self.beta1, self.beta2, self.eps = constant(lr), beta1, beta2, eps
        self.lr_scale = [1.0] * len(self.arrays) if lr_scale is None else list(lr_scale)
        self.update = update
        self.restart()

    def restart(self) -> None:
        """Forget both moments and count steps from 0 again."""
        self.t = 0
        self.m = [np.zeros_like(a) for a in self.arrays]
        self.v = [np.zeros_like(a) for a in self.arrays]

    @property
    def memory(self) -> list[np.ndarray]:
        """All that it remembers beside ``t``."""
        return self.m + self.v

    def step(self, grads: Sequence[np.ndarray]) -> None:
        """One update; ``grads`` in the order and shapes of ``arrays``. Raises ValueError if one is missing."""
        _update_all(self, grads)

    def next_update(self) -> Update:
        """As ``SGD.next_update``."""
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


def _update_all(optimizer: Union[SGD, Adam], grads: Sequence[np.ndarray]) -> None:
    if len(grads) != len(optimizer.arrays):
        raise ValueError(f"grads must have one array for each of the {len(optimizer.arrays)} trained; got {len(grads)}")
    update = optimizer.next_update()
    for i, g in enumerate(grads):
        update(i, slice(None), g)


def constant(value: Schedule) -> Callable[[int], float]:
    """A number as a function of the step; a function stays as it is."""
    return value if callable(value) else lambda t: value


def step_decay(lr: float, every: int, factor: float = 0.1) -> Callable[[int], float]:
    """lr, times ``factor`` after each ``every`` steps. DEC section 4.2: 0.1, divided by 10 every 20,000."""
    return lambda t: lr * factor ** (t // every)


def cosine_decay(lr: float, steps: int, warmup: int = 0) -> Callable[[int], float]:
    """From lr to 0 along half a cosine in ``steps`` steps, after a linear rise over the first ``warmup``."""

    def schedule(t: int) -> float:
        if t < warmup:
            return lr * (t + 1) / warmup
        done = min(1.0, (t - warmup) / max(1, steps - warmup))
        return lr * (1 + float(np.cos(np.pi * done))) / 2

    return schedule


def burn_in(momentum: float, steps: int) -> Callable[[int], float]:
    """A momentum that rises linearly from 0 over the first ``steps`` steps (the DEC authors' code: 1000)."""
    return lambda t: momentum * min(1.0, t / steps) if steps else momentum


def cyclic_minibatches(n: int, batch_size: int, start: int = 0) -> Iterator[np.ndarray]:
    """Endless row numbers in file order, ``batch_size`` at a time, wrapping round at n (the authors' order)."""
    batch = np.arange(min(batch_size, n))
    while True:
        yield (start + batch) % n
        start = (start + len(batch)) % n


def shuffled_minibatches(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless row numbers, each epoch in a new random order; a last, shorter batch is left out."""
    batch_size = min(batch_size, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size]
