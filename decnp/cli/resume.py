"""A run of ``decnp fit --out DIR`` that is not complete: what DIR then holds, and how the run is taken up again.

``resume.json`` is written when the run begins and says what was asked for; ``checkpoint.decnp`` comes after some
minutes, or when the run is interrupted. Both go when the results are there.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator, Optional

from ..exceptions import UserError
from ..io.atomic import write_atomically
from ..training.checkpoint import Checkpoint

__all__ = [
    "CHECKPOINT", "OTHER_ROWS", "asked_for", "begin", "checkpoints", "complete", "end", "give_up", "stopped_by_signals",
]

CHECKPOINT = "checkpoint.decnp"
OTHER_ROWS = "checkpoint-autoencoder.decnp"
"""Of an autoencoder that trains on other rows than those that are clustered, before the run's own checkpoint."""

ASKED_FOR = "resume.json"
TOLD = {"cluster_sizes", "n_iter", "stop_reason", "diagnostics", "scores", "peak_memory_mb", "seconds"}
"""What the command tells of run.json."""


def begin(out: Path, argv: list[str]) -> None:
    """Note in the folder what was asked for, and from where. Raises UserError if it cannot be written."""
    content = json.dumps({"argv": argv, "folder": os.getcwd()}, indent=1).encode()
    try:
        write_atomically(out / ASKED_FOR, lambda file: file.write(content))
    except OSError as error:
        raise UserError(f"--out {out} cannot be written to: {error.strerror or error}") from error


def end(out: Path) -> None:
    """The results are there: nothing is left to be resumed."""
    for name in (CHECKPOINT, OTHER_ROWS):
        Checkpoint(out / name).remove()
    (out / ASKED_FOR).unlink(missing_ok=True)


def checkpoints(out: Path) -> list[Path]:
    """The checkpoints that a run in ``out`` has left."""
    return [out / name for name in (CHECKPOINT, OTHER_ROWS) if (out / name).exists()]


def complete(out: str) -> Optional[dict]:
    """``run.json`` of a run that has ended, whose results are in ``out``; None where there is something to go on with."""
    try:
        run = None if (Path(out) / ASKED_FOR).exists() else json.loads((Path(out) / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return run if isinstance(run, dict) and TOLD <= run.keys() else None


def give_up(out: Path, made: bool) -> None:
    """A run has failed: without a checkpoint nothing of it stays, nor does the folder if it was made for it."""
    if not checkpoints(out):
        with suppress(OSError):
            (out / ASKED_FOR).unlink(missing_ok=True)
            if made:
                out.rmdir()


def asked_for(out: str) -> tuple[list[str], Path, bool]:
    """The arguments that the run in ``out`` was begun with, the folder that its paths start from, and whether there
    is a checkpoint. Raises UserError if no run was begun in ``out``, or its note is damaged."""
    path = Path(out) / ASKED_FOR
    try:
        note = json.loads(path.read_bytes())
        argv, folder = [str(word) for word in note["argv"]], Path(note["folder"])
    except FileNotFoundError as error:
        raise UserError(f"--resume {out}: there is no run to go on with, for lack of {path}") from error
    except OSError as error:
        raise UserError(f"--resume {out}: cannot read {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"--resume {out}: {path} is damaged ({error})") from error
    return argv, folder, (Path(out) / CHECKPOINT).exists()


@contextmanager
def stopped_by_signals(checkpoint: Optional[Checkpoint]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets the step under way end, and the checkpoint be written; the second does not."""
    if checkpoint is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def stop(number, frame):
        checkpoint.stop()
        restore()

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.path.exists():
            raise KeyboardInterrupt(
                f"interrupted; to go on: decnp fit --resume {shlex.quote(str(checkpoint.path.parent))}") from None
        raise
    finally:
        restore()
