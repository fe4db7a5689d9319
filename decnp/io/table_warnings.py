"""Warnings about a table that a clustering would suffer from; printed before training, and in the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..utils.rows import LazyRows, Rows, is_mapped
from ..utils.spelling import shell_word
from .column_errors import Column, options
from .raw_table import RawTable

__all__ = ["label_copies", "label_warnings", "raw_warnings", "table_warnings"]

LABEL_LIKE = ("class", "classes", "label", "labels", "target", "species", "category", "y")
SAME_GROUPS = 0.99  # share of the rows of a column that has the groups of the labels
MAX_SPREAD_RATIO = 100  # between the largest and the smallest standard deviation of two columns


def table_warnings(X: Rows, names: Sequence[str]) -> list[str]:
    """Return a sentence for each property of X that makes its clustering worse or slower.

    Parameters
    ----------
    X : array or LazyRows of shape (n, D)
        The table. The columns of ``LazyRows`` are not looked at.
    names : sequence of str
        Names of the columns. Without names, only the order of the values on disk is looked at.

    Returns
    -------
    warnings : list of str

    >>> table_warnings(np.array([[0.0, 9.0], [1.0, 7.0], [0.0, 8.0]]), ["target", "size"])
    ["the column 'target' is trained on like the others; if it holds labels, say --label-column target"]
    """
    if isinstance(X, LazyRows):
        return [*_order_on_disk(X)]
    return [*_columns(X, names), *_scales(X, names)] if names else []


def raw_warnings(table: RawTable, scales: bool) -> list[str]:
    """Return the same for a raw ``table``, with missing numbers and categories.

    ``scales`` says whether the standard deviations of the columns of numbers are compared.
    """
    numbers = [j for j in range(len(table.columns)) if j not in table.words]
    found: list[str] = []
    if table.named and numbers:
        X = np.stack([table.columns[j] for j in numbers], axis=1)
        X = np.where(np.isnan(X), np.nanmean(X, axis=0), X)  # no column is empty
        names = [table.names[j] for j in numbers]
        found = [*_columns(X, names), *(_scales(X, names) if scales else [])]
        gaps = [name for name, j in zip(names, numbers) if 2 * np.isnan(table.columns[j]).sum() > len(X)]
        found += [f"more than half of the numbers of {_listed(gaps)} are filled in; {_drop(gaps)}"] * bool(gaps)
    words = {table.names[j]: _codes(table.columns[j]) for j in sorted(table.words)}
    found += _constant([name for name, column in words.items() if not column.any()])
    counts = {name: np.bincount(column) for name, column in words.items()}
    rare = [f"{(count == 1).sum()} of {len(count)} in {name!r}" for name, count in counts.items() if (count == 1).any()]
    found += [f"some categories occur in one row only: {', '.join(rare[:10])}" + ", ..." * (len(rare) > 10)] * bool(rare)
    return [*found, *label_copies(table.columns, table.names, table.y)]


def label_copies(columns: Sequence[np.ndarray] | np.ndarray, names: Sequence[str], y: np.ndarray | None) -> list[str]:
    """Return a sentence for each column that divides the rows as the labels y (n,) do.

    ``columns`` are arrays (n,), or an array (n, D); ``names`` are the names of the columns.

    >>> label_copies([np.array([2.0, 2.0, 7.0])], ["species_id"], np.array(["cat", "cat", "dog"]))
    ["the column 'species_id' divides the rows as the labels do; if it is a copy of them, say --drop species_id"]
    """
    if y is None or not names or len(np.unique(y)) < 2:
        return []
    of_labels = np.unique(y, return_inverse=True)[1]
    each = columns.T if isinstance(columns, np.ndarray) else columns
    return [f"the column {name!r} divides the rows as the labels do; if it is a copy of them, "
            f"say --drop {shell_word(name)}"
            for name, column in zip(names, each) if _same_groups(_codes(column), of_labels)]


def _codes(column: np.ndarray) -> np.ndarray:
    """Return a whole number for each value of a column (n,), 0, 1, 2, ..., equal for equal values."""
    values = np.array(["" if value is None else value for value in column.tolist()]) if column.dtype == object else column
    return np.unique(values, return_inverse=True)[1]


def _same_groups(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two divisions of n rows are the same, with few exceptions."""
    if a.max() > 2 * b.max() + 2:
        return False
    shared = np.zeros((a.max() + 1, b.max() + 1), int)
    np.add.at(shared, (a, b), 1)
    return bool(min(shared.max(axis=0).sum(), shared.max(axis=1).sum()) >= SAME_GROUPS * len(a))


def label_warnings(y: np.ndarray | None, column: str | None) -> list[str]:
    """Return a sentence if the labels y (n,) have more different values than half of the rows.

    ``column`` is the name of their column, if they have one.

    >>> label_warnings(np.array(["Ohio", "Utah", "Iowa", "Maine"]), "state")
    ["the labels in 'state' have 4 different values in 4 rows; they seem to be names of the rows, not classes"]
    """
    count = 0 if y is None else len(np.unique(y))
    if y is None or len(y) < 4 or count <= len(y) / 2:
        return []
    where = f" in {column!r}" if column else ""
    return [f"the labels{where} have {count} different values in {len(y)} rows; they seem to be names of the rows, "
            "not classes"]


def _order_on_disk(X: LazyRows) -> Iterator[str]:
    if is_mapped(X.source) and not X.source.flags.c_contiguous:
        yield ("the file has one column after the other (Fortran order) and stays on the disk, so that each row "
               "is gathered from all over it, which is slow where memory does not hold it; store it row by row "
               "(C order)")


def _columns(X: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each column that seems to hold labels, or row numbers, and one for constant columns."""
    yield from _constant([name for name, column in zip(names, X.T) if (column == column[0]).all()] if len(X) > 1 else [])
    for name, column in zip(names, X.T):
        if name.lower() in LABEL_LIKE and (column % 1 == 0).all():
            yield (f"the column {name!r} is trained on like the others; if it holds labels, "
                   f"say --label-column {shell_word(name)}")
        if _counts(column):
            yield f"the column {name!r} counts the rows; if that is all it does, say --drop {shell_word(name)}"


def _constant(names: Sequence[str]) -> list[str]:
    """Return a sentence about columns that have one value."""
    if not names:
        return []
    which = f"the columns {_listed(names)} have" if len(names) > 1 else f"the column {names[0]!r} has"
    return [f"{which} the same value in all rows; {_drop(names)}"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _drop(names: Sequence[str]) -> str:
    """Return a clause with the option that leaves columns out."""
    drop = options("--drop", [Column(0, name) for name in names[:10]])
    return f"{drop} leaves {'them' if len(names) > 1 else 'it'} out"


def _counts(column: np.ndarray) -> bool:
    """Return True if each value is that of the row before it plus 1, to rounding."""
    if len(column) < 3:
        return False
    rounding = float(np.spacing(np.abs(column).max()))
    if rounding < 1:
        return bool((np.diff(column) == 1).all())
    counted = np.arange(len(column)) + float(column[0])
    return len(column) > 4 * rounding and bool((np.abs(column - counted) <= rounding).all())


def _scales(X: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence if the standard deviations of the columns differ much, unless all names are numbers."""
    spread = X.std(axis=0, dtype=np.float64)
    varying = np.flatnonzero(spread)
    if not len(varying):
        return
    low, high = varying[spread[varying].argmin()], spread.argmax()
    if spread[high] > MAX_SPREAD_RATIO * spread[low] and not all(name.isdecimal() for name in names):
        yield (f"the columns differ much in scale: the standard deviation of {names[high]!r} is "
               f"{spread[high]:.3g}, that of {names[low]!r} {spread[low]:.3g}; the large ones decide alone, "
               "so standardize the columns first if they have different units")
