"""Data of the experiments: the paper's data sets by name, and parts and samples of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..datasets import make_imbalanced
from ..datasets._files import check_disk, download_folder
from ..datasets.registry import SOURCES, n_clusters
from ..datasets.reuters import load_reuters
from ..datasets.stl import stl_autoencoder_rows, stl_images
from ..io.atomic import write_atomically
from ..training.checkpoint import fingerprint
from ..utils.rows import sampled_rows
from .specs import DataSpec

__all__ = ["NAMES", "QUICK_ROWS", "Data", "autoencoder_rows", "images", "load"]

QUICK_ROWS = 300
ROWS_AT_ONCE = 2048
"""Number of sparse rows to convert to dense rows at a time: 16 MB of REUTERS."""


class Data(NamedTuple):
    """Data set in memory."""

    X: np.ndarray
    """(n, D) float32; a memory map for the full REUTERS."""
    y: np.ndarray
    """(n,) labels, used only for scores."""
    k: int
    """Number of classes, which is the number of clusters to find."""
    fingerprint: str
    """SHA-256 digest of X."""


@lru_cache(maxsize=2)
def load(name: str, quick: bool = False, r_min: float | None = None, seed: int = 0, part: str = "all") -> Data:
    """Load a data set, or the part of it that an experiment uses.

    Parameters
    ----------
    name : str
        A name that ``decnp fit`` accepts, or "reuters".
    quick : bool, default=False
        Return a random sample of 300 rows, the same sample each time.
    r_min : float or None, default=None
        Fraction of the first class in an imbalanced sample, as for Table 4. None does not draw a sample.
    seed : int, default=0
        Seed of the imbalanced sample.
    part : {"all", "train", "validation"}, default="all"
        "train" is the first 6/7 of the rows and "validation" the rest: 60,000 and 10,000 rows of MNIST.

    Raises
    ------
    DataError
        If files are missing or damaged. The message has the command that downloads them.
    """
    X, y = _source(name)
    if quick:
        rows = sampled_rows(len(X), QUICK_ROWS)
        X, y = X[rows], y[rows]
    if r_min is not None:
        X, y = make_imbalanced(X, y, r_min, random_state=seed)
    cut = len(X) * 6 // 7
    split = {"all": slice(None), "train": slice(cut), "validation": slice(cut, None)}[part]
    X, y = X[split], y[split]
    return Data(X, y, n_clusters(name), fingerprint(X))


@lru_cache(maxsize=1)
def _source(name: str) -> tuple[np.ndarray, np.ndarray]:
    X, y = LOADERS[name]()
    return X, y


def autoencoder_rows(data: DataSpec) -> np.ndarray:
    """Return the rows that train the autoencoder: the rows of ``load(**data)``, except for STL-HOG.

    For STL-HOG they are 90,400 labeled and unlabeled images ("We also used the unlabeled set when training our
    autoencoders", DEC section 4.1).
    """
    if data["name"].startswith("stl") and not data.get("quick"):
        return _stl_rows(data["name"] == "stl")
    return load(**data).X


@lru_cache(maxsize=1)
def _stl_rows(verify: bool) -> np.ndarray:
    return stl_autoencoder_rows(verify=verify)


def images(data: DataSpec, rows: np.ndarray) -> np.ndarray:
    """Return the images of some rows of ``load(**data)``: (b, h, w), or (b, 96, 96, 3) for STL-10.

    Raises ValueError if the rows are not images.
    """
    name = data["name"]
    if name.startswith("stl"):
        rows = sampled_rows(len(_source(name)[0]), QUICK_ROWS)[rows] if data.get("quick") else rows
        return stl_images(rows, verify=name == "stl")
    X = load(**data).X[rows]
    side = round(X.shape[1] ** 0.5)
    if side**2 != X.shape[1]:
        raise ValueError(f"the rows of {name} are not square images: they have {X.shape[1]} columns")
    return X.reshape(len(rows), side, side)


def _reuters(verify: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Load the full REUTERS as dense rows: 5.5 GB, in a memory-mapped file in the folder for downloads."""
    X, y = load_reuters(verify=verify)
    path = download_folder() / f"{'' if verify else 'unofficial-'}reuters-dense-v1.npy"
    if not (verify and path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_disk(path.parent, 4 * X.shape[0] * X.shape[1], path.name)

        def write(file: BinaryIO) -> None:
            dense = np.lib.format.open_memmap(file.name, "w+", "<f4", X.shape)
            for start in range(0, X.shape[0], ROWS_AT_ONCE):
                dense[start : start + ROWS_AT_ONCE] = X[start : start + ROWS_AT_ONCE].toarray()
            dense.flush()

        write_atomically(path, write)
    return np.load(path, mmap_mode="r"), y


LOADERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    **SOURCES, "reuters": _reuters, "reuters-unofficial": partial(_reuters, verify=False)}

NAMES = tuple(LOADERS)
