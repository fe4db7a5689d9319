"""The equations once more, as numba kernels: the same names and arguments, and ``out=``.

Each public function is a door: it checks, converts and allocates, then calls the compiled loop below
it (``_name``). The loops do only arithmetic. They run on one thread and add in a fixed order, with
sums over samples kept in float64, so the answer never depends on the number of threads. Loops are
compiled once per dtype and cached on disk; ``warmup()`` compiles them all.

``decnp.equations`` is the specification; ``tests/test_kernels.py`` holds the two together.
"""

from __future__ import annotations

from numbers import Real

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

__all__ = [
    "soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads",
    "sgd_update", "adam_update", "warmup",
]


_njit = njit(cache=True, nogil=True, error_model="numpy")  # x / 0 is infinite or not a number, as in NumPy


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
    _soft_assignment(z, mu, float(alpha), q)
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
    return float(_kl_divergence(p, q))


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
    _target_distribution(q, p)
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
    _loss_and_grads(z, mu, p, float(alpha), g_z, np.empty_like(mu))
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
    _loss_and_grads(z, mu, p, float(alpha), np.empty_like(z), g_mu)
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
    loss = _loss_and_grads(z, mu, p, float(alpha), g_z, g_mu)
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


# ---------------------------------------------------------------- loops

@_njit
def _student_row(z_i, mu, alpha, u, q):
    """Row i of Eq. 1 into q (k,), and u_ij into u (k,)."""
    k, dim = mu.shape
    for j in range(k):
        d = 0.0
        for t in range(dim):
            diff = np.float64(z_i[t]) - np.float64(mu[j, t])
            d += diff * diff
        u[j] = 1.0 / (1.0 + d / alpha)
        q[j] = d
    if alpha == 1.0:  # the paper's case: the power is 1
        for j in range(k):
            q[j] = u[j]
    else:
        nearest = q[0]
        for j in range(1, k):
            nearest = min(nearest, q[j])
        largest = np.log1p(nearest / alpha)
        for j in range(k):
            q[j] = np.exp(-(alpha + 1.0) / 2.0 * (np.log1p(q[j] / alpha) - largest))
    total = 0.0
    for j in range(k):
        total += q[j]
    for j in range(k):
        q[j] /= total


@_njit
def _soft_assignment(z, mu, alpha, out):
    k = mu.shape[0]
    u, q = np.empty(k), np.empty(k)
    for i in range(z.shape[0]):
        _student_row(z[i], mu, alpha, u, q)
        for j in range(k):
            out[i, j] = q[j]


@_njit
def _kl_divergence(p, q):
    loss = 0.0
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            loss += _kl_term(p[i, j], q[i, j])
    return loss


@_njit
def _kl_term(p_ij, q_ij):
    """p log(p/q), with 0 log 0 = 0 and infinity where q = 0 < p."""
    if p_ij == 0:
        return 0.0
    if q_ij == 0:
        return np.inf
    return p_ij * (np.log(np.float64(p_ij)) - np.log(np.float64(q_ij)))


@_njit
def _target_distribution(q, out):
    n, k = q.shape
    f = np.zeros(k)
    for i in range(n):
        for j in range(k):
            f[j] += q[i, j]
    weight = np.empty(k)
    for i in range(n):
        total = 0.0
        for j in range(k):
            weight[j] = q[i, j] * (q[i, j] / f[j]) if f[j] > 0 else 0.0
            total += weight[j]
        for j in range(k):
            out[i, j] = weight[j] / total


@_njit
def _loss_and_grads(z, mu, p, alpha, g_z, g_mu):
    n, dim = z.shape
    k = mu.shape[0]
    u, q = np.empty(k), np.empty(k)
    row, into_mu = np.empty(dim), np.zeros((k, dim))
    loss = 0.0
    for i in range(n):
        _student_row(z[i], mu, alpha, u, q)
        row[:] = 0.0
        for j in range(k):
            loss += _kl_term(p[i, j], q[j])
            weight = (alpha + 1.0) / alpha * u[j] * (p[i, j] - q[j])
            for t in range(dim):
                pull = weight * (np.float64(z[i, t]) - np.float64(mu[j, t]))
                row[t] += pull  # Eq. 4 sums over j
                into_mu[j, t] -= pull  # Eq. 5 sums over i
        for t in range(dim):
            g_z[i, t] = row[t]
    for j in range(k):
        for t in range(dim):
            g_mu[j, t] = into_mu[j, t]
    return loss


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
