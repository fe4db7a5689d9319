"""The dtype that a table needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..utils.rows import LazyRows, Rows, is_mapped, sampled_rows

__all__ = ["float32_suffices"]

LOSS = 1e-4
"""Share of the variance that rounding may have: errors of 1 % of the standard deviation."""


def float32_suffices(X: Rows) -> bool:
    """Return True if float32 keeps the differences between the rows of X (n, D), on a sample.

    The variance of the rounding errors must be below ``LOSS`` times the columns' total variance; for sparse X, squares
    replace variances. Seconds since 1970 do not pass, nor numbers of 1e-300. Values beyond float32 do, as they are
    refused later.

    >>> float32_suffices(np.array([[1.0], [2.0]])), float32_suffices(1.7e9 + np.array([[1.0], [2.0]]))
    (True, False)
    """
    source: Any = X.source if isinstance(X, LazyRows) else X
    if np.can_cast(source.dtype, np.float32):
        return True
    sparse = isinstance(X, LazyRows) and not is_mapped(source)
    x = source.data if sparse else source[sampled_rows(len(source))]
    with np.errstate(all="ignore"):
        rounded = x.astype(np.float32).astype(np.float64)
        x = x.astype(np.float64)
        scale = 1 / np.abs(x).max(initial=0)  # so that no square underflows
        values, error = x * scale, (x - rounded) * scale
        if not sparse:
            values, error = _deviations(values), _deviations(error)
        return not LOSS * np.vdot(values, values) < np.vdot(error, error) < np.inf


def _deviations(x: np.ndarray) -> np.ndarray:
    """Return x (n, D) minus its mean row, which is exactly 0 in a column of equal values."""
    x = x - x[0]
    deviations: np.ndarray = x - x.mean(axis=0)
    return deviations
