"""Data and model of a run of ``decnp fit``, checked before training starts."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.registry import SOURCES, n_clusters
from ..exceptions import DataError, UserError
from ..io.column_choice import ColumnChoice
from ..io.model_file import names_array
from ..io.os_errors import explain_read_errors
from ..io.raw_table import prepared, read_raw_table
from ..io.recipe import Recipe, describe_recipe
from ..io.table_warnings import label_copies, label_warnings, raw_warnings, table_warnings
from ..io.tables import TABLE_SUFFIXES, Table, as_table, check_suffix, read_labels, read_table
from ..profiles import PAPER_MNIST, Profile, profile_for, profile_of_both
from ..training.checkpoint import Checkpoint
from ..utils.rows import LazyRows, Rows, is_mapped
from ..utils.spelling import nearest
from .fit_options import FitOptions
from .pretraining import autoencoder_rows
from .resume import CHECKPOINT
from .start_file import read_start

if TYPE_CHECKING:
    from ..dec import DEC

__all__ = ["FitInput", "prepare", "profile_from"]

DECIMALS = {"point": ".", "comma": ","}


class FitInput(NamedTuple):
    """Data and unfitted model of a run."""

    X: Rows
    """(n, D)."""
    y: np.ndarray | None
    """(n,) the true labels."""
    columns: tuple[str, ...]
    """Names of the columns of X; empty if they have none."""
    left_out: tuple[str, ...]
    """Names of the columns of the file that are not in X."""
    recipe: Recipe | None
    """Steps from the columns of the file to X, or None."""
    named: bool | None
    """True if the file is a text table with a line of names, False for one without, None for other data."""
    autoencoder_rows: np.ndarray | None
    """(m, D) rows for the autoencoder, or None if it trains on X."""
    model: DEC
    notes: list[str]
    """Sentences about what could have been read in another way."""
    warnings: list[str]
    """Sentences about X."""


def prepare(options: FitOptions, log: Callable[[str], None], scored: bool = True) -> FitInput:
    """Read and check everything that a run needs.

    ``log`` is called with a line about the data, and with each warning. ``scored`` is True if the run computes scores
    from the labels. Raises UserError or DataError.
    """
    table, ae_rows, recipe, found = _read_data(options)
    X, y, columns, notes = table.X, table.y, table.names, table.notes
    model = _build_model(options, X, ae_rows)
    k = "" if options.n_clusters or options.source in SOURCES else f"; k = {model.n_clusters}, the default"
    named = _named(options.source, columns, recipe)
    about_labels = "" if y is None else _describe_labels(options, table.label_column, scored)
    log(_describe_data(options, X, about_labels, columns, ae_rows, recipe) + k)
    for note in notes:
        log(note)
    found += label_warnings(y, options.label_column)
    for warning in found:
        log(f"warning: {warning}")
    return FitInput(X, y, columns, table.left_out, recipe, named, ae_rows, model, notes, found)


def _named(source: str, columns: tuple[str, ...], recipe: Recipe | None) -> bool | None:
    """Return whether the file has a line of names, or None if it is not a text table."""
    if recipe is not None:
        return recipe.named
    is_text = source not in SOURCES and check_suffix(Path(source), *TABLE_SUFFIXES) == ".csv"
    return bool(columns) if is_text else None


def _read_data(options: FitOptions) -> tuple[Table, np.ndarray | None, Recipe | None, list[str]]:
    """Return the table, the autoencoder's own rows, the recipe that prepared the table, and sentences about it."""
    recipe: Recipe | None = None
    load = SOURCES.get(options.source)
    with explain_read_errors(options.source):
        if load:
            _check_no_table_options(options)
        if options.label_column is not None and options.label_column in options.drop:
            raise UserError(f"--label-column and --drop both name the column {options.label_column!r}: take one")
        if options.labels:
            _check_labels_option(options.source, options.labels, options.label_column)
        if not load and not os.path.exists(options.source) and options.source != "-":
            raise UserError(f"no such file: {options.source}{nearest(options.source, SOURCES)}")
        if options.has_recipe:
            table, recipe, found = _read_and_prepare(options)
        else:
            table = Table(*load(), (), []) if load else read_table(
                options.source, options.label_column, header=options.header, drop=options.drop, columns=options.columns)
            found = table_warnings(table.X, table.names)
        ae_rows = autoencoder_rows(options.source)
    if options.labels:
        with explain_read_errors(options.labels):
            table = table._replace(y=read_labels(options.labels, len(table.X)))
        _check_names(options.source, table, recipe)
    if isinstance(table.X, np.ndarray) and recipe is None:
        found += label_copies(table.X, table.names, table.y)
    return table, ae_rows, recipe, found


def _check_names(source: str, table: Table, recipe: Recipe | None) -> None:
    """Raise DataError for names of columns that are too long for the model file, which is written after the training."""
    try:
        for name, names in (("feature_names", table.names if recipe is None else ()), ("left_out", table.left_out)):
            names_array(name, names)
    except ValueError as error:
        raise DataError(f"{source}: the {error}") from error


def _read_and_prepare(options: FitOptions) -> tuple[Table, Recipe, list[str]]:
    """Return the table after the steps that the options ask for, their recipe, and sentences about the raw columns."""
    choice = ColumnChoice(options.source, options.drop, options.columns, options.categories)
    raw = read_raw_table(options.source, options.label_column, header=options.header, choice=choice,
                         may_miss=options.missing is not None, decimal=DECIMALS[options.decimal])
    if not raw.columns:
        raise DataError(f"{options.source}: no column is left to cluster")
    _check_different(raw.names, options)
    from ..training.preparation import fit_recipe  # imports scikit-learn

    try:
        recipe = fit_recipe(raw, options.standardize, options.missing, DECIMALS[options.decimal])
    except ValueError as error:
        raise DataError(f"{options.source}: {error}") from error
    X = as_table(prepared(raw, recipe), Path(raw.path))
    table = Table(X, raw.y, recipe.feature_names if raw.named else (), raw.notes, raw.left_out, raw.label_column)
    return table, recipe, raw_warnings(raw, scales=not options.standardize)


def _check_different(names: Sequence[str], options: FitOptions) -> None:
    """Raise DataError if two columns of a table that is prepared have the same name."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        option = next(word for word, value in _recipe_options(options) if value)
        times = "twice" if count == 2 else f"{count} times"
        raise DataError(f"{options.source}: the name {name!r} occurs {times}; rename the columns, because {option} needs "
                        "different names")


def _recipe_options(options: FitOptions) -> list[tuple[str, Any]]:
    """Return the name and the value of each option that prepares a table; the value is None without the option."""
    return [("--standardize", options.standardize or None), ("--missing", options.missing),
            ("--categories", options.categories or None),
            ("--decimal", None if options.decimal == "point" else options.decimal)]


def _check_no_table_options(options: FitOptions) -> None:
    """Raise UserError if an option for the columns of a .csv is given for a named data set."""
    if options.label_column is not None:
        raise UserError(f"--label-column names a column of a .csv file; {options.source} has its own labels")
    for name, value in (("--drop", options.drop or None), ("--columns", options.columns or None),
                        ("--header", options.header), *_recipe_options(options)):
        if value is not None:
            raise UserError(f"{name} is for a .csv file; {options.source} is a data set with a name")


def _check_labels_option(source: str, labels: str, label_column: str | None) -> None:
    """Raise UserError if --labels stands beside --label-column, or is the name of a column."""
    if label_column is not None:
        raise UserError("--labels FILE and --label-column NAME both say where the labels are: take one")
    is_no_path = not os.path.splitext(labels)[1] and not os.path.exists(labels)
    if is_no_path and source.lower().endswith(".csv"):
        raise UserError(f"--labels takes a file, and none is called {labels}; for a column of {source}, "
                        f"say --label-column {shlex.quote(labels)}")


def _build_model(options: FitOptions, X: Rows, ae_rows: np.ndarray | None) -> DEC:
    """Return the unfitted model; its parameters are checked against X."""
    profile = profile_of_both(partial(profile_from, options), len(X), len(X if ae_rows is None else ae_rows))
    from ..dec import DEC  # late, because scikit-learn, SciPy and numba are slow to load
    from ..training.engine import engine_for

    k = options.n_clusters or (n_clusters(options.source) if options.source in SOURCES else 8)
    model = DEC(
        k, hidden_layer_sizes=options.hidden, alpha=options.alpha, profile=profile,
        update_interval=options.update_interval, max_iter=options.max_iter, tol=options.tol,
        init=read_start(options.init, len(X), k, options.hidden[-1]), random_state=options.seed,
        dtype="float32" if options.source in SOURCES else X.dtype.name,
        checkpoint=Checkpoint(Path(options.out) / CHECKPOINT, options.checkpoint_every) if options.out else None,
    )
    engine_for(model.engine)  # loads the kernels now, so that the first phase's time does not include it
    try:
        model._check_parameters(X)
    except ValueError as error:
        raise UserError(f"{options.source}: {error}") from error
    return model


def profile_from(options: FitOptions, n_samples: int) -> Profile:
    """Return the profile for ``n_samples`` rows, with the changes of --set. Raises UserError."""
    profile = profile_for(options.profile, n_samples)
    if options.profile == "paper" and options.source == "mnist":
        profile = replace(profile, **PAPER_MNIST)
    names = [field.name for field in fields(Profile)]
    for name, value in options.settings:
        if name not in names:
            raise UserError(f"--set must name a field of the profile, one of {', '.join(names)}; got {name!r}"
                            + nearest(name, names))
        try:
            profile = replace(profile, **{name: value})
        except ValueError as error:
            raise UserError(f"--set {error}") from error
    return profile


def _describe_data(
    options: FitOptions, X: Rows, about_labels: str, columns: tuple[str, ...], ae_rows: np.ndarray | None,
    recipe: Recipe | None,
) -> str:
    """Return the line about the data that is shown before training. ``about_labels`` is a clause in it."""
    storage = "" if not isinstance(X, LazyRows) else ", read from the disk" if is_mapped(X.source) else ", sparse"
    if X.dtype == np.float64:
        storage += ", in float64 (float32 would round off their differences)"
    n_raw = X.shape[1] if recipe is None else len(recipe.columns)
    line = f"{options.source}: {len(X)} rows of {n_raw} columns{storage}"
    if columns:
        line += ", with a first line of names"
    if recipe is not None:
        line += f"; {describe_recipe(recipe)}"
    line += about_labels
    if ae_rows is not None:
        line += f"; the autoencoder trains on {len(ae_rows)} rows, of unlabeled images too"
    return line


def _describe_labels(options: FitOptions, label_column: str | None, scored: bool) -> str:
    """Return the clause about the labels. ``label_column`` is their column in the table, or None."""
    if scored:
        column = f" in {options.label_column!r}" if options.label_column else ""
        return f"; the labels{column} are for the scores only"
    return "; the labels are not used" if label_column is None else f"; the column {label_column!r} is left out"
