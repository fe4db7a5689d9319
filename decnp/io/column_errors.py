"""Say what is wrong with the columns of a text table that cannot be used as numbers, and which options help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..utils.spelling import shell_word

__all__ = ["KINDS", "MAX_DIFFERENT", "UNNAMED", "Column", "Problem", "Seen", "options", "several"]

UNNAMED = "Unnamed: 0"
"""Name of a first column without a name, as in pandas."""

MAX_DIFFERENT = 1000  # cells in a column of labels
MAX_CATEGORIES = 255  # words in a column that is taken as categories without being named
MAX_LISTED = 30  # columns in one error

KINDS = {
    # kind: (what the column holds, how to mend it)
    "word": ("words", ""),
    "yes or no": ("yes and no", "write yes and no as 1 and 0"),
    "true or false": ("true and false beside numbers", "write true and false as 1 and 0"),
    "date": ("dates or times", "dates have to be written as numbers"),
    "decimal comma": ("numbers with a decimal comma", "write decimal points for decimal commas"),
    "thousands": ("numbers with thousands separators", "write numbers without thousands separators"),
    "point": ("numbers in which a point may separate thousands",
              "with a decimal comma, a point may separate thousands: write numbers without it"),
    "percent": ("percentages", "write percentages without %"),
}


class Seen(NamedTuple):
    """Cells of one kind in a column."""

    n: int
    """Number of these cells."""
    line: int
    """Line of the first of them."""
    cell: str
    """The first of them."""
    different: set[str]
    """The different ones, ``MAX_DIFFERENT`` at most."""


class Column(NamedTuple):
    """Column of a text file, for messages."""

    position: int
    """Place in the file, counted from 1."""
    name: str | None

    @property
    def option(self) -> str:
        """Return the word that names the column in an option of the command."""
        return shell_word(self.name) if self.name is not None else str(self.position)

    def __str__(self) -> str:
        return f"column {self.position}" + ("" if self.name is None else f" ({self.name!r})")


class Problem:
    """Column that cannot be used.

    Parameters
    ----------
    column : Column
        Place and name.
    kinds : dict of str to Seen
        Cells that are not numbers, by kind: a key of ``KINDS``, or "missing".
    n : int
        Number of rows.
    n_nan : int
        Number of cells that were read as NaN.
    n_numbers : int
        Number of different numbers.
    may_miss : bool, default=False
        Whether cells beside others may be missing. They are not reported then.
    """

    def __init__(
        self, column: Column, kinds: dict[str, Seen], n: int, n_nan: int, n_numbers: int, may_miss: bool = False,
    ) -> None:
        others = {kind: seen for kind, seen in kinds.items() if kind != "missing"}
        n_others = sum(seen.n for kind, seen in others.items() if kind != "true or false")
        n_missing = n_nan - n_others  # "nan" is a number for Python
        self.column, self.n = column, n
        self.n_missing = 0 if others and may_miss else n_missing
        self.kind = max(others, key=lambda kind: others[kind].n) if others else "missing"
        self.seen = kinds[self.kind]
        self.empty = self.kind == "missing" and self.n_missing == n
        self.most = self.kind != "missing" and 2 * self.seen.n > n - n_missing
        self.n_different = len(self.seen.different)
        self.of_words = self.kind in ("word", "yes or no") and self.most
        self.repeats = self.n_different < MAX_DIFFERENT and (2 * self.n_different <= n or n < 4)
        self.categories = self.of_words and self.repeats and self.n_different <= MAX_CATEGORIES
        n_values = n_numbers + self.n_different
        self.some_words = self.kind == "word" and not self.most and 2 * self.n_different <= self.seen.n
        self.mixed = self.some_words and 2 * n_values <= n and n_values <= MAX_CATEGORIES
        self.useless = self.empty or self.kind == "date" or (self.of_words and not self.categories)
        self.label_like = self.of_words and self.repeats and column.name is not None and not n_missing

    def sentence(self, labels_known: bool, for_fit: bool) -> str:
        """Return place, cell, and the remedies.

        ``labels_known`` says whether there are labels, ``for_fit`` whether options of ``decnp fit`` may be recommended.
        """
        cell = self.seen.cell
        if self.kind != "missing":
            what = f"{_short(cell)} is not a number"
        elif self.empty and self.n > 1:
            separator = ", so the lines end with a separator" * (self.column.name or "Unnamed: ").startswith("Unnamed: ")
            what = f"every cell is {cell!r}" if cell else f"every cell is empty{separator}"
        else:
            what = f"{cell!r} is a missing value" if cell else "the cell is empty"
        place = f"{self.column}: " if self.empty and self.n > 1 else f"line {self.seen.line}, {self.column}: "
        return f"{place}{what}" + "".join(f"; {mend}" for mend in self._mends(labels_known, for_fit))

    def _mends(self, labels_known: bool, for_fit: bool) -> list[str]:
        """Return the remedies for this column alone."""
        mends = []
        if self.mend(for_fit):
            mends.append(self.mend(for_fit))
        if self.n_missing > 1 and not self.empty:
            share = f" ({self._share} of its cells)" * for_fit
            mends.append(f"{self.n_missing} values are missing in the column{share}"
                         + ": fill them in, or delete their rows" * (not for_fit))
        if self.n_missing and self.kind == "missing" and not self.empty and for_fit:
            mends.append("--missing median fills them in" if self.n_missing > 1 else "--missing median fills it in")
        if self.label_like and not labels_known:
            mends.append(f"if {self.column.name!r} holds the labels, say --label-column {self.column.option}")
        if for_fit and self.categories:
            mends.append(f"--categories {self.column.option} takes its words as categories")
        if for_fit and self.mixed:
            mends.append(f"--categories {self.column.option} takes its cells as categories")
        if for_fit and (self.most or self.some_words or (self.empty and self.n > 1) or self._mostly_missing):
            mends.append(f"--drop {self.column.option} leaves the column out")
        return mends

    def mend(self, for_fit: bool) -> str:
        """Return how to mend all cells of the kind, or ""; ``for_fit`` is that of ``sentence``."""
        if for_fit and self.kind == "decimal comma":
            return "--decimal comma reads decimal commas"
        return KINDS.get(self.kind, ("", ""))[1]

    @property
    def _share(self) -> str:
        percent = 100 * self.n_missing / self.n
        return "less than 1 %" if percent < 1 else "more than 99 %" if percent > 99 else f"{percent:.0f} %"

    @property
    def _mostly_missing(self) -> bool:
        return 2 * self.n_missing >= self.n > 3 and not self.empty

    @property
    def to_fill(self) -> bool:
        """Return whether missing numbers could be filled in."""
        return self.n_missing > 0 and self.kind in ("missing", "decimal comma") and not self.empty

    def clause(self) -> str:
        """Return name, content and a cell."""
        name = repr(self.column.name) if self.column.name is not None else str(self.column)
        cell = f"({_short(self.seen.cell)} in line {self.seen.line})"
        first = f"the first{f' ({self.seen.cell!r})' if self.seen.cell else ''} in line {self.seen.line}"
        missing = f"{self.n_missing} missing value{'s' * (self.n_missing > 1)}"
        if self.empty:
            return f"{name} is empty"
        if self.kind == "missing":
            where = f" ({self._share}), {first}" if self.n_missing > 1 else f" in line {self.seen.line}"
            return f"{name} has {missing}{where}"
        both = f" and {missing}" if self.n_missing else ""
        if self.kind == "word" and not self.most:
            cells = "a cell that is not a number" if self.seen.n == 1 else f"{self.seen.n} cells that are not numbers"
            return f"{name} has {cells} {cell}{both}"
        content = KINDS[self.kind][0]
        if self.of_words and not self.categories:
            content = f"{'more than ' * (self.n_different >= MAX_DIFFERENT)}{self.n_different} different words"
        return f"{name} holds {content} {cell}{both}"

    @property
    def also_drop(self) -> bool:
        """Return whether the column may be better left out than filled in."""
        return self.to_fill and self._mostly_missing


def options(option: str, columns: Sequence[Column]) -> str:
    """Return the words that name columns in an option: commas between them, where no name holds a comma.

    >>> options("--drop", [Column(1, "a"), Column(2, "b c"), Column(3, "d, e")])
    "--drop 'a,b c' --drop 'd, e'"
    """
    names = [str(column.position) if column.name is None else column.name for column in columns[:MAX_LISTED]]
    plain = [name for name in names if "," not in name]
    words = [",".join(plain)] * bool(plain) + [name for name in names if "," in name]
    return " ".join(f"{option} {shell_word(word)}" for word in words)


def several(problems: list[Problem], n_columns: int, labels_known: bool, for_fit: bool, row_numbers: bool) -> str:
    """Return what the columns of ``problems``, of ``n_columns`` in all, hold, and the remedies.

    ``labels_known`` and ``for_fit`` are those of ``Problem.sentence``. ``row_numbers`` says whether there is a first column
    without a name beside them.
    """
    clauses = ["the first has no name and seems to hold row numbers"] * row_numbers
    clauses += [problem.clause() for problem in problems[:MAX_LISTED]]
    clauses += [f"and {len(problems) - MAX_LISTED} more"] * (len(problems) > MAX_LISTED)
    what = "; ".join(clauses)
    if sum(problem.useless for problem in problems) == n_columns:
        return f"{what}; no column is left to cluster"
    mends = _mends_for_fit(problems, row_numbers) if for_fit else []
    labels = [problem.column.option for problem in problems if problem.label_like]
    if labels and not labels_known:
        mends.append(f"--label-column {labels[0]} takes it as the labels" if len(labels) == 1 else
                     "--label-column NAME takes a column as the labels")
    mends += dict.fromkeys(p.mend(for_fit) for p in problems if p.kind != "date" and p.mend(for_fit)
                           and not (for_fit and p.categories))
    if not for_fit and any(problem.n_missing and not problem.useless for problem in problems):
        mends.append("fill missing values in, or delete their rows")
    return f"{what}. Remedies: {'; '.join(mends)}" if mends else what


def _mends_for_fit(problems: list[Problem], row_numbers: bool) -> list[str]:
    """Return the options of ``decnp fit`` that help with several columns."""
    mends = []
    to_drop = [Column(1, UNNAMED)] * row_numbers + [problem.column for problem in problems if problem.useless]
    if to_drop:
        mends.append(f"{options('--drop', to_drop)} {'leaves it' if len(to_drop) == 1 else 'leave them'} out")
    words = [problem.column for problem in problems if problem.categories]
    if words:
        which = options("--categories", words) if len(words) <= 3 else "--categories auto"
        mends.append(f"{which} takes {'its' if len(words) == 1 else 'their'} words as categories")
    mixed = [problem.column for problem in problems if problem.mixed]
    if mixed:
        whose = "its" if len(mixed) == 1 else "their"
        mends.append(f"{options('--categories', mixed)} takes {whose} cells as categories, or {options('--drop', mixed)}")
    filled = [problem for problem in problems if problem.to_fill]
    if filled:
        sparse = [problem.column for problem in filled if problem.also_drop]
        instead = f", or {options('--drop', sparse)}" if sparse else ""
        count = "the missing numbers" if len(filled) == 1 else f"the missing numbers of {len(filled)} columns"
        mends.append(f"--missing median fills in {count}{instead}")
    return mends


def _short(cell: str) -> str:
    return f"{cell[:30]!r}{'...' if cell[30:] else ''}"
