"""Validation of data, numbers and seeds. Each message names the argument, its requirement, and the value passed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .rows import Rows

__all__ = [
    "Seed", "as_generator", "check_columns", "check_data", "check_distinct", "check_embedded", "check_number", "check_rows",
    "check_sizes", "match_columns",
]

Seed = int | np.random.Generator | np.random.RandomState | None
"""Parameter ``random_state`` of an estimator."""
DATES = ("date", "time", "duration", "period")
"""Beginnings of the names of dtypes for dates and times, in lower case: those of pandas, polars and Arrow."""
NUMBERS = ("int", "uint", "float", "double", "halffloat", "bool", "decimal")
"""Beginnings of the names of dtypes of numbers."""


def check_data(estimator: Any, X: Any, reset: bool, dtype: Any = None) -> Rows:
    """Return X as finite rows (n, D).

    Parameters
    ----------
    estimator : estimator
        Estimator with an attribute ``dtype``.
    X : array-like or sparse matrix of shape (n, D)
        Data.
    reset : bool
        True sets ``n_features_in_`` of the estimator to D. False checks D against it.
    dtype : dtype, default=None
        dtype of the result. None means the dtype of the estimator. If both are None, the result is float32 if float32
        represents the dtype of X exactly, else float64.

    Returns
    -------
    rows : ndarray or LazyRows of shape (n, D)
        LazyRows for sparse matrices (as CSR) and memory maps.

    Raises
    ------
    ValueError
        If X or a dtype is invalid.
    """
    from sklearn.utils.validation import check_array, validate_data  # late: model files work without scikit-learn

    from .rows import LazyRows, is_mapped

    dtype = estimator.dtype if dtype is None else dtype
    if dtype not in (None, "float32", "float64", np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32', 'float64' or None; got {dtype!r}")
    if isinstance(X, LazyRows):  # checked by DEC before it trains its autoencoder
        validate_data(estimator, X.source, reset=reset, skip_check_array=True)
        return X
    if hasattr(X, "columns") and not reset:
        validate_data(estimator, X, reset=False, skip_check_array=True)  # an error about names comes first
    check_columns(X)
    check_rows(X)
    own = getattr(X, "dtype", None)  # Python objects are converted one by one
    try:
        X = validate_data(estimator, X, reset=reset, accept_sparse="csr",
                          dtype=None if isinstance(own, np.dtype) and own.kind != "O" else "numeric")
        X = check_array(X, dtype=np.float64, estimator=estimator, input_name="X") if X.dtype.kind == "O" else X  # a list
    except OverflowError as error:
        raise ValueError(f"X must hold finite numbers within float64; {error}") from error
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X must hold numbers; got dtype {X.dtype}")
    if dtype is None:
        dtype = np.result_type(X.dtype, np.float32)
        dtype = dtype if dtype in (np.float32, np.float64) else np.float64
    _check_range(X if isinstance(X, np.ndarray) else X.data, np.dtype(dtype))
    if is_mapped(X) or not isinstance(X, np.ndarray):
        return LazyRows(X, dtype)
    return np.ascontiguousarray(X, dtype)


def _check_range(values: np.ndarray, dtype: np.dtype) -> None:
    """Raise ValueError if finite numbers become infinite in ``dtype``."""
    if values.dtype.kind == "f" and values.dtype.itemsize > dtype.itemsize and values.size:
        size = max(values.max(), -values.min())
        if size > np.finfo(dtype).max:
            raise ValueError(f"X must hold finite numbers within {dtype}; got one of size {size:g}")


def check_embedded(values: np.ndarray, start: int = 0) -> np.ndarray:
    """Return ``values`` (n, m), embeddings or soft assignments of rows from row ``start`` on.

    Raises ValueError if they are not finite: numbers in the network overflowed.
    """
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise ValueError(f"X must be in the range of the training data; the embedding of row {start + int(finite.argmin())} "
                         f"(counted from 0) overflows {values.dtype}")
    return values


def check_columns(X: Any) -> None:
    """Raise ValueError if X is a DataFrame or an Arrow table and some columns hold no numbers. The message names them."""
    names = list(map(str, getattr(X, "column_names", getattr(X, "columns", ()))))
    types = getattr(getattr(X, "schema", None), "types", None)  # of Arrow
    dtypes = list(getattr(X, "dtypes", ()) if types is None else types) if names else []
    dates = [name for name, dtype in zip(names, dtypes) if str(dtype).lower().startswith(DATES)]
    if dates:
        raise ValueError(f"X must hold numbers; the columns {_listed(dates)} hold dates or times: convert them to numbers "
                         "or leave them out")
    words = [(name, cell) for j, (name, dtype) in enumerate(zip(names, dtypes)) if _may_hold_words(dtype)
             for cell in _first_word(X.iloc[:, j] if hasattr(X, "iloc") else X[name])]
    if words:
        raise ValueError(f"X must hold numbers; the columns {_listed([name for name, _ in words])} hold other values, such "
                         f"as {words[0][1]!r:.40}: convert them to numbers or leave them out")


def _may_hold_words(dtype: Any) -> bool:
    """Return False for the dtypes of numbers of NumPy, pandas, polars and Arrow."""
    kind = getattr(dtype, "kind", None)
    return kind in "OUSV" if isinstance(kind, str) else not str(dtype).lower().startswith(NUMBERS)


def _first_word(column: Any) -> Iterator[Any]:
    """Yield the first cell of a column that is neither a number nor missing, if there is one."""
    for cell in np.asarray(column, object).tolist():
        try:
            float(cell)
        except OverflowError:
            continue
        except (TypeError, ValueError):
            if cell is not None and type(cell).__name__ != "NAType":
                yield cell
                return


def check_rows(X: Any) -> None:
    """Raise ValueError if X has more than two axes, or masked values: NumPy's functions would read them.

    Examples
    --------
    >>> check_rows(np.zeros((60, 28, 28)))
    Traceback (most recent call last):
    ...
    ValueError: X must be a table (n, D), one row for each sample; got the shape (60, 28, 28): use X.reshape(len(X), -1)
    """
    if isinstance(X, (list, tuple)) and len(X):
        shape, remedy = (len(X), *np.shape(X[0])), "np.reshape(X, (len(X), -1))"
    else:
        shape, remedy = getattr(X, "shape", ()), "X.reshape(len(X), -1)"
    if len(shape) > 2:
        raise ValueError(f"X must be a table (n, D), one row for each sample; got the shape {tuple(shape)}: use {remedy}")
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(f"X must have no masked values; got {np.ma.count_masked(X)} (replace them, as X.filled does)")


def check_distinct(X: Rows, k: int) -> None:
    """Raise ValueError unless X (n, D) has at least k rows, and at least k distinct rows."""
    if len(X) < k:
        raise ValueError(f"X must have at least n_clusters = {k} samples; got n_samples = {len(X)}")
    from .rows import blocks

    distinct = set()
    for row in chain.from_iterable(blocks(X)):
        distinct.add((row + 0.0).tobytes())  # -0.0 + 0.0 is 0.0
        if len(distinct) >= k:
            return
    raise ValueError(f"X must have at least n_clusters = {k} distinct rows; got {len(distinct)}"
                     + " in float32" * (X.dtype == np.float32))


def check_number(
    name: str, value: Any, low: float, integer: bool = False, strict: bool = False, less_than: float = np.inf
) -> None:
    """Raise ValueError unless ``value`` is a finite number >= low (> low with ``strict``) and < ``less_than``.

    ``name`` is the name of the argument, for the message. With ``integer``, the value must be a whole number.
    """
    kind = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    good = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
    good = good and not (isinstance(value, int) and value > sys.float_info.max)
    if not (good and (value > low if strict else value >= low) and value < less_than):
        words = "whole number" if integer else "finite number" if less_than == np.inf else "number"
        limit = f" and < {less_than:g}" if less_than != np.inf else ""
        raise ValueError(f"{name} must be a {words} {'>' if strict else '>='} {low:g}{limit}; got {value!r}")


def match_columns(
    expected: Sequence[str], given: Sequence[str], name: str, ignore_extra: bool = False
) -> list[int] | None:
    """Return the positions in ``given`` of the columns ``expected``, or None if one of the two is empty.

    If one of the names occurs twice, the columns must be in the order of ``expected``.

    Parameters
    ----------
    expected : sequence of str
        Columns that the model was trained on.
    given : sequence of str
        Columns of the table.
    name : str
        Name of the table, for messages.
    ignore_extra : bool, default=False
        Allow columns that are not in ``expected``.

    Raises
    ------
    ValueError
        If columns are missing, or unknown without ``ignore_extra``, or if columns with equal names are in another order.
        The message names them.

    Examples
    --------
    >>> match_columns(["height", "age"], ["age", "height"], "X")
    [1, 0]
    """
    if not expected or not given:
        return None
    there, known = {*given}, {*expected}
    missing = [column for column in expected if column not in there]
    if missing:
        raise ValueError(f"{name} lacks columns that the model was trained on: {_listed(missing)}")
    unknown = [column for column in given if column not in known]
    if unknown and not ignore_extra:
        raise ValueError(f"{name} has columns that the model was not trained on: {_listed(unknown)}")
    places = [i for i, column in enumerate(given) if column in known]
    if len(known) == len(places) == len(expected):
        at = {column: i for i, column in enumerate(given)}
        return [at[column] for column in expected]
    _check_order(expected, [given[i] for i in places], name)
    return places


def _check_order(expected: Sequence[str], given: Sequence[str], name: str) -> None:
    """Raise ValueError unless ``given``, columns of the table ``name``, are the ``expected`` ones; one occurs twice."""
    twice = next(column for columns in (expected, given) for column in columns if columns.count(column) > 1)
    rule = f"{name} must have the model's columns in their order, because the name {twice!r} occurs twice"
    if len(given) != len(expected):
        raise ValueError(f"{rule}: it must have {len(expected)} such columns; got {len(given)}")
    for i, (column, other) in enumerate(zip(expected, given), 1):
        if column != other:
            raise ValueError(f"{rule}: the model's column {i} is {column!r}; got {other!r}")


def _listed(names: Sequence[str]) -> str:
    """Return the first ten names, quoted and separated by commas, and the number of the others."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name) for name in names[:10]) + more


def check_sizes(sizes: int | Iterable[int]) -> list[int]:
    """Return ``sizes``, the parameter hidden_layer_sizes, as a list of int; raise ValueError unless all are >= 1."""
    widths: list[Any] = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    if not widths or not all(isinstance(s, (int, np.integer)) and s >= 1 for s in widths):
        raise ValueError(f"hidden_layer_sizes must be whole numbers >= 1; got {widths!r}")
    return [int(s) for s in widths]


def as_generator(random_state: Seed) -> np.random.Generator:
    """Return a ``numpy.random.Generator`` for ``random_state``: None, an int, a Generator or a RandomState."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**31, 4))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool) and random_state >= 0:
        return np.random.default_rng(int(random_state))
    raise ValueError(
        f"random_state must be None, a whole number >= 0, a Generator or a RandomState; got {random_state!r}"
    )
