"""Archives of numbers: one zip file of .npy arrays and a JSON header. Checkpoints are archives.

The zip file is not compressed. ``header.json`` has the SHA-256 digest of each array's bytes (little-endian, C order).
An .npy header must be exactly one that NumPy writes for numbers. ``array_file`` says why a file from an unknown source
is safe to read. Model files of the formats 1 to 3 are archives, too.
"""

from __future__ import annotations

import io
import json
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from ..exceptions import ArchiveError
from .array_file import (
    MAX_HEADER,
    PIECE,
    Expected,
    NotTheFormat,
    check_length,
    check_names,
    little_endian,
    opened,
    parse_header,
    read_values,
    sha256_of,
    wanted,
)
from .atomic import PathLike

__all__ = ["read_archive", "read_zip", "write_archive"]

HEADER = "header.json"
NPY = re.compile(rb"\x93NUMPY\x01\x00..{'descr': '([<|][biuf][1248])', 'fortran_order': False, "
                 rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18})+)\), } *\n", re.DOTALL)


# ---------------------------------------------------------------- writing

def write_archive(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write an archive into ``file``, which is open, empty and seekable; the same content gives the same bytes.

    ``header`` is JSON data; the digests are added. Raises ValueError for arrays that do not hold numbers, and for a
    header that is too long to be read.
    """
    arrays = little_endian(arrays)
    content = json.dumps({**header, "sha256": {name: sha256_of(array) for name, array in arrays.items()}}, indent=1)
    check_length(content)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(HEADER), content)
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes > 1 << 30) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def _member(name: str) -> zipfile.ZipInfo:
    """Return an entry without a time stamp, so that the same content gives the same file; readable once unzipped."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member


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
    with opened(path, what, error_class) as file:
        return read_zip(file, expect, unread)


def read_zip(
    file: BinaryIO, expect: Callable[[dict], dict[str, Expected]] | None = None, unread: tuple[str, ...] = ()
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return header and arrays of an archive, an open ``file``. ``expect`` and ``unread`` are those of ``read_archive``."""
    size = file.seek(0, io.SEEK_END)
    _check_ends(file, size)
    try:
        with zipfile.ZipFile(_InPieces(file.fileno(), closefd=False)) as archive:
            members = _members(archive, size)
            header = parse_header(archive.read(members.pop(HEADER)))
            expected = expect(header) if expect else dict.fromkeys(header["sha256"])
            check_names(members, expected, ".npy")
            sums = header["sha256"]
            return header, {name: _read_array(archive, members[f"{name}.npy"], name, sums.get(name), want)
                            for name, want in expected.items() if not name.startswith(unread)}
    except (zipfile.BadZipFile, struct.error) as error:
        raise ValueError(error) from error


def _check_ends(file: BinaryIO, size: int) -> None:
    """Raise ArchiveError unless the file is a zip file from its first byte to its last."""
    file.seek(0)
    begin = file.read(4)
    file.seek(max(0, size - 22))
    end = file.read(22)
    if begin != b"PK\3\4":
        raise NotTheFormat("it does not begin as one")
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ArchiveError("is cut short, or something was added at its end: it does not end as one")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name; they must be plain files, unique, and follow one another within the file."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    members = {entry.filename: entry for entry in entries}
    if HEADER not in members:
        raise NotTheFormat("it has no header.json")
    if len(members) != len(entries) or not all(map(_is_plain, entries)):
        raise NotTheFormat("its entries must be plain files, and each there once")
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


def _read_array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, sha256: object, want: Expected | None
) -> np.ndarray:
    """Return the array of an entry."""
    with archive.open(member) as file:
        begin = file.read(10)
        begin += file.read(int.from_bytes(begin[8:], "little"))
        said = NPY.fullmatch(begin)
        if not said:
            raise ArchiveError(f"is damaged: {name} must be an .npy array of {wanted(want)}; it begins as {begin!r}")
        shape = tuple(int(n) for n in said[2].split(b",") if n)
        return read_values(file.read, name, np.dtype(said[1].decode()), shape, member.file_size - len(begin), sha256, want)
