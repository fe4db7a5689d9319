"""Training of the autoencoder on other rows than the clustered rows, with a separate checkpoint.

This is used for STL-10: "We also used the unlabeled set when training our autoencoders" (DEC section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.stl import stl_autoencoder_rows
from ..training.checkpoint import Checkpoint, check_same_shapes, fingerprint
from ..training.records import Record
from ..utils.validation import check_sizes

if TYPE_CHECKING:
    from ..dec import DEC

__all__ = ["autoencoder_rows", "pretrain_on"]


def autoencoder_rows(source: str) -> np.ndarray | None:
    """Return the rows (n, D) that train the autoencoder of a named data set, or None if they are the clustered rows."""
    if source in ("stl", "stl-unofficial"):
        return stl_autoencoder_rows(verify=source == "stl")
    return None


def pretrain_on(model: DEC, rows: np.ndarray, checkpoint: Checkpoint | None, resume: bool) -> Iterator[Record]:
    """Train the autoencoder of ``model`` on ``rows``, set it as ``model.autoencoder``, and yield each record.

    The state is written to ``checkpoint`` during and after training. ``resume`` continues from that state. Raises the
    exceptions of ``DEC.fit`` and ``DEC.resume``.
    """
    ae = model.new_autoencoder(len(rows))
    training_rows, schedule, state = ae.begin(rows)
    save: Callable[[], object] = lambda: None  # noqa: E731
    if checkpoint:
        recipe = {"hidden_layer_sizes": check_sizes(ae.hidden_layer_sizes), **asdict(schedule),
                  "random_state": model.random_state, "the sha256 of the autoencoder's rows": fingerprint(rows)}
        if resume:
            from ..dec import STATES

            restored = checkpoint.read(recipe, STATES)
            check_same_shapes(restored.encoder + restored.decoder, state.encoder + state.decoder)
            state = restored
        checkpoint.begin(recipe)
        save = lambda: checkpoint.keep(lambda: state)  # noqa: E731
    yield from ae.train(training_rows, schedule, state, save)
    if checkpoint:
        checkpoint.write(state)
    model.autoencoder = ae
