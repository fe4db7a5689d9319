"""Read tables some rows at a time: a ``.npy`` may be larger than memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import DataError
from ..utils.rows import Rows
from .atomic import PathLike
from .npy import NpyLayout, check_table, npy_layout
from .npz import read_npz
from .os_errors import explain_os_errors
from .streams import begins_as_npy, is_stream, name_of, open_seekable
from .tables import TABLE_SUFFIXES, as_finite, check_suffix, check_text_options
from .text import Choice, all_columns, parse_csv

__all__ = ["RowReader", "open_rows"]


class RowReader:
    """Reader of n rows of D real numbers, n and D at least 1; call ``close()`` after the last read.

    Parameters
    ----------
    name : str
        Name of the file in messages.
    shape : tuple of int
        (n, D).
    dtype : dtype
        Type of the numbers in the file.
    read : callable
        ``read(start, stop)`` returns rows.
    close : callable, default=a function that does nothing
        Called by ``close()``.
    columns : tuple of str, default=()
        Names of the columns.
    notes : sequence of str, default=()
        Sentences about what could have been read in another way.

    Raises
    ------
    DataError
        If the shape or the dtype is not that of a table.
    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype, read: Callable[[int, int], np.ndarray],
                 close: Callable[[], object] = lambda: None, columns: tuple[str, ...] = (),
                 notes: Sequence[str] = ()) -> None:
        self.name, self.shape, self.close, self._read = name, shape, close, read
        self.columns, self.notes = columns, list(notes)
        check_table(shape, dtype, name)

    def blocks(self, size: int, dtype: np.dtype) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (row numbers, rows) for ``size`` rows at a time, in order, as finite ``dtype``.

        Raises DataError at the first block with a value that is not finite, or if the file has become shorter.
        """
        for start in range(0, self.shape[0], size):
            rows = slice(start, min(start + size, self.shape[0]))
            yield rows, as_finite(self._read(rows.start, rows.stop), dtype, self.name, start)


def open_rows(
    source: PathLike, label_column: str | None = None, *, header: bool | None = None, choose: Choice = all_columns,
    known: Sequence[str] = (),
) -> RowReader:
    """Return a reader of the rows in a file or in standard input.

    A ``.npy`` is read block by block, ``.npz`` and ``.csv`` at once; a sparse matrix stays sparse. Labels are not
    read.

    Parameters
    ----------
    source : path-like
        A file that ``decnp.io.tables.read_table`` takes, or "-" for standard input. Standard input and a pipe hold a
        ``.npy`` if they begin like one, else CSV; they are first copied to a temporary file.
    label_column : str, default=None
        Column of a ``.csv`` to leave out.
    header : bool, default=None
        True if the first line of a ``.csv`` holds the names of the columns. None decides as ``read_table`` does.
    choose : callable, default=all_columns
        Function that chooses the columns of a ``.csv``, see ``decnp.io.text.Choice``. The default takes all but the
        labels.
    known : sequence of str, default=()
        Names of the columns that a model was trained on: a first line that has all of them holds names.

    Returns
    -------
    rows : RowReader

    Raises
    ------
    DataError
        If there is no such file or it holds anything else. NaN and infinite values are found when they are read.
    OSError
        If it cannot be read.
    """
    path = Path(source)
    suffix = check_suffix(path, *TABLE_SUFFIXES)
    check_text_options(path, suffix, label_column, header)
    if suffix == ".npy":
        return _open_npy(open(path, "rb"), str(path))
    if suffix == ".npz":
        return _from_memory(str(path), read_npz(path)[0])
    return _open_text_or_stream(path, label_column, header, choose, known)


def _open_text_or_stream(
    path: Path, label_column: str | None, header: bool | None, choose: Choice, known: Sequence[str],
) -> RowReader:
    """Return a reader of a text file, or of a stream, which may hold an .npy too."""
    name, file = name_of(path), open_seekable(path)
    try:
        if is_stream(path) and begins_as_npy(file):
            check_text_options(name, ".npy", label_column, header)
            return _open_npy(file, name)
        table = parse_csv(name, file, label_column, header=header, choose=choose, known=known)
        file.close()
        return _from_memory(name, table.X, table.names, table.notes)
    except BaseException:
        file.close()
        raise


def _from_memory(name: str, X: Rows, columns: tuple[str, ...] = (), notes: Sequence[str] = ()) -> RowReader:
    return RowReader(name, X.shape, X.dtype, lambda start, stop: X[start:stop], columns=columns, notes=notes)


def _open_npy(file: Any, name: str) -> RowReader:
    """Return a reader of an open .npy.

    The file is read, not mapped: if it becomes shorter meanwhile, that is an error and not a crash.
    """
    try:
        layout = npy_layout(file, os.fstat(file.fileno()).st_size, name)
        read = partial(_read_npy_rows, file, name, layout, file.tell())
        return RowReader(name, layout.shape, layout.dtype, read, file.close)
    except BaseException:
        file.close()
        raise


def _read_npy_rows(file: Any, name: str, layout: NpyLayout, first: int, start: int, stop: int) -> np.ndarray:
    """Return the rows from ``start`` to ``stop`` of a table whose values begin at byte ``first``.

    In C order the rows are contiguous in the file; in Fortran order each of the D columns is read on its own.
    """
    n, D = layout.shape
    fortran = layout.fortran_order
    block = np.empty((stop - start, D), layout.dtype, order="F" if fortran else "C")
    for j, piece in enumerate(block.T if fortran else [block.reshape(-1)]):
        at = j * n + start if fortran else start * D
        with explain_os_errors(f"{name} cannot be read", DataError):
            file.seek(first + at * layout.dtype.itemsize)
            count = file.readinto(piece.view(np.uint8))
        if count != piece.nbytes:
            raise DataError(f"{name} has become shorter while it was read")
    return block
