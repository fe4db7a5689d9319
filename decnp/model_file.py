"""The format of model files: one zip of .npy arrays and a JSON header, written and read on NumPy alone.

A model file is a zip archive without compression: ``header.json`` and an .npy file for each array, named

    centers                       (k, d)      the centroids mu
    encoder.0.W, encoder.0.b, ... (n_in, n_out), (n_out,)     and so for each layer, first to last
    decoder.0.W, decoder.0.b, ... likewise, from the code to the reconstruction
    shift, scale                  () or (D,), and ()    the network sees (x - shift) * scale

The header gives the architecture, from which the names and shapes of all arrays follow, the SHA-256 sum of
each array's bytes (little-endian, row by row), and the training run: its parameters, profile and end.
Format 2 is written where format 1 does not do: its matrices W may be stored in float16 (``storage``), and
it may have no decoder, and then no training run either.

A file from a stranger is safe to read. Nothing in it is unpickled, evaluated or extracted; an .npy must begin
with the very bytes that its name and the header call for; and memory is taken only for bytes that are there: the
arrays' (twice that for float16), and 30 MB at most for the header and the archive's directory.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import stat
import struct
import zipfile
from typing import BinaryIO, Union

import numpy as np

from .model_header import DTYPES, FORMAT, PARTS, ModelFileError, checked_header, shapes_of, stored_dtype

__all__ = ["read_model", "write_file"]

HEADER = "header.json"
MAX_HEADER = 1 << 19  # bytes; JSON takes up to 45 times as many to parse
PIECE = 1 << 19  # bytes read at once, and so the archive's directory at most
NPY = b"\x93NUMPY\1\0"  # and its version
UNREADABLE = (zipfile.BadZipFile, ValueError, LookupError, ArithmeticError, TypeError, EOFError, OSError, RuntimeError,
              struct.error)  # what a damaged zip or JSON can raise

PathLike = Union[str, "os.PathLike[str]"]


def _one_line(message):
    """A message that may quote a stranger's file, for a sentence: one line, printable, not long."""
    text = str(message)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 300 else f"{text[:300]}..."


# ---------------------------------------------------------------- writing

def write_file(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """A model file into ``file``, which is open, empty and seekable; the same content gives the same bytes.

    ``header`` lacks the format and the sums only. Raises ValueError for what could not be read again: NaN or
    infinite values, matrices beyond float16 if they are to be stored so, shapes that do not fit together.
    """
    arrays = {name: _as_stored(name, array, header) for name, array in arrays.items()}
    number = 1 if header["storage"] == header["dtype"] and header["activations"]["decoder"] else FORMAT
    header = {"format": number, **header, "sha256": {name: _sha256(array) for name, array in arrays.items()}}
    if number == 1:
        del header["storage"]
    content = json.dumps(header, indent=1).encode()
    try:
        if len(content) > MAX_HEADER:
            raise ValueError(f"its header takes {len(content)} bytes, of {MAX_HEADER} at most")
        if any(arrays[name].shape not in shapes for name, shapes in shapes_of(checked_header(content)).items()):
            raise ValueError(f"arrays have the shapes {[array.shape for array in arrays.values()]}")
    except UNREADABLE as error:
        raise ValueError(f"this model cannot be saved, the file would not be readable: {_one_line(error)}") from error
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(HEADER), content)
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes > 1 << 30) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def _as_stored(name, array, header):
    """The array as the file has it: finite, little-endian and row by row."""
    if not np.isfinite(array).all():
        raise ValueError(f"a model with NaN or infinite values cannot be saved; {name} has some")
    dtype = stored_dtype(name, header)
    if dtype == DTYPES["float16"] and np.abs(array).max() >= 65520:  # rounds to infinity
        raise ValueError(f"storage='float16' holds weights up to 65504; {name} has {np.abs(array).max():g}")
    return np.asarray(array, dtype, order="C")


def _member(name):
    """An entry without the time of day, so that the same model gives the same file; readable once unzipped."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member


def _sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


# ---------------------------------------------------------------- reading

class _InPieces(io.FileIO):
    """A file of which nobody gets more than ``PIECE`` bytes at once, whatever sizes are written in it."""

    def read(self, size=-1):
        piece = super().read(PIECE + 1 if size is None or size < 0 else min(size, PIECE + 1))
        if len(piece) > PIECE:
            raise ModelFileError("is damaged: its directory is too large for that of a model")
        return piece


def read_model(path: PathLike) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a model file, checked against each other; the arrays are in the header's ``dtype``.

    All strings in the header but the ``feature_names`` are printable. Raises as ``decnp.load`` does.
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
                header = checked_header(archive.read(members.pop(HEADER)))
                _check_names(members, header)
                arrays = {name: _read_array(archive, members[f"{name}.npy"], name, header, shapes)
                          for name, shapes in shapes_of(header).items()}
                if not arrays["scale"] > 0:
                    raise ModelFileError("is damaged: its scale must be > 0")
                return header, arrays
        except ModelFileError as error:
            raise ModelFileError(f"{path} {_one_line(error)}") from None
        except UNREADABLE as error:
            raise ModelFileError(f"{path} is no decnp model file, or is damaged ({_one_line(error)})") from error


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


def _check_names(members, header):
    """The arrays that the header calls for, and no others."""
    n_arrays = 3 + 2 * sum(len(header["activations"][part]) for part in PARTS)
    if len(members) != n_arrays:
        raise ModelFileError(f"is damaged: it must have {n_arrays} arrays; got {len(members)}")
    for name in shapes_of(header):
        if f"{name}.npy" not in members:
            raise ModelFileError(f"is damaged: it must have the arrays that its header calls for; {name} is missing")


def _is_plain(entry):
    """Neither compressed nor encrypted, no folder, no link, and no name that is read in two ways."""
    return (entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
            and entry.flag_bits & ~0x800 == 0 and entry.orig_filename == entry.filename
            and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG))


def _read_array(archive, member, name, header, shapes):
    """The array, straight into its own memory; the only copy beside it is of one piece."""
    stored = np.dtype(stored_dtype(name, header))
    with archive.open(member) as file:
        begin = file.read(10)
        said = file.read(int.from_bytes(begin[8:], "little"))
        begins = {_npy_header(stored_dtype(name, header), shape): shape for shape in shapes}
        shape = begins.get(said.rstrip()) if begin[:8] == NPY else None
        if shape is None:
            wanted = f"{stored} {' or '.join(map(str, shapes))}"
            raise ModelFileError(f"is damaged: {name} must be an .npy array of {wanted}; it begins as {begin + said!r}")
        n_bytes, there = math.prod(shape) * stored.itemsize, member.file_size - len(begin) - len(said)
        if n_bytes != there:
            raise ModelFileError(f"is damaged: {name} {shape} takes {n_bytes} bytes of data, and {there} are there")
        array, total, finite = np.empty(shape, header["dtype"]), hashlib.sha256(), True
        flat, step = array.reshape(-1), PIECE // stored.itemsize
        for start in range(0, flat.size, step):
            piece = file.read(min(step, flat.size - start) * stored.itemsize)
            total.update(piece)
            values = np.frombuffer(piece, stored)
            finite = finite and bool(np.isfinite(values).all())
            with np.errstate(invalid="ignore"):  # NaN, of which the next lines speak
                flat[start : start + step] = values
    if total.hexdigest() != header["sha256"].get(name):
        raise ModelFileError(f"is damaged: {name} does not have the sha256 that the header gives")
    if not finite:
        raise ModelFileError(f"is damaged: {name} has NaN or infinite values")
    return array


def _npy_header(dtype, shape):
    """The text with which NumPy begins an .npy, without the spaces that end it."""
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
