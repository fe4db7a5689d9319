"""Tables and labels from .npy, .npz and .csv files, and files written aside and renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Callable

import numpy as np

__all__ = ["read_table", "read_labels", "write_aside"]


def read_table(path) -> np.ndarray:
    """A .npy, .npz or .csv file -> X (n, D) float32."""
    path = Path(path)
    X = _read(path)
    return X.astype(np.float32)


def read_labels(path) -> np.ndarray:
    """A .npy or .csv file -> labels (n,)."""
    return _read(Path(path)).ravel()


def _read(path):
    if not path.exists():
        raise ValueError(f"no such file: {path}")
    if path.suffix == ".csv":
        return np.genfromtxt(path, delimiter=",")
    data = np.load(path, allow_pickle=False)
    return data if path.suffix == ".npy" else data[data.files[0]]


def write_aside(path, write: Callable) -> None:
    """Call ``write(file)`` on a temporary file beside ``path``, then rename it: never half a file."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
