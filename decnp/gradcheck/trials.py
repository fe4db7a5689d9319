"""The problems on which ``check_against`` calls the user's functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .. import equations
from ..utils.validation import as_generator

__all__ = ["Trial", "draw_trials", "draw"]


@dataclass
class Trial:
    """One problem. p belongs to other points than z, so that a function that makes its own p is found."""

    z: np.ndarray
    """(n, d)"""
    mu: np.ndarray
    """(k, d)"""
    p: np.ndarray
    """(n, k)"""
    q: np.ndarray
    """(n, k); the arguments of Eqs. 2 and 3"""
    alpha: float
    main: bool = True
    """True if it has the shape that was asked for. Others are left out if the function does not take their shape."""
    own_p: bool = False
    """True if the user's loss makes P itself. Then P is made from z and mu by Eqs. 1 and 3 here too."""
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def n(self) -> int:
        return len(self.z)

    @property
    def k(self) -> int:
        return len(self.mu)

    @property
    def d(self) -> int:
        return self.z.shape[1]

    @cached_property
    def diff(self) -> np.ndarray:
        """z_i - mu_j, (n, k, d)."""
        return self.z[:, None] - self.mu[None]

    @cached_property
    def dist2(self) -> np.ndarray:
        """||z_i - mu_j||^2, (n, k)."""
        return np.sum(self.diff**2, axis=2)

    @cached_property
    def soft(self) -> np.ndarray:
        """Eq. 1 of z and mu, (n, k)."""
        return equations.soft_assignment(self.z, self.mu, self.alpha)

    @cached_property
    def targets(self) -> np.ndarray:
        """The P of Eqs. 2, 4 and 5, (n, k)."""
        return equations.target_distribution(self.soft) if self.own_p else self.p

    def right(self, equation: int, of_loss: bool = False) -> np.ndarray:
        """Return the right result of ``equation``. With ``of_loss``, Eq. 2 is that of Eq. 1, not of the drawn q."""
        if equation == 1:
            return self.soft
        if equation == 2:
            p, q = (self.targets, self.soft) if of_loss else (self.p, self.q)
            return np.asarray(equations.kl_divergence(p, q))
        if equation == 3:
            return equations.target_distribution(self.q)
        grad = equations.grad_z if equation == 4 else equations.grad_mu
        return grad(self.z, self.mu, self.targets, self.alpha)

    def with_alpha(self, alpha: float) -> Trial:
        """Return the same arrays with another alpha."""
        return Trial(self.z, self.mu, self.p, self.q, alpha, self.main, self.own_p)

    def changed(self, **arrays: np.ndarray) -> Trial:
        """Return the trial with other arrays for some of z, mu, p, q."""
        new = {name: getattr(self, name) for name in ("z", "mu", "p", "q")} | arrays
        return Trial(**new, alpha=self.alpha, main=self.main, own_p=self.own_p)


def draw(rng: np.random.Generator, n: int, k: int, d: int, alpha: float, main: bool = True) -> Trial:
    """Draw n points and k centroids in d dimensions with ``rng``, and a p and a q that belong to other points.

    ``alpha`` and ``main`` are those of the trial.
    """
    z, mu = rng.normal(size=(n, d)), rng.normal(size=(k, d))
    p, q = (rng.dirichlet(np.full(k, 2.0), n) * 0.98 + 0.02 / k for _ in "pq")
    return Trial(z, mu, p, q, alpha, main)


def draw_trials(n: int, k: int, d: int, alphas: Sequence[float], random_state: int, fixed: bool = False) -> list[Trial]:
    """Return two trials for each of ``alphas``: one with the shape that was asked for, one with another n, k and d.

    Constants such as 1/k, 1/n and 1/2 differ between the two. With ``fixed``, k and d are those of a module, and do not
    change. ``random_state`` is the seed.
    """
    rng = as_generator(random_state)
    other_d = d + 5 if d + 4 == k + 1 else d + 4  # a transposed result must show
    trials = []
    for alpha in map(float, alphas):
        trials.append(draw(rng, n, k, d, alpha))
        other_n = max(1, n - 256 if n > 256 else n // 2)
        trials.append(draw(rng, other_n, k, d, alpha) if fixed else draw(rng, other_n, k + 1, other_d, alpha, main=False))
    return trials
