"""Call of a user's training step with arrays of any package, differentiated by an autodiff package on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import FunctionError
from .arrays import accepts, array_maker, as_numpy, library, precision, real_result
from .references import check_autodiff

__all__ = ["CalledStep", "call_step"]

Step = Callable[[list[Any], Any, Any, Any], Any]
"""(weights, mu, x, p) -> what the user's step returns."""


class CalledStep(NamedTuple):
    """Result of a user's step, as NumPy arrays in float64."""

    loss: float | None
    g_weights: list[np.ndarray | None]
    g_mu: np.ndarray | None
    eps: float
    """Least precision of the arrays handed over and returned."""
    seen: list[np.ndarray]
    """Weights, mu, x and p as the step got them, rounded to their dtypes."""
    package: str
    """Package of the weights: "numpy", "torch" or "jax"."""


def call_step(
    my_step: Callable[..., Any], arrays: Sequence[Any], alpha: float, autodiff: str | None,
    asarray: Callable[[np.ndarray], Any] | None,
) -> CalledStep:
    """Call ``my_step`` with new arrays and ``alpha``.

    ``arrays`` are the weights, mu, x and p. ``autodiff`` and ``asarray`` are those of ``check_step``.

    Raises ValueError for an unknown package or a result of another form, FunctionError if the step raises.
    """
    check_autodiff(autodiff)
    handed = [_handed(a, autodiff, asarray) for a in arrays]
    seen = [as_numpy(a) for a in handed]  # before the step, which may change them
    rest: tuple[float, ...] = (alpha,)
    if accepts(my_step, 4) and not accepts(my_step, 5):
        if alpha != 1:
            raise ValueError(f"my_step takes no alpha, so alpha must be 1; got {alpha:g}")
        rest = ()

    def step(weights: list[Any], mu: Any, x: Any, p: Any) -> Any:
        result = my_step(weights, mu, x, p, *rest)
        if autodiff:
            _check_loss(result)
        return result

    try:
        result = DIFFERENTIATE[autodiff](step, handed) if autodiff else step(handed[:-3], *handed[-3:])
    except _ResultError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's step may raise
        kinds = ", ".join(f"{tuple(a.shape)} {a.dtype}" for a in handed)
        raise FunctionError(f"my_step raised {type(error).__name__}: {error}. The weights, mu, x and p that it got were, "
                            f"in {library(handed[0])}: {kinds}") from error
    if not (isinstance(result, (tuple, list)) and len(result) == 3):
        raise ValueError("my_step must return (loss, gradients of the weights, gradient of mu), or the loss alone with "
                         f"autodiff='torch', 'jax' or 'autograd'; got {type(result).__name__}")
    loss, g_weights, g_mu = result
    if g_weights is None or isinstance(g_weights, (str, Mapping)) or not hasattr(g_weights, "__len__"):
        raise ValueError("the gradients of the weights that my_step returns must be a list of arrays; got "
                         f"{type(g_weights).__name__}")
    flat = [g for item in g_weights for g in (item if isinstance(item, (tuple, list)) else [item])]  # (g_W, g_b) or g
    eps = max(precision(a) for a in (*handed, *flat, g_mu, loss))
    return CalledStep(_number(loss), [_gradient(g) for g in flat], _gradient(g_mu), eps, seen, library(handed[0]))


class _ResultError(ValueError):
    """Error for a result of another form, not for an exception inside the step."""


def _check_loss(loss: Any) -> None:
    """Raise ``_ResultError`` unless ``loss`` is one number, of any package."""
    if loss is None or isinstance(loss, (tuple, list, Mapping)):
        raise _ResultError(f"with autodiff, my_step must return the loss alone; got {type(loss).__name__}")
    shape = tuple(getattr(loss, "shape", ()))
    if any(length != 1 for length in shape):
        raise _ResultError(f"the loss of my_step must be a number; got an array of shape {shape}: it is not summed")


def _number(loss: Any) -> float | None:
    """Return the loss as a number; None if the step returns none."""
    if loss is None:
        return None
    value = real_result("the loss of my_step", loss, "a number")
    _check_loss(value)
    return float(value.reshape(()))


def _gradient(g: Any) -> np.ndarray | None:
    return None if g is None else real_result("a gradient of my_step", g)


def _handed(a: Any, autodiff: str | None, asarray: Callable[[np.ndarray], Any] | None) -> Any:
    """Return what the step gets for an array: a new one, or the user's own torch parameter."""
    if autodiff == "torch" and getattr(a, "requires_grad", False) and a.is_leaf:
        return a
    if asarray is None and autodiff in ("torch", "jax") and library(a) != autodiff:
        asarray = import_module("torch").tensor if autodiff == "torch" else import_module("jax.numpy").array
    return array_maker(a, asarray)(as_numpy(a))


def _torch(step: Step, handed: list[Any]) -> tuple[Any, list[Any], Any]:
    torch = import_module("torch")
    leaves = [a.requires_grad_() for a in handed[:-2]]
    loss = step(leaves[:-1], leaves[-1], *handed[-2:])
    if not getattr(loss, "requires_grad", False):  # detached, or a number
        return loss, [None] * (len(leaves) - 1), None
    *g_weights, g_mu = torch.autograd.grad(loss.reshape(()), leaves, allow_unused=True)
    return loss, g_weights, g_mu


def _jax(step: Step, handed: list[Any]) -> tuple[Any, list[Any], Any]:
    jax = import_module("jax")
    loss, gradients = jax.value_and_grad(lambda leaves: step(leaves[:-1], leaves[-1], *handed[-2:]).reshape(()))(handed[:-2])
    return loss, list(gradients[:-1]), gradients[-1]


def _autograd(step: Step, handed: list[Any]) -> tuple[Any, list[Any], Any]:
    autograd = import_module("autograd")

    def loss_of(leaves: Any) -> Any:
        return step([leaves[l] for l in range(len(handed) - 3)], leaves[len(handed) - 3], *handed[-2:])

    loss, gradients = autograd.value_and_grad(loss_of)(handed[:-2])
    return loss, list(gradients[:-1]), gradients[-1]


DIFFERENTIATE: dict[str, Callable[[Step, list[Any]], tuple[Any, list[Any], Any]]] = {
    "torch": _torch, "jax": _jax, "autograd": _autograd}
"""Package -> function that returns the loss and the gradients of a step that returns the loss."""
