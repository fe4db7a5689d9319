"""Dense layers, DEC Eqs. 6-9: each forward function is followed by its backward function.

Parameters are data (``Dense``: W, b and the name of the activation), and layers are pure functions.
A backward function is named ``..._vjp`` (vector-Jacobian product): it takes ``g``, the gradient of
the loss with respect to the function's output, and returns the gradients with respect to its inputs.
Everything is analytic, so it takes complex numbers, and the complex step can check each line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
from numpy.typing import DTypeLike

__all__ = [
    "Dense", "dense", "dense_vjp", "relu", "relu_vjp", "squared_error", "mlp", "encode", "mlp_vjp",
    "gaussian", "fan_in_uniform", "init_mlp", "dropout_mask", "arrays_of",
]

Masks = Optional[Sequence[Optional[np.ndarray]]]


class Dense(NamedTuple):
    """Parameters of one layer: h = act(x W + b), with W (n_in, n_out), b (n_out,), act "relu" or "linear"."""

    W: np.ndarray
    b: np.ndarray
    act: str


def dense(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the affine map of DEC Eqs. 7 and 9: x (n, n_in), W (n_in, n_out), b (n_out,) -> a (n, n_out).

    Raises ValueError where the shapes do not fit. Differs from the paper: it writes W x for a column x;
    here samples are rows, so it is x W.

    >>> x, W, b = np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([0.5])
    >>> dense(x, W, b)
    array([[21.5]])
    """
    return x @ W + b


def dense_vjp(
    g: np.ndarray, x: np.ndarray, W: np.ndarray, need_x: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the gradients of ``dense``: g (n, n_out) -> g_x (n, n_in), g_W (n_in, n_out), g_b (n_out,); sums over rows.

    x and W have the shapes of the forward pass. ``need_x=False`` leaves out the product for g_x, which
    is not needed below the first layer. Raises ValueError where the shapes do not fit.

    >>> g_x, g_W, g_b = dense_vjp(np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]))
    >>> g_x, g_W.ravel(), g_b
    (array([[ 1., 10.]]), array([1., 2.]), array([1.]))
    """
    return (g @ W.T if need_x else None), x.T @ g, g.sum(axis=0)


def relu(a: np.ndarray) -> np.ndarray:
    """Return max(a, 0), elementwise, for any shape. Complex numbers are compared by their real part first.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(a, 0)


def relu_vjp(g: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return the gradient of ``relu``: g and h = relu(a) of one shape -> g_a. The derivative at 0 is taken as 0.

    >>> relu_vjp(np.array([5.0, 5.0, 5.0]), relu(np.array([-1.0, 0.0, 2.0])))
    array([0., 0., 5.])
    """
    return g * (h.real > 0)


def squared_error(x_rec: np.ndarray, x: np.ndarray) -> tuple[np.floating, np.ndarray]:
    """Return the reconstruction loss and its gradient, which share one scale.

        loss = 1/(2 n D) sum_i ||x_rec_i - x_i||^2,    g = (x_rec - x) / (n D)

    x_rec, x and g have the shape (n, D). A mean over *elements*, halved. Raises ValueError where the
    shapes do not fit. Differs from the paper: it prints ||x - y||^2; the authors' code divides by 2 n D,
    and the learning rate of 0.1 is meant for that.

    >>> loss, g = squared_error(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]))
    >>> float(loss), g
    (1.0, array([[1., 0.]]))
    """
    if x_rec.shape != x.shape:
        raise ValueError(f"x_rec and x must have one shape; got {x_rec.shape} and {x.shape}")
    diff = x_rec - x
    g = diff / diff.size
    return np.sum(diff * (g / 2)), g


_ACTIVATIONS = {"relu": (relu, relu_vjp), "linear": (lambda a: a, lambda g, h: g)}


def mlp(theta: Sequence[Dense], x: np.ndarray, masks: Masks = None) -> list[np.ndarray]:
    """Return all activations of a stack of dense layers: x (n, D) -> [input, h_1, ..., output]; the list is the tape.

    ``masks[l]`` (n, n_in of layer l) multiplies the input of layer l, ``None`` leaves it alone.
    The tape holds the input of each layer after its mask. Raises KeyError for an unknown
    activation, ValueError where the shapes do not fit.

    >>> theta = [Dense(np.eye(2), np.array([0.0, -5.0]), "relu"), Dense(np.ones((2, 1)), np.zeros(1), "linear")]
    >>> mlp(theta, np.array([[3.0, 4.0]]))
    [array([[3., 4.]]), array([[3., 0.]]), array([[3.]])]
    """
    hs = [_masked(x, masks, 0)]
    for l, (W, b, act) in enumerate(theta):
        forward, _ = _ACTIVATIONS[act]
        h = forward(dense(hs[-1], W, b))
        hs.append(_masked(h, masks, l + 1) if l + 1 < len(theta) else h)  # no mask on the output
    return hs


def encode(theta: Sequence[Dense], x: np.ndarray) -> np.ndarray:
    """Return ``mlp(theta, x)[-1]``, to the bit, without a tape: x (n, D) -> (n, d).

    Raises KeyError for an unknown activation, ValueError where the shapes do not fit. x is not changed.

    >>> encode([Dense(np.eye(2), np.array([0.0, -5.0]), "relu")], np.array([[3.0, 4.0]]))
    array([[3., 0.]])
    """
    for W, b, act in theta:
        x = x @ W
        x += b
        if _ACTIVATIONS[act][0] is relu:
            np.maximum(x, np.zeros_like(b), out=x)  # a row of zeros: with a scalar, NumPy's loop takes twice as long
    return x


def mlp_vjp(
    g: np.ndarray, theta: Sequence[Dense], hs: Sequence[np.ndarray], masks: Masks = None, need_x: bool = True
) -> tuple[np.ndarray | None, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the gradients of ``mlp``: g, of the output's shape -> g_x (n, D) and [(g_W, g_b) of each layer].

    ``hs`` and ``masks`` are those of the forward pass. ``need_x=False`` gives ``None`` for g_x.
    """
    g_theta = []
    g_x: np.ndarray | None = g
    for l in reversed(range(len(theta))):
        W, _, act = theta[l]
        _, backward = _ACTIVATIONS[act]
        g_x, g_W, g_b = dense_vjp(backward(g_x, hs[l + 1]), hs[l], W, need_x=need_x or l > 0)
        g_theta.append((g_W, g_b))
        if g_x is not None:
            g_x = _masked(g_x, masks, l)  # a mask is a product, and so is its VJP
    return g_x, g_theta[::-1]


def _masked(h: np.ndarray, masks: Masks, l: int) -> np.ndarray:
    return h if masks is None or l >= len(masks) or masks[l] is None else h * masks[l]


def gaussian(rng: np.random.Generator, n_in: int, n_out: int, std: float = 0.01) -> np.ndarray:
    """Return weights W of shape (n_in, n_out) from N(0, std^2). DEC section 4.2 has std = 0.01."""
    return rng.normal(0.0, std, (n_in, n_out))


def fan_in_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Return weights W of shape (n_in, n_out), uniform in +-1/sqrt(n_in), which keeps the scale of signals in depth.

    Differs from the paper: it draws from N(0, 0.01^2), see ``gaussian``.
    """
    return rng.uniform(-1, 1, (n_in, n_out)) / np.sqrt(n_in)


def init_mlp(
    rng: np.random.Generator, sizes: Sequence[int], acts: Sequence[str], std: float | None = 0.01,
    dtype: DTypeLike = np.float32,
) -> list[Dense]:
    """Return layers sizes[0]-sizes[1]-...; W from ``gaussian`` with ``std``, or ``fan_in_uniform`` if None; b = 0.

    ``sizes`` has one more entry than ``acts``.
    """
    theta = []
    for n_in, n_out, act in zip(sizes, sizes[1:], acts):
        W = fan_in_uniform(rng, n_in, n_out) if std is None else gaussian(rng, n_in, n_out, std)
        theta.append(Dense(W.astype(dtype), np.zeros(n_out, dtype), act))
    return theta


def dropout_mask(
    rng: np.random.Generator, shape: tuple[int, ...], rate: float, dtype: Any = np.float32
) -> np.ndarray | None:
    """Return a mask of ``shape``: 0 with probability ``rate`` (the fraction *dropped*), else 1/(1 - rate).

    The other units are scaled up, so nothing changes at test time. DEC Eqs. 6 and 8. None if rate is 0. Each unit uses
    sixteen random bits, so the probability equals the rate to 1e-5.
    """
    if rate == 0:
        return None
    n = math.prod(shape)
    bits = rng.integers(1 << 64, size=-(-n // 4), dtype=np.uint64).view(np.uint16)[:n]
    keep = bits.reshape(shape) >= round(rate * (1 << 16))
    return keep * np.dtype(dtype).type(1 / (1 - rate))


def arrays_of(layers: Sequence[Any]) -> list[np.ndarray]:
    """Return the arrays of [Dense, ...] or of their gradients [(g_W, g_b), ...], flat: W, b, W, b, ..."""
    return [a for layer in layers for a in layer[:2]]
