"""The paper's Figure 1: the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from ..utils.validation import check_sizes
from ._canvas import BLUE, GRAY, LINE_COLORS, RED, TEXT, axes

__all__ = ["network_diagram"]

GREEN = LINE_COLORS[2]
WIDTH = 0.34  # of a layer's bar; the bars are at x = 0, 1, 2, ...


def network_diagram(sizes: Sequence[int], ax: Axes | None = None) -> Axes:
    """Draw the paper's Figure 1: encoder and decoder as bars, and the clustering head on the embedding z.

    The height of a bar increases with the logarithm of the width of the layer. The activations are written between the
    bars. The decoder, to the right of z, is used for pretraining only.

    Parameters
    ----------
    sizes : sequence of int
        D and the widths of the encoder's layers, such as (784, 500, 500, 2000, 10). The last one is d.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    Examples
    --------
    >>> ax = network_diagram([784, 500, 500, 2000, 10])
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "width"]
    ['784', '500', '500', '2000', '10', '2000', '500', '500', '784']
    """
    if np.ndim(sizes) != 1 or len(sizes) < 2:
        raise ValueError(f"sizes must be D and the widths of the encoder's layers, at least two; got {sizes!r}")
    encoder = check_sizes(sizes)
    widths = encoder + encoder[-2::-1]
    code = len(encoder) - 1  # the number of z's bar
    heights = 0.25 + np.log(widths) / np.log(max(max(widths), 2))
    ax = axes(ax, max(6.0, 0.95 * len(widths)), 4.6)
    _layers(ax, widths, heights, code)
    _head(ax, code, heights[code])
    lowest = -max(heights) / 2 - 0.25
    for text, x, color in (("x", 0.0, BLUE), ("reconstruction", len(widths) - 1, GRAY)):
        ax.text(x, heights[0] / 2 + 0.05, text, ha="center", fontsize=TEXT, color=color)
    for text, x, color in (("encoder f", code / 2, BLUE),
                           ("decoder, for pretraining only", 1.5 * code, GRAY)):
        ax.text(x, lowest, text, ha="center", va="top", fontsize=TEXT, color=color)
    ax.set_xlim(-0.6, len(widths) - 0.4)
    ax.set_ylim(lowest - 0.2, 1.35)
    ax.set_axis_off()
    return ax


def _layers(ax: Axes, widths: Sequence[int], heights: np.ndarray, code: int) -> None:
    """Draw a bar for each layer, its width below, and its activation between it and the bar before."""
    for i, (width, height) in enumerate(zip(widths, heights)):
        color = RED if i == code else BLUE if i < code else GRAY
        ax.add_patch(Rectangle((i - WIDTH / 2, -height / 2), WIDTH, height, facecolor=color, edgecolor="none",
                               alpha=1.0 if i <= code else 0.6, gid=f"layer {i}"))
        ax.text(i, -height / 2 - 0.06, str(width), ha="center", va="top", fontsize=TEXT, gid="width")
        if i:
            before = heights[i - 1]
            ax.add_patch(Polygon([(i - 1 + WIDTH / 2, before / 2), (i - WIDTH / 2, height / 2),
                                  (i - WIDTH / 2, -height / 2), (i - 1 + WIDTH / 2, -before / 2)],
                                 facecolor=BLUE if i <= code else GRAY, edgecolor="none", alpha=0.15))
            ax.text(i - 0.5, 0, "linear" if i in (code, len(widths) - 1) else "ReLU", ha="center", va="center",
                    fontsize=TEXT - 3, rotation=90, color="#333333", gid="activation")


def _head(ax: Axes, x: float, height: float) -> None:
    """Draw the clustering head, q (Eq. 1) and the loss, above the bar of z at ``x``, which has this height."""
    ax.text(x + WIDTH / 2 + 0.05, height / 2, "z", ha="left", va="bottom", fontsize=TEXT, color=RED)
    box = dict(boxstyle="round,pad=0.35", facecolor="white", edgecolor=RED, linewidth=1.5)
    ax.text(x, 1.1, "q: which centroid μ is near (Eq. 1)\nL = KL(P ‖ Q) (Eqs. 2, 3)", ha="center", va="center",
            fontsize=TEXT - 1, color="black", bbox=box, gid="head")
    ax.add_patch(FancyArrowPatch((x, height / 2 + 0.02), (x, 0.93), arrowstyle="-|>", mutation_scale=16,
                                 color=GREEN, linewidth=2))
