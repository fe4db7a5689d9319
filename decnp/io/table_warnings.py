"""Warnings about a table that a clustering would suffer from; printed before training, and in the report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from ..utils.rows import LazyRows, Rows, is_mapped

__all__ = ["label_warnings", "table_warnings"]

LABEL_LIKE = ("class", "classes", "label", "labels", "target", "species", "category", "y")
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
    """Yield a sentence for each column that seems to hold labels, or row numbers."""
    for name, column in zip(names, X.T):
        if name.lower() in LABEL_LIKE and (column % 1 == 0).all():
            yield (f"the column {name!r} is trained on like the others; if it holds labels, "
                   f"say --label-column {shlex.quote(name)}")
        if _counts(column):
            yield f"the column {name!r} counts the rows; if that is all it does, say --drop {shlex.quote(name)}"


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
