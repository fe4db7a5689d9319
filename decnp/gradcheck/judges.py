"""The autodiff packages as judges: plain definitions of everything that has a gradient, and who differentiates them.

A definition takes the array package ``xp`` first and uses of it only what all three have. It knows Eqs. 1-3 and the
forward pass of the layers, as printed; of Eqs. 4 and 5 or of backpropagation it knows nothing: that is for the
package to find. None of the packages is imported before its judge is asked.
"""

from __future__ import annotations

import contextlib
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable, Sequence

import numpy as np

__all__ = ["JUDGES", "installed", "soft_assignment", "kl_divergence", "target_distribution", "mlp", "squared_error"]

# ---------------------------------------------------------------- definitions


def soft_assignment(xp: Any, z, mu, alpha: float):
    """Eq. 1, as printed."""
    d = ((z[:, None, :] - mu[None, :, :]) ** 2).sum(2)  # (n, k)
    s = (1 + d / alpha) ** (-(alpha + 1) / 2)
    return s / s.sum(1)[:, None]


def kl_divergence(xp: Any, p, q):
    """Eq. 2, as printed; p > 0."""
    return (p * xp.log(p / q)).sum()


def target_distribution(xp: Any, q):
    """Eq. 3, as printed."""
    weight = q**2 / q.sum(0)
    return weight / weight.sum(1)[:, None]


def relu(xp: Any, a):
    """max(a, 0)."""
    return xp.where(a > 0, a, 0 * a)


def mlp(xp: Any, arrays: Sequence, acts: Sequence[str], x, masks: Sequence):
    """The network of DEC section 3.2: W, b, W, b, ... and an activation a layer; a mask multiplies a layer's input."""
    for W, b, act, mask in zip(arrays[::2], arrays[1::2], acts, masks):
        a = (x if mask is None else x * mask) @ W + b
        x = relu(xp, a) if act == "relu" else a
    return x


def squared_error(xp: Any, x_rec, x):
    """1/(2 n D) sum (x_rec - x)^2."""
    return ((x_rec - x) ** 2).sum() / (2 * x.shape[0] * x.shape[1])


# ---------------------------------------------------------------- who differentiates

Definition = Callable[..., tuple[list, Any]]
"""(xp, as_array, *x) -> the values that it defines, and the scalar that is to be differentiated in every x."""


def _autograd(define: Definition, x: list[np.ndarray]):
    import autograd
    import autograd.numpy as xp

    values, _ = define(xp, np.asarray, *x)
    gradient = autograd.grad(lambda x: define(xp, np.asarray, *x)[1])
    return list(values), list(gradient(list(x)))


def _torch(define: Definition, x: list[np.ndarray]):
    import torch

    def tensor(a):
        return torch.tensor(np.ascontiguousarray(a), dtype=torch.float64)  # it takes no negative strides

    leaves = [tensor(a).requires_grad_(True) for a in x]
    values, scalar = define(torch, tensor, *leaves)
    gradients = torch.autograd.grad(scalar, leaves)
    return [v.detach().numpy() for v in values], [g.numpy() for g in gradients]


def _jax(define: Definition, x: list[np.ndarray]):
    import jax
    import jax.numpy as xp

    with _double_precision(jax):
        leaves = [xp.asarray(a) for a in x]
        values, _ = define(xp, xp.asarray, *leaves)
        gradients = jax.grad(lambda x: define(xp, xp.asarray, *x)[1])(leaves)
        return [np.asarray(v) for v in values], [np.asarray(g) for g in gradients]


@contextlib.contextmanager
def _double_precision(jax):
    """JAX computes in float32 unless it is told otherwise; what it was told before is put back."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


JUDGES = {"autograd": _autograd, "torch": _torch, "jax": _jax}
"""Package name -> a function (definition, x) -> values and gradients, as NumPy arrays in float64."""


def installed() -> list[str]:
    """Which of the autodiff packages are on this machine; one that is there and can't be imported is warned of."""
    names = []
    for name in JUDGES:
        if find_spec(name) is None:
            continue
        try:
            import_module(name)
        except Exception as error:  # whatever a broken or outdated package may raise
            warnings.warn(f"{name} is installed but can't be imported, so it is not asked: {error}", stacklevel=2)
        else:
            names.append(name)
    return names
