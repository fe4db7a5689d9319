"""Read a cell of a text table: a number, true or false, or a missing value."""

from __future__ import annotations

import re

__all__ = [
    "DECIMAL_COMMA", "MISSING", "POINT_THOUSANDS", "TRUE_FALSE", "as_number", "is_bare_integer", "is_missing", "is_number",
    "is_true_or_false", "looks_like_number",
]

MISSING = frozenset(["", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "."])
"""Words for a missing value, in lower case."""

TRUE_FALSE = {"true": 1.0, "false": 0.0}
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.I)
POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?")
"""Number whose points separate thousands if the comma is the decimal sign."""


def is_number(cell: str) -> bool:
    """Return whether a cell is a number as Python reads it, without underscores."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def as_number(cell: str, decimal: str = ".") -> float | None:
    """Return the number in a cell, 1 for true, 0 for false, and None for other words.

    With "," for ``decimal``, numbers may have a decimal comma, and those whose points may separate thousands are None.

    >>> as_number(" 1e3"), as_number("True"), as_number("1_000"), as_number("1,5", ",")
    (1000.0, 1.0, None, 1.5)
    >>> as_number("1.007"), as_number("1.007", ","), as_number("1.07", ",")
    (1.007, None, 1.07)
    """
    if decimal == "," and POINT_THOUSANDS.fullmatch(cell.strip()):
        return None
    if decimal == "," and DECIMAL_COMMA.fullmatch(cell.strip()):
        cell = cell.replace(",", ".")
    return float(cell) if is_number(cell) else TRUE_FALSE.get(cell.strip().lower())


def is_bare_integer(cell: str) -> bool:
    """Return whether a cell holds digits alone, with or without a sign."""
    return cell.strip().lstrip("+-").isdecimal()


def is_missing(cell: str) -> bool:
    """Return whether a cell is empty or a word for a missing value."""
    return cell.strip().lower() in MISSING


def is_true_or_false(cell: str) -> bool:
    """Return whether a cell is true or false, in any case."""
    return cell.strip().lower() in TRUE_FALSE


def looks_like_number(cell: str) -> bool:
    """Return whether a cell is a number, also with a decimal comma."""
    return is_number(cell) or DECIMAL_COMMA.fullmatch(cell.strip()) is not None
