"""A finished run as one HTML page: its facts, its pictures, how to use its model.

The page needs no network and no script; every picture is inside it. All is taken from the run's folder, and the data
from where the run found them; where they are no longer there, the page says so and has the other pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional, Union

import numpy as np

from ..exceptions import UserError
from ..io.atomic import PathLike, write_atomically
from ..utils.rows import Rows
from .folder import read_run

__all__ = ["REPORT", "check_pictures", "write_report"]

REPORT = "report.html"


def check_pictures() -> None:
    """UserError if there is no matplotlib to draw with."""
    try:
        from .. import plotting  # noqa: F401
    except ImportError as error:
        raise UserError(f"the report's {error}") from error


def write_report(
    folder: PathLike, tsne: bool = False, image_shape: Union[None, str, tuple[int, ...]] = "auto",
    data: Optional[tuple[Rows, Optional[np.ndarray]]] = None,
) -> Path:
    """Write ``report.html`` into the folder of a finished run, aside and renamed; returns its path.

    Parameters
    ----------
    folder : what ``decnp fit --out`` has filled
    tsne : the embedding by t-SNE (a minute or so) instead of its principal directions
    image_shape : (height, width) or (height, width, 3) of the rows, None for rows that are no images; "auto" knows
        those of named data sets, and takes other rows for images where they are a square of at least 8 x 8
    data : X (n, D) and y (n,) or None, where they are at hand; else they are read again from where the run found them

    Raises
    ------
    UserError
        If matplotlib is missing, the folder holds no finished run, its files are damaged, or it cannot be written to.
    """
    check_pictures()
    from .page import html_of

    run = read_run(Path(folder), data)
    content = html_of(run, tsne, image_shape).encode("utf-8", "backslashreplace")
    path = Path(folder) / REPORT
    try:
        write_atomically(path, lambda file: file.write(content))
    except OSError as error:
        raise UserError(f"{os.fspath(path)} could not be written: {error.strerror or error}") from error
    return path
