"""Read sparse matrices as ``scipy.sparse.save_npz`` writes them; check every array before SciPy uses it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import DataError
from ..utils.rows import LazyRows
from .atomic import PathLike
from .npy import check_table

__all__ = ["is_sparse", "read_sparse"]

Shape = tuple[int, ...]

INDEX_ARRAYS = {"csr": ("indptr", "indices"), "csc": ("indptr", "indices"), "bsr": ("indptr", "indices"),
                "coo": ("row", "col"), "dia": ("offsets",)}
MAX_COLUMNS = 1 << 21  # a dense block of 1024 such rows takes 9 GB
MAX_ROWS_PER_VALUE = 64  # beyond a million rows: an announced shape must not allocate memory for an empty matrix


class Layout(NamedTuple):
    """Arrays that the matrix consists of, beside ``data``."""

    format: str
    shape: Shape
    names: tuple[str, ...]
    """Index arrays in the file."""
    shapes: dict[str, Shape]
    """Shape that each index array must have."""
    limits: dict[str, int]
    """Upper bound of the numbers in an index array, exclusive."""


def is_sparse(shapes: Mapping[str, Shape]) -> bool:
    """Return True if arrays of these names and shapes are a sparse matrix."""
    return {"format", "data"} <= {*shapes} and not {"X", "x"} & {*shapes}


def read_sparse(path: PathLike, shapes: Mapping[str, Shape], read: Callable[[str], np.ndarray]) -> LazyRows:
    """Return the matrix in the ``.npz`` at ``path`` as rows of a CSR matrix, each entry stored once.

    Parameters
    ----------
    path : path-like
        Name of the file, for messages.
    shapes : mapping of str to tuple of int
        Shape of each array in the file, by name.
    read : callable
        ``read(name)`` returns an array.

    Returns
    -------
    X : LazyRows of shape (n, D)
        In the dtype of the file. Values may be NaN or infinite.

    Raises
    ------
    DataError
        If the arrays are not a sparse matrix, or there is no SciPy.
    """
    try:
        from scipy import sparse  # late: dense tables need no SciPy
    except ImportError as error:
        raise DataError(f"{path} holds a sparse matrix, and there is no SciPy to read it ({error})") from error
    layout = _layout(path, shapes, read)
    data = read("data")
    check_table(layout.shape, data.dtype, path)
    native = data.dtype.newbyteorder("=")
    data = data.astype(np.float32 if native == np.float16 else native, copy=False)  # SciPy cannot compute in float16
    content = _content(path, layout, data, read)
    try:
        X = getattr(sparse, f"{layout.format}_array")(content, shape=layout.shape).tocsr()
    except ValueError as error:  # a diagonal that occurs twice
        raise DataError(f"{path} is damaged: {error}") from error
    X.sum_duplicates()
    return LazyRows(X, X.dtype)


def _layout(path: PathLike, shapes: Mapping[str, Shape], read: Callable[[str], np.ndarray]) -> Layout:
    """Return the layout of the matrix; raise DataError unless all of its arrays have the right shapes."""
    form = _format(path, read("format"))
    names = ("coords",) if form == "coo" and "coords" in shapes else INDEX_ARRAYS[form]  # newer SciPy has coords
    missing = [name for name in ("shape", *names) if name not in shapes]
    if missing:
        raise DataError(f"{path} is damaged: a sparse matrix in the format {form} must have an array called "
                        f"{missing[0]}; got {', '.join(shapes)}")
    shape = _shape(path, read("shape"), shapes["data"])
    wanted, limits = _expected(path, form, shape, shapes["data"])
    for name in names:
        if shapes[name] != wanted[name]:
            raise DataError(f"{path} is damaged: {name} must have the shape {wanted[name]} for a matrix {shape} in the "
                            f"format {form} with data {shapes['data']}; got {shapes[name]}")
    return Layout(form, shape, names, wanted, limits)


def _content(path: PathLike, layout: Layout, data: np.ndarray, read: Callable[[str], np.ndarray]) -> tuple[Any, ...]:
    """Return data and index arrays, as the class of the format takes them; raise DataError for indices out of bounds."""
    first, *others = (_integers(path, name, read(name)) for name in layout.names)
    if layout.names == ("coords",):
        first, *others = first
    names = INDEX_ARRAYS[layout.format]
    if names[0] == "indptr":
        end = _last_end(path, first, len(data))
        data, others = data[:end], [others[0][:end]]
    for name, array in zip(names, (first, *others)):
        if name in layout.limits:
            _check_bounds(path, name, array, layout.limits[name])
    if layout.format == "coo":
        return data, (first, *others)
    return (data, first) if layout.format == "dia" else (data, *others, first)


def _format(path: PathLike, value: np.ndarray) -> str:
    """Return the name of the format, which is stored as bytes or as a string."""
    form = value.item() if value.shape == () else None
    form = form.decode("ascii", "replace") if isinstance(form, bytes) else form
    if not isinstance(form, str) or form not in INDEX_ARRAYS:
        raise DataError(f"{path} must hold a sparse matrix in the format {', '.join([*INDEX_ARRAYS][:-1])} or dia; "
                        f"got {form!r:.40}")
    return form


def _shape(path: PathLike, value: np.ndarray, data: Shape) -> Shape:
    """Return (n, D); raise DataError if one of them is absurd for ``data`` of this shape."""
    if value.ndim != 1 or value.dtype.kind not in "iu" or len(value) > 32 or (value < 0).any():
        raise DataError(f"{path} is damaged: the shape of its sparse matrix must be whole numbers >= 0; "
                        f"got {value.tolist()!s:.40}")
    shape = tuple(map(int, value))
    check_table(shape, value.dtype, path)
    if shape[1] > MAX_COLUMNS:
        raise DataError(f"{path} must have at most {MAX_COLUMNS} columns, as its rows are made dense some at a time; "
                        f"got {shape[1]}")
    there = math.prod(data)
    if shape[0] > MAX_ROWS_PER_VALUE * max(there, 1 << 14):
        raise DataError(f"{path} is damaged, or next to empty: it announces {shape[0]} rows, and {there} numbers are "
                        "there")
    return shape


def _expected(path: PathLike, form: str, shape: Shape, data: Shape) -> tuple[dict[str, Shape], dict[str, int]]:
    """Return the shapes that the index arrays must have and the bounds of their numbers, both by name."""
    axes = {"bsr": 3, "dia": 2}.get(form, 1)
    if len(data) != axes:
        raise DataError(f"{path} is damaged: data must have {axes} ax{'es' if axes > 1 else 'is'} in the format "
                        f"{form}; got the shape {data}")
    n, D = shape
    if form == "bsr":
        if 0 in data[1:] or n % data[1] or D % data[2]:
            raise DataError(f"{path} is damaged: blocks {data[1:]} do not fill a matrix {shape}")
        n, D = n // data[1], D // data[2]
    if form == "csc":
        n, D = D, n
    shapes = {"indptr": (n + 1,), "row": data[:1], "col": data[:1], "indices": data[:1], "offsets": data[:1],
              "coords": (2, *data[:1])}
    return shapes, {"row": n, "col": D, "indices": D}


def _integers(path: PathLike, name: str, array: np.ndarray) -> np.ndarray:
    """Return ``array`` as int32 or int64; an unsigned number beyond int64 becomes negative, and fails the bounds."""
    if array.dtype.kind not in "iu":
        raise DataError(f"{path} is damaged: {name} must hold whole numbers; got the dtype {array.dtype}")
    return array if array.dtype == np.int32 else array.astype(np.int64, copy=False)


def _last_end(path: PathLike, indptr: np.ndarray, n_values: int) -> int:
    """Return where the last row (or column) ends; indptr must start at 0, never fall, and stay within the values."""
    falls = indptr[1:] < indptr[:-1]
    if indptr[0] != 0 or falls.any() or indptr[-1] > n_values:
        at = 0 if indptr[0] != 0 else falls.argmax() + 1 if falls.any() else len(indptr) - 1
        raise DataError(f"{path} is damaged: indptr must begin with 0, never fall and end at {n_values} at most; its "
                        f"number {at + 1} is {indptr[at]}")
    return int(indptr[-1])


def _check_bounds(path: PathLike, name: str, array: np.ndarray, limit: int) -> None:
    """Raise DataError if a number is negative, or is ``limit`` or more."""
    outside = (array < 0) | (array >= limit)
    if outside.any():
        raise DataError(f"{path} is damaged: {name} must lie from 0 to {limit - 1}; its number "
                        f"{outside.argmax() + 1} is {array[outside.argmax()]}")
