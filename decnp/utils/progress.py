"""Messages and progress on standard error: a tqdm bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

__all__ = ["PROGRESS_INTERVAL", "Progress", "discard", "message", "open_bar", "write_line"]

PROGRESS_INTERVAL = 5
"""Seconds between two lines of progress."""


def message(sentence: str) -> None:
    """Write ``sentence`` to standard error as a line that begins with the name of the command."""
    write_line(f"decnp: {sentence}")


def write_line(line: str) -> None:
    """Write a line to standard error. A closed standard error or a full disk is ignored."""
    if sys.stderr is None:
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Redirect ``stream`` to the null device, including the text in its buffer.

    Otherwise Python would try to write that text again at the end of the process, and change the exit status.
    """
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):  # a stream without a file
        pass


def open_bar(name: str, total: int, **options: Any) -> Any | None:
    """Return a tqdm bar with the label ``name``, or None without a terminal or without tqdm.

    ``total`` is 0 if it is unknown. ``options`` are passed to ``tqdm.tqdm``.
    """
    if not (sys.stderr and sys.stderr.isatty()):
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(desc=name, total=total or None, smoothing=0, dynamic_ncols=True, **options)


class Progress:
    """Context manager that displays the progress of a task.

    It shows a bar if standard error is a terminal and tqdm is installed, else a line every ``PROGRESS_INTERVAL`` seconds.

    Parameters
    ----------
    name : str
        Label of the bar.
    total : int, default=0
        Size of the task; 0 if it is unknown.
    unit : str, default="rows"
        Unit of all sizes. "B" is bytes, displayed in MB.
    start : int, default=0
        Size of the part that was completed earlier.
    headline : str, default=""
        Line to write first if there is no bar.
    delayed : bool, default=False
        Show the bar only after ``PROGRESS_INTERVAL`` seconds.
    quiet : bool, default=False
        Show nothing.

    Examples
    --------
    >>> with Progress("rows", total=20) as progress:
    ...     progress.update(5)
    ...     progress.update(15)
    >>> progress.done
    20
    """

    def __init__(self, name: str, total: int = 0, unit: str = "rows", start: int = 0, *, headline: str = "",
                 delayed: bool = False, quiet: bool = False) -> None:
        self.done, self.total, self.unit, self.quiet = start, total, unit, quiet
        self._last_line = time.monotonic()
        in_bytes = unit == "B"
        self._bar = None if quiet else open_bar(
            name, total, initial=start, unit=unit if in_bytes else f" {unit}", unit_scale=in_bytes,
            delay=PROGRESS_INTERVAL if delayed else 0)
        if headline and self._bar is None and not quiet:
            message(headline)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, n: int) -> None:
        """Add ``n`` to the size of the completed part."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif not self.quiet and time.monotonic() - self._last_line >= PROGRESS_INTERVAL:
            self._last_line = time.monotonic()
            message(self._line())

    def _line(self) -> str:
        if self.unit == "B":
            of_total = f" of {self.total / 1e6:.1f}" if self.total else ""
            return f"{self.done / 1e6:.1f}{of_total} MB"
        of_total = f" of {self.total}" if self.total else ""
        return f"{self.done}{of_total} {self.unit}"
