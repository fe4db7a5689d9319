"""Read arrays by name from ``.npz`` files; each array is read only when it is needed."""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ..exceptions import DataError
from ..utils.rows import Rows
from .array_file import one_line
from .atomic import PathLike
from .npy import read_npy, read_npy_header
from .sparse import is_sparse, read_sparse

__all__ = ["read_arrays", "read_npz", "read_npz_labels"]

BROKEN_ZIP: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError)
try:
    from lzma import LZMAError
except ImportError:  # zipfile refuses such files then
    pass
else:
    BROKEN_ZIP += (LZMAError,)


class ZippedArrays(NamedTuple):
    """Arrays in an open ``.npz`` file."""

    shapes: dict[str, tuple[int, ...]]
    """Shape of each array, by name."""
    read: Callable[[str], np.ndarray]
    """``read(name)`` returns an array."""


class Npz(NamedTuple):
    """Table in an ``.npz`` file."""

    X: Rows
    """(n, D); ``LazyRows`` of a sparse matrix."""
    y: np.ndarray | None
    """(n,) or (n, 1) labels."""
    notes: list[str]
    """Sentences about arrays that are not read."""


def read_npz(path: PathLike) -> Npz:
    """Return X, and the labels y or None, from the ``.npz`` at ``path``; raise DataError if it does not hold X."""
    with _zipped_arrays(path) as (shapes, read):
        X = None if is_sparse(shapes) else _choose(path, shapes, ("X", "x"), 2)
        others = {name: shapes[name] for name in ("y", "labels") if name in shapes and name != X}
        y = next((name for name, shape in others.items() if len(shape) == 1 or shape[1:] == (1,)), None)
        notes = [f"the array {name} is not read as labels, because it has the shape {shape}, not (n,)"
                 for name, shape in others.items() if y is None]
        return Npz(read_sparse(path, shapes, read) if X is None else read(X), None if y is None else read(y), notes)


def read_npz_labels(path: PathLike) -> np.ndarray:
    """Return the labels in the ``.npz`` at ``path``; raise DataError if it does not hold them."""
    with _zipped_arrays(path) as (shapes, read):
        return read(_choose(path, shapes, ("y", "labels"), 1))


def read_arrays(path: PathLike, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return {name: array} for all ``names`` from the ``.npz`` at ``path``; raise DataError if one is missing."""
    with _zipped_arrays(path) as (shapes, read):
        missing = [name for name in names if name not in shapes]
        if missing:
            raise DataError(f"{path} must have an array called {missing[0]}; got {', '.join(shapes) or 'no arrays'}")
        return {name: read(name) for name in names}


@contextmanager
def _zipped_arrays(path: PathLike) -> Iterator[ZippedArrays]:
    """Open the ``.npz`` at ``path`` and read its headers; raise DataError for what cannot be unzipped or read."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is damaged, or is not a .npz file: it is not a complete zip archive")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.filename[:-4]: m for m in archive.infolist() if m.filename.endswith(".npy")}
            shapes = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    shapes[name] = read_npy_header(file, f"{path} ({name})").shape

            def read(name: str) -> np.ndarray:
                with archive.open(members[name]) as file:
                    return read_npy(file, members[name].file_size, f"{path} ({name})")

            yield ZippedArrays(shapes, read)
    except DataError:
        raise
    except BROKEN_ZIP as error:
        raise DataError(f"{path} is damaged: it cannot be unzipped ({one_line(error)})") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # that of an entry whose place lies before the file
            raise DataError(f"{path} is damaged: it cannot be unzipped (its entries lie outside of the file)") from error
        if error.errno is None:  # that of bz2
            raise DataError(f"{path} is damaged: it cannot be unzipped ({one_line(error)})") from error
        raise


def _choose(path: PathLike, shapes: Mapping[str, tuple[int, ...]], names: Sequence[str], n_axes: int) -> str:
    """Return the array called one of ``names``, else the only one with ``n_axes`` axes, else the only one."""
    named = [name for name in names if name in shapes]
    fitting = [name for name, shape in shapes.items() if len(shape) == n_axes]
    for choice in (named[:1], fitting, list(shapes)):
        if len(choice) == 1:
            return choice[0]
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no arrays"
    raise DataError(f"{path} must have an array called {' or '.join(names)}, or only one with {n_axes} "
                    f"ax{'es' if n_axes > 1 else 'is'}; got {listed}")
