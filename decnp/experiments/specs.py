"""Types of the specifications of an experiment in JSON, and of the records of finished cells."""

from __future__ import annotations

from typing import Any, TypedDict

__all__ = ["CellRecord", "DataSpec", "NetworkSpec", "Results", "Row"]

Row = dict[str, Any]
"""Row of the table of an experiment, as plain data for JSON."""


class _DataName(TypedDict):
    name: str


class DataSpec(_DataName, total=False):
    """Keyword arguments of ``data.load``: a data set and the part of it that an experiment uses."""

    quick: bool
    r_min: float
    seed: int
    part: str


class NetworkSpec(TypedDict):
    """Specification of an autoencoder, and of DEC that starts from it."""

    hidden: list[int]
    """Widths of the encoder's layers."""
    profile: dict[str, Any]
    """Fields of a ``decnp.Profile``."""
    seed: int
    """``random_state`` of ``DEC``."""


class CellRecord(TypedDict):
    """Contents of the file of a finished cell."""

    name: str
    recipe: dict[str, Any]
    result: dict[str, Any]
    warnings: list[str]
    minutes: float
    cpu_minutes: float
    date: str
    versions: dict[str, str]
    machine: dict[str, Any]


Results = dict[str, CellRecord]
"""Records of finished cells, by the names of the cells."""
