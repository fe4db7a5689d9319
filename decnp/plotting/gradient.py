"""The paper's Figure 4: confident points pull harder."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ._canvas import BLUE, GREY, axes, images_of, numbers, style

__all__ = ["gradient_against_q"]

THUMBNAIL = 36.0  # points across


def gradient_against_q(q: Any, gradient: Any, images: Any = None, ax: Optional[Axes] = None) -> Axes:
    """The paper's Figure 4: the size of each point's gradient against its own cluster's q_ij.

    Parameters
    ----------
    q : (n,) q_ij of Eq. 1 of the cluster that each point is in
    gradient : (n,) |dL/dz_i|, or dL/dz (n, d) of Eq. 4, of which the norms are taken
    images : (n, D) with D a square, (n, h, w) or (n, h, w, 3): ten are shown above, one for each tenth of the points
        in the order of q, the middle one of its tenth. With fewer than ten points all are shown.

    Differs from the paper: its code plots only the j-th term of Eq. 4's sum, with the norm |.|_1 and a target
    without f_j. Give what you mean.

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


def _thumbnails(ax, q, sizes, images):
    """The middle one of each tenth of the points, above the axes, with a thread to its point."""
    count = min(10, len(q))
    order = np.argsort(q, kind="stable")
    chosen = order[(2 * np.arange(count) + 1) * len(q) // (2 * count)]
    pictures = images_of(np.asarray(images)[chosen])
    for rank, (i, picture) in enumerate(zip(chosen, pictures)):
        box = OffsetImage(picture, zoom=THUMBNAIL / max(picture.shape[:2]), cmap="gray", interpolation="nearest")
        ax.add_artist(AnnotationBbox(
            box, (q[i], sizes[i]), ((rank + 0.5) / count, 1.08), boxcoords="axes fraction", pad=0.1,
            arrowprops=dict(arrowstyle="-", color=GREY, linewidth=0.8), bboxprops=dict(edgecolor=GREY)))
    ax.plot(q[chosen], sizes[chosen], "o", color="black", markersize=5)
