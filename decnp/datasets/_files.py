"""Where data files lie, and how one is fetched so that a broken one is never taken for a good one.

A file is looked for in the caller's ``data_home``, the checkout's ``data/``, ``$DECNP_DATA`` and the
per-user cache, in this order. A download goes to a name in ``.part`` beside its place, is read and checked
there, and only then gets its own name: a file under its own name is complete. What a broken download has
brought so far stays under the ``.part`` name, and the next one goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..exceptions import DataError, InsufficientDiskSpace
from ..io.atomic import PathLike

if os.name == "posix":
    import fcntl

__all__ = [
    "DataError", "DataFile", "UnofficialData", "check_disk", "download", "download_folder", "file_sha256", "find",
    "progress", "sha256",
]

CHECKOUT = Path(__file__).resolve().parents[2] / "data"  # absent when decnp is installed without its checkout
TIMEOUT = 30  # seconds a mirror may stay silent
CHUNK = 1 << 16  # bytes
SPEAK_EVERY = 5  # seconds between two lines of progress

Content = TypeVar("Content")


class UnofficialData(UserWarning):
    """A data set was loaded with ``verify=False``: nothing says that its files are the official ones."""


class DataFile(NamedTuple):
    """One file of a data set: how to find it, how to get it, and how to tell that it is the right one."""

    names: tuple[str, ...]
    """The names that it may have, below a data folder; the last one is what is downloaded."""
    check: Callable[[Path, str], object]
    """``check(path, name)`` raises DataError, calling the file by ``name``, unless it is the official one."""
    urls: tuple[str, ...] = ()
    """The same file on several mirrors, or none if it is not to be had by downloading."""


def download_folder(data_home: PathLike | None = None) -> Path:
    """Where downloads go: ``data_home``, else the per-user cache ``$XDG_CACHE_HOME/decnp`` or ``~/.cache/decnp``.

    Raises ValueError if ``data_home`` is not a path, or is a file.
    """
    if data_home is None:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "decnp"
    if not isinstance(data_home, (str, os.PathLike)) or Path(data_home).expanduser().is_file():
        raise ValueError(f"data_home must be the path of a folder; got {data_home!r}")
    return Path(data_home).expanduser()


def find(names: Sequence[str], data_home: PathLike | None = None) -> Path | None:
    """The first file called one of ``names``, folder by folder; None if there is none.

    Raises ValueError if ``data_home`` is not a path, or is a file.
    """
    folders = [CHECKOUT, download_folder()]
    if os.environ.get("DECNP_DATA"):
        folders.insert(1, Path(os.environ["DECNP_DATA"]).expanduser())
    if data_home is not None:
        folders.insert(0, download_folder(data_home))
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def sha256(*parts: bytes | memoryview) -> str:
    """The SHA-256 sum, in hexadecimal, of these parts one after the other; nothing is copied."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


def file_sha256(path: PathLike) -> str:
    """The SHA-256 sum, in hexadecimal, of a file's bytes, read a chunk at a time."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return total.hexdigest()


def download(urls: Iterable[str], target: Path, read: Callable[[Path, str], Content]) -> Content:
    """Fetch ``target`` from the first of ``urls`` that gives the right file, and return what ``read`` makes of it.

    A connection that breaks is taken up again, at the same mirror as long as more bytes come, else at the
    next one; what there is in the end waits for the next call in ``target`` + ``.part``. A mirror that
    cannot go on from the middle sends the whole file again.

    Parameters
    ----------
    urls : the same file on several mirrors, tried in turn
    target : where it is to lie; its folder is created
    read : called as ``read(path, name)`` on the file while it has a temporary name; raises DataError,
        calling the file by ``name``, if it is not the right one

    Raises
    ------
    DataError
        If no mirror gave the right file (the sentence says of each one why), or the disk has no room for it.
    OSError
        If the folder cannot be created.
    """
    import http.client  # late, here and below: who only loads a model needs no network

    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    with _part_of(target) as part:
        for url in urls:
            try:
                content = _from_mirror(url, part, read)
                os.replace(part, target)
                return content
            except InsufficientDiskSpace:
                raise
            except DataError as error:
                failures.append(str(error))
            except (OSError, http.client.HTTPException) as error:  # no such host, refused, 404, silent, cut off
                failures.append(f"{url} failed ({error or type(error).__name__})")
    raise DataError(f"{target.name} could not be downloaded to {target.parent}: {'; '.join(failures)}; "
                    "put it there by hand, or name a folder that has it in $DECNP_DATA")


@contextmanager
def _part_of(target):
    """Yields the file to download to, which is there, and empty or a part of an earlier download.

    It is ``target`` + ``.part``, or another if a second process is at that one. If it is empty in the end, it goes.
    """
    part = target.with_name(f"{target.name}.part")
    with open(part, "ab") as lock:
        if os.name == "posix":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = os.path.exists(part) and os.path.samestat(os.fstat(lock.fileno()), os.stat(part))
            except OSError:
                alone = False
        else:  # an open file cannot be renamed there
            lock.close()
            alone = True
        if not alone:
            part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
            part.touch()
        try:
            yield part
        finally:
            if part.exists() and not (alone and part.stat().st_size):
                part.unlink()


def _from_mirror(url, part, read):
    """What ``read`` makes of the file behind ``url``, of which ``part`` may hold the beginning."""
    import http.client

    while True:
        kept = part.stat().st_size
        try:
            _fetch(url, part)
            return read(part, url)
        except (OSError, http.client.HTTPException):
            if not kept < part.stat().st_size:  # a mirror that gave something is asked for the rest
                raise
        except InsufficientDiskSpace:
            raise
        except DataError:
            os.truncate(part, 0)
            if not kept:
                raise  # else the beginning may have been of another file: once more, from the first byte


def _fetch(url, part):
    """The bytes behind ``url`` that are not yet in ``part`` to its end."""
    import urllib.error
    import urllib.request

    kept = part.stat().st_size
    headers = {"User-Agent": "decnp", **({"Range": f"bytes={kept}-"} if kept else {})}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if kept and error.code == 416:  # nothing comes after what is there
            error.close()
            return
        raise
    with response, open(part, "r+b") as file:
        goes_on = response.status == 206 and (response.headers["Content-Range"] or "").startswith(f"bytes {kept}-")
        if not goes_on:
            file.truncate(0)
        start = file.seek(0, os.SEEK_END)
        to_come = response.length or 0  # 0 if the mirror does not say
        check_disk(part.parent, to_come, url)
        with progress(f"downloading {url}", url.rpartition("/")[2], start + to_come if to_come else 0, start) as tell:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                tell(len(chunk))
        if to_come and file.tell() != start + to_come:
            raise OSError(f"the connection ended after {file.tell()} of {start + to_come} bytes")


def check_disk(folder: Path, n_bytes: int, what: str) -> None:
    """DataError if the disk of ``folder`` has no room for ``n_bytes`` of ``what``."""
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise InsufficientDiskSpace(f"there is not enough room on the disk of {folder} for {what}: "
                      f"{n_bytes / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")


@contextmanager
def progress(line: str, name: str, total: int, start: int = 0) -> Iterator[Callable[[int], object]]:
    """Yields a function to be told the length of each chunk: a bar on a terminal, else a line now and then.

    The bar is called ``name``; else ``line`` is said first. ``total`` and ``start`` are bytes, ``total`` 0 if unknown.
    """
    if sys.stderr and sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            with tqdm(desc=name, total=total or None, initial=start, unit="B", unit_scale=True) as bar:
                yield bar.update
            return
    print(f"decnp: {line}", file=sys.stderr)
    done, spoken = start, time.monotonic()

    def tell(length: int) -> None:
        nonlocal done, spoken
        done += length
        if time.monotonic() - spoken >= SPEAK_EVERY:
            spoken = time.monotonic()
            of_total = f" of {total / 1e6:.1f}" if total else ""
            print(f"decnp: {done / 1e6:.1f}{of_total} MB", file=sys.stderr)

    yield tell
