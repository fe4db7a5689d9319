"""The loops of Eqs. 1-5, compiled: ``kernels.py`` is their only caller.

A *tile* holds up to ``T`` rows (points) of an array, lying on its side and in float64: ``z[t, i]``, ``q[j, i]``. So the
innermost loop is always over points i, side by side in memory, and the compiler takes as many of them at once as the
machine's registers hold. All else is the paper's. Dimensions and centroids are taken two at a time (``_even`` pads
with zeros, which change no sum), because that halves the reading and writing of what is added up.

Tiles depend on the number of rows alone and their sums are added in order, so the same input gives the same bits.

Compilers may not reorder floating-point sums, so a sum over i would go one by one. ``_sums`` allows it, for
loops that have no guard to lose (no test for 0, infinity, or not a number); nothing else of "fastmath" is on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["soft_assignment", "kl_divergence", "target_distribution", "loss_and_grads"]

T = 120  # rows: the tiles of an equation stay in the first-level cache; not a power of two, whose rows would collide in it

_options = dict(cache=True, nogil=True, error_model="numpy")  # x / 0 is infinite or not a number, as in NumPy
_njit = njit(**_options, fastmath={"contract"})  # a * b + c is rounded once
_sums = njit(**_options, fastmath={"contract", "reassoc"})


# ---------------------------------------------------------------- rows to tiles and back

@_njit
def _load(x, start, m, tile):
    """tile[t, i] <- x[start + i, t] for m rows of x (n, dim)."""
    for i in range(m):
        for t in range(x.shape[1]):
            tile[t, i] = x[start + i, t]


@_njit
def _store(tile, start, m, x):
    """x[start + i, t] <- tile[t, i] for m rows of x (n, dim)."""
    for i in range(m):
        for t in range(x.shape[1]):
            x[start + i, t] = tile[t, i]


@_njit
def _tile(rows):
    """Room for a tile of this many rows, made even."""
    return np.zeros((rows + rows % 2, T))


@_njit
def _even(mu):
    """mu (k, d) in float64, padded with zeros to an even k and an even d."""
    k, dim = mu.shape
    padded = np.zeros((k + k % 2, dim + dim % 2))
    padded[:k, :dim] = mu
    return padded


# ---------------------------------------------------------------- the equations on one tile of m points

@_njit
def _student(z, mu, alpha, k, m, u, q):
    """Eq. 1: z (d, T), mu (k, d) -> u_ij = 1 / (1 + d_ij/alpha) and q_ij, (k, T) each."""
    for j in range(k):
        for i in range(m):
            q[j, i] = 0.0
        for t in range(0, z.shape[0], 2):
            for i in range(m):
                this, next_ = z[t, i] - mu[j, t], z[t + 1, i] - mu[j, t + 1]
                q[j, i] += this * this + next_ * next_  # d_ij for now
        for i in range(m):
            u[j, i] = 1.0 / (1.0 + q[j, i] * (1.0 / alpha))
    s = u  # u_ij^((alpha+1)/2), and that is u_ij in the paper's case
    if alpha != 1.0:
        s = q
        _powers(q, alpha, k, m)
    total = np.zeros(m)
    for j in range(k):
        for i in range(m):
            total[i] += s[j, i]
    for i in range(m):
        total[i] = 1.0 / total[i]
    for j in range(k):
        for i in range(m):
            q[j, i] = s[j, i] * total[i]


@_njit
def _powers(d, alpha, k, m):
    """d_ij -> (1 + d_ij/alpha)^(-(alpha+1)/2), over the largest of its point, which so can't underflow."""
    for i in range(m):
        nearest = d[0, i]
        for j in range(1, k):
            nearest = min(nearest, d[j, i])
        largest = np.log1p(nearest / alpha)
        for j in range(k):
            d[j, i] = np.exp(-(alpha + 1.0) / 2.0 * (np.log1p(d[j, i] / alpha) - largest))


@_sums
def _pulls(z, mu, w, m, g_z, g_mu):
    """Eqs. 4 and 5: w_ij = (alpha+1)/alpha u_ij (p_ij - q_ij) pulls z_i and mu_j; g_z (d, T) is set, g_mu (k, d) added to."""
    for t in range(z.shape[0]):
        for i in range(m):
            g_z[t, i] = 0.0
    for j in range(0, mu.shape[0], 2):
        for t in range(z.shape[0]):
            to_mu, to_next = 0.0, 0.0
            for i in range(m):
                pull = w[j, i] * (z[t, i] - mu[j, t])
                next_ = w[j + 1, i] * (z[t, i] - mu[j + 1, t])
                g_z[t, i] += pull + next_  # Eq. 4 sums over j
                to_mu += pull  # Eq. 5 sums over i
                to_next += next_
            g_mu[j, t] -= to_mu
            g_mu[j + 1, t] -= to_next


# ---------------------------------------------------------------- Eq. 2

SQRT_HALF = np.sqrt(0.5).view(np.int64)  # its bits
LOG_2 = np.log(2.0)


@_njit
def _log(x):
    """log x without branches, for 0 < x < infinity (not denormal).

    x = 2^e m with sqrt(1/2) <= m < sqrt(2), so log x = e log 2 + log m, and with s = (m-1)/(m+1), |s| < 0.172,
    log m = 2 (s + s^3/3 + s^5/5 + ...), of which s^21/21 is beyond the last digit.
    """
    bits = np.float64(x).view(np.int64)
    e = (bits - SQRT_HALF) >> 52
    m = np.int64(bits - (e << 52)).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    c = s * s
    series = 1 + c * (1 / 3 + c * (1 / 5 + c * (1 / 7 + c * (1 / 9 + c * (
        1 / 11 + c * (1 / 13 + c * (1 / 15 + c * (1 / 17 + c * (1 / 19)))))))))
    return e * LOG_2 + 2.0 * s * series


@_sums
def _kl(p, q, m):
    """Sum of the first m p log(p/q), with 0 log 0 = 0 and infinity where q = 0 < p."""
    loss, usual = 0.0, True
    for i in range(m):
        p_i, q_i = np.float64(p[i]), np.float64(q[i])
        ratio = p_i / q_i
        loss += p_i * _log(ratio)
        usual &= (p_i >= 0.0) & (q_i > 0.0) & (ratio < np.inf)
    return loss if usual else _kl_one_by_one(p, q, m)


@_njit
def _kl_one_by_one(p, q, m):
    loss = 0.0
    for i in range(m):
        p_i, q_i = np.float64(p[i]), np.float64(q[i])
        if q_i == 0.0 and p_i != 0.0:
            loss += np.inf
        elif p_i != 0.0:
            loss += p_i * (np.log(p_i) - np.log(q_i))
    return loss


# ---------------------------------------------------------------- all tiles

@_njit
def soft_assignment(z, mu, alpha, q):
    """Eq. 1: z (n, d), mu (k, d) -> q (n, k)."""
    n, dim = z.shape
    k = mu.shape[0]
    z_, u, q_ = _tile(dim), _tile(k), _tile(k)
    mu_ = _even(mu)
    for start in range(0, n, T):
        m = min(T, n - start)
        _load(z, start, m, z_)
        _student(z_, mu_, alpha, k, m, u, q_)
        _store(q_, start, m, q)


@_njit
def kl_divergence(p, q):
    """Eq. 2: p, q (n k,), flat -> the loss."""
    loss = 0.0
    block = 1024
    for start in range(0, p.size, block):
        m = min(block, p.size - start)
        loss += _kl(p[start:], q[start:], m)
    return loss


@_sums
def _total(x, m):
    total = 0.0
    for i in range(m):
        total += x[i]
    return total


@_njit
def target_distribution(q, p):
    """Eq. 3: q (n, k) -> p (n, k)."""
    n, k = q.shape
    q_, f, total = _tile(k), np.zeros(k), np.empty(T)
    for start in range(0, n, T):
        m = min(T, n - start)
        _load(q, start, m, q_)
        for j in range(k):
            f[j] += _total(q_[j], m)
    for start in range(0, n, T):
        m = min(T, n - start)
        _load(q, start, m, q_)
        total[:] = 0.0
        for j in range(k):
            if f[j] > 0:
                for i in range(m):
                    q_[j, i] = q_[j, i] * (q_[j, i] / f[j])
                    total[i] += q_[j, i]
        for i in range(m):
            total[i] = 1.0 / total[i]
        for j in range(k):
            for i in range(m):
                q_[j, i] *= total[i]
        _store(q_, start, m, p)


@_njit
def loss_and_grads(z, mu, p, alpha, with_loss, g_z, g_mu):
    """Eqs. 2, 4 and 5: z (n, d), mu (k, d), p (n, k) -> loss, g_z (n, d), g_mu (k, d)."""
    n, dim = z.shape
    k = mu.shape[0]
    z_, p_, u, q_, pull = _tile(dim), _tile(k), _tile(k), _tile(k), _tile(dim)
    mu_ = _even(mu)
    g_mu_ = np.zeros(mu_.shape)
    loss = 0.0
    for start in range(0, n, T):
        m = min(T, n - start)
        _load(z, start, m, z_)
        _load(p, start, m, p_)
        _student(z_, mu_, alpha, k, m, u, q_)
        if with_loss:
            for j in range(k):
                loss += _kl(p_[j], q_[j], m)
        for j in range(k):
            for i in range(m):
                u[j, i] *= (alpha + 1.0) / alpha * (p_[j, i] - q_[j, i])
        _pulls(z_, mu_, u, m, pull, g_mu_)
        if g_z.size:
            _store(pull, start, m, g_z)
    for j in range(k):
        for t in range(dim):
            g_mu[j, t] = g_mu_[j, t]
    return loss
