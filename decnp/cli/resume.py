"""``--resume``: the files of an incomplete run, and the signals that interrupt it.

``resume.json`` is written when a run starts; it holds the command. ``checkpoint.decnp`` of ``decnp fit`` follows after some
minutes, or when the run is interrupted. ``decnp choose-k`` has a folder with a file for each finished k and seed instead.
All of them are deleted when the results are written.
"""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..exceptions import UserError
from ..io.atomic import write_atomically
from ..io.os_errors import explain_os_errors
from ..training.checkpoint import Checkpoint
from ..utils.provenance import working_folder

__all__ = [
    "AUTOENCODER_CHECKPOINT", "CELLS", "CHECKPOINT", "REQUEST", "RESTART_CHECKPOINT", "Request", "abandon",
    "check_no_incomplete_run", "check_resume_alone", "checkpoints", "delete_empty_folders", "finish", "finished_run",
    "read_request", "require_source", "start", "stop_on_signals",
]

CHECKPOINT = "checkpoint.decnp"
AUTOENCODER_CHECKPOINT = "checkpoint-autoencoder.decnp"
"""Checkpoint of an autoencoder that trains on other rows than those that are clustered."""

RESTART_CHECKPOINT = "checkpoint-restart-{}.decnp"
"""Checkpoint of one of several restarts, which are counted from 1."""

CELLS = "choose_k.cells"
"""Folder with the finished runs of a ``decnp choose-k`` that is not complete."""

REQUEST = "resume.json"
REPORTED_KEYS = {"cluster_sizes", "n_iter", "stop_reason", "diagnostics", "scores", "peak_memory_mb", "seconds"}
"""Keys of ``run.json`` that the command prints."""


class Request(NamedTuple):
    """Command of an incomplete run."""

    argv: list[str]
    """Words after ``decnp``."""
    folder: Path
    """Working directory, which relative paths in ``argv`` start from."""
    has_checkpoint: bool


def start(out: Path, argv: list[str]) -> None:
    """Write ``resume.json`` into the folder. Raises UserError if it cannot be written."""
    content = json.dumps({"argv": argv, "folder": working_folder()}, indent=1).encode()
    with explain_os_errors(f"--out {out} cannot be written to"):
        write_atomically(out / REQUEST, lambda file: file.write(content))


def finish(out: Path) -> None:
    """Delete the files of an incomplete run; the results have been written."""
    for path in (out / CHECKPOINT, out / AUTOENCODER_CHECKPOINT, *checkpoints(out)):
        Checkpoint(path).remove()
    (out / REQUEST).unlink(missing_ok=True)


def abandon(out: Path, created: Sequence[Path]) -> None:
    """Delete ``resume.json`` of a run that has failed, unless there is a checkpoint to resume from.

    The folders ``created`` for the run are deleted too.
    """
    if not checkpoints(out):
        with suppress(OSError):
            (out / REQUEST).unlink(missing_ok=True)
        delete_empty_folders(created)


def delete_empty_folders(folders: Sequence[Path]) -> None:
    """Delete those of ``folders``, the innermost first, that are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints in the folder."""
    single = [out / name for name in (CHECKPOINT, AUTOENCODER_CHECKPOINT) if (out / name).exists()]
    return single + sorted(out.glob(RESTART_CHECKPOINT.format("*")))


def check_no_incomplete_run(out: Path, command: str) -> None:
    """Raise UserError if the folder holds an incomplete run of fit or choose-k.

    A ``resume.json`` of the same ``command``, without other files, is replaced: that run has computed nothing.
    """
    files = {"fit": checkpoints(out), "choose-k": [path for path in [out / CELLS] if path.exists()]}
    started = _started_command(out)
    other = started if started in files and started != command else None
    found = next((name for name, paths in files.items() if paths), other)
    if found is None:
        return
    delete = files[found] if len(files[found]) <= 1 else [out / "checkpoint*.decnp"]
    if found == other:
        delete = [*delete, out / REQUEST]
    resumes = f"decnp {found} --resume {shlex.quote(str(out))} resumes it; " if found == started else ""
    raise UserError(f"--out {out} holds a run that is not complete: {resumes}delete {' and '.join(map(str, delete))} to "
                    "start again")


def _started_command(out: Path) -> str | None:
    """Return the command in ``resume.json``, or None if there is none or it is damaged."""
    try:
        return str(json.loads((out / REQUEST).read_bytes())["argv"][0])
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def finished_run(out: str) -> dict[str, Any] | None:
    """Return ``run.json`` of a complete run in the folder, or None if the run is incomplete."""
    try:
        if (Path(out) / REQUEST).exists():
            return None
        record = json.loads((Path(out) / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and REPORTED_KEYS <= record.keys() else None


def check_resume_alone(argv: list[str], out: str) -> None:
    """Raise UserError if a command ``argv`` has words beside --resume ``out`` that would change the run."""
    allowed = ("-q", "--quiet", "--json", "--resume", out, f"--resume={out}")
    others = [word for word in argv[1:] if word not in allowed]
    if others:
        raise UserError(f"--resume takes everything from DIR, and only --quiet and --json beside it; got {others[0]}")


def read_request(out: str, command: str = "fit") -> Request:
    """Return the words of the incomplete run of ``command`` in the folder. Raises UserError if there is none."""
    path = Path(out) / REQUEST
    with explain_os_errors(f"--resume {out}: cannot read {path}"):
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise UserError(f"--resume {out}: there is no run to resume, because {path} does not exist") from error
    try:
        note = json.loads(content)
        argv, folder = [str(word) for word in note["argv"]], Path(note["folder"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"--resume {out}: {path} is damaged ({error})") from error
    if argv[:1] != [command]:
        other = f", but one of decnp {argv[0]}" if argv[:1] in (["fit"], ["choose-k"]) else ""
        raise UserError(f"--resume {out}: {path} holds no command of decnp {command}{other}")
    return Request(argv, folder, (Path(out) / CHECKPOINT).exists())


def require_source(source: str | None, out: str) -> str:
    """Return the SOURCE of the command in ``resume.json`` of the folder ``out``. Raises UserError if it has none."""
    if source is None:
        raise UserError(f"--resume {out}: {Path(out) / REQUEST} is damaged (its command has no SOURCE)")
    return source


@contextmanager
def stop_on_signals(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Stop the training after the current step at the first Ctrl-C, SIGTERM or SIGHUP, and write the checkpoint.

    The second signal stops the process at once. Without a checkpoint the signals have their usual effect. A signal that
    the parent process ignores stays ignored.
    """
    if checkpoint is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Any] = {}

    def stop(number: int, frame: object) -> None:
        checkpoint.stop()
        restore_handlers()

    def restore_handlers() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            handlers[number] = signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.path.exists():
            raise KeyboardInterrupt(
                f"interrupted; to resume: decnp fit --resume {shlex.quote(str(checkpoint.path.parent))}") from None
        raise
    finally:
        restore_handlers()
