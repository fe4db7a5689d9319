"""Small digits of scikit-learn, for quick examples and tests."""

from __future__ import annotations

import numpy as np

__all__ = ["load_digits"]


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8 x 8 digits. Nothing is downloaded.

    Returns
    -------
    X : float32 array of shape (1797, 64)
        Gray values 0..16.
    y : int64 array of shape (1797,)
        Digits 0..9.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    See Also
    --------
    load_mnist : The digits of the paper.

    Notes
    -----
    Source: ``sklearn.datasets.load_digits``, the test part of the UCI "Optical Recognition of Handwritten Digits"
    (Alpaydin & Kaynak 1998, CC BY 4.0). Differs from the paper: the paper does not use this data set.

    Examples
    --------
    >>> X, y = load_digits()
    >>> X.shape, y[:5].tolist()
    ((1797, 64), [0, 1, 2, 3, 4])
    """
    from sklearn import datasets

    X, y = datasets.load_digits(return_X_y=True)
    return X.astype(np.float32), y.astype(np.int64)
