"""The equations once more, as numba kernels: the same names and arguments, and ``out=``.

Each public function is a door: it checks, converts and allocates, then calls the compiled loop of ``tiles.py``
(Eqs. 1-5) or below (updates). The loops do only arithmetic, in float64 whatever comes in. Many points are cut into
parts for a ``Crew`` of threads, and what the parts sum up is added in order, so the answer never depends
on the number of threads. Loops are compiled once per dtype and cached on disk; ``warmup()`` compiles them all.

``decnp.equations`` is the specification; ``tests/test_kernels.py`` holds the two together.
"""

from __future__ import annotations

from numbers import Real
from typing import Callable

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from . import tiles
from .crew import Crew

__all__ = [
    "soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads",
    "sgd_update", "adam_update", "warmup",
]


PART = 16_000
"""Points that one thread takes at a time, at least: half a millisecond, several times what a thread costs."""


# ---------------------------------------------------------------- doors

def soft_assignment(z: ArrayLike, mu: ArrayLike, alpha: float = 1.0, out: np.ndarray | None = None) -> np.ndarray:
    """DEC Eq. 1, as ``equations.soft_assignment``: z (n, d), mu (k, d) -> q (n, k).

    ``out``: an (n, k) array of the result's dtype to write into. Raises ValueError where shapes do not
    fit and TypeError for complex input. Differs from the paper: no.

    >>> soft_assignment([[0.0], [1.0]], [[0.0], [1.0]]).round(4)
    array([[0.6667, 0.3333],
           [0.3333, 0.6667]])
    """
    z, mu = _arrays(z=z, mu=mu)
    _check(z, mu, alpha)
    q = _output(out, (len(z), len(mu)), z.dtype)
    _over_parts(len(z), lambda part: tiles.soft_assignment(z[part], mu, float(alpha), q[part]))
    return q


def kl_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """DEC Eq. 2, as ``equations.kl_divergence``: p, q (n, k) -> the sum over all points, in nats.

    Raises ValueError where shapes do not fit and TypeError for complex input. Differs from the paper: no.

    >>> round(kl_divergence([[0.8, 0.2]], [[2/3, 1/3]]), 6)
    0.043692
    """
    p, q = _arrays(p=p, q=q)
    if p.shape != q.shape:
        raise ValueError(f"p and q must both have the shape (n, k); got {p.shape} and {q.shape}")
    return float(sum(_over_parts(len(p), lambda part: tiles.kl_divergence(p[part].reshape(-1), q[part].reshape(-1)))))


def target_distribution(q: ArrayLike, out: np.ndarray | None = None) -> np.ndarray:
    """DEC Eq. 3, as ``equations.target_distribution``: q (n, k) of all points -> p (n, k).

    ``out``: an (n, k) array of the result's dtype to write into. Raises ValueError where shapes do not
    fit and TypeError for complex input. Differs from the paper: no.

    >>> target_distribution([[2/3, 1/3], [1/3, 2/3]]).round(4)
    array([[0.8, 0.2],
           [0.2, 0.8]])
    """
    (q,) = _arrays(q=q)
    p = _output(out, q.shape, q.dtype)
    f = sum(_over_parts(len(q), lambda part: tiles.frequencies(q[part])))
    _over_parts(len(q), lambda part: tiles.target_distribution(q[part], f, p[part]))
    return p


def grad_z(
    z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0, out: np.ndarray | None = None
) -> np.ndarray:
    """DEC Eq. 4, as ``equations.grad_z``: z (n, d), mu (k, d), p (n, k) -> (n, d).

    ``out``: an (n, d) array of the result's dtype to write into. Raises ValueError where shapes do not
    fit and TypeError for complex input. Differs from the paper: no.
    """
    z, mu, p = _arrays(z=z, mu=mu, p=p)
    _check(z, mu, alpha, p)
    g_z = _output(out, z.shape, z.dtype)
    _sums(z, mu, p, alpha, g_z)
    return g_z


def grad_mu(
    z: ArrayLike, mu: ArrayLike, p: ArrayLike, alpha: float = 1.0, out: np.ndarray | None = None
) -> np.ndarray:
    """DEC Eq. 5, as ``equations.grad_mu``: z (n, d), mu (k, d), p (n, k) -> (k, d).

    ``out``: a (k, d) array of the result's dtype to write into. Raises ValueError where shapes do not
    fit and TypeError for complex input. Differs from the paper: no.
    """
    z, mu, p = _arrays(z=z, mu=mu, p=p)
    _check(z, mu, alpha, p)
    g_mu = _output(out, mu.shape, z.dtype)
    _, g_mu[...] = _sums(z, mu, p, alpha, z[:0])
    return g_mu


def loss_and_grads(
    z: ArrayLike,
    mu: ArrayLike,
    p: ArrayLike,
    alpha: float = 1.0,
    out: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """DEC Eqs. 2, 4 and 5 in one pass: the loss and its two gradients, which so can never drift apart.

    Parameters
    ----------
    z : array of shape (n, d), embedded points
    mu : array of shape (k, d), centroids
    p : array of shape (n, k), targets; rows sum to 1
    alpha : float > 0, degrees of freedom
    out : pair of arrays of shapes (n, d) and (k, d) to write the gradients into

    Returns
    -------
    loss, grad_z, grad_mu : float (nats), (n, d), (k, d); all are *sums* over points

    Raises
    ------
    ValueError
        If the shapes do not fit or ``alpha`` is not positive.
    TypeError
        If the input is complex (``decnp.equations`` takes it).

    Differs from the paper: no.

    >>> loss, g_z, g_mu = loss_and_grads([[0.0], [1.0]], [[0.0], [1.0]], [[0.8, 0.2], [0.2, 0.8]])
    >>> round(loss, 6), g_z.ravel().round(4), g_mu.ravel().round(4)
    (0.087384, array([ 0.1333, -0.1333]), array([ 0.1333, -0.1333]))
    """
    z, mu, p = _arrays(z=z, mu=mu, p=p)
    _check(z, mu, alpha, p)
    g_z, g_mu = (None, None) if out is None else out
    g_z = _output(g_z, z.shape, z.dtype)
    g_mu = _output(g_mu, mu.shape, z.dtype)
    loss, g_mu[...] = _sums(z, mu, p, alpha, g_z, want_loss=True)
    return float(loss), g_z, g_mu


def sgd_update(w: np.ndarray, v: np.ndarray, g: np.ndarray, lr: float, momentum: float) -> None:
    """``optim.sgd_update`` in one pass over memory: w, v, g of one shape; w and v change in place."""
    w, v, g = _flat(w, v, g=g)
    dtype = w.dtype.type
    _sgd_update(w, v, g, dtype(lr), dtype(momentum), np.finfo(dtype).tiny)


def adam_update(
    w: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray,
    lr: float, beta1: float, beta2: float, eps: float,
) -> None:
    """``optim.adam_update`` in one pass over memory: all of one shape; w, m and v change in place."""
    w, m, v, g = _flat(w, m, v, g=g)
    dtype = w.dtype.type
    _adam_update(
        w, m, v, g,
        dtype(lr), dtype(beta1), dtype(1 - beta1), dtype(beta2), dtype(1 - beta2), dtype(eps), np.finfo(dtype).tiny,
    )


def warmup(dtypes: tuple = (np.float32, np.float64)) -> None:
    """Compile every kernel for ``dtypes`` now (or load it from the disk cache), not at the first call."""
    for dtype in dtypes:
        z, mu = np.zeros((1, 1), dtype), np.zeros((1, 1), dtype)
        p = target_distribution(soft_assignment(z, mu))
        loss_and_grads(z, mu, p)
        kl_divergence(p, p)
        sgd_update(z, mu, p, 0.0, 0.0)
        adam_update(z, mu, z.copy(), p, 0.0, 0.0, 0.0, 1.0)


# ---------------------------------------------------------------- parts of the points

def _over_parts(n: int, f: Callable) -> list:
    """[f(part) for each slice of the n points], by as many threads as a matrix product would use."""
    n_parts = n // PART
    if n_parts < 2:
        return [f(slice(0, n))]
    with Crew() as crew:
        return crew.map(f, [slice(n * part // n_parts, n * (part + 1) // n_parts) for part in range(n_parts)])


def _sums(z, mu, p, alpha, g_z, want_loss=False):
    """The loss and dL/dmu, and dL/dz into g_z, if that is not empty."""
    parts = _over_parts(
        len(z), lambda part: tiles.loss_and_grads(z[part], mu, p[part], float(alpha), g_z[part], want_loss))
    losses, g_mus = zip(*parts)
    return sum(losses), sum(g_mus)


# ---------------------------------------------------------------- loops of the updates

_njit = njit(cache=True, nogil=True, error_model="numpy")


@_njit
def _sgd_update(w, v, g, lr, momentum, tiny):
    for t in range(w.size):
        v_t = momentum * v[t] - lr * g[t]
        if abs(v_t) < tiny:
            v_t -= v_t  # 0: a denormal velocity would stay, and slow every product
        v[t] = v_t
        w[t] += v_t


@_njit
def _adam_update(w, m, v, g, lr, beta1, rest1, beta2, rest2, eps, tiny):
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


# ---------------------------------------------------------------- checks

def _arrays(**named: ArrayLike) -> list[np.ndarray]:
    """The arguments as C-contiguous writable arrays of one real floating dtype (so: one compilation)."""
    arrays = {name: np.asarray(a) for name, a in named.items()}
    for name, a in arrays.items():
        if a.ndim != 2:
            raise ValueError(f"{name} must be two-dimensional; got the shape {a.shape}")
        if a.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers; got dtype {a.dtype} (decnp.equations takes complex)")
    dtype = np.result_type(np.float32, *arrays.values())
    if dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return [np.require(a, dtype, ["C", "W"]) for a in arrays.values()]


def _flat(*changed, g):
    """The arrays an update changes as flat views (never copies: the change would be lost), then g."""
    for a in (*changed, g):
        if a.shape != changed[0].shape or a.dtype.kind != "f":
            raise ValueError(f"an update needs real arrays of one shape; got {[a.shape for a in (*changed, g)]}")
    if not all(a.flags.carray for a in changed):
        raise ValueError("an update needs writable C-contiguous arrays, because it changes them in place")
    return *(a.reshape(-1) for a in changed), g.reshape(-1)


def _check(z, mu, alpha, p=None):
    if z.shape[1] != mu.shape[1] or len(mu) == 0:
        raise ValueError(f"z must be (n, d) and mu (k, d) with k >= 1 and the same d; got {z.shape} and {mu.shape}")
    if not (isinstance(alpha, Real) and 0 < float(alpha) < np.inf):
        raise ValueError(f"alpha must be a finite number > 0; got {alpha!r}")
    if p is not None and p.shape != (len(z), len(mu)):
        raise ValueError(f"p must have the shape (n, k) = {(len(z), len(mu))}; got {p.shape}")


def _output(out, shape, dtype):
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype or not out.flags.carray:
        raise ValueError(f"out must be a writable C-contiguous {dtype} array of shape {shape}")
    return out
