"""Read tables and labels from text files: cells between commas, semicolons, tabs or spaces."""

from __future__ import annotations

import csv
import difflib
import io
import shlex
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike
from .streams import open_seekable

__all__ = ["CsvTable", "parse_csv", "read_csv", "read_text_labels"]

LABEL_NAMES = ("label", "labels")


class CsvTable(NamedTuple):
    """Content of a CSV file."""

    X: np.ndarray
    """(n, D) float64."""
    labels: list[str] | None
    """(n,) cells of the label column as they are, or None without such a column."""
    names: tuple[str, ...]
    """Names of the columns of X; () without a line of names."""


def read_csv(
    path: PathLike, label_column: str | None = None, file: BinaryIO | None = None,
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Return X (n, D) float64, the labels (n,) or None, and the names of the columns of X as in ``CsvTable``."""
    X, labels, names = parse_csv(path, file, label_column)
    return X, None if labels is None else _label_array(labels, path), names


def parse_csv(path: PathLike, file: BinaryIO | None = None, label_column: str | None = None) -> CsvTable:
    """Return the content of a CSV file, with the labels as strings.

    If ``file`` is given, its bytes are read, and ``path`` is only a name for messages. Raises DataError.
    """
    values, labels = array("d"), []
    names: tuple[str, ...] = ()
    width: int | None = None
    label_at: int | None = None
    with _open_text(path, file) as text:
        for line, cells in _split(text):
            if width is None:
                width = len(cells)
                if _are_names(cells, path):
                    names = tuple(cell.strip() for cell in cells)
                    label_at = _label_index(names, label_column, path)
                    continue
                if label_column is not None:
                    raise DataError(f"{path} has no first line of names, so it has no column {label_column!r}")
            if len(cells) != width:
                raise DataError(f"{path}, line {line} has {len(cells)} columns, the lines before it have {width}")
            if label_at is not None:
                labels.append(cells[label_at].strip())
                cells[label_at] = "0"  # a placeholder, so that messages count columns as in the file; deleted below
            try:
                if "_" in "".join(cells):  # float() would read 1_000 as a number
                    raise ValueError
                values.extend(map(float, cells))
            except ValueError:
                labels_likely = names and len(values) < width and label_at is None  # words in the first row
                raise _bad_cell(path, line, cells, names if labels_likely else ()) from None
    if width is None or not values:
        raise DataError(f"{path} has {'a line of names and ' if names else ''}no rows")
    X = np.frombuffer(values).reshape(-1, width)  # (n, D), or (n, D + 1) with the placeholders
    if label_at is None:
        return CsvTable(X, None, names)
    return CsvTable(np.delete(X, label_at, axis=1), labels, names[:label_at] + names[label_at + 1 :])


def read_text_labels(path: PathLike, n_samples: int, one_cell: bool) -> np.ndarray:
    """Return the labels in a text file, one to a line; with ``one_cell`` the whole line is the label.

    The first line is dropped if it is a name: it is no whole number and all others are, or it is one line more than
    ``n_samples`` and occurs only once.
    """
    with _open_text(path) as text:
        if one_cell:
            rows = [(line, [label.strip()]) for line, label in enumerate(text, 1) if label.strip()]
        else:
            rows = list(_split(text, spaces=False))
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


def _split(text: TextIO, spaces: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not blank.

    The delimiter is looked for in the second of these lines, then in the first.
    """
    sample = [line for line in (text.readline() for _ in range(9)) if line.strip()][:2]
    delimiter = next((d for line in sample[::-1] for d in ";\t," if d in line), None)
    text.seek(0)
    if delimiter is None and spaces:
        rows: Iterator[tuple[int, list[str]]] = enumerate(map(str.split, text), 1)
    else:
        reader = csv.reader(text, delimiter=delimiter or ",")
        rows = ((reader.line_num, cells) for cells in reader)
    for line, cells in rows:
        if len(cells) > 1 or "".join(cells).strip():
            yield line, cells


def _are_names(cells: list[str], path: PathLike) -> bool:
    """Return whether the cells of a first line are the names of columns; raise DataError for pandas' row numbers."""
    counted = [str(j) for j in range(len(cells))]
    if len(cells) > 1 and not cells[0].strip() and (cells[1:] == counted[:-1] or not any(map(_is_number, cells))):
        raise DataError(f"{path}: the first column has no name, so it seems to hold the row numbers that pandas adds; "
                        "leave them out with to_csv(..., index=False)")
    return not any(map(_is_number, cells)) or (len(cells) > 1 and cells == counted)


def _label_index(names: tuple[str, ...], label_column: str | None, path: PathLike) -> int | None:
    """Return the index of the column ``label_column``; without one, of a column called label or labels, or None."""
    if label_column is None:
        return next((j for j, name in enumerate(names) if name.lower() in LABEL_NAMES), None)
    count = names.count(label_column)
    if count != 1:
        near = difflib.get_close_matches(label_column, names, 1, 0.7)
        listed = ", ".join(map(repr, names[:20])) + (", ..." if names[20:] else "")
        raise DataError(f"{path} has {f'{count} columns' if count else 'no column'} called {label_column!r}; "
                        + (f"did you mean {near[0]!r}?" if near and not count else f"its columns are {listed}"))
    return names.index(label_column)


def _bad_cell(path: PathLike, line: int, cells: list[str], names: Sequence[str]) -> DataError:
    """Return the error for the first cell that is not a number; ``names`` if its column may hold the labels."""
    j = next(j for j, cell in enumerate(cells) if not _is_number(cell))
    cell = cells[j].strip()
    what = f"{cell[:30]!r}{'...' if cell[30:] else ''} is not a number" if cell else "the cell is empty"
    hint = f"; if {names[j]!r} holds the labels, say --label-column {shlex.quote(names[j])}" if names and cell else ""
    return DataError(f"{path}, line {line}, column {j + 1}: {what}{hint}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_whole(cell: str) -> bool:
    return _is_number(cell) and float(cell) % 1 == 0


def _label_array(labels: list[str], path: PathLike) -> np.ndarray:
    """Return the labels as floats if all are numbers, else as strings; raise DataError if one is missing."""
    if "" in labels:
        raise DataError(f"{path}: the label of row {labels.index('') + 1} (counted from 1) is missing")
    return np.array(labels, np.float64 if all(map(_is_number, labels)) else object)
