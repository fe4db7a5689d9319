"""MNIST, 70,000 handwritten digits, from the official files or the checkout's ``data/mnist.npz``.

Every array is compared with the SHA-256 digest of the official idx file. An idx file consists of a short header, which
depends only on the shape, and of the bytes of the array. The same four digests therefore verify idx files, gzipped or
not, and the arrays of an npz.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike
from ._files import DataFile, check_digest, download, download_folder, find, sha256

__all__ = ["load_mnist"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# Exceptions of zipfile and NumPy for an npz with changed bytes (determined by changing bytes).
BROKEN_NPZ = (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


class OfficialFile(NamedTuple):
    """Official idx file of MNIST."""

    name: str
    shape: tuple[int, ...]
    sha256: str  # digest of the unzipped file


OFFICIAL_FILES = {  # keys are the names of the arrays in mnist.npz
    "x_train": OfficialFile("train-images-idx3-ubyte", (60000, 28, 28),
                            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "y_train": OfficialFile("train-labels-idx1-ubyte", (60000,),
                            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "x_test": OfficialFile("t10k-images-idx3-ubyte", (10000, 28, 28),
                           "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "y_test": OfficialFile("t10k-labels-idx1-ubyte", (10000,),
                           "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def load_mnist(
    split: str = "all", *, scale: float = 0.02, data_home: PathLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST in the order of the files, training images first, with pixels multiplied by ``scale``.

    The folders ``data_home``, the checkout's ``data/``, ``$DECNP_DATA`` and the per-user cache are searched, in this
    order, for ``mnist.npz`` or the idx files, gzipped or not. A missing file is downloaded once, into ``data_home`` or the
    cache. The digest of every array is checked at each call.

    Parameters
    ----------
    split : {"all", "train", "test"}, default="all"
        All 70,000 images, the 60,000 training images, or the 10,000 test images.
    scale : float, default=0.02
        Factor on the pixels 0..255, a finite number > 0. The authors' code uses 0.02. Use 1 for the raw gray values.
    data_home : path-like, default=None
        Folder to search first, and for the downloads. None means the per-user cache.

    Returns
    -------
    X : float32 array of shape (n, 784)
        Images, one per row, C-contiguous.
    y : int64 array of shape (n,)
        Digits 0..9.

    Raises
    ------
    ValueError
        If an argument is invalid.
    DataError
        If a file is damaged or not official (the message names it), or cannot be downloaded.

    See Also
    --------
    load_digits : Smaller digits, without a download.

    Notes
    -----
    Source: LeCun & Cortes, CC BY-SA 3.0; DEC Table 1. Differs from the paper: the paper scales the data so that
    ||x||^2 / 784 is about 1. The factor 0.02 of the authors' code, and of decnp, gives 2.92.

    Examples
    --------
    >>> X, y = load_mnist("test")
    >>> X.shape, y[:5].tolist()
    ((10000, 784), [7, 2, 1, 0, 4])
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test'; got {split!r}")
    if not (isinstance(scale, Real) and math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a finite number > 0; got {scale!r}")
    sets = ("train", "test") if split == "all" else (split,)
    n = sum(OFFICIAL_FILES[f"y_{name}"].shape[0] for name in sets)
    X, y = np.empty((n, 784), np.float32), np.empty(n, np.int64)
    start = 0
    for name in sets:
        rows = slice(start, start + OFFICIAL_FILES[f"y_{name}"].shape[0])
        _scale(_array(f"x_{name}", data_home), scale, out=X[rows])
        y[rows] = _array(f"y_{name}", data_home)
        start = rows.stop
    return X, y


def files() -> tuple[DataFile, ...]:
    """Return the four official files, for ``decnp data``."""
    return tuple(map(_data_file, OFFICIAL_FILES))


def _data_file(key: str) -> DataFile:
    """Return the description of array ``key`` for ``decnp data``: mnist.npz, or an idx file, gzipped or not."""
    part = OFFICIAL_FILES[key]

    def check(path: Path, name: str) -> str:
        if path.suffix == ".npz":
            _from_npz(path, key)
        else:
            _from_idx(path, part, name)
        return f"{key}: sha256 {part.sha256} as an idx file"

    zipped = f"{part.name}.gz"
    return DataFile(("mnist.npz", part.name, zipped), check, tuple(mirror + zipped for mirror in MIRRORS))


def _scale(pixels: np.ndarray, scale: float, out: np.ndarray) -> None:
    """Write pixels * scale to ``out``, rounded once to float32, without a copy (NumPy works in small blocks)."""
    np.multiply(pixels.reshape(out.shape), float(scale), out=out, dtype=np.float64, casting="same_kind")


def _array(key: str, data_home: PathLike | None) -> np.ndarray:
    """Return one of the four arrays, uint8 of its official shape, from the first folder that has it, or a download."""
    part = OFFICIAL_FILES[key]
    zipped = f"{part.name}.gz"
    path = find(["mnist.npz", part.name, zipped], data_home)
    if path is None:
        urls, target = [mirror + zipped for mirror in MIRRORS], download_folder(data_home) / zipped
        return download(urls, target, lambda temporary, url: _from_idx(temporary, part, url))
    try:
        return _from_npz(path, key) if path.suffix == ".npz" else _from_idx(path, part, path)
    except DataError as error:
        raise DataError(f"{error}; delete or replace it") from None


def _from_npz(path: Path, key: str) -> np.ndarray:
    """Return array ``key`` of a mnist.npz; raise DataError if it is not official."""
    part = OFFICIAL_FILES[key]
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise DataError(f"{path} is damaged: it is not a complete zip archive")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as npz:
                array = npz[key]
        except BROKEN_NPZ as error:
            raise DataError(f"{path} is damaged: {key} cannot be read ({error})") from error
    if array.dtype != np.uint8 or array.size != math.prod(part.shape):
        raise DataError(f"{path} is not MNIST: {key} must hold {math.prod(part.shape)} values of uint8; "
                        f"got {array.size} of {array.dtype}")
    array = np.ascontiguousarray(array).reshape(part.shape)
    check_digest(f"{path} ({key})", part.name, "sha256", sha256(_header(part.shape), array.data), part.sha256)
    return array


def _from_idx(path: Path, part: OfficialFile, name: object) -> np.ndarray:
    """Return the array of an idx file, gzipped or not; raise DataError if it is not official. ``name`` is its name."""
    header = _header(part.shape)
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            source = gzip.GzipFile(fileobj=file) if zipped else file
            content = source.read(len(header) + math.prod(part.shape) + 1)  # one byte more than the official file
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is damaged: it cannot be unzipped ({error})") from error
    shown = f"{name} (it begins with {content[:9]!r})"
    check_digest(shown, part.name, "sha256", sha256(content), part.sha256)
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(part.shape)


def _header(shape: tuple[int, ...]) -> bytes:
    """Return the header of an idx file: 0, 0, 8 (uint8), number of axes, their lengths; big-endian."""
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
