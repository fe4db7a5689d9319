"""Loaders of the data sets of the paper, as ``(X, y)``. Each loader checks that its files are the official ones.

>>> X, y = load_digits()
>>> X.shape, y.shape
((1797, 64), (1797,))
"""

from ..exceptions import DataError
from ._files import UnofficialData
from .digits import load_digits
from .imbalanced import make_imbalanced
from .mnist import load_mnist
from .reuters import load_reuters, load_reuters10k, load_reuters10k_sample
from .stl import load_stl, stl_autoencoder_rows

__all__ = [
    "DataError", "UnofficialData", "load_digits", "load_mnist", "load_reuters", "load_reuters10k",
    "load_reuters10k_sample", "load_stl", "make_imbalanced", "stl_autoencoder_rows",
]
