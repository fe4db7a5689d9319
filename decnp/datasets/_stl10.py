"""The official files of STL-10, packed or unpacked: opened, checked, and read some images at a time."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike
from ._files import DataFile, find, progress
from .hog import SIDE

__all__ = ["IMAGE", "PARTS", "files", "image_blocks", "opened", "read_labels"]

URLS = ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",)
IMAGE = 3 * SIDE * SIDE  # bytes
READ = 500 * IMAGE  # bytes at a time: 14 MB
BROKEN_TAR = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)


class Part(NamedTuple):
    """An official file."""

    size: int
    md5: str


ARCHIVE = "stl10_binary.tar.gz"
WHOLE = Part(2_640_397_119, "91f7769df0f17e558f3565bffb0c7dfb")
PARTS = {
    "train_X.bin": Part(138_240_000, "918c2871b30a85fa023e0c44e0bee87f"),
    "train_y.bin": Part(5_000, "5a34089d4802c674881badbb80307741"),
    "test_X.bin": Part(221_184_000, "7f263ba9f9e0b06b93213547f721ac82"),
    "test_y.bin": Part(8_000, "36f9794fa4beb8a2c72628de14fa638e"),
    "unlabeled_X.bin": Part(2_764_800_000, "5242ba1fed5e4be9e1e742405eb56ca4"),
}


class Source(NamedTuple):
    """An open file of STL-10, or of its archive."""

    file: BinaryIO
    size: int
    name: str
    official: Part | None  # what it must be, if it must


@contextmanager
def opened(names, data_home, verify) -> Iterator[dict[str, Source]]:
    """Yields the files called ``names``, in an order in which an archive is read from front to back."""
    with ExitStack() as stack:
        paths = {name: find([f"stl10_binary/{name}"], data_home) for name in names}
        found = [(name, stack.enter_context(open(path, "rb")), path.stat().st_size, str(path))
                 for name, path in paths.items() if path]
        missing = [name for name in names if not paths[name]]
        if missing:
            found += _members(missing, data_home, stack)
        yield {name: Source(file, size, shown, PARTS[name] if verify else None) for name, file, size, shown in found}


def _members(names, data_home, stack):
    """(name, file, size, what to call it) of files in the archive, as they lie in it."""
    path = find([ARCHIVE], data_home)
    if path is None:
        raise DataError(f"{ARCHIVE} of STL-10, or stl10_binary/{names[0]}, is in none of the data folders; "
                        "`decnp data fetch stl` downloads it (2.6 GB), or name a folder that has it in $DECNP_DATA")
    try:
        archive = stack.enter_context(tarfile.open(path, "r:gz"))
        members = [(Path(m.name).name, archive.extractfile(m), m.size, f"{path} ({m.name})")
                   for m in archive.getmembers() if m.isfile() and Path(m.name).name in names]
    except BROKEN_TAR as error:
        raise DataError(f"{path} is damaged, or is no tar.gz: it begins with {_beginning(path)!r} ({error})") from error
    missing = set(names) - {member[0] for member in members}
    if missing:
        raise DataError(f"{path} has no {min(missing)}")
    return members


def _beginning(path):
    with open(path, "rb") as file:
        return file.read(9)


def _blocks(source: Source) -> Iterator[bytes]:
    """The bytes of a file, READ at a time. DataError, at once or in the end, if it is not the official one."""
    official = source.official
    if official and source.size != official.size:
        raise DataError(f"{source.name} is not the official one: it has {source.size} bytes, not {official.size}")
    digest, done = hashlib.md5(usedforsecurity=False), 0
    while done < source.size:
        try:
            block = source.file.read(min(READ, source.size - done))
        except BROKEN_TAR as error:
            raise DataError(f"{source.name} is damaged: it cannot be unzipped ({error})") from error
        if not block:
            raise DataError(f"{source.name} is damaged: it ends after {done} of {source.size} bytes")
        digest.update(block)
        done += len(block)
        yield block
    if official and digest.hexdigest() != official.md5:
        raise DataError(f"{source.name} is not the official one: its md5 is {digest.hexdigest()}, not {official.md5}")


def image_blocks(source: Source) -> Iterator[np.ndarray]:
    """The images of a file, uint8 (n, 96, 96, 3), some at a time."""
    if not source.size or source.size % IMAGE:
        raise DataError(f"{source.name} must hold images of {IMAGE} bytes; got {source.size} bytes")
    with progress(f"features of {source.name}", Path(source.name).name, source.size) as tell:
        for block in _blocks(source):
            yield np.frombuffer(block, np.uint8).reshape(-1, 3, SIDE, SIDE).transpose(0, 3, 2, 1)
            tell(len(block))


def read_labels(source: Source) -> np.ndarray:
    """The labels of a file, 0..9, int64; the file has 1..10."""
    y = np.frombuffer(b"".join(_blocks(source)), np.uint8)
    wrong = (y < 1) | (y > 10)
    if wrong.any():
        raise DataError(f"{source.name} must hold labels from 1 to 10; got {y[wrong.argmax()]} as number "
                        f"{wrong.argmax() + 1}")
    return y.astype(np.int64) - 1


def files(data_home: PathLike | None = None) -> tuple[DataFile, ...]:
    """The files to look for: the archive, or what was unpacked from it if that is all there is."""
    if find([ARCHIVE], data_home) is None and find([f"stl10_binary/{name}" for name in PARTS], data_home):
        return tuple(DataFile((f"stl10_binary/{name}",), _checker(part)) for name, part in PARTS.items())
    return (DataFile((ARCHIVE,), _checker(WHOLE), URLS),)


def _checker(part):
    def check(path, name):
        with open(path, "rb") as file:
            beginning = file.read(9)
            file.seek(0)
            if beginning[:1] == b"<":
                raise DataError(f"{name} is a web page, not the official file: it begins with {beginning!r}")
            for _ in _blocks(Source(file, path.stat().st_size, str(name), part)):
                pass
        return f"md5 {part.md5}"
    return check
