"""The option ``--init`` of ``decnp fit``: the name of a start, or a file of labels or centroids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..exceptions import DataError, UserError
from ..io.npy import npy_layout
from ..io.os_errors import explain_read_errors
from ..io.tables import check_suffix, read_labels, read_table
from ..utils.spelling import nearest

__all__ = ["read_start"]


def read_start(init: str | None, n_samples: int, n_clusters: int, d: int) -> str | np.ndarray | None:
    """Return ``init`` if it is None or the name of a start, else the labels (n,) or centroids (k, d) in that file.

    Raises UserError if there is no such name or file, or if it holds anything else; DataError if the file is damaged.
    """
    from ..profiles import INITS
    from ..training.start import check_init  # imports scikit-learn

    if init is None or init in INITS:
        return init
    path = Path(init)
    if not path.exists():
        raise UserError(f"--init must be {', '.join(INITS)} or a file of labels or centroids, and no file is called "
                        f"{init}{nearest(init, INITS)}")
    with explain_read_errors(init):
        array = _read_array(path, n_samples, n_clusters, d)
    try:
        check_init(array, n_samples, n_clusters, d, f"--init {init}")
    except ValueError as error:
        raise UserError(str(error)) from error
    return array


def _read_array(path: Path, n_samples: int, n_clusters: int, d: int) -> np.ndarray:
    """Return the labels or the centroids in a file."""
    suffix = check_suffix(path, ".npy", ".csv", ".txt")
    with open(path, "rb") as file:
        if suffix == ".npy":
            shape = npy_layout(file, path.stat().st_size, str(path)).shape
            has_labels = shape != (n_clusters, d) and shape[1:] in ((), (1,))
        else:
            lines = [line.strip() for line in file.read(1 << 16).split(b"\n") if line.strip()][:2]
            # The name above labels may have blanks, so that the second line decides.
            has_labels = not any(delimiter in line for line in lines[-1:] for delimiter in b",;\t |")
            has_labels = has_labels and not (d == 1 and _is_column(path, n_clusters))
    return read_labels(path, n_samples) if has_labels else np.asarray(read_table(path).X[:])


def _is_column(path: Path, n_rows: int) -> bool:
    """Return whether a text file is a table of numbers with one column and ``n_rows`` rows."""
    try:
        return read_table(path).X.shape == (n_rows, 1)
    except DataError:
        return False
