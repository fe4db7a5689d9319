"""Find the layout of a text table: its delimiter, and the lines above it that belong to no row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import NamedTuple, TextIO

from .cells import looks_like_number

__all__ = ["Layout", "OpenQuoteError", "find_layout", "records"]

DELIMITERS = ";\t,"
"""Delimiters of tables and of labels; a table may have blanks or ``|`` too."""

SAMPLE = 21
"""Lines that are looked at."""

SEP = re.compile(r'"?sep=([;,\t| ])"?[;,\t]*', re.I)
"""Line for Excel that says what the delimiter is."""

TO_QUOTE = re.compile(r'(?:[^"]|"")*"(?!")')
"""Rest of a quoted cell, to the quote that closes it."""


class OpenQuoteError(Exception):
    """Error for a quote that opens a cell in ``line`` and is not closed; ``limit`` is added to the message."""

    def __init__(self, line: int, limit: str = "") -> None:
        super().__init__(f"line {line}: a quote opens that is not closed{limit}")


class Layout(NamedTuple):
    """Layout of a text table."""

    delimiter: str
    """A space stands for any number of blanks."""
    skip: int
    """Number of lines above the table."""
    marked: bool
    """True if the first line of the table begins with "#", so that it holds names."""
    sample: list[tuple[int, list[str]]]
    """Number and cells of the first lines of the table."""


def find_layout(text: TextIO, is_table: bool = True) -> Layout:
    """Return the layout of a seekable text; ``is_table`` says whether blanks and ``|`` may be the delimiter.

    The delimiter is that of semicolons, tabs, commas, ``|`` and blanks which gives most of the first lines the same number
    of cells, more than one; of several, the one that gives more numbers. Quoted cells count as one.
    """
    text.seek(0)
    above, delimiter = _lines_above(text)
    skip, last_comment = len(above), None
    while above and (above[-1].startswith("#") or not above[-1]):
        comment = above.pop()
        last_comment = len(above) if comment and last_comment is None else last_comment
    if delimiter is None:
        delimiter = _best_delimiter(text, skip, is_table)
    sample = list(islice(records(text, delimiter, skip), SAMPLE))
    if last_comment is not None and sample:
        number, cells = next(records(text, delimiter, last_comment))
        names = _unmarked(cells)
        if len(names) == len(sample[0][1]):  # the line of names that numpy.savetxt writes
            return Layout(delimiter, last_comment, True, [(number, names), *sample])
    return Layout(delimiter, skip, False, sample)


def records(
    text: TextIO, delimiter: str, skip: int = 0, check_quotes: bool = True, blank: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    """Return an iterator of line number and cells of each line of ``text`` that is not blank, from line ``skip`` + 1 on.

    The cells are split at ``delimiter``. A quoted cell may have several lines. With ``check_quotes``, raises OpenQuoteError
    if its end is missing. With ``blank``, yields blank lines without cells, too.
    """
    text.seek(0)
    lines = islice(text, skip, None)
    if delimiter == " ":
        rows: Iterator[tuple[int, list[str]]] = enumerate(map(_split_at_blanks, lines), skip + 1)
    else:
        rows = _rows(lines, delimiter, skip, check_quotes)
    return rows if blank else filter(itemgetter(1), rows)


def _rows(lines: Iterator[str], delimiter: str, skip: int, check_quotes: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each row in ``lines``, which come after ``skip`` others; no cells for a blank line.

    Raises as ``records`` does.
    """
    row: list[str] = []  # its lines
    reader = csv.reader(_copied(chain(lines, [""]), row), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            opened = _open_quote(row, delimiter) if check_quotes and len(row) > 1 else None
            if opened is not None:
                raise OpenQuoteError(reader.line_num + skip - len(row) + 1 + opened)
            yield reader.line_num + skip, cells if len(cells) > 1 or "".join(row).strip() else []
            row.clear()
    except csv.Error:
        opened = _open_quote([*row, ""], delimiter) if check_quotes and len(row) > 1 else None
        if opened is None:
            raise
        limit = f" within {csv.field_size_limit()} characters"
        raise OpenQuoteError(reader.line_num + skip - len(row) + 1 + opened, limit) from None


def _copied(lines: Iterator[str], into: list[str]) -> Iterator[str]:
    """Yield ``lines``, and append each line to the list ``into``."""
    for line in lines:
        into.append(line)
        yield line


def _open_quote(row: Sequence[str], delimiter: str) -> int | None:
    """Return the index of the line of ``row`` in which an unclosed quote opens, or None.

    All lines but the first begin in a quoted cell. The last line of ``row`` is "" at the end of the file. A quote that
    begins a cell does not close an earlier quote: in the lines ``1,"a`` and ``2,"b``, the quote of the first is unclosed.
    """
    opened, end = 0, None
    for i, line in enumerate(row[1:], 1):
        end = TO_QUOTE.match(line)
        if end is None:
            continue
        before, after = line[: end.end() - 1].rstrip(" "), line[end.end() :].strip(" \r\n")
        if (not before or before.endswith(delimiter)) and after and not after.startswith(delimiter):
            return opened
        opened = i
    return opened if end is None else None


def _lines_above(text: TextIO) -> tuple[list[str], str | None]:
    """Return the blank lines, comments and the line ``sep=`` at the beginning, and the delimiter that it names."""
    above: list[str] = []
    delimiter = None
    while line := text.readline():
        line = line.rstrip("\r\n")
        sep = SEP.fullmatch(line)
        if sep:
            delimiter = sep[1]
        elif line.strip() and not line.startswith("#"):
            break
        above.append(line.strip())
    return above, delimiter


def _best_delimiter(text: TextIO, skip: int, is_table: bool) -> str:
    best, delimiter = 0.0, None
    fallback = ","
    for candidate in DELIMITERS + "| " * is_table:
        try:
            sample = [cells for _, cells in islice(records(text, candidate, skip, check_quotes=False), SAMPLE)]
        except csv.Error:
            continue
        score = _score(sample)
        if score > best:
            best, delimiter = score, candidate
        if fallback == "," and candidate in ";\t" and sample and len(sample[0]) > 1:
            fallback = candidate
    return delimiter or fallback


def _score(sample: list[list[str]]) -> float:
    """Return how well a delimiter divides the lines: 0 for one that does not, at most 2."""
    body = sample[1:] or sample
    widths = [len(cells) for cells in body]
    width = max(widths, key=widths.count, default=0)
    if width < 2:
        return 0
    same = sum(len(cells) == width for cells in sample) / len(sample)
    cells = [cell for row in body for cell in row]
    return same * (1 + sum(map(looks_like_number, cells)) / len(cells))


def _split_at_blanks(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    return next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True))


def _unmarked(names: list[str]) -> list[str]:
    """Return the names of a line that begins with "#" without this mark."""
    return [names[0].lstrip("# "), *names[1:]] if names[0].strip("# ") else names[1:]
