"""Figures of clusters: their images, the embedding, and the confusion matrix with the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment

from ..metrics import cluster_accuracy, contingency
from ..utils.rows import LazyRows
from ..utils.validation import check_number
from ._canvas import CLUSTER_COLORS, GRAY, TEXT, axes, images_of, names, numbers, style

__all__ = ["cluster_montage", "confusion_matrix", "embedding_scatter"]

GAP = 2  # pixels between two images
MARKERS = "o^sDv"
MAX_CLUSTERS = 100  # in one figure
MAX_NUMBERED = 20  # rows or columns of a matrix with numbers in its cells


def cluster_montage(
    X: Any, labels: Any, scores: Any, ax: Axes | None = None, n: int = 10,
    image_shape: tuple[int, ...] | None = None, least: bool = False,
) -> Axes:
    """Draw the paper's Figure 3: a row of images for each cluster, the most typical image first.

    Parameters
    ----------
    X : array-like or LazyRows of shape (N, D)
        One image per row.
    labels : array-like of shape (N,)
        Cluster of each image, integers or strings.
    scores : array-like of shape (N,) or (N, k)
        Typicality of each image; more is more typical. If it is q (N, k) of Eq. 1, the value of each row's own cluster
        is used.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    n : int, default=10
        Number of images per cluster. A smaller cluster has a shorter row.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, 3). None requires D to be a square.
    least : bool, default=False
        Draw the least typical images instead, the least typical image first.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    cluster_columns : The same for a table.

    Examples
    --------
    >>> X = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]])
    >>> ax = cluster_montage(X, labels=[0, 0, 1], scores=[0.6, 0.9, 0.8], n=2)
    >>> ax.images[0].get_array()[:2, :2].tolist()        # the second image has the best score of cluster 0
    [[0.0, 0.0], [1.0, 0.0]]
    """
    X = X if isinstance(X, LazyRows) else np.asarray(X)
    labels = names("labels", labels, len(X))
    scores = _own_scores(scores, labels)
    clusters = np.unique(labels)
    check_number("n", n, low=1, integer=True)
    if len(clusters) > MAX_CLUSTERS:
        raise ValueError(f"a montage can have at most {MAX_CLUSTERS} clusters; got {len(clusters)}")
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


def _own_scores(scores: Any, labels: np.ndarray) -> np.ndarray:
    """Return scores (n,) unchanged, or from q (n, k) the value of each row's own cluster."""
    scores = np.asarray(scores)
    if scores.ndim != 2:
        return numbers("scores", scores, len(labels))
    scores = numbers("scores", scores, len(labels), ndim=2)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"scores with {scores.shape[1]} columns need labels from 0 to {scores.shape[1] - 1}; "
                         f"got {labels.min()!r} to {labels.max()!r}")
    return scores[np.arange(len(labels)), labels]


def _sheet(images: np.ndarray, counts: Sequence[int], n: int) -> np.ndarray:
    """Return one image of all images, row by row with gaps; empty pixels are masked, or transparent in color."""
    _, h, w, *channels = images.shape
    sheet = np.full((len(counts) * (h + GAP) - GAP, n * (w + GAP) - GAP, *([4] if channels else [])), np.nan)
    if channels:
        sheet[...] = 0.0
        images = np.concatenate([images, np.ones((*images.shape[:3], 1))], axis=3)
    image = iter(images)
    for row, count in enumerate(counts):
        for column in range(count):
            sheet[row * (h + GAP) :, column * (w + GAP) :][:h, :w] = next(image)
    return sheet if channels else np.ma.masked_invalid(sheet)


def embedding_scatter(
    z: Any, labels: Any, ax: Axes | None = None, method: str = "pca", random_state: int | None = 0,
    n: int | None = 3000,
) -> Axes:
    """Draw the embedding in two dimensions, with a color and a number for each cluster.

    Parameters
    ----------
    z : array-like of shape (N, d)
        Embedding.
    labels : array-like of shape (N,)
        Clusters or classes, integers or strings.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    method : {"pca", "tsne"}, default="pca"
        "pca" projects the points onto their first two principal components. "tsne" preserves neighborhoods, but its axes
        and the distances between its groups have no meaning.
    random_state : int or None, default=0
        Seed of the sample and of t-SNE.
    n : int or None, default=3000
        Maximal number of points to draw. If there are more, a random sample is drawn. None draws all points.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    Examples
    --------
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
    drawn = np.arange(len(z))
    if n is not None and n < len(z):
        drawn = np.sort(np.random.default_rng(random_state).choice(len(z), n, replace=False))
    ax = axes(ax, 7, 5.6)
    if method == "pca":
        points, shares = _pca(z)
        points = points[drawn]
        first, second = (f"{which} principal direction ({share:.0%} of the variance)"
                         for which, share in zip(("first", "second"), shares))
        style(ax, first, second)
        ax.set_aspect("equal", adjustable="datalim")  # so that lengths can be compared
    else:
        points = _tsne(z[drawn], random_state)
        style(ax, "t-SNE", "", grid=False)
        ax.set_xticks([]), ax.set_yticks([])
    _scatter_clusters(ax, points, labels[drawn], np.unique(labels))
    return ax


def _scatter_clusters(ax: Axes, points: np.ndarray, labels: np.ndarray, clusters: np.ndarray) -> None:
    """Draw points (n, 2) in the color and shape of their cluster, and each cluster's name at its median."""
    for j, cluster in enumerate(clusters):
        own = points[labels == cluster]
        ax.scatter(own[:, 0], own[:, 1], s=12, color=CLUSTER_COLORS[j % len(CLUSTER_COLORS)], linewidths=0, alpha=0.7,
                   marker=MARKERS[j // len(CLUSTER_COLORS) % len(MARKERS)], label=str(cluster), rasterized=True)
        if len(own) and len(clusters) <= MAX_CLUSTERS:
            x, y = np.median(own, axis=0)
            ax.text(x, y, str(cluster), fontsize=TEXT + 1, weight="bold", ha="center", va="center",
                    parse_math=False, bbox=dict(boxstyle="round,pad=0.2", facecolor="white", edgecolor=GRAY, alpha=0.85))


def _pca(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return z (n, d) on its first two principal components, (n, 2), and their fractions of the variance."""
    from sklearn.decomposition import PCA  # late, because the import is slow

    n_components = min(2, *z.shape)
    with np.errstate(invalid="ignore", divide="ignore"):  # equal points have no variance to divide
        pca = PCA(n_components).fit(z)
    missing = (0, 2 - n_components)  # with d = 1 the second coordinate is 0
    return np.pad(pca.transform(z), ((0, 0), missing)), np.pad(np.nan_to_num(pca.explained_variance_ratio_), missing)


def _tsne(z: np.ndarray, random_state: int | None) -> np.ndarray:
    """Return z (n, d) in two dimensions, (n, 2), by scikit-learn's t-SNE."""
    from sklearn.manifold import TSNE  # late, because the import is slow

    if len(z) < 3:
        raise ValueError(f"t-SNE needs at least 3 points; got {len(z)}")
    perplexity = min(30.0, (len(z) - 1) / 3)
    points: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=random_state).fit_transform(z)
    return points


def confusion_matrix(y: Any, labels: Any, ax: Axes | None = None) -> Axes:
    """Draw the number of samples of each class in each cluster, with the best one-to-one map of Eq. 10 on the diagonal.

    ACC is the fraction of samples on the diagonal. Clusters and classes that are not matched are last. The color is the
    fraction of the class.

    Parameters
    ----------
    y : array-like of shape (n,)
        Classes, integers or strings.
    labels : array-like of shape (n,)
        Clusters, integers or strings.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    decnp.metrics.cluster_accuracy : ACC, Eq. 10.

    Examples
    --------
    >>> ax = confusion_matrix(["a", "a", "b", "b"], [1, 1, 1, 0])
    >>> [text.get_text() for text in ax.texts]        # class a: both in cluster 1
    ['2', '0', '1', '1']
    """
    table = contingency(y, labels).T  # (classes, clusters)
    classes, clusters = np.unique(np.asarray(y)), np.unique(np.asarray(labels))
    rows, columns = _matched(table)
    table = table[np.ix_(rows, columns)]
    if max(table.shape) > MAX_CLUSTERS:
        raise ValueError(f"a matrix can have at most {MAX_CLUSTERS} classes and {MAX_CLUSTERS} clusters; "
                         f"got {len(rows)} and {len(columns)}")
    shares = table / table.sum(axis=1, keepdims=True)
    ax = axes(ax, 7.4, 6.2)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(columns)), clusters[columns], parse_math=False)
    ax.set_yticks(range(len(rows)), classes[rows], parse_math=False)
    style(ax, "cluster", "class", grid=False)
    ax.set_title(f"ACC {cluster_accuracy(y, labels):.2%}", fontsize=TEXT)
    size = TEXT - 3 if max(table.shape) <= 12 else TEXT - 6
    if max(table.shape) <= MAX_NUMBERED:
        for (i, j), count in np.ndenumerate(table):
            ax.text(j, i, str(count), ha="center", va="center", fontsize=size,
                    color="white" if shares[i, j] > 0.5 else "black" if count else "#bbbbbb")
    return ax


def _matched(table: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the orders of rows and columns of ``table`` (classes, clusters) that put the best pairs on the diagonal."""
    rows, columns = linear_sum_assignment(table, maximize=True)
    orders = []
    for matched, counts in ((rows, table), (columns, table.T)):
        left = sorted(set(range(len(counts))) - set(matched.tolist()), key=lambda i: (-counts[i]).tolist())
        orders.append([*matched.tolist(), *left])
    return orders[0], orders[1]
