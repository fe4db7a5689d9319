"""Elementwise parts of a training step as numba kernels, each in one pass over memory.

``decnp.layers`` is the specification, and ``fused_step.py`` is the only caller; ``tests/test_fused.py`` compares the
results. The kernels release Python's global lock, so that a ``ThreadPool`` can run them in parallel.
"""

from __future__ import annotations

import numpy as np

from .jit import jit

__all__ = ["bias_relu", "bias_linear", "relu_vjp", "linear_vjp", "squared_error"]

_njit = jit()


@_njit
def bias_relu(a: np.ndarray, b: np.ndarray) -> None:
    """Set a (n, n_out) <- relu(a + b)."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            h = a[i, j] + b[j]
            a[i, j] = h if not h <= 0 else a.dtype.type(0)


@_njit
def bias_linear(a: np.ndarray, b: np.ndarray) -> None:
    """Set a (n, n_out) <- a + b."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] += b[j]


@_njit
def relu_vjp(g: np.ndarray, h: np.ndarray, g_b: np.ndarray) -> None:
    """Set g (n, n_out) <- ``layers.relu_vjp(g, h)`` and g_b (n_out,) <- its sum over rows."""
    g_b[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g_a = g[i, j] if h[i, j] > 0 else g.dtype.type(0)
            g[i, j] = g_a
            g_b[j] += g_a


@_njit
def linear_vjp(g: np.ndarray, g_b: np.ndarray) -> None:
    """Set g_b (n_out,) <- sum of g (n, n_out) over rows."""
    g_b[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g_b[j] += g[i, j]


@_njit
def squared_error(x_rec: np.ndarray, x: np.ndarray, size: float, g: np.ndarray) -> float:
    """Set g (n, D) <- (x_rec - x) / size and return sum (x_rec - x)^2 / (2 size)."""
    loss = 0.0
    for i in range(x.shape[0]):
        row = x.dtype.type(0)
        for j in range(x.shape[1]):
            diff = x_rec[i, j] - x[i, j]
            g_ij = diff / size
            g[i, j] = g_ij
            row += diff * g_ij
        loss += row
    return loss / 2
