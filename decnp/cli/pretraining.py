"""Training of the autoencoder on other rows than those that are clustered, with a checkpoint of its own.

STL-10 needs it: "We also used the unlabeled set when training our autoencoders" (DEC section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from ..autoencoder import StackedAutoencoder
from ..datasets.stl import stl_autoencoder_rows
from ..dec import DEC
from ..training.checkpoint import Checkpoint, fingerprint
from ..training.records import Kept, Step
from ..utils.validation import as_generator, check_sizes

__all__ = ["autoencoder_rows", "pretrain_on"]


def autoencoder_rows(source: str) -> np.ndarray | None:
    """Return the rows (n, D) for the autoencoder of a data set, or None if it trains on the clustered rows."""
    if source in ("stl", "stl-unofficial"):
        return stl_autoencoder_rows(verify=source == "stl")
    return None


def pretrain_on(model: DEC, rows: np.ndarray, checkpoint: Checkpoint | None, resume: bool) -> Iterator[Step]:
    """Train on ``rows`` the autoencoder that ``model`` would train on its own, and set ``model.autoencoder``.

    Yields the reports of the training. ``checkpoint`` stores the autoencoder during and after the training. With
    ``resume`` the training continues from there. Raises the errors of ``DEC.fit`` and ``DEC.resume``.
    """
    ae = StackedAutoencoder(
        model.hidden_layer_sizes, profile=model.profile, batch_size=model.batch_size, engine=model.engine,
        dtype=model.dtype, random_state=as_generator(model.random_state).spawn(3)[0])
    kept = Kept()
    if checkpoint:
        recipe = {"hidden_layer_sizes": check_sizes(ae.hidden_layer_sizes), **asdict(ae.profile),
                  "random_state": model.random_state, "the sha256 of the autoencoder's rows": fingerprint(rows)}
        kept = Kept(checkpoint, checkpoint.read(recipe) if resume else None)
        kept.parts["recipe"] = lambda: recipe
    yield from ae.steps(rows, kept)
    if checkpoint:
        checkpoint.write({"recipe": recipe, "autoencoder": ae._at_the_end()})
    model.autoencoder = ae
