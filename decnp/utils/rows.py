"""X as rows: dense arrays as they are; sparse matrices and memory maps made dense some rows at a time."""

from __future__ import annotations

import mmap
from typing import Iterator, Optional, Union

import numpy as np

__all__ = ["BLOCK", "LazyRows", "Rows", "blocks", "evenly_spaced_rows", "first_rows", "is_mapped"]

BLOCK = 1024
"""Rows that go through a network at once where no gradient is needed: a bounded workspace."""


class LazyRows:
    """X (n, D) that lies sparse, or on disk: what is asked for comes as a dense, C-contiguous array of ``dtype``.

    Parameters
    ----------
    source : a SciPy CSR matrix or array, or a NumPy array of any dtype and order, such as a memory map
    dtype : of the rows that come

    ``X[i]`` takes row numbers or a slice and gives (len, D). A minibatch is the same array, to the bit, as if the
    whole X had been made dense and of ``dtype`` before.

    >>> X = LazyRows(np.array([[1, 0], [0, 2]]), np.float32)
    >>> X[[1, 0]]
    array([[0., 2.],
           [1., 0.]], dtype=float32)
    """

    def __init__(self, source, dtype):
        self.source, self.dtype, self.shape = source, np.dtype(dtype), source.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, i) -> np.ndarray:
        x = self.source[i]
        return np.ascontiguousarray(x.toarray() if hasattr(x, "toarray") else x, self.dtype)

    @property
    def size(self) -> int:
        """n D, zeros and all."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """The bytes of memory that X takes: of a memory map none, of a sparse matrix its three arrays."""
        if is_mapped(self.source):
            return 0
        return sum(part.nbytes for part in (self.source.data, self.source.indices, self.source.indptr))


Rows = Union[np.ndarray, LazyRows]


def blocks(X: Rows) -> Iterator[np.ndarray]:
    """All rows of X (n, ...) in order, dense, ``decnp.utils.rows.BLOCK`` at a time."""
    return (X[start : start + BLOCK] for start in range(0, len(X), BLOCK))


def first_rows(X: Rows, n: Optional[int]) -> Rows:
    """The first n rows of X, or all for None; what is lazy stays so."""
    if n is None or n >= len(X):
        return X
    return LazyRows(X.source[:n], X.dtype) if isinstance(X, LazyRows) else X[:n]


def evenly_spaced_rows(X: Rows | range, max_rows: int = 2048) -> np.ndarray:
    """Return at most ``max_rows`` rows of X, evenly spaced.

    >>> evenly_spaced_rows(range(10), 4)
    array([0, 3, 6, 9])
    """
    return np.asarray(X[:: -(-len(X) // max_rows)])


def is_mapped(X) -> bool:
    """Whether X is a NumPy array that lies in a memory map."""
    while isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
        X = X.base
    return isinstance(X, (np.memmap, mmap.mmap))
