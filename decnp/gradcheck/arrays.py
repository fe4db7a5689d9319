"""Arrays of NumPy, torch, JAX and other packages: hand a point to a function, and read what it returns.

No array package but NumPy is imported. An array of torch or JAX comes with its module in ``sys.modules``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "as_numpy", "real_argument", "real_result", "unwrapped", "dtype_name", "array_maker", "library", "precision", "accepts",
    "DOUBLE",
]

DOUBLE = 2.0**-52
EPSILON = {"float16": 2.0**-10, "complex32": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "complex64": 2.0**-23}
"""Distance from 1 to the next number in each dtype of less than double precision."""


def dtype_name(a: Any) -> str:
    """Return the name of the dtype of ``a``, such as "float32"; "" if it has no dtype."""
    return str(getattr(a, "dtype", "")).rpartition(".")[2]  # torch says "torch.float32"


def precision(a: Any) -> float:
    """Return the distance from 1 to the next number in the dtype of ``a``; that of float64 where it has no dtype.

    >>> precision(np.float32(3)) == 2**-23, precision(3.0) == 2**-52
    (True, True)
    """
    return EPSILON.get(dtype_name(a), DOUBLE)


def unwrapped(a: Any) -> np.ndarray:
    """Return an array, tensor or number as a NumPy array of its own dtype; a bfloat16 as float32."""
    for method in ("detach", "cpu"):  # a torch tensor that requires a gradient, or lies on a GPU
        a = getattr(a, method, lambda a=a: a)()
    if dtype_name(a) == "bfloat16" and hasattr(a, "float"):  # torch has no conversion of it to NumPy
        a = a.float()
    return np.asarray(a)


def as_numpy(a: Any) -> np.ndarray:
    """Return an array, tensor or number as a NumPy array in double precision; the argument is not changed.

    Raises TypeError for what holds no numbers.

    >>> as_numpy([np.float32(0.5), 2])
    array([0.5, 2. ])
    """
    array = unwrapped(a)
    if array.dtype.kind in "OSUmM":
        raise TypeError(f"an array of numbers is needed; got {type(a).__name__}")
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def real_argument(name: str, a: Any) -> np.ndarray:
    """Return ``a``, the argument ``name``, as ``as_numpy`` does.

    Raises ValueError if it has masked values, is complex, or holds no numbers.
    """
    array = _numbers(name, a, "an array of numbers")
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be real; got complex numbers")
    return array


def real_result(name: str, a: Any, form: str = "an array of numbers") -> np.ndarray:
    """Return ``a``, a result of a user's function, as ``as_numpy`` does; complex numbers with imaginary part 0 become real.

    Raises ValueError, with ``name`` and the ``form`` that is needed, if it has masked values, other complex numbers, or no
    numbers.
    """
    array = _numbers(name, a, form)
    if np.any(np.imag(array)):
        raise ValueError(f"{name} must be real; got complex numbers")
    return array.real


def _numbers(name: str, a: Any, form: str) -> np.ndarray:
    if np.ma.is_masked(a):
        raise ValueError(f"{name} must have no masked values; got {np.ma.count_masked(a)}")
    try:
        return as_numpy(a)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {form}; got {type(a).__name__}") from None


def library(a: Any) -> str:
    """Return the package of the array ``a``: "torch", "jax", or "numpy" for all others."""
    name = type(a).__module__.partition(".")[0]
    return {"torch": "torch", "jax": "jax", "jaxlib": "jax"}.get(name, "numpy")


def array_maker(like: Any, asarray: Callable[[np.ndarray], Any] | None = None) -> Callable[[np.ndarray], Any]:
    """Return the function that makes a new array of the kind and dtype of ``like`` from a NumPy array.

    With ``asarray``, such as ``torch.tensor``, that function is used, and it gets a copy.
    """
    if asarray is not None:
        return lambda a: asarray(a.copy())
    if library(like) == "torch":
        torch = sys.modules["torch"]
        return lambda a: torch.tensor(a, dtype=like.dtype, device=like.device)
    if library(like) == "jax":
        numpy = sys.modules["jax.numpy"]
        return lambda a: numpy.array(a, dtype=like.dtype)
    return np.array


def accepts(function: Callable, n_arguments: int) -> bool:
    """Return True if a function can be called with ``n_arguments``; False if its signature is unknown.

    >>> accepts(lambda x, u: x, 2), accepts(lambda x, u: x, 1)
    (True, False)
    """
    try:
        inspect.signature(function).bind(*range(n_arguments))
    except (TypeError, ValueError):
        return False
    return True
