"""Data sets: official files, checked, as ``(X, y)``.

>>> X, y = load_digits()
>>> X.shape, y.shape
((1797, 64), (1797,))
"""

from decnp.datasets._files import DataError
from decnp.datasets.digits import load_digits
from decnp.datasets.mnist import load_mnist

__all__ = ["DataError", "load_digits", "load_mnist"]
