"""Archives of numbers: one zip file of .npy arrays and a JSON header. Model files and checkpoints are archives.

The zip file is not compressed. ``header.json`` has the SHA-256 digest of each array's bytes (little-endian, C order).

A file from an unknown source is safe to read. Nothing in it is unpickled, evaluated or extracted. An .npy header must
be exactly one that NumPy writes for numbers. Memory is taken only for bytes that are in the file: those of the arrays
(twice that for float16 read as float32), and at most 30 MB for the header and the directory of the zip file.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..exceptions import ArchiveError
from .atomic import PathLike

__all__ = ["Expected", "one_line", "read_archive", "sha256_of", "write_archive"]

HEADER = "header.json"
MAX_HEADER = 1 << 19  # bytes; parsing JSON takes up to 45 times as much memory
PIECE = 1 << 19  # bytes of one read, and so the largest directory of a zip file
NPY = re.compile(rb"\x93NUMPY\x01\x00..{'descr': '([<|][biuf][1248])', 'fortran_order': False, "
                 rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18})+)\), } *\n", re.DOTALL)
UNREADABLE = (zipfile.BadZipFile, ValueError, LookupError, ArithmeticError, TypeError, EOFError, OSError, RuntimeError,
              struct.error)  # exceptions that a damaged zip file or JSON can raise


class _NotAnArchive(ArchiveError):
    """The file has another format; the message continues "is not a <kind of file>: "."""


class Expected(NamedTuple):
    """Requirements for an array: finite, with this dtype in the file, one of these shapes, and this dtype in memory."""

    stored: str
    shapes: list[tuple]
    dtype: str


def one_line(message: object) -> str:
    """Return a message that may quote an unknown file as one short, printable line."""
    text = str(message)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 300 else f"{text[:300]}..."


# ---------------------------------------------------------------- writing

def write_archive(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write an archive into ``file``, which is open, empty and seekable; the same content gives the same bytes.

    ``header`` is JSON data; the digests are added. Raises ValueError for arrays that do not hold numbers, and for a
    header that is too long to be read.
    """
    arrays = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise ValueError(f"{name} must hold real numbers of 8 bytes at most; got the dtype {array.dtype}")
    content = json.dumps({**header, "sha256": {name: sha256_of(array) for name, array in arrays.items()}}, indent=1)
    if len(content) > MAX_HEADER:
        raise ValueError(f"the file's header would take {len(content)} bytes, and {MAX_HEADER} are the most")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(HEADER), content)
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes > 1 << 30) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def _member(name: str) -> zipfile.ZipInfo:
    """Return an entry without a time stamp, so that the same model gives the same file; readable once unzipped."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member


def sha256_of(array: np.ndarray) -> str:
    """Return the SHA-256 digest of an array's bytes in C order, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


# ---------------------------------------------------------------- reading

class _InPieces(io.FileIO):
    """A file whose reads return at most ``PIECE`` bytes, whatever sizes the file announces."""

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(PIECE + 1 if size is None or size < 0 else min(size, PIECE + 1))
        if len(piece) > PIECE:
            raise ArchiveError("is damaged: its directory is too large")
        return piece


def read_archive(
    path: PathLike, expect: Callable[[dict], dict[str, Expected]] | None = None, unread: tuple[str, ...] = (),
    what: str = "decnp archive", error_class: type[ArchiveError] = ArchiveError,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return header and arrays of an archive.

    Parameters
    ----------
    path : str or path-like
    expect : callable, default=None
        ``expect(header)`` checks the header and returns the requirements for the arrays. It may raise ArchiveError with
        a message that continues the file's name. None accepts any numbers.
    unread : tuple of str, default=()
        Arrays whose names begin with one of these words must be in the file, and are not read.
    what : str, default="decnp archive"
        Kind of file, for messages.
    error_class : type, default=ArchiveError
        Exception to raise.

    Raises
    ------
    ArchiveError
        If the file is not an archive, is cut short or changed, or is not as expected.
    OSError
        If the file does not exist or cannot be read.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe would block forever; a folder raises OSError
        raise error_class(f"{path} is not a {what}: it is a pipe or a device")
    with _InPieces(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            _check_ends(file, size)
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, size)
                header = parse_header(archive.read(members.pop(HEADER)))
                expected = expect(header) if expect else dict.fromkeys(header["sha256"])
                _check_names(members, expected)
                sums = header["sha256"]
                return header, {name: _read_array(archive, members[f"{name}.npy"], name, sums.get(name), want)
                                for name, want in expected.items() if not name.startswith(unread)}
        except _NotAnArchive as error:
            raise error_class(f"{path} is not a {what}: {one_line(error)}") from None
        except ArchiveError as error:
            raise error_class(f"{path} {one_line(error)}") from None
        except UNREADABLE as error:
            raise error_class(f"{path} is not a {what}, or is damaged ({one_line(error)})") from error


def _check_ends(file: BinaryIO | io.FileIO, size: int) -> None:
    """Raise ArchiveError unless the file is a zip file from its first byte to its last."""
    begin = file.read(4)
    file.seek(max(0, size - 22))
    end = file.read(22)
    if begin != b"PK\3\4":
        raise _NotAnArchive("it does not begin as one")
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ArchiveError("is cut short, or something was added at its end: it does not end as one")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name; they must be plain files, unique, and follow one another within the file."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    members = {entry.filename: entry for entry in entries}
    if HEADER not in members:
        raise _NotAnArchive("it has no header.json")
    if len(members) != len(entries) or not all(map(_is_plain, entries)):
        raise _NotAnArchive("its entries must be plain files, and each there once")
    if sum(entry.file_size for entry in entries) > size or members[HEADER].file_size > MAX_HEADER:
        raise ArchiveError(f"is damaged: its entries cannot be as large as they say in a file of {size} bytes")
    starts = [entry.header_offset for entry in entries] + [size]
    ends = [entry.header_offset + 30 + len(entry.filename) + entry.file_size for entry in entries]
    if starts[0] != 0 or any(end > start for end, start in zip(ends, starts[1:])):
        raise ArchiveError("is damaged: its entries must follow one another from the first byte")
    return members


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    """Return True if an entry is a regular file, not compressed or encrypted, with an unambiguous name."""
    return (entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
            and entry.flag_bits & ~0x800 == 0 and entry.orig_filename == entry.filename
            and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG))


def parse_header(content: bytes) -> dict:
    """Return the JSON object of a header; it must have digests."""
    header = json.loads(content.decode(), object_pairs_hook=_each_once)
    if not isinstance(header, dict):
        raise _NotAnArchive("its header is not a JSON object")
    if not isinstance(header.get("sha256"), dict):
        raise ArchiveError("is damaged: sha256 in its header must be of the kind dict")
    return header


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ArchiveError("is damaged: its header has a name twice")
    return dict(pairs)


def _check_names(members: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Raise ArchiveError unless the entries are the arrays that the header requires, and no others."""
    if len(members) != len(expected):
        raise ArchiveError(f"is damaged: it must have {len(expected)} arrays; got {len(members)}")
    for name in expected:
        if f"{name}.npy" not in members:
            raise ArchiveError(f"is damaged: it must have the arrays that its header calls for; {name} is missing")


def _read_array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, sha256: object, want: Expected | None
) -> np.ndarray:
    """Return an array, read piece by piece into its own memory."""
    with archive.open(member) as file:
        begin = file.read(10)
        begin += file.read(int.from_bytes(begin[8:], "little"))
        said = NPY.fullmatch(begin)
        stored: Any = np.dtype(said[1].decode()) if said else None
        shape: Any = tuple(int(n) for n in said[2].split(b",") if n) if said else None
        if not said or (want and (stored != want.stored or shape not in want.shapes)):
            wanted = f"{np.dtype(want.stored)} {' or '.join(map(str, want.shapes))}" if want else "numbers"
            got = f"got {stored} {shape}" if said else f"it begins as {begin!r}"
            raise ArchiveError(f"is damaged: {name} must be an .npy array of {wanted}; {got}")
        n_bytes, there = math.prod(shape) * stored.itemsize, member.file_size - len(begin)
        if n_bytes != there:
            raise ArchiveError(f"is damaged: {name} {shape} takes {n_bytes} bytes of data, and {there} are there")
        array = np.empty(shape, want.dtype if want else stored.newbyteorder("="))
        flat, step, total, finite = array.reshape(-1), PIECE // stored.itemsize, hashlib.sha256(), True
        for start in range(0, flat.size, step):
            piece = file.read(min(step, flat.size - start) * stored.itemsize)
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
