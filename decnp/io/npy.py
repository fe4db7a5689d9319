"""Read arrays from ``.npy`` files, without unpickling and without more memory than the file has bytes."""

from __future__ import annotations

import math
import tokenize
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from ..exceptions import DataError

__all__ = ["NpyLayout", "check_table", "npy_layout", "read_npy", "read_npy_header"]

READ_SIZE = 1 << 20  # bytes per read
BROKEN_HEADER = (ValueError, KeyError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError,
                 tokenize.TokenError)


class NpyLayout(NamedTuple):
    """Layout of the array in a ``.npy`` file, from its header."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Number of bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(file: Any, size: int, name: str) -> np.ndarray:
    """Return the array in ``file``, an open ``.npy`` of ``size`` bytes.

    Arrays of Python objects are refused. No more memory is allocated than there are bytes in the file.

    Raises
    ------
    DataError
        If ``file`` does not hold exactly one array of numbers, strings or dates. The message calls it ``name``.
    """
    layout = npy_layout(file, size, name)
    content = np.empty(layout.nbytes, np.uint8)
    view, done = content.data, 0
    while done < layout.nbytes:
        count = file.readinto(view[done : done + READ_SIZE])
        if not count:
            raise DataError(f"{name} is damaged: it ends after {done} of {layout.nbytes} bytes of data")
        done += count
    return content.view(layout.dtype).reshape(layout.shape, order="F" if layout.fortran_order else "C")


def npy_layout(file: Any, size: int, name: str) -> NpyLayout:
    """Return the layout of the ``.npy`` in ``file``; leave ``file`` at the first value.

    Raises DataError, with ``name``, for Python objects and for cells that are arrays, and if the header and ``size``
    disagree about the number of bytes.
    """
    layout = read_npy_header(file, name)
    if layout.dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are never loaded; save it with a dtype of numbers")
    if layout.dtype.subdtype is not None:  # np.save writes no such header
        raise DataError(f"{name} is damaged: its header announces the dtype {layout.dtype}, an array in each cell")
    there = size - file.tell()
    if layout.nbytes != there or not layout.dtype.itemsize:
        raise DataError(f"{name} is damaged: its header announces {layout.nbytes} bytes of data, and {there} are there")
    return layout


def read_npy_header(file: Any, name: str) -> NpyLayout:
    """Return the layout that the header of a ``.npy`` announces, without a check; leave ``file`` at the first value.

    Raises DataError, with ``name``, if the header cannot be read.
    """
    try:
        version = npy_format.read_magic(file)
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "additional header parsing": the file is from Python 2
            shape, fortran_order, dtype = read(file)
    except BROKEN_HEADER as error:
        raise DataError(f"{name} is damaged, or is not a .npy array of numbers: its header cannot be read") from error
    if min(shape, default=0) < 0:
        raise DataError(f"{name} is damaged: its header announces the shape {shape}")
    return NpyLayout(tuple(map(int, shape)), fortran_order, dtype)


def check_table(shape: tuple[int, ...], dtype: np.dtype, name: object) -> None:
    """Raise DataError, with ``name``, unless ``shape`` and ``dtype`` are those of a table.

    A table holds (n, D) real numbers, n and D at least 1.
    """
    if dtype.kind not in "biuf":
        raise DataError(f"{name} must hold real numbers; got the dtype {dtype}")
    if len(shape) != 2:
        hint = "X.reshape(len(X), -1) makes a row of each sample" if shape[2:] else "X.reshape(-1, 1) makes a column"
        raise DataError(f"{name} must have the shape (n, D), one row for each sample; got {shape}; {hint}")
    if 0 in shape:
        raise DataError(f"{name} must have at least one row and one column; got the shape {shape}")
