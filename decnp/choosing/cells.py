"""Work of ``choose_k``: the runs of one seed for all k, and the files of finished runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import pairwise_distances, silhouette_score

from ..autoencoder import StackedAutoencoder
from ..dec import DEC
from ..equations import kl_divergence, target_distribution
from ..exceptions import CheckpointError
from ..io.atomic import write_atomically
from ..training.checkpoint import fingerprint, recorded_init
from ..utils.progress import message
from ..utils.rows import LazyRows, Rows, sampled_rows
from ..utils.validation import check_sizes
from .agreement import kmeans_labels, matrix_of

__all__ = ["HELD_OUT", "SAMPLE", "Cell", "CellStore", "held_out", "run_seed", "settings_of", "take_rows"]

SAMPLE = 2000
"""Maximal number of rows in the computation of a silhouette."""

HELD_OUT = 5
"""One row in this number is held out from training, and gives the validation loss of G."""


class Cell(NamedTuple):
    """Results of DEC and of k-means for one k and one seed."""

    k: int
    seed: int
    labels: list[int]
    """DEC's cluster of each row, also of the rows held out."""
    kmeans_labels: list[int]
    """Cluster of each row by k-means."""
    silhouette: float
    """Silhouette of DEC's clusters in the embedding."""
    data_silhouette: float
    """Silhouette of DEC's clusters in the data."""
    kmeans_silhouette: float
    """Silhouette of the clusters of k-means in the data."""
    train_loss: float
    """Eq. 2 as a mean over the training rows, in nats."""
    validation_loss: float
    """Eq. 2 as a mean over the rows held out, with the targets P of these rows."""
    start: str
    """Start of the clustering phase."""


class CellStore:
    """Folder with one JSON file for each finished cell.

    Parameters
    ----------
    folder : Path
        Folder, which is created.
    settings : dict
        Everything that the cells depend on, as JSON. A file with other settings is refused.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, k: int, seed: int) -> Cell | None:
        """Return the finished cell of k and a seed, or None. Raises CheckpointError for another run's, or a damaged file."""
        path = self._path(k, seed)
        try:
            content = json.loads(path.read_bytes())
            cell = Cell(**content["cell"])
            _check_types(cell, self.settings["the shape of X"][0])
            differing = [name for name, value in self.settings.items() if content["settings"].get(name) != value]
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged: delete it, and its k is computed again") from error
        if differing:
            raise CheckpointError(f"{path} is of another run: {differing[0]} differs")
        return cell

    def write(self, cell: Cell) -> None:
        """Write a cell atomically. Raises OSError."""
        content = json.dumps({"settings": self.settings, "cell": cell._asdict()}).encode()
        write_atomically(self._path(cell.k, cell.seed), lambda file: file.write(content))

    def _path(self, k: int, seed: int) -> Path:
        return self.folder / f"k{k}-seed{seed}.json"


def _check_types(cell: Cell, n: int) -> None:
    """Raise TypeError unless ``cell`` has the types that it was written with, and labels of ``n`` rows."""
    for labels in (cell.labels, cell.kmeans_labels):
        if not isinstance(labels, list) or len(labels) != n or any(type(label) is not int for label in labels):
            raise TypeError("labels")
    numbers = (cell.silhouette, cell.data_silhouette, cell.kmeans_silhouette, cell.train_loss, cell.validation_loss)
    if not (all(isinstance(value, (int, float)) for value in numbers) and isinstance(cell.start, str)):
        raise TypeError("numbers")


def settings_of(model: DEC, X: Rows) -> dict[str, Any]:
    """Return the parameters of ``model`` and the digest of X, as JSON: everything that a cell depends on."""
    names = ("alpha", "tol", "n_init", "update_encoder", "engine")
    return {**{name: getattr(model, name) for name in names}, "hidden_layer_sizes": check_sizes(model.hidden_layer_sizes),
            "init": None if model.init is None else recorded_init(model.init), **asdict(model._schedule(len(X))),
            "the dtype of X": X.dtype.name, "the shape of X": list(X.shape), "the sha256 of X": fingerprint(X)}


def held_out(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted numbers of the training rows and of the rows held out, of ``n`` rows, drawn from ``seed``."""
    order = np.random.default_rng(seed).permutation(n)
    n_validation = n // HELD_OUT
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def run_seed(
    model: DEC, X: Rows, ks: Sequence[int], seed: int, store: CellStore | None = None, name: str = "", verbose: int = 0,
) -> list[Cell]:
    """Return the cells of one ``seed``; those in ``store`` are read, and the others are computed and written to it.

    ``model`` has the parameters of the runs on ``X``, and ``ks`` are the numbers of clusters. The autoencoder of the seed is
    trained once, on the training rows. ``verbose=1`` writes a line to standard error when the autoencoder and each cell are
    finished; it begins with ``name``.
    """
    found = {k: None if store is None else store.read(k, seed) for k in ks}
    report = (lambda line: message(f"{name}: {line}")) if verbose else (lambda line: None)
    missing = [k for k, cell in found.items() if cell is None]
    if missing:
        for cell in _compute(model, X, missing, seed, report):
            if store is not None:
                store.write(cell)
            found[cell.k] = cell
            report(f"k = {cell.k}")
    return [cell for cell in found.values() if cell is not None]


def _compute(
    model: DEC, X: Rows, ks: Sequence[int], seed: int, report: Callable[[str], object]
) -> Iterator[Cell]:
    """Yield the cell of each k, all from one autoencoder."""
    rows, others = held_out(len(X), seed)
    training, validation = take_rows(X, rows), take_rows(X, others)
    sample = sampled_rows(len(X), SAMPLE)
    distances = pairwise_distances(X[sample])
    data = matrix_of(X)
    ae = _autoencoder(clone(model).set_params(random_state=seed), training)
    report("autoencoder")
    for k in ks:
        dec = clone(model).set_params(n_clusters=k, random_state=seed, autoencoder=ae)
        for _ in dec.iter_fit(training):
            pass
        labels, z = dec.predict(X), dec.transform(take_rows(X, sample))
        kmeans = kmeans_labels(data, k, seed, rows)
        yield Cell(
            k, seed, labels.tolist(), kmeans.tolist(), _silhouette(pairwise_distances(z), labels[sample]),
            _silhouette(distances, labels[sample]), _silhouette(distances, kmeans[sample]),
            _mean_loss(dec, training), _mean_loss(dec, validation), dec.init_)


def _autoencoder(model: DEC, X: Rows) -> StackedAutoencoder:
    """Return the autoencoder that ``DEC.fit`` would train on X."""
    ae = model.new_autoencoder(len(X), X.dtype.name)
    for _ in ae.iter_fit(X):
        pass
    return ae


def take_rows(X: Rows, rows: np.ndarray) -> Rows:
    """Return some rows of X, in memory; those of a sparse matrix as a sparse matrix."""
    if isinstance(X, LazyRows) and hasattr(X.source, "toarray"):
        return LazyRows(X.source[rows], X.dtype)
    return X[rows]


def _silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Return the silhouette from a matrix of distances (n, n), or -1 if there is one cluster only, or one for each row."""
    if not 1 < len(np.unique(labels)) < len(labels):
        return -1.0
    np.fill_diagonal(distances, 0)  # rounding may leave other numbers
    return float(silhouette_score(distances, labels, metric="precomputed"))


def _mean_loss(model: DEC, X: Rows) -> float:
    """Return Eq. 2 as a mean over the rows of X, with the targets P (Eq. 3) of these rows."""
    q = model.predict_proba(X).astype(np.float64)
    return float(kl_divergence(target_distribution(q), q)) / len(X)
