"""The autodiff packages as references: plain definitions of all that has a gradient, and calls that differentiate them.

A definition takes the array package ``xp`` first, and uses only functions that all three packages have. The definitions
are Eqs. 1-3 and the forward pass of the layers. They contain neither Eqs. 4 and 5 nor backpropagation,
which the packages derive. A package is imported when it is first used.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

__all__ = [
    "REFERENCES", "check_autodiff", "installed", "soft_assignment", "kl_divergence", "target_distribution", "mlp",
    "squared_error",
]

# ---------------------------------------------------------------- definitions


def soft_assignment(xp: Any, z: Any, mu: Any, alpha: float) -> Any:
    """Return Eq. 1 of z (n, d) and mu (k, d), computed with the functions of the package ``xp``.

    The powers are computed as exp(log), because 1 + d / alpha loses the digits of d for a large alpha.
    """
    d = ((z[:, None, :] - mu[None, :, :]) ** 2).sum(2)  # (n, k)
    log_s = -(alpha + 1) / 2 * xp.log1p(d / alpha)
    s = xp.exp(log_s - log_s[:, :1])  # relative to the first cluster: for a small alpha, s alone would underflow
    return s / s.sum(1)[:, None]


def kl_divergence(xp: Any, p: Any, q: Any) -> Any:
    """Return Eq. 2 of p and q (n, k), as printed, with the functions of ``xp``; p > 0."""
    return (p * xp.log(p / q)).sum()


def target_distribution(xp: Any, q: Any) -> Any:
    """Return Eq. 3 of q (n, k), as printed; ``xp`` is not used."""
    weight = q**2 / q.sum(0)
    return weight / weight.sum(1)[:, None]


def relu(xp: Any, a: Any) -> Any:
    """Return max(a, 0)."""
    return xp.where(a > 0, a, 0 * a)


def mlp(xp: Any, arrays: Sequence, acts: Sequence[str], x: Any, masks: Sequence) -> Any:
    """Return the output of a network for x (n, D), with the functions of ``xp`` (DEC section 3.2).

    ``arrays`` are W, b, W, b, ...; ``acts`` the activation of each layer. Each of ``masks`` multiplies a layer's input,
    unless it is None.
    """
    for W, b, act, mask in zip(arrays[::2], arrays[1::2], acts, masks):
        a = (x if mask is None else x * mask) @ W + b
        x = relu(xp, a) if act == "relu" else a
    return x


def squared_error(xp: Any, x_rec: Any, x: Any) -> Any:
    """Return 1/(2 n D) sum (x_rec - x)^2; ``xp`` is not used."""
    return ((x_rec - x) ** 2).sum() / (2 * x.shape[0] * x.shape[1])


# ---------------------------------------------------------------- differentiation

Definition = Callable[..., tuple[list, Any]]
"""(xp, as_array, *x) -> the values that are defined, and the scalar that is differentiated in every x."""

Reference = Callable[[Definition, list[np.ndarray]], tuple[list[np.ndarray], list[np.ndarray]]]
"""(definition, x) -> its values and the gradient of its scalar in each x, as NumPy arrays in float64."""


def _autograd(define: Definition, x: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    import autograd
    import autograd.numpy as xp

    values, _ = define(xp, np.asarray, *x)
    gradient = autograd.grad(lambda x: define(xp, np.asarray, *x)[1])
    return list(values), list(gradient(list(x)))


def _torch(define: Definition, x: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    import torch

    def tensor(a: np.ndarray) -> Any:
        return torch.tensor(np.ascontiguousarray(a), dtype=torch.float64)  # it takes no negative strides

    leaves = [tensor(a).requires_grad_(True) for a in x]
    values, scalar = define(torch, tensor, *leaves)
    gradients = torch.autograd.grad(scalar, leaves)
    return [v.detach().numpy() for v in values], [g.numpy() for g in gradients]


def _jax(define: Definition, x: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    import jax
    import jax.numpy as xp

    with jax_double_precision(jax):
        leaves = [xp.asarray(a) for a in x]
        values, _ = define(xp, xp.asarray, *leaves)
        gradients = jax.grad(lambda x: define(xp, xp.asarray, *x)[1])(leaves)
        return [np.asarray(v) for v in values], [np.asarray(g) for g in gradients]


@contextlib.contextmanager
def jax_double_precision(jax: Any) -> Iterator[None]:
    """Set JAX to compute in float64 (its default is float32), and restore the user's setting afterwards."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


REFERENCES: dict[str, Reference] = {"autograd": _autograd, "torch": _torch, "jax": _jax}
"""Name of the package -> its ``Reference``."""


def check_autodiff(autodiff: Any) -> None:
    """Raise ValueError unless ``autodiff`` is None or the name of a package on this machine."""
    names = ("torch", "jax", "autograd")
    if autodiff not in (None, *names):
        raise ValueError(f"autodiff must be None or one of {', '.join(map(repr, names))}; got {autodiff!r}")
    if autodiff is not None and find_spec(autodiff) is None:
        raise ValueError(f"autodiff must be a package on this machine; {autodiff!r} is not installed")


def installed() -> list[str]:
    """Return the autodiff packages on this machine. One that is installed but can't be imported gives a warning."""
    names = []
    for name in REFERENCES:
        if find_spec(name) is None:
            continue
        try:
            import_module(name)
        except Exception as error:  # whatever a broken or outdated package may raise
            warnings.warn(f"{name} is installed but can't be imported, so it is not used: {error}", stacklevel=2)
        else:
            names.append(name)
    return names
