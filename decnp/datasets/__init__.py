"""Data sets: official files, checked, as ``(X, y)``.

>>> X, y = load_digits()
>>> X.shape, y.shape
((1797, 64), (1797,))
"""

from decnp.datasets._files import DataError, UnofficialData
from decnp.datasets.digits import load_digits
from decnp.datasets.imbalanced import make_imbalanced
from decnp.datasets.mnist import load_mnist
from decnp.datasets.reuters import load_reuters, load_reuters10k, load_reuters10k_sample
from decnp.datasets.stl import load_stl, stl_autoencoder_rows

__all__ = [
    "DataError", "UnofficialData", "load_digits", "load_mnist", "load_reuters", "load_reuters10k",
    "load_reuters10k_sample", "load_stl", "make_imbalanced", "stl_autoencoder_rows",
]
