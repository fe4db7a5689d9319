"""Cells: the computations of an experiment, whose results are cached.

A cell has a name for users, and a recipe that determines its cache key. Its result is a JSON file, written atomically.
The name of the file contains the digest of the recipe, which includes the digest of the data. A cell with an existing
file is not computed again. An interrupted experiment can therefore be resumed, and experiments share equal cells.
"""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from ..io.atomic import write_atomically
from ..utils.provenance import machine, timestamp, versions
from ..utils.threads import blas_threads, limit_blas_threads
from .specs import CellRecord, Results

__all__ = ["Cell", "CellResults", "Log", "cell_work", "digest", "finished_cells", "read_record", "run_cells"]

Log = Callable[[str], None]
Work = TypeVar("Work", bound=Callable[..., dict[str, Any]])

WORK_NAME = "work_name"
"""Attribute of a function that ``cell_work`` has decorated."""


def cell_work(name: str) -> Callable[[Work], Work]:
    """Return a decorator that marks a function as the work of cells, with a permanent ``name``.

    The name is part of the key of each cached cell. By convention it is the path of the function when its first cells
    were cached. It stays the same if the function is moved or renamed, so that cached cells remain valid.
    """

    def decorate(work: Work) -> Work:
        setattr(work, WORK_NAME, name)
        return work

    return decorate


@dataclass(frozen=True)
class Cell:
    """Computation ``work(folder, **recipe)``, which returns plain data for JSON."""

    name: str
    """Name, unique in its experiment, such as "mnist, DEC, lambda 40, seed 0"."""
    work: Callable[..., dict[str, Any]]
    """Function decorated by ``cell_work``, importable in another process. ``folder`` contains shared files."""
    recipe: dict[str, Any]
    """Keyword arguments of ``work``, as JSON. ``data_sum``, the digest of the data, is only part of the key."""
    needs: Sequence[Cell] = ()
    """Cells to compute before this cell, such as an autoencoder that several cells share."""

    def path(self, folder: Path) -> Path:
        """Return the path of the file with the result, in ``folder``."""
        words = re.sub(r"[^a-z0-9.+-]+", "-", self.name.lower()).strip("-")
        key = digest({"work": getattr(self.work, WORK_NAME), **self.recipe})
        return folder / "cells" / f"{words}-{key[:12]}.json"


@dataclass(frozen=True)
class CellResults:
    """Outcome of running the cells of an experiment."""

    results: Results
    failures: list[str]
    """One sentence for each cell that failed."""
    interrupted: bool
    """True if the run was interrupted by Ctrl-C."""


def digest(recipe: dict[str, Any]) -> str:
    """Return the SHA-256 digest of a recipe. It does not depend on the order of the keys."""
    return sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def read_record(cell: Cell, folder: Path) -> CellRecord | None:
    """Read the record of a finished cell in ``folder``; return None if the file does not exist or is not readable."""
    try:
        record = json.loads(cell.path(folder).read_bytes())
        return cast(CellRecord, record) if {"recipe", "result", "minutes"} <= record.keys() else None
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def finished_cells(cells: Sequence[Cell], folder: Path) -> Results:
    """Return the records of the finished ``cells`` in ``folder``, by name."""
    records = {cell.name: read_record(cell, folder) for cell in cells}
    return {name: record for name, record in records.items() if record}


def run_cells(cells: Sequence[Cell], folder: Path, jobs: int, log: Log, threads: int | None = None) -> CellResults:
    """Compute the unfinished cells, ``jobs`` at a time, each after the cells that it needs.

    Parameters
    ----------
    cells : sequence of Cell
        Cells of an experiment.
    folder : Path
        Folder of the results.
    jobs : int
        Number of processes.
    log : callable
        Called with a line for each cell.
    threads : int or None, default=None
        Number of threads of the BLAS library in each process. None does not limit them.

    Returns
    -------
    results : CellResults
        Results of the finished cells. A failed cell does not affect the other cells. Ctrl-C loses only the cells that
        are being computed.
    """
    cells = list({cell.name: cell for cell in cells}.values())
    waiting = [cell for cell in cells if read_record(cell, folder) is None]
    if len(waiting) < len(cells):
        log(f"{len(cells) - len(waiting)} of {len(cells)} cells are already finished")
    failures: list[str] = []
    interrupted = False
    try:
        for group in [*_prerequisites(waiting, folder), waiting]:
            failures += filter(None, _run_group(group, folder, jobs, threads, log))
    except KeyboardInterrupt:
        interrupted = True
    return CellResults(finished_cells(cells, folder), failures, interrupted)


def _prerequisites(cells: Sequence[Cell], folder: Path) -> list[list[Cell]]:
    """Return the unfinished cells that ``cells`` need, in groups; each group needs only earlier groups."""
    needs = list({need.name: need for cell in cells for need in cell.needs}.values())
    if not needs:
        return []
    return [*_prerequisites(needs, folder), [need for need in needs if read_record(need, folder) is None]]


def _run_group(cells: Sequence[Cell], folder: Path, jobs: int, threads: int | None, log: Log) -> list[str | None]:
    """Compute cells that do not need each other; return a sentence for each cell that failed, else None."""
    if jobs == 1 or len(cells) < 2:
        return [_run_cell(cell, folder, threads, log) for cell in cells]
    from joblib import Parallel, delayed

    results: list[str | None] = Parallel(n_jobs=jobs)(delayed(_run_cell)(cell, folder, threads, log) for cell in cells)
    return results


def _run_cell(cell: Cell, folder: Path, threads: int | None, log: Log) -> str | None:
    """Compute one cell and write its record, with its warnings; return a sentence if it failed."""
    start, cpu = time.perf_counter(), time.process_time()
    recipe = {name: value for name, value in cell.recipe.items() if name != "data_sum"}
    try:
        with warnings.catch_warnings(record=True) as warned, limit_blas_threads(threads):
            warnings.simplefilter("always")
            result = cell.work(folder, **recipe)
    except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:  # bad data, divergence, no convergence
        log(f"{cell.name}: failed: {error}")
        return f"{cell.name}: {error}"
    here = machine()
    record = {
        "name": cell.name,
        "recipe": cell.recipe,
        "result": result,
        "warnings": sorted({str(warning.message) for warning in warned}),
        "minutes": round((time.perf_counter() - start) / 60, 2),
        "cpu_minutes": round((time.process_time() - cpu) / 60, 2),
        "date": timestamp(),
        "versions": versions(),
        "machine": {"system": here["system"], "cores": here["cores"], "blas_threads": blas_threads()},
    }
    path = cell.path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(json.dumps(record, indent=1).encode()))
    score = f"ACC {100 * result['ACC']:.2f}, " if "ACC" in result else ""
    log(f"{cell.name}: {score}{record['minutes']:.1f} min")
    return None
