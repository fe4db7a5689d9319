"""What a training step does between two matrix products, as numba kernels: one pass over memory each, in place.

``layers.py`` is the specification, and ``fused.py`` the only caller; tests hold the three together. They let
go of Python's lock, so that a ``Crew`` runs them side by side.
"""

from __future__ import annotations

from numba import njit

__all__ = ["bias_relu", "bias_linear", "relu_back", "linear_back", "squared_error"]

_njit = njit(cache=True, nogil=True, error_model="numpy")


@_njit
def bias_relu(a, b):
    """a (n, n_out) <- relu(a + b)."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            h = a[i, j] + b[j]
            a[i, j] = h if not h <= 0 else a.dtype.type(0)


@_njit
def bias_linear(a, b):
    """a (n, n_out) <- a + b."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] += b[j]


@_njit
def relu_back(g, h, g_b):
    """g (n, n_out) <- ``relu_vjp(g, h)``;  g_b (n_out,) <- its sum over rows."""
    g_b[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g_a = g[i, j] if h[i, j] > 0 else g.dtype.type(0)
            g[i, j] = g_a
            g_b[j] += g_a


@_njit
def linear_back(g, g_b):
    """g_b (n_out,) <- the sum of g (n, n_out) over rows."""
    g_b[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g_b[j] += g[i, j]


@_njit
def squared_error(x_rec, x, size):
    """x_rec (n, D) <- (x_rec - x) / size;  returns sum (x_rec - x)^2 / (2 size)."""
    loss = 0.0
    for i in range(x.shape[0]):
        row = x.dtype.type(0)
        for j in range(x.shape[1]):
            diff = x_rec[i, j] - x[i, j]
            g = diff / size
            x_rec[i, j] = g
            row += diff * g
        loss += row
    return loss / 2
