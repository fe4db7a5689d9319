"""Raw columns out of a DataFrame, a mapping, or an array, in the order of a recipe."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..utils.validation import check_rows, match_columns
from .recipe import Recipe

__all__ = ["raw_columns"]


def raw_columns(X: Any, recipe: Recipe, left_out: Collection[str] = ()) -> list[np.ndarray]:
    """Return the columns of a table X (n, C) that a recipe takes, each (n,).

    Columns of a DataFrame, an Arrow table or a mapping are matched by name, if the recipe has names, and by position
    otherwise. Those in ``left_out``, which has numbers from 1 for a recipe without names, may be there.

    Raises ValueError for missing and unknown columns, and for columns of different lengths.

    Examples
    --------
    >>> from decnp.io.recipe import Number
    >>> recipe = Recipe(("a", "b"), True, (Number(0), Number(1)))
    >>> raw_columns({"b": [1, 2], "a": [3, 4]}, recipe)
    [array([3, 4]), array([1, 2])]
    """
    check_rows(X)
    left_out = {*left_out}
    names = list(X.keys() if isinstance(X, Mapping) else getattr(X, "column_names", getattr(X, "columns", ())))
    if recipe.named and names:
        known = {*recipe.columns}
        given = [name for name in names if str(name) in known or str(name) not in left_out]
        columns = [_column(X[given[i]]) for i in match_columns(recipe.columns, list(map(str, given)), "X") or ()]
    elif isinstance(X, Mapping):
        columns = [_column(values) for values in X.values()]
    else:
        columns = _columns_of_rows(X)
    if not recipe.named and len(columns) != len(recipe.columns):
        columns = [column for j, column in enumerate(columns, 1) if str(j) not in left_out]
    lengths = {len(column) for column in columns}
    if len(columns) != len(recipe.columns):
        raise ValueError(f"X must have the {len(recipe.columns)} columns {', '.join(map(repr, recipe.columns[:10]))}"
                         + ", ..." * (len(recipe.columns) > 10) + f"; got {len(columns)}")
    if len(lengths) > 1:
        raise ValueError(f"the columns of X must have one length; got {', '.join(map(str, sorted(lengths)))}")
    return columns


def _column(values: Any) -> np.ndarray:
    """Return a column as an array with one axis; mixed values stay objects."""
    array = np.array(values, object) if isinstance(values, (list, tuple)) and any(
        isinstance(value, str) or value is None for value in values) else np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"a column of X must have the shape (n,); got {array.shape}")
    return array


def _columns_of_rows(X: Any) -> list[np.ndarray]:
    """Return the columns of X, an array, a sparse matrix or a list of rows."""
    X = X.toarray() if hasattr(X, "toarray") else X
    array = np.array(X, object) if isinstance(X, (list, tuple)) else np.asarray(X)
    if array.ndim != 2:
        raise ValueError(f"X must have two axes, one row for each sample; got the shape {array.shape}")
    return list(array.T)
