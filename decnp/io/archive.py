"""Archives of numbers: one zip of .npy arrays and a JSON header. Model files are such, and checkpoints.

Without compression; ``header.json`` says the SHA-256 sum of each array's bytes (little-endian, row by row).

A file from a stranger is safe to read. Nothing in it is unpickled, evaluated or extracted; an .npy must begin as
NumPy begins one of numbers, to the byte; and memory is taken only for bytes that are there: the arrays' (twice that
for float16 read as float32), and 30 MB at most for the header and the archive's directory.
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
from typing import Any, BinaryIO, Callable, NamedTuple, Optional

import numpy as np

from ..exceptions import ModelFileError
from .atomic import PathLike

__all__ = ["Expected", "one_line", "read_archive", "sha256_of", "write_archive"]

HEADER = "header.json"
MAX_HEADER = 1 << 19  # bytes; JSON takes up to 45 times as many to parse
PIECE = 1 << 19  # bytes read at once, and so the archive's directory at most
NPY = re.compile(rb"\x93NUMPY\x01\x00..{'descr': '([<|][biuf][1248])', 'fortran_order': False, "
                 rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18})+)\), } *\n", re.DOTALL)
UNREADABLE = (zipfile.BadZipFile, ValueError, LookupError, ArithmeticError, TypeError, EOFError, OSError, RuntimeError,
              struct.error)  # what a damaged zip or JSON can raise


class Expected(NamedTuple):
    """What an array must be: finite, in the file of this dtype and one of these shapes, and in memory of that dtype."""

    stored: str
    shapes: list[tuple]
    dtype: str


def one_line(message: object) -> str:
    """A message that may quote a stranger's file, for a sentence: one line, printable, not long."""
    text = str(message)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 300 else f"{text[:300]}..."


# ---------------------------------------------------------------- writing

def write_archive(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """An archive into ``file``, which is open, empty and seekable; the same content gives the same bytes.

    ``header`` is what JSON can hold; the sums are added. Raises ValueError for arrays of anything but numbers, and
    for a header that would be too long to be read again.
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


def _member(name):
    """An entry without the time of day, so that the same model gives the same file; readable once unzipped."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member


def sha256_of(array: np.ndarray) -> str:
    """The SHA-256 sum of an array's bytes, row by row, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


# ---------------------------------------------------------------- reading

class _InPieces(io.FileIO):
    """A file of which nobody gets more than ``PIECE`` bytes at once, whatever sizes are written in it."""

    def read(self, size=-1):
        piece = super().read(PIECE + 1 if size is None or size < 0 else min(size, PIECE + 1))
        if len(piece) > PIECE:
            raise ModelFileError("is damaged: its directory is too large for that of a model")
        return piece


def read_archive(
    path: PathLike, expect: Optional[Callable[[dict], dict[str, Expected]]] = None, unread: tuple[str, ...] = ()
) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of an archive.

    ``expect(header)`` checks the header and says what the arrays must be; without it they may be any numbers. It may
    raise ModelFileError with a sentence that goes on from the file's name. Arrays whose names begin with a word of
    ``unread`` must be there, and are not looked into.

    Raises
    ------
    ModelFileError
        If the file is no such archive, is cut short or changed, or is not as expected.
    OSError
        If it is not there or cannot be read.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe would wait for ever; a folder is an OSError
        raise ModelFileError(f"{path} is no decnp model file: it is a pipe or a device")
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
        except ModelFileError as error:
            raise ModelFileError(f"{path} {one_line(error)}") from None
        except UNREADABLE as error:
            raise ModelFileError(f"{path} is no decnp model file, or is damaged ({one_line(error)})") from error


def _check_ends(file, size):
    """A zip archive from its first byte to its last, and nothing before or after it."""
    begin = file.read(4)
    file.seek(max(0, size - 22))
    end = file.read(22)
    if begin != b"PK\3\4":
        raise ModelFileError("is no decnp model file: it does not begin as one")
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ModelFileError("is cut short, or something was added at its end: it does not end as a model file")


def _members(archive, size):
    """The archive's entries by name: plain files, each there once, one after the other, within the file."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    members = {entry.filename: entry for entry in entries}
    if HEADER not in members:
        raise ModelFileError("is no decnp model file: it has no header.json")
    if len(members) != len(entries) or not all(map(_is_plain, entries)):
        raise ModelFileError("is no decnp model file: its entries must be plain files, and each there once")
    if sum(entry.file_size for entry in entries) > size or members[HEADER].file_size > MAX_HEADER:
        raise ModelFileError(f"is damaged: its entries cannot be as large as they say in a file of {size} bytes")
    starts = [entry.header_offset for entry in entries] + [size]
    ends = [entry.header_offset + 30 + len(entry.filename) + entry.file_size for entry in entries]
    if starts[0] != 0 or any(end > start for end, start in zip(ends, starts[1:])):
        raise ModelFileError("is damaged: its entries must follow one another from the first byte")
    return members


def _is_plain(entry):
    """Neither compressed nor encrypted, no folder, no link, and no name that is read in two ways."""
    return (entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
            and entry.flag_bits & ~0x800 == 0 and entry.orig_filename == entry.filename
            and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG))


def parse_header(content: bytes) -> dict:
    """The header's JSON object; it has sums."""
    header = json.loads(content.decode(), object_pairs_hook=_each_once)
    if not isinstance(header, dict):
        raise ModelFileError("is no decnp model file: its header is no JSON object")
    if not isinstance(header.get("sha256"), dict):
        raise ModelFileError("is damaged: sha256 in its header must be of the kind dict")
    return header


def _each_once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ModelFileError("is damaged: its header has a name twice")
    return dict(pairs)


def _check_names(members, expected):
    """The arrays that the header calls for, and no others."""
    if len(members) != len(expected):
        raise ModelFileError(f"is damaged: it must have {len(expected)} arrays; got {len(members)}")
    for name in expected:
        if f"{name}.npy" not in members:
            raise ModelFileError(f"is damaged: it must have the arrays that its header calls for; {name} is missing")


def _read_array(archive, member, name, sha256, want):
    """The array, straight into its own memory; the only copy beside it is of one piece."""
    with archive.open(member) as file:
        begin = file.read(10)
        begin += file.read(int.from_bytes(begin[8:], "little"))
        said = NPY.fullmatch(begin)
        stored: Any = np.dtype(said[1].decode()) if said else None
        shape: Any = tuple(int(n) for n in said[2].split(b",") if n) if said else None
        if not said or (want and (stored != want.stored or shape not in want.shapes)):
            wanted = f"{np.dtype(want.stored)} {' or '.join(map(str, want.shapes))}" if want else "numbers"
            got = f"got {stored} {shape}" if said else f"it begins as {begin!r}"
            raise ModelFileError(f"is damaged: {name} must be an .npy array of {wanted}; {got}")
        n_bytes, there = math.prod(shape) * stored.itemsize, member.file_size - len(begin)
        if n_bytes != there:
            raise ModelFileError(f"is damaged: {name} {shape} takes {n_bytes} bytes of data, and {there} are there")
        array = np.empty(shape, want.dtype if want else stored.newbyteorder("="))
        flat, step, total, finite = array.reshape(-1), PIECE // stored.itemsize, hashlib.sha256(), True
        for start in range(0, flat.size, step):
            piece = file.read(min(step, flat.size - start) * stored.itemsize)
            total.update(piece)
            values = np.frombuffer(piece, stored)
            finite = finite and bool(np.isfinite(values).all())
            with np.errstate(invalid="ignore"):  # NaN, of which the next lines speak
                flat[start : start + step] = values
    if total.hexdigest() != sha256:
        raise ModelFileError(f"is damaged: {name} does not have the sha256 that the header gives")
    if want and not finite:
        raise ModelFileError(f"is damaged: {name} has NaN or infinite values")
    return array
