"""Read the results of a user's function: arrays of any library, tuples, transposed arrays, log q."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .arrays import dtype_name, unwrapped

__all__ = ["Reading", "read", "pick", "only_place", "copied", "to_numpy", "is_log_q"]

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


class Reading(NamedTuple):
    """A result as a float64 array, and notes on how it was read."""

    value: np.ndarray
    dtype: str
    """Name of the dtype that came back, such as "float32" or "bfloat16"."""
    notes: tuple[str, ...]
    """Each a part of a sentence that begins with "it": "returns a tuple, whose second member is taken"."""


def to_numpy(result: Any) -> tuple[np.ndarray, str]:
    """Return ``result``, an array of any library, as a NumPy array, and the name of its dtype.

    Real arrays become float64.
    """
    array = unwrapped(result)
    dtype = dtype_name(result) or array.dtype.name
    if array.dtype == object or np.iscomplexobj(array):
        return array, dtype
    return array.astype(np.float64), dtype


def copied(result: Any) -> Any:
    """Return ``result`` with copies of its arrays, because a function may write each result into the same array."""
    if isinstance(result, Mapping):
        return {name: copied(member) for name, member in result.items()}
    if isinstance(result, tuple | list):
        members = [copied(member) for member in result]
        return tuple(members) if isinstance(result, tuple) else members
    if hasattr(result, "detach"):
        return result.detach().clone()
    return result.copy() if hasattr(result, "copy") else result


def pick(
    result: Any, shape: tuple[int, ...], rows_sum_to_one: bool = False, place: int | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Return the member of ``result``, a tuple, list or dict, that has the shape, and a note; an array as it is.

    With ``rows_sum_to_one``, a member whose rows sum to 1 is preferred. The member at ``place`` is preferred to all
    others.
    """
    members, fitting = _members(result, shape)
    if rows_sum_to_one and len(fitting) > 1:
        fitting.sort(key=lambda i: not _sums_to_one(to_numpy(members[i])[0]))
    if not fitting:
        return result, ()
    taken = place if place in fitting else fitting[0]
    ordinal = ORDINALS[taken] if taken < len(ORDINALS) else f"{taken + 1}th"
    return members[taken], (f"returns {len(members)} results, of which the {ordinal} was taken",)


def only_place(result: Any, shape: tuple[int, ...]) -> int | None:
    """Return the place of the only member of ``result`` that has the shape; None if there is none, or more than one."""
    _, fitting = _members(result, shape)
    return fitting[0] if len(fitting) == 1 else None


def _members(result: Any, shape: tuple[int, ...]) -> tuple[list[Any], list[int]]:
    """Return the members of a tuple, list or dict, and the places of those that have the shape; none for an array."""
    members = list(result.values()) if isinstance(result, Mapping) else result
    if not isinstance(members, tuple | list) or not any(hasattr(member, "shape") for member in members):
        return [], []
    return list(members), [i for i, member in enumerate(members) if member is not None
                           and _squeezed(np.shape(to_numpy(member)[0]), shape) == shape]


def _squeezed(shape: tuple[int, ...], expected: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape without axes of length 1, if a scalar is expected."""
    return () if expected == () and all(length == 1 for length in shape) else shape


def _sums_to_one(value: np.ndarray) -> bool:
    return value.ndim == 2 and bool(np.all(np.abs(value.sum(axis=1) - 1) < 0.05) and np.all(value >= 0))


def is_log_q(value: np.ndarray) -> bool:
    """Return True if ``value`` (n, k) is the logarithm of rows that sum to 1."""
    return value.ndim == 2 and bool(np.all(value <= 0)) and _sums_to_one(np.exp(value))


def read(result: Any, shape: tuple[int, ...], equation: int, place: int | None = None) -> Reading | str:
    """Return the result as an array of the shape that ``equation`` needs, or a sentence that says why this fails.

    Of several results of that shape, the one at ``place`` is taken.
    """
    if result is None:
        return "it returns None; does it end with a return?"
    result, notes = pick(result, shape, equation in (1, 3), place)
    if isinstance(result, tuple | list | dict) and any(hasattr(member, "shape") for member in result):
        shapes = ", ".join(str(np.shape(to_numpy(member)[0])) for member in result)
        return f"the shape must be {shape}; got {len(result)} results of shapes {shapes}"
    if np.ma.is_masked(result):
        return f"it must have no masked values; got {np.ma.count_masked(result)}"
    try:
        value, dtype = to_numpy(result)
    except (TypeError, ValueError):
        return f"it must return an array of shape {shape}; got {type(result).__name__}"
    if value.dtype == object:
        return f"it must return an array of shape {shape}; got {type(result).__name__}"
    if np.iscomplexobj(value):
        if np.any(value.imag):
            return "it must be real; got complex numbers"
        value = value.real
    if _squeezed(value.shape, shape) == shape:
        value = value.reshape(shape)
    elif value.ndim == 2 and value.shape == shape[::-1]:
        value, notes = value.T, (*notes, f"returns it transposed, with the shape {value.shape}")
    if value.shape != shape:
        return f"the shape must be {shape}; got {value.shape}" + _reason(value.shape, shape)
    if equation == 1 and is_log_q(value):
        value, notes = np.exp(value), (*notes, "returns log q, which is read as q")
    return Reading(value, dtype, notes)


def _reason(got: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return why a shape may be another one, or ""."""
    if shape == () and got:
        return ": it is not summed"
    if len(got) == 3 and shape in (got[1:], (got[0], got[2])):
        return ": one of the sums is missing"
    return ""
