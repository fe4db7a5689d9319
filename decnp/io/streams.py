"""Open text files, compressed or not, standard input and pipes, such that they can be read twice."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from ..exceptions import DataError
from .atomic import PathLike

__all__ = ["begins_as_npy", "is_stream", "name_of", "open_seekable"]

NPY_MAGIC = b"\x93NUMPY"


def is_stream(path: PathLike) -> bool:
    """Return whether ``path`` is "-", which is standard input, or a pipe or device that can be read only once."""
    return str(path) == "-" or (Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir())


def name_of(path: PathLike) -> str:
    """Return the name of a file for messages; "standard input" for "-"."""
    return "standard input" if str(path) == "-" else str(path)


def begins_as_npy(file: BinaryIO) -> bool:
    """Return whether a seekable file begins as an .npy; the file is left at its first byte."""
    beginning = file.read(len(NPY_MAGIC))
    file.seek(0)
    return beginning == NPY_MAGIC


def open_seekable(path: PathLike) -> BinaryIO:
    """Open a file for reading; a stream or the content of a ``.gz`` is first copied to a temporary file.

    Raises DataError if a ``.gz`` is damaged, or if standard input is closed or empty.
    """
    name = name_of(path)
    zipped = name.lower().endswith(".gz")
    if not zipped and not is_stream(path):
        return open(path, "rb")
    if str(path) == "-" and sys.stdin is None:
        raise DataError(f"{name} is closed")
    copy: BinaryIO = tempfile.TemporaryFile()
    try:
        if str(path) == "-":
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with gzip.open(path, "rb") if zipped else open(path, "rb") as file:
                shutil.copyfileobj(file, copy)
        if copy.tell() == 0:
            raise DataError(f"{name} is empty")
        copy.seek(0)
        return copy
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        copy.close()
        raise DataError(f"{name} is damaged: {error}") from error
    except BaseException:
        copy.close()
        raise
