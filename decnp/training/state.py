"""State of a run of ``DEC.fit``: all that changes in it, and so all that a checkpoint stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .records import History

if TYPE_CHECKING:
    from ..autoencoder import AutoencoderState
    from ..clustering import ClusteringState

__all__ = ["KMeansStart", "RunState"]


class KMeansStart(NamedTuple):
    """Result of k-means in the embedded space."""

    labels: np.ndarray
    centers: np.ndarray


@dataclass
class RunState:
    """Everything that changes in ``DEC.fit``. A checkpoint stores exactly this."""

    kmeans_rng: np.random.Generator
    batch_rng: np.random.Generator
    """Generator of the clustering phase's minibatches."""
    history: History = field(default_factory=History)
    autoencoder: AutoencoderState | None = None
    """None where an autoencoder is given."""
    clustering: ClusteringState | None = None
    """None before k-means."""
    start: KMeansStart | None = None
    mean_loss: float = np.nan
    """Mean loss of the steps since the last refresh of P."""
