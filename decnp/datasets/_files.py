"""Search for data files, and atomic, resumable downloads.

The folders are searched in this order: ``data_home``, the checkout's ``data/``, ``$DECNP_DATA``, and the per-user cache.
A download is written to a file whose name ends in ``.part``, checked, and renamed, so a file with its final name is
complete. After an interrupted download the ``.part`` file is kept, and the next download resumes it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..exceptions import DataError, InsufficientDiskSpace
from ..io.atomic import PathLike
from ..utils.progress import Progress

if os.name == "posix":
    import fcntl

__all__ = [
    "DataError", "DataFile", "NAME_A_FOLDER", "NO_MIRROR", "UnofficialData", "check_digest", "check_disk",
    "check_no_web_page", "download", "download_folder", "file_sha256", "find", "not_found", "sha256",
]

CHECKOUT = Path(__file__).resolve().parents[2] / "data"  # it does not exist if decnp is installed from a wheel
TIMEOUT = 30  # seconds without a byte from a mirror
CHUNK_SIZE = 1 << 16  # bytes per read from a mirror or a file
NAME_A_FOLDER = "set $DECNP_DATA to a folder that has it"
NO_MIRROR = f", and cannot be downloaded; {NAME_A_FOLDER}"

Content = TypeVar("Content")


class UnofficialData(UserWarning):
    """Warning for a data set that was loaded with ``verify=False``, from files that may not be the official ones."""


class DataFile(NamedTuple):
    """File of a data set: its possible names, its check, and its mirrors."""

    names: tuple[str, ...]
    """Possible names, relative to a data folder. A download gets the last one."""
    check: Callable[[Path, str], object]
    """``check(path, name)`` raises DataError unless the file is official. ``name`` is its name in the message."""
    urls: tuple[str, ...] = ()
    """URLs of the file on several mirrors; () if it cannot be downloaded."""


# ---------------------------------------------------------------- folders

def download_folder(data_home: PathLike | None = None) -> Path:
    """Return the folder for downloads: ``data_home``, or for None the per-user cache.

    The cache is the folder ``decnp`` in ``$XDG_CACHE_HOME``, or else in ``%LOCALAPPDATA%`` on Windows,
    ``~/Library/Caches`` on macOS, and ``~/.cache`` on other systems. Raises ValueError if ``data_home`` is not a path or
    is a file, and DataError if there is no home folder.
    """
    if data_home is None:
        return _cache_folder()
    if not isinstance(data_home, (str, os.PathLike)) or _expanded(data_home, "data_home").is_file():
        raise ValueError(f"data_home must be the path of a folder; got {data_home!r}")
    return _expanded(data_home, "data_home")


def _cache_folder() -> Path:
    system = {"win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local", "darwin": "~/Library/Caches"}
    folder = os.environ.get("XDG_CACHE_HOME") or system.get(sys.platform, "~/.cache")
    return _expanded(folder, "the folder for downloads") / "decnp"


def _expanded(path: PathLike, what: str) -> Path:
    """Return the path with ``~`` replaced by the home folder; raise DataError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"{what} is {path}, and this user has no home folder; {NAME_A_FOLDER}") from error


def find(names: Sequence[str], data_home: PathLike | None = None) -> Path | None:
    """Return the first existing file with one of ``names``, folder by folder, or None.

    Raises ValueError if ``data_home`` is not a path, or is a file.
    """
    folders = [CHECKOUT]
    if os.environ.get("DECNP_DATA"):
        folders.append(_expanded(os.environ["DECNP_DATA"], "$DECNP_DATA"))
    with suppress(DataError):  # no home folder, so no per-user cache
        folders.append(download_folder())
    if data_home is not None:
        folders.insert(0, download_folder(data_home))
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def not_found(file: str, remedy: str) -> DataError:
    """Return the error for a missing file; ``remedy`` is the end of its sentence."""
    return DataError(f"{file} is in none of the data folders{remedy}")


# ---------------------------------------------------------------- checks of a file

def sha256(*parts: bytes | memoryview) -> str:
    """Return the hexadecimal SHA-256 digest of the concatenated parts, without copying them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def file_sha256(path: PathLike) -> str:
    """Return the hexadecimal SHA-256 digest of a file, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_SIZE):
            digest.update(chunk)
    return digest.hexdigest()


def check_digest(file: object, official: str, algorithm: str, digest: str, expected: str) -> None:
    """Raise DataError unless ``digest`` of ``file`` equals ``expected``, the ``algorithm`` digest of ``official``."""
    if digest != expected:
        raise DataError(f"{file} is not the official {official}: its {algorithm} is {digest}, not {expected}")


def check_no_web_page(file: object, beginning: bytes) -> None:
    """Raise DataError if the ``beginning`` of ``file`` is HTML, such as the error page of a mirror."""
    if beginning[:1] == b"<":
        raise DataError(f"{file} is a web page, not the official file: it begins with {beginning!r}")


# ---------------------------------------------------------------- downloads

def download(urls: Iterable[str], target: Path, read: Callable[[Path, str], Content]) -> Content:
    """Download ``target`` from the first of ``urls`` that has the correct file, and return its content.

    A broken connection is resumed at the same mirror as long as the mirror sends more bytes, then at the next mirror. If
    all mirrors fail, ``target`` + ``.part`` is kept for the next call. If a mirror cannot resume, the download restarts.

    Parameters
    ----------
    urls : iterable of str
        URLs of the file on several mirrors, tried in this order.
    target : Path
        Final path of the file. Its folder is created.
    read : callable
        ``read(path, name)`` returns the content of the file at the temporary ``path``. It raises DataError if the file is
        not correct. ``name`` is the name of the file in the message.

    Returns
    -------
    content : object
        Result of ``read``.

    Raises
    ------
    DataError
        If no mirror has the correct file (the message has the reason for each mirror), or the disk is full.
    OSError
        If the folder cannot be created.
    """
    import http.client  # imported here, and in the functions below, because loading a model needs no network

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
            except (OSError, http.client.HTTPException) as error:  # unknown host, refused, 404, timeout, incomplete
                failures.append(f"{url} failed ({error or type(error).__name__})")
    raise DataError(f"{target.name} could not be downloaded to {target.parent}: {'; '.join(failures)}; "
                    f"put it there manually, or {NAME_A_FOLDER}")


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """Yield an existing file for the download, which is empty or has the beginning of an earlier download.

    The file is ``target`` + ``.part``, or has a random name if another process has locked that file. It is deleted at
    the end if it is empty, or if its name is random.
    """
    part = target.with_name(f"{target.name}.part")
    with open(part, "ab") as lock:
        if os.name == "posix":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = os.path.exists(part) and os.path.samestat(os.fstat(lock.fileno()), os.stat(part))
            except OSError:
                locked = False
        else:  # Windows cannot rename an open file
            lock.close()
            locked = True
        if not locked:
            part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
            part.touch()
        try:
            yield part
        finally:
            if part.exists() and not (locked and part.stat().st_size):
                part.unlink()


def _from_mirror(url: str, part: Path, read: Callable[[Path, str], Content]) -> Content:
    """Complete ``part`` from ``url``, and return the result of ``read``."""
    import http.client

    while True:
        size = part.stat().st_size
        try:
            _fetch(url, part)
            return read(part, url)
        except (OSError, http.client.HTTPException):
            if not size < part.stat().st_size:  # if the mirror sent some bytes, request the rest
                raise
        except InsufficientDiskSpace:
            raise
        except DataError:
            os.truncate(part, 0)
            if not size:
                raise  # otherwise the beginning may be from another file: try again from the first byte


def _fetch(url: str, part: Path) -> None:
    """Append the missing bytes of the file at ``url`` to ``part``."""
    import urllib.error
    import urllib.request

    size = part.stat().st_size
    headers = {"User-Agent": "decnp", **({"Range": f"bytes={size}-"} if size else {})}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if size and error.code == 416:  # the range is empty, so the file is complete
            error.close()
            return
        raise
    with response, open(part, "r+b") as file:
        resumed = response.status == 206 and (response.headers["Content-Range"] or "").startswith(f"bytes {size}-")
        if not resumed:
            file.truncate(0)
        start = file.seek(0, os.SEEK_END)
        n_left = response.length or 0  # 0 if the mirror does not send the length
        check_disk(part.parent, n_left, url)
        total = start + n_left if n_left else 0
        with Progress(url.rpartition("/")[2], total, "B", start, headline=f"downloading {url}") as progress:
            while chunk := response.read(CHUNK_SIZE):
                file.write(chunk)
                progress.update(len(chunk))
        if n_left and file.tell() != start + n_left:
            raise OSError(f"the connection ended after {file.tell()} of {start + n_left} bytes")


def check_disk(folder: Path, n_bytes: int, what: str) -> None:
    """Raise InsufficientDiskSpace if ``n_bytes`` of ``what`` do not fit on the disk of ``folder``."""
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise InsufficientDiskSpace(f"there is not enough free space on the disk of {folder} for {what}: "
                                    f"{n_bytes / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free")
