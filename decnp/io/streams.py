"""Open text files, compressed or not, standard input and pipes, such that they can be read twice."""

from __future__ import annotations

import gzip
import re
import shutil
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from ..exceptions import DataError
from .atomic import PathLike

__all__ = ["begins_as_npy", "check_text", "is_stream", "name_of", "open_seekable"]

NPY_MAGIC = b"\x93NUMPY"
GZIP_MAGIC = b"\x1f\x8b"

NO_TABLES = {
    # beginning of the file: clause about it
    re.compile(rb"PK\x03\x04"): "is not text in UTF-8: it is a zip archive, as an .xlsx file is",
    re.compile(rb"\xff\xfe|\xfe\xff|([^\0]\0){2}|(\0[^\0]){2}", re.S):
        "is not text in UTF-8: it begins as text in UTF-16, so save it as UTF-8",
    re.compile(rb'(\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*[\[{"])'): "holds JSON, not lines of cells",
    re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)\b", re.I): "holds HTML or XML, not lines of cells",
}


def is_stream(path: PathLike) -> bool:
    """Return True if ``path`` is "-", which is standard input, or a pipe or device that can be read only once."""
    return str(path) == "-" or (Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir())


def name_of(path: PathLike) -> str:
    """Return the name of the file ``path`` for messages; "standard input" for "-"."""
    return "standard input" if str(path) == "-" else str(path)


def begins_as_npy(file: BinaryIO) -> bool:
    """Return True if a seekable file begins as an .npy; the file is left at its first byte."""
    beginning = file.read(len(NPY_MAGIC))
    file.seek(0)
    return beginning == NPY_MAGIC


def check_text(file: BinaryIO, path: PathLike) -> None:
    """Raise DataError if a seekable file, called ``path``, begins as one of ``NO_TABLES``.

    Otherwise the file is left at its first byte.
    """
    beginning = file.read(1024)
    file.seek(0)
    for pattern, what in NO_TABLES.items():
        if pattern.match(beginning):
            raise DataError(f"{path} {what}")


def open_seekable(path: PathLike) -> BinaryIO:
    """Open the file ``path`` for reading. A stream or compressed file is first copied to a temporary file.

    A compressed file is known by the ending ``.gz``, or by its first bytes. Raises DataError if it is damaged, or if
    standard input or a compressed file is closed or empty.
    """
    name = name_of(path)
    if str(path) == "-" and sys.stdin is None:
        raise DataError(f"{name} is closed")
    if str(path) == "-":
        file = _copy(sys.stdin.buffer, name)
    elif is_stream(path):
        with open(path, "rb") as stream:
            file = _copy(stream, name)
    else:
        file = open(path, "rb")
    zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC or name.lower().endswith(".gz")
    file.seek(0)
    if not zipped:
        return file
    try:
        with file, gzip.GzipFile(fileobj=file) as content:
            return _copy(content, name)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name} is damaged: {error}") from error


def _copy(stream: Any, name: str) -> BinaryIO:
    """Return a temporary file with what is left in ``stream``. Raises DataError if that is nothing."""
    copy: BinaryIO = tempfile.TemporaryFile()
    try:
        shutil.copyfileobj(stream, copy)
        if copy.tell() == 0:
            raise DataError(f"{name} is empty")
        copy.seek(0)
        return copy
    except BaseException:
        copy.close()
        raise
