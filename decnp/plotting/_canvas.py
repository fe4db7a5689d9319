"""Helpers of all figures: axes, style, colors, and validation of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["BLUE", "CLUSTER_COLORS", "GRAY", "LINE_COLORS", "RED", "TEXT", "axes", "images_of", "names", "numbers",
           "panels", "runs", "style"]

TEXT = 13  # points; readable on a projector for a figure about 7 inches wide
GRAY = "#666666"
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito 2008
BLUE, RED = LINE_COLORS[:2]
CLUSTER_COLORS = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
                  "#AA4499")  # Paul Tol's "muted"


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return ``ax``, or for None the axes of a new figure of this size in inches; raise ValueError for anything else."""
    if ax is None:
        return Figure(figsize=(width, height), layout="constrained").add_subplot()
    if not isinstance(ax, Axes):
        raise ValueError(f"ax must be a matplotlib Axes or None; got {ax!r}")
    return ax


def panels(rows: int, columns: int, width: float, height: float) -> list[Axes]:
    """Return the axes of a new figure with ``rows`` times ``columns`` panels, row by row.

    Parameters
    ----------
    rows, columns : int
        Numbers of rows and columns of panels.
    width, height : float
        Size of the figure in inches.

    Returns
    -------
    axes : list of matplotlib Axes
        The axes, row by row.

    Examples
    --------
    >>> left, right = panels(1, 2, width=8, height=3)
    >>> left.figure is right.figure
    True
    """
    return list(Figure(figsize=(width, height), layout="constrained").subplots(rows, columns, squeeze=False).ravel())


def style(ax: Axes, xlabel: str, ylabel: str, grid: bool = True) -> None:
    """Set large labels, remove the upper and right spines, and draw a faint grid behind the data."""
    ax.set_xlabel(xlabel, fontsize=TEXT)
    ax.set_ylabel(ylabel, fontsize=TEXT)
    ax.tick_params(labelsize=TEXT - 1)
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(color="#dddddd", linewidth=0.8)
        ax.set_axisbelow(True)


# ---------------------------------------------------------------- checks of the input

def numbers(name: str, values: Any, n: int | None = None, ndim: int = 1, finite: bool = True) -> np.ndarray:
    """Return ``values`` as float64; raise ValueError unless they have ``ndim`` axes and at least one row (or n rows)."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers; got {values!r:.60}") from None
    if array.ndim != ndim or len(array) == 0 or array.size == 0:
        raise ValueError(f"{name} must have {ndim} {'axis' if ndim == 1 else 'axes'} and at least one entry; "
                         f"got the shape {array.shape}")
    if n is not None and len(array) != n:
        raise ValueError(f"{name} must have {n} entries, as many as the others; got {len(array)}")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers; got {array[~np.isfinite(array)][0]}")
    return array


def runs(name: str, values: Any, n: int | None = None, finite: bool = True) -> np.ndarray:
    """Return the values of one run (n,) or of several (runs, n) as (runs, n); raise ValueError for anything else."""
    try:
        several = np.ndim(values) == 2
    except ValueError:  # runs of different lengths
        several = True
    y = np.atleast_2d(numbers(name, values, None, 2 if several else 1, finite))
    numbers(name, y[0], n, finite=finite)
    return y


def names(name: str, values: Any, n: int | None = None) -> np.ndarray:
    """Return labels (n,) unchanged; raise ValueError unless they are all integers or all strings."""
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{name} must have 1 axis and at least one entry; got the shape {array.shape}")
    if array.dtype.kind not in "biuSUT" and not any(
            all(isinstance(value, kind) for value in array) for kind in (int, str)):
        raise ValueError(f"{name} must hold integers or strings, all of one kind; got the dtype {array.dtype}")
    if n is not None and len(array) != n:
        raise ValueError(f"{name} must have {n} entries, as many as the others; got {len(array)}")
    return array


def images_of(X: Any, image_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return X (n, D) as images (n, h, w) or (n, h, w, 3); without ``image_shape`` D must be a square.

    Gray values are unchanged. Color images are scaled together, the smallest value to 0 and the largest to 1.
    """
    X = np.asarray(X)
    if image_shape is None:
        if X.ndim < 2:
            raise ValueError(f"the images must have the shape (n, D), with one row for each image; got {X.shape}")
        side = int(round(X.shape[1] ** 0.5))
        if X.ndim == 2 and side * side != X.shape[1]:
            raise ValueError(f"image_shape must be given, because {X.shape[1]} columns are not a square")
        image_shape = (side, side) if X.ndim == 2 else X.shape[1:]
    shape = tuple(image_shape)
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)):
        raise ValueError(f"image_shape must be (height, width) or (height, width, 3); got {shape}")
    if X.size != len(X) * int(np.prod(shape)):
        raise ValueError(f"image_shape {shape} needs {int(np.prod(shape))} columns; got {X.shape[1:]}")
    images = numbers("the images", X.reshape(len(X), *shape), ndim=1 + len(shape))
    if len(shape) == 3:
        images = (images - images.min()) / (np.ptp(images) or 1.0)
    return images
