"""Read tables and labels from text files: cells between commas, semicolons, tabs or spaces."""

from __future__ import annotations

import csv
import difflib
import io
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike
from .cells import Column, ColumnReader, is_number
from .first_line import LABEL_NAMES
from .layout import find_layout, records
from .streams import open_seekable
from .text_head import read_head

__all__ = ["Choice", "CsvTable", "all_columns", "parse_csv", "read_csv", "read_text_labels"]

Choice = Callable[[Sequence[str], int], "list[int] | None"]
"""Function of the names of the columns, () if they have none, and of their number. Returns the places of the columns
to read, in the order of reading, or None for all. The column of labels is not among them."""


def all_columns(names: Sequence[str], width: int) -> None:
    """Return None, which chooses all columns; this ``Choice`` ignores ``names`` and ``width``."""


class CsvTable(NamedTuple):
    """Content of a CSV file."""

    X: np.ndarray
    """(n, D) float64."""
    labels: list[str] | None
    """(n,) cells of the label column as they are, or None without such a column."""
    names: tuple[str, ...]
    """Names of the columns of X; () without a line of names."""
    notes: list[str]
    """Sentences about what could have been read in another way."""


def read_csv(
    path: PathLike, label_column: str | None = None, file: BinaryIO | None = None, *, header: bool | None = None,
    drop: Sequence[str] = (),
) -> tuple[CsvTable, np.ndarray | None]:
    """Return the content of a CSV file without the columns ``drop``, and the labels (n,) or None.

    See ``parse_csv`` for path, label_column, file and header. Raises DataError.
    """
    table = parse_csv(path, file, label_column, header=header, choose=partial(_all_but, path, drop),
                      asked=drop, for_fit=True)
    return table, None if table.labels is None else _label_array(table.labels, path)


def parse_csv(
    path: PathLike, file: BinaryIO | None = None, label_column: str | None = None, *, header: bool | None = None,
    choose: Choice = all_columns, asked: Sequence[str] = (), known: Sequence[str] = (),
    for_fit: bool = False,
) -> CsvTable:
    """Return the content of a CSV file, with the labels as strings.

    Parameters
    ----------
    path : path-like
        The file.
    file : binary file, default=None
        If it is given, its bytes are read, and ``path`` is only a name for messages.
    label_column : str, default=None
        Name of the column of labels. None takes one called label or labels, if there is one.
    header : bool, default=None
        Whether the first line holds the names of the columns. None decides from the lines below it.
    choose : callable, default=all_columns
        Function that chooses the columns to read, see ``Choice``. The others may hold anything.
    asked : sequence of str, default=()
        Columns that the user has named.
    known : sequence of str, default=()
        Names of the columns that a model was trained on.
    for_fit : bool, default=False
        Whether errors may recommend options of ``decnp fit``.

    Raises
    ------
    DataError
        If the file is not a table of numbers.
    """
    with _open_text(path, file) as text:
        layout = find_layout(text)
        head = read_head(path, layout, header, [*asked, label_column or ""], known)
        label_at = _label_index(head.names, label_column, {*asked, *known}, path)
        columns = [j for j in range(head.width) if j != label_at]
        chosen = choose([head.names[j] for j in columns] if head.names else (), len(columns))
        columns = columns if chosen is None else [columns[i] for i in chosen]
        numbered = head.row_numbers if 0 in columns else ""
        if numbered:
            columns.remove(0)  # so that the error can say what else is wrong
        rows = records(text, layout.delimiter, layout.skip)
        if head.names or layout.marked:
            next(rows)
        cells = ColumnReader(comma_separates=layout.delimiter == ",")
        values, labels, n = _read_rows(path, rows, head.width, columns, label_at, cells)
    if not n:
        raise DataError(f"{path} has a line of names and no rows")
    if header is None and head.notes and head.names and head.names[0] == str(n):
        raise DataError(f"{path}: the first line begins with {n}, the number of rows below it, so it seems to hold no "
                        "names; delete it, or say --header yes")
    X = np.frombuffer(values).reshape(n, len(columns))
    names = tuple(head.names[j] for j in columns) if head.names else ()
    described = [Column(j + 1, head.names[j] if head.names else None) for j in columns]
    cells.check(path, X, described, label_at is not None, for_fit, {head.line: head.hint}, numbered)
    return CsvTable(X, labels, names, head.notes + cells.notes(described))


def _read_rows(
    path: PathLike, rows: Iterator[tuple[int, list[str]]], width: int, columns: list[int], label_at: int | None,
    reader: ColumnReader,
) -> tuple[array[float], list[str] | None, int]:
    """Return the numbers in ``columns`` of all rows, the labels, and the number of rows."""
    values, n = array("d"), 0
    labels: list[str] | None = None if label_at is None else []
    every = columns == list(range(width))
    for line, cells in rows:
        if len(cells) != width:
            plural = "" if len(cells) == 1 else "s"
            raise DataError(f"{path}, line {line} has {len(cells)} column{plural}, the lines before it have {width}")
        n += 1
        if labels is not None and label_at is not None:
            labels.append(cells[label_at].strip())
        if not every:
            cells = [cells[j] for j in columns]
        try:
            if "_" in "".join(cells):  # float() would read 1_000 as a number
                raise ValueError
            values.extend(list(map(float, cells)))  # a list: nothing is added if a cell is not a number
        except ValueError:
            values.extend(reader.read(line, cells))
    return values, labels, n


def _all_but(path: PathLike, drop: Sequence[str], names: Sequence[str], width: int) -> list[int]:
    """Return the places of all columns but those of ``drop``; without names these are numbers, counted from 1."""
    names = names or [str(j + 1) for j in range(width)]
    for name in drop:
        if name not in names:
            raise DataError(f"{path} has no column called {name!r} to drop; {_which(name, names)}")
    return [j for j, name in enumerate(names) if name not in drop]


def read_text_labels(path: PathLike, n_samples: int, one_cell: bool) -> np.ndarray:
    """Return the labels in the text file ``path``, one to a line; with ``one_cell`` the whole line is the label.

    The first line is dropped if it is a name: all others are whole numbers and it is not, or it is one line more than
    ``n_samples`` and occurs only once.
    """
    with _open_text(path) as text:
        if one_cell:
            rows = [(line, [label.strip()]) for line, label in enumerate(text, 1) if label.strip()]
        else:
            rows = list(records(text, find_layout(text, spaces=False).delimiter))
    for line, cells in rows:
        if len(cells) != 1 or not cells[0].strip():
            raise DataError(f"{path} must hold one label a line; line {line} has {len(cells) if cells[1:] else 'none'}")
    labels = [cells[0].strip() for _, cells in rows]
    named = labels[1:] and not _is_whole(labels[0]) and all(map(_is_whole, labels[1:]))
    if named or (len(labels) == n_samples + 1 and labels[0] not in labels[1:]):
        del labels[0]
    return _label_array(labels, path)


@contextmanager
def _open_text(path: PathLike, file: BinaryIO | None = None) -> Iterator[TextIO]:
    """Open a file as text; raise DataError for bytes that are not UTF-8, and for lines that are not CSV."""
    options: dict[str, Any] = dict(newline="", encoding="utf-8-sig")
    with io.TextIOWrapper(open_seekable(path) if file is None else file, **options) as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8") from error
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as CSV: {error}") from error


def _label_index(
    names: Sequence[str], label_column: str | None, others: Collection[str], path: PathLike,
) -> int | None:
    """Return the index of the column ``label_column``; without one, of a column called label or labels, or None.

    Columns in ``others`` are not labels unless ``label_column`` names them.
    """
    if label_column is None:
        return next((j for j, name in enumerate(names) if name.lower() in LABEL_NAMES and name not in others), None)
    if not names:
        raise DataError(f"{path} has no first line of names, so it has no column {label_column!r}")
    count = names.count(label_column)
    if count != 1:
        raise DataError(f"{path} has {f'{count} columns' if count else 'no column'} called {label_column!r}; "
                        + (_which(label_column, names) if not count else f"its columns are {_listed(names)}"))
    return names.index(label_column)


def _which(name: str, names: Sequence[str]) -> str:
    """Return a clause with the name that is most like ``name``, or with all names."""
    near = difflib.get_close_matches(name, names, 1, 0.7)
    return f"did you mean {near[0]!r}?" if near else f"its columns are {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (", ..." if names[20:] else "")


def _is_whole(cell: str) -> bool:
    return is_number(cell) and float(cell) % 1 == 0


def _label_array(labels: list[str], path: PathLike) -> np.ndarray:
    """Return the labels as floats if all are numbers, else as strings; raise DataError if one is missing."""
    if "" in labels:
        raise DataError(f"{path}: the label of row {labels.index('') + 1} (counted from 1) is missing")
    return np.array(labels, np.float64 if all(map(is_number, labels)) else object)
