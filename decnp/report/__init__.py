"""Report of a finished run: one HTML page with figures, scores, parameters, and commands that use the model.

The page needs no network and no script, and contains its figures. It is made from the files in the folder of the run,
and from the data at their original path. If the data are not available, the page says so and leaves out their figures.
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
        Draw the embedding by t-SNE, which takes about a minute, instead of by PCA.
    image_shape : "auto", tuple or None, default="auto"
        Shape of the rows as images, (height, width) or (height, width, 3). None means that the rows are not images.
        "auto" uses the shape of a named data set, or else a square, if D is the square of a number >= 8.
    data : tuple of X (n, D) and y (n,) or None, default=None
        Data of the run. None reads them from their original path.

    Returns
    -------
    path : Path
        Path of ``report.html``.

    Raises
    ------
    UserError
        If matplotlib is not installed, if the folder has no finished run or is not writable, or if its files are damaged.
    """
    check_pictures()
    from .page import html_of  # needs matplotlib

    run = read_run(Path(folder), data)
    content = html_of(run, tsne, image_shape).encode("utf-8", "backslashreplace")
    path = Path(folder) / REPORT
    with explain_os_errors(f"{os.fspath(path)} could not be written"):
        write_atomically(path, lambda file: file.write(content))
    return path
