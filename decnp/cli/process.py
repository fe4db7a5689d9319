"""Standard output, standard error and signals of the ``decnp`` command."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from ..io.os_errors import reason_of
from ..utils.progress import discard, message

__all__ = ["OutputError", "close_output", "interrupt_on_signals", "prepare_streams", "print_result"]


class OutputError(Exception):
    """Standard output could not be written. ``__cause__`` is the ``OSError``."""


def prepare_streams() -> None:
    """Replace closed output streams by the null device, and write characters that they cannot encode as escapes."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_result(text: str, end: str = "\n") -> None:
    """Print to standard output. Raises OutputError."""
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        raise OutputError from error


def close_output(error: OutputError) -> int:
    """Print why standard output could not be written, send the rest to the null device, and return the exit status."""
    discard(sys.stdout)
    cause = error.__cause__
    if not isinstance(cause, OSError) or isinstance(cause, BrokenPipeError):
        return 1  # the reader of our output is gone, as in "| head"; all files are written
    message(f"error: standard output could not be written: {reason_of(cause)}")
    return 2


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM and SIGHUP, as at Ctrl-C. Signals that the parent ignores stay ignored."""
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                handlers[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
