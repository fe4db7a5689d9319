"""Where data files lie, and how one is fetched so that a broken one is never taken for a good one.

A file is looked for in the caller's ``data_home``, the checkout's ``data/``, ``$DECNP_DATA`` and the
per-user cache, in this order. A download goes to a temporary name beside its place, is read and checked
there, and only then gets its own name: a file under its own name is complete.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

__all__ = ["DataError", "download", "download_folder", "find", "sha256"]

CHECKOUT = Path(__file__).resolve().parents[2] / "data"  # absent when decnp is installed without its checkout
TIMEOUT = 30  # seconds a mirror may stay silent
CHUNK = 1 << 16  # bytes
SPEAK_EVERY = 5  # seconds between two lines of progress

PathLike = str | os.PathLike[str]
Content = TypeVar("Content")


class DataError(ValueError):
    """A data file is damaged, is not the official one, or could not be had; the sentence names it."""


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


def download(urls: Iterable[str], target: Path, read: Callable[[Path, str], Content]) -> Content:
    """Fetch ``target`` from the first of ``urls`` that gives the right file, and return what ``read`` makes of it.

    Parameters
    ----------
    urls : the same file on several mirrors, tried in turn
    target : where it is to lie; its folder is created
    read : called as ``read(path, name)`` on the file while it has a temporary name; raises DataError,
        calling the file by ``name``, if it is not the right one

    Raises
    ------
    DataError
        If no mirror gave the right file; the sentence says of each one why.
    OSError
        If the folder cannot be created.
    """
    import http.client  # late, here and below: who only loads a model needs no network

    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        aside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            _fetch(url, aside)
            content = read(aside, url)
            os.replace(aside, target)
            return content
        except DataError as error:
            failures.append(str(error))
        except (OSError, http.client.HTTPException) as error:  # no such host, refused, 404, silent, cut off
            failures.append(f"{url} failed ({error or type(error).__name__})")
        finally:
            aside.unlink(missing_ok=True)
    raise DataError(f"{target.name} could not be downloaded to {target.parent}: {'; '.join(failures)}; "
                    "put it there by hand, or name a folder that has it in $DECNP_DATA")


def _fetch(url, path):
    """The bytes behind ``url`` into a new file at ``path``."""
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "decnp"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, open(path, "xb") as file:
        total = response.length or 0  # bytes to come; 0 if the mirror does not say
        with _progress(url, total) as tell:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                tell(len(chunk))
        if total and file.tell() != total:
            raise OSError(f"the connection ended after {file.tell()} of {total} bytes")


@contextmanager
def _progress(url: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yields a function to be told the length of each chunk: a bar on a terminal, else a line now and then."""
    if sys.stderr and sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            with tqdm(desc=url.rpartition("/")[2], total=total or None, unit="B", unit_scale=True) as bar:
                yield bar.update
            return
    print(f"decnp: downloading {url}", file=sys.stderr)
    done, spoken = 0, time.monotonic()

    def tell(length: int) -> None:
        nonlocal done, spoken
        done += length
        if time.monotonic() - spoken >= SPEAK_EVERY:
            spoken = time.monotonic()
            of_total = f" of {total / 1e6:.1f}" if total else ""
            print(f"decnp: {done / 1e6:.1f}{of_total} MB", file=sys.stderr)

    yield tell
