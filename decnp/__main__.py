"""``decnp`` and ``python -m decnp``: the command as a process."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

__all__ = ["run"]

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run() -> int:
    """Run the command and return its exit status, which is 130 after a signal at any moment.

    From then on further signals are ignored: they would change the exit status while the process ends.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        from .cli import main  # here, so that a signal during the import is handled too

        status = main()
    except KeyboardInterrupt:  # before or after what ``main`` handles
        status = 130
        if sys.stderr is not None:
            print("decnp: interrupted", file=sys.stderr)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    return status


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(run())
