"""Rows of the table of ``decnp gradcheck``: results of this package and the expected results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from .. import equations, layers, losses
from ..layers import Dense, arrays_of
from . import naive, references, vjps
from .problems import Problem

__all__ = ["Case", "cases"]

Values = list[Any]
"""Arrays and NumPy scalars, in one fixed order; None for an entry that a reference does not compute."""


@dataclass(frozen=True)
class Case:
    """One row of the table, for one problem."""

    row: str
    x: list[np.ndarray]
    """The arrays, float64, in which ``scalar`` is differentiated."""
    values: Values
    """The values that this package computes; empty if the row is about a gradient alone."""
    grads: Values
    """This package's gradient of ``scalar`` in each x."""
    scalar: Callable[..., Any]
    """(*x) -> the scalar by this package's forward functions. Complex numbers pass."""
    define: references.Definition
    """The values and the scalar again, written plainly, for the autodiff packages."""
    naive: Values
    """Values, then gradients, by loops."""
    kernel: Callable[[], Values] | None = None
    """Function that returns values, then gradients, by ``decnp.kernels`` (late: it imports numba), or None."""


def cases(problem: Problem) -> Iterator[tuple[str, Callable[[], Case]]]:
    """Yield the rows in the paper's order, each with a function that builds its case for ``problem``.

    That function raises if the arithmetic is wrong.
    """
    for row, build in ROWS.items():
        yield row, partial(build, problem, row)


def _kernels() -> ModuleType:
    from .. import kernels  # late: it imports numba

    return kernels


def _wide(*arrays: np.ndarray) -> list[np.ndarray]:
    """Return the same numbers in float64, in which every reference computes."""
    return [np.asarray(a, np.float64) for a in arrays]


# ---------------------------------------------------------------- DEC, Eqs. 1-5


def _eq1(pr: Problem, row: str) -> Case:
    z, mu, g = _wide(pr.z, pr.mu, pr.g)

    def define(xp: Any, array: Callable, z: Any, mu: Any) -> tuple[list, Any]:
        q = references.soft_assignment(xp, z, mu, pr.alpha)
        return [q], (array(g) * q).sum()

    return Case(
        row, [z, mu], [equations.soft_assignment(pr.z, pr.mu, pr.alpha)],
        list(vjps.soft_assignment_vjp(pr.g, pr.z, pr.mu, pr.alpha)),
        lambda z, mu: np.sum(g * equations.soft_assignment(z, mu, pr.alpha)), define,
        [naive.soft_assignment(z, mu, pr.alpha), None, None],
        lambda: [_kernels().soft_assignment(pr.z, pr.mu, pr.alpha), None, None],
    )


def _eq2(pr: Problem, row: str) -> Case:
    p, q = _wide(pr.p, pr.q)

    def define(xp: Any, array: Callable, p: Any, q: Any) -> tuple[list, Any]:
        loss = references.kl_divergence(xp, p, q)
        return [loss], loss

    return Case(
        row, [p, q], [equations.kl_divergence(pr.p, pr.q)], list(vjps.kl_divergence_vjp(pr.p, pr.q)),
        equations.kl_divergence, define, [naive.kl_divergence(p, q), None, None],
        lambda: [_kernels().kl_divergence(pr.p, pr.q), None, None],
    )


def _eq3(pr: Problem, row: str) -> Case:
    q, g = _wide(pr.q, pr.g)

    def define(xp: Any, array: Callable, q: Any) -> tuple[list, Any]:
        p = references.target_distribution(xp, q)
        return [p], (array(g) * p).sum()

    return Case(
        row, [q], [equations.target_distribution(pr.q)], [vjps.target_distribution_vjp(pr.g, pr.q)],
        lambda q: np.sum(g * equations.target_distribution(q)), define,
        [naive.target_distribution(q), None], lambda: [_kernels().target_distribution(pr.q), None],
    )


def _eq4(pr: Problem, row: str) -> Case:
    return _kl_gradient(pr, row, "grad_z", 0)


def _eq5(pr: Problem, row: str) -> Case:
    return _kl_gradient(pr, row, "grad_mu", 1)


def _kl_gradient(pr: Problem, row: str, name: str, place: int) -> Case:
    """Return the case of Eq. 4 (place 0) or 5 (place 1): the derivative of Eq. 2, with p held constant."""
    z, mu, p = _wide(pr.z, pr.mu, pr.p)

    def z_and_mu(x: Any) -> tuple[Any, Any]:
        return (x, mu) if place == 0 else (z, x)

    def define(xp: Any, array: Callable, x: Any) -> tuple[list, Any]:
        z, mu = (a if a is x else array(a) for a in z_and_mu(x))
        return [], references.kl_divergence(xp, array(p), references.soft_assignment(xp, z, mu, pr.alpha))

    return Case(
        row, [(z, mu)[place]], [], [getattr(equations, name)(pr.z, pr.mu, pr.p, pr.alpha)],
        lambda x: equations.kl_divergence(p, equations.soft_assignment(*z_and_mu(x), pr.alpha)), define,
        [getattr(naive, name)(z, mu, p, pr.alpha)],
        lambda: [getattr(_kernels(), name)(pr.z, pr.mu, pr.p, pr.alpha)],
    )


# ---------------------------------------------------------------- layers, Eqs. 6-9


def _dense(pr: Problem, row: str) -> Case:
    W, b, _ = pr.theta[0]
    g = pr.x[:, :1] * pr.x[:1, :1] + np.cos(np.arange(W.shape[1])).astype(pr.x.dtype)  # any (n, n_out)
    x, W64, b64, g64 = _wide(pr.x, W, b, g)
    return _layer(
        row, [x, W64, b64], layers.dense(pr.x, W, b), layers.dense_vjp(g, pr.x, W), g64, layers.dense,
        lambda xp, x, W, b: x @ W + b, [naive.dense(x, W64, b64), *naive.dense_vjp(g64, x, W64)],
    )


def _relu(pr: Problem, row: str) -> Case:
    a, g = pr.x, np.flip(pr.x)
    a64, g64 = _wide(a, g)
    h = layers.relu(a)
    return _layer(row, [a64], h, [layers.relu_vjp(g, h)], g64, layers.relu, references.relu,
                  [naive.relu(a64), naive.relu_vjp(g64, naive.relu(a64))])


def _squared_error(pr: Problem, row: str) -> Case:
    x_rec, x = np.flip(pr.x), pr.x
    rec64, x64 = _wide(x_rec, x)
    loss, g = layers.squared_error(x_rec, x)

    def define(xp: Any, array: Callable, x_rec: Any) -> tuple[list, Any]:
        loss = references.squared_error(xp, x_rec, array(x64))
        return [loss], loss

    return Case(row, [rec64], [loss], [g], lambda a: layers.squared_error(a, x64)[0], define,
                list(naive.squared_error(rec64, x64)))


def _dropout(pr: Problem, row: str) -> Case:
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


def _layer(
    row: str, x: list[np.ndarray], value: np.ndarray, grads: Sequence, g: np.ndarray, forward: Callable,
    define_forward: Callable, by_loops: Values, *constants: np.ndarray,
) -> Case:
    """Return the case of one layer. The scalar is sum(g * output), so that its gradient is the layer's VJP of g."""
    def define(xp: Any, array: Callable, *x: Any) -> tuple[list, Any]:
        out = define_forward(xp, *x, *map(array, constants))
        return [out], (array(g) * out).sum()

    return Case(row, x, [value], list(grads), lambda *x: np.sum(g * forward(*x)), define, by_loops)


# ---------------------------------------------------------------- whole networks


def _autoencoder(pr: Problem, row: str) -> Case:
    arrays, (x, *masks) = _wide(*arrays_of(pr.theta)), _wide(pr.x, *pr.masks)
    acts = [layer.act for layer in pr.theta]
    loss, g_theta = losses.reconstruction_loss_and_grads(pr.theta, pr.x, pr.masks)

    def define(xp: Any, array: Callable, *arrays: Any) -> tuple[list, Any]:
        x_rec = references.mlp(xp, arrays, acts, array(x), [array(m) for m in masks])
        loss = references.squared_error(xp, x_rec, array(x))
        return [loss], loss

    n_loss, n_grads, _ = _naive_network(arrays, acts, x, masks, lambda x_rec: naive.squared_error(x_rec, x))
    return Case(
        row, arrays, [loss], arrays_of(g_theta),
        lambda *arrays: losses.reconstruction_loss_and_grads(_stack(arrays, acts), x, masks)[0], define,
        [n_loss, *n_grads],
    )


def _dec_step(pr: Problem, row: str) -> Case:
    theta = pr.theta[: pr.n_encoder]
    mu, x, p, *arrays = _wide(pr.mu, pr.x, pr.p, *arrays_of(theta))
    acts, b, no_masks = [layer.act for layer in theta], len(x), [None] * len(theta)
    loss, g_mu, g_theta = losses.clustering_loss_and_grads(theta, pr.mu, pr.x, pr.p, pr.alpha)

    def define(xp: Any, array: Callable, mu: Any, *arrays: Any) -> tuple[list, Any]:
        z = references.mlp(xp, arrays, acts, array(x), no_masks)
        loss = references.kl_divergence(xp, array(p), references.soft_assignment(xp, z, mu, pr.alpha)) / b
        return [loss], loss

    def scalar(mu: np.ndarray, *arrays: np.ndarray) -> Any:
        z = layers.mlp(_stack(arrays, acts), x)[-1]
        return equations.kl_divergence(p, equations.soft_assignment(z, mu, pr.alpha)) / b

    def naive_loss(z: np.ndarray) -> tuple[Any, np.ndarray]:
        return (naive.kl_divergence(p, naive.soft_assignment(z, mu, pr.alpha)) / b,
                naive.grad_z(z, mu, p, pr.alpha) / b)

    def kernel() -> Values:
        loss, g_mu, g_theta = losses.clustering_loss_and_grads(
            theta, pr.mu, pr.x, pr.p, pr.alpha, _kernels().loss_and_grads)
        return [loss, g_mu, *arrays_of(g_theta)]

    n_loss, n_theta, z = _naive_network(arrays, acts, x, no_masks, naive_loss)
    return Case(
        row, [mu, *arrays], [loss], [g_mu, *arrays_of(g_theta)], scalar, define,
        [n_loss, naive.grad_mu(z, mu, p, pr.alpha) / b, *n_theta], kernel,
    )


def _stack(arrays: Sequence[np.ndarray], acts: Sequence[str]) -> list[Dense]:
    return [Dense(W, b, act) for W, b, act in zip(arrays[::2], arrays[1::2], acts)]


def _naive_network(
    arrays: Sequence[np.ndarray], acts: Sequence[str], x: np.ndarray, masks: Sequence[np.ndarray | None],
    loss_and_grad: Callable[[np.ndarray], tuple[Any, np.ndarray]],
) -> tuple[Any, list[np.ndarray], np.ndarray]:
    """Return the loss, the gradient of each W and b, and the network's output, by loops forward and backward."""
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
        grads = [g_W, g_b, *grads]
        g = g if mask is None else g * mask
    return loss, grads, h


ROWS: dict[str, Callable[[Problem, str], Case]] = {
    "Eq. 1  soft assignment q": _eq1,
    "Eq. 2  loss KL(P||Q)": _eq2,
    "Eq. 3  target p": _eq3,
    "Eq. 4  dL/dz": _eq4,
    "Eq. 5  dL/dmu": _eq5,
    "dense": _dense,
    "ReLU": _relu,
    "squared error": _squared_error,
    "dropout mask": _dropout,
    "whole autoencoder, every W and b": _autoencoder,
    "whole DEC step, theta and mu": _dec_step,
}
