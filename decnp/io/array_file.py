"""Parts of the two file formats for arrays and a JSON header: zip files (``archive``) and ``safetensors``.

A file from an unknown source is safe to read. Nothing in it is unpickled, evaluated or extracted. Memory is taken only
for bytes that are in the file: those of the arrays (twice that for float16 read as float32, and up to 20 times that for
names of columns), and at most 30 MB for the header and the directory of a zip file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..exceptions import ArchiveError
from .atomic import PathLike

__all__ = ["Expected", "NotTheFormat", "check_length", "check_names", "little_endian", "one_line", "opened", "parse_header",
           "parse_object", "read_values", "sha256_of", "wanted"]

MAX_HEADER = 1 << 19  # bytes; parsing JSON takes up to 45 times as much memory
PIECE = 1 << 19  # bytes of one read
UNREADABLE = (ValueError, LookupError, ArithmeticError, TypeError, EOFError, OSError, RuntimeError)
"""Exceptions that a damaged file, or JSON that is not what it should be, can raise."""


class NotTheFormat(ArchiveError):
    """The file has another format; the message continues "is not a <kind of file>: "."""


class Expected(NamedTuple):
    """Requirements for an array: finite, with this dtype in the file, one of these shapes, and this dtype in memory."""

    stored: str
    shapes: list[tuple]
    dtype: str


def one_line(message: object) -> str:
    """Return a ``message`` that may quote an unknown file as one short, printable line."""
    text = str(message)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 300 else f"{text[:300]}..."


# ---------------------------------------------------------------- writing

def little_endian(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return ``arrays`` as a file has them: little-endian, in C order. Raises ValueError unless they hold real numbers."""
    arrays = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise ValueError(f"{name} must hold real numbers of 8 bytes at most; got the dtype {array.dtype}")
    return arrays


def check_length(content: str) -> None:
    """Raise ValueError if ``content``, the JSON text of a header, is too long to be read."""
    if len(content) > MAX_HEADER:
        raise ValueError(f"the file's header would take {len(content)} bytes, and {MAX_HEADER} are the most")


def sha256_of(array: np.ndarray) -> str:
    """Return the SHA-256 digest of an array's bytes in C order, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


# ---------------------------------------------------------------- reading

@contextmanager
def opened(path: PathLike, what: str, error_class: type[ArchiveError]) -> Iterator[BinaryIO]:
    """Open the file ``path`` to be read. Errors about its content become an ``error_class`` with the path, in one line.

    Raises OSError if the file does not exist or cannot be read. ``what`` is the kind of file, for messages.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe would block forever; a folder raises OSError
        raise error_class(f"{path} is not a {what}: it is a pipe or a device")
    with open(path, "rb") as file:
        try:
            yield file
        except NotTheFormat as error:
            raise error_class(f"{path} is not a {what}: {one_line(error)}") from None
        except ArchiveError as error:
            raise error_class(f"{path} {one_line(error)}") from None
        except UNREADABLE as error:
            raise error_class(f"{path} is not a {what}, or is damaged ({one_line(error)})") from error


def parse_header(content: bytes) -> dict:
    """Return the JSON object in ``content``, the bytes of a header; it must have digests."""
    header = parse_object(content)
    if not isinstance(header.get("sha256"), dict):
        raise ArchiveError("is damaged: sha256 in its header must be of the kind dict")
    return header


def parse_object(content: bytes) -> dict:
    """Return the JSON object in ``content``, in which each name must occur once."""
    header = json.loads(content.decode(), object_pairs_hook=_each_once)
    if not isinstance(header, dict):
        raise NotTheFormat("its header is not a JSON object")
    return header


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ArchiveError("is damaged: its header has a name twice")
    return dict(pairs)


def check_names(there: Collection[str], expected: Collection[str], ending: str = "") -> None:
    """Raise ArchiveError unless the arrays ``there`` are the ``expected`` ones; their names have an ``ending`` more."""
    if len(there) != len(expected):
        raise ArchiveError(f"is damaged: it must have {len(expected)} arrays; got {len(there)}")
    for name in expected:
        if f"{name}{ending}" not in there:
            raise ArchiveError(f"is damaged: it must have the arrays that its header calls for; {name} is missing")


def wanted(want: Expected | None) -> str:
    """Return the requirement ``want`` in words."""
    return f"{np.dtype(want.stored)} {' or '.join(map(str, want.shapes))}" if want else "numbers"


def read_values(
    read: Callable[[int], bytes], name: str, stored: Any, shape: tuple[int, ...], n_bytes: int, sha256: object,
    want: Expected | None,
) -> np.ndarray:
    """Return the array ``name``, read piece by piece into its own memory.

    ``read(n)`` returns the next n bytes of its numbers. According to the file they have the dtype ``stored``, the
    ``shape``, ``n_bytes`` bytes and the digest ``sha256``. ``want`` is the requirement, if there is one.
    """
    if want and (stored != want.stored or shape not in want.shapes):
        raise ArchiveError(f"is damaged: {name} must be an array of {wanted(want)}; got {stored} {shape}")
    needed = math.prod(shape) * stored.itemsize
    if needed != n_bytes:
        raise ArchiveError(f"is damaged: {name} {shape} takes {needed} bytes of data, and {n_bytes} are there")
    array = np.empty(shape, want.dtype if want else stored.newbyteorder("="))
    flat, step, total, finite = array.reshape(-1), PIECE // stored.itemsize, hashlib.sha256(), True
    for start in range(0, flat.size, step):
        piece = read(min(step, flat.size - start) * stored.itemsize)
        total.update(piece)
        values = np.frombuffer(piece, stored)
        finite = finite and bool(np.isfinite(values).all())
        with np.errstate(invalid="ignore"):  # NaN: the next lines raise
            flat[start : start + step] = values
    if total.hexdigest() != sha256:
        raise ArchiveError(f"is damaged: {name} does not have the sha256 that the header gives")
    if want and not finite:
        raise ArchiveError(f"is damaged: {name} has NaN or infinite values")
    return array
