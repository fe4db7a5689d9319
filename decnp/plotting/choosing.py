"""Figure of ``choose_k``: agreement of seeds and silhouettes against the number of clusters."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ._canvas import BLUE, GRAY, RED, axes, numbers, style

__all__ = ["agreement_curves"]


def agreement_curves(
    k: Sequence[float], agreement: Sequence[float], silhouette: Sequence[float], reference: Sequence[float],
    kmeans_agreement: Sequence[float], kmeans_silhouette: Sequence[float], best_k: int | None = None, ax: Axes | None = None,
) -> Axes:
    """Draw the agreement of seeds and the silhouette in the data against k, dashed for k-means.

    Parameters
    ----------
    k : sequence of float
        Numbers of clusters.
    agreement, silhouette : sequence of float
        Agreement of the seeds, and silhouette in the data, of DEC.
    reference : sequence of float
        Silhouette in data without clusters, drawn as a dotted line.
    kmeans_agreement, kmeans_silhouette : sequence of float
        The same two numbers for k-means.
    best_k : int, default=None
        Number of clusters to mark with a vertical line.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    decnp.choosing.choose_k : Function that computes these numbers.
    choosing_k : The paper's Figure 6.

    Examples
    --------
    >>> ax = agreement_curves([2, 3], [0.5, 0.9], [0.3, 0.6], [0.2, 0.2], [0.5, 1.0], [0.3, 0.6], best_k=3)
    >>> [line.get_label() for line in ax.lines][:2]
    ['agreement of seeds', 'silhouette in the data']
    """
    ax = axes(ax, 7, 4.6)
    x = numbers("k", k)
    curves = (
        ("agreement of seeds", agreement, {"color": BLUE, "marker": "o"}),
        ("silhouette in the data", silhouette, {"color": RED, "marker": "o"}),
        ("silhouette without clusters", reference, {"color": GRAY, "linestyle": ":"}),
        ("k-means: agreement", kmeans_agreement, {"color": BLUE, "linestyle": "--", "linewidth": 1}),
        ("k-means: silhouette", kmeans_silhouette, {"color": RED, "linestyle": "--", "linewidth": 1}),
    )
    for label, values, look in curves:
        ax.plot(x, numbers(label, values, len(x)), label=label, **look)
    if best_k is not None:
        ax.axvline(best_k, color=GRAY, linewidth=0.8, zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(ax, "number of clusters k", "agreement, silhouette")
    ax.legend(frameon=False, fontsize=10)
    return ax
