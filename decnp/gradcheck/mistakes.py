"""The mistakes that people make in Eqs. 1-5, written out as functions.

Every function here is wrong on purpose, except the entries named "". The name of a mistake is the sentence that a user
reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from ..equations import kl_divergence, soft_assignment, target_distribution

__all__ = ["soft_assignment_mistakes", "kl_divergence_mistakes", "target_distribution_mistakes", "gradient_mistakes"]

Mistakes = Iterator[tuple[str, Callable[..., Any]]]

IGNORED = "alpha is ignored: this is the formula for alpha = 1"
BRACKET = "a bracket is missing in the exponent -(alpha + 1) / 2: "
Q_OF = " (in the q inside the gradient)"


def _distances(z: np.ndarray, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    diff = z[:, None] - mu[None]  # (n, k, d)
    return diff, np.sum(diff**2, axis=2)


def _normalised(s: np.ndarray) -> np.ndarray:
    return s / s.sum(axis=1, keepdims=True)


def _power(exponent: Callable[[float], float]) -> Callable[..., np.ndarray]:
    """Return Eq. 1 with another exponent of the bracket (1 + d/alpha)."""
    return lambda z, mu, alpha: _normalised((1 + _distances(z, mu)[1] / alpha) ** exponent(alpha))


def soft_assignment_mistakes() -> Mistakes:
    """Yield wrong forms of Eq. 1: (z, mu, alpha) -> (n, k)."""
    yield IGNORED, lambda z, mu, alpha: soft_assignment(z, mu, 1.0)
    yield BRACKET + "(...) ** -(alpha + 1) / 2 is ((...) ** -(alpha + 1)) / 2", _power(lambda a: -(a + 1))
    yield BRACKET + "-alpha + 1 / 2 for -(alpha + 1) / 2", _power(lambda a: -a + 0.5)
    yield BRACKET + "-(alpha + 1 / 2) for -(alpha + 1) / 2", _power(lambda a: -(a + 0.5))
    yield BRACKET + "-alpha + 1 for -(alpha + 1), over 2", _power(lambda a: (-a + 1) / 2)
    yield (BRACKET + "1 + (...) ** ... for (1 + ...) ** ...",
           lambda z, mu, alpha: _normalised(1 + (_distances(z, mu)[1] / alpha) ** (-(alpha + 1) / 2)))
    yield "the exponent's sign is missing: q grows with the distance", _power(lambda a: (a + 1) / 2)
    yield "the exponent -(alpha + 1) / 2 is taken as -1", _power(lambda a: -1.0)
    yield ("the distances are not squared",
           lambda z, mu, alpha: _normalised((1 + np.sqrt(_distances(z, mu)[1]) / alpha) ** (-(alpha + 1) / 2)))
    yield ("d is not divided by alpha",
           lambda z, mu, alpha: _normalised((1 + _distances(z, mu)[1]) ** (-(alpha + 1) / 2)))
    yield ("the rows are not normalised",
           lambda z, mu, alpha: (1 + _distances(z, mu)[1] / alpha) ** (-(alpha + 1) / 2))
    yield ("the columns are normalised, not the rows",
           lambda z, mu, alpha: _columns((1 + _distances(z, mu)[1] / alpha) ** (-(alpha + 1) / 2)))


def _columns(s: np.ndarray) -> np.ndarray:
    return s / s.sum(axis=0)


def kl_divergence_mistakes() -> Mistakes:
    """Yield wrong forms of Eq. 2: (p, q) -> scalar."""
    yield "p and q are swapped: this is KL(Q || P)", lambda p, q: kl_divergence(q, p)
    yield "the sign is wrong", lambda p, q: -kl_divergence(p, q)
    yield "it is the mean over the batch; Eq. 2 is a sum", lambda p, q: kl_divergence(p, q) / len(p)
    yield "it is the mean over the n k entries; Eq. 2 is a sum", lambda p, q: kl_divergence(p, q) / p.size
    yield "the term p log p is missing: this is the cross-entropy", lambda p, q: -np.sum(p * np.log(q))
    yield "the logarithm is to base 2; the loss is in nats", lambda p, q: kl_divergence(p, q) / np.log(2)


def target_distribution_mistakes(n: int) -> Mistakes:
    """Yield wrong forms of Eq. 3: q (n, k) -> (n, k)."""
    for size in range(1, n):
        yield (f"P is taken per batch (of {size}): f must sum over the whole data",
               lambda q, size=size: np.concatenate([target_distribution(q[s : s + size]) for s in range(0, n, size)]))
    yield "f is missing: p is q^2, normalised", lambda q: _normalised(q**2)
    yield "q is not squared: p is q/f, normalised", lambda q: _normalised(q / q.sum(axis=0))
    yield "the rows are not normalised", lambda q: q**2 / q.sum(axis=0)
    yield "f sums over the clusters, not over the points", lambda q: _normalised(q**2 / q.sum(axis=1, keepdims=True))
    yield "p and q are swapped: it returns q", lambda q: q


WEIGHTS = {
    "": lambda p, q: p - q,
    "the sign is wrong, as when p and q are swapped in (p - q)": lambda p, q: q - p,
    "p and q are swapped in Eq. 2: this is the gradient of KL(Q || P)":
        lambda p, q: -q * (np.log(q / p) - np.sum(q * np.log(q / p), axis=1, keepdims=True)),
    "q is missing: p stands for (p - q)": lambda p, q: p + 0 * q,
}
FACTORS = {
    "": lambda alpha: (alpha + 1) / alpha,
    "the factor (alpha + 1)/alpha is missing": lambda alpha: 1.0,
    "the factor (alpha + 1)/alpha is taken as 2, its value for alpha = 1": lambda alpha: 2.0,
    "the factor (alpha + 1)/alpha is upside down": lambda alpha: alpha / (alpha + 1),
    "the factor (alpha + 1)/alpha is halved": lambda alpha: (alpha + 1) / alpha / 2,
}
POWERS = {
    "": lambda u, alpha: u,
    "the bracket has the power (alpha + 1)/2 of Eq. 1; in Eqs. 4 and 5 it is 1":
        lambda u, alpha: u ** ((alpha + 1) / 2),
    "the bracket u_ij = 1 / (1 + d/alpha) is missing": lambda u, alpha: np.ones_like(u),
    "d is not divided by alpha in the bracket": lambda u, alpha: 1 / (1 + alpha * (1 / u - 1)),
}
PULLS: dict[str, Callable] = {
    "": lambda diff: diff,
    "(z - mu)^2 stands for z - mu": lambda diff: diff**2,
    "|z - mu| stands for z - mu": np.abs,
}


def gradient_mistakes(axis: int) -> Mistakes:
    """Yield wrong forms of Eq. 4 (axis=1, the sum over j) or Eq. 5 (axis=0, over i): (z, mu, p, alpha) -> as z or mu.

    Single mistakes come first, then pairs.
    """
    qs = {"": soft_assignment, **{name + Q_OF: form for name, form in soft_assignment_mistakes()}}
    sizes = {"": lambda n: 1.0, "it is the mean over the batch; Eqs. 4 and 5 are sums": lambda n: 1.0 / n}
    whole = {
        IGNORED: (lambda z, mu, p, alpha: _gradient(axis, z, mu, p, 1.0)),
        "p is ignored: P is taken from the batch itself, where it must come from the whole data":
            (lambda z, mu, p, alpha: _gradient(axis, z, mu, target_distribution(soft_assignment(z, mu, alpha)), alpha)),
    }
    yield from whole.items()
    parts = [list(d.items()) for d in (WEIGHTS, FACTORS, POWERS, PULLS, qs, sizes)]
    chosen = sorted(product(*parts), key=lambda parts: sum(bool(name) for name, _ in parts))
    for choice in chosen:
        names = [name for name, _ in choice if name]
        if 1 <= len(names) <= 2:
            yield " and ".join(names), lambda z, mu, p, alpha, forms=[f for _, f in choice]: _gradient(
                axis, z, mu, p, alpha, *forms)
    for name, form in whole.items():
        yield (f"{name} and the sign is wrong", lambda z, mu, p, alpha, form=form: -form(z, mu, p, alpha))
        yield (f"{name} and it is the mean over the batch",
               lambda z, mu, p, alpha, form=form: form(z, mu, p, alpha) / len(z))


def _gradient(
    axis: int, z: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float, weight: Callable = WEIGHTS[""],
    factor: Callable = FACTORS[""], power: Callable = POWERS[""], pull: Callable = PULLS[""],
    q: Callable = soft_assignment, size: Callable = lambda n: 1.0,
) -> np.ndarray:
    """Return Eq. 4 or 5 from its parts, each of which may be a wrong one."""
    diff, d = _distances(z, mu)
    u = power(1 / (1 + d / alpha), alpha)
    W = factor(alpha) * u * weight(p, q(z, mu, alpha)) * size(len(z))  # (n, k)
    return (1 if axis == 1 else -1) * np.sum(W[:, :, None] * pull(diff), axis=axis)
