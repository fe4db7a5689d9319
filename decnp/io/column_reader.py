"""Read the cells of a text table as numbers, and find the columns that hold anything else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike
from .cells import DECIMAL_COMMA, MISSING, POINT_THOUSANDS, TRUE_FALSE, as_number
from .column_errors import MAX_DIFFERENT, UNNAMED, Column, Problem, Seen, several

__all__ = ["ColumnReader"]

DATE = re.compile(
    r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2}))([ T]\d.*)?"
    r"|\d{4}-(0[1-9]|1[0-2])|\d{4}[- ]?Q[1-4]|\d{1,2}:\d{2}(:\d{2}.*)?"
    r"|(\d{1,2}[ -])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -]\d{1,4}([, -]+\d{4}.*)?", re.I)
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
PERCENT = re.compile(r"[+-]?\d+([.,]\d+)?\s*%")


def _kind_of(cell: str, comma_separates: bool) -> str:
    """Return "missing" or the key of ``column_errors.KINDS`` for a cell that is not a number."""
    cell = cell.strip()
    if cell.lower() in MISSING:
        return "missing"
    if cell.lower() in ("yes", "no"):
        return "yes or no"
    for kind, pattern in (("date", DATE), ("percent", PERCENT), ("point", POINT_THOUSANDS)):
        if pattern.fullmatch(cell):
            return kind
    if comma_separates and THOUSANDS.fullmatch(cell):
        return "thousands"
    return "decimal comma" if DECIMAL_COMMA.fullmatch(cell) else "word"


class ColumnReader:
    """Reader of the rows that hold more than numbers.

    Cells "true" and "false", in any case, are 1 and 0. Other cells that are not numbers are counted, for the error.

    Parameters
    ----------
    comma_separates : bool
        Whether the cells are separated by commas.
    decimal : {".", ","}, default="."
        "," reads numbers with a decimal comma, too, and none whose points may separate thousands.
    """

    def __init__(self, comma_separates: bool, decimal: str = ".") -> None:
        self._comma_separates, self._decimal = comma_separates, decimal
        self._seen: dict[int, dict[str, Seen]] = {}

    def read(self, line: int, cells: list[str]) -> list[float]:
        """Return the cells of a line as numbers; NaN for those that are not. ``line`` is its number."""
        row = []
        for j, cell in enumerate(cells):
            word = cell.strip().lower()
            number = None if word in TRUE_FALSE else as_number(cell, self._decimal)
            if number is not None:
                row.append(number)
                continue
            kind = "true or false" if word in TRUE_FALSE else _kind_of(cell, self._comma_separates)
            column = self._seen.setdefault(j, {})
            before = column.get(kind, Seen(0, line, cell.strip(), set()))
            column[kind] = before._replace(n=before.n + 1)
            if len(before.different) < MAX_DIFFERENT:
                before.different.add(word)
            row.append(TRUE_FALSE.get(word, np.nan))
        return row

    def notes(self, columns: Sequence[Column]) -> list[str]:
        """Return a sentence about the columns that hold true and false; ``columns`` are all that are read."""
        found = [str(columns[j]) for j, kinds in sorted(self._seen.items()) if "true or false" in kinds]
        more = f" and {len(found) - 10} more" if len(found) > 10 else ""
        return [f"true and false were read as 1 and 0 in {', '.join(found[:10])}{more}"] if found else []

    def problems(
        self, X: np.ndarray, columns: Sequence[Column], may_miss: bool = False, may_be_empty: bool = False,
    ) -> dict[int, Problem]:
        """Return the columns of X (n, D), called ``columns``, that hold more than numbers or true and false, by place.

        ``may_miss`` allows missing cells beside others, and with ``may_be_empty`` columns of missing cells.
        """
        bad = {}
        for j, kinds in sorted(self._seen.items()):
            n_nan = int(np.isnan(X[:, j]).sum())
            if "true or false" in kinds and kinds["true or false"].n + n_nan == len(X):
                kinds = {kind: seen for kind, seen in kinds.items() if kind != "true or false"}
            if may_miss and (n_nan < len(X) or may_be_empty):
                kinds = {kind: seen for kind, seen in kinds.items() if kind != "missing"}
            if kinds:
                bad[j] = Problem(columns[j], kinds, len(X), n_nan, len(np.unique(X[~np.isnan(X[:, j]), j])), may_miss)
        return bad

    def check(
        self, path: PathLike, X: np.ndarray, columns: Sequence[Column], labels_known: bool, for_fit: bool,
        hints: Mapping[int, str], row_numbers: str = "", may_miss: bool = False,
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
        may_miss : bool, default=False
            Whether cells may be missing.
        """
        bad = self.problems(X, columns, may_miss, may_be_empty=not for_fit)
        hint = next((hints[p.seen.line] for p in bad.values() if p.seen.line in hints and p.kind != "missing"), "")
        if row_numbers and not bad:
            raise DataError(f"{path}: {row_numbers}" + f", or with --drop {UNNAMED!r}" * for_fit)
        if len(bad) == 1 and not row_numbers:
            problem, = bad.values()
            raise DataError(f"{path}, {problem.sentence(labels_known, for_fit)}{hint}")
        if bad:
            n = len(bad) + bool(row_numbers)
            raise DataError(f"{path} has {n} columns that cannot be used as they are: "
                            f"{several(list(bad.values()), len(columns), labels_known, for_fit, bool(row_numbers))}{hint}")
