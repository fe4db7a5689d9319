"""Clusters to look at: their images, where they lie in the embedding, and how they meet the classes."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment

from ..metrics import cluster_accuracy, contingency
from ..utils.rows import LazyRows
from ._canvas import CLUSTER_COLOURS, GREY, TEXT, axes, images_of, names, numbers, style

__all__ = ["cluster_montage", "confusion_matrix", "embedding_scatter"]

GAP = 2  # pixels between two images
MARKERS = "o^sDv"
MOST = 100  # clusters that a picture can show
WITH_NUMBERS = 20  # rows or columns of a matrix whose cells have room for numbers


def cluster_montage(
    X: Any, labels: Any, scores: Any, ax: Optional[Axes] = None, n: int = 10,
    image_shape: Optional[tuple[int, ...]] = None, least: bool = False,
) -> Axes:
    """The paper's Figure 3: a row of images for each cluster, the n most typical ones, the first one foremost.

    Parameters
    ----------
    X : (N, D), an image a row; an array, or ``decnp.utils.rows.LazyRows``
    labels : (N,) the cluster of each, whole numbers
    scores : (N,) the larger the more typical; or q (N, k) of Eq. 1, of which each row's own cluster is taken
    n : images in a row; where a cluster has fewer, the rest is empty
    image_shape : (height, width) or (height, width, 3); without it D must be a square
    least : the least typical ones instead, the least one foremost

    >>> X = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]])
    >>> ax = cluster_montage(X, labels=[0, 0, 1], scores=[0.6, 0.9, 0.8], n=2)
    >>> ax.images[0].get_array()[:2, :2].tolist()        # the second image has the best score of cluster 0
    [[0.0, 0.0], [1.0, 0.0]]
    """
    X = X if isinstance(X, LazyRows) else np.asarray(X)
    labels = names("labels", labels, len(X))
    scores = _own_scores(scores, labels)
    clusters = np.unique(labels)
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n must be a whole number >= 1; got {n!r}")
    if len(clusters) > MOST:
        raise ValueError(f"a montage has room for {MOST} clusters; got {len(clusters)}")
    order = np.argsort(scores if least else -scores, kind="stable")
    chosen = [order[labels[order] == cluster][:n] for cluster in clusters]
    images = images_of(X[np.concatenate(chosen)], image_shape)
    sheet = _sheet(images, [len(rows) for rows in chosen], n)

    h, w = images.shape[1] + GAP, images.shape[2] + GAP
    ax = axes(ax, 8, min(20.0, 0.9 + 7.2 * len(clusters) * h / (n * w)))
    ax.imshow(sheet, cmap="gray", interpolation="nearest")
    ax.set_yticks(np.arange(len(clusters)) * h + (h - GAP) / 2 - 0.5, clusters, parse_math=False)
    ax.set_xticks([])
    style(ax, f"the {'least' if least else 'most'} typical first", "cluster", grid=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _own_scores(scores, labels):
    """(n,) from (n,), or from q (n, k) each row's own cluster."""
    scores = np.asarray(scores)
    if scores.ndim != 2:
        return numbers("scores", scores, len(labels))
    scores = numbers("scores", scores, len(labels), ndim=2)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"scores with {scores.shape[1]} columns need labels from 0 to {scores.shape[1] - 1}; "
                         f"got {labels.min()!r} to {labels.max()!r}")
    return scores[np.arange(len(labels)), labels]


def _sheet(images, counts, n):
    """All images on one, row by row with gaps between; what is left free is masked, and transparent if in colour."""
    _, h, w, *colours = images.shape
    sheet = np.full((len(counts) * (h + GAP) - GAP, n * (w + GAP) - GAP, *([4] if colours else [])), np.nan)
    if colours:
        sheet[...] = 0.0
        images = np.concatenate([images, np.ones((*images.shape[:3], 1))], axis=3)
    image = iter(images)
    for row, count in enumerate(counts):
        for column in range(count):
            sheet[row * (h + GAP) :, column * (w + GAP) :][:h, :w] = next(image)
    return sheet if colours else np.ma.masked_invalid(sheet)


def embedding_scatter(
    z: Any, labels: Any, ax: Optional[Axes] = None, method: str = "pca", random_state: Optional[int] = 0,
    n: Optional[int] = 3000,
) -> Axes:
    """The embedding in the plane, a colour and a number for each cluster.

    Parameters
    ----------
    z : (N, d) the embedding
    labels : (N,) the clusters, or the classes; integers or strings
    method : "pca", the two directions of largest variance of all N points; or "tsne", which keeps neighbours
        together, and of which neither axes nor distances between groups mean anything
    random_state : for the sample, and for t-SNE
    n : points that are drawn, at random where there are more; None draws all

    >>> ax = embedding_scatter([[0, 0], [0, 1], [5, 0], [5, 1]], labels=[0, 0, 1, 1])
    >>> [len(group.get_offsets()) for group in ax.collections]
    [2, 2]
    """
    z = numbers("z", z, ndim=2)
    labels = names("labels", labels, len(z))
    if method not in ("pca", "tsne"):
        raise ValueError(f"method must be 'pca' or 'tsne'; got {method!r}")
    if n is not None and not (isinstance(n, (int, np.integer)) and n >= 1):
        raise ValueError(f"n must be a whole number >= 1 or None; got {n!r}")
    clusters = np.unique(labels)
    drawn = np.arange(len(z))
    if n is not None and n < len(z):
        drawn = np.sort(np.random.default_rng(random_state).choice(len(z), n, replace=False))
    ax = axes(ax, 7, 5.6)
    if method == "pca":
        points, shares = _principal(z)
        points = points[drawn]
        first, second = (f"{which} principal direction ({share:.0%} of the variance)"
                         for which, share in zip(("first", "second"), shares))
        style(ax, first, second)
        ax.set_aspect("equal", adjustable="datalim")  # a direction without variance looks like one
    else:
        points = _tsne(z[drawn], random_state)
        style(ax, "t-SNE", "", grid=False)
        ax.set_xticks([]), ax.set_yticks([])
    for j, cluster in enumerate(clusters):
        own = points[labels[drawn] == cluster]
        ax.scatter(own[:, 0], own[:, 1], s=12, color=CLUSTER_COLOURS[j % len(CLUSTER_COLOURS)], linewidths=0, alpha=0.7,
                   marker=MARKERS[j // len(CLUSTER_COLOURS) % len(MARKERS)], label=str(cluster), rasterized=True)
        if len(own) and len(clusters) <= MOST:
            x, y = np.median(own, axis=0)
            ax.text(x, y, str(cluster), fontsize=TEXT + 1, weight="bold", ha="center", va="center",
                    parse_math=False, bbox=dict(boxstyle="round,pad=0.2", facecolor="white", edgecolor=GREY, alpha=0.85))
    return ax


def _principal(z):
    """z (n, d) on its two directions of largest variance, (n, 2), and their shares of the variance."""
    centred = z - z.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    directions = np.pad(directions[:, ::-1], ((0, 0), (0, 1)))[:, :2]  # (d, 2); with d = 1 the second one is 0
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    shares = np.pad(variances[::-1], (0, 1))[:2] / (variances.sum() or 1.0)
    return centred @ (directions * np.where(signs == 0, 1, signs)), np.abs(shares)


def _tsne(z, random_state):
    """z (n, d) by scikit-learn's t-SNE, (n, 2)."""
    from sklearn.manifold import TSNE  # late: it takes a while to import

    if len(z) < 3:
        raise ValueError(f"t-SNE needs at least 3 points; got {len(z)}")
    perplexity = min(30.0, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=random_state).fit_transform(z)


def confusion_matrix(y: Any, labels: Any, ax: Optional[Axes] = None) -> Axes:
    """How many samples of each class are in each cluster, after the best one-to-one map of Eq. 10.

    A class's own cluster is on the diagonal, so that ACC is the diagonal's share of all samples; clusters and classes
    without a partner come last. The colour is the share of the class.

    Parameters
    ----------
    y : (n,) the classes, integers or strings
    labels : (n,) the clusters

    >>> ax = confusion_matrix(["a", "a", "b", "b"], [1, 1, 1, 0])
    >>> [text.get_text() for text in ax.texts]        # class a: both in cluster 1
    ['2', '0', '1', '1']
    """
    table = contingency(y, labels).T  # (classes, clusters)
    classes, clusters = np.unique(np.asarray(y)), np.unique(np.asarray(labels))
    rows, columns = _matched(table)
    table = table[np.ix_(rows, columns)]
    if max(table.shape) > MOST:
        raise ValueError(f"a matrix has room for {MOST} classes and {MOST} clusters; got {len(rows)} and {len(columns)}")
    shares = table / table.sum(axis=1, keepdims=True)
    ax = axes(ax, 7.4, 6.2)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(columns)), clusters[columns], parse_math=False)
    ax.set_yticks(range(len(rows)), classes[rows], parse_math=False)
    style(ax, "cluster", "class", grid=False)
    ax.set_title(f"ACC {cluster_accuracy(y, labels):.2%}", fontsize=TEXT)
    size = TEXT - 3 if max(table.shape) <= 12 else TEXT - 6
    if max(table.shape) <= WITH_NUMBERS:
        for (i, j), count in np.ndenumerate(table):
            ax.text(j, i, str(count), ha="center", va="center", fontsize=size,
                    color="white" if shares[i, j] > 0.5 else "black" if count else "#bbbbbb")
    return ax


def _matched(table):
    """Rows and columns of w (classes, clusters) in the order that puts the best pairs on the diagonal."""
    rows, columns = linear_sum_assignment(table, maximize=True)
    orders = []
    for matched, counts in ((rows, table), (columns, table.T)):
        left = sorted(set(range(len(counts))) - set(matched.tolist()), key=lambda i: (-counts[i]).tolist())
        orders.append([*matched.tolist(), *left])
    return orders[0], orders[1]
