"""Arrays in NumPy's own files, .npy and .npz: read without unpickling anything, and no more memory than bytes."""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
import zlib
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ..exceptions import DataError

__all__ = ["check_table", "npy_layout", "read_arrays", "read_npy", "read_npz", "read_npz_labels"]

CHUNK = 1 << 20  # bytes read at a time
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError)


def read_npy(file: Any, size: int, name: str) -> np.ndarray:
    """The array in ``file``, an open .npy of ``size`` bytes. DataError, calling it ``name``, if it holds no other.

    Objects are refused, and memory is taken only for as many bytes as are there.
    """
    shape, fortran, dtype = npy_layout(file, size, name)
    n_bytes = math.prod(shape) * dtype.itemsize
    content = np.empty(n_bytes, np.uint8)
    view, done = content.data, 0
    while done < n_bytes:
        count = file.readinto(view[done : done + CHUNK])
        if not count:
            raise DataError(f"{name} is damaged: it ends after {done} of {n_bytes} bytes of data")
        done += count
    return content.view(dtype).reshape(shape, order="F" if fortran else "C")


def npy_layout(file, size, name):
    """shape, Fortran order and dtype of the .npy in ``file``, whose ``size`` bytes hold all of its values.

    Leaves ``file`` at the first value. DataError for objects, or for another number of bytes than the header announces.
    """
    shape, fortran, dtype = _npy_header(file, name)
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are never loaded; save it with a dtype of numbers")
    n_bytes, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if n_bytes != there or not dtype.itemsize:
        raise DataError(f"{name} is damaged: its header announces {n_bytes} bytes of data, and {there} are there")
    return shape, fortran, dtype


def _npy_header(file, name):
    """shape, Fortran order and dtype from the header of an .npy; leaves ``file`` at its first value."""
    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "additional header parsing": the file is from Python 2
            shape, fortran, dtype = read(file)
    except (ValueError, KeyError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError,
            tokenize.TokenError) as error:
        raise DataError(f"{name} is damaged, or is no .npy array of numbers: its header cannot be read") from error
    if min(shape, default=0) < 0:
        raise DataError(f"{name} is damaged: its header announces the shape {shape}")
    return tuple(map(int, shape)), fortran, dtype


def check_table(shape, dtype, path):
    """DataError if an array of this shape and dtype is no table (n, D) of real numbers with n and D at least 1."""
    if dtype.kind not in "biuf":
        raise DataError(f"{path} must hold real numbers; got the dtype {dtype}")
    if len(shape) != 2:
        hint = "X.reshape(len(X), -1) makes a row of each sample" if shape[2:] else "X.reshape(-1, 1) makes a column"
        raise DataError(f"{path} must have the shape (n, D), one row for each sample; got {shape}; {hint}")
    if 0 in shape:
        raise DataError(f"{path} must have at least one row and one column; got the shape {shape}")


@contextmanager
def _zipped_arrays(path):
    """Yields the shapes by name and a function that reads an array by name; nothing is read unasked."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is damaged, or is no .npz file: it is not a complete zip archive")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.filename[:-4]: m for m in archive.infolist() if m.filename.endswith(".npy")}
            shapes = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    shapes[name] = _npy_header(file, f"{path} ({name})")[0]

            def read(name):
                with archive.open(members[name]) as file:
                    return read_npy(file, members[name].file_size, f"{path} ({name})")

            yield shapes, read
    except DataError:
        raise
    except BROKEN_ZIP as error:
        raise DataError(f"{path} is damaged: it cannot be unzipped ({error})") from error


def _chosen(path, shapes, names, n_axes):
    """The array called one of ``names``, else the only one with ``n_axes``, else the only one."""
    named = [name for name in names if name in shapes]
    fitting = [name for name, shape in shapes.items() if len(shape) == n_axes]
    for choice in (named[:1], fitting, list(shapes)):
        if len(choice) == 1:
            return choice[0]
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no arrays"
    raise DataError(f"{path} must have an array called {' or '.join(names)}, or only one with {n_axes} "
                    f"ax{'es' if n_axes > 1 else 'is'}; got {listed}")


def read_npz(path):
    """X, and the labels y or None, of the .npz at ``path``; DataError if it does not hold them.

    X is an array; or, of a sparse matrix, ``LazyRows``.
    """
    from .sparse import is_sparse, read_sparse

    with _zipped_arrays(path) as (shapes, read):
        X = None if is_sparse(shapes) else _chosen(path, shapes, ("X", "x"), 2)
        y = next((name for name in ("y", "labels") if name != X and len(shapes.get(name, ())) == 1), None)
        return read_sparse(path, shapes, read) if X is None else read(X), None if y is None else read(y)


def read_npz_labels(path):
    """The labels in the .npz at ``path``; DataError if it does not hold them."""
    with _zipped_arrays(path) as (shapes, read):
        return read(_chosen(path, shapes, ("y", "labels"), 1))


def read_arrays(path, names):
    """{name: array} for all ``names``, from the .npz at ``path``; DataError if one is not there."""
    with _zipped_arrays(path) as (shapes, read):
        missing = [name for name in names if name not in shapes]
        if missing:
            raise DataError(f"{path} must have an array called {missing[0]}; got {', '.join(shapes) or 'no arrays'}")
        return {name: read(name) for name in names}
