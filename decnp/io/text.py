"""Read tables and labels from text files: cells between commas, semicolons, tabs, spaces or ``|``."""

from __future__ import annotations

import csv
import difflib
import io
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike
from .cells import as_number, is_bare_integer, is_missing, is_number, is_true_or_false
from .column_errors import Column
from .column_reader import ColumnReader
from .first_line import LABEL_NAMES
from .layout import Layout, OpenQuoteError, find_layout, records
from .streams import check_text, open_seekable
from .text_head import Head, check_line_ends, read_head

__all__ = [
    "AUTO", "Choice", "CsvTable", "all_columns", "open_text", "parse_csv", "read_text_labels", "rows_of_table", "which",
]

Choice = Callable[[Sequence[str], int], "list[int] | None"]
"""Function of the names of the columns, () if they have none, and of their number. Returns the places of the columns
to read, in the order of reading, or None for all. The column of labels is not among them."""

AUTO = "auto"
"""In the place of a column of categories: all columns of at most 255 words, if a word occurs twice on average."""


def all_columns(names: Sequence[str], width: int) -> None:
    """Return None, which chooses all columns; this ``Choice`` ignores ``names`` and ``width``."""


class CsvTable(NamedTuple):
    """Content of a CSV file."""

    X: np.ndarray
    """(n, D) float64, the columns of numbers."""
    labels: np.ndarray | None
    """(n,) cells of the label column, as numbers if all of them are, or None without such a column."""
    names: tuple[str, ...]
    """Names of the columns of X; () without a line of names."""
    notes: list[str]
    """Sentences about what could have been read in another way."""
    words: dict[int, np.ndarray]
    """Columns of categories (n,) by their place among all columns that were read. They hold numbers and NaN if all cells
    are numbers or missing, else strings and None. Those in ``strings`` of ``parse_csv`` hold strings and None."""
    all_names: tuple[str, ...]
    """Names of all columns that were read, also of those of categories; "1", "2", ... without a line of names."""
    left_out: tuple[str, ...]
    """Names of the columns that were not read, likewise."""
    named: bool
    """True if there is a line of names."""
    label_column: str | None
    """Name of the column of labels, or None without such a column."""

    @property
    def columns(self) -> list[np.ndarray]:
        """Return all columns that were read, in order."""
        numbers = iter(self.X.T)
        return [self.words[j] if j in self.words else next(numbers) for j in range(len(self.all_names))]


def parse_csv(
    path: PathLike, file: BinaryIO | None = None, label_column: str | None = None, *, header: bool | None = None,
    choose: Choice = all_columns, asked: Collection[str] = (), known: Sequence[str] = (), for_fit: bool = False,
    words: Collection[str | int] = (), strings: Collection[int] = (), may_miss: bool = False, labels: bool = True,
    decimal: str = ".",
) -> CsvTable:
    """Return the content of a CSV file.

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
    asked : collection of str, default=()
        Columns that the user has named.
    known : sequence of str, default=()
        Names of the columns that a model was trained on.
    for_fit : bool, default=False
        Whether errors may recommend options of ``decnp fit``.
    words : collection of str or int, default=()
        Columns of categories, by name, or by place among those that are read. ``AUTO`` is among them for
        all columns of at most 255 words, if a word occurs twice on average.
    strings : collection of int, default=()
        Columns of categories whose cells stay strings, also where all are numbers, by place among those that are read.
    may_miss : bool, default=False
        Whether cells of columns of numbers may be missing: they are NaN.
    labels : bool, default=True
        False does not look at the labels.
    decimal : {".", ","}, default="."
        "," reads numbers with a decimal comma, too.

    Raises
    ------
    DataError
        If the file is not a table of numbers and of the categories that are asked for.
    """
    with open_text(path, file) as text:
        layout = find_layout(text)
        check_line_ends(path, text, layout)
        head = read_head(path, layout, header, [*asked, label_column or ""], known)
        label_at = _label_index(head.names, label_column, {*asked, *known}, path)
        all_names = head.names or tuple(str(j + 1) for j in range(head.width))
        columns = [j for j in range(head.width) if j != label_at]
        chosen = choose([head.names[j] for j in columns] if head.names else (), len(columns))
        columns = columns if chosen is None else [columns[i] for i in chosen]
        row_numbers = head.row_numbers if 0 in columns else ""
        if row_numbers:
            columns.remove(0)  # so that the error can say what else is wrong
        source = _Source(path, text, layout, head, decimal)
        described = [Column(j + 1, head.names[j] if head.names else None) for j in columns]
        is_word = [all_names[j] in words or i in words for i, j in enumerate(columns)]
        if AUTO in words:
            read = _read_rows(source, columns, [], None)
            found = read.reader.problems(read.X, described)
            is_word = [word or (j in found and found[j].categories) for j, word in enumerate(is_word)]
        in_words = [j for j, word in zip(columns, is_word) if word]
        read = _read_rows(source, [j for j, word in zip(columns, is_word) if not word], in_words,
                          label_at if labels else None)
    n = len(read.X)
    if not n:
        raise DataError(f"{path} has a line of names and no rows")
    if header is None and head.notes and head.names and head.names[0] == str(n):
        raise DataError(f"{path}: the first line begins with {n}, the number of rows below it, so it seems to hold no "
                        "names; delete it, or say --header yes")
    numbers = [column for column, word in zip(described, is_word) if not word]
    read.reader.check(path, read.X, numbers, label_at is not None, for_fit, {head.line: head.hint}, row_numbers, may_miss)
    if read.unlabeled:
        raise _no_label(path, *read.unlabeled)
    return CsvTable(
        read.X, None if read.labels is None else _label_array(read.labels),
        tuple(column.name for column in numbers if column.name is not None),
        head.notes + read.reader.notes(numbers) + _rounded_note([numbers[j] for j in read.rounded]),
        {columns.index(j): _category_array(cells, decimal, columns.index(j) in strings)
         for j, cells in zip(in_words, read.words)},
        tuple(all_names[j] for j in columns), tuple(name for j, name in enumerate(all_names) if j not in columns),
        bool(head.names), None if label_at is None else all_names[label_at])


class _Source(NamedTuple):
    """Open text of a table."""

    path: PathLike
    text: TextIO
    layout: Layout
    head: Head
    decimal: str

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each row."""
        return rows_of_table(self.path, self.text, self.layout, self.head)


def rows_of_table(path: PathLike, text: TextIO, layout: Layout, head: Head) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row in the ``text`` of the file ``path``.

    ``layout`` and ``head`` are those of the table. Raises DataError for a line of another width.
    """
    rows = records(text, layout.delimiter, layout.skip)
    if head.names or layout.marked:
        next(rows)
    for line, cells in rows:
        if len(cells) != head.width:
            plural = "" if len(cells) == 1 else "s"
            raise DataError(f"{path}, line {line} has {len(cells)} column{plural}, the lines before it have {head.width}")
        yield line, cells


class _Read(NamedTuple):
    """All rows of a table."""

    X: np.ndarray
    reader: ColumnReader
    words: list[list[str]]
    labels: list[str] | None
    unlabeled: tuple[int, str] | None
    """Line and cell of the first row without a label, or None."""
    rounded: list[int]
    """Places in X of the columns with whole numbers that float64 rounds."""


def _read_rows(source: _Source, columns: list[int], in_words: list[int], label_at: int | None) -> _Read:
    """Return the numbers in ``columns`` of all rows, the cells of the columns ``in_words``, and the labels."""
    values, n = array("d"), 0
    unlabeled: tuple[int, str] | None = None
    labels: list[str] | None = None if label_at is None else []
    words: list[list[str]] = [[] for _ in in_words]
    same: dict[str, str] = {}  # so that equal words are one object in memory
    reader = ColumnReader(source.layout.delimiter == ",", source.decimal)
    every = columns == list(range(source.head.width))
    unlike_float = "_" if source.decimal == "." else "_."  # 1_000 is no number, and 1.007 may be 1007
    for line, cells in source.rows():
        n += 1
        if labels is not None and label_at is not None:
            labels.append(cells[label_at].strip())
            if unlabeled is None and is_missing(labels[-1]):
                unlabeled = line, labels[-1]
        for column, j in zip(words, in_words):
            cell = cells[j].strip()
            column.append(same.setdefault(cell, cell))
        if not every:
            cells = [cells[j] for j in columns]
        try:
            if any(mark in "".join(cells) for mark in unlike_float):
                raise ValueError
            values.extend(list(map(float, cells)))  # a list: nothing is added if a cell is not a number
        except ValueError:
            values.extend(reader.read(line, cells))
    X = np.frombuffer(values).reshape(n, len(columns)) if len(values) else np.empty((n, len(columns)))
    return _Read(X, reader, words, labels, unlabeled, _rounded(source, X, columns))


def _rounded(source: _Source, X: np.ndarray, columns: Sequence[int]) -> list[int]:
    """Return the places in X (n, D) of those ``columns`` of the file that have whole numbers which float64 rounds."""
    if not X.size:
        return []
    large = np.maximum(np.fmax.reduce(X), -np.fmin.reduce(X)) >= 2**53
    left, found = np.flatnonzero(large).tolist(), []
    for (_, cells), row in zip(source.rows(), X) if left else ():
        for j in left:
            cell = cells[columns[j]]
            # Python compares an int and a float exactly.
            if 2**53 <= abs(row[j]) < np.inf and len(cell) < 400 and is_bare_integer(cell) and int(cell) != float(row[j]):
                found.append(j)
        left = [j for j in left if j not in found]
    return sorted(found)


def _rounded_note(columns: Sequence[Column]) -> list[str]:
    """Return a sentence about the columns with whole numbers that were rounded, if there are any."""
    if not columns:
        return []
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    return [f"whole numbers of more than 15 digits were rounded to float64 in {', '.join(map(str, columns[:10]))}{more}, so "
            f"that different ones may be equal; leave the column{'s' * (len(columns) > 1)} out if "
            f"{'they hold' if len(columns) > 1 else 'it holds'} identifiers"]


def _category_array(words: list[str], decimal: str, strings: bool) -> np.ndarray:
    """Return a column of categories as numbers and NaN if all cells are numbers or missing, else as str and None.

    With ``strings`` it is always str and None.
    """
    cells = [None if is_missing(word) else word for word in words]
    if strings:
        return np.array(cells, object)
    numbers = [None if cell is None or is_true_or_false(cell) else as_number(cell, decimal) for cell in cells]
    if any(cells) and all(cell is None or (x is not None and abs(x) < 1e300) for x, cell in zip(numbers, cells)):
        return np.array([np.nan if x is None else x for x in numbers])
    return np.array(cells, object)


def read_text_labels(path: PathLike, n_samples: int, one_cell: bool) -> np.ndarray:
    """Return the labels in the text file ``path``, one to a line; with ``one_cell`` the whole line is the label.

    The first line is dropped if it is a name: all others are whole numbers and it is not, or it is one line more than
    ``n_samples`` and occurs only once. Blank lines at the end are skipped. Blank lines at the beginning are skipped while
    there are more lines than ``n_samples``. Raises DataError for any other blank line: its label is missing.
    """
    with open_text(path) as text:
        if one_cell:
            rows = [(line, [label] if label.strip() else []) for line, label in enumerate(text, 1)]
        else:
            rows = list(records(text, find_layout(text, is_table=False).delimiter, blank=True))
    while rows and not rows[-1][1]:
        rows.pop()
    while len(rows) > n_samples and not rows[0][1]:
        del rows[0]
    for line, cells in rows:
        if len(cells) > 1:
            raise DataError(f"{path} must hold one label a line; line {line} has {len(cells)}")
    labels = ["".join(cells).strip() for _, cells in rows]
    named = labels[1:] and not _is_whole(labels[0]) and all(map(_is_whole, labels[1:]))
    if named or (len(labels) == n_samples + 1 and labels[0] not in labels[1:]):
        del labels[0], rows[0]
    for (line, _), label in zip(rows, labels):
        if is_missing(label):
            raise _no_label(path, line, label)
    return _label_array(labels)


def _no_label(path: PathLike, line: int, cell: str) -> DataError:
    """Return the error for a ``line`` whose label, ``cell``, is empty or a word for a missing value."""
    return DataError(f"{path}, line {line}: the label is missing" + (f" ({cell!r})" if cell else ""))


@contextmanager
def open_text(path: PathLike, file: BinaryIO | None = None) -> Iterator[TextIO]:
    """Open the file ``path``, or the open ``file``, as text.

    Raises DataError for bytes that are not UTF-8, for JSON, HTML and XML, for lines that are not CSV, and for a quote that
    is not closed.
    """
    options: dict[str, Any] = dict(newline="", encoding="utf-8-sig")
    file = open_seekable(path) if file is None else file
    with io.TextIOWrapper(file, **options) as text:
        check_text(file, path)
        try:
            yield text
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8") from error
        except OpenQuoteError as error:
            raise DataError(f"{path}, {error}") from error
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
                        + (which(label_column, names) if not count else f"its columns are {_listed(names)}"))
    return names.index(label_column)


def which(name: str, names: Sequence[str]) -> str:
    """Return a clause with the name in ``names`` that is most like ``name``, or with all of them."""
    near = difflib.get_close_matches(name, names, 1, 0.7)
    return f"did you mean {near[0]!r}?" if near else f"its columns are {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (", ..." if names[20:] else "")


def _is_whole(cell: str) -> bool:
    return is_number(cell) and float(cell) % 1 == 0


def _label_array(labels: list[str]) -> np.ndarray:
    """Return the labels as floats if all are numbers, else as strings."""
    return np.array(labels, np.float64 if all(map(is_number, labels)) else object)
