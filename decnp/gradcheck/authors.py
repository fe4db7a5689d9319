"""A user's functions and modules as ``Author``: loss and both gradients by an autodiff package, and q of a module."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from ..exceptions import FunctionError
from .calling import Author, Signature, call, signature
from .results import is_log_q, pick, to_numpy
from .trials import Trial

__all__ = ["of_function", "of_loss", "of_module", "is_module", "loss_of_q", "EQUATION_OF"]

EQUATION_OF = {"my_soft_assignment": 1, "my_kl": 2, "my_target": 3, "my_grad_z": 4, "my_grad_mu": 5}


def of_function(
    name: str, function: Callable, order: Sequence[str] | None, asarray: Callable[[np.ndarray], Any]
) -> Author:
    """Return a function of one equation as an ``Author``.

    ``name`` is the argument of ``check_against`` that holds ``function``, and ``order`` the order of its arguments, or
    None. ``asarray`` makes the user's arrays of NumPy arrays.
    """
    how = signature(name, function, order)
    if not how.sure and "alpha" in how.order and not _takes_alpha(function, how, asarray):
        how = Signature(tuple(a for a in how.order if a != "alpha"))
    equation = EQUATION_OF[name]

    def run(trial: Trial) -> dict[int, Any]:
        if equation > 3 and "q" in how.order:
            trial = trial.changed(q=trial.soft)
        return {equation: call(name, function, how, _values(trial, how, asarray))}

    return Author(name, (equation,), run, asarray, _inputs(how), "alpha" in how.order, note=how.note)


def _inputs(how: Signature) -> tuple[str, ...]:
    return tuple(a for a in how.order if a != "alpha")


def _values(trial: Trial, how: Signature, asarray: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """Return the arguments; each array is a copy, so that the user's function may write into it."""
    return {a: trial.alpha if a == "alpha" else asarray(getattr(trial, a).copy()) for a in how.order}


def _takes_alpha(function: Callable, how: Signature, asarray: Callable[[np.ndarray], Any]) -> bool:
    """Return True if a function takes alpha, by a call, if its signature does not show it."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(4), (2, 256))
    trial = Trial(rng.normal(size=(256, 3)), rng.normal(size=(4, 3)), p, q, alpha=1.0)
    with contextlib.suppress(FunctionError):
        call("", function, how, _values(trial, how, asarray))
        return True
    with contextlib.suppress(FunctionError):
        call("", function, Signature(how.order[:-1]), _values(trial, how, asarray))
        return False
    return True


# ---------------------------------------------------------------- a loss


def of_loss(
    name: str, loss: Callable, how: Signature, autodiff: str | None, asarray: Callable[[np.ndarray], Any],
    equations: tuple[int, ...] = (2, 4, 5),
) -> Author:
    """Return a loss of z and mu as an ``Author``, with its gradients if ``autodiff`` names a package.

    ``name`` is the argument of ``check_against`` that holds ``loss``, and ``how`` the way to call it. ``asarray`` makes
    the user's arrays of NumPy arrays. ``equations`` are those to compare.
    """
    def of_values(*args: Any) -> Any:
        return call(name, loss, how, dict(zip(how.order, args)))

    def run(trial: Trial) -> dict[int, Any]:
        values = list(_values(trial, how, asarray).values())
        if autodiff is None:
            return {2: of_values(*values)}
        with _function_errors(name, autodiff):
            value, g_z, g_mu = GRADIENTS[autodiff](of_values, values, tuple(how.order.index(a) for a in ("z", "mu")))
        return {2: value, 4: g_z, 5: g_mu}

    return Author(name, equations if autodiff else (2,), run, asarray, _inputs(how), "alpha" in how.order,
                  own_p="p" not in how.order, of_loss=True, note=how.note)


@contextlib.contextmanager
def _function_errors(name: str, autodiff: str) -> Iterator[None]:
    """Raise FunctionError with the ``name`` of the user's function if ``autodiff`` cannot differentiate it."""
    try:
        yield
    except FunctionError:
        raise
    except Exception as error:  # whatever the package may raise
        raise FunctionError(f"{name}: the gradient by {autodiff} raised {type(error).__name__}: {error}") from error


def _scalar(value: Any) -> Any:
    """Return the scalar among the results, summed if it is an array."""
    value, _ = pick(value, ())
    return value.sum() if getattr(value, "shape", ()) else value


def _torch(loss: Callable, values: list, places: tuple[int, ...]) -> list:
    values = [value.detach().requires_grad_(True) if i in places else value for i, value in enumerate(values)]
    value = loss(*values)
    return [value, *_gradients(import_module("torch"), _scalar(value), [values[i] for i in places])]


def _gradients(torch: Any, value: Any, leaves: list) -> list:
    if not getattr(value, "requires_grad", False):  # detached, or a number
        return [torch.zeros_like(leaf) for leaf in leaves]
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients)]


def _jax(loss: Callable, values: list, places: tuple[int, ...]) -> list:
    plain, compiled = _jax_gradients(loss, places)
    try:
        (_, value), gradients = compiled(*values)  # one compilation for a shape; without, each operation has its own
    except FunctionError:  # it looks at numbers, which a compiled function can't; or it is wrong
        (_, value), gradients = plain(*values)
    return [value, *gradients]


@lru_cache(maxsize=8)
def _jax_gradients(loss: Callable, places: tuple[int, ...]) -> tuple[Callable, Callable]:
    """Return the function of value and gradients of a loss, plain and compiled."""
    jax = import_module("jax")

    def scalar(*values: Any) -> tuple[Any, Any]:
        value = loss(*values)
        return _scalar(value), value

    gradients = jax.value_and_grad(scalar, places, has_aux=True)
    return gradients, jax.jit(gradients)


def _autograd(loss: Callable, values: list, places: tuple[int, ...]) -> list:
    gradient = import_module("autograd").grad(lambda *given: _scalar(loss(*given)), places)
    return [loss(*values), *gradient(*values)]


GRADIENTS: dict[str, Callable[[Callable, list, tuple[int, ...]], list]] = {
    "torch": _torch, "jax": _jax, "autograd": _autograd}
"""(loss, its arguments, places of z and mu) -> its result and the gradients; zeros where none reaches an argument."""

LOG = {"torch": "torch", "jax": "jax.numpy", "autograd": "autograd.numpy"}
"""Package -> its module with ``log``."""


def loss_of_q(soft_assignment: Callable, my_kl: Callable | None, orders: dict, autodiff: str) -> Callable:
    """Return KL(P || Q) of the q of ``soft_assignment`` as a loss of (z, mu, p, alpha).

    ``my_kl`` is the user's Eq. 2; None takes Eq. 2. ``orders`` maps functions to orders of arguments. ``autodiff`` is
    the package of q.
    """
    how = signature("my_soft_assignment", soft_assignment, orders.get("my_soft_assignment"))

    def loss(z: Any, mu: Any, p: Any, alpha: float) -> Any:
        q = call("my_soft_assignment", soft_assignment, how, {"z": z, "mu": mu, "alpha": alpha})
        return kl_of(pick(q, tuple(p.shape), rows_sum_to_one=True)[0], p, my_kl, orders, import_module(LOG[autodiff]).log)

    return loss


def kl_of(q: Any, p: Any, my_kl: Callable | None, orders: dict, log: Callable) -> Any:
    """Return the user's loss of p and q, or Eq. 2 (up to p log p, which is constant); q may be log q."""
    if my_kl is not None:
        return call("my_kl", my_kl, signature("my_kl", my_kl, orders.get("my_kl")), {"p": p, "q": q})
    if tuple(q.shape) == tuple(p.shape)[::-1] != tuple(p.shape):
        q = q.T
    with contextlib.suppress(Exception):  # a traced array has no numbers
        if is_log_q(to_numpy(q)[0]):
            return -(p * q).sum()
    return -(p * log(q)).sum()


# ---------------------------------------------------------------- a PyTorch module


def is_module(function: Any) -> bool:
    """Return True if ``function`` is a ``torch.nn.Module``, without an import of torch."""
    return any(base.__module__.startswith("torch.nn") and base.__name__ == "Module" for base in type(function).__mro__)


def of_module(
    name: str, module: Any, my_kl: Callable | None, orders: dict, k: int, d: int
) -> tuple[Author, int, int]:
    """Return a module, whose forward gives q, as an ``Author``; and the k and d of its centroids.

    ``name`` is the argument of ``check_against`` that holds the module; ``my_kl`` and ``orders`` are as in ``kl_of``.
    """
    torch = import_module("torch")
    module = copy.deepcopy(module).eval()
    path, parameter = _centroids(module, k, d)
    owner = _owner(module, path.rpartition(".")[0])
    transposed, (k, d) = _layout(tuple(parameter.shape), k, d)
    tensors = {**dict(owner.named_parameters(recurse=False)), **dict(owner.named_buffers(recurse=False))}
    alpha = next((a for a in ("alpha", "_alpha", "v", "nu", "dof") if isinstance(getattr(owner, a, None), int | float)
                  or (a in tensors and tensors[a].numel() == 1)), None)

    def asarray(a: np.ndarray) -> Any:
        return torch.tensor(a, dtype=parameter.dtype)

    _check_takes_z(owner, path, parameter, asarray, (k, d))

    def run(trial: Trial) -> dict[int, Any]:
        z = asarray(trial.z).requires_grad_(True)
        parameter.data = asarray(trial.mu.T.copy() if transposed else trial.mu)
        parameter.requires_grad_(True)
        if alpha in tensors:
            tensors[alpha].data.fill_(trial.alpha)
        elif alpha:
            setattr(owner, alpha, trial.alpha)
        how = Signature(("z",))
        result = call(f"{name}: forward of {type(owner).__name__}", owner, how, {"z": z})
        q, p = pick(result, trial.p.shape, rows_sum_to_one=True)[0], asarray(trial.p)
        if tuple(getattr(q, "shape", ())) not in (trial.p.shape, trial.p.shape[::-1]):
            return {1: result, 4: None, 5: None}
        with _function_errors(name, "torch"):
            g_z, g_mu = _gradients(torch, kl_of(q, p, my_kl, orders, torch.log), [z, parameter])
        return {1: result, 4: g_z, 5: g_mu.T if transposed else g_mu}

    note = f"its centroids are {path} {tuple(parameter.shape)}" + (", transposed" if transposed else "")
    note += f"; its alpha is set by .{alpha}" if alpha else ""
    author = Author(name, (1, 4, 5), run, asarray, ("z", "mu", "p"), alpha is not None, note=note, fixed=True)
    return author, k, d


def _owner(module: Any, path: str) -> Any:
    """Return the innermost module on ``path`` whose forward is the user's. Those of Linear and containers are torch's."""
    owner = module.get_submodule(path)
    forward = type(owner).forward
    of_torch = forward.__module__.startswith("torch.nn")  # also for a module that defines no forward
    return _owner(module, path.rpartition(".")[0]) if path and of_torch else owner


def _check_takes_z(
    owner: Any, path: str, parameter: Any, asarray: Callable[[np.ndarray], Any], shape: tuple[int, int]
) -> None:
    """Raise ValueError if q depends on weights besides the centroids ``parameter``: forward then has an encoder."""
    weights = [p for p in owner.parameters() if p is not parameter and p.ndim > 1]
    if not weights:
        return
    k, d = shape
    z = asarray(np.random.default_rng(0).normal(size=(2 * k + 1, d)))

    def q() -> np.ndarray:
        return to_numpy(pick(owner(z), (len(z), k), rows_sum_to_one=True)[0])[0]

    advice = (f"module must give q of z, but the forward of {type(owner).__name__}, which has the centroids {path}, takes "
              "x: set its encoder to torch.nn.Identity(), or give my_loss")
    try:
        before = q()
        for weight in weights:
            weight.data = weight.data + 1
        after = q()
    except Exception as error:
        raise ValueError(advice) from error
    finally:
        for weight in weights:
            weight.data = weight.data - 1
    if not np.array_equal(before, after):
        raise ValueError(advice)


def _centroids(module: Any, k: int, d: int) -> tuple[str, Any]:
    """Return the path and the parameter of the centroids: by shape, else by name, else the only one of two axes."""
    matrices = {path: p for path, p in module.named_parameters() if p.ndim == 2}
    named = {path: p for path, p in matrices.items()
             if any(word in path.lower().rpartition(".")[2] for word in ("cent", "cluster", "mu"))}
    fitting = {path: p for path, p in matrices.items() if tuple(p.shape) in ((k, d), (d, k))}
    for found in (named, fitting, matrices):
        if len(found) == 1:
            return next(iter(found.items()))
    listed = ", ".join(f"{path} {tuple(p.shape)}" for path, p in module.named_parameters()) or "none"
    raise ValueError(f"module must have one parameter with the centroids, of shape (k, d) = {(k, d)}; "
                     f"its parameters: {listed}")


def _layout(shape: tuple[int, ...], k: int, d: int) -> tuple[bool, tuple[int, int]]:
    """Return True if the parameter is (d, k), else False, and k and d. A shape that is neither is taken as (k, d)."""
    return (True, (k, d)) if shape == (d, k) != (k, d) else (False, (shape[0], shape[1]))
