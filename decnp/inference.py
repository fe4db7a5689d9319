"""Prediction with a trained model on NumPy alone: the encoder and Eq. 1.

SciPy, scikit-learn and numba are never imported. threadpoolctl is imported for long X, where it is installed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .equations import soft_assignment
from .io.atomic import PathLike
from .io.model_file import layers_of, read_model
from .layers import Dense, encode
from .utils.rows import BLOCK, LazyRows, Rows
from .utils.validation import check_columns, check_embedded, check_rows, match_columns

if TYPE_CHECKING:
    from .io.recipe import Recipe
    from .utils.threads import ThreadPool

__all__ = ["Model", "load_model"]

Part = TypeVar("Part")
Result = TypeVar("Result")


class Model:
    """A trained DEC for prediction: the encoder f_theta, the centroids mu and alpha.

    Long X goes through the network in blocks of ``decnp.utils.rows.BLOCK`` rows, as in ``DEC``. The workspace of the
    paper's network is then about 13 MB for each core. Rows are independent except for rounding: the BLAS library adds
    up in another order for another number of rows. Relative differences of z are about 1e-6 in float32 and 1e-15 in
    float64. A label can depend on the batch only where a point is that near to the border between two clusters.

    Columns of a DataFrame are matched by name, if the model has names: another order is corrected with a warning, and
    columns in ``left_out`` may be there. A sparse X becomes dense block by block.

    A model with a recipe takes the raw columns of a table: a DataFrame, an Arrow table, a mapping of names to columns, or an
    array (n, C) of objects or numbers in the order of ``feature_names``. Missing cells are None, NaN, or a word such as
    "NA". Categories that were not in the training table are treated as none of the known ones, with a warning.

    Parameters
    ----------
    encoder : list of Dense
        Layers D to d.
    centers : ndarray of shape (k, d)
        Centroids mu.
    alpha : float, default=1.0
        Degrees of freedom of Eq. 1.
    shift, scale : ndarray or float, default=0.0, 1.0
        The input of the network is (x - shift) * scale.
    header : mapping, default=None
        Record of the training in the model file, and the recipe.

    Attributes
    ----------
    recipe : Recipe or None
        Steps from raw columns to those of the network.
    dtype : dtype
        Precision of the computation: that of ``centers``.

    See Also
    --------
    load_model : Function that reads a model from a file.
    decnp.dec.DEC : Estimator with the same methods, for training.

    Examples
    --------
    >>> encoder = [Dense(np.eye(2), np.zeros(2), "linear")]
    >>> Model(encoder, centers=np.array([[0.0, 0.0], [9.0, 9.0]])).predict([[1, 1], [8, 9]])
    array([0, 1], dtype=int32)
    """

    def __init__(
        self, encoder: list[Dense], centers: np.ndarray, alpha: float = 1.0, shift: Any = 0.0, scale: Any = 1.0,
        header: Mapping[str, Any] | None = None,
    ) -> None:
        self.encoder = encoder
        self.centers = centers
        self.alpha = alpha
        self.dtype = centers.dtype
        self.shift, self.scale = np.asarray(shift, self.dtype), np.asarray(scale, self.dtype)
        self.header = header or {}
        self.recipe = _recipe_of(self.header)

    @classmethod
    def from_estimator(cls, dec: Any) -> Model:
        """Return the model of a fitted ``DEC``, or of a fitted pipeline that ends in one.

        Parameters
        ----------
        dec : DEC or Pipeline
            Fitted estimator, or a fitted pipeline as ``decnp.save`` takes it.

        Returns
        -------
        model : Model
            Encoder, centroids and alpha of ``dec``, and the names of its columns. The arrays are not copied.

        Raises
        ------
        NotFittedError
            If ``dec`` is not fitted.
        ValueError
            For another estimator, and if a step of the pipeline cannot be stored.
        """
        from .training.estimator import split_estimator  # an estimator comes with scikit-learn

        header: dict[str, Any] = {}
        dec, recipe, left_out = split_estimator(dec)
        if recipe is not None:
            header = {"recipe": recipe.to_json(), **({"left_out": left_out} if left_out else {})}
        elif hasattr(dec, "feature_names_in_"):
            header = {"feature_names": list(dec.feature_names_in_)}
        ae = dec.autoencoder_
        return cls(ae.encoder_, dec.cluster_centers_, dec.alpha, ae.shift_, ae.scale_, header)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the columns that the model was trained on; () if it has none."""
        if self.recipe is not None:
            return self.recipe.columns if self.recipe.named else ()
        return tuple(self.header.get("feature_names", ()))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the columns of the training table that the model was not trained on: labels and dropped ones."""
        return tuple(self.header.get("left_out", ()))

    @property
    def n_features(self) -> int:
        """Return D, the number of columns of X."""
        if self.recipe is not None:
            return len(self.recipe.columns)
        return self.encoder[0].W.shape[0]

    def without_recipe(self) -> Model:
        """Return the same network for rows that the recipe has prepared.

        Returns
        -------
        model : Model
            Model without a recipe. The arrays are not copied.
        """
        return Model(self.encoder, self.centers, self.alpha, self.shift, self.scale)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the embedding z = f_theta(x) of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, D)
            Rows, as in training, dense or sparse.

        Returns
        -------
        z : ndarray of shape (n, d)
            Embedding, in the dtype of the model.

        Raises
        ------
        ValueError
            If X is not a finite (n, D) array of numbers, its columns are not those of the model, or its embedding overflows.
        """
        return self._collect(X, (self.centers.shape[1],), self.dtype, check_embedded)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the soft assignments q of each row (DEC Eq. 1).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, D)
            Rows, as in training, dense or sparse.

        Returns
        -------
        q : ndarray of shape (n, k)
            Soft assignments, in the dtype of the model. Each row sums to 1.

        Raises
        ------
        ValueError
            If X is not a finite (n, D) array of numbers, its columns are not those of the model, or its embedding overflows.
        """
        return self._collect(X, (len(self.centers),), self.dtype, self._q)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the cluster of each row, argmax_j q_ij.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, D)
            Rows, as in training, dense or sparse.

        Returns
        -------
        labels : ndarray of shape (n,)
            Clusters from 0 to k - 1, int32.

        Raises
        ------
        ValueError
            If X is not a finite (n, D) array of numbers, its columns are not those of the model, or its embedding overflows.
        """
        return self._collect(X, (), np.dtype(np.int32), lambda z, start: self._q(z, start).argmax(axis=1))

    def blocks(self, X: ArrayLike) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the embeddings of blocks of rows, for data that do not fit into memory.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, D)
            Rows, as in training, such as a memory map.

        Yields
        ------
        block : tuple of slice and ndarray
            The rows of each block, and their embedding (b, d).

        Raises
        ------
        ValueError
            If X is not a finite (n, D) array of numbers, its columns are not those of the model, or its embedding overflows.
        """
        X = self._in_order(X)
        yield from self._blocks(X, check_embedded)
        _warn_of_cells(X)

    def _collect(
        self, X: Any, shape: tuple[int, ...], dtype: np.dtype, f: Callable[[np.ndarray, int], np.ndarray]
    ) -> np.ndarray:
        X = self._in_order(X)
        out = np.empty((len(X), *shape), dtype)
        for rows, found in self._blocks(X, f):
            out[rows] = found
        _warn_of_cells(X)
        return out

    def _in_order(self, X: Any) -> Any:
        """Return the rows (n, D) of X; columns with names, such as those of a DataFrame, in the order of the model's.

        Warns where the order differs; raises ValueError for missing and unknown columns. With a recipe, returns rows that
        are prepared when they are read.
        """
        if self.recipe is not None:
            from .io.prepared_rows import PreparedRows
            from .io.raw_columns import raw_columns

            return PreparedRows(self.recipe, raw_columns(X, self.recipe, self.left_out))
        names = getattr(X, "column_names", getattr(X, "columns", ()))  # of Arrow's tables, or pandas' and polars'
        columns = [str(name) for name in names]
        known, left_out = {*self.feature_names}, {*self.left_out}
        if known and not left_out.isdisjoint(columns):
            kept = [j for j, column in enumerate(columns) if column in known or column not in left_out]
            columns = [columns[j] for j in kept]
            X = X.iloc[:, kept] if hasattr(X, "iloc") else X.select([names[j] for j in kept])  # of pandas; Arrow or polars
        order = match_columns(self.feature_names, columns, "X")
        check_columns(X)
        if order is None or order == list(range(len(columns))):
            return _rows_of(X, self.n_features)
        warnings.warn("the columns of X were reordered by name to match the model", stacklevel=4)
        return _rows_of(np.asarray(X)[:, order], self.n_features)

    def _blocks(self, X: Any, f: Callable[[np.ndarray, int], np.ndarray]) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (slice, f(z, start)) for each block of rows."""
        def block(start: int) -> tuple[slice, np.ndarray]:
            rows = slice(start, min(start + BLOCK, len(X)))
            x = self._checked(X[rows], start)
            with np.errstate(over="ignore", invalid="ignore"):  # f raises
                return rows, f(self._embed(x), start)

        yield from map_on_cores(block, range(0, len(X), BLOCK), parallel=len(X) > BLOCK)

    def _checked(self, x: np.ndarray, start: int) -> np.ndarray:
        """Return x (b, D) in the model's dtype. Raises ValueError if a number is not finite; x[0] is row ``start``."""
        with np.errstate(over="ignore"):  # numbers beyond the dtype become infinite
            x = np.asarray(x, self.dtype)
        finite = np.isfinite(x).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise ValueError(f"X must hold finite numbers within {self.dtype}; row {row} (counted from 0) does not")
        return x

    def _embed(self, x: np.ndarray) -> np.ndarray:
        return encode(self.encoder, (x - self.shift) * self.scale)

    def _q(self, z: np.ndarray, start: int) -> np.ndarray:
        return check_embedded(soft_assignment(z, self.centers, self.alpha), start)


def _rows_of(X: Any, n_features: int) -> Rows:
    """Return X as rows (n, D) of real numbers; a sparse X is read block by block."""
    check_rows(X)
    kind = type(X).__name__
    try:
        X = X.tocsr() if hasattr(X, "tocsr") else np.asanyarray(X)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"X must be an array of numbers ({error})") from error
    if len(X.shape) != 2 or X.shape[1] != n_features:
        raise ValueError(f"X must have the shape (n, {n_features}); got {X.shape or f'a value of the type {kind}'}")
    if X.dtype.kind == "O":  # such as columns of several types in a DataFrame
        missing = np.frompyfunc(lambda cell: type(cell).__name__ == "NAType", 1, 1)(X).astype(bool)  # pandas.NA
        try:
            X = np.where(missing, np.nan, X).astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"X must hold real numbers; {error}") from error
    if X.dtype.kind not in "biuf":
        raise ValueError(f"X must hold real numbers; got the dtype {X.dtype}")
    return X if isinstance(X, np.ndarray) else LazyRows(X, X.dtype)


def _recipe_of(header: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe in a header."""
    if "recipe" not in header:
        return None
    from .io.recipe import Recipe  # late: most models have none

    return Recipe.from_json(header["recipe"])


def _warn_of_cells(X: Any) -> None:
    """Warn if the rows that were prepared have unseen categories, or columns that are mostly filled in."""
    note = X.note() if hasattr(X, "note") else ""
    if note:
        warnings.warn(note, stacklevel=4)


def map_on_cores(f: Callable[[Part], Result], parts: Iterable[Part], parallel: bool) -> Iterator[Result]:
    """Yield f(part) for each of ``parts``, in order; if ``parallel``, each core takes a part at a time.

    Without threadpoolctl, the parts are taken one after another, and the BLAS library uses its own threads.
    """
    pool = _thread_pool() if parallel else None
    if pool is None:
        yield from map(f, parts)
        return
    rest = iter(parts)
    with pool:
        while batch := list(islice(rest, pool.n_threads)):
            yield from pool.map(f, batch)


def _thread_pool() -> ThreadPool | None:
    """Return a thread pool, or None without threadpoolctl."""
    try:
        from .utils.threads import ThreadPool
    except ImportError:
        return None
    return ThreadPool()


def load_model(path: PathLike) -> Model:
    """Return the model in a file, for prediction with NumPy alone.

    The decoder, half of the file, is not read, because prediction does not use it.

    Parameters
    ----------
    path : str or path-like
        File written by ``decnp.save`` or ``decnp fit``.

    Returns
    -------
    model : Model
        Model for prediction.

    Raises
    ------
    decnp.ModelFileError
        If the file is not a model, is damaged outside its decoder, or was written by a newer decnp.
    OSError
        If the file does not exist or cannot be read.

    See Also
    --------
    decnp.persistence.save : Function that writes the file.
    decnp.persistence.load : Function that returns a complete ``DEC``, with scikit-learn.

    Examples
    --------
    >>> import tempfile
    >>> from decnp import DEC, Profile, load_digits, save
    >>> X, _ = load_digits()
    >>> quick = Profile(init_std=None, pretrain_iter=0, finetune_iter=99, max_iter=0)
    >>> dec = DEC(10, hidden_layer_sizes=(32, 5), profile=quick).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(dec, f"{folder}/model.decnp")
    ...     model = load_model(f"{folder}/model.decnp")
    >>> bool((model.predict(X) == dec.labels_).all())
    True
    """
    header, arrays = read_model(path, unread=("decoder.",))
    return Model(layers_of(header, arrays, "encoder"), arrays["centers"], header["alpha"], arrays["shift"],
                 arrays["scale"], header)
