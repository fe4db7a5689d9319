"""Samples in which some classes are rare, as in the paper's Table 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..utils.validation import as_generator, check_number

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["make_imbalanced"]


def make_imbalanced(
    X: ArrayLike | csr_matrix, y: ArrayLike, r_min: float,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> tuple[Any, np.ndarray]:
    r"""Return an imbalanced random sample, which has the fraction ``r_min`` of the first class and all of the last class.

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n, D)
        Data.
    y : array-like of shape (n,)
        Labels of k >= 2 classes.
    r_min : float
        Probability of a sample of the first class, > 0 and <= 1.
    random_state : int, Generator, RandomState or None, default=None
        Source of the random sample. An int >= 0 gives the same sample each time.

    Returns
    -------
    X : ndarray or CSR matrix of shape (m, D)
        Rows of the sample, in their original order.
    y : ndarray of shape (m,)
        Labels of these rows.

    Raises
    ------
    ValueError
        If an argument is invalid.

    See Also
    --------
    load_mnist : Data of the paper's Table 4.

    Notes
    -----
    The probability of a sample of class c, numbered from 0 to k - 1 in sorted order, is

    .. math:: P(c) = r_{min} + (1 - r_{min}) c / (k - 1)

    Source: DEC Table 4. Differs from the paper: no. The paper says that the largest class is then 1 / r_min times as
    large as the smallest class. This is true in expectation, if the classes of X have equal sizes.

    Examples
    --------
    >>> X, y = make_imbalanced(np.zeros((4000, 1)), np.repeat([3, 7], 2000), 0.1, random_state=0)
    >>> np.unique(y, return_counts=True)
    (array([3, 7]), array([ 210, 2000]))
    """
    check_number("r_min", r_min, 0, strict=True)
    if r_min > 1:
        raise ValueError(f"r_min must be a number > 0 and <= 1; got {r_min!r}")
    rows: Any = X if hasattr(X, "shape") else np.asarray(X)
    y = np.asarray(y)
    if y.ndim != 1 or rows.shape[:1] != y.shape:
        raise ValueError(f"y must hold one label for each row of X, in the shape {rows.shape[:1]}; got {y.shape}")
    classes, c = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must hold at least 2 classes; got {len(classes)}")
    probability = r_min + (1 - r_min) * c / (len(classes) - 1)
    kept = np.flatnonzero(as_generator(random_state).random(len(y)) < probability)
    return rows[kept], y[kept]
