"""The pictures of a report, each with its title and caption."""

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
"""Side of the smallest square that is taken for an image."""


class Picture(NamedTuple):
    """Picture of the page."""

    title: str
    caption: str
    wide: bool
    uri: str
    """Content as a data URI; empty if the picture cannot be drawn, and the caption then says why."""


def pictures(
    run: FinishedRun, tsne: bool, image_shape: str | ImageShape,
) -> tuple[list[Picture], list[Picture]]:
    """Return the pictures of the clusters and those of the training, in the order of the page.

    Pictures for which the run has no data are left out.
    """
    return list(_clusters(run, tsne, image_shape)), list(_training(run))


def _clusters(run: FinishedRun, tsne: bool, image_shape: str | ImageShape) -> Iterator[Picture]:
    shape = _shape(run, image_shape)
    if run.X is not None and shape is not None:
        yield _montage(run, shape, "What the clusters are", "the rows with the largest q (Eq. 1) first. Figure 3 of "
                       "the paper.")
    elif run.X is not None:
        columns = [str(name) for name in run.record.get("columns") or []]
        yield _picture("What the clusters are", "Each column's mean in each cluster, in standard deviations from its "
                       f"mean over all rows{'; the 20 columns that differ most' if run.X.shape[1] > 20 else ''}.",
                       lambda: plotting.cluster_columns(run.X, run.labels, columns or None))
    n = min(len(run.z), 3000)
    which = "All rows" if n == len(run.z) else f"{n:,} of {len(run.z):,} rows, drawn by lot"
    how = ("t-SNE; it keeps neighbours together, while distances between groups mean nothing" if tsne else
           "turned so that its two directions of largest variance are seen; what looks near can be apart in the others")
    yield _picture("The embedding z", f"{which}, coloured and numbered by cluster: {how}.", lambda:
                   plotting.embedding_scatter(run.z, run.labels, method="tsne" if tsne else "pca", n=n))
    if run.y is not None:
        yield _picture("Clusters and classes", "Rows of each class in each cluster, after the best one-to-one map "
                       "(Eq. 10). The diagonal is what ACC counts as right.",
                       lambda: plotting.confusion_matrix(run.y, run.labels))
    if run.X is not None and shape is not None:
        yield _montage(run, shape, "Rows between clusters", "the rows with the smallest q of their own cluster first.",
                       least=True)


def _montage(
    run: FinishedRun, shape: tuple[int, ...], title: str, caption: str, least: bool = False,
) -> Picture:
    """Return images of each cluster, those with the largest q first, or with the smallest if ``least``."""
    drawn = f"Each row of images is a cluster, {' × '.join(map(str, shape))} pixels an image;"
    return _picture(title, f"{drawn} {caption}", lambda: plotting.cluster_montage(
        run.X, run.labels, run.q, image_shape=shape, least=least))


def _training(run: FinishedRun) -> Iterator[Picture]:
    record, tol = run.record, run.record["parameters"]["tol"]
    yield _picture("How it was learned", "Left the autoencoder's reconstruction, 1/(2nD) Σ‖x − y‖²; right the "
                   "clustering loss, which rises where the targets P are refreshed and become sharper. An attempt that "
                   "diverged or died is dotted.", lambda: plotting.learning_curves(record["history"]))
    yield _picture("Labels that changed", "Labels that changed between two refreshes of P. The run stops when fewer "
                   f"change than tol = {100 * tol:g} %.", lambda: plotting.label_changes(record["history"], tol=tol))
    sizes = [record["source"]["n_features"], *record["parameters"]["hidden_layer_sizes"]]
    yield _picture("The network", "Figure 1 of the paper, with this run's widths.",
                   lambda: plotting.network_diagram(sizes), wide=True)


def _picture(title: str, caption: str, draw: Callable[[], Any], wide: bool = False) -> Picture:
    """Return the picture that ``draw`` draws, or the reason why it cannot."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a name of a class in a script that the font lacks
            return Picture(title, caption, wide, data_uri(draw()))
    except ValueError as error:
        return Picture(title, f"Not drawn: {error}.", wide, "")


def _shape(run: FinishedRun, image_shape: str | ImageShape) -> ImageShape:
    """Return the shape of the rows as images, or None.

    "auto" knows those of named data sets, and takes other rows for images if they are a square of at least 8 x 8.
    """
    if not isinstance(image_shape, str):
        return image_shape
    side = int(round(run.record["source"]["n_features"] ** 0.5))
    square = (side, side) if side >= MIN_SIDE and side**2 == run.record["source"]["n_features"] else None
    return SHAPES.get(run.record["source"]["name"], square)
