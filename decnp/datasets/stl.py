"""STL-HOG: the paper's 1428 features of the color photographs of STL-10, from the official binary files.

The files are ``stl10_binary.tar.gz``, or its contents, ``stl10_binary/train_X.bin`` etc. An image has 3 x 96 x 96 bytes,
one channel after the other, each in column order. The files have no headers. Computing the features of all 113,000 images
takes a minute, so the features of verified files are cached in the folder for downloads.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..exceptions import DataError
from ..io.atomic import PathLike, write_atomically
from ..io.npz import read_npz
from ._files import UnofficialData, check_disk, download_folder, find
from ._stl10 import IMAGE_SIZE, OFFICIAL_FILES, Source, image_blocks, open_files, read_labels
from .hog import N_FEATURES, SIDE, stl_hog

__all__ = ["load_stl", "stl_autoencoder_rows", "stl_images"]

FEATURES = "stl-hog-v1.npz"  # train, then test; the number is the version of the features' definition
AUTOENCODER_ROWS = "stl-hog-autoencoder-v1.npy"


class Labeled(NamedTuple):
    """Images with labels, in the order of the files: training images, then test images."""

    X: np.ndarray
    """(n, 1428) float32 features."""
    y: np.ndarray
    """(n,) int64 classes, 0..9."""
    n_train: int
    """Number of training images."""


def load_stl(
    split: str = "all", *, data_home: PathLike | None = None, verify: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return STL-HOG: ``decnp.datasets.hog.stl_hog`` of the 13,000 labeled images of STL-10.

    Parameters
    ----------
    split : {"all", "train", "test"}, default="all"
        "all" returns all 13,000 images, in the random order of the authors' code. "train" returns the 5,000 training
        images and "test" the 8,000 test images, in the order of the files.
    data_home : path-like, default=None
        Folder to search first, before the folders of ``load_mnist``.
    verify : bool, default=True
        Accept only the official files. False accepts files of the same format with any number of images, and warns.
        Their features are not cached.

    Returns
    -------
    X : float32 array of shape (n, 1428)
        Features.
    y : int64 array of shape (n,)
        Classes 0..9: airplane, bird, car, cat, deer, dog, horse, monkey, ship, truck.

    Raises
    ------
    ValueError
        If ``split`` is invalid.
    DataError
        If a file is missing (``decnp data fetch stl`` downloads it), damaged or not official.

    Warns
    -----
    UnofficialData
        If ``verify`` is False.

    See Also
    --------
    stl_autoencoder_rows : Rows that train the autoencoder.

    Notes
    -----
    Source: Coates, Lee & Ng, AISTATS 2011; DEC Table 1. The random order is the first permutation of
    ``RandomState(1234)``, as in the authors' code. Differs from the paper: no.
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test'; got {split!r}")
    X, y, n_train = _labeled(data_home, verify)
    rows: dict[str, np.ndarray | slice] = {
        "all": _orders(len(X))[0], "train": slice(n_train), "test": slice(n_train, None)}
    return X[rows[split]], y[rows[split]]


def stl_autoencoder_rows(*, data_home: PathLike | None = None, verify: bool = True) -> np.ndarray:
    """Return the rows that train the autoencoder on STL-HOG: 4/5 of the labeled and unlabeled images, shuffled.

    The rows need 516 MB, so they are memory-mapped from ``stl-hog-autoencoder-v1.npy`` in ``data_home`` or the per-user
    cache. The first call writes this file, in blocks of 500 images.

    Parameters
    ----------
    data_home : path-like, default=None
        As for ``load_stl``.
    verify : bool, default=True
        As for ``load_stl``. If it is False, the name of the file begins with ``unofficial-``, and each call writes it.

    Returns
    -------
    X : read-only float32 memory map of shape (90400, 1428)
        Features.

    Raises
    ------
    DataError
        As for ``load_stl``, or if there is not enough free space on the disk.
    OSError
        If the file cannot be written.

    Warns
    -----
    UnofficialData
        If ``verify`` is False.

    See Also
    --------
    load_stl : Rows to cluster.

    Notes
    -----
    Source: DEC section 4.1, which trains the autoencoder on the unlabeled images too. The fraction 4/5 and the order, the
    second permutation of ``RandomState(1234)``, are from the authors' code. Differs from the paper: no.
    """
    path = find([AUTOENCODER_ROWS], data_home) if verify else None
    if path is None:
        X = _labeled(data_home, verify).X
        path = download_folder(data_home) / f"{'' if verify else 'unofficial-'}{AUTOENCODER_ROWS}"
        _write_autoencoder_rows(path, X, data_home, verify)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged ({error}); delete it, and it will be computed again") from error


def stl_images(rows: ArrayLike, *, data_home: PathLike | None = None, verify: bool = True) -> np.ndarray:
    """Return the photographs of some rows of ``load_stl()``, such as for the paper's Figure 3 b.

    Parameters
    ----------
    rows : array-like of int of shape (b,)
        Row numbers of ``load_stl()`` with ``split="all"``.
    data_home : path-like, default=None
        As for ``load_stl``.
    verify : bool, default=True
        As for ``load_stl``.

    Returns
    -------
    images : uint8 array of shape (b, 96, 96, 3)
        RGB images.

    Raises
    ------
    DataError
        As for ``load_stl``.
    IndexError
        If a row number is out of range.

    See Also
    --------
    load_stl : Features of the photographs.
    """
    names = ["train_X.bin", "test_X.bin"]
    with open_files(names, data_home, verify) as sources:
        order = _orders(sum(_n_images(sources[name]) for name in names))[0]
        positions = order[np.asarray(rows, np.int64)]  # positions in the concatenation of the two files
        images, start = np.empty((len(positions), SIDE, SIDE, 3), np.uint8), 0
        for block in chain.from_iterable(image_blocks(sources[name]) for name in names):
            here = (start <= positions) & (positions < start + len(block))
            images[here] = block[positions[here] - start]
            start += len(block)
    return images


def _write_autoencoder_rows(path: Path, labeled: np.ndarray, data_home: PathLike | None, verify: bool) -> None:
    """Write the autoencoder's rows to an .npy at ``path``, with one block of images in memory at a time."""
    with open_files(["unlabeled_X.bin"], data_home, verify) as sources:
        source = sources["unlabeled_X.bin"]
        n = len(labeled) + _n_images(source)
        first, second = _orders(len(labeled), n)
        position = np.empty(n, np.int64)  # new row number of each row of "all", then of each unlabeled image
        position[second] = np.arange(n)
        n_rows = n * 4 // 5
        path.parent.mkdir(parents=True, exist_ok=True)
        check_disk(path.parent, n_rows * N_FEATURES * 4, path.name)

        def write(file: BinaryIO) -> None:
            # Not open_memmap: on a disk that becomes full, a write to a map kills the process with SIGBUS.
            header = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, N_FEATURES)}
            np.lib.format.write_array_header_1_0(file, header)
            start, done = file.tell(), 0
            for rows in chain([labeled[first]], map(stl_hog, image_blocks(source))):
                for row, at in zip(rows, position[done:]):
                    if at < n_rows:
                        file.seek(start + at * row.nbytes)
                        file.write(row.astype("<f4", copy=False).tobytes())
                done += len(rows)

        write_atomically(path, write)


def _n_images(source: Source) -> int:
    return source.size // IMAGE_SIZE


def _orders(*sizes: int) -> list[np.ndarray]:
    """Return a permutation of each size from one RandomState(1234), as the authors do for labeled rows, then all rows."""
    random = np.random.RandomState(1234)
    return [random.permutation(size) for size in sizes]


def _labeled(data_home: PathLike | None, verify: bool) -> Labeled:
    """Return the labeled images, with features from the cache if it exists."""
    path = find([FEATURES], data_home) if verify else None
    if path:
        return _read_features(path)
    with open_files(["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"], data_home, verify) as sources:
        if not verify:
            warnings.warn(f"{sources['train_X.bin'].name} and the other files of STL-10 are used without a check: "
                          "results are not results on STL-10", UnofficialData, stacklevel=3)
        labeled = _compute_features(sources)
    if verify:
        with suppress(OSError, DataError):  # without a writable folder, the features are computed at each call
            folder = download_folder(data_home)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / FEATURES, lambda file: np.savez(file, X=labeled.X, y=labeled.y))
    return labeled


def _read_features(path: Path) -> Labeled:
    """Return the stored features; raise DataError if ``path`` does not hold them."""
    X, y, _ = read_npz(path)
    n_train = OFFICIAL_FILES["train_y.bin"].size
    n = n_train + OFFICIAL_FILES["test_y.bin"].size
    if (not isinstance(X, np.ndarray) or (X.shape, X.dtype) != ((n, N_FEATURES), np.dtype(np.float32))
            or y is None or (y.shape, y.dtype) != ((n,), np.dtype(np.int64))):
        raise DataError(f"{path} does not hold the features of {n} images; delete it, and it will be computed again")
    return Labeled(X, y, n_train)


def _compute_features(sources: Mapping[str, Source]) -> Labeled:
    """Return features and labels from the four files, read in the order of ``sources``."""
    arrays = {}
    for name, source in sources.items():
        arrays[name] = (read_labels(source) if name.endswith("_y.bin")
                        else np.concatenate([*map(stl_hog, image_blocks(source))]))
    for split in ("train", "test"):
        n_images, n_labels = len(arrays[f"{split}_X.bin"]), len(arrays[f"{split}_y.bin"])
        if n_images != n_labels:
            raise DataError(f"{sources[f'{split}_y.bin'].name} must hold one label for each image of "
                            f"{split}_X.bin, {n_images}; got {n_labels}")
    X, y = (np.concatenate([arrays[f"train_{kind}.bin"], arrays[f"test_{kind}.bin"]]) for kind in "Xy")
    return Labeled(X, y, len(arrays["train_y.bin"]))
