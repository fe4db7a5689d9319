"""What a table with named columns may have that does a clustering no good; said before training, and in the report."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from ..utils.rows import LazyRows, Rows, is_mapped

__all__ = ["table_warnings"]

LIKE_LABELS = ("class", "classes", "label", "labels", "target", "species", "category", "y")
RATIO = 100  # between the largest and the smallest standard deviation of two columns


def table_warnings(X: Rows, names: Sequence[str]) -> list[str]:
    """A sentence for each doubt about X (n, D), whose columns are called ``names``; without names, only about
    how it lies on the disk.

    >>> table_warnings(np.array([[0.0, 9.0], [1.0, 7.0], [0.0, 8.0]]), ["target", "size"])
    ["the column 'target' is trained on like the others; if it holds labels, say --label-column target"]
    """
    found: list[str] = []
    if isinstance(X, LazyRows) and is_mapped(X.source) and not X.source.flags.c_contiguous:
        found.append("the file has one column after the other (Fortran order) and stays on the disk, so that each row "
                     "is gathered from all over it, which is slow where memory does not hold it; store it row by row "
                     "(C order)")
    if isinstance(X, LazyRows) or not names:
        return found
    for name, column in zip(names, X.T):
        if name.lower() in LIKE_LABELS and (column % 1 == 0).all():
            found.append(f"the column {name!r} is trained on like the others; if it holds labels, "
                         f"say --label-column {name}")
        if len(column) > 2 and (np.diff(column) == 1).all():
            found.append(f"the column {name!r} counts the rows; if that is all it does, leave it out of the file")
    spread = X.std(axis=0, dtype=np.float64)
    few = np.flatnonzero(spread)
    if len(few):
        low, high = few[spread[few].argmin()], spread.argmax()
        if spread[high] > RATIO * spread[low] and not all(name.isdecimal() for name in names):
            found.append(f"the columns differ much in scale: the standard deviation of {names[high]!r} is "
                         f"{spread[high]:.3g}, that of {names[low]!r} {spread[low]:.3g}; the large ones decide alone, "
                         "so standardise the columns first if they have different units")
    return found
