"""Dense layers, DEC Eqs. 6-9: each forward function is followed by its backward function.

Parameters are data (``Dense``: W, b and the name of the activation), and layers are pure functions. A backward function
is named ``..._vjp`` (vector-Jacobian product). Its argument ``g`` is the gradient of the loss with respect to the output
of the forward function. It returns the gradients with respect to the inputs. Every function is analytic, for the complex
step. ``decnp.gradcheck.naive`` has plain loops under the same names. NumPy raises ValueError for shapes that do not fit.
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
"""Dropout mask of each layer's input; None means no mask."""


class Dense(NamedTuple):
    """Parameters of one layer: h = act(x W + b), with W (n_in, n_out), b (n_out,), act "relu" or "linear"."""

    W: np.ndarray
    b: np.ndarray
    act: str


def dense(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the affine map x W + b of DEC Eqs. 7 and 9.

    Parameters
    ----------
    x : ndarray of shape (n, n_in)
        Input.
    W : ndarray of shape (n_in, n_out)
        Weights.
    b : ndarray of shape (n_out,)
        Biases.

    Returns
    -------
    a : ndarray of shape (n, n_out)
        The map of each row of x.

    Notes
    -----
    Differs from the paper: the paper writes W x for a column x. Here samples are rows, so the product is x W.

    Examples
    --------
    >>> x, W, b = np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([0.5])
    >>> dense(x, W, b)
    array([[21.5]])
    """
    return x @ W + b


def dense_vjp(
    g: np.ndarray, x: np.ndarray, W: np.ndarray, need_x: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return the gradients of ``dense`` with respect to x, W and b, as sums over rows.

    Parameters
    ----------
    g : ndarray of shape (n, n_out)
        Gradient of the loss with respect to the output.
    x : ndarray of shape (n, n_in)
        Input of the forward pass.
    W : ndarray of shape (n_in, n_out)
        Weights.
    need_x : bool, default=True
        False skips the product for g_x, which is not needed below the first layer.

    Returns
    -------
    g_x : ndarray of shape (n, n_in) or None
        None if ``need_x`` is False.
    g_W : ndarray of shape (n_in, n_out)
        Gradient with respect to W.
    g_b : ndarray of shape (n_out,)
        Gradient with respect to b.

    Examples
    --------
    >>> g_x, g_W, g_b = dense_vjp(np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]))
    >>> g_x, g_W.ravel(), g_b
    (array([[ 1., 10.]]), array([1., 2.]), array([1.]))
    """
    return (g @ W.T if need_x else None), x.T @ g, g.sum(axis=0)


def relu(a: np.ndarray) -> np.ndarray:
    """Return max(a, 0), elementwise, for ``a`` of any shape. Complex numbers are compared by their real part.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(a, 0)


def relu_vjp(g: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return the gradient of ``relu`` with respect to a, from g and h = relu(a) of one shape. It is 0 at a = 0.

    >>> relu_vjp(np.array([5.0, 5.0, 5.0]), relu(np.array([-1.0, 0.0, 2.0])))
    array([0., 0., 5.])
    """
    return g * (h.real > 0)


def squared_error(x_rec: np.ndarray, x: np.ndarray) -> tuple[np.floating, np.ndarray]:
    r"""Return the reconstruction loss, a mean over *elements*, halved, and its gradient.

    .. math:: loss = \sum_i \|x_{rec,i} - x_i\|^2 / (2 n D), \quad g = (x_{rec} - x) / (n D)

    Parameters
    ----------
    x_rec, x : ndarray of shape (n, D)
        Reconstruction and its target.

    Returns
    -------
    loss : floating scalar
        Mean over elements, halved.
    g : ndarray of shape (n, D)
        Gradient of the loss with respect to x_rec.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Differs from the paper: the paper prints ||x - y||^2. The authors' code divides by 2 n D, and its learning rate of
    0.1 belongs to that scale.

    Examples
    --------
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
    """Return all activations of a stack of dense layers. The list is the tape for ``mlp_vjp``.

    Raises KeyError for an unknown activation.

    Parameters
    ----------
    theta : sequence of Dense
        Layers.
    x : ndarray of shape (n, D)
        Input.
    masks : sequence of ndarray or None, default=None
        Dropout masks. ``masks[l]``, of the shape of the input of layer l, multiplies that input. None means no mask.

    Returns
    -------
    hs : list of ndarray
        Input of each layer, after its mask, and the output ``hs[-1]``.

    See Also
    --------
    mlp_vjp : Backward function.
    encode : The output only.

    Examples
    --------
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
    """Return ``mlp(theta, x)[-1]``, with the same bits, without storing a tape.

    Parameters
    ----------
    theta : sequence of Dense
        Layers.
    x : ndarray of shape (n, D)
        Input. It is not changed.

    Returns
    -------
    z : ndarray of shape (n, d)
        Output of the last layer.

    Examples
    --------
    >>> encode([Dense(np.eye(2), np.array([0.0, -5.0]), "relu")], np.array([[3.0, 4.0]]))
    array([[3., 0.]])
    """
    for W, b, act in theta:
        x = x @ W
        x += b
        if _ACTIVATIONS[act][0] is relu:
            np.maximum(x, np.zeros_like(b), out=x)  # a row of zeros, because NumPy needs twice the time with a scalar
    return x


def mlp_vjp(
    g: np.ndarray, theta: Sequence[Dense], hs: Sequence[np.ndarray], masks: Masks = None, need_x: bool = True
) -> tuple[np.ndarray | None, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the gradients of ``mlp`` with respect to its input and to all weights (backpropagation).

    Parameters
    ----------
    g : ndarray of the shape of the output
        Gradient of the loss with respect to the output.
    theta : sequence of Dense
        Layers.
    hs : sequence of ndarray
        Result of ``mlp``.
    masks : sequence of ndarray or None, default=None
        Masks of the forward pass.
    need_x : bool, default=True
        False skips the gradient with respect to the input.

    Returns
    -------
    g_x : ndarray of shape (n, D) or None
        None if ``need_x`` is False.
    g_theta : list of (g_W, g_b)
        Gradients of each layer, first layer first.

    See Also
    --------
    mlp : Forward function.
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
    """Return weights of shape (n_in, n_out), drawn by ``rng`` from N(0, std^2). DEC section 4.2: std = 0.01."""
    return rng.normal(0.0, std, (n_in, n_out))


def fan_in_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Return weights of shape (n_in, n_out), drawn by ``rng`` uniformly from +-1/sqrt(n_in).

    This preserves the scale of signals through many layers. Differs from the paper: the paper draws from N(0, 0.01^2),
    as ``gaussian`` does.
    """
    return rng.uniform(-1, 1, (n_in, n_out)) / np.sqrt(n_in)


def init_mlp(
    rng: np.random.Generator, sizes: Sequence[int], acts: Sequence[str], std: float | None = 0.01,
    dtype: DTypeLike = np.float32,
) -> list[Dense]:
    """Return layers of the widths ``sizes``, with random weights and zero biases.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the weights.
    sizes : sequence of int
        Width of the input, then of each layer's output.
    acts : sequence of {"relu", "linear"}
        Activation of each layer; one entry fewer than ``sizes``.
    std : float or None, default=0.01
        Standard deviation for ``gaussian``. None uses ``fan_in_uniform``.
    dtype : dtype, default=numpy.float32
        Type of the weights and biases.

    Returns
    -------
    theta : list of Dense
        The layers.
    """
    theta = []
    for n_in, n_out, act in zip(sizes, sizes[1:], acts):
        W = fan_in_uniform(rng, n_in, n_out) if std is None else gaussian(rng, n_in, n_out, std)
        theta.append(Dense(W.astype(dtype), np.zeros(n_out, dtype), act))
    return theta


def dropout_mask(
    rng: np.random.Generator, shape: tuple[int, ...], rate: float, dtype: Any = np.float32
) -> np.ndarray | None:
    """Return the mask of DEC Eqs. 6 and 8: 0 with probability ``rate``, else 1/(1 - rate). None if ``rate`` is 0.

    The remaining units are scaled up, so that no factor is needed at test time. Each unit uses sixteen random bits, so
    the probability equals the rate to 1e-5.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random bits.
    shape : tuple of int
        Shape of the mask.
    rate : float
        Fraction of units to *drop*, at least 0 and below 1.
    dtype : dtype, default=numpy.float32
        Type of the mask.

    Returns
    -------
    mask : ndarray or None
        The mask, to multiply with the units.
    """
    if rate == 0:
        return None
    n = math.prod(shape)
    bits = rng.integers(1 << 64, size=-(-n // 4), dtype=np.uint64).view(np.uint16)[:n]
    keep = bits.reshape(shape) >= round(rate * (1 << 16))
    return keep * np.dtype(dtype).type(1 / (1 - rate))


def arrays_of(layers: Sequence[Any]) -> list[np.ndarray]:
    """Return the arrays of ``layers``, [Dense, ...] or their gradients [(g_W, g_b), ...], as a flat list W, b, W, b, ..."""
    return [a for layer in layers for a in layer[:2]]
