"""Read tables and labels from ``.npy``, ``.npz`` and text files, standard input and pipes.

Everything is checked when it is read: a ``Table`` is finite, in float32 where that suffices. Nothing is unpickled.
Each mistake is a ``DataError`` with one sentence that names the file and the place in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import DataError
from ..utils.rows import BLOCK, LazyRows, Rows, blocks, is_mapped
from ..utils.spelling import shell_word
from .atomic import PathLike
from .cells import is_missing
from .column_choice import ColumnChoice
from .npy import check_table, npy_layout, read_npy
from .npz import read_npz, read_npz_labels
from .precision import float32_suffices
from .streams import begins_as_npy, is_stream, name_of, open_seekable
from .text import CsvTable, parse_csv, read_text_labels

__all__ = ["Table", "as_labels", "as_table", "labels_of", "read_table", "read_labels", "read_npy"]

TABLE_SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".txt")
TEXT_SUFFIXES = TABLE_SUFFIXES[2:]
"""All of them are read as ``.csv``, also with a further ``.gz``."""
MMAP_THRESHOLD = 1 << 30  # bytes in float32; an .npy of this size or more is not read into memory


class Table(NamedTuple):
    """A data set from a file."""

    X: Rows
    """(n, D), finite; n and D are at least 1. An array in C order; sparse or large tables are ``LazyRows``.

    float32, or float64 if ``precision.float32_suffices`` is False.
    """
    y: np.ndarray | None
    """(n,) integers or strings, the labels in the same file, or None."""
    names: tuple[str, ...]
    """Names of the columns of X, from a .csv with a first line of names; else ()."""
    notes: list[str]
    """Sentences about what could have been read in another way."""
    left_out: tuple[str, ...] = ()
    """Names of the columns of a .csv that are not in X: labels and dropped ones; "1", "2", ... if they have none."""
    label_column: str | None = None
    """Name of the column of a .csv that holds the labels, or None without such a column."""


def read_table(
    path: PathLike, label_column: str | None = None, *, header: bool | None = None, drop: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Table:
    """Return the table in a file of n rows and D columns.

    - ``.npy``: an array (n, D) of numbers. An array of 1 GiB or more in float32 is checked, then read through a
      memory map.
    - ``.npz``: its array called X or x, else the only one with two axes; y or labels, (n,) or (n, 1), are the labels. A
      sparse matrix from ``scipy.sparse.save_npz`` stays sparse.
    - ``.csv``, ``.tsv``, ``.txt``, each with ``.gz`` too: numbers between commas (or semicolons, tabs, spaces, ``|``), in
      UTF-8; "true" and "false" are 1 and 0. Lines above the table that begin with "#" and a line ``sep=;`` are
      skipped.

    Parameters
    ----------
    path : path-like
        The file. "-" is standard input. That and a pipe may hold what a ``.csv`` or an ``.npy`` holds.
    label_column : str, default=None
        Column of a ``.csv`` that holds the labels. None takes one called label or labels, if there is one.
    header : bool, default=None
        True if the first line of a ``.csv`` holds the names of the columns. None decides from the first lines:
        words are names, also among numbers if the cells below them are numbers; numbers are names if the lines
        below show that they are not a row, as for years, wavelengths or 0, 1, 2, ... Otherwise the line is a row.
    drop : sequence of str, default=()
        Columns of a ``.csv`` to leave out, by name, or several names with commas between them. Columns without names
        are numbered from 1.
    columns : sequence of str, default=()
        Columns of a ``.csv`` to read, likewise; () reads all that are not dropped.

    Returns
    -------
    table : Table
        X, y, the names of the columns, and notes on how the file was read.

    Raises
    ------
    DataError
        If there is no such file or it holds anything else: cells that are not numbers, rows of different
        lengths, NaN or infinite values, values beyond float32, objects, no rows, labels of another length, no
        column of the name ``label_column`` or of those in ``drop`` and ``columns``. One error names all columns that
        hold anything but numbers.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    suffix = check_suffix(path, *TABLE_SUFFIXES)
    check_text_options(path, suffix, label_column, header, drop, columns)
    if suffix == ".csv":
        table = _read_text_or_stream(path, label_column, header, drop, columns)
    elif suffix == ".npz":
        X, y, notes = read_npz(path)
        table = Table(X, None if y is None else as_labels(y, path), (), notes)
    else:
        table = Table(_read_or_map(path), None, (), [])
    table = table._replace(X=as_table(table.X, Path(name_of(path))))
    if table.y is not None and len(table.y) != len(table.X):
        raise DataError(f"{path} must hold one label for each of its {len(table.X)} rows; got {len(table.y)}")
    return table


def _read_text_or_stream(
    path: Path, label_column: str | None, header: bool | None, drop: Sequence[str], columns: Sequence[str],
) -> Table:
    """Return the table in a text file, or in a stream, which may hold an .npy too."""
    name = name_of(path)
    with open_seekable(path) as file:
        if not is_stream(path) or not begins_as_npy(file):
            choice = ColumnChoice(name, drop, columns)
            csv = parse_csv(name, file, label_column, header=header, choose=choice, asked=choice.asked, for_fit=True)
            y = labels_of(csv, name, label_column)
            return Table(csv.X, y, csv.names, csv.notes, csv.left_out, csv.label_column)
        check_text_options(name, ".npy", label_column, header, drop, columns)
        return Table(read_npy(file, os.fstat(file.fileno()).st_size, name), None, (), [])


def read_labels(path: PathLike, n_samples: int) -> np.ndarray:
    """Return the labels in a ``.npy``, ``.npz``, ``.csv`` or ``.txt`` file, one to a line in text.

    In an ``.npz``: y or labels, else the only array with one axis. The first line of a text file is taken as a name
    in two cases: all other lines are whole numbers and it is not, or it is one line too many and occurs only once.

    Parameters
    ----------
    path : path-like
        The file.
    n_samples : int
        Number of labels that the file must hold.

    Returns
    -------
    y : array of shape (n_samples,)
        Integers or strings.

    Raises
    ------
    DataError
        If there is no such file, or it does not hold one label for each sample.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    suffix = check_suffix(path, ".npy", ".npz", ".csv", ".txt")
    if suffix == ".npy":
        with open(path, "rb") as file:
            y = read_npy(file, path.stat().st_size, str(path))
    elif suffix == ".npz":
        y = read_npz_labels(path)
    else:
        y = read_text_labels(path, n_samples, one_cell=suffix == ".txt")
    y = as_labels(y, path)
    if len(y) != n_samples:
        raise DataError(f"{path} must hold one label for each of the {n_samples} rows; got {len(y)}")
    return y


def check_suffix(path: Path, *suffixes: str) -> str:
    """Return the suffix of an existing file in lower case; raise DataError unless it is one of ``suffixes``.

    It is ".csv" for a table in text, with or without ".gz", and for a table in a stream, whatever their names.
    """
    tables = ".tsv" in suffixes
    if tables and is_stream(path):
        return ".csv"
    wanted = f"{', '.join(suffixes[:-1])} or {suffixes[-1]} file"
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a {wanted}")
    if not path.exists():
        raise DataError(f"no such file: {path}")
    suffix = path.suffix.lower()
    if tables and suffix == ".gz":
        suffix = "".join(path.suffixes[-2:]).lower()
        suffix = suffix[:-3] if suffix[:-3] in TEXT_SUFFIXES else suffix
    if suffix not in suffixes:
        raise DataError(f"{path} must be a {wanted}; got the ending {suffix!r}")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    return ".csv" if tables and suffix in TEXT_SUFFIXES else suffix


def check_text_options(
    name: PathLike, suffix: str, label_column: str | None, header: bool | None = None, drop: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> None:
    """Raise DataError if there are options for a text file, and the file is another one."""
    if suffix == ".csv":
        return
    if label_column is not None:
        raise DataError(f"a label column (here {label_column!r}) needs a .csv file with a first line of names; got {name}")
    for option, value in (("--drop", drop or None), ("--columns", columns or None), ("--header", header)):
        if value is not None:
            raise DataError(f"{option} is for a .csv file; got {name}")


# ---------------------------------------------------------------- checks of the arrays

def as_finite(
    X: np.ndarray, dtype: np.dtype, name: object, start: int | None = None, counted: str = "counted from 1",
) -> np.ndarray:
    """Return X (n, D) in ``dtype``, C-contiguous; raise DataError if a value is not finite there.

    If X is a block of the rows in the file ``name``, ``start`` is its first row, counted from 0. ``counted`` says how the
    message counts.
    """
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(X, dtype)
    _check_finite(X, out, name, lambda at: np.unravel_index(at, X.shape), start, counted)
    return out


def _read_or_map(path: Path) -> Rows:
    """Return the array in the .npy at ``path``; a large table as ``LazyRows`` of a memory map."""
    with open(path, "rb") as file:
        size = path.stat().st_size
        layout = npy_layout(file, size, str(path))
        check_table(layout.shape, layout.dtype, path)
        if layout.shape[0] * layout.shape[1] * 4 >= MMAP_THRESHOLD:
            order: Any = "F" if layout.fortran_order else "C"
            return LazyRows(np.memmap(file, layout.dtype, "r", file.tell(), layout.shape, order), np.float32)
        file.seek(0)
        return read_npy(file, size, str(path))


def as_table(X: Rows, path: Path) -> Rows:
    """Return X (n, D) as finite float32, or float64 where it needs that.

    Raises DataError, with the name ``path``, if it is not a table of such numbers.
    """
    check_table(X.shape, X.dtype, path)
    dtype = np.dtype(np.float32 if float32_suffices(X) else np.float64)
    if not isinstance(X, LazyRows):
        return as_finite(X, dtype, path)
    source = X.source
    if is_mapped(source):
        for i, block in enumerate(blocks(source)):
            as_finite(block, dtype, path, i * BLOCK)
        return LazyRows(source, dtype)
    with np.errstate(over="ignore"):
        data = source.data.astype(dtype, copy=False)
    _check_finite(source.data, data, path, lambda at: (
        np.searchsorted(source.indptr, at, "right") - 1, source.indices[at]))
    return LazyRows(type(source)((data, source.indices, source.indptr), shape=source.shape), dtype)


def _check_finite(
    X: np.ndarray, out: np.ndarray, name: object, position: Callable[[Any], tuple[Any, ...]], start: int | None = None,
    counted: str = "counted from 1",
) -> None:
    """Raise DataError unless ``out``, which is X in another dtype, is finite.

    ``position(at)`` returns row and column of ``X.flat[at]``.
    """
    if np.isfinite(out).all():
        return
    for what, bad in (("NaN or infinite values", ~np.isfinite(X)), (f"values beyond {out.dtype}", ~np.isfinite(out))):
        if bad.any():
            at = bad.argmax()
            row, column = position(at)
            count = f": {bad.sum()} of them" if start is None else ""
            raise DataError(f"{name} has {what}{count}, the first ({X.flat[at]}) in "
                            f"row {(start or 0) + row + 1}, column {column + 1} ({counted})")


def labels_of(csv: CsvTable, name: str, label_column: str | None) -> np.ndarray | None:
    """Return the labels (n,) in ``csv``, the text table ``name``, or None; raise DataError as ``as_labels`` does.

    ``label_column`` is the column that the user names as the labels. Without one, the error says which column is taken.
    """
    try:
        return None if csv.labels is None else as_labels(csv.labels, Path(name))
    except DataError as error:
        if label_column is not None or csv.label_column is None:
            raise
        raise DataError(f"{error}; the column {csv.label_column!r} is taken as the labels "
                        f"(--drop {shell_word(csv.label_column)} leaves it out, and --columns with its name trains on it)"
                        ) from None


def as_labels(y: np.ndarray, path: Path) -> np.ndarray:
    """Return y (n,) as integers or strings; raise DataError, with the name ``path``, if it holds anything else."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{path} must hold one label for each row, in the shape (n,); got {y.shape}")
    found: list[Any] = y.tolist() if y.dtype.kind in "fSUO" else []
    for i, label in enumerate(found):
        word = label.decode("latin-1") if isinstance(label, bytes) else str(label)
        if is_missing(word):
            raise DataError(f"{path}: the label in row {i + 1} (counted from 1) is missing ({word!r})")
        if y.dtype.kind == "f" and not (label % 1 == 0 and abs(label) < 2**53):
            raise DataError(f"{path} must hold labels that are whole numbers or strings; got {label} in row {i + 1} "
                            "(counted from 1)")
    if y.dtype.kind not in "biufSUO":  # O: strings from text; objects from NumPy's files were refused
        raise DataError(f"{path} must hold labels that are whole numbers or strings; got the dtype {y.dtype}")
    return y.astype(np.int64) if y.dtype.kind == "f" else y
