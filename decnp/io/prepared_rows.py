"""Apply a recipe to the raw columns of a table, with NumPy alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .cells import as_number, is_missing, is_true_or_false
from .recipe import Categories, Number, Recipe, Value, word_of

__all__ = ["PreparedRows"]

MISSING_IN_FRAMES = ("<na>", "nat")
"""pandas' own words for a missing value, in lower case."""


class PreparedRows:
    """Rows of a raw table, prepared when they are indexed. Threads may index them at once.

    Parameters
    ----------
    recipe : Recipe
        Steps.
    columns : sequence of arrays of shape (n,)
        The recipe's columns: numbers, or objects. A missing cell is None, NaN, or a word for it.

    Examples
    --------
    >>> from decnp.io.recipe import Number
    >>> recipe = Recipe(("size", "kind"), True, (Number(0, fill=2.0), Categories(1, ("cat", "dog"))))
    >>> rows = PreparedRows(recipe, [np.array([1.0, np.nan]), np.array(["cow", "dog"], object)])
    >>> rows[:]
    array([[1., 0., 0.],
           [2., 0., 1.]])
    >>> rows.note()
    "1 cell has a category that the model was not trained on, which counts as none of them: 'kind' 1 ('cow')"
    """

    def __init__(self, recipe: Recipe, columns: Sequence[np.ndarray]) -> None:
        if len(columns) != len(recipe.columns):
            raise ValueError(f"X must have the {len(recipe.columns)} columns of the model's recipe; got {len(columns)}")
        self.recipe, self.columns = recipe, columns
        self.shape = (len(columns[0]), recipe.n_features)
        self.dtype = np.dtype(np.float64)
        self._places = [_places(one) if isinstance(one, Categories) else {} for one in recipe.features]
        self._unseen: list[tuple[int, int, Any]] = []
        self._missing: list[tuple[int, int]] = []
        self._n_prepared: list[int] = []  # of each block, so that threads only append

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return rows (b, D) in float64. Raises ValueError for cells that the recipe cannot use."""
        return self.prepare([column[rows] for column in self.columns])

    def prepare(self, columns: Sequence[np.ndarray]) -> np.ndarray:
        """Return rows (b, D) in float64 from raw columns (b,). Raises ValueError for cells that the recipe cannot use."""
        out = np.zeros((len(columns[0]), self.recipe.n_features))
        self._n_prepared.append(len(out))
        start = 0
        for i, feature in enumerate(self.recipe.features):
            part, name = out[:, start : start + feature.width], self.recipe.columns[feature.column]
            if isinstance(feature, Number):
                part[:, 0], n_missing = _numbers(feature, columns[feature.column], name, self.recipe.decimal)
                self._missing.append((i, n_missing))
            else:
                self._encode(i, feature, columns[feature.column], part)
            start += feature.width
        return out

    def note(self) -> str:
        """Return a sentence on categories that were not in the training table, and on columns that are mostly filled in.

        In such a column, more than half of the numbers were missing. "" if there are neither.
        """
        return "; ".join(filter(None, (self._unseen_clause(), self._missing_clause())))

    def _missing_clause(self) -> str:
        """Return a clause about the columns of numbers that are more than half filled in; a single row has none."""
        n, counts = sum(self._n_prepared), Counter[int]()
        for i, count in self._missing:
            counts[i] += count
        names = self.recipe.columns
        gaps = list(dict.fromkeys(f"{names[self.recipe.features[i].column]!r} ({100 * count // n} %)"
                                  for i, count in sorted(counts.items()) if 2 * count > n > 1))
        more = f" and {len(gaps) - 10} more" if len(gaps) > 10 else ""
        return f"more than half of the numbers of {', '.join(gaps[:10])}{more} are filled in" if gaps else ""

    def _unseen_clause(self) -> str:
        """Return a clause about the categories that were not in the training table."""
        counts: dict[int, int] = {}
        firsts: dict[int, Any] = {}
        for i, count, first in self._unseen:
            counts[i] = counts.get(i, 0) + count
            firsts.setdefault(i, first)
        if not counts:
            return ""
        names = self.recipe.columns
        listed = ", ".join(f"{names[self.recipe.features[i].column]!r} {count} ({word_of(firsts[i])!r:.40})"
                           for i, count in sorted(counts.items()))
        total = sum(counts.values())
        cells = "1 cell has a category" if total == 1 else f"{total} cells have categories"
        return (f"{cells} that the model was not trained on, which count{'s' * (total == 1)} as none of them: {listed}")

    def _encode(self, i: int, feature: Categories, column: np.ndarray, out: np.ndarray) -> None:
        """Set the columns ``out`` (b, width), zeros, to 1 where a row has their category."""
        at = np.array([_place(value, feature, self._places[i], self.recipe.decimal) for value in column.tolist()], int)
        unseen = np.flatnonzero(at < 0)
        if len(unseen):
            first = column[unseen[0]]
            name = self.recipe.columns[feature.column]
            if feature.unseen == "error":
                raise ValueError(f"the column {name!r} has the category {word_of(first)!r:.40}, which the model was not "
                                 "trained on")
            self._unseen.append((i, len(unseen), first))
        for j, k in enumerate(k for k in range(len(feature.values)) if k != feature.dropped):
            out[at == k, j] = 1


# ---------------------------------------------------------------- cells

def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or is_missing(str(value)) or str(value).lower() in MISSING_IN_FRAMES


def _numbers(feature: Number, column: np.ndarray, name: str, decimal: str) -> tuple[np.ndarray, int]:
    """Return the numbers in a column (n,), filled in and standardized, and how many were missing."""
    if column.dtype.kind in "biuf":
        x = column.astype(np.float64)
    elif column.dtype.kind in "OUT":
        x = np.array([_number(value, name, decimal) for value in column.tolist()], np.float64)
    else:
        raise ValueError(f"the column {name!r} must hold numbers; got the dtype {column.dtype}")
    missing = np.isnan(x)
    if missing.any():
        if feature.fill is None:
            raise ValueError(f"the column {name!r} has {missing.sum()} missing values, and the model's recipe has nothing "
                             "to fill them in with")
        x[missing] = feature.fill
    if feature.mean:
        x -= feature.mean
    if feature.std != 1:
        x /= feature.std
    return x, int(missing.sum())


def _as_number(value: Any, decimal: str) -> float | None:
    """Return the number in a cell, or None; ``decimal`` is the decimal sign of numbers in words."""
    return as_number(str(value), decimal if isinstance(value, str) else ".")


def _number(value: Any, name: str, decimal: str) -> float:
    if _is_missing(value):
        return math.nan
    number = _as_number(value, decimal)
    if number is None:
        raise ValueError(f"the column {name!r} must hold numbers; got {str(value)[:30]!r}")
    return number


def _places(feature: Categories) -> dict[Value, int]:
    """Return the place of each category; true and false have one in lower case, too."""
    places = {value: j for j, value in enumerate(feature.values)}
    for value, j in [*places.items()]:
        if isinstance(value, str) and is_true_or_false(value):
            places.setdefault(value.strip().lower(), j)
    return places


def _place(value: Any, feature: Categories, places: Mapping[Value, int], decimal: str) -> int:
    """Return the place of a cell's category, or -1."""
    if isinstance(value, str) and value in places:
        return places[value]
    if _is_missing(value):
        return places.get(feature.fill, -1)
    if feature.of_words:
        word = str(value).strip()
        if word not in places and isinstance(value, (float, np.floating)):
            word = word_of(float(value))  # pandas turns whole numbers beside missing ones into floats
        return places.get(word, places.get(word.lower(), -1) if is_true_or_false(word) else -1)
    number = _as_number(value, decimal)
    return -1 if number is None else places.get(number, -1)
