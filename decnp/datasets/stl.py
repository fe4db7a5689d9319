"""STL-10, small colour photographs, as STL-HOG: the paper's 1428 features of each, from the official binary files.

The files are ``stl10_binary.tar.gz`` as it is, or what is in it: ``stl10_binary/train_X.bin`` and so on. An image
is 3 x 96 x 96 bytes, one channel after the other, each by columns; nothing else is in the file. Features take a
minute for all 113,000 images, so they are kept beside the downloads once the files' sums have been checked.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from ..exceptions import DataError
from ..io.atomic import PathLike, write_atomically
from ..io.npz import read_npz
from ._files import UnofficialData, check_disk, download_folder, find
from ._stl10 import IMAGE, PARTS, image_blocks, opened, read_labels
from .hog import N_FEATURES, stl_hog

__all__ = ["load_stl", "stl_autoencoder_rows", "stl_images"]

FEATURES = "stl-hog-v1.npz"  # train, then test; the number is that of the features' definition
AUTOENCODER_ROWS = "stl-hog-autoencoder-v1.npy"


def load_stl(
    split: str = "all", *, data_home: PathLike | None = None, verify: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """STL-HOG: ``decnp.datasets.hog.stl_hog`` of the 13,000 labelled images of STL-10.

    Parameters
    ----------
    split : "all" (n = 13,000: train and test, in the random order in which the authors' code clusters them),
        "train" (5,000) or "test" (8,000), both in the order of the files
    data_home : folder to look in first, then in those of ``load_mnist``
    verify : False takes files in the same layout that are not the official ones, with any number of images, and
        warns of it; their features are not kept

    Returns
    -------
    X : float32 array of shape (n, 1428)
    y : int64 array of shape (n,), 0..9: airplane, bird, car, cat, deer, dog, horse, monkey, ship, truck

    Raises
    ------
    ValueError
        If split is none of these.
    DataError
        If a file is not there (nothing is downloaded unasked: ``decnp data fetch stl``), is damaged, or is not
        the official one.

    Warns UnofficialData with ``verify=False``.

    Source: Coates, Lee & Ng, AISTATS 2011; DEC Table 1. The order is the first permutation of the authors'
    ``RandomState(1234)``. Differs from the paper: no.
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test'; got {split!r}")
    X, y, n_train = _labelled(data_home, verify)
    rows = {"all": _orders(len(X))[0], "train": slice(n_train), "test": slice(n_train, None)}[split]
    return X[rows], y[rows]


def stl_autoencoder_rows(*, data_home: PathLike | None = None, verify: bool = True) -> np.ndarray:
    """The rows that train the autoencoder on STL-HOG: 4/5 of the labelled and unlabelled images, mixed.

    They are 516 MB, so they come as a file that is mapped into memory, ``stl-hog-autoencoder-v1.npy`` in
    ``data_home`` or else the per-user cache. The first call writes it, in blocks of 500 images.

    Parameters
    ----------
    data_home, verify : as in ``load_stl``; with ``verify=False`` the file is called ``unofficial-...``, and is
        written anew each time

    Returns
    -------
    X : read-only float32 memory map of shape (90,400, 1428)

    Raises
    ------
    DataError
        As ``load_stl``, or if the disk has no room.
    OSError
        If the file cannot be written.

    Warns UnofficialData with ``verify=False``.

    Source: DEC section 4.1, which trains the autoencoder on the unlabelled images too; 4/5 and the order, the
    second permutation of ``RandomState(1234)``, are those of the authors' code. Differs from the paper: no.
    """
    kept = find([AUTOENCODER_ROWS], data_home) if verify else None
    if kept is None:
        X = _labelled(data_home, verify)[0]
        kept = download_folder(data_home) / f"{'' if verify else 'unofficial-'}{AUTOENCODER_ROWS}"
        _write_autoencoder_rows(kept, X, data_home, verify)
    try:
        return np.load(kept, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{kept} is damaged ({error}); delete it, and it is made again") from error


def stl_images(rows: ArrayLike, *, data_home: PathLike | None = None, verify: bool = True) -> np.ndarray:
    """The photographs behind some rows of ``load_stl()``, for pictures of a clustering: the paper's Figure 3 b.

    Parameters
    ----------
    rows : (b,) row numbers of ``load_stl()``, split "all"
    data_home, verify : as in ``load_stl``

    Returns
    -------
    images : uint8 array of shape (b, 96, 96, 3), red, green, blue

    Raises DataError as ``load_stl``, IndexError for a row that it does not have.
    """
    parts = ["train_X.bin", "test_X.bin"]
    with opened(parts, data_home, verify) as sources:
        order = _orders(sum(sources[part].size // IMAGE for part in parts))[0]
        places = order[np.asarray(rows, np.int64)]  # where they are in the files, one after the other
        images, start = np.empty((len(places), 96, 96, 3), np.uint8), 0
        for block in chain.from_iterable(image_blocks(sources[part]) for part in parts):
            here = (start <= places) & (places < start + len(block))
            images[here] = block[places[here] - start]
            start += len(block)
    return images


def _write_autoencoder_rows(path, labelled, data_home, verify):
    """The autoencoder's rows into an .npy at ``path``, each where it belongs, without holding many of them."""
    with opened(["unlabeled_X.bin"], data_home, verify) as sources:
        n = len(labelled) + sources["unlabeled_X.bin"].size // IMAGE
        first, second = _orders(len(labelled), n)
        place = np.empty(n, np.int64)  # where each row of "all", and then each unlabelled one, goes
        place[second] = np.arange(n)
        n_rows = n * 4 // 5
        path.parent.mkdir(parents=True, exist_ok=True)
        check_disk(path.parent, n_rows * N_FEATURES * 4, path.name)

        def write(file):
            header = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, N_FEATURES)}
            np.lib.format.write_array_header_1_0(file, header)
            start, done = file.tell(), 0
            for rows in chain([labelled[first]], map(stl_hog, image_blocks(sources["unlabeled_X.bin"]))):
                for row, at in zip(rows, place[done:]):
                    if at < n_rows:
                        file.seek(start + at * row.nbytes)
                        file.write(row.astype("<f4", copy=False).tobytes())
                done += len(rows)

        write_atomically(path, write)


def _orders(*sizes: int) -> list[np.ndarray]:
    """The authors' order of the labelled rows, then that of all rows, from one RandomState(1234)."""
    random = np.random.RandomState(1234)
    return [random.permutation(size) for size in sizes]


def _labelled(data_home, verify):
    """X and y of the training and then the test images, and the number of the training images."""
    n_train = PARTS["train_y.bin"].size
    kept = find([FEATURES], data_home) if verify else None
    if kept:
        X, y = read_npz(kept)
        n = n_train + PARTS["test_y.bin"].size
        if y is None or (X.shape, X.dtype, y.shape, y.dtype) != ((n, N_FEATURES), np.float32, (n,), np.int64):
            raise DataError(f"{kept} does not hold the features of {n} images; delete it, and it is made again")
        return X, y, n_train
    with opened(["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"], data_home, verify) as sources:
        if not verify:
            warnings.warn(f"{sources['train_X.bin'].name} and the other files of STL-10 are taken unchecked: "
                          "what comes out is no result on STL-10", UnofficialData, stacklevel=3)
        got = {}
        for name, source in sources.items():
            got[name] = (read_labels(source) if name.endswith("_y.bin")
                         else np.concatenate([*map(stl_hog, image_blocks(source))]))
        for split in ("train", "test"):
            nimage_blocks, n_labels = len(got[f"{split}_X.bin"]), len(got[f"{split}_y.bin"])
            if nimage_blocks != n_labels:
                raise DataError(f"{sources[f'{split}_y.bin'].name} must hold one label for each image of "
                                f"{split}_X.bin, {nimage_blocks}; got {n_labels}")
    X, y = (np.concatenate([got[f"train_{what}.bin"], got[f"test_{what}.bin"]]) for what in "Xy")
    if verify:
        with suppress(OSError):  # where nothing can be kept, it is worked out each time
            folder = download_folder(data_home)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / FEATURES, lambda file: np.savez(file, X=X, y=y))
    return X, y, len(got["train_y.bin"])
