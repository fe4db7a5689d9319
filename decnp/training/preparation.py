"""Fit the recipe of a table with scikit-learn, and read the recipe out of a fitted scikit-learn pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from ..io.array_file import MAX_HEADER
from ..io.recipe import MAX_NUMBER, Categories, Feature, Number, Recipe, Value
from ..io.safetensors import size_in_file

if TYPE_CHECKING:
    from ..io.raw_table import RawTable

__all__ = ["check_size", "fit_recipe", "pipeline_for", "recipe_of", "split_pipeline"]


def pipeline_for(numbers: Sequence[int], words: Sequence[int], standardize: bool, missing: str | None) -> ColumnTransformer:
    """Return the unfitted steps for a table whose columns ``numbers`` and ``words`` are given by place.

    Parameters
    ----------
    numbers, words : sequence of int
        Columns of numbers, and of categories.
    standardize : bool
        True if numbers get the mean 0 and the standard deviation 1.
    missing : {"median", "mean"} or None
        Statistic that replaces missing numbers; None if none are missing.
    """
    steps: list[Any] = [SimpleImputer(strategy=missing)] if missing else []
    steps += [StandardScaler()] if standardize else []
    # sparse_threshold=0: the result is dense
    return ColumnTransformer(
        [("numbers", make_pipeline(*steps) if steps else "passthrough", list(numbers)),
         ("categories", OneHotEncoder(handle_unknown="ignore"), list(words))], sparse_threshold=0)


def fit_recipe(table: RawTable, standardize: bool, missing: str | None, decimal: str = ".") -> Recipe:
    """Return the recipe of a table; raise ValueError for one that a model file cannot hold, or for values too large.

    ``standardize`` and ``missing`` are those of ``pipeline_for``. The columns of numbers come first in the result, then
    those of categories. ``decimal`` is that of the recipe.
    """
    words = sorted(table.words)
    numbers = [j for j in range(len(table.columns)) if j not in table.words]
    X = np.empty((len(table.columns[0]), len(table.columns)), object)
    for j, column in enumerate(table.columns):
        X[:, j] = column
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = pipeline_for(numbers, words, standardize, missing).fit(X)
    recipe = recipe_of([("prepare", fitted)], table.names, table.named)
    _check_standardized(recipe, table)
    counted = tuple(_counted(one, table.columns[one.column]) for one in recipe.features)
    recipe = replace(recipe, decimal=decimal, features=counted)
    check_size(recipe)
    return recipe


def _check_standardized(recipe: Recipe, table: RawTable) -> None:
    """Raise ValueError for a column of a table whose mean or standard deviation is too large for a model file."""
    for one in recipe.features:
        if isinstance(one, Number) and not (abs(one.mean) < MAX_NUMBER and one.std < MAX_NUMBER):  # or NaN
            name = repr(recipe.columns[one.column]) if recipe.named else recipe.columns[one.column]
            largest = np.nanmax(np.abs(table.columns[table.names.index(recipe.columns[one.column])]))
            raise ValueError(f"{'the ' * recipe.named}column {name} has values too large to standardize ({largest:.2g})")


def check_size(recipe: Recipe) -> None:
    """Raise ValueError if a recipe takes more than three quarters of the header of a model file."""
    size = size_in_file(recipe.to_json())
    if size > MAX_HEADER * 3 // 4:
        raise ValueError(f"the recipe of {len(recipe.columns)} columns with {recipe.n_features} numbers and categories "
                         f"takes {size} bytes, and a model file holds {MAX_HEADER * 3 // 4}: leave columns out")


def _counted(feature: Feature, column: np.ndarray) -> Feature:
    """Return a feature with the counts in its column of the training table."""
    if isinstance(feature, Number):
        return replace(feature, missing=int(np.isnan(column).sum()))
    values = [None if value is None or value != value else value for value in column.tolist()]
    counts = dict.fromkeys(feature.values, 0)
    for value in values:
        counts[value] += 1
    return replace(feature, counts=tuple(counts.values()))


# ---------------------------------------------------------------- fitted pipelines

def split_pipeline(pipeline: Any) -> tuple[Any, Recipe | None, list[str]]:
    """Return the last step of ``pipeline``, a fitted ``Pipeline``, the recipe of the others, and the columns it leaves out.

    The recipe is None if there are no other steps. Raises ValueError for a step that a recipe cannot keep.
    """
    steps = [(name, step) for name, step in pipeline.steps[:-1] if step is not None and step != "passthrough"]
    last = pipeline.steps[-1][1]
    if not steps:
        return last, None, []
    first = steps[0][1]
    given, n = getattr(first, "feature_names_in_", None), first.n_features_in_
    names = [str(j + 1) for j in range(n)] if given is None else list(map(str, given))
    recipe = recipe_of(steps, names, given is not None)
    kept = {*recipe.columns}
    return last, recipe, [name for name in names if name not in kept]


def recipe_of(steps: Sequence[tuple[str, Any]], names: Sequence[str], named: bool) -> Recipe:
    """Return the recipe of fitted steps.

    Parameters
    ----------
    steps : sequence of (str, transformer)
        ``ColumnTransformer``, ``SimpleImputer``, ``StandardScaler``, ``OneHotEncoder``, or pipelines of them.
    names : sequence of str
        Names of the columns that the first step takes.
    named : bool
        True if the table has names, False if ``names`` are only numbers from 1.

    Raises
    ------
    ValueError
        If a step cannot be kept. The message names it.

    Examples
    --------
    >>> X = np.array([[1.0], [3.0]])
    >>> recipe_of([("scale", StandardScaler().fit(X))], ["size"], True).features
    (Number(column=0, fill=None, mean=2.0, std=1.0, missing=None),)
    """
    if len({*names}) < len(names):
        raise ValueError("a recipe needs columns with different names")
    features: list[Feature] = [Number(j) for j in range(len(names))]
    for name, step in steps:
        features = _after(name, step, features)
    for feature in features:
        if isinstance(feature, Number) and isinstance(feature.fill, str):
            raise ValueError(f"the column {names[feature.column]!r} holds words after the last step: add a OneHotEncoder")
    return Recipe(tuple(names), named, tuple(features)).without_unused_columns()


def _after(name: str, step: Any, features: list[Feature]) -> list[Feature]:
    """Return the features after a step."""
    if not features:  # a transformer of no columns is not fitted
        return []
    if isinstance(step, Pipeline):
        for inner, one in step.steps:
            features = _after(f"{name}.{inner}", one, features)
        return features
    if isinstance(step, ColumnTransformer):
        reason = "transformer_weights are not supported" if step.transformer_weights else _reason(step, features)
        if reason:
            raise ValueError(f"the step {name!r} (ColumnTransformer) cannot be kept in a model file: {reason}")
        # This attribute has the columns as numbers; the public ones have them as they were given: names, slices, functions.
        return [feature for inner, one, _ in step.transformers_ if one != "drop"
                for feature in _after(f"{name}.{inner}", one, [
                    features[j] for j in step._transformer_to_input_indices[inner]])]
    if step is None or step == "passthrough":
        return features
    if isinstance(step, FunctionTransformer) and step.func is None:
        return features
    for kind, change in STEPS.items():
        if type(step) is kind:
            reason = _reason(step, features)
            if reason:
                raise ValueError(f"the step {name!r} ({kind.__name__}) cannot be kept in a model file: {reason}")
            return change(step, features)
    raise ValueError(f"the step {name!r} ({type(step).__name__}) cannot be kept in a model file, which holds "
                     "ColumnTransformer, SimpleImputer, StandardScaler and OneHotEncoder")


def _reason(step: Any, features: list[Feature]) -> str:
    """Return why a step cannot be kept, or ""."""
    if any(isinstance(one, Categories) for one in features):
        return "it comes after a OneHotEncoder"
    if isinstance(step, ColumnTransformer):
        return ""
    if any((one.mean, one.std) != (0, 1) for one in features if isinstance(one, Number)):
        return "it comes after a StandardScaler"
    if isinstance(step, SimpleImputer):
        if any(isinstance(one, Number) and one.fill is not None for one in features):
            return "it comes after another SimpleImputer"
        if step.add_indicator or not _is_nan(step.missing_values):
            return "add_indicator and missing_values other than NaN are not supported"
        if any(map(_is_nan, step.statistics_)):
            return "a column has no values"
    if isinstance(step, OneHotEncoder):
        if step.min_frequency is not None or step.max_categories is not None:
            return "min_frequency and max_categories are not supported"
        return _reason_of_categories(step)
    return ""


def _reason_of_categories(step: OneHotEncoder) -> str:
    """Return why the categories of an encoder cannot be kept, or ""."""
    try:
        columns = [_values(found) for found in step.categories_]
    except (TypeError, ValueError):
        return "categories that are neither words nor numbers, such as dates, are not supported"
    if any(values.count(None) > 1 for values in columns):
        return "None and NaN are two categories"
    if any(len({*values}) < len(values) for values in columns):
        return "two categories are the same number in float64"
    return ""


def _is_nan(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))


def _plain(value: Any) -> Value:
    """Return a number as float, a string as str, and NaN as None."""
    return None if _is_nan(value) else str(value) if isinstance(value, str) else float(value)


def _values(categories: np.ndarray) -> list[Value]:
    return [_plain(value) for value in categories.tolist()]


def _imputed(step: Any, features: list[Any]) -> list[Feature]:
    return [replace(one, fill=_plain(value)) for one, value in zip(features, step.statistics_)]


def _scaled(step: Any, features: list[Any]) -> list[Feature]:
    means = step.mean_ if step.with_mean else np.zeros(len(features))
    stds = step.scale_ if step.with_std else np.ones(len(features))
    return [replace(one, mean=float(mean), std=float(std)) for one, mean, std in zip(features, means, stds)]


def _encoded(step: Any, features: list[Any]) -> list[Feature]:
    dropped = [None] * len(features) if step.drop_idx_ is None else step.drop_idx_
    unseen = "error" if step.handle_unknown == "error" else "ignore"
    return [Categories(one.column, tuple(_values(found)), fill=one.fill, dropped=None if j is None else int(j),
                       unseen=unseen)
            for one, found, j in zip(features, step.categories_, dropped)]


STEPS: dict[type, Callable[[Any, list[Any]], list[Feature]]] = {
    SimpleImputer: _imputed, StandardScaler: _scaled, OneHotEncoder: _encoded}
