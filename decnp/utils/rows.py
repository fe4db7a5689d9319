"""Rows of X: dense arrays unchanged, sparse matrices and memory maps converted to dense arrays block by block."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any, Union

import numpy as np
from numpy.typing import DTypeLike

__all__ = [
    "BLOCK", "LazyRows", "Rows", "ScaledRows", "blocks", "evenly_spaced_rows", "first_rows", "in_dtype", "is_mapped",
    "sampled_rows",
]

BLOCK = 1024
"""Number of rows in a forward pass without gradients. It bounds the memory of the pass."""


class LazyRows:
    """Rows of a sparse matrix or of a memory map (n, D). Indexing returns dense, C-contiguous rows of ``dtype``.

    A minibatch has the same bits as if the whole X had first been converted to a dense array of ``dtype``.

    Parameters
    ----------
    source : SciPy CSR matrix or array, or ndarray
        An ndarray can have any dtype and order, such as a memory map.
    dtype : dtype
        dtype of the rows.

    Examples
    --------
    >>> X = LazyRows(np.array([[1, 0], [0, 2]]), np.float32)
    >>> X[[1, 0]]
    array([[0., 2.],
           [1., 0.]], dtype=float32)
    """

    def __init__(self, source: Any, dtype: DTypeLike) -> None:
        self.source, self.dtype, self.shape = source, np.dtype(dtype), source.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, i: Any) -> np.ndarray:
        x = self.source[i]
        return np.ascontiguousarray(x.toarray() if hasattr(x, "toarray") else x, self.dtype)

    @property
    def size(self) -> int:
        """Return n D, which includes zeros."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Return the number of bytes of X in memory: 0 for a memory map, three arrays for a sparse matrix."""
        if is_mapped(self.source):
            return 0
        return sum(part.nbytes for part in (self.source.data, self.source.indices, self.source.indptr))


Rows = Union[np.ndarray, LazyRows]


class ScaledRows:
    """Rows scaled for the network: (x - shift) * scale.

    Parameters
    ----------
    rows : Rows of shape (n, D)
        Unscaled rows.
    shift : ndarray of shape () or (D,)
        Number that is subtracted from all columns, or from each.
    scale : float
        Factor.
    """

    def __init__(self, rows: Rows, shift: np.ndarray | np.floating, scale: np.floating) -> None:
        self.rows, self.shift, self.scale = rows, shift, scale

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: Any) -> np.ndarray:
        return (self.rows[i] - self.shift) * self.scale


def blocks(X: Rows | ScaledRows) -> Iterator[np.ndarray]:
    """Yield all rows of X (n, ...) in order, dense, ``BLOCK`` at a time."""
    return (X[start : start + BLOCK] for start in range(0, len(X), BLOCK))


def in_dtype(X: Rows, dtype: DTypeLike) -> Rows:
    """Return the rows X (n, D) in ``dtype``. ``LazyRows`` are not read."""
    return LazyRows(X.source, dtype) if isinstance(X, LazyRows) else X.astype(dtype, copy=False)


def first_rows(X: Rows, n: int | None) -> Rows:
    """Return the first n rows of X, or all rows if n is None. ``LazyRows`` are not read."""
    if n is None or n >= len(X):
        return X
    return LazyRows(X.source[:n], X.dtype) if isinstance(X, LazyRows) else X[:n]


def evenly_spaced_rows(X: Rows, max_rows: int = 2048) -> np.ndarray:
    """Return at most ``max_rows`` rows of X, evenly spaced.

    If the kinds of rows alternate, they may all be of one kind: take ``sampled_rows`` for a decision.

    >>> evenly_spaced_rows(np.arange(10), 4)
    array([0, 3, 6, 9])
    """
    return np.asarray(X[:: -(-len(X) // max_rows)])


def sampled_rows(n: int, max_rows: int = 2048) -> np.ndarray:
    """Return the sorted numbers of at most ``max_rows`` of ``n`` rows, drawn at random from a fixed seed.

    Unlike evenly spaced rows, they represent a table whose kinds of rows alternate.
    """
    return np.arange(n) if n <= max_rows else np.sort(np.random.default_rng(0).choice(n, max_rows, replace=False))


def is_mapped(X: Any) -> bool:
    """Return True if X is a NumPy array whose values are in a memory map.

    A copy of a ``numpy.memmap`` has that type too, and its values are in memory.
    """
    while isinstance(X, np.ndarray):
        X = X.base
    return isinstance(X, mmap.mmap)
