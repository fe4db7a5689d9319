"""Loops of Eqs. 1-5, compiled by numba. ``kernels/equations.py`` is their only caller.

A *tile* holds up to ``T`` points in float64, with a row for each column of the array: ``z[t, i]``, ``q[j, i]``. The
innermost loop runs over points i, which are adjacent in memory, so that the compiler can vectorize it. Centroids and
dimensions are processed in pairs, because that halves the memory traffic of the sums. Padding with zeros makes k and d
even without changing a sum.

The tiles depend only on the number of points, and their sums are added in order. The same input gives the same bits on
one machine. Vector registers of another width add in another order.

Two flags of "fastmath" are used: "contract" everywhere, and "reassoc" in ``_sums``, which lets the compiler vectorize a
sum. Neither assumes finite numbers, so the compiler removes no test for 0, infinity or NaN. The tests call ``_kl`` with
each of these. Products whose order matters, such as q (q/f), are outside ``_sums``.
"""

from __future__ import annotations

import numpy as np

from .jit import jit

__all__ = ["soft_assignment", "kl_divergence", "frequencies", "target_distribution", "loss_and_grads"]

T = 224
"""Points in a tile. A tile fits into the L1 cache, in which rows whose length is a power of two would collide."""

TINY = np.finfo(np.float64).tiny

# "contract" allows a * b + c to be rounded once, "reassoc" allows any order of additions
_njit = jit(fastmath={"contract"})
_sums = jit(fastmath={"contract", "reassoc"})


# ---------------------------------------------------------------- all points, tile by tile

@_njit
def soft_assignment(z: np.ndarray, mu: np.ndarray, alpha: float, q: np.ndarray) -> None:
    """Compute Eq. 1 with the degrees of freedom alpha: z (n, d), mu (k, d) -> q (n, k)."""
    k, dim = mu.shape
    mu = _even(mu)
    z_tile, u, q_tile = _tile(dim), _tile(k), _tile(k)
    for start in range(0, len(z), T):
        m = _load(z, start, z_tile)
        _student(z_tile, mu, alpha, k, m, u, q_tile)
        _store(q_tile, start, m, q)


@_njit
def kl_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Return Eq. 2 of p, q (n k,), flat."""
    loss = 0.0
    for start in range(0, p.size, 1024):
        loss += _kl(p[start : start + 1024], q[start : start + 1024])
    return loss


@_sums
def frequencies(q: np.ndarray) -> np.ndarray:
    """Return f_j = sum_i q_ij of Eq. 3: q (n, k) -> f (k,)."""
    k = q.shape[1]
    f, q_tile = np.zeros(k), _tile(k)
    for start in range(0, len(q), T):
        m = _load(q, start, q_tile)
        for j in range(k):
            sum_q = 0.0
            for i in range(m):
                sum_q += q_tile[j, i]
            f[j] += sum_q
    return f


@_njit
def target_distribution(q: np.ndarray, f: np.ndarray, p: np.ndarray) -> None:
    """Compute Eq. 3: q (n, k), f (k,) -> p (n, k)."""
    k = len(f)
    q_tile, weight = _tile(k), _tile(k)
    for start in range(0, len(q), T):
        m = _load(q, start, q_tile)
        for j in range(k):
            per_f = 0.0 if f[j] < TINY else 1.0 / f[j]  # f_j = 0 if cluster j is empty
            for i in range(m):
                weight[j, i] = q_tile[j, i] * (q_tile[j, i] * per_f)
        _normalize(weight, k, m, q_tile)
        _store(q_tile, start, m, p)


@_njit
def loss_and_grads(
    z: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float, g_z: np.ndarray, want_loss: bool
) -> tuple[float, np.ndarray]:
    """Return Eq. 2 (0 without ``want_loss``) and Eq. 5, (k, d) in float64; write Eq. 4 into g_z (n, d) if it has rows.

    The arguments are z (n, d), mu (k, d), p (n, k) and the degrees of freedom alpha.
    """
    k, dim = mu.shape
    mu = _even(mu)
    z_tile, g_tile, u, q_tile, p_tile, w = _tile(dim), _tile(dim), _tile(k), _tile(k), _tile(k), _tile(k)
    loss, g_mu = 0.0, np.zeros(mu.shape)
    for start in range(0, len(z), T):
        m = _load(z, start, z_tile)
        _load(p, start, p_tile)
        _student(z_tile, mu, alpha, k, m, u, q_tile)
        for j in range(k):
            if want_loss:
                loss += _kl(p_tile[j][:m], q_tile[j][:m])
            for i in range(m):
                w[j, i] = (alpha + 1.0) / alpha * u[j, i] * (p_tile[j, i] - q_tile[j, i])
        _gradients(z_tile, mu, w, m, g_tile, g_mu)
        if len(g_z):
            _store(g_tile, start, m, g_z)
    return loss, g_mu[:k, :dim]


# ---------------------------------------------------------------- one tile

@_njit
def _tile(columns: int) -> np.ndarray:
    """Return an empty tile for an array with this number of columns, made even."""
    return np.zeros((columns + columns % 2, T))


@_njit
def _even(mu: np.ndarray) -> np.ndarray:
    """Return mu (k, d) in float64, with zeros added to make k and d even."""
    k, dim = mu.shape
    even = np.zeros((k + k % 2, dim + dim % 2))
    for j in range(k):
        for t in range(dim):
            even[j, t] = mu[j, t]
    return even


@_njit
def _load(x: np.ndarray, start: int, tile: np.ndarray) -> int:
    """Set tile[t, i] <- x[start + i, t] for at most T rows; return their number."""
    m = min(T, len(x) - start)
    for i in range(m):
        for t in range(x.shape[1]):
            tile[t, i] = x[start + i, t]
    return m


@_njit
def _store(tile: np.ndarray, start: int, m: int, x: np.ndarray) -> None:
    """Set x[start + i, t] <- tile[t, i] for m rows."""
    for i in range(m):
        for t in range(x.shape[1]):
            x[start + i, t] = tile[t, i]


@_njit
def _student(z: np.ndarray, mu: np.ndarray, alpha: float, k: int, m: int, u: np.ndarray, q: np.ndarray) -> None:
    """Compute Eq. 1 for m points and the first k rows of mu: u_ij and q_ij."""
    dist2 = q  # ||z_i - mu_j||^2 uses the memory of q_ij
    for j in range(0, len(mu), 2):
        for i in range(m):
            dist2[j, i] = dist2[j + 1, i] = 0.0
        for t in range(0, len(z), 2):
            a0, a1, b0, b1 = mu[j, t], mu[j, t + 1], mu[j + 1, t], mu[j + 1, t + 1]
            for i in range(m):
                z0, z1 = z[t, i], z[t + 1, i]
                dist2[j, i] += (z0 - a0) ** 2 + (z1 - a1) ** 2
                dist2[j + 1, i] += (z0 - b0) ** 2 + (z1 - b1) ** 2
    for j in range(k):
        for i in range(m):
            u[j, i] = 1.0 / (1.0 + dist2[j, i] * (1.0 / alpha))
    s = u  # u_ij^((alpha+1)/2) for alpha = 1, as in the paper
    if alpha != 1.0:
        s = dist2
        _powers(s, alpha, k, m)
    _normalize(s, k, m, q)


@_njit
def _powers(dist2: np.ndarray, alpha: float, k: int, m: int) -> None:
    """Replace dist2_ij by u_ij^((alpha+1)/2), divided by the largest of point i so that it cannot underflow."""
    for i in range(m):
        nearest = dist2[0, i]
        for j in range(1, k):
            nearest = min(nearest, dist2[j, i])
        largest = np.log1p(nearest / alpha)
        for j in range(k):
            dist2[j, i] = np.exp(-(alpha + 1.0) / 2.0 * (np.log1p(dist2[j, i] / alpha) - largest))


@_njit
def _normalize(s: np.ndarray, k: int, m: int, q: np.ndarray) -> None:
    """Set q_ij <- s_ij / sum_j' s_ij'."""
    total = np.zeros(m)
    for j in range(k):
        for i in range(m):
            total[i] += s[j, i]
    for i in range(m):
        total[i] = 1.0 / total[i]
    for j in range(k):
        for i in range(m):
            q[j, i] = s[j, i] * total[i]


@_sums
def _gradients(z: np.ndarray, mu: np.ndarray, w: np.ndarray, m: int, g_z: np.ndarray, g_mu: np.ndarray) -> None:
    """Compute Eqs. 4 and 5 of w_ij = (alpha+1)/alpha u_ij (p_ij - q_ij): set g_z, add to g_mu."""
    g_z[:] = 0.0
    for j in range(0, len(mu), 2):
        for t in range(len(z)):
            a, b = mu[j, t], mu[j + 1, t]
            sum_a, sum_b = 0.0, 0.0
            for i in range(m):
                term_a, term_b = w[j, i] * (z[t, i] - a), w[j + 1, i] * (z[t, i] - b)
                g_z[t, i] += term_a + term_b  # Eq. 4 sums over j
                sum_a += term_a  # Eq. 5 sums over i
                sum_b += term_b
            g_mu[j, t] -= sum_a
            g_mu[j + 1, t] -= sum_b


# ---------------------------------------------------------------- the logarithm

SQRT_HALF = np.sqrt(0.5).view(np.int64)  # its bits
LOG_2 = np.log(2.0)


@_sums
def _kl(p: np.ndarray, q: np.ndarray) -> float:
    """Return the sum of p log(p/q), with 0 log 0 = 0; infinity if q = 0 < p anywhere."""
    unusual = 0
    for i in range(p.size):
        p_i, q_i = p[i], q[i]
        unusual += not ((p_i >= 0.0) & (p_i <= 2.0) & (q_i >= 1e-300) & (q_i <= 2.0))
    loss = 0.0
    for i in range(p.size):
        p_i, q_i = np.float64(p[i]), np.float64(q[i])
        if unusual == 0:
            loss += p_i * _log(p_i / q_i)
        elif p_i != 0.0:
            loss += np.inf if q_i == 0.0 else p_i * (np.log(p_i) - np.log(q_i))
    return loss


@_njit
def _log(x: float) -> float:
    """Return log x without a branch, so that a loop over it can be vectorized. The result for x = 0 is finite.

    x = 2^e m with sqrt(1/2) <= m < sqrt(2), so log x = e log 2 + log m. With s = (m - 1)/(m + 1), |s| < 0.172,
    log m = 2 (s + s^3/3 + s^5/5 + ...), where s^21/21 is beyond the last digit.
    """
    bits = np.float64(x).view(np.int64)
    e = (bits - SQRT_HALF) >> 52
    m = np.int64(bits - (e << 52)).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    c = s * s
    series = 1 + c * (1 / 3 + c * (1 / 5 + c * (1 / 7 + c * (1 / 9 + c * (
        1 / 11 + c * (1 / 13 + c * (1 / 15 + c * (1 / 17 + c * (1 / 19)))))))))
    return e * LOG_2 + 2.0 * s * series
