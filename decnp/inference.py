"""What a deployed model needs, and no more: the encoder and Eq. 1, on NumPy alone.

SciPy, scikit-learn and numba are never imported from here; threadpoolctl is, for long X, where it is installed.
"""

from __future__ import annotations

import os
from typing import Callable, Iterator, Union

import numpy as np
from numpy.typing import ArrayLike

from .equations import soft_assignment
from .io.model_file import layers_of, read_model
from .layers import Dense, encode
from .utils.rows import BLOCK

__all__ = ["Model", "load_model"]


class Model:
    """A trained DEC for prediction: the encoder f_theta, the centroids mu and alpha.

    Long X goes through the network ``decnp.utils.rows.BLOCK`` rows at a time, as in ``DEC``; the paper's network then works
    in about 13 MB for each core. Rows are independent of each other but for rounding: the matrix product of the BLAS
    library adds up in another order for another number of rows. Relative differences of z are about 1e-6 in float32
    (1e-15 in float64), so a label can depend on the batch only where a point is that near to the border between two
    clusters.

    Attributes
    ----------
    encoder : list of ``Dense``, D to d
    centers : (k, d) centroids mu
    alpha : degrees of freedom of Eq. 1
    shift, scale : the network sees (x - shift) * scale
    dtype : what it computes in
    header : what the model file says of its training
    """

    def __init__(self, encoder: list[Dense], centers: np.ndarray, alpha: float = 1.0, shift=0.0, scale=1.0,
                 header: dict | None = None):
        self.encoder = encoder
        self.centers = centers
        self.alpha = alpha
        self.dtype = centers.dtype
        self.shift, self.scale = np.asarray(shift, self.dtype), np.asarray(scale, self.dtype)
        self.header = header or {}

    @property
    def n_features(self) -> int:
        """D, the columns that X must have."""
        return self.encoder[0].W.shape[0]

    def transform(self, X: ArrayLike) -> np.ndarray:
        """X (n, D) -> the embedding z = f_theta(x), (n, d), in the model's dtype. Raises ValueError for bad input."""
        return self._collect(X, (self.centers.shape[1],), self.dtype, lambda z: z)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """X (n, D) -> soft assignments q (n, k), DEC Eq. 1; rows sum to 1. Raises ValueError for bad input."""
        return self._collect(X, (len(self.centers),), self.dtype, self._q)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """X (n, D) -> the cluster of each row, argmax_j q_ij, (n,) int32. Raises ValueError for bad input."""
        return self._collect(X, (), np.dtype(np.int32), lambda z: self._q(z).argmax(axis=1))

    def blocks(self, X: ArrayLike) -> Iterator[tuple[slice, np.ndarray]]:
        """The embedding of X (n, D), some rows at a time: (which rows, their z). X may be a memory map.

        Raises ValueError for what is no finite (n, D) array of numbers.
        """
        return self._blocks(X, lambda z: z)

    def _collect(self, X, shape: tuple, dtype, f: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        out = np.empty((len(X), *shape), dtype)
        for rows, found in self._blocks(X, f):
            out[rows] = found
        return out

    def _blocks(self, X, f: Callable[[np.ndarray], np.ndarray]) -> Iterator[tuple[slice, np.ndarray]]:
        """(which rows, f of their z); where threadpoolctl is here too, each core takes a block."""
        X = np.asanyarray(X)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(f"X must have the shape (n, {self.n_features}); got {X.shape}")
        if X.dtype.kind not in "biuf":
            raise ValueError(f"X must hold real numbers; got the dtype {X.dtype}")

        def block(start):
            rows = slice(start, min(start + BLOCK, len(X)))
            return rows, f(encode(self.encoder, (self._checked(X[rows], start) - self.shift) * self.scale))

        starts = range(0, len(X), BLOCK)
        crew = _crew() if len(starts) > 1 else None
        if crew is None:
            yield from map(block, starts)
            return
        with crew:
            for at in range(0, len(starts), crew.n_threads):
                yield from crew.map(block, starts[at : at + crew.n_threads])

    def _checked(self, x, start) -> np.ndarray:
        """x (b, D) in the model's dtype. Raises ValueError if a number is not finite; x[0] is row ``start``."""
        with np.errstate(over="ignore"):  # beyond the dtype: the next line says so
            x = np.asarray(x, self.dtype)
        finite = np.isfinite(x).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise ValueError(f"X must hold finite numbers within {self.dtype}; row {row} does not")
        return x

    def _q(self, z):
        return soft_assignment(z, self.centers, self.alpha)


def _crew():
    """Threads that share long X; None where threadpoolctl or crew.py is not there, and the BLAS library has its own."""
    try:
        from .utils.threads import ThreadPool
    except ImportError:
        return None
    return ThreadPool()


def load_model(path: Union[str, "os.PathLike[str]"]) -> Model:
    """The model in a file that ``DEC.save`` or ``decnp fit`` wrote, for prediction; NumPy is all it needs.

    The decoder, half of the file, is left unread: prediction has no use for it.

    Raises
    ------
    decnp.ModelFileError
        If the file is no model, is damaged (its decoder aside), or is from a newer decnp.
    OSError
        If it is not there or cannot be read.

    >>> import tempfile
    >>> from decnp import DEC, load_digits, Profile
    >>> X, _ = load_digits()
    >>> quick = Profile(init_std=None, pretrain_iter=0, finetune_iter=99, max_iter=0)
    >>> dec = DEC(10, hidden_layer_sizes=(32, 5), profile=quick).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dec.save(f"{folder}/model.decnp")
    ...     model = load_model(f"{folder}/model.decnp")
    >>> bool((model.predict(X) == dec.labels_).all())
    True
    """
    header, arrays = read_model(path, unread=("decoder.",))
    return Model(layers_of(header, arrays, "encoder"), arrays["centers"], header["alpha"], arrays["shift"],
                 arrays["scale"], header)
