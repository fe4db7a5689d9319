"""Decide whether the first line of a text table holds the names of its columns or a row.

A line of words is a line of names. That is reported if one of the words occurs again in its column. For a line of numbers,
such as years, wavelengths or 0, 1, 2, ..., the lines below decide. If they do not show it, the line is a row, so that no row
is lost, and the choice is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from .cells import is_bare_integer, is_missing, is_number, is_true_or_false

__all__ = ["LABEL_NAMES", "FirstLine", "decide"]

LABEL_NAMES = ("label", "labels")


class FirstLine(NamedTuple):
    """Result of ``decide``."""

    is_names: bool
    """True if the line holds names."""
    is_ambiguous: bool
    """True if the line can be read in both ways, which is reported."""


def decide(
    cells: Sequence[str], rows: Sequence[Sequence[str]], asked: Collection[str] = (), known: Collection[str] = (),
) -> FirstLine:
    """Return a ``FirstLine`` for the cells of the first line of a table.

    Parameters
    ----------
    cells : sequence of str
        Cells of the line, without blanks around them.
    rows : sequence of sequences of str
        Some of the lines below it. Lines with another number of cells are ignored.
    asked : collection of str, default=()
        Columns that the user has named.
    known : collection of str, default=()
        Names of the columns that a model was trained on.

    Returns
    -------
    first : FirstLine
        Decision.

    Examples
    --------
    >>> rows = [["0.12", "0.31", "0.28"], ["0.11", "0.35", "0.27"], ["0.10", "0.33", "0.22"]]
    >>> decide(["400", "410", "420"], rows)
    FirstLine(is_names=True, is_ambiguous=True)
    >>> decide(["0.4", "0.1", "0.3"], rows)
    FirstLine(is_names=False, is_ambiguous=False)
    """
    if known and set(known) <= {*cells}:
        return FirstLine(True, False)
    rows = [row for row in rows if len(row) == len(cells)]
    words = [j for j, cell in enumerate(cells) if not (is_number(cell) or is_missing(cell) or is_true_or_false(cell))]
    if words:
        named = any(cell.lower() in LABEL_NAMES for cell in cells) or any(cells[j] in asked for j in words)
        return _decide_with_words(cells, rows, words, named)
    distinct = len({*cells}) == len(cells) > 1
    if distinct and not cells[0] and rows and not any(is_missing(row[0]) for row in rows):
        return FirstLine(True, False)  # pandas and R: row numbers below a blank name, then names that are numbers
    if not distinct or not all(map(is_number, cells)):
        return FirstLine(False, False)
    values = np.array(cells, float)
    if not np.isfinite(values).all():
        return FirstLine(False, False)
    integers = all(map(is_bare_integer, cells))
    is_names = bool(rows) and _numbers_are_names(cells, values, integers, rows)
    return FirstLine(is_names, is_names or integers or _is_regular(values))


def _decide_with_words(
    cells: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int], named: bool,
) -> FirstLine:
    """Return the decision for a line in which the columns ``words`` are words."""
    numbers = [j for j, cell in enumerate(cells) if is_number(cell) and np.isfinite(float(cell))]
    if named or len(words) == len(cells):
        recurs = any(cell in map(str.strip, column) for cell, column in zip(cells, zip(*rows)))
        return FirstLine(True, recurs and not named)
    if len({*cells}) < len(cells) or not (rows or not numbers):
        return FirstLine(False, False)
    above_numbers = [j for j in words if _is_of_numbers([row[j] for row in rows])]
    if not numbers or len(above_numbers) > len(numbers):
        return FirstLine(True, any(map(is_number, cells)))
    values = np.array([float(cells[j]) for j in numbers])
    if len(numbers) > 1:
        below = [[row[j] for j in numbers] for row in rows]
        if _numbers_are_names([cells[j] for j in numbers], values, all(is_bare_integer(cells[j]) for j in numbers), below):
            return FirstLine(True, True)
    return FirstLine(False, False)


def _is_of_numbers(column: Sequence[str]) -> bool:
    """Return True if a column holds numbers and missing values alone."""
    return any(map(is_number, column)) and all(is_number(cell) or is_missing(cell) for cell in column)


def _numbers_are_names(
    cells: Sequence[str], values: np.ndarray, integers: bool, rows: Sequence[Sequence[str]],
) -> bool:
    """Return True if different numbers are names rather than the first of ``rows``."""
    X = np.array([[float(cell) if is_number(cell) else np.nan for cell in row] for row in rows])
    if _continues(values, X) or any(np.array_equal(np.sort(row), np.sort(values)) for row in X):
        return False
    counting, outlying = _counts(cells), _is_outlying(values, X)
    if integers and X.size >= 6 and not any(is_bare_integer(cell) for row in rows for cell in row):
        # Programs write all cells of a column of floats with a point.
        return counting or _is_regular(values) or outlying
    if counting and len(cells) >= 5 and len(rows) > 1:
        return True
    return _is_regular(values) and outlying and not any(map(_is_regular, X))


def _counts(cells: Sequence[str]) -> bool:
    """Return True if the cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    return list(cells) in ([str(j + start) for j in range(len(cells))] for start in (0, 1))


def _is_regular(values: np.ndarray) -> bool:
    """Return True if three numbers or more have equal steps, or eight or more rise or fall."""
    steps = np.diff(values)
    if len(values) < 3 or not np.isfinite(steps).all():
        return False
    if len(values) >= 8 and ((steps > 0).all() or (steps < 0).all()):
        return True
    return bool(steps[0] and np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def _is_outlying(values: np.ndarray, X: np.ndarray) -> bool:
    """Return True if most of the values are far outside the range of their column in X, of three rows or more."""
    if len(X) < 3 or np.isnan(X).all(axis=0).any():
        return False
    low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((np.abs(values - (low + high) / 2) > high - low).mean() > 0.5)


def _continues(values: np.ndarray, X: np.ndarray) -> bool:
    """Return True if a fifth of the columns of X, or one, continues the first value in equal steps."""
    if len(X) < 3:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.diff(np.vstack([values, X]), axis=0)
        even = (steps[0] != 0) & np.isclose(steps, steps[0], rtol=1e-6, atol=0).all(axis=0)
    return bool(even.sum() * 5 > len(values) or (len(values) < 5 and even.any()))
