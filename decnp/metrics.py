"""How good is a clustering? ACC (the paper's Eq. 10), NMI and ARI, and how well does it generalise? G.

The three scores compare ``labels`` (n,), the clusters found, with ``y_true`` (n,), the classes, through
one table: w_cl, the number of samples in cluster c and class l. The names of clusters and classes do
not matter, only who is together with whom. This file imports nothing of ours; SciPy and scikit-learn are
imported where they are used.
"""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Iterator

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["cluster_accuracy", "normalized_mutual_info", "adjusted_rand_index", "generalizability"]


def cluster_accuracy(y_true: ArrayLike, labels: ArrayLike) -> float:
    """DEC Eq. 10: ACC, the accuracy under the best one-to-one naming of clusters by classes.

        ACC = max_m (1/n) sum_i 1{l_i = m(c_i)},    m over all one-to-one maps

    The best m is found with the Hungarian algorithm on the table w_cl, filled up with zeros to a square
    of D = max(number of clusters, number of classes): a cluster without a class of its own counts as wrong.

    Parameters
    ----------
    y_true : array of shape (n,), the classes l_i: integers or strings
    labels : array of shape (n,), the clusters c_i: integers or strings, any number of clusters

    Returns
    -------
    acc : float in (0, 1], a mean over samples

    Raises
    ------
    ValueError
        If an argument is empty, not one-dimensional or holds anything else, or the lengths differ.

    Source: Xie et al. 2016, Eq. 10; Kuhn 1955. Differs from the paper: no.

    >>> cluster_accuracy(["a", "a", "b", "b"], [1, 1, 1, 0])
    0.75
    """
    from scipy.optimize import linear_sum_assignment

    table = contingency(y_true, labels)
    size = max(table.shape)  # D
    w = np.zeros((size, size), table.dtype)  # (D, D)
    w[: table.shape[0], : table.shape[1]] = table
    clusters, classes = linear_sum_assignment(w, maximize=True)  # the best m: cluster -> class, each (D,)
    return float(w[clusters, classes].sum() / w.sum())


def normalized_mutual_info(y_true: ArrayLike, labels: ArrayLike) -> float:
    """NMI as the paper uses it in Fig. 6: mutual information over the *arithmetic* mean of the entropies.

        NMI = I(l, c) / ((H(l) + H(c)) / 2),    natural logarithms, 0 log 0 = 0

    Parameters
    ----------
    y_true : array of shape (n,), the classes l_i: integers or strings
    labels : array of shape (n,), the clusters c_i: integers or strings, any number of clusters

    Returns
    -------
    nmi : float in [0, 1]; 1 if both are a single group, as in scikit-learn

    Raises
    ------
    ValueError
        If an argument is empty, not one-dimensional or holds anything else, or the lengths differ.

    Source: Xie et al. 2016, with Fig. 6; computed by scikit-learn's ``normalized_mutual_info_score`` with
    ``average_method="arithmetic"``. Differs from the paper: no. (The authors' code printed the geometric mean,
    scikit-learn's default in 2015, which is never smaller.)

    >>> round(normalized_mutual_info([0, 0, 1, 1], [0, 0, 0, 1]), 4)
    0.3437
    """
    from sklearn.metrics import normalized_mutual_info_score

    classes, clusters = _groups(y_true, labels)
    with _many_classes_are_fine():
        nmi = normalized_mutual_info_score(classes, clusters, average_method="arithmetic")
    return float(np.clip(nmi, 0, 1))  # the clip only removes rounding


def adjusted_rand_index(y_true: ArrayLike, labels: ArrayLike) -> float:
    """ARI: agreement over pairs of samples, together or apart, corrected for chance.

        ARI = (B - E) / ((C + L) / 2 - E),    E = C L / T

    B counts the pairs that are together in both, C in a cluster, L in a class; T = n (n-1) / 2 is all.

    Parameters
    ----------
    y_true : array of shape (n,), the classes: integers or strings
    labels : array of shape (n,), the clusters: integers or strings, any number of clusters

    Returns
    -------
    ari : float in [-0.5, 1]; 1 for equal groupings, about 0 for random ones

    Raises
    ------
    ValueError
        If an argument is empty, not one-dimensional or holds anything else, or the lengths differ.

    Source: Hubert & Arabie 1985; computed by scikit-learn's ``adjusted_rand_score``. Differs from the paper:
    it does not use the ARI; later work that compares with DEC does.

    >>> round(adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]), 4)
    0.5714
    """
    from sklearn.metrics import adjusted_rand_score

    classes, clusters = _groups(y_true, labels)
    with _many_classes_are_fine():
        return float(adjusted_rand_score(classes, clusters))


def generalizability(train_loss: float, validation_loss: float) -> float:
    """G of the paper's Fig. 6: training loss over validation loss; a sharp drop says k is too large.

        G = L_train / L_validation

    Parameters
    ----------
    train_loss : float >= 0, Eq. 2 as a *mean* per training sample, in nats
    validation_loss : float > 0, Eq. 2 as a *mean* per validation sample, in nats

    Returns
    -------
    g : float >= 0; below 1 where the clustering fits its training samples better

    Raises
    ------
    ValueError
        If a loss is negative, not finite or not a number, or ``validation_loss`` is zero.

    Source: Xie et al. 2016, Fig. 6. Differs from the paper: it does not say whether its losses are
    sums or means. Means are meant here, since a ratio of sums would be off by the ratio of the sizes.

    >>> generalizability(0.25, 0.5)
    0.5
    """
    for name, loss in (("train_loss", train_loss), ("validation_loss", validation_loss)):
        if not (isinstance(loss, Real) and math.isfinite(loss) and loss >= 0):
            raise ValueError(f"{name} must be a finite number >= 0; got {loss!r}")
    if validation_loss == 0:
        raise ValueError(f"validation_loss must be > 0, since G divides by it; got {validation_loss!r}")
    return float(train_loss) / float(validation_loss)


def contingency(y_true: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """w, (clusters, classes): the number of samples in each cluster and class, as whole numbers."""
    classes, clusters = _groups(y_true, labels)
    shape = clusters.max() + 1, classes.max() + 1
    cells = clusters * shape[1] + classes  # (n,) each sample's cell, counted row by row
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def _groups(y_true: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Classes and clusters, each numbered 0, 1, ..., (n,)."""
    classes, clusters = _codes("y_true", y_true), _codes("labels", labels)
    if len(classes) != len(clusters):
        raise ValueError(f"y_true and labels must have the same length; got {len(classes)} and {len(clusters)}")
    return classes, clusters


@contextmanager
def _many_classes_are_fine() -> Iterator[None]:
    """Without scikit-learn's warning that so many classes look like a regression target."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


def _codes(name: str, values: ArrayLike) -> np.ndarray:
    """The groups of ``values`` numbered 0, 1, ..., (n,), or one sentence that says what is wrong."""
    values = np.asarray(values)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} must be one-dimensional with at least one entry; got the shape {values.shape}")
    if values.dtype.kind == "O":  # as from pandas
        fits = any(all(isinstance(v, kind) for v in values) for kind in (Integral, str))
    else:
        fits = values.dtype.kind in "biuSUT"  # booleans, integers, strings
    if not fits:
        raise ValueError(f"{name} must hold integers or strings, all of one kind; got the dtype {values.dtype}")
    return np.unique(values, return_inverse=True)[1]
