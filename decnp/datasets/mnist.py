"""MNIST, 70,000 handwritten digits, from the official files or the checkout's ``data/mnist.npz``.

Whatever the file, what counts is the SHA-256 sum of the official idx files. An idx file is a short
header, which follows from the shape, and then the array's bytes: so the same four sums verify the idx
files, zipped or not, and the arrays of an npz.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from numbers import Real
from typing import NamedTuple

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike
from ._files import DataFile, download, download_folder, find, sha256

__all__ = ["load_mnist"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# What zipfile and NumPy raise when bytes of an npz are changed (found by changing them).
UNREADABLE = (ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Part(NamedTuple):
    """One of the four official files."""

    name: str
    shape: tuple[int, ...]
    sum: str  # SHA-256 of the unzipped file


PARTS = {  # by the array's name in mnist.npz
    "x_train": Part("train-images-idx3-ubyte", (60000, 28, 28),
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "y_train": Part("train-labels-idx1-ubyte", (60000,),
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "x_test": Part("t10k-images-idx3-ubyte", (10000, 28, 28),
                   "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "y_test": Part("t10k-labels-idx1-ubyte", (10000,),
                   "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def load_mnist(
    split: str = "all", *, scale: float = 0.02, data_home: PathLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """MNIST in file order, training images first; each pixel 0..255 times ``scale``.

    The data are looked for in ``data_home``, the checkout's ``data/``, ``$DECNP_DATA`` and the per-user
    cache, in this order: ``mnist.npz``, or the idx files, zipped or not. What is found nowhere is
    downloaded, once, into ``data_home`` or else the cache. Every array is checked each time.

    Parameters
    ----------
    split : "all" (n = 70,000), "train" (60,000) or "test" (10,000)
    scale : finite number > 0; 0.02 is what the authors feed their network, 1 gives the raw grey values
    data_home : folder to look in first

    Returns
    -------
    X : float32 array of shape (n, 784), C-contiguous, an image per row
    y : int64 array of shape (n,), the digits 0..9

    Raises
    ------
    ValueError
        If an argument does not fit.
    DataError
        If a file is damaged or not the official one (it is named, and not used), or no mirror has it.

    Source: LeCun & Cortes, CC BY-SA 3.0; DEC Table 1. Differs from the paper: it scales the data so
    that ||x||^2 / 784 is about 1, its authors' code uses 0.02, which makes it 2.92; we follow the code.

    >>> X, y = load_mnist("test")
    >>> X.shape, y[:5].tolist()
    ((10000, 784), [7, 2, 1, 0, 4])
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test'; got {split!r}")
    if not (isinstance(scale, Real) and math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a finite number > 0; got {scale!r}")
    sets = ("train", "test") if split == "all" else (split,)
    n = sum(PARTS[f"y_{name}"].shape[0] for name in sets)
    X, y = np.empty((n, 784), np.float32), np.empty(n, np.int64)
    start = 0
    for name in sets:
        rows = slice(start, start + PARTS[f"y_{name}"].shape[0])
        _scale(_array(f"x_{name}", data_home), scale, out=X[rows])
        y[rows] = _array(f"y_{name}", data_home)
        start = rows.stop
    return X, y


def _scale(pixels, scale, out):
    """pixels * scale, rounded once to float32, without a copy in between (NumPy works in small blocks)."""
    np.multiply(pixels.reshape(out.shape), float(scale), out=out, dtype=np.float64, casting="same_kind")


def _array(key, data_home):
    """One of the four arrays, uint8 of its official shape, from the first place that has it."""
    part = PARTS[key]
    zipped = f"{part.name}.gz"
    path = find(["mnist.npz", part.name, zipped], data_home)
    if path is None:
        urls, target = [mirror + zipped for mirror in MIRRORS], download_folder(data_home) / zipped
        return download(urls, target, lambda aside, url: _from_idx(aside, part, url))
    try:
        return _from_npz(path, key) if path.suffix == ".npz" else _from_idx(path, part, path)
    except DataError as error:
        raise DataError(f"{error}; delete or replace it") from None


def _from_npz(path, key):
    """Array ``key`` of a mnist.npz; DataError if it is not the official one."""
    part = PARTS[key]
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise DataError(f"{path} is damaged: it is not a complete zip archive")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as npz:
                array = npz[key]
        except UNREADABLE as error:
            raise DataError(f"{path} is damaged: {key} cannot be read ({error})") from error
    if array.dtype != np.uint8 or array.size != math.prod(part.shape):
        raise DataError(f"{path} is not MNIST: {key} must hold {math.prod(part.shape)} values of uint8; "
                        f"got {array.size} of {array.dtype}")
    array = np.ascontiguousarray(array).reshape(part.shape)
    _check(part, sha256(_header(part.shape), array.data), f"{path} ({key})")
    return array


def _from_idx(path, part, name):
    """The array of an idx file, zipped or not; DataError, calling it ``name``, if it is not the official one."""
    header = _header(part.shape)
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            source = gzip.GzipFile(fileobj=file) if zipped else file
            content = source.read(len(header) + math.prod(part.shape) + 1)  # one byte more than there may be
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is damaged: it cannot be unzipped ({error})") from error
    _check(part, sha256(content), f"{name} (it begins with {content[:9]!r})")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(part.shape)


def _check(part, found, name):
    """DataError unless the sum ``found`` is the official one."""
    if found != part.sum:
        raise DataError(f"{name} is not the official {part.name}: its sha256 is {found}, not {part.sum}")


def _header(shape):
    """How an idx file of this shape begins: 0, 0, 8 (uint8), number of axes, their lengths; big-endian."""
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)


def _data_file(key):
    """Array ``key`` as ``decnp data`` handles it: in mnist.npz, or an idx file, zipped or not."""
    part = PARTS[key]

    def check(path, name):
        if path.suffix == ".npz":
            _from_npz(path, key)
        else:
            _from_idx(path, part, name)
        return f"{key}: sha256 {part.sum} as an idx file"

    zipped = f"{part.name}.gz"
    return DataFile(("mnist.npz", part.name, zipped), check, tuple(mirror + zipped for mirror in MIRRORS))


def files() -> tuple[DataFile, ...]:
    """The four official files, for ``decnp data``."""
    return tuple(map(_data_file, PARTS))
