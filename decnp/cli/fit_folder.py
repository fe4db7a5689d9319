"""The folder of ``decnp fit --out``: checked before training, written at the end."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import UserError
from ..io.atomic import delete_temporary_files, write_all_atomically, write_atomically
from ..io.clusters_csv import write_clusters_csv
from ..io.os_errors import explain_os_errors
from ..io.streams import is_stream
from ..persistence import write_model
from ..report import REPORT
from .fit_options import FitOptions
from .resume import REQUEST, abandon, check_no_incomplete_run, delete_empty_folders

if TYPE_CHECKING:
    from .prepare_fit import FitInput

__all__ = ["CLUSTERS", "RESULTS", "locked_folder", "output_folder", "write_clusters", "write_results"]

RESULTS = ("labels.npy", "embedding.npy", "centroids.npy", "model.decnp", "run.json")
CLUSTERS = "clusters.csv"
"""The table with the cluster of each row; only for a text file."""


@contextmanager
def output_folder(options: FitOptions) -> Iterator[Path | None]:
    """Yield --out as a folder that can be written to, or None without --out.

    Folders that were created for the run are deleted if the run fails. Raises UserError.
    """
    if not options.out:
        yield None
        return
    out = Path(options.out)
    with ExitStack() as stack:
        with explain_os_errors(f"--out {out} cannot be written to"):
            created = stack.enter_context(locked_folder(out))
            if not options.resumed:
                check_no_incomplete_run(out, "fit")
            _check_earlier_results(out, options)
            tempfile.NamedTemporaryFile(dir=out, prefix=".decnp.").close()
        try:
            yield out
        except BaseException:
            abandon(out, created)
            raise


@contextmanager
def locked_folder(out: Path) -> Iterator[list[Path]]:
    """Lock the folder ``out`` for this process; make it if it does not exist. Raises UserError and OSError.

    Yields the folders that were made, the innermost first.
    """
    if os.path.lexists(out) and not out.is_dir():
        raise UserError(f"--out {out} is a file, not a folder")
    path = Path(os.path.realpath(out))
    created = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        delete_empty_folders(created)
        raise
    with _exclusive(out):
        yield created


@contextmanager
def _exclusive(out: Path) -> Iterator[None]:
    """Lock the folder for this process; UserError while another process holds it.

    The system releases the lock when the process ends, however it ends. Where folders cannot be locked, as on Windows
    and some network drives, nothing is locked.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    folder = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--out {out} is used by another run that has not ended: choose another folder, or wait") from None
        except OSError:
            pass
        yield
    finally:
        os.close(folder)


def _check_earlier_results(out: Path, options: FitOptions) -> None:
    """Raise UserError if files in the folder must not be replaced."""
    there = [name for name in (*RESULTS, CLUSTERS, REPORT) if os.path.lexists(out / name)]
    if there and not (out / "run.json").is_file():
        raise UserError(f"--out {out} has {there[0]} but no run.json, so it holds no earlier run: choose another")
    for name in there:
        if (out / name).is_dir():
            raise UserError(f"--out {out} has a folder called {name}: choose another")
        for given in (options.source, options.labels, options.init):
            if given and os.path.exists(given) and os.path.samefile(given, out / name):
                raise UserError(f"--out {out} would replace {given}, which this run reads: choose another")
    if there and not options.overwrite and not options.resumed:
        raise UserError(f"--out {out} holds a finished run: --overwrite replaces it, or choose another")


def write_results(out: Path, fit: FitInput, record: dict[str, Any]) -> None:
    """Write all files of ``RESULTS``, or none. Raises UserError."""
    model = fit.model
    contents = (
        lambda file: np.save(file, model.labels_),
        lambda file: np.save(file, model.transform(fit.X)),
        lambda file: np.save(file, model.cluster_centers_),
        lambda file: write_model(model, file, feature_names=fit.columns, left_out=fit.left_out, recipe=fit.recipe),
        lambda file: file.write(json.dumps(record, indent=1).encode()),
    )
    with explain_os_errors(f"--out {out} could not be written"):
        write_all_atomically({out / name: write for name, write in zip(RESULTS, contents)})
        for name in (*RESULTS, CLUSTERS, REQUEST):
            delete_temporary_files(out / name)
        for name in (CLUSTERS, REPORT):
            (out / name).unlink(missing_ok=True)  # of an earlier run


def write_clusters(out: Path, source: str, fit: FitInput) -> None:
    """Write ``CLUSTERS`` if the table is a text file. Raises DataError or OSError if it cannot be read or written."""
    if fit.named is not None and not is_stream(source):
        q = fit.model.predict_proba(fit.X)
        named, decimal = fit.named, fit.recipe.decimal if fit.recipe else "."
        write_atomically(
            out / CLUSTERS, lambda file: write_clusters_csv(file, source, named, fit.model.labels_, q, decimal))
