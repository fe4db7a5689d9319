"""Inputs of an autoencoder phase: the fixed output of the layers below, stored where it is small enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..layers import Dense, encode
from ..utils.rows import ScaledRows
from ..utils.threads import ThreadPool, map_blocks

__all__ = ["features"]

FEATURE_BYTES = 1 << 28
"""Features of a layer up to this size are stored, however small the data are."""


def features(rows: ScaledRows, below: Sequence[Dense], pool: ThreadPool) -> Callable[[np.ndarray], np.ndarray]:
    """Return the inputs of a phase as a function of row numbers: the fixed output of the layers ``below`` for ``rows``.

    The output of one layer is computed once and stored: of the last layer that is no wider than the data, and whose output
    takes no more memory than the data, or than ``FEATURE_BYTES`` if the data take less. The layers above are run for each
    minibatch, in the threads of ``pool``.
    """
    if not below:
        return rows.__getitem__
    X = rows.rows
    widest = min(X.shape[1], max(X.nbytes, FEATURE_BYTES) // (len(X) * X.dtype.itemsize))
    stored = max((l + 1 for l, layer in enumerate(below) if len(layer.b) <= widest), default=0)
    if stored == 0:
        return lambda i: pool.map_rows(lambda i: encode(below, rows[i]), i)
    outputs = map_blocks(lambda x: encode(below[:stored], x), rows, pool)
    if stored == len(below):
        return lambda i: outputs[i]
    return lambda i: pool.map_rows(lambda i: encode(below[stored:], outputs[i]), i)
