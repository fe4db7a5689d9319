"""What all pictures share: an ``Axes`` to draw into, its style, colours, and the checks of what comes in."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["BLUE", "CLUSTER_COLOURS", "GREY", "LINE_COLOURS", "RED", "TEXT", "axes", "images_of", "names", "numbers", "panels",
           "style"]

TEXT = 13  # points; for a figure about 7 inches wide, readable from the back of a room
GREY = "#666666"
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito 2008
BLUE, RED = LINE_COLOURS[:2]
CLUSTER_COLOURS = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
                   "#AA4499")  # Paul Tol's "muted"


def axes(ax: Optional[Axes], width: float, height: float) -> Axes:
    """``ax``, or the one of a new figure of this size in inches. Raises ValueError for anything else."""
    if ax is None:
        return Figure(figsize=(width, height), layout="constrained").add_subplot()
    if not isinstance(ax, Axes):
        raise ValueError(f"ax must be a matplotlib Axes or None; got {ax!r}")
    return ax


def panels(rows: int, columns: int, width: float, height: float) -> list[Axes]:
    """A figure of this size in inches with an ``Axes`` for each panel: the first row from left to right, then the next."""
    return list(Figure(figsize=(width, height), layout="constrained").subplots(rows, columns, squeeze=False).ravel())


def style(ax: Axes, xlabel: str, ylabel: str, grid: bool = True) -> None:
    """Labels in a size to be read from afar, no frame where none is needed, a faint grid behind the data."""
    ax.set_xlabel(xlabel, fontsize=TEXT)
    ax.set_ylabel(ylabel, fontsize=TEXT)
    ax.tick_params(labelsize=TEXT - 1)
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(color="#dddddd", linewidth=0.8)
        ax.set_axisbelow(True)


# ---------------------------------------------------------------- what comes in

def numbers(name: str, values: Any, n: Optional[int] = None, ndim: int = 1, finite: bool = True) -> np.ndarray:
    """``values`` as float64 with ``ndim`` axes and (where given) n rows, at least one; ValueError in one sentence."""
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


def names(name: str, values: Any, n: Optional[int] = None) -> np.ndarray:
    """Labels (n,) as they are: integers or strings; ValueError in one sentence."""
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"{name} must have 1 axis and at least one entry; got the shape {array.shape}")
    if array.dtype.kind not in "biuSUT" and not any(
            all(isinstance(value, kind) for value in array) for kind in (int, str)):
        raise ValueError(f"{name} must hold integers or strings, all of one kind; got the dtype {array.dtype}")
    if n is not None and len(array) != n:
        raise ValueError(f"{name} must have {n} entries, as many as the others; got {len(array)}")
    return array


def images_of(X: Any, image_shape: Optional[tuple[int, ...]] = None) -> np.ndarray:
    """X (n, D) as images (n, h, w), or (n, h, w, 3) with values from 0 to 1; without a shape D must be a square.

    Grey images come as they are; colours are scaled together, the smallest value to 0 and the largest to 1.
    """
    X = np.asarray(X)
    if image_shape is None:
        if X.ndim < 2:
            raise ValueError(f"the images must have the shape (n, D), one row for each; got {X.shape}")
        side = int(round(X.shape[1] ** 0.5))
        if X.ndim == 2 and side * side != X.shape[1]:
            raise ValueError(f"image_shape must be given, since {X.shape[1]} columns are no square")
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
