"""Read the names of the columns above a text table, and say what is wrong with the lines there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, TextIO

from ..exceptions import DataError
from .atomic import PathLike
from .cells import is_number
from .first_line import FirstLine, decide
from .layout import Layout, records

__all__ = ["Head", "check_line_ends", "read_head"]

ROW_NUMBERS = ("the first column has no name, so it seems to hold the row numbers that pandas adds; "
               "leave them out with to_csv(..., index=False)")
ROW_NAMES = ("line 1 has one name fewer than the lines below have cells, so the first cells seem to be the row names "
             "that R writes; leave them out with row.names=FALSE")


class Head(NamedTuple):
    """Content of the first lines of a text table."""

    names: tuple[str, ...]
    """Names of all columns; () without a line of names."""
    width: int
    """Number of cells in a line."""
    row_numbers: str
    """Sentence about a first column without a name; else ""."""
    notes: list[str]
    """Sentence on how the first line was read, if it can be read in two ways."""
    line: int
    """Number of the first line."""
    hint: str
    """Clause for an error in the first line, if it was read as a row."""


def read_head(
    path: PathLike, layout: Layout, header: bool | None, asked: Collection[str], known: Collection[str],
) -> Head:
    """Return the head of the table in ``path``, whose layout is ``layout``.

    ``text.parse_csv`` describes header, asked and known. Raises DataError.
    """
    sample = layout.sample[1:] if layout.marked and header is False else layout.sample
    if not sample:
        raise DataError(f"{path} has no rows")
    line, cells = sample[0][0], [_without_quotes(cell) for cell in sample[0][1]]
    below = [row for _, row in sample[1:]]
    of_r = (header or not (header is False or any(map(is_number, cells)))) and _has_row_names(cells, below)
    if of_r:
        cells = ["", *cells]
    _check_widths(path, cells, sample)
    if header is not None or layout.marked:
        first = FirstLine(header is not False, False)
    else:
        first = decide(cells, below, asked, known)
    notes = []
    if first.is_ambiguous:
        listed = ", ".join(cells[:4]) + ", ..." * (len(cells) > 4)
        how = ("the names of the columns (--header no reads it as a row)" if first.is_names else
               "a row (--header yes reads it as the names of the columns)")
        notes.append(f"the first line, {listed}, was read as {how}")
    if not first.is_names:
        hint = "" if header is False else "; if the line holds the names of the columns, say --header yes"
        return Head((), len(cells), "", notes, line, hint)
    row_numbers = ROW_NAMES if of_r else ROW_NUMBERS if len(cells) > 1 and not cells[0] else ""
    names = tuple(cell or f"Unnamed: {j}" for j, cell in enumerate(cells))  # as pandas calls them
    return Head(names, len(cells), row_numbers, notes, line, "")


def check_line_ends(path: PathLike, text: TextIO, layout: Layout) -> None:
    """Raise DataError if all lines below the first of a table end with a separator, and the first does not.

    ``layout`` is that of the ``text`` of the file ``path``.
    """
    (line, cells), *below = layout.sample or [(0, [])]

    def ends(row: Sequence[str]) -> bool:
        return len(row) == len(cells) + 1 and not row[-1].strip()

    if below and all(ends(row) for _, row in below):
        if all(ends(row) for number, row in records(text, layout.delimiter, layout.skip) if number != line):
            raise DataError(f"{path}: the lines below line {line} end with a separator, line {line} does not: delete the "
                            "separator at their ends")


def _without_quotes(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 2 and cell[0] == cell[-1] == "'" else cell


def _has_row_names(cells: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    return all(len(row) == len(cells) + 1 for row in below) and any(is_number(cell) for row in below[:1] for cell in row[1:])


def _check_widths(path: PathLike, cells: Sequence[str], sample: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Raise DataError if the first lines have another number of cells than most of those below."""
    widths = [len(row) for _, row in sample[1:]]
    width = max(widths, key=widths.count, default=0)
    if len(cells) == width or widths.count(width) < max(2, len(widths) / 2):
        return
    if len(cells) == width + 1 and not cells[-1]:
        raise DataError(f"{path}, line {sample[0][0]} ends with a separator, the lines below do not: delete the separator")
    lines = [sample[0][0]]
    for (line, _), other in zip(sample[1:], widths):
        if other == width:
            break
        lines.append(line)
    if len(lines) == 1:
        plural = "" if len(cells) == 1 else "s"
        raise DataError(f"{path}, line {lines[0]} has {len(cells)} cell{plural}, the lines below have {width}"
                        + ": delete it if it is not part of the table" * (len(cells) < width))
    raise DataError(f"{path}: lines {lines[0]} to {lines[-1]} have other numbers of cells than those below, which have "
                    f"{width}: delete them if they are not part of the table")
