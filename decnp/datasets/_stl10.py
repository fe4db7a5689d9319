"""Reader of the official files of STL-10, from the archive or unpacked, in blocks of images."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike
from ..utils.progress import Progress
from ._files import NAME_A_FOLDER, DataFile, check_digest, check_no_web_page, find, not_found
from .hog import SIDE

__all__ = ["IMAGE_SIZE", "OFFICIAL_FILES", "Source", "files", "image_blocks", "open_files", "read_labels"]

URLS = ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",)
IMAGE_SIZE = 3 * SIDE * SIDE  # bytes
READ_SIZE = 500 * IMAGE_SIZE  # bytes per read: 14 MB
BROKEN_TAR = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)


class OfficialFile(NamedTuple):
    """Size in bytes and MD5 of an official file."""

    size: int
    md5: str


ARCHIVE = "stl10_binary.tar.gz"
OFFICIAL_ARCHIVE = OfficialFile(2_640_397_119, "91f7769df0f17e558f3565bffb0c7dfb")
OFFICIAL_FILES = {
    "train_X.bin": OfficialFile(138_240_000, "918c2871b30a85fa023e0c44e0bee87f"),
    "train_y.bin": OfficialFile(5_000, "5a34089d4802c674881badbb80307741"),
    "test_X.bin": OfficialFile(221_184_000, "7f263ba9f9e0b06b93213547f721ac82"),
    "test_y.bin": OfficialFile(8_000, "36f9794fa4beb8a2c72628de14fa638e"),
    "unlabeled_X.bin": OfficialFile(2_764_800_000, "5242ba1fed5e4be9e1e742405eb56ca4"),
}


class Source(NamedTuple):
    """Open file of STL-10, unpacked or in the archive."""

    file: IO[bytes]
    size: int
    name: str
    official: OfficialFile | None
    """Size and digest that the file must have; None accepts any file."""


@contextmanager
def open_files(names: Sequence[str], data_home: PathLike | None, verify: bool) -> Iterator[dict[str, Source]]:
    """Open the files ``names``, found by ``data_home``, and yield them in the order of the archive.

    With ``verify``, reading a file that is not official raises DataError.
    """
    with ExitStack() as stack:
        sources = {}
        for name in names:
            path = find([f"stl10_binary/{name}"], data_home)
            if path:
                sources[name] = Source(stack.enter_context(open(path, "rb")), path.stat().st_size, str(path), None)
        missing = [name for name in names if name not in sources]
        if missing:
            sources.update(_open_members(missing, data_home, stack))
        yield {name: source._replace(official=OFFICIAL_FILES[name] if verify else None)
               for name, source in sources.items()}


def _open_members(names: Sequence[str], data_home: PathLike | None, stack: ExitStack) -> dict[str, Source]:
    """Return the files ``names`` of the archive, in its order."""
    path = find([ARCHIVE], data_home)
    if path is None:
        raise not_found(f"{ARCHIVE} of STL-10, or stl10_binary/{names[0]},",
                        f"; `decnp data fetch stl` downloads it (2.6 GB), or {NAME_A_FOLDER}")
    sources = {}
    try:
        archive = stack.enter_context(tarfile.open(path, "r:gz"))
        for member in archive.getmembers():
            name, file = Path(member.name).name, archive.extractfile(member) if member.isfile() else None
            if file and name in names:
                sources[name] = Source(file, member.size, f"{path} ({member.name})", None)
    except BROKEN_TAR as error:
        raise DataError(f"{path} is damaged or not a tar.gz: it begins with {_beginning(path)!r} ({error})") from error
    missing = set(names) - set(sources)
    if missing:
        raise DataError(f"{path} has no {min(missing)}")
    return sources


def _beginning(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(9)


def _blocks(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks of READ_SIZE.

    Raises DataError if the file is not the official one: first if its size is wrong, or after the last block.
    """
    official = source.official
    if official and source.size != official.size:
        raise DataError(f"{source.name} is not the official file: it has {source.size} bytes, not {official.size}")
    digest, done = hashlib.md5(usedforsecurity=False), 0
    while done < source.size:
        try:
            block = source.file.read(min(READ_SIZE, source.size - done))
        except BROKEN_TAR as error:
            raise DataError(f"{source.name} is damaged: it cannot be unzipped ({error})") from error
        if not block:
            raise DataError(f"{source.name} is damaged: it ends after {done} of {source.size} bytes")
        digest.update(block)
        done += len(block)
        yield block
    if official:
        check_digest(source.name, "file", "md5", digest.hexdigest(), official.md5)


def image_blocks(source: Source) -> Iterator[np.ndarray]:
    """Yield the images of ``source`` as uint8 (n, 96, 96, 3), with n at most 500."""
    if not source.size or source.size % IMAGE_SIZE:
        raise DataError(f"{source.name} must hold images of {IMAGE_SIZE} bytes; got {source.size} bytes")
    headline = f"features of {source.name}"
    with Progress(Path(source.name).name, source.size, "B", headline=headline) as progress:
        for block in _blocks(source):
            yield np.frombuffer(block, np.uint8).reshape(-1, 3, SIDE, SIDE).transpose(0, 3, 2, 1)
            progress.update(len(block))


def read_labels(source: Source) -> np.ndarray:
    """Return the labels of ``source`` as int64, 0..9. The file has 1..10."""
    y = np.frombuffer(b"".join(_blocks(source)), np.uint8)
    wrong = (y < 1) | (y > 10)
    if wrong.any():
        raise DataError(f"{source.name} must hold labels from 1 to 10; got {y[wrong.argmax()]} as number "
                        f"{wrong.argmax() + 1}")
    return y.astype(np.int64) - 1


def files(data_home: PathLike | None = None) -> tuple[DataFile, ...]:
    """Return the files of the data set: the archive, or the unpacked files if only they exist."""
    if find([ARCHIVE], data_home) is None and find([f"stl10_binary/{name}" for name in OFFICIAL_FILES], data_home):
        return tuple(DataFile((f"stl10_binary/{name}",), _checker(official)) for name, official in OFFICIAL_FILES.items())
    return (DataFile((ARCHIVE,), _checker(OFFICIAL_ARCHIVE), URLS),)


def _checker(official: OfficialFile) -> Callable[[Path, str], str]:
    """Return ``DataFile.check`` for a file of this size and MD5."""
    def check(path: Path, name: str) -> str:
        with open(path, "rb") as file:
            beginning = file.read(9)
            file.seek(0)
            check_no_web_page(name, beginning)
            for _ in _blocks(Source(file, path.stat().st_size, name, official)):
                pass
        return f"md5 {official.md5}"
    return check
