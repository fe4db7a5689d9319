"""What ``decnp gradcheck`` checks: a random problem, and for each row what we compute and what it must equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Iterator, NamedTuple, Optional

import numpy as np

from .. import equations, layers, losses
from ..layers import Dense, arrays_of
from ..losses import clustering_loss_and_grads
from . import judges, naive, rules

__all__ = ["Case", "Problem", "draw", "cases"]

KINK = 1e-4
"""Problems are drawn anew until no ReLU is closer to its kink: there a derivative depends on who takes it."""


@dataclass(frozen=True)
class Case:
    """One row of the table, for one problem."""

    row: str
    x: list
    """The arrays, float64, that the scalar below is differentiated in."""
    values: list
    """What we compute, where the row is about a value ..."""
    grads: list
    """... and our gradient of the scalar in each x."""
    scalar: Callable
    """(*x) -> the scalar by our own forward functions; complex numbers pass."""
    define: judges.Definition
    """The values and the scalar again, written plainly, for the autodiff packages."""
    naive: list
    """Values, then gradients, by loops; None where there are none."""
    kernel: Optional[list] = field(default=None)
    """Values, then gradients, by ``decnp.kernels``; None where there is no kernel."""


class Problem(NamedTuple):
    """Random numbers for all the rows, of one dtype. The letters are the paper's; g is an incoming gradient."""

    alpha: float
    z: np.ndarray
    mu: np.ndarray
    p: np.ndarray
    q: np.ndarray
    g: np.ndarray
    x: np.ndarray
    theta: list[Dense]
    masks: list[np.ndarray]
    n_encoder: int


def draw(rng: np.random.Generator, n: int, k: int, d: int, alpha: float, dtype) -> Problem:
    """n points, k centroids in d dimensions, and an autoencoder of n rows with a code of width d."""
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
        if _distance_to_a_kink(theta, x, masks) > KINK and _distance_to_a_kink(theta, x, None) > KINK:
            break
    g = rng.normal(size=(n, k))
    z, mu, p, q, g, x = (a.astype(dtype) for a in (z, mu, p, q, g, x))
    return Problem(alpha, z, mu, p, q, g, x, [Dense(W.astype(dtype), b.astype(dtype), act) for W, b, act in theta],
                   [m.astype(dtype) for m in masks if m is not None], len(acts))


def _distance_to_a_kink(theta, x, masks) -> float:
    """The smallest |a| that a ReLU sees; x itself is what the row "ReLU" looks at."""
    hs = layers.mlp(theta, x, masks)
    seen = [x] + [layers.dense(h, W, b) for h, (W, b, act) in zip(hs, theta) if act == "relu"]
    return min(float(np.abs(a).min()) for a in seen)


def cases(problem: Problem) -> Iterator[tuple[str, Callable[[], Case]]]:
    """The rows, in the paper's order: what each is, and a function to call, since what we compute may raise."""
    for build in (_eq1, _eq2, _eq3, _eq4, _eq5, _dense, _relu, _squared_error, _dropout, _autoencoder, _dec_step):
        yield str(build.__doc__), partial(build, problem, str(build.__doc__))


def _kernels():
    from .. import kernels  # late: it brings numba

    return kernels


def _wide(*arrays):
    """The same numbers in float64: what every judge is given."""
    return [np.asarray(a, np.float64) for a in arrays]


def _eq1(pr: Problem, row) -> Case:
    """Eq. 1  soft assignment q"""
    z, mu, g = _wide(pr.z, pr.mu, pr.g)

    def define(xp, array, z, mu):
        q = judges.soft_assignment(xp, z, mu, pr.alpha)
        return [q], (array(g) * q).sum()

    return Case(
        row, [z, mu], [equations.soft_assignment(pr.z, pr.mu, pr.alpha)],
        list(rules.soft_assignment_vjp(pr.g, pr.z, pr.mu, pr.alpha)),
        lambda z, mu: np.sum(g * equations.soft_assignment(z, mu, pr.alpha)), define,
        [naive.soft_assignment(z, mu, pr.alpha), None, None],
        [_kernels().soft_assignment(pr.z, pr.mu, pr.alpha), None, None],
    )


def _eq2(pr: Problem, row) -> Case:
    """Eq. 2  loss KL(P||Q)"""
    p, q = _wide(pr.p, pr.q)

    def define(xp, array, p, q):
        loss = judges.kl_divergence(xp, p, q)
        return [loss], loss

    return Case(
        row, [p, q], [equations.kl_divergence(pr.p, pr.q)], list(rules.kl_divergence_vjp(pr.p, pr.q)),
        equations.kl_divergence, define, [naive.kl_divergence(p, q), None, None],
        [_kernels().kl_divergence(pr.p, pr.q), None, None],
    )


def _eq3(pr: Problem, row) -> Case:
    """Eq. 3  target p"""
    q, g = _wide(pr.q, pr.g)

    def define(xp, array, q):
        p = judges.target_distribution(xp, q)
        return [p], (array(g) * p).sum()

    return Case(
        row, [q], [equations.target_distribution(pr.q)], [rules.target_distribution_vjp(pr.g, pr.q)],
        lambda q: np.sum(g * equations.target_distribution(q)), define,
        [naive.target_distribution(q), None], [_kernels().target_distribution(pr.q), None],
    )


def _eq4(pr: Problem, row) -> Case:
    """Eq. 4  dL/dz"""
    return _kl_gradient(pr, row, "grad_z", 0)


def _eq5(pr: Problem, row) -> Case:
    """Eq. 5  dL/dmu"""
    return _kl_gradient(pr, row, "grad_mu", 1)


def _kl_gradient(pr, row, name, place) -> Case:
    """Eq. 4 or 5: the derivative of Eq. 2 in z or in mu, with p held constant."""
    z, mu, p = _wide(pr.z, pr.mu, pr.p)

    def both(x):
        return (x, mu) if place == 0 else (z, x)

    def define(xp, array, x):
        z, mu = (a if a is x else array(a) for a in both(x))
        return [], judges.kl_divergence(xp, array(p), judges.soft_assignment(xp, z, mu, pr.alpha))

    return Case(
        row, [(z, mu)[place]], [], [getattr(equations, name)(pr.z, pr.mu, pr.p, pr.alpha)],
        lambda x: equations.kl_divergence(p, equations.soft_assignment(both(x)[0], both(x)[1], pr.alpha)), define,
        [getattr(naive, name)(z, mu, p, pr.alpha)], [getattr(_kernels(), name)(pr.z, pr.mu, pr.p, pr.alpha)],
    )


def _dense(pr: Problem, row) -> Case:
    """dense"""
    W, b, _ = pr.theta[0]
    g = pr.x[:, :1] * pr.x[:1, :1] + np.cos(np.arange(W.shape[1])).astype(pr.x.dtype)  # any (n, n_out)
    x, W64, b64, g64 = _wide(pr.x, W, b, g)
    return _layer(
        row, [x, W64, b64], layers.dense(pr.x, W, b), layers.dense_vjp(g, pr.x, W), g64, layers.dense,
        lambda xp, x, W, b: x @ W + b, [naive.dense(x, W64, b64), *naive.dense_vjp(g64, x, W64)],
    )


def _relu(pr: Problem, row) -> Case:
    """ReLU"""
    a, g = pr.x, np.flip(pr.x)
    a64, g64 = _wide(a, g)
    h = layers.relu(a)
    return _layer(row, [a64], h, [layers.relu_vjp(g, h)], g64, layers.relu, judges.relu,
                  [naive.relu(a64), naive.relu_vjp(g64, naive.relu(a64))])


def _dropout(pr: Problem, row) -> Case:
    """dropout mask"""
    W, b, _ = pr.theta[0]
    theta, masks = [Dense(W, b, "linear")], [pr.masks[0]]
    x, W64, b64, m64 = _wide(pr.x, W, b, pr.masks[0])
    g = np.ones((len(x), W.shape[1]), pr.x.dtype) + pr.x[:, :1]
    hs = layers.mlp(theta, pr.x, masks)
    g_x, [(g_W, g_b)] = layers.mlp_vjp(g, theta, hs, masks)
    n_x, n_W, n_b = naive.dense_vjp(g, x * m64, W64)
    return _layer(
        row, [x, W64, b64], hs[-1], [g_x, g_W, g_b], _wide(g)[0],
        lambda x, W, b: layers.mlp([Dense(W, b, "linear")], x, [m64])[-1],
        lambda xp, x, W, b, mask: (x * mask) @ W + b, [naive.dense(x * m64, W64, b64), n_x * m64, n_W, n_b], m64,
    )


def _layer(row, x, value, grads, g, forward, define_forward, by_loops, *constants) -> Case:
    """A layer before its judges: the scalar is sum g * output, so its gradient is the layer's VJP of g."""
    def define(xp, array, *x):
        out = define_forward(xp, *x, *map(array, constants))
        return [out], (array(g) * out).sum()

    return Case(row, x, [value], list(grads), lambda *x: np.sum(g * forward(*x)), define, by_loops)


def _squared_error(pr: Problem, row) -> Case:
    """squared error"""
    x_rec, x = np.flip(pr.x), pr.x
    rec64, x64 = _wide(x_rec, x)
    loss, g = layers.squared_error(x_rec, x)

    def define(xp, array, x_rec):
        loss = judges.squared_error(xp, x_rec, array(x64))
        return [loss], loss

    return Case(row, [rec64], [loss], [g], lambda a: layers.squared_error(a, x64)[0], define,
                list(naive.squared_error(rec64, x64)))


def _autoencoder(pr: Problem, row) -> Case:
    """whole autoencoder, every W and b"""
    arrays, (x, *masks) = _wide(*arrays_of(pr.theta)), _wide(pr.x, *pr.masks)
    acts = [layer.act for layer in pr.theta]
    loss, g_theta = losses.reconstruction_loss_and_grads(pr.theta, pr.x, pr.masks)

    def define(xp, array, *arrays):
        x_rec = judges.mlp(xp, arrays, acts, array(x), [array(m) for m in masks])
        loss = judges.squared_error(xp, x_rec, array(x))
        return [loss], loss

    return Case(
        row, arrays, [loss], arrays_of(g_theta),
        lambda *arrays: losses.reconstruction_loss_and_grads(_stack(arrays, acts), x, masks)[0], define,
        _naive_network(arrays, acts, x, masks, lambda x_rec: naive.squared_error(x_rec, x)),
    )


def _dec_step(pr: Problem, row) -> Case:
    """whole DEC step, theta and mu"""
    theta = pr.theta[: pr.n_encoder]
    mu, x, p, *arrays = _wide(pr.mu, pr.x, pr.p, *arrays_of(theta))
    acts, b = [layer.act for layer in theta], len(x)
    loss, g_mu, g_theta = clustering_loss_and_grads(theta, pr.mu, pr.x, pr.p, pr.alpha)
    fast, fast_mu, fast_theta = clustering_loss_and_grads(
        theta, pr.mu, pr.x, pr.p, pr.alpha, _kernels().loss_and_grads)

    def define(xp, array, mu, *arrays):
        z = judges.mlp(xp, arrays, acts, array(x), [None] * len(acts))
        loss = judges.kl_divergence(xp, array(p), judges.soft_assignment(xp, z, mu, pr.alpha)) / b
        return [loss], loss

    def scalar(mu, *arrays):
        z = layers.mlp(_stack(arrays, acts), x)[-1]
        return equations.kl_divergence(p, equations.soft_assignment(z, mu, pr.alpha)) / b

    def naive_loss(z):
        return (naive.kl_divergence(p, naive.soft_assignment(z, mu, pr.alpha)) / b,
                naive.grad_z(z, mu, p, pr.alpha) / b)

    n_loss, *n_theta, z = _naive_network(arrays, acts, x, [None] * len(acts), naive_loss, with_output=True)
    return Case(
        row, [mu, *arrays], [loss], [g_mu, *arrays_of(g_theta)], scalar, define,
        [n_loss, naive.grad_mu(z, mu, p, pr.alpha) / b, *n_theta], [fast, fast_mu, *arrays_of(fast_theta)],
    )


def _stack(arrays, acts) -> list[Dense]:
    return [Dense(W, b, act) for W, b, act in zip(arrays[::2], arrays[1::2], acts)]


def _naive_network(arrays, acts, x, masks, loss_and_grad, with_output=False) -> list:
    """Forward and back by loops: the loss, then the gradient of each W and b."""
    tape, h = [], x
    for W, b, act, mask in zip(arrays[::2], arrays[1::2], acts, masks):
        seen = h if mask is None else h * mask
        a = naive.dense(seen, W, b)
        h = naive.relu(a) if act == "relu" else a
        tape.append((seen, W, act, mask, h))
    loss, g = loss_and_grad(h)
    grads: list[np.ndarray] = []
    for seen, W, act, mask, out in reversed(tape):
        g = naive.relu_vjp(g, out) if act == "relu" else g
        g, g_W, g_b = naive.dense_vjp(g, seen, W)
        grads = [g_W, g_b] + grads
        g = g if mask is None else g * mask
    return [loss, *grads] + [h] * with_output
