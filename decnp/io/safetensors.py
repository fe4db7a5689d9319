"""Arrays and a JSON header in a safetensors file, which PyTorch, JAX and Rust open too: read and written with NumPy.

    8 bytes   N, the length of the next part: unsigned, little-endian
    N bytes   JSON: {"__metadata__": {string: string, ...},
                     name of an array: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}, and spaces
    the rest  the bytes of the arrays, little-endian and in C order, one after another

``__metadata__["decnp"]`` is our own header as a JSON text, with the SHA-256 digest of each array's bytes, and
``__metadata__["decnp.sha256"]`` the digest of that text. ``array_file`` says why a file from an unknown source is safe
to read. The format: https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..exceptions import ArchiveError
from .array_file import (
    MAX_HEADER,
    Expected,
    NotTheFormat,
    check_length,
    check_names,
    little_endian,
    parse_header,
    parse_object,
    read_values,
    sha256_of,
)

__all__ = ["metadata_of", "read_safetensors", "size_in_file", "write_safetensors"]

DTYPES = {"U8": "|u1", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
COMPACT = (",", ":")
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


class _Span(NamedTuple):
    """Place of an array in the last part of the file, with its dtype and shape."""

    begin: int
    end: int
    stored: np.dtype
    shape: tuple[int, ...]


# ---------------------------------------------------------------- writing

def write_safetensors(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write ``header``, which is JSON data, and arrays into an open file; the same content gives the same bytes.

    The arrays are of floats or bytes. Larger numbers come first, so that each array begins at a multiple of its itemsize.
    Raises ValueError for a header that is too long to be read.
    """
    arrays = little_endian(dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)))
    table: dict[str, Any] = {"__metadata__": metadata_of({**header, "sha256": {
        name: sha256_of(array) for name, array in arrays.items()}})}
    at = 0
    for name, array in arrays.items():
        table[name] = {"dtype": NAMES[array.dtype], "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    content = json.dumps(table, separators=COMPACT)
    content += " " * (-len(content) % 8)
    check_length(content)
    file.write(len(content).to_bytes(8, "little") + content.encode())
    for array in arrays.values():
        file.write(np.ascontiguousarray(array).data)


def metadata_of(header: dict) -> dict[str, str]:
    """Return the metadata of a file with this header."""
    text = json.dumps(header, separators=COMPACT)
    return {"decnp": text, "decnp.sha256": hashlib.sha256(text.encode()).hexdigest()}


def size_in_file(data: Any) -> int:
    """Return the number of bytes that JSON data takes as a part of our header: JSON in a string of JSON."""
    return len(json.dumps(json.dumps(data, separators=COMPACT)))


# ---------------------------------------------------------------- reading

def read_safetensors(
    file: BinaryIO, expect: Callable[[dict], dict[str, Expected]], unread: tuple[str, ...] = ()
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return our header and the arrays of an open ``file``. ``expect`` and ``unread`` are those of ``read_archive``."""
    size = file.seek(0, io.SEEK_END)
    table = _table(file, size)
    header = _header(table.pop("__metadata__", None))
    data = file.tell()
    spans = _spans(table, size - data)
    expected, sums = expect(header), header["sha256"]
    check_names(spans, expected)
    arrays = {}
    for name, want in expected.items():
        if not name.startswith(unread):
            begin, end, stored, shape = spans[name]
            file.seek(data + begin)
            arrays[name] = read_values(file.read, name, stored, shape, end - begin, sums.get(name), want)
    return header, arrays


def _table(file: BinaryIO, size: int) -> dict[str, Any]:
    """Return the JSON object at the beginning of the file, which is then at the first byte after it."""
    file.seek(0)
    begin = file.read(9)
    if begin[8:] != b"{":
        raise NotTheFormat("it does not begin as one")
    length = int.from_bytes(begin[:8], "little")
    if length > MAX_HEADER:
        raise ArchiveError(f"is damaged: its header would take {length} bytes, and {MAX_HEADER} are the most")
    if length > size - 8:
        raise ArchiveError(f"is cut short: its header takes {length} bytes, and {size - 8} are there")
    file.seek(8)
    return parse_object(file.read(length))


def _header(metadata: Any) -> dict:
    """Return our header in the metadata."""
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise NotTheFormat("its __metadata__ must be an object of strings")
    if "decnp" not in metadata:
        raise NotTheFormat("its __metadata__ must have a text called decnp")
    content = metadata["decnp"].encode()
    if hashlib.sha256(content).hexdigest() != metadata.get("decnp.sha256"):
        raise ArchiveError("is damaged: its header does not have the sha256 that decnp.sha256 gives")
    return parse_header(content)


def _spans(table: dict[str, Any], size: int) -> dict[str, _Span]:
    """Return the place of each array; they must fill ``size`` bytes, one after another."""
    spans = {name: _span(name, entry) for name, entry in table.items()}
    at = 0
    for name, (begin, end, *_) in sorted(spans.items(), key=lambda item: item[1][:2]):
        if begin != at or end < begin:
            raise ArchiveError(f"is damaged: its arrays must follow one another; {name} is at {begin} to {end}, not at {at}")
        at = end
    if at != size:
        raise ArchiveError(f"is cut short, or something was added at its end: its arrays take {at} bytes, and {size} are "
                           "there")
    return spans


def _span(name: str, entry: Any) -> _Span:
    """Return the place of an array from its entry in the file's JSON object."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ArchiveError(f"is damaged: {name} must have dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ArchiveError(f"is damaged: {name} must have the dtype U8, F16, F32 or F64; got {dtype!r}")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 1 << 60 for n in numbers):
            raise ArchiveError(f"is damaged: the shape and the data_offsets of {name} must be lists of integers >= 0")
    if len(offsets) != 2 or len(shape) > 2:
        raise ArchiveError(f"is damaged: {name} must have 2 data_offsets and at most 2 axes")
    begin, end = offsets
    return _Span(begin, end, np.dtype(DTYPES[dtype]), tuple(shape))
