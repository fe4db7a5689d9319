"""State of a run of ``DEC.fit``: everything that changes in it. A checkpoint stores exactly this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .records import History

if TYPE_CHECKING:
    from ..autoencoder import AutoencoderState
    from ..clustering import ClusteringState

__all__ = ["RunState", "Start"]


class Start(NamedTuple):
    """Start of the clustering phase in the embedded space; ``start.find_start`` returns it."""

    labels: np.ndarray
    """(n,) int32."""
    centers: np.ndarray
    """(k, d)."""
    name: str
    """Start that was taken: "k-means", "spherical k-means", "neighbors", "array" or "callable"."""
    n_iter: int
    loss: float
    """Mean squared distance of the rows from the centroid of their label."""
    by_labels: bool = False
    """True if ``labels`` were found first, and ``centers`` are their means. The nearest centroid may then differ."""
    warnings: Sequence[str] = ()
    """Sentence that says why this is not the start asked for; empty if it is."""


@dataclass
class RunState:
    """Everything that changes in ``DEC.fit``. A checkpoint stores exactly this."""

    start_rng: np.random.Generator
    """Generator of the start of the clustering phase."""
    batch_rng: np.random.Generator
    """Generator of the clustering phase's minibatches."""
    history: History = field(default_factory=History)
    autoencoder: AutoencoderState | None = None
    """None where an autoencoder is given."""
    clustering: ClusteringState | None = None
    """None before its start."""
    start: Start | None = None
    mean_loss: float = np.nan
    """Mean loss of the steps since the last refresh of P."""
