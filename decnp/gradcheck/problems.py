"""Random problems for the table of ``decnp gradcheck``: a clustering, and an autoencoder with dropout masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .. import layers
from ..layers import Dense

__all__ = ["Problem", "draw_problem"]

KINK_DISTANCE = 1e-4
"""Problems are drawn again until the input of every ReLU is farther from 0 than this: at 0 the derivative is a
matter of convention."""


class Problem(NamedTuple):
    """Random numbers for every row of the table, of one dtype. The letters are the paper's."""

    alpha: float
    z: np.ndarray
    """(n, d) embedded points"""
    mu: np.ndarray
    """(k, d) centroids"""
    p: np.ndarray
    """(n, k) targets"""
    q: np.ndarray
    """(n, k) soft assignments, which belong to other points than p"""
    g: np.ndarray
    """(n, k) an incoming gradient"""
    x: np.ndarray
    """(n, D) rows of the autoencoder"""
    theta: list[Dense]
    masks: list[np.ndarray]
    n_encoder: int
    """Number of layers of ``theta`` that are the encoder."""


def draw_problem(rng: np.random.Generator, n: int, k: int, d: int, alpha: float, dtype: DTypeLike) -> Problem:
    """Draw n points and k centroids in d dimensions, and an autoencoder of n rows with an embedding of width d.

    ``rng`` draws the numbers; ``alpha`` are the degrees of freedom; the arrays are cast to ``dtype``.
    """
    z, mu = (rng.normal(size=(rows, d)) for rows in (n, k))
    p, q = (rng.dirichlet(np.full(k, 2.0), n) * 0.98 + 0.02 / k for _ in "pq")
    sizes = [6, 5, 7, d]
    acts = ["relu"] * (len(sizes) - 2) + ["linear"]
    while True:
        x = rng.normal(size=(n, sizes[0]))
        theta = [
            Dense(rng.normal(0, n_in**-0.5, (n_in, n_out)), rng.normal(0, 0.3, n_out), act)
            for n_in, n_out, act in zip(sizes + sizes[-2::-1], sizes[1:] + sizes[-2::-1], acts + acts)
        ]
        masks = [layers.dropout_mask(rng, (n, len(W)), 0.2, np.float64) for W, _, _ in theta]
        if min(_kink_distance(theta, x, masks), _kink_distance(theta, x, None)) > KINK_DISTANCE:
            break
    g = rng.normal(size=(n, k))
    z, mu, p, q, g, x = (a.astype(dtype) for a in (z, mu, p, q, g, x))
    return Problem(alpha, z, mu, p, q, g, x, [Dense(W.astype(dtype), b.astype(dtype), act) for W, b, act in theta],
                   [m.astype(dtype) for m in masks if m is not None], len(acts))


def _kink_distance(theta: list[Dense], x: np.ndarray, masks: Sequence[np.ndarray | None] | None) -> float:
    """Return the smallest absolute input of a ReLU. x itself is the input of the row "ReLU"."""
    hs = layers.mlp(theta, x, masks)
    inputs = [x] + [layers.dense(h, W, b) for h, (W, b, act) in zip(hs, theta) if act == "relu"]
    return min(float(np.abs(a).min()) for a in inputs)
