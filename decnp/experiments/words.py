"""Tables as text, for the terminal."""

from __future__ import annotations

from typing import Sequence

__all__ = ["missing", "per_cent", "table"]


def table(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns as wide as their widest cell; the first row is the head.

    >>> print(table([["a", "b"], ["one", "2"]]))
    a    b
    ---  -
    one  2
    """
    widths = [max(map(len, column)) for column in zip(*lines)]
    head, *body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([head, "  ".join("-" * width for width in widths), *body])


def per_cent(mean: float | None, std: float | None = None) -> str:
    """A share in per cent, with its standard deviation if there is one; "-" for None.

    >>> per_cent(0.8409), per_cent(0.84, 0.0123), per_cent(None)
    ('84.09', '84.00 +- 1.23', '-')
    """
    if mean is None:
        return "-"
    return f"{100 * mean:.2f}" + ("" if std is None else f" +- {100 * std:.2f}")


def missing(gathered: dict) -> str:
    """A line for each data set that is not here and each cell that failed."""
    lines = [f"{name} is not here: {sentence}" for name, sentence in gathered.get("missing", {}).items()]
    lines += [f"failed: {sentence}" for sentence in gathered.get("failures", [])]
    return "".join(f"\n{line}" for line in lines)
