"""Read the cells of a text table as numbers, and say what is wrong with the columns that are none."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike

__all__ = [
    "Column", "ColumnReader", "is_bare_integer", "is_missing", "is_number", "is_true_or_false", "looks_like_number",
]

MISSING = frozenset(["", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "."])
"""Words for a missing value, in lower case."""

UNNAMED = "Unnamed: 0"
"""Name of a first column without a name, as in pandas."""

TRUE_FALSE = {"true": 1.0, "false": 0.0}
MAX_DIFFERENT = 1000  # cells in a column of labels
MAX_LISTED = 30  # columns in one error

DATE = re.compile(
    r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2}))([ T]\d.*)?"
    r"|\d{4}-(0[1-9]|1[0-2])|\d{4}[- ]?Q[1-4]|\d{1,2}:\d{2}(:\d{2}.*)?"
    r"|(\d{1,2}[ -])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -]\d{1,4}([, -]+\d{4}.*)?", re.I)
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.I)
PERCENT = re.compile(r"[+-]?\d+([.,]\d+)?\s*%")

KINDS = {
    # kind: (what the column holds, how to mend it)
    "word": ("words", ""),
    "yes or no": ("yes and no", "write yes and no as 1 and 0"),
    "true or false": ("true and false beside numbers", "write true and false as 1 and 0"),
    "date": ("dates or times", "dates have to be written as numbers"),
    "decimal comma": ("numbers with a decimal comma", "write decimal points for decimal commas"),
    "thousands": ("numbers with thousands separators", "write numbers without thousands separators"),
    "percent": ("percentages", "write percentages without %"),
}


def is_number(cell: str) -> bool:
    """Return whether a cell is a number as Python reads it, without underscores."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def is_bare_integer(cell: str) -> bool:
    """Return whether a cell holds digits alone, with or without a sign."""
    return cell.strip().lstrip("+-").isdecimal()


def is_missing(cell: str) -> bool:
    """Return whether a cell is empty or a word for a missing value."""
    return cell.strip().lower() in MISSING


def is_true_or_false(cell: str) -> bool:
    """Return whether a cell is true or false, in any case."""
    return cell.strip().lower() in TRUE_FALSE


def looks_like_number(cell: str) -> bool:
    """Return whether a cell is a number, also with a decimal comma."""
    return is_number(cell) or DECIMAL_COMMA.fullmatch(cell.strip()) is not None


def _kind_of(cell: str, comma_separates: bool) -> str:
    """Return "missing" or the key of ``KINDS`` for a cell that is not a number."""
    cell = cell.strip()
    if cell.lower() in MISSING:
        return "missing"
    if cell.lower() in ("yes", "no"):
        return "yes or no"
    for kind, pattern in (("date", DATE), ("percent", PERCENT)):
        if pattern.fullmatch(cell):
            return kind
    if comma_separates and THOUSANDS.fullmatch(cell):
        return "thousands"
    return "decimal comma" if DECIMAL_COMMA.fullmatch(cell) else "word"


class _Seen(NamedTuple):
    """Cells of one kind in a column."""

    n: int
    """Number of these cells."""
    line: int
    """Line of the first of them."""
    cell: str
    """The first of them."""
    different: set[str]
    """The different ones, ``MAX_DIFFERENT`` at most."""


class ColumnReader:
    """Reader of the rows that hold more than numbers.

    Cells "true" and "false", in any case, are 1 and 0. Other cells that are not numbers are counted, for the error.

    Parameters
    ----------
    comma_separates : bool
        Whether the cells are separated by commas.
    """

    def __init__(self, comma_separates: bool) -> None:
        self._comma_separates = comma_separates
        self._seen: dict[int, dict[str, _Seen]] = {}

    def read(self, line: int, cells: list[str]) -> list[float]:
        """Return the cells of a line as numbers; NaN for those that are not. ``line`` is its number."""
        row = []
        for j, cell in enumerate(cells):
            if is_number(cell):
                row.append(float(cell))
                continue
            word = cell.strip().lower()
            kind = "true or false" if word in TRUE_FALSE else _kind_of(cell, self._comma_separates)
            column = self._seen.setdefault(j, {})
            before = column.get(kind, _Seen(0, line, cell.strip(), set()))
            column[kind] = before._replace(n=before.n + 1)
            if len(before.different) < MAX_DIFFERENT:
                before.different.add(word)
            row.append(TRUE_FALSE.get(word, np.nan))
        return row

    def notes(self, columns: Sequence[Column]) -> list[str]:
        """Return a sentence about the columns that hold true and false; ``columns`` are all that are read."""
        found = [str(columns[j]) for j in sorted(self._seen)]
        more = f" and {len(found) - 10} more" if len(found) > 10 else ""
        return [f"true and false were read as 1 and 0 in {', '.join(found[:10])}{more}"] if found else []

    def check(
        self, path: PathLike, X: np.ndarray, columns: Sequence[Column], labels_known: bool, for_fit: bool,
        hints: Mapping[int, str], row_numbers: str = "",
    ) -> None:
        """Raise DataError if a column of X (n, D) does not hold numbers alone, or true and false alone.

        Parameters
        ----------
        path : path-like
            The file, for the message.
        X : array of shape (n, D)
            All rows that were read.
        columns : sequence of Column
            The columns of X.
        labels_known : bool
            Whether there is a column of labels.
        for_fit : bool
            Whether options of ``decnp fit`` may be recommended.
        hints : dict of int to str
            Clauses for errors in certain lines.
        row_numbers : str, default=""
            Sentence about the first column of the file if X leaves it out because it has no name.
        """
        bad = {}
        for j, kinds in sorted(self._seen.items()):
            n_nan = int(np.isnan(X[:, j]).sum())
            if "true or false" in kinds and kinds["true or false"].n + n_nan == len(X):
                kinds = {kind: seen for kind, seen in kinds.items() if kind != "true or false"}
            if kinds:
                bad[j] = _Problem(columns[j], kinds, len(X), n_nan)
        hint = next((hints[p.seen.line] for p in bad.values() if p.seen.line in hints and p.kind != "missing"), "")
        if row_numbers and not bad:
            raise DataError(f"{path}: {row_numbers}" + f", or with --drop {UNNAMED!r}" * for_fit)
        if len(bad) == 1 and not row_numbers:
            problem, = bad.values()
            raise DataError(f"{path}, {problem.sentence(labels_known, for_fit)}{hint}")
        if bad:
            n = len(bad) + bool(row_numbers)
            raise DataError(f"{path} has {n} columns that cannot be used as they are: "
                            f"{_several(list(bad.values()), len(columns), labels_known, for_fit, bool(row_numbers))}{hint}")


class Column(NamedTuple):
    """Column of a text file, for messages."""

    position: int
    """Place in the file, counted from 1."""
    name: str | None

    @property
    def option(self) -> str:
        """Return the word that names the column in an option of the command."""
        return shlex.quote(self.name) if self.name is not None else str(self.position)

    def __str__(self) -> str:
        return f"column {self.position}" + ("" if self.name is None else f" ({self.name!r})")


class _Problem:
    """Column that cannot be used."""

    def __init__(self, column: Column, kinds: dict[str, _Seen], n: int, n_nan: int) -> None:
        others = {kind: seen for kind, seen in kinds.items() if kind != "missing"}
        n_others = sum(seen.n for kind, seen in others.items() if kind != "true or false")
        self.column, self.n = column, n
        self.n_missing = n_nan - n_others  # "nan" is a number for Python
        self.kind = max(others, key=lambda kind: others[kind].n) if others else "missing"
        self.seen = kinds[self.kind]
        self.empty = self.kind == "missing" and self.n_missing == n
        self.most = self.kind != "missing" and 2 * self.seen.n > n - self.n_missing
        self.useless = self.empty or self.kind == "date" or (self.kind == "word" and self.most)
        n_different = len(self.seen.different)
        self.label_like = (column.name is not None and self.kind in ("word", "yes or no") and self.most
                           and not self.n_missing and n_different < MAX_DIFFERENT and (2 * n_different <= n or n < 4))

    def sentence(self, labels_known: bool, for_fit: bool) -> str:
        """Return place, cell, and the remedy."""
        cell = self.seen.cell
        if self.kind != "missing":
            what = f"{_short(cell)} is not a number"
        elif self.empty and self.n > 1:
            what = "every cell is empty, so the lines end with a separator" if not cell else f"every cell is {cell!r}"
        else:
            what = f"{cell!r} is a missing value" if cell else "the cell is empty"
        place = f"{self.column}: " if self.empty and self.n > 1 else f"line {self.seen.line}, {self.column}: "
        mends = []
        if self.n_missing > 1 and not self.empty:
            mends.append(f"{self.n_missing} values are missing in the column: fill them in, or delete their rows")
        if KINDS.get(self.kind, ("", ""))[1]:
            mends.insert(0, KINDS[self.kind][1])
        if self.label_like and not labels_known:
            mends.append(f"if {self.column.name!r} holds the labels, say --label-column {self.column.option}")
        if for_fit and (self.most or (self.empty and self.n > 1)):
            mends.append(f"--drop {self.column.option} leaves the column out")
        return f"{place}{what}" + "".join(f"; {mend}" for mend in mends)

    def clause(self) -> str:
        """Return name, content and a cell."""
        name = repr(self.column.name) if self.column.name is not None else str(self.column)
        cell = f"({_short(self.seen.cell)} in line {self.seen.line})"
        first = f"the first{f' ({self.seen.cell!r})' if self.seen.cell else ''} in line {self.seen.line}"
        missing = f"{self.n_missing} missing value{'s' * (self.n_missing > 1)}"
        if self.empty:
            return f"{name} is empty"
        if self.kind == "missing":
            where = f", {first}" if self.n_missing > 1 else f" in line {self.seen.line}"
            return f"{name} has {missing}{where}"
        both = f" and {missing}" if self.n_missing else ""
        if self.kind == "word" and not self.most:
            cells = "a cell that is not a number" if self.seen.n == 1 else f"{self.seen.n} cells that are not numbers"
            return f"{name} has {cells} {cell}{both}"
        return f"{name} holds {KINDS[self.kind][0]} {cell}{both}"


def _several(problems: list[_Problem], n_columns: int, labels_known: bool, for_fit: bool, row_numbers: bool) -> str:
    """Return what several of ``n_columns`` columns hold, and the remedies.

    ``row_numbers`` says whether there is a first column without a name beside them.
    """
    clauses = ["the first has no name and seems to hold row numbers"] * row_numbers
    clauses += [problem.clause() for problem in problems[:MAX_LISTED]]
    clauses += [f"and {len(problems) - MAX_LISTED} more"] * (len(problems) > MAX_LISTED)
    what = "; ".join(clauses)
    mends = []
    useless = [problem for problem in problems if problem.useless]
    if len(useless) == n_columns:
        return f"{what}; no column is left to cluster"
    to_drop = [shlex.quote(UNNAMED)] * row_numbers + [problem.column.option for problem in useless[:MAX_LISTED]]
    if for_fit and to_drop:
        options = " ".join(f"--drop {name}" for name in to_drop)
        mends.append(f"{options} {'leaves it' if len(to_drop) == 1 else 'leave them'} out")
    labels = [problem.column.option for problem in problems if problem.label_like]
    if labels and not labels_known:
        mends.append(f"--label-column {labels[0]} takes it as the labels" if len(labels) == 1 else
                     "--label-column NAME takes a column as the labels")
    mends += dict.fromkeys(KINDS[p.kind][1] for p in problems if p.kind in KINDS and p.kind != "date" and KINDS[p.kind][1])
    if any(problem.n_missing and problem not in useless for problem in problems):
        mends.append("fill missing values in, or delete their rows")
    return f"{what}. Remedies: {'; '.join(mends)}" if mends else what


def _short(cell: str) -> str:
    return f"{cell[:30]!r}{'...' if cell[30:] else ''}"
