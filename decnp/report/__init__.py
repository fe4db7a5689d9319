"""A finished run as one HTML page: its facts, its pictures, how to use its model.

The page needs no network and no script; every picture is inside it. All facts are read from the run's folder. The data
are read from where the run found them. Without them the page says so and has the other pictures.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..exceptions import UserError
from ..io.atomic import PathLike, write_atomically
from ..io.os_errors import explain_os_errors
from ..utils.rows import Rows
from .folder import read_run

__all__ = ["REPORT", "check_pictures", "write_report"]

REPORT = "report.html"


def check_pictures() -> None:
    """Raise UserError if matplotlib is not installed."""
    try:
        from .. import plotting  # noqa: F401
    except ImportError as error:
        raise UserError(f"the report's {error}") from error


def write_report(
    folder: PathLike, tsne: bool = False, image_shape: str | tuple[int, ...] | None = "auto",
    data: tuple[Rows, np.ndarray | None] | None = None,
) -> Path:
    """Write ``report.html`` into the folder of a finished run, atomically, and return its path.

    Parameters
    ----------
    folder : path-like
        Folder that ``decnp fit --out`` has filled.
    tsne : bool, default=False
        Whether to draw the embedding by t-SNE, which takes a minute or so, instead of its principal directions.
    image_shape : "auto", tuple or None, default="auto"
        (height, width) or (height, width, 3) of the rows, or None for rows that are no images. "auto" knows those of
        named data sets. It takes other rows for images if they are a square of at least 8 x 8.
    data : tuple of X (n, D) and y (n,) or None, default=None
        Data of the run. None reads them again from where the run found them.

    Raises
    ------
    UserError
        If matplotlib is missing, the folder holds no finished run, its files are damaged, or it cannot be written to.
    """
    check_pictures()
    from .page import html_of  # needs matplotlib

    run = read_run(Path(folder), data)
    content = html_of(run, tsne, image_shape).encode("utf-8", "backslashreplace")
    path = Path(folder) / REPORT
    with explain_os_errors(f"{os.fspath(path)} could not be written"):
        write_atomically(path, lambda file: file.write(content))
    return path
