"""Cache of objects that several cells share: pretrained autoencoders and neighbor graphs.

The key of an autoencoder consists of its data, widths, schedule and seed. The file is an archive of arrays and a JSON
header (``decnp.io.archive``), and reading it executes no code. DEC from a cached autoencoder gives the same bits as
``decnp fit`` with the same seed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..autoencoder import StackedAutoencoder
from ..baselines import Cliques, find_cliques
from ..dec import DEC
from ..exceptions import ArchiveError, UserError
from ..io.archive import read_archive, write_archive
from ..io.atomic import write_atomically
from ..io.model_file import PARTS, layers_of, named_arrays
from ..profiles import Profile
from ..training.records import Record
from .cells import cell_work, digest
from .data import autoencoder_rows, load
from .specs import DataSpec, NetworkSpec

__all__ = ["autoencoder", "cliques", "features", "prepare_autoencoder", "prepare_cliques", "save_autoencoder"]


def autoencoder(folder: Path, data: DataSpec, network: NetworkSpec) -> StackedAutoencoder:
    """Return the autoencoder of a data set, from the cache or trained by this call.

    Parameters
    ----------
    folder : Path
        Folder of the results, which contains the cache.
    data : DataSpec
        Keyword arguments of ``data.load``.
    network : NetworkSpec
        Widths, schedule and seed.

    Raises
    ------
    TrainingError
        If the training diverges.
    UserError
        If the file is damaged.
    """
    path = _path(folder, "autoencoder", data, network)
    if not path.exists():
        ae = new_autoencoder(network)
        start = time.perf_counter()
        ae.fit(autoencoder_rows(data))
        save_autoencoder(folder, data, network, ae, time.perf_counter() - start)
    header, arrays = _read(path)
    encoder, decoder = (layers_of(header, arrays, part) for part in PARTS)
    history = [Record(*record) for record in header["history"]]
    return StackedAutoencoder.from_layers(
        encoder, decoder, arrays["shift"], arrays["scale"], history, **new_autoencoder(network).get_params(deep=False))


def new_autoencoder(network: NetworkSpec) -> StackedAutoencoder:
    """Return the untrained autoencoder of ``DEC(random_state=seed)``, with the first of its three random generators."""
    dec = DEC(hidden_layer_sizes=tuple(network["hidden"]), profile=Profile(**network["profile"]), dtype="float32",
              random_state=network["seed"])
    return dec.new_autoencoder(n_samples=1)  # a Profile is the same for any number of rows


def save_autoencoder(folder: Path, data: DataSpec, network: NetworkSpec, ae: StackedAutoencoder,
                     seconds: float) -> None:
    """Write a trained autoencoder to the file that ``autoencoder`` reads."""
    layers = {"encoder": ae.encoder_, "decoder": ae.decoder_}
    header = {
        "kind": "autoencoder", "data": data, "network": network, "seconds": round(seconds, 1),
        "activations": {part: [layer.act for layer in layers[part]] for part in PARTS},
        "history": [list(step) for step in ae.history_],
    }
    arrays = {"shift": np.asarray(ae.shift_), "scale": np.asarray(ae.scale_), **named_arrays(layers)}
    _write(_path(folder, "autoencoder", data, network), header, arrays)


@cell_work("decnp.experiments.store.prepare_autoencoder")
def prepare_autoencoder(folder: Path, data: DataSpec, network: NetworkSpec) -> dict[str, Any]:
    """Train the autoencoder if it is not cached; return its reconstruction loss and training time."""
    ae = autoencoder(folder, data, network)
    header, _ = _read(_path(folder, "autoencoder", data, network))
    return {"loss": ae.history_[-1].loss, "training_minutes": round(header["seconds"] / 60, 2),
            "steps": sum(step.iteration == step.n_iter and step.n_iter for step in ae.history_)}


def features(folder: Path, data: DataSpec, network: NetworkSpec | None) -> np.ndarray:
    """Return the rows of a data set (n, D), or their embedding (n, d) if there is a ``network``."""
    X = load(**data).X
    return X if network is None else autoencoder(folder, data, network).encode(X)


def cliques(folder: Path, data: DataSpec, network: NetworkSpec | None) -> Cliques:
    """Return the neighbor graph of ``features`` for LDMGI and SEC, from the cache or computed by this call."""
    path = _path(folder, "cliques", data, network)
    if not path.exists():
        start = time.perf_counter()
        found = find_cliques(features(folder, data, network))
        header = {"kind": "cliques", "data": data, "network": network, "seconds": time.perf_counter() - start}
        _write(path, header, found._asdict())
    _, arrays = _read(path)
    return Cliques(**{name: arrays[name] for name in Cliques._fields})


@cell_work("decnp.experiments.store.prepare_cliques")
def prepare_cliques(folder: Path, data: DataSpec, network: NetworkSpec | None) -> dict[str, Any]:
    """Compute the neighbor graph if it is not cached; return the time of the search."""
    cliques(folder, data, network)
    header, _ = _read(_path(folder, "cliques", data, network))
    return {"search_minutes": round(header["seconds"] / 60, 2)}


def _path(folder: Path, kind: str, data: DataSpec, network: NetworkSpec | None) -> Path:
    """Return the path of a cache file. Its name contains the digest of its recipe and of the data."""
    key = digest({"kind": kind, "data": data, "sum": load(**data).fingerprint, "network": network})
    seed = "" if network is None else f"-seed{network['seed']}"
    return folder / "shared" / f"{kind}-{data['name']}{seed}-{key[:16]}.decnp"


def _write(path: Path, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: write_archive(file, header, arrays))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        return read_archive(path, what="decnp cache file")
    except ArchiveError as error:
        raise UserError(f"{error}; delete it, and it will be computed again") from error
