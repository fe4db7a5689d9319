"""A state object as JSON data and arrays: the content of a checkpoint.

``to_tree`` turns dataclasses, named tuples, arrays and random generators into plain data; ``from_tree`` restores them.
Nothing in the data is executed: they can name only the classes that the caller gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["from_tree", "to_tree"]

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def to_tree(value: Any, arrays: dict[str, np.ndarray], name: str = "") -> Any:
    """Return ``value`` as JSON data; its arrays are added to ``arrays`` and replaced by their names.

    ``name`` is the beginning of these names.
    An object is a dataclass or a named tuple, or has ``to_arrays`` and ``from_arrays``. An array that occurs twice is
    stored once.
    """
    if isinstance(value, np.ndarray):
        name = next((stored for stored, array in arrays.items() if array is value), name)
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.random.Generator):
        return {"generator": to_tree(value.bit_generator.state, arrays, name)}
    content = _fields_of(value)
    if content is not None:
        return {"class": type(value).__name__, "fields": to_tree(content, arrays, name)}
    if isinstance(value, Mapping):
        return {key: to_tree(item, arrays, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_tree(item, arrays, f"{name}.{i}") for i, item in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def from_tree(tree: Any, arrays: Mapping[str, np.ndarray], classes: Mapping[str, type]) -> Any:
    """Return the object that ``to_tree`` turned into ``tree`` and ``arrays``; KeyError for a class not in ``classes``."""
    if isinstance(tree, list):
        return [from_tree(item, arrays, classes) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.keys() == {"array"}:
        return arrays[tree["array"]]
    if tree.keys() == {"generator"}:
        return _generator(from_tree(tree["generator"], arrays, classes))
    if tree.keys() == {"class", "fields"}:
        cls: Any = classes[tree["class"]]
        content = from_tree(tree["fields"], arrays, classes)
        return getattr(cls, "from_arrays", cls)(**content)
    return {key: from_tree(item, arrays, classes) for key, item in tree.items()}


def _fields_of(value: Any) -> dict[str, Any] | None:
    """Return the content of an object by name, or None for plain data."""
    if hasattr(value, "to_arrays"):
        return value.to_arrays()
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value._asdict() if hasattr(value, "_asdict") else None


def _generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a random generator in ``state``; KeyError for a bit generator that NumPy does not have."""
    name = state["bit_generator"]
    if name not in GENERATORS:
        raise KeyError(name)
    bit_generator = getattr(np.random, name)()
    bit_generator.state = state
    return np.random.Generator(bit_generator)
