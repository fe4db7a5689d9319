"""Scores of a clustering: ACC (DEC Eq. 10), NMI, ARI, and the generalizability G.

ACC, NMI and ARI compare ``labels`` (n,), the clusters, with ``y_true`` (n,), the classes. All three depend only on
the contingency table w_cl, the number of samples in cluster c and class l. They do not depend on the names of clusters
and classes. This module imports nothing from the package. SciPy and scikit-learn are imported inside the functions, so
that importing the module is fast.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["cluster_accuracy", "normalized_mutual_info", "adjusted_rand_index", "generalizability"]


def cluster_accuracy(y_true: ArrayLike, labels: ArrayLike) -> float:
    r"""Return ACC (DEC Eq. 10), the accuracy under the best one-to-one map of clusters to classes.

    .. math:: ACC = \max_m \sum_i 1\{l_i = m(c_i)\} / n

    The maximum is over all one-to-one maps m. The Hungarian algorithm finds the best m on the table w_cl. If there are more
    clusters than classes, the samples of a cluster without a class count as errors.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The classes l_i, integers or strings.
    labels : array-like of shape (n,)
        The clusters c_i, integers or strings. The number of clusters may differ from the number of classes.

    Returns
    -------
    acc : float
        In (0, 1], a mean over samples.

    Raises
    ------
    ValueError
        If an argument is empty, masked, not one-dimensional or of another type, or if the lengths differ.

    See Also
    --------
    normalized_mutual_info : NMI.
    adjusted_rand_index : ARI.

    Notes
    -----
    Source: Xie et al. 2016, Eq. 10; Kuhn 1955. Differs from the paper: no.

    Examples
    --------
    >>> cluster_accuracy(["a", "a", "b", "b"], [1, 1, 1, 0])
    0.75
    """
    from scipy.optimize import linear_sum_assignment

    w = contingency(y_true, labels)
    clusters, classes = linear_sum_assignment(w, maximize=True)  # the best m: cluster -> class
    return float(w[clusters, classes].sum() / w.sum())


def normalized_mutual_info(y_true: ArrayLike, labels: ArrayLike) -> float:
    r"""Return NMI (DEC Fig. 6), the mutual information over the *arithmetic* mean of the entropies.

    .. math:: NMI = I(l, c) / ((H(l) + H(c)) / 2), \quad 0 \log 0 = 0

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The classes l_i, integers or strings.
    labels : array-like of shape (n,)
        The clusters c_i, integers or strings. The number of clusters may differ from the number of classes.

    Returns
    -------
    nmi : float
        In [0, 1]. The value is 1 if both arguments are a single group, as in scikit-learn.

    Raises
    ------
    ValueError
        If an argument is empty, masked, not one-dimensional or of another type, or if the lengths differ.

    See Also
    --------
    cluster_accuracy : ACC.
    adjusted_rand_index : ARI.

    Notes
    -----
    Source: Xie et al. 2016, Fig. 6; computed by scikit-learn's ``normalized_mutual_info_score`` with
    ``average_method="arithmetic"``. Differs from the paper: no. The authors' code used the geometric mean,
    scikit-learn's default in 2015, which gives values at least as large.

    Examples
    --------
    >>> round(normalized_mutual_info([0, 0, 1, 1], [0, 0, 0, 1]), 4)
    0.3437
    """
    from sklearn.metrics import normalized_mutual_info_score

    classes, clusters = _groups(y_true, labels)
    with _ignore_many_classes():
        nmi = normalized_mutual_info_score(classes, clusters, average_method="arithmetic")
    return float(np.clip(nmi, 0, 1))  # the clip only removes rounding


def adjusted_rand_index(y_true: ArrayLike, labels: ArrayLike) -> float:
    r"""Return ARI, the agreement on pairs of samples, corrected for chance.

    .. math:: ARI = (B - E) / ((C + L) / 2 - E), \quad E = C L / T

    C is the number of pairs in the same cluster, L in the same class, and B in both. T = n (n-1) / 2 is the number
    of all pairs.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The classes, integers or strings.
    labels : array-like of shape (n,)
        The clusters, integers or strings. The number of clusters may differ from the number of classes.

    Returns
    -------
    ari : float
        In [-0.5, 1]: 1 for equal groupings, about 0 for random groupings.

    Raises
    ------
    ValueError
        If an argument is empty, masked, not one-dimensional or of another type, or if the lengths differ.

    See Also
    --------
    cluster_accuracy : ACC.
    normalized_mutual_info : NMI.

    Notes
    -----
    Source: Hubert & Arabie 1985; computed by scikit-learn's ``adjusted_rand_score``. Differs from the paper: DEC
    does not report the ARI. Later work that compares with DEC reports it.

    Examples
    --------
    >>> round(adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]), 4)
    0.5714
    """
    from sklearn.metrics import adjusted_rand_score

    classes, clusters = _groups(y_true, labels)
    with _ignore_many_classes():
        return float(adjusted_rand_score(classes, clusters))


def generalizability(train_loss: float, validation_loss: float) -> float:
    r"""Return the generalizability G (DEC Fig. 6), the training loss over the validation loss.

    .. math:: G = L_{train} / L_{validation}

    A sharp drop of G from k to k + 1 clusters indicates that k + 1 is too large.

    Parameters
    ----------
    train_loss : float
        Eq. 2 as a *mean* over training samples, in nats, at least 0.
    validation_loss : float
        Eq. 2 as a *mean* over validation samples, in nats, above 0.

    Returns
    -------
    g : float
        At least 0. It is below 1 if the clustering fits its training samples better.

    Raises
    ------
    ValueError
        If a loss is negative, not finite or not a number, or ``validation_loss`` is zero.

    See Also
    --------
    decnp.equations.kl_divergence : Eq. 2, as a sum.

    Notes
    -----
    Source: Xie et al. 2016, Fig. 6. Differs from the paper: the paper does not say whether its losses are sums or
    means. Means are used here, because a ratio of sums depends on the sizes of the two sets.

    Examples
    --------
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
    """Return w (clusters, classes), the number of samples of ``y_true`` and ``labels`` in each cluster and class."""
    classes, clusters = _groups(y_true, labels)
    shape = clusters.max() + 1, classes.max() + 1
    cells = clusters * shape[1] + classes  # (n,) index of each sample's cell in the flat table
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def _groups(y_true: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes and the clusters, each (n,) and numbered 0, 1, ...; raise ValueError if they do not fit."""
    classes, clusters = _codes("y_true", y_true), _codes("labels", labels)
    if len(classes) != len(clusters):
        raise ValueError(f"y_true and labels must have the same length; got {len(classes)} and {len(clusters)}")
    return classes, clusters


@contextmanager
def _ignore_many_classes() -> Iterator[None]:
    """Silence scikit-learn's warning that many classes look like a regression target."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


def _codes(name: str, values: ArrayLike) -> np.ndarray:
    """Return the groups of ``values`` numbered 0, 1, ..., (n,); raise ValueError with ``name`` for other input."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name} must have no masked entries; got {np.ma.count_masked(values)}: leave out these samples")
    values = np.asarray(values)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} must be one-dimensional with at least one entry; got the shape {values.shape}")
    if values.dtype.kind == "O":  # as from pandas
        fits = any(all(isinstance(v, kind) for v in values) for kind in (Integral, str))
    else:
        fits = values.dtype.kind in "biuSUT"  # booleans, integers, strings
        if values.dtype.kind == "f":  # as from np.loadtxt
            fits = bool(np.isfinite(values).all() and (values % 1 == 0).all())
    if not fits:
        raise ValueError(f"{name} must hold integers or strings, all of one kind; got the dtype {values.dtype}")
    return np.unique(values, return_inverse=True)[1]
