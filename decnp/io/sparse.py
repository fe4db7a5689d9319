"""Sparse matrices as ``scipy.sparse.save_npz`` writes them: checked part by part, then rows of a CSR matrix."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import DataError
from ..utils.rows import LazyRows
from .npy import check_table

__all__ = ["is_sparse", "read_sparse"]

PARTS = {"csr": ("indptr", "indices"), "csc": ("indptr", "indices"), "bsr": ("indptr", "indices"),
         "coo": ("row", "col"), "dia": ("offsets",)}
MOST_COLUMNS = 1 << 21  # of which a block of dense rows takes 9 GB
EMPTY = 64  # rows for each number that is there, at most, in a matrix of more than a million rows


def is_sparse(shapes):
    """Whether the arrays of these shapes by name are those of a sparse matrix."""
    return {"format", "data"} <= {*shapes} and not {"X", "x"} & {*shapes}


def read_sparse(path, shapes, read):
    """The matrix of the .npz at ``path``, as ``LazyRows`` of its own dtype; each place of it is stored once.

    ``shapes`` are those of its arrays by name, and ``read`` reads one. Its numbers may still be NaN or infinite.
    Raises DataError; what the arrays must be is checked before they are read, and all before SciPy sees them.
    """
    try:
        from scipy import sparse  # late: dense tables need no SciPy
    except ImportError as error:
        raise DataError(f"{path} holds a sparse matrix, and there is no SciPy to read it ({error})") from error
    form = _format(path, read("format"))
    coords = form == "coo" and "coords" in shapes  # as SciPy may write it instead of row and col
    parts = ("coords",) if coords else PARTS[form]
    missing = [name for name in ("shape", *parts) if name not in shapes]
    if missing:
        raise DataError(f"{path} is damaged: a sparse matrix in the format {form} must have an array called "
                        f"{missing[0]}; got {', '.join(shapes)}")
    shape = _shape(path, read("shape"), shapes["data"])
    wanted, limits = _expected(path, form, coords, shape, shapes["data"])
    for name in parts:
        if shapes[name] != wanted[name]:
            raise DataError(f"{path} is damaged: {name} must have the shape {wanted[name]} for a matrix {shape} in the "
                            f"format {form} with data {shapes['data']}; got {shapes[name]}")
    data = read("data")
    check_table(shape, data.dtype, path)
    native = data.dtype.newbyteorder("=")
    data = data.astype(np.float32 if native == np.float16 else native, copy=False)  # SciPy computes with no others
    first, *others = (_whole(path, name, read(name)) for name in parts)
    if coords:
        (first, *others), parts = first, PARTS["coo"]
    if parts[0] == "indptr":
        end = _end(path, first, len(data))
        data, others = data[:end], [others[0][:end]]
    for name, array in zip(parts, (first, *others)):
        if name in limits:
            _check_within(path, name, array, limits[name])
    content = {"coo": (data, (first, *others)), "dia": (data, first)}.get(form, (data, *others, first))
    try:
        X = getattr(sparse, f"{form}_array")(content, shape=shape).tocsr()
    except ValueError as error:  # a diagonal that is there twice
        raise DataError(f"{path} is damaged: {error}") from error
    X.sum_duplicates()
    return LazyRows(X, X.dtype)


def _format(path, value):
    """The format's name; bytes or a string."""
    form = value.item() if value.shape == () else None
    form = form.decode("ascii", "replace") if isinstance(form, bytes) else form
    if not isinstance(form, str) or form not in PARTS:
        raise DataError(f"{path} must hold a sparse matrix in the format {', '.join([*PARTS][:-1])} or dia; "
                        f"got {form!r:.40}")
    return form


def _shape(path, value, data):
    """(n, D), neither of them absurd for ``data`` of this shape."""
    if value.ndim != 1 or value.dtype.kind not in "iu" or len(value) > 32 or (value < 0).any():
        raise DataError(f"{path} is damaged: the shape of its sparse matrix must be whole numbers >= 0; "
                        f"got {value.tolist()!s:.40}")
    shape = tuple(map(int, value))
    check_table(shape, value.dtype, path)
    if shape[1] > MOST_COLUMNS:
        raise DataError(f"{path} must have at most {MOST_COLUMNS} columns, as its rows are made dense some at a time; "
                        f"got {shape[1]}")
    there = math.prod(data)
    if shape[0] > EMPTY * max(there, 1 << 14):
        raise DataError(f"{path} is damaged, or next to empty: it announces {shape[0]} rows, and {there} numbers are "
                        "there")
    return shape


def _expected(path, form, coords, shape, data):
    """What shapes the other arrays must have, and below what their numbers must lie; by name."""
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
    lengths = {"indptr": (n + 1,), "row": data[:1], "col": data[:1], "indices": data[:1], "offsets": data[:1],
               "coords": (2, *data[:1])}
    return lengths, {"row": n, "col": D, "indices": D}


def _whole(path, name, array):
    if array.dtype.kind not in "iu":
        raise DataError(f"{path} is damaged: {name} must hold whole numbers; got the dtype {array.dtype}")
    return array if array.dtype == np.int32 else array.astype(np.int64, copy=False)  # too large a number becomes < 0


def _end(path, indptr, n_numbers):
    """Where the last row (or column) ends; indptr begins with 0, never falls, and stays within the numbers."""
    falls = indptr[1:] < indptr[:-1]
    if indptr[0] != 0 or falls.any() or indptr[-1] > n_numbers:
        at = 0 if indptr[0] != 0 else falls.argmax() + 1 if falls.any() else len(indptr) - 1
        raise DataError(f"{path} is damaged: indptr must begin with 0, never fall and end at {n_numbers} at most; its "
                        f"number {at + 1} is {indptr[at]}")
    return indptr[-1]


def _check_within(path, name, array, limit):
    outside = (array < 0) | (array >= limit)
    if outside.any():
        raise DataError(f"{path} is damaged: {name} must lie from 0 to {limit - 1}; its number "
                        f"{outside.argmax() + 1} is {array[outside.argmax()]}")
