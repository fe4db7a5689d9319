"""Read text tables with missing numbers and categories, for a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..exceptions import DataError
from ..utils.validation import match_columns
from .atomic import PathLike
from .column_choice import ColumnChoice
from .prepared_rows import PreparedRows
from .recipe import Recipe
from .streams import begins_as_npy, is_stream, name_of, open_seekable
from .tables import TABLE_SUFFIXES, as_finite, check_suffix, labels_of
from .text import parse_csv

__all__ = ["RawTable", "prepared", "read_raw_table"]


OPTIONS = "--standardize, --missing, --categories and --decimal"


class RawTable(NamedTuple):
    """Columns of a text table."""

    path: str
    """Name of the file, for messages."""
    columns: list[np.ndarray]
    """Each (n,). Numbers in float64, NaN where a cell is missing; words as str, or None."""
    names: tuple[str, ...]
    """Names of the columns; "1", "2", ... if they have none."""
    named: bool
    words: frozenset[int]
    """Places of the columns of categories, whose values may be numbers."""
    y: np.ndarray | None
    """(n,) the labels in the same file, or None."""
    notes: list[str]
    """Sentences about what could have been read in another way."""
    left_out: tuple[str, ...]
    """Names of the columns that were not read."""
    label_column: str | None = None
    """Name of the column of labels, or None without such a column."""


def read_raw_table(
    path: PathLike, label_column: str | None = None, *, header: bool | None = None, choice: ColumnChoice,
    may_miss: bool = False, decimal: str = ".",
) -> RawTable:
    """Return the columns of a text table.

    Parameters
    ----------
    path : path-like
        A ``.csv``, ``.tsv`` or ``.txt``, with or without ``.gz``, or "-" for standard input.
    label_column : str, default=None
        Column of the labels. None takes one called label or labels, if there is one.
    header : bool, default=None
        Whether the first line holds the names of the columns. None decides as ``read_table`` does.
    choice : ColumnChoice
        Columns to read, and those of categories.
    may_miss : bool, default=False
        Whether numbers may be missing.
    decimal : {".", ","}, default="."
        "," reads numbers with a decimal comma, too.

    Raises
    ------
    DataError
        If the file is not a text table, or has columns that cannot be used.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    name = name_of(path)
    if check_suffix(path, *TABLE_SUFFIXES) != ".csv":
        raise DataError(f"{OPTIONS} are for a .csv file; got {name}")
    with open_seekable(path) as file:
        if is_stream(path) and begins_as_npy(file):
            raise DataError(f"{OPTIONS} are for a .csv file; {name} is an .npy")
        csv = parse_csv(name, file, label_column, header=header, choose=choice, asked=choice.asked, for_fit=True,
                        words=choice.words, may_miss=may_miss, decimal=decimal)
    for column_name, column in zip(csv.all_names, csv.columns):
        if column.dtype.kind == "f" and np.isinf(column).any():
            row = int(np.isinf(column).argmax())
            raise DataError(f"{name} has infinite values: the first ({column[row]}) in row {row + 1} (counted from 1) of "
                            f"the column {column_name!r}")
    y = labels_of(csv, name, label_column)
    return RawTable(name, csv.columns, csv.all_names, csv.named, frozenset(csv.words), y, csv.notes, csv.left_out,
                    csv.label_column)


def prepared(table: RawTable, recipe: Recipe) -> np.ndarray:
    """Return the rows (n, D) that ``recipe`` makes of ``table``, in float64.

    Raises DataError if the table lacks a column of the recipe, or if a number is not finite.
    """
    try:
        places = match_columns(recipe.columns, table.names, "the table", ignore_extra=True) or []
        rows = PreparedRows(recipe, [table.columns[j] for j in places])
        X = rows[:]
    except ValueError as error:
        raise DataError(f"{table.path}: {error}") from None
    return as_finite(X, rows.dtype, table.path)
