"""An autoencoder that trains on other rows than those that are clustered, and a checkpoint of its own for it.

So it is on STL-10: "We also used the unlabeled set when training our autoencoders" (DEC section 4.1).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Iterator, Optional

import numpy as np

from ..autoencoder import StackedAutoencoder
from ..datasets.stl import stl_autoencoder_rows
from ..dec import DEC
from ..training.checkpoint import Checkpoint, fingerprint
from ..training.records import Kept, Step
from ..utils.validation import as_generator, check_sizes

__all__ = ["other_rows", "pretrain"]


def other_rows(source: str) -> Optional[np.ndarray]:
    """The rows (n, D) for the autoencoder of a named data set where they are not its own, else None."""
    if source in ("stl", "stl-unofficial"):
        return stl_autoencoder_rows(verify=source == "stl")
    return None


def pretrain(model: DEC, rows: np.ndarray, checkpoint: Optional[Checkpoint], resume: bool) -> Iterator[Step]:
    """Train an autoencoder on ``rows`` as ``model`` would train its own, and give it to ``model``.

    ``checkpoint`` keeps it, unfinished and finished; with ``resume`` it goes on from there. Raises as ``DEC.fit`` and
    ``DEC.resume`` do.
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
