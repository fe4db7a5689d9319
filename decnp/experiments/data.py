"""What the experiments run on: the paper's data sets by name, whole, imbalanced, split, or a small piece of them."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Callable, Mapping, NamedTuple

import numpy as np

from ..datasets import make_imbalanced
from ..datasets._files import check_disk, download_folder
from ..datasets.registry import SOURCES, n_clusters
from ..datasets.reuters import load_reuters
from ..datasets.stl import stl_autoencoder_rows, stl_images
from ..io.atomic import write_atomically
from ..training.checkpoint import fingerprint

__all__ = ["Data", "NAMES", "QUICK_ROWS", "autoencoder_rows", "images", "load"]

QUICK_ROWS = 300


class Data(NamedTuple):
    """A data set that is here."""

    X: np.ndarray
    """(n, D) float32; of the full REUTERS a memory map."""
    y: np.ndarray
    """(n,) labels, for the scores only."""
    k: int
    """How many classes it has, and so how many clusters are looked for."""
    fingerprint: str
    """The SHA-256 sum of X."""


@lru_cache(maxsize=2)
def load(name: str, quick: bool = False, r_min: float | None = None, seed: int = 0, part: str = "all") -> Data:
    """A data set, or what an experiment takes of it.

    Parameters
    ----------
    name : "mnist", "stl", ..., as ``decnp fit`` knows them, or "reuters"
    quick : a random 300 rows only (the same each time)
    r_min, seed : the imbalanced sample of Table 4, drawn by ``seed``
    part : "all", or "train" and "validation": the first 6/7 of the rows and the rest, 60,000 and 10,000 of MNIST

    Raises
    ------
    DataError
        If its files are not here or not right; the sentence says how to get them.
    """
    X, y = _source(name)
    if quick:
        rows = _quick_rows(len(X))
        X, y = X[rows], y[rows]
    if r_min is not None:
        X, y = make_imbalanced(X, y, r_min, random_state=seed)
    cut = len(X) * 6 // 7
    split = {"all": slice(None), "train": slice(cut), "validation": slice(cut, None)}[part]
    X, y = X[split], y[split]
    return Data(X, y, n_clusters(name), fingerprint(X))


@lru_cache(maxsize=1)
def _source(name):
    return LOADERS[name]()


def _quick_rows(n: int) -> np.ndarray:
    """The rows of n that ``quick`` takes."""
    return np.sort(np.random.default_rng(0).choice(n, min(n, QUICK_ROWS), replace=False))


def autoencoder_rows(spec: Mapping) -> np.ndarray:
    """The rows that train the autoencoder of the data set ``load(**spec)``: its own, but for STL-HOG.

    There they are 90,400 of labelled and unlabelled images ("We also used the unlabeled set when training our
    autoencoders", DEC section 4.1).
    """
    if spec["name"].startswith("stl") and not spec.get("quick"):
        return _stl_rows(spec["name"] == "stl")
    return load(**spec).X


@lru_cache(maxsize=1)
def _stl_rows(verify):
    return stl_autoencoder_rows(verify=verify)


def images(spec: Mapping, rows: np.ndarray) -> np.ndarray:
    """The pictures behind some rows of ``load(**spec)``: (b, h, w), or (b, 96, 96, 3) of STL-10.

    Raises ValueError where the rows are no pictures.
    """
    name = spec["name"]
    if name.startswith("stl"):
        rows = _quick_rows(len(_source(name)[0]))[rows] if spec.get("quick") else rows
        return stl_images(rows, verify=name == "stl")
    X = load(**spec).X[rows]
    side = round(X.shape[1] ** 0.5)
    if side**2 != X.shape[1]:
        raise ValueError(f"the rows of {name} are no square pictures: they have {X.shape[1]} columns")
    return X.reshape(len(rows), side, side)


def _reuters(verify: bool = True):
    """All of REUTERS as dense rows: 5.5 GB, so in a file that is mapped into memory, beside the downloads."""
    X, y = load_reuters(verify=verify)
    path = download_folder() / f"{'' if verify else 'unofficial-'}reuters-dense-v1.npy"
    if not (verify and path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_disk(path.parent, 4 * X.shape[0] * X.shape[1], path.name)

        def write(file):
            header = {"descr": "<f4", "fortran_order": False, "shape": X.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, X.shape[0], 2048):
                file.write(X[start : start + 2048].toarray().astype("<f4", copy=False).tobytes())

        write_atomically(path, write)
    return np.load(path, mmap_mode="r"), y


LOADERS: dict[str, Callable] = {
    **SOURCES, "reuters": _reuters, "reuters-unofficial": partial(_reuters, verify=False)}

NAMES = tuple(LOADERS)
