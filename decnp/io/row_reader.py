"""Tables that are read some rows at a time: an .npy may be larger than memory."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike
from .npy import check_table, npy_layout, read_npz
from .tables import TABLES, as_finite, check_label_column, ending_of
from .text import read_csv_words

__all__ = ["RowReader", "open_rows"]

MAGIC = b"\x93NUMPY"


class RowReader:
    """n rows of D real numbers, n and D at least 1. Close it when it is no longer read."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype, read: Callable[[int, int], np.ndarray],
                 close: Callable[[], object] = lambda: None):
        """``read(start, stop)`` gives rows; ``name`` is for messages. DataError if the shape or dtype is wrong."""
        self.name, self.shape, self.close, self._read = name, shape, close, read
        check_table(shape, dtype, name)

    def blocks(self, size: int, dtype: np.dtype) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows in order, ``size`` at a time, as finite ``dtype``: (which rows, X of their shape).

        Raises DataError at the first rows that are not finite, or are not there any more.
        """
        for start in range(0, self.shape[0], size):
            rows = slice(start, min(start + size, self.shape[0]))
            yield rows, as_finite(self._read(rows.start, rows.stop), dtype, self.name, start)


def open_rows(source: PathLike, label_column: Optional[str] = None) -> RowReader:
    """The rows of a file as ``decnp.io.tables.read_table`` takes it, or of standard input, "-". No labels.

    An ``.npy`` is read when its rows are asked for, ``.npz`` and ``.csv`` at once; a sparse matrix stays
    sparse. Standard input is an ``.npy``, known by its first bytes, or else CSV; it is first put aside in a temporary
    file. A ``.csv`` is read without its ``label_column``.

    Raises
    ------
    DataError
        If there is no such file or it holds anything else. NaN and infinite values are found when they are read.
    OSError
        If it cannot be read.
    """
    if str(source) == "-":
        return _standard_input(label_column)
    path = Path(source)
    ending = ending_of(path, *TABLES)
    check_label_column(path, ending, label_column)
    if ending == ".npy":
        return _npy(open(path, "rb"), str(path))
    return _in_memory(str(path), read_npz(path)[0] if ending == ".npz" else
                      read_csv_words(path, label_column=label_column)[0])


def _standard_input(label_column):
    name = "standard input"
    if sys.stdin is None:
        raise DataError(f"{name} is closed")
    file = tempfile.TemporaryFile()
    try:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.seek(0)
        head = file.read(len(MAGIC))
        file.seek(0)
        if not head:
            raise DataError(f"{name} is empty")
        if head == MAGIC:
            check_label_column(name, ".npy", label_column)
            return _npy(file, name)
        return _in_memory(name, read_csv_words(name, file, label_column)[0])
    except BaseException:
        file.close()
        raise


def _in_memory(name, X):
    return RowReader(name, X.shape, X.dtype, lambda start, stop: X[start:stop])


def _npy(file: Any, name: str) -> RowReader:
    """The rows of an open .npy. It is read, not mapped: a file that shrinks meanwhile is an error and no crash."""
    try:
        shape, fortran, dtype = npy_layout(file, os.fstat(file.fileno()).st_size, name)
        first = file.tell()

        def read(start, stop):
            """Row by row the values lie in one piece, column by column in D."""
            block = np.empty((stop - start, shape[1]), dtype, order="F" if fortran else "C")
            pieces = enumerate(block.T) if fortran else [(0, block.reshape(-1))]
            for j, piece in pieces:
                at = j * shape[0] + start if fortran else start * shape[1]
                try:
                    file.seek(first + at * dtype.itemsize)
                    there = file.readinto(piece.view(np.uint8))
                except OSError as error:
                    raise DataError(f"{name} cannot be read: {error.strerror or error}") from error
                if there != piece.nbytes:
                    raise DataError(f"{name} has become shorter while it was read")
            return block

        return RowReader(name, shape, dtype, read, file.close)
    except BaseException:
        file.close()
        raise
