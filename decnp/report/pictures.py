"""Figures of a report, with titles and captions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from .. import plotting
from ..plotting.embed import data_uri
from .folder import FinishedRun

__all__ = ["Picture", "pictures"]

ImageShape: TypeAlias = tuple[int, ...] | None

SHAPES = {"mnist": (28, 28), "digits": (8, 8)}
MIN_SIDE = 8
"""Smallest side of a square that is interpreted as an image."""


class Picture(NamedTuple):
    """Figure of the page."""

    title: str
    caption: str
    wide: bool
    uri: str
    """Content as a data URI. It is empty if the figure cannot be drawn; the caption then gives the reason."""


def pictures(
    run: FinishedRun, tsne: bool, image_shape: str | ImageShape,
) -> tuple[list[Picture], list[Picture]]:
    """Return the figures of the clusters and the figures of the training of ``run``, in the order of the page.

    Figures without data are left out. ``tsne`` and ``image_shape`` are as in ``write_report``.
    """
    return list(_clusters(run, tsne, image_shape)), list(_training(run))


def _clusters(run: FinishedRun, tsne: bool, image_shape: str | ImageShape) -> Iterator[Picture]:
    shape = _shape(run, image_shape)
    if run.X is not None and shape is not None:
        yield _montage(run, shape, "Typical images of each cluster", "The images with the largest q (Eq. 1) are first. "
                       "Figure 3 of the paper.")
    elif run.X is not None:
        columns = [str(name) for name in run.record.get("columns") or []]
        most = " The 20 columns that differ most between clusters are shown." if run.X.shape[1] > 20 else ""
        yield _picture("Column means of each cluster", "Mean of each column in each cluster, in standard deviations from "
                       f"the mean over all rows.{most}",
                       lambda: plotting.cluster_columns(run.X, run.labels, columns or None))
    n = min(len(run.z), 3000)
    which = "All rows" if n == len(run.z) else f"A random sample of {n:,} of {len(run.z):,} rows"
    how = ("t-SNE preserves neighborhoods; distances between groups have no meaning" if tsne else
           "PCA: the first two principal components. Rows that look close can be far apart in the other dimensions")
    yield _picture("Embedding z", f"{which}, colored and numbered by cluster. {how}.", lambda:
                   plotting.embedding_scatter(run.z, run.labels, method="tsne" if tsne else "pca", n=n))
    if run.y is not None:
        yield _picture("Clusters and classes", "Number of rows of each class in each cluster, in the order of the best "
                       "one-to-one map (Eq. 10). ACC is the fraction of rows on the diagonal.",
                       lambda: plotting.confusion_matrix(run.y, run.labels))
    if run.X is not None and shape is not None:
        yield _montage(run, shape, "Images between clusters", "The images with the smallest q in their own cluster are "
                       "first.", least=True)


def _montage(
    run: FinishedRun, shape: tuple[int, ...], title: str, caption: str, least: bool = False,
) -> Picture:
    """Return images of each cluster in the order of q, the largest first, or the smallest if ``least``."""
    drawn = f"Each row of images is a cluster. An image has {' × '.join(map(str, shape))} pixels."
    return _picture(title, f"{drawn} {caption}", lambda: plotting.cluster_montage(
        run.X, run.labels, run.q, image_shape=shape, least=least))


def _training(run: FinishedRun) -> Iterator[Picture]:
    record, tol = run.record, run.record["parameters"]["tol"]
    yield _picture("Learning curves", "Left: reconstruction loss of the autoencoder, 1/(2nD) Σ‖x − y‖², half the mean "
                   "squared error of a scaled number; 0 is a perfect copy. Right: clustering loss, KL(P ‖ Q) in nats per "
                   "row, 0 if the soft assignments Q equal their targets P. It jumps where P changes. Neither loss says "
                   "whether the clusters are right. An attempt that was repeated, if there is one, is dotted.",
                   lambda: plotting.learning_curves(record["history"]))
    yield _picture("Changed labels", "Percentage of labels that changed between two refreshes of P. A run stops when it is "
                   f"below tol = {100 * tol:g} %, or at the maximal number of steps. This run: {record['stop_reason']}.",
                   lambda: plotting.label_changes(record["history"], tol=tol))
    sizes = [record["source"]["n_features"], *record["parameters"]["hidden_layer_sizes"]]
    yield _picture("Network", "Figure 1 of the paper, with the widths of this run.",
                   lambda: plotting.network_diagram(sizes), wide=True)


def _picture(title: str, caption: str, draw: Callable[[], Any], wide: bool = False) -> Picture:
    """Return the figure that ``draw`` draws, or the reason why it cannot be drawn."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a class name may have characters that the font lacks
            return Picture(title, caption, wide, data_uri(draw()))
    except ValueError as error:
        return Picture(title, f"Not drawn: {error}.", wide, "")


def _shape(run: FinishedRun, image_shape: str | ImageShape) -> ImageShape:
    """Return the shape of the rows as images, or None if they are not images. "auto" is as in ``write_report``."""
    if not isinstance(image_shape, str):
        return image_shape
    if run.recipe is not None:
        return None
    side = int(round(run.record["source"]["n_features"] ** 0.5))
    square = (side, side) if side >= MIN_SIDE and side**2 == run.record["source"]["n_features"] else None
    return SHAPES.get(run.record["source"]["name"], square)
