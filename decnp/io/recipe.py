"""Recipe of a table: raw columns become the numbers that a model was trained on, by NumPy alone.

A recipe fills missing numbers in, standardizes, and turns each category into a column of 0 and 1. scikit-learn fits it
(``decnp.training.preparation``). It is JSON data in the model file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Union

__all__ = ["MAX_NUMBER", "Categories", "Feature", "Number", "Recipe", "Value", "describe_recipe", "word_of"]

MAX_NUMBER = 1e300
"""Numbers of a recipe are smaller than this."""

Value = Union[str, float, None]
"""Category, or what a missing cell is replaced by. None as a category stands for a missing cell."""


@dataclass(frozen=True)
class Number:
    """Column of numbers: (x - mean) / std, with ``fill`` in the place of missing cells."""

    column: int
    """Place among the recipe's columns."""
    fill: Value = None
    """None refuses missing cells."""
    mean: float = 0.0
    std: float = 1.0
    missing: int | None = None
    """Number of missing cells in the training table, if it was counted."""

    @property
    def width(self) -> int:
        """Return the number of columns of the result: 1."""
        return 1

    def names(self, column: str) -> list[str]:
        """Return the names of the columns of the result; ``column`` is that of the raw column."""
        return [column]


@dataclass(frozen=True)
class Categories:
    """Column of categories: a column of 0 and 1 for each."""

    column: int
    values: tuple[Value, ...]
    """Categories, different from each other: all str or all float, and None for missing cells."""
    counts: tuple[int, ...] = ()
    """Rows of each category in the training table, if they were counted."""
    fill: Value = None
    dropped: int | None = None
    """Place of a category without a column of its own."""
    unseen: str = "ignore"
    """"ignore": a category that is not in ``values`` is 0 in all columns. "error": it is refused."""

    @property
    def width(self) -> int:
        """Return the number of columns of the result."""
        return len(self.values) - (self.dropped is not None)

    @property
    def of_words(self) -> bool:
        """Return whether the categories are strings, not numbers."""
        return any(isinstance(value, str) for value in self.values)

    def names(self, column: str) -> list[str]:
        """Return the names of the columns of the result; ``column`` is that of the raw column."""
        return [f"{column}={word_of(value)}" for j, value in enumerate(self.values) if j != self.dropped]


Feature = Union[Number, Categories]


@dataclass(frozen=True)
class Recipe:
    """Steps from raw columns to the rows (n, D) of a model.

    Examples
    --------
    >>> recipe = Recipe(("size", "kind"), True, (Number(0, fill=2.0), Categories(1, ("cat", "dog"))))
    >>> recipe.feature_names
    ('size', 'kind=cat', 'kind=dog')
    """

    columns: tuple[str, ...]
    """Names of the raw columns, in the order of the training table; "1", "2", ... if they have none."""
    named: bool
    """True if the raw columns have names."""
    features: tuple[Feature, ...]
    """In the order of the result's columns."""
    decimal: str = "."
    """"," if numbers in words may have a decimal comma."""

    @property
    def n_features(self) -> int:
        """Return D, the number of columns of the result."""
        return sum(feature.width for feature in self.features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the columns of the result."""
        return tuple(name for feature in self.features for name in feature.names(self.columns[feature.column]))

    @property
    def words(self) -> frozenset[str]:
        """Return the names of the columns that hold categories."""
        return frozenset(self.columns[one.column] for one in self.features if isinstance(one, Categories))

    @property
    def columns_of_words(self) -> list[int]:
        """Return the places of the columns whose categories are strings."""
        return sorted({one.column for one in self.features if isinstance(one, Categories) and one.of_words})

    @property
    def fills(self) -> bool:
        """Return whether some column of numbers may have missing cells."""
        return any(isinstance(one, Number) and one.fill is not None for one in self.features)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain data for JSON; ``from_json`` is the inverse."""
        return {"columns": list(self.columns), "named": self.named, "features": [_plain(one) for one in self.features],
                **({"decimal": self.decimal} if self.decimal != "." else {})}

    @classmethod
    def from_json(cls, data: Any) -> Recipe:
        """Return the recipe in ``data``, which may come from an unknown source. Raises ValueError."""
        if not isinstance(data, dict) or data.keys() - {"decimal"} != {"columns", "named", "features"}:
            raise ValueError("a recipe must have columns, named and features")
        columns, features = data["columns"], data["features"]
        if not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)
                and len({*columns}) == len(columns) and isinstance(features, list) and isinstance(data["named"], bool)):
            raise ValueError("the columns of a recipe must be different strings, and its features a list")
        "".join(columns).encode()  # no lone surrogates
        found = tuple(_feature(one, len(columns)) for one in features)
        if {one.column for one in found} != {*range(len(columns))}:
            raise ValueError("each column of a recipe must be used")
        decimal = data.get("decimal", ".")
        if decimal not in (".", ","):
            raise ValueError("the decimal mark of a recipe must be a point or a comma")
        return cls(tuple(columns), data["named"], found, decimal)

    def without_unused_columns(self) -> Recipe:
        """Return the recipe without the raw columns that no feature uses."""
        used = sorted({one.column for one in self.features})
        place = {column: j for j, column in enumerate(used)}
        return Recipe(tuple(self.columns[j] for j in used), self.named,
                      tuple(replace(one, column=place[one.column]) for one in self.features), self.decimal)


def describe_recipe(recipe: Recipe) -> str:
    """Return a clause about the steps of a recipe.

    >>> describe_recipe(Recipe(("size", "kind"), True, (Number(0, fill=2.0), Categories(1, ("cat", "dog")))))
    '1 column of numbers (missing ones filled in), 1 of categories (2 of them)'
    """
    numbers = [one for one in recipe.features if isinstance(one, Number)]
    categories = [one for one in recipe.features if isinstance(one, Categories)]
    done = ["standardized"] * any((one.mean, one.std) != (0, 1) for one in numbers)
    done += ["missing ones filled in"] * recipe.fills
    parts = []
    if numbers:
        plural = "s" * (len(numbers) > 1)
        parts.append(f"{len(numbers)} column{plural} of numbers" + (f" ({', '.join(done)})" if done else ""))
    if categories:
        more = "" if numbers else f" column{'s' * (len(categories) > 1)}"
        parts.append(f"{len(categories)}{more} of categories ({sum(one.width for one in categories)} of them)")
    return ", ".join(parts)


def word_of(value: Any) -> str:
    """Return a category, or another ``value``, as a word."""
    if value is None:
        return "missing"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# ---------------------------------------------------------------- JSON

def _plain(feature: Feature) -> dict[str, Any]:
    """Return the fields of a feature that differ from their defaults."""
    values = asdict(feature)
    kept = {f.name: values[f.name] for f in fields(feature) if f.name in ("column", "values") or values[f.name] != f.default}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def _feature(data: Any, n_columns: int) -> Feature:
    """Return the feature in ``data`` after a check of each field. Raises ValueError."""
    kind: Any = Categories if isinstance(data, dict) and "values" in data else Number
    if not isinstance(data, dict) or not data.keys() <= {f.name for f in fields(kind)}:
        raise ValueError("a feature of a recipe must have the fields of a number or of categories")
    for problem in (_problems_of_categories if kind is Categories else _problems_of_number)(data, n_columns):
        raise ValueError(f"a feature of a recipe has a {problem}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MAX_NUMBER


def _is_count(value: Any, below: float = 2**53) -> bool:
    return type(value) is int and 0 <= value < below


def _problems_of_number(data: Mapping[str, Any], n_columns: int) -> Iterator[str]:
    """Yield what is wrong with the fields of a column of numbers."""
    if not _is_count(data.get("column"), n_columns):
        yield f"column that must be from 0 to {n_columns - 1}"
    for name in ("fill", "mean", "std"):
        if name in data and not (_is_finite(data[name]) and (name != "std" or data[name] > 0)):
            yield f"{name} that must be a finite number" + " > 0" * (name == "std")
    if "missing" in data and not _is_count(data["missing"]):
        yield "number of missing cells that must be a whole number"


def _problems_of_categories(data: Mapping[str, Any], n_columns: int) -> Iterator[str]:
    """Yield what is wrong with the fields of a column of categories."""
    if not _is_count(data.get("column"), n_columns):
        yield f"column that must be from 0 to {n_columns - 1}"
    values = data["values"]
    if not isinstance(values, list) or not values:
        yield "list of categories that must not be empty"
    words = [value for value in values if value is not None]
    if not (all(isinstance(value, str) for value in words) or all(map(_is_finite, words))):
        yield "list of categories that must be all strings or all finite numbers"
    if len({*values}) != len(values):
        yield "category twice"
    "".join(value for value in (*words, data.get("fill")) if isinstance(value, str)).encode()  # no lone surrogates
    counts, fill = data.get("counts", []), data.get("fill")
    if not (isinstance(counts, list) and len(counts) in (0, len(values)) and all(map(_is_count, counts))):
        yield "number of rows for each category that must be a whole number"
    if not (fill is None or isinstance(fill, str) or _is_finite(fill)):
        yield "fill that must be a category"
    if data.get("dropped") is not None and not _is_count(data["dropped"], len(values)):
        yield "dropped category that must be one of them"
    if data.get("unseen", "ignore") not in ("ignore", "error"):
        yield "rule for unseen categories that must be ignore or error"
