"""Tables and labels in text files: numbers and names between commas, semicolons, tabs or spaces."""

from __future__ import annotations

import csv
import difflib
import io
import shlex
from array import array
from contextlib import contextmanager
from typing import Any, Iterator, Optional

import numpy as np

from ..exceptions import DataError

__all__ = ["read_csv", "read_csv_words", "read_text_labels"]

LABEL_COLUMNS = ("label", "labels")


def read_csv(path, label_column=None):
    """X (n, D) float64, the labels (n,) or None, and the names of X's columns, () without a line of names."""
    X, labels, names = read_csv_words(path, label_column=label_column)
    return X, None if labels is None else _from_text(labels, path), names


def read_csv_words(path, file=None, label_column=None):
    """As ``read_csv``, but the labels are a list of what stands there, if anything.

    ``file``, if given, is read (as bytes) instead of the one at ``path``, which is then a name for messages.
    """
    values, labels, names = array("d"), [], ()
    width: Optional[int] = None
    label_at: Optional[int] = None
    with _text(path, file) as file:
        for line, cells in _cells(file):
            if width is None:
                width = len(cells)
                if _are_names(cells, path):
                    names = tuple(cell.strip() for cell in cells)
                    label_at = _label_place(names, label_column, path)
                    continue
                if label_column is not None:
                    raise DataError(f"{path} has no first line of names, so it has no column {label_column!r}")
            if len(cells) != width:
                raise DataError(f"{path}, line {line} has {len(cells)} columns, the lines before it have {width}")
            if label_at is not None:
                labels.append(cells[label_at].strip())
                cells[label_at] = "0"  # keeps its place in a message; taken out below
            try:
                if "_" in "".join(cells):  # float() would read 1_000 as a number
                    raise ValueError
                values.extend(map(float, cells))
            except ValueError:
                text = names and len(values) < width and label_at is None  # in the first row: words, it seems
                raise _bad_cell(path, line, cells, names if text else ()) from None
    if width is None or not values:
        raise DataError(f"{path} has {'a line of names and ' if names else ''}no rows")
    X = np.frombuffer(values).reshape(-1, width)  # (n, D), or (n, D + 1) with the labels' place
    if label_at is None:
        return X, None, names
    return np.delete(X, label_at, axis=1), labels, names[:label_at] + names[label_at + 1 :]


def read_text_labels(path, n_samples, one_cell):
    """The labels (n_samples,), one to a line; ``one_cell`` takes the whole line as the label."""
    with _text(path) as file:
        if one_cell:
            rows = [(line, [text.strip()]) for line, text in enumerate(file, 1) if text.strip()]
        else:
            rows = list(_cells(file, spaces=False))
    for line, cells in rows:
        if len(cells) != 1 or not cells[0].strip():
            raise DataError(f"{path} must hold one label a line; line {line} has {len(cells) if cells[1:] else 'none'}")
    labels = [cells[0].strip() for _, cells in rows]
    named = labels[1:] and not _is_whole(labels[0]) and all(map(_is_whole, labels[1:]))
    if named or (len(labels) == n_samples + 1 and labels[0] not in labels[1:]):
        del labels[0]
    return _from_text(labels, path)


@contextmanager
def _text(path, file=None):
    """The file opened as text; what text should not have becomes a DataError."""
    how: dict[str, Any] = dict(newline="", encoding="utf-8-sig")
    with open(path, **how) if file is None else io.TextIOWrapper(file, **how) as file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8") from error
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as CSV: {error}") from error


def _cells(file, spaces=True):
    """Yields line number and cells of each line that is not blank. The second one, or the first, has the delimiter."""
    sample = [line for line in (file.readline() for _ in range(9)) if line.strip()][:2]
    delimiter = next((d for line in sample[::-1] for d in ";\t," if d in line), None)
    file.seek(0)
    if delimiter is None and spaces:
        rows: Iterator[tuple[int, list[str]]] = enumerate(map(str.split, file), 1)
    else:
        reader = csv.reader(file, delimiter=delimiter or ",")
        rows = ((reader.line_num, cells) for cells in reader)
    for line, cells in rows:
        if len(cells) > 1 or "".join(cells).strip():
            yield line, cells


def _are_names(cells, path):
    """Whether the cells of a first line are the names of columns."""
    counted = [str(j) for j in range(len(cells))]
    if len(cells) > 1 and not cells[0].strip() and (cells[1:] == counted[:-1] or not any(map(_is_number, cells))):
        raise DataError(f"{path}: the first column has no name, so it seems to hold the row numbers that pandas adds; "
                        "leave them out with to_csv(..., index=False)")
    return not any(map(_is_number, cells)) or (len(cells) > 1 and cells == counted)


def _label_place(names, label_column, path):
    """Where the labels are: in the column of that name; without one, in one called label or labels, or nowhere."""
    if label_column is None:
        return next((j for j, name in enumerate(names) if name.lower() in LABEL_COLUMNS), None)
    count = names.count(label_column)
    if count != 1:
        near = difflib.get_close_matches(label_column, names, 1, 0.7)
        listed = ", ".join(map(repr, names[:20])) + (", ..." if names[20:] else "")
        raise DataError(f"{path} has {f'{count} columns' if count else 'no column'} called {label_column!r}; "
                        + (f"did you mean {near[0]!r}?" if near and not count else f"its columns are {listed}"))
    return names.index(label_column)


def _bad_cell(path, line, cells, names):
    j = next(j for j, cell in enumerate(cells) if not _is_number(cell))
    cell = cells[j].strip()
    what = f"{cell[:30]!r}{'...' if cell[30:] else ''} is not a number" if cell else "the cell is empty"
    hint = f"; if {names[j]!r} holds the labels, say --label-column {shlex.quote(names[j])}" if names and cell else ""
    return DataError(f"{path}, line {line}, column {j + 1}: {what}{hint}")


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_whole(cell):
    return _is_number(cell) and float(cell) % 1 == 0


def _from_text(labels, path):
    """Labels as an array of numbers if they all are, else of strings; none may be missing."""
    if "" in labels:
        raise DataError(f"{path}: the label of row {labels.index('') + 1} (counted from 1) is missing")
    return np.array(labels, np.float64 if all(map(_is_number, labels)) else object)
