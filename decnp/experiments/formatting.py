"""Tables as text, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["format_missing", "format_percent", "format_table"]


def format_table(lines: Sequence[Sequence[str]]) -> str:
    """Return a table as text, with columns as wide as their widest cells. The first line is the header.

    >>> print(format_table([["a", "b"], ["one", "2"]]))
    a    b
    ---  -
    one  2
    """
    widths = [max(map(len, column)) for column in zip(*lines)]
    head, *body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([head, "  ".join("-" * width for width in widths), *body])


def format_percent(mean: float | None, std: float | None = None) -> str:
    """Return a fraction in percent, with its standard deviation if given; "-" for None.

    >>> format_percent(0.8409), format_percent(0.84, 0.0123), format_percent(None)
    ('84.09', '84.00 +- 1.23', '-')
    """
    if mean is None:
        return "-"
    return f"{100 * mean:.2f}" + ("" if std is None else f" +- {100 * std:.2f}")


def format_missing(missing: Mapping[str, str], failures: Sequence[str]) -> str:
    """Return a line for each data set that is not available and for each cell that failed, each after a line break."""
    lines = [f"{name} is not available: {sentence}" for name, sentence in missing.items()]
    lines += [f"failed: {sentence}" for sentence in failures]
    return "".join(f"\n{line}" for line in lines)
