"""The paper's Figure 4: the norm of the gradient against q."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ._canvas import BLUE, GRAY, axes, images_of, numbers, style

__all__ = ["gradient_against_q"]

THUMBNAIL = 36.0  # points across


def gradient_against_q(q: Any, gradient: Any, images: Any = None, ax: Axes | None = None) -> Axes:
    """Draw the paper's Figure 4: the norm of the gradient of each point against q_ij of its own cluster.

    Parameters
    ----------
    q : array-like of shape (n,)
        q_ij of Eq. 1 for the cluster of each point.
    gradient : array-like of shape (n,) or (n, d)
        Norm of dL/dz_i, or dL/dz of Eq. 4, whose row norms are drawn.
    images : array-like of shape (n, D), (n, h, w) or (n, h, w, 3), default=None
        Images of the points. D must be a square. Ten images are drawn above the axes: the middle image of each tenth of
        the points, in the order of q. With fewer than ten points, all images are drawn.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.

    Returns
    -------
    ax : matplotlib Axes

    Notes
    -----
    Differs from the paper: the authors' code plots only the j-th term of Eq. 4's sum, with the 1-norm and a target
    without f_j. This function plots the values that it is given.

    Examples
    --------
    >>> ax = gradient_against_q([0.3, 0.1, 0.2], [[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]])
    >>> ax.collections[0].get_offsets().data
    array([[0.3, 5. ],
           [0.1, 1. ],
           [0.2, 2. ]])
    """
    q = numbers("q", q)
    sizes = np.asarray(gradient)
    if sizes.ndim == 2:
        sizes = np.linalg.norm(numbers("gradient", sizes, len(q), ndim=2), axis=1)
    sizes = numbers("gradient", sizes, len(q))
    ax = axes(ax, 8, 5)
    ax.scatter(q, sizes, s=10, color=BLUE, linewidths=0, alpha=0.5, rasterized=True)
    style(ax, "q of the point's own cluster", "size of the gradient |∂L/∂z|")
    if images is not None:
        if len(images) != len(q):
            raise ValueError(f"images must have {len(q)} entries, as many as the others; got {len(images)}")
        _thumbnails(ax, q, sizes, images)
    return ax


def _thumbnails(ax: Axes, q: np.ndarray, sizes: np.ndarray, images: Any) -> None:
    """Draw the image of the middle point of each tenth above the axes, with a line to the point."""
    count = min(10, len(q))
    order = np.argsort(q, kind="stable")
    chosen = order[(2 * np.arange(count) + 1) * len(q) // (2 * count)]
    pictures = images_of(np.asarray(images)[chosen])
    for rank, (i, picture) in enumerate(zip(chosen, pictures)):
        box = OffsetImage(picture, zoom=THUMBNAIL / max(picture.shape[:2]), cmap="gray", interpolation="nearest")
        ax.add_artist(AnnotationBbox(
            box, (q[i], sizes[i]), ((rank + 0.5) / count, 1.08), boxcoords="axes fraction", pad=0.1,
            arrowprops=dict(arrowstyle="-", color=GRAY, linewidth=0.8), bboxprops=dict(edgecolor=GRAY)))
    ax.plot(q[chosen], sizes[chosen], "o", color="black", markersize=5)
