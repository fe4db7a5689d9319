"""Atomic writes: a file that has its final name is complete."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

__all__ = ["PathLike", "delete_temporary_files", "write_all_atomically", "write_atomically"]

PathLike = str | os.PathLike[str]


def write_atomically(path: PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write(file)`` on a new file beside ``path``, then rename that file to ``path``.

    The file has the permissions that the umask allows. A symbolic link at ``path`` is followed. Anything at ``path``
    that is not a regular file is left in place. Raises OSError if the file cannot be written; an earlier file at
    ``path`` is then unchanged.
    """
    write_all_atomically({path: write})


def write_all_atomically(files: Mapping[PathLike, Callable[[BinaryIO], object]]) -> None:
    """Write several files as ``write_atomically`` does; all are complete before the first one is renamed."""
    waiting: list[tuple[Path, Path]] = []  # (temporary, final)
    try:
        for path, write in files.items():
            path = Path(os.path.realpath(path))
            if path.exists() and not path.is_file():
                raise OSError(errno.EEXIST, "there is something that is not a file", str(path))
            if not path.parent.exists():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            temporary = path.with_name(f".{_short(path.name)}.{secrets.token_hex(4)}.part")
            waiting.append((temporary, path))
            with open(temporary, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        while waiting:
            os.replace(*waiting[0])
            del waiting[0]
    finally:
        for temporary, _ in waiting:
            temporary.unlink(missing_ok=True)


def delete_temporary_files(path: PathLike) -> None:
    """Delete the temporary files that killed processes have left beside the file ``path``."""
    path = Path(os.path.realpath(path))
    own = re.compile(re.escape(f".{_short(path.name)}.") + r"[0-9a-f]{8}\.part")
    for part in path.parent.glob(f".{glob.escape(_short(path.name))}.*.part"):
        if own.fullmatch(part.name):
            part.unlink(missing_ok=True)  # another process can have deleted it


def _short(name: str) -> str:
    """Return the name of a file, or its beginning and digest if it has more than 40 characters."""
    return name if len(name) <= 40 else f"{name[:31]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
