"""A user's own files: tables and labels from .npy, .npz, .csv and .txt, and results written aside and renamed.

What is read is checked here, so that whoever trains on it need not: a ``Table`` is finite float32. Nothing
is ever unpickled. Each mistake is a ``DataError`` with one sentence that names the file and the place.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np

from ..exceptions import DataError
from ..utils.rows import BLOCK, LazyRows, Rows, is_mapped
from .atomic import PathLike
from .npy import check_table, npy_layout, read_npy, read_npz, read_npz_labels
from .text import read_csv, read_text_labels

__all__ = ["Table", "read_table", "read_labels", "read_npy"]

TABLES = (".npy", ".npz", ".csv")
MAPPED = 1 << 30  # bytes in float32, from which on an .npy stays on the disk


class Table(NamedTuple):
    """A data set from a file."""

    X: Rows
    """(n, D) float32, finite; n and D are at least 1. An array in C order; of what is sparse or large, ``LazyRows``."""
    y: Optional[np.ndarray]
    """(n,) integers or strings, the labels that the same file holds, or None."""
    names: tuple[str, ...]
    """The names of X's columns, from a .csv with a first line of names; else ()."""


def read_table(path: PathLike, label_column: Optional[str] = None) -> Table:
    """The table in a file of n rows and D columns.

    - ``.npy``: an array (n, D) of numbers. One that takes 1 GiB or more in float32 is checked, and then read through
      a memory map.
    - ``.npz``: its array called X or x, else the only one with two axes; y or labels, (n,), are the labels. Or a
      sparse matrix from ``scipy.sparse.save_npz``, which stays sparse.
    - ``.csv``: numbers between commas (or semicolons, tabs, spaces), in UTF-8. The first line is taken as
      the columns' names if none of its cells is a number, or if they are 0, 1, 2, ..., as pandas writes
      them. The column called ``label_column`` holds the labels; without that, one called label or labels.

    Raises
    ------
    DataError
        If there is no such file or it holds anything else: cells that are not numbers, rows of different
        lengths, NaN or infinite values, values beyond float32, objects, no rows, labels of another length, no
        column of the name ``label_column``.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    ending = ending_of(path, *TABLES)
    y, names = None, ()
    check_label_column(path, ending, label_column)
    if ending == ".csv":
        X, y, names = read_csv(path, label_column)
    elif ending == ".npz":
        X, y = read_npz(path)
    else:
        X = _npy(path)
    X = _as_float32(X, path)
    if y is not None:
        y = _as_labels(y, path)
        if len(y) != len(X):
            raise DataError(f"{path} must hold one label for each of its {len(X)} rows; got {len(y)}")
    return Table(X, y, names)


def read_labels(path: PathLike, n_samples: int) -> np.ndarray:
    """Labels (n_samples,), integers or strings, from a .npy, .npz, .csv or .txt file, one to a line.

    In an .npz: y or labels, else the only array with one axis. In a text file a first line that is no
    whole number above whole numbers, or is one too many and occurs only once, is taken as a name.

    Raises
    ------
    DataError
        If there is no such file, or it does not hold one label for each sample.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    ending = ending_of(path, *TABLES, ".txt")
    if ending == ".npy":
        with open(path, "rb") as file:
            y = read_npy(file, path.stat().st_size, str(path))
    elif ending == ".npz":
        y = read_npz_labels(path)
    else:
        y = read_text_labels(path, n_samples, one_cell=ending == ".txt")
    y = _as_labels(y, path)
    if len(y) != n_samples:
        raise DataError(f"{path} must hold one label for each of the {n_samples} rows; got {len(y)}")
    return y


def ending_of(path, *endings):
    """The ending of a file that is there and holds something; DataError for any other."""
    wanted = f"{', '.join(endings[:-1])} or {endings[-1]} file"
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a {wanted}")
    if not path.exists():
        raise DataError(f"no such file: {path}")
    ending = path.suffix.lower()
    if ending not in endings:
        raise DataError(f"{path} must be a {wanted}; got the ending {ending!r}")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    return ending


def check_label_column(path, ending, label_column):
    """DataError if a column is named for a file that has no names."""
    if label_column is not None and ending != ".csv":
        raise DataError(f"a label column (here {label_column!r}) needs a .csv file with a first line of names; "
                        f"got {path}")


# ---------------------------------------------------------------- what the arrays must be

def _npy(path):
    """The array in the .npy at ``path``; a large table as ``LazyRows`` of a memory map, which takes no memory."""
    with open(path, "rb") as file:
        size = path.stat().st_size
        shape, fortran, dtype = npy_layout(file, size, str(path))
        check_table(shape, dtype, path)
        if math.prod(shape) * 4 >= MAPPED:
            return LazyRows(np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C"), np.float32)
        file.seek(0)
        return read_npy(file, size, str(path))


def _as_float32(X, path):
    """X (n, D) as finite float32, or one sentence that says what is wrong with it."""
    check_table(X.shape, X.dtype, path)
    float32 = np.dtype(np.float32)
    if not isinstance(X, LazyRows):
        return as_finite(X, float32, path)
    source = X.source
    if is_mapped(source):
        for start in range(0, len(X), BLOCK):
            as_finite(source[start : start + BLOCK], float32, path, start)
        return LazyRows(source, float32)
    with np.errstate(over="ignore"):
        data = source.data.astype(float32, copy=False)
    _check_finite(source.data, data, path, lambda at: (
        np.searchsorted(source.indptr, at, "right") - 1, source.indices[at]))
    return LazyRows(type(source)((data, source.indices, source.indptr), shape=source.shape), float32)


def as_finite(X, dtype, path, start=None):
    """X (n, D) in ``dtype``, C-contiguous; DataError if it is not finite there.

    Where X is only a part of what ``path`` holds, it begins with the row ``start`` (counted from 0).
    """
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(X, dtype)
    _check_finite(X, out, path, lambda at: np.unravel_index(at, X.shape), start)
    return out


def _check_finite(X, out, path, place, start=None):
    """DataError if ``out``, which is X in its dtype, is not finite; ``place`` gives row and column of X.flat[at]."""
    if np.isfinite(out).all():
        return
    for what, bad in (("NaN or infinite values", ~np.isfinite(X)), (f"values beyond {out.dtype}", ~np.isfinite(out))):
        if bad.any():
            at = bad.argmax()
            row, column = place(at)
            count = f": {bad.sum()} of them" if start is None else ""
            raise DataError(f"{path} has {what}{count}, the first ({X.flat[at]}) in "
                            f"row {(start or 0) + row + 1}, column {column + 1} (counted from 1)")


def _as_labels(y, path):
    """y (n,) as integers or strings, or one sentence that says what is wrong with it."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{path} must hold one label for each row, in the shape (n,); got {y.shape}")
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y % 1 == 0).all() and (np.abs(y) < 2**53).all():
        return y.astype(np.int64)
    if y.dtype.kind not in "biuSUO":  # O: strings from text; objects from NumPy's files were refused
        raise DataError(f"{path} must hold labels that are whole numbers or strings; got the dtype {y.dtype}"
                        + (" with other numbers in it" if y.dtype.kind == "f" else ""))
    return y
