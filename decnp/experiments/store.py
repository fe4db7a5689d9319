"""What several cells share, kept in files: pretrained autoencoders and neighbour graphs.

An autoencoder is known by its data, widths, schedule and seed. The file is an archive of arrays and a JSON header
(``decnp.io.archive``); nothing in it is ever executed. DEC that starts from a kept autoencoder with the same seed ends
as ``decnp fit`` does, which trains its own.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ..autoencoder import StackedAutoencoder
from ..baselines import Cliques, find_cliques
from ..exceptions import ModelFileError, UserError
from ..io.archive import read_archive, write_archive
from ..io.atomic import write_atomically
from ..io.model_file import PARTS, layers_of
from ..profiles import Profile
from ..training.records import History, Step
from ..utils.validation import as_generator
from .cells import sum_of
from .data import autoencoder_rows, load

__all__ = ["autoencoder", "cliques", "features", "keep_autoencoder", "prepare_autoencoder", "prepare_cliques"]

def autoencoder(folder: Path, data: dict, network: dict) -> StackedAutoencoder:
    """The autoencoder of a data set, from its file or trained now.

    Parameters
    ----------
    folder : where it is kept
    data : keyword arguments of ``data.load``
    network : {"hidden": widths, "profile": the fields of a ``Profile``, "seed": the one of ``DEC``}

    Raises
    ------
    TrainingError
        If the numbers overflow.
    UserError
        If the file is damaged.
    """
    path = _path(folder, "autoencoder", data, network)
    if not path.exists():
        ae = new_autoencoder(network)
        start = time.perf_counter()
        ae.fit(autoencoder_rows(data))
        keep_autoencoder(folder, data, network, ae, time.perf_counter() - start)
    header, arrays = _read(path)
    ae = new_autoencoder(network)
    ae.encoder_, ae.decoder_ = (layers_of(header, arrays, part) for part in PARTS)
    ae.shift_, ae.scale_ = arrays["shift"][()], arrays["scale"][()]
    ae.n_features_in_ = len(ae.encoder_[0].W)
    ae.history_ = History(Step(*step) for step in header["history"])
    return ae


def new_autoencoder(network: dict) -> StackedAutoencoder:
    """As ``DEC(random_state=seed)`` makes its own: from the first of the three generators that it spawns."""
    return StackedAutoencoder(
        tuple(network["hidden"]), profile=Profile(**network["profile"]), dtype="float32",
        random_state=as_generator(network["seed"]).spawn(3)[0])


def keep_autoencoder(folder: Path, data: dict, network: dict, ae: StackedAutoencoder, seconds: float) -> None:
    """Write a trained autoencoder where ``autoencoder`` looks for it."""
    layers = {"encoder": ae.encoder_, "decoder": ae.decoder_}
    header = {
        "kind": "autoencoder", "data": data, "network": network, "seconds": round(seconds, 1),
        "activations": {part: [layer.act for layer in layers[part]] for part in PARTS},
        "history": [list(step) for step in ae.history_],
    }
    arrays = {"shift": np.asarray(ae.shift_), "scale": np.asarray(ae.scale_)}
    for part in PARTS:
        for l, (W, b, _) in enumerate(layers[part]):
            arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"] = W, b
    _write(_path(folder, "autoencoder", data, network), header, arrays)


def prepare_autoencoder(folder: Path, data: dict, network: dict) -> dict:
    """A cell's work: see that the autoencoder is there; its reconstruction loss and the minutes that it took."""
    ae = autoencoder(folder, data, network)
    header, _ = _read(_path(folder, "autoencoder", data, network))
    return {"loss": ae.history_[-1].loss, "training_minutes": round(header["seconds"] / 60, 2),
            "steps": sum(step.iteration == step.n_iter and step.n_iter for step in ae.history_)}


def features(folder: Path, data: dict, network: dict | None) -> np.ndarray:
    """The rows of a data set (n, D), or, with ``network``, their codes (n, d)."""
    X = load(**data).X
    return X if network is None else autoencoder(folder, data, network).encode(X)


def cliques(folder: Path, data: dict, network: dict | None) -> Cliques:
    """The neighbour graph of the rows, or of their codes, from its file or found now; LDMGI and SEC share it."""
    path = _path(folder, "cliques", data, network)
    if not path.exists():
        start = time.perf_counter()
        found = find_cliques(features(folder, data, network))
        header = {"kind": "cliques", "data": data, "network": network, "seconds": time.perf_counter() - start}
        _write(path, header, found._asdict())
    _, arrays = _read(path)
    return Cliques(**{name: arrays[name] for name in Cliques._fields})


def prepare_cliques(folder: Path, data: dict, network: dict | None) -> dict:
    """A cell's work: see that the neighbour graph is there; the minutes that it took."""
    cliques(folder, data, network)
    header, _ = _read(_path(folder, "cliques", data, network))
    return {"search_minutes": round(header["seconds"] / 60, 2)}


def _path(folder, kind, data, network):
    """A file for each recipe and each content of the data."""
    key = sum_of({"kind": kind, "data": data, "sum": load(**data).fingerprint, "network": network})
    seed = "" if network is None else f"-seed{network['seed']}"
    return folder / "shared" / f"{kind}-{data['name']}{seed}-{key[:16]}.decnp"


def _write(path, header, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: write_archive(file, header, arrays))


def _read(path):
    try:
        return read_archive(path)
    except ModelFileError as error:
        raise UserError(f"{error}; delete it, and it is made again") from error
