"""Updates of ``decnp.optim`` as numba kernels, in place and each in one pass over memory.

``optim.sgd_update`` and ``optim.adam_update`` are the specification; ``tests/test_kernels.py`` compares the results.
"""

from __future__ import annotations

import numpy as np

from .jit import jit

__all__ = ["sgd_update", "adam_update"]


def sgd_update(w: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, momentum: float) -> None:
    """Update w and v in place, as ``optim.sgd_update`` does, in one pass over memory.

    Parameters
    ----------
    w : ndarray
        Weights, C-contiguous, updated in place.
    v : ndarray of the shape of w
        Velocity, C-contiguous, updated in place.
    g : ndarray of the shape of w
        Gradient.
    lr : float
        Learning rate.
    momentum : float
        Factor on the velocity.

    Raises
    ------
    ValueError
        If the shapes differ, or w or v is not writable and C-contiguous.

    See Also
    --------
    decnp.optim.sgd_update : Readable version, with the formula.
    """
    w, v, g = _flat(w, v, g=g)
    dtype = w.dtype.type
    _sgd_update(w, v, g, dtype(lr), dtype(momentum), np.finfo(dtype).tiny)


def adam_update(
    w: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray,
    lr: float, beta1: float, beta2: float, eps: float,
) -> None:
    """Update w, m and v in place, as ``optim.adam_update`` does, in one pass over memory.

    Parameters
    ----------
    w : ndarray
        Weights, C-contiguous, updated in place.
    m, v : ndarray of the shape of w
        First and second moment, C-contiguous, updated in place.
    g : ndarray of the shape of w
        Gradient.
    lr : float
        Learning rate, with the bias correction.
    beta1, beta2 : float
        Decay of the moments.
    eps : float
        Number added to the root of v, with the bias correction.

    Raises
    ------
    ValueError
        If the shapes differ, or w, m or v is not writable and C-contiguous.

    See Also
    --------
    decnp.optim.adam_update : Readable version, with the formula.
    """
    w, m, v, g = _flat(w, m, v, g=g)
    dtype = w.dtype.type
    _adam_update(
        w, m, v, g,
        dtype(lr), dtype(beta1), dtype(1 - beta1), dtype(beta2), dtype(1 - beta2), dtype(eps), np.finfo(dtype).tiny,
    )


def _flat(*changed: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return flat views of the arrays that an update changes in place, then of g."""
    for a in (*changed, g):
        if a.shape != changed[0].shape or a.dtype.kind != "f":
            raise ValueError(f"an update needs real arrays of one shape; got {[a.shape for a in (*changed, g)]}")
    if not all(a.flags.carray for a in changed):
        raise ValueError("an update needs writable C-contiguous arrays, because it changes them in place")
    return *(a.reshape(-1) for a in changed), g.reshape(-1)


_njit = jit()


@_njit
def _sgd_update(
    w: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, momentum: float, tiny: float
) -> None:
    for t in range(w.size):
        v_t = momentum * v[t] - lr * g[t]
        if abs(v_t) < tiny:
            v_t -= v_t  # 0: denormal numbers would slow down every product
        v[t] = v_t
        w[t] += v_t


@_njit
def _adam_update(
    w: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray,
    lr: float, beta1: float, rest1: float, beta2: float, rest2: float, eps: float, tiny: float,
) -> None:
    for t in range(w.size):
        m_t = beta1 * m[t] + rest1 * g[t]
        v_t = beta2 * v[t] + rest2 * g[t] * g[t]
        if abs(m_t) < tiny:
            m_t -= m_t
        if v_t < tiny:
            v_t -= v_t
        m[t] = m_t
        v[t] = v_t
        w[t] -= lr * m_t / (np.sqrt(v_t) + eps)
