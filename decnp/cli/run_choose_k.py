"""Work of ``decnp choose-k``: the data, the comparison, and the folder of ``--out``."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..choosing import KChoice
from ..choosing.plan import plan_of, run_plan
from ..exceptions import UserError
from ..io.atomic import PathLike, delete_temporary_files, write_all_atomically
from ..io.os_errors import explain_os_errors, reason_of
from ..profiles import INITS
from ..utils.progress import message
from ..utils.provenance import provenance, working_folder
from ..utils.threads import limit_blas_threads
from .fit_folder import locked_folder
from .fit_options import FitOptions
from .prepare_fit import FitInput, prepare
from .resume import CELLS, REQUEST, check_no_incomplete_run, delete_empty_folders, start

__all__ = ["finished_record", "run_choose_k"]

RESULT = "choose_k.json"
PICTURE = "choose_k.png"


def run_choose_k(
    options: FitOptions, ks: list[int], n_seeds: int, out: str | None, argv: list[str], quiet: bool
) -> dict[str, Any]:
    """Compare the numbers of clusters, write the files of ``out``, and return the content of ``choose_k.json``.

    ``options`` are those of the runs. Raises UserError or DataError for bad input, TrainingError if training diverges.
    """
    began = time.perf_counter()
    if options.init is not None and options.init not in INITS:
        raise UserError(f"--init of choose-k must be {' or '.join(INITS)}, because a file is for one k; got {options.init}")
    log: Callable[[str], None] = (lambda line: None) if quiet else message
    with _folder(out, options) as folder:
        fit = prepare(options, log, scored=False)
        if fit.autoencoder_rows is not None:
            raise UserError(f"choose-k is not for {options.source}, whose autoencoder trains on other rows")
        for sentence in (*fit.notes, *(f"warning: {warning}" for warning in fit.warnings)) if quiet else ():
            message(sentence)
        try:
            plan = plan_of(fit.model, fit.X, ks, n_seeds)
        except ValueError as error:
            raise UserError(f"{options.source}: {error}") from error
        if folder and not options.resumed:
            start(folder, argv)
        log(f"{len(ks)} k and {n_seeds} seeds: {n_seeds} autoencoders and {n_seeds * len(ks)} clustering phases")
        with limit_blas_threads(options.threads), _explain_write_errors(folder):
            choice = run_plan(plan, options.jobs, folder and folder / CELLS, verbose=not quiet)
        record = {**_record(options.source, fit, choice, argv), "seconds": round(time.perf_counter() - began, 2)}
        if folder:
            _write(folder, record, choice)
    return record


@contextmanager
def _explain_write_errors(folder: Path | None) -> Iterator[None]:
    """Raise UserError, which says how to resume, for an ``OSError`` in the block, if there is a folder to write to."""
    try:
        yield
    except OSError as error:
        if folder is None:
            raise
        hint = f"; to resume: decnp choose-k --resume {shlex.quote(str(folder))}" if _has_cells(folder) else ""
        raise UserError(f"--out {folder} could not be written: {reason_of(error)}{hint}") from error


def _has_cells(folder: Path) -> bool:
    """Return True if the folder has a finished run of a k and seed."""
    return any(folder.glob(f"{CELLS}/*.json"))


def _record(source: str, fit: FitInput, choice: KChoice, argv: list[str]) -> dict[str, Any]:
    """Return the content of ``choose_k.json`` without the seconds."""
    return {
        "command": shlex.join(["decnp", *argv]),
        "source": {"name": source, "n_samples": len(fit.X), "n_features": fit.X.shape[1],
                   "folder": working_folder(), "notes": fit.notes, "warnings": fit.warnings},
        **choice.as_dict(),
        "table": choice.table(),
        **provenance(),
    }


def finished_record(out: str) -> dict[str, Any] | None:
    """Return ``choose_k.json`` of a complete comparison in the folder, or None if it is not complete."""
    if (Path(out) / CELLS).exists() or (Path(out) / REQUEST).exists():
        return None
    try:
        record = json.loads((Path(out) / RESULT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    types: dict[str, Any] = {"table": str, "sentences": list, "seconds": (int, float)}
    if not (isinstance(record, dict) and all(isinstance(record.get(name), expected) for name, expected in types.items())):
        return None
    return record if all(isinstance(sentence, str) for sentence in record["sentences"]) else None


@contextmanager
def _folder(out: str | None, options: FitOptions) -> Iterator[Path | None]:
    """Yield --out as a folder that can be written to, or None without --out. Raises UserError.

    Without a finished run, folders that were created for the comparison are deleted if the comparison fails.
    """
    if not out:
        yield None
        return
    folder = Path(out)
    with ExitStack() as stack:
        with explain_os_errors(f"--out {out} cannot be written to"):
            created = stack.enter_context(locked_folder(folder))
            if not options.resumed:
                _check_empty(folder, options.overwrite)
        try:
            yield folder
        except BaseException as error:
            if not _has_cells(folder):
                with suppress(OSError):
                    shutil.rmtree(folder / CELLS, ignore_errors=True)
                    (folder / REQUEST).unlink(missing_ok=True)
                delete_empty_folders(created)
            elif isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(
                    f"interrupted; to resume: decnp choose-k --resume {shlex.quote(out)}") from None
            raise


def _check_empty(folder: Path, overwrite: bool) -> None:
    """Raise UserError if the folder has an incomplete run, or files that must not be replaced."""
    check_no_incomplete_run(folder, "choose-k")
    for name in (RESULT, PICTURE):
        if (folder / name).is_dir():
            raise UserError(f"--out {folder} has a folder called {name}: choose another")
    there = [name for name in (RESULT, PICTURE) if os.path.lexists(folder / name)]
    if there == [PICTURE]:
        raise UserError(f"--out {folder} has {PICTURE} but no {RESULT}, so it holds no earlier comparison: choose another")
    if there and not overwrite:
        raise UserError(f"--out {folder} holds a finished comparison: --overwrite replaces it, or choose another")


def _write(folder: Path, record: dict[str, Any], choice: KChoice) -> None:
    """Write the results, then delete the files of the incomplete comparison. Raises UserError."""
    files: dict[PathLike, Callable[[BinaryIO], object]] = {
        folder / RESULT: lambda file: file.write(json.dumps(record, indent=1).encode())}
    try:
        from ..plotting import agreement_curves
    except ImportError as error:
        message(f"no picture: {error}")
    else:
        rows = choice.rows
        figure: Any = agreement_curves(
            [row.k for row in rows], [row.agreement for row in rows], [row.data_silhouette for row in rows],
            [row.reference for row in rows], [row.kmeans_agreement for row in rows],
            [row.kmeans_silhouette for row in rows], choice.best_k).figure
        files[folder / PICTURE] = lambda file: figure.savefig(file, format="png", dpi=144)
    with _explain_write_errors(folder):
        write_all_atomically(files)
        shutil.rmtree(folder / CELLS, ignore_errors=True)
        (folder / REQUEST).unlink(missing_ok=True)
        for name in (RESULT, PICTURE, REQUEST):
            delete_temporary_files(folder / name)
