"""Cells: an experiment is many small pieces of work, and each one that is done is kept.

A cell has a name for people and a recipe for machines. Its result is a JSON file, written aside and renamed, whose
name holds the sum of the recipe and of the data: a cell that is there was done, exactly so, and is not done again.
So an experiment goes on where it was stopped, and experiments share the cells that they have in common.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Callable, Sequence

from threadpoolctl import threadpool_info, threadpool_limits

from .. import __version__
from ..io.atomic import write_atomically

__all__ = ["Cell", "Done", "finished", "run_cells", "so_far", "sum_of"]

Note = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """A piece of work: ``work(folder, **recipe)`` gives a result that JSON can hold."""

    name: str
    """Unique in its experiment: "mnist, DEC, lambda 40, seed 0"."""
    work: Callable[..., dict]
    """A function of a module, so that another process finds it. ``folder`` is where shared things are kept."""
    recipe: dict
    """Its keyword arguments, as JSON; ``data_sum`` is the SHA-256 sum of the data, which no work takes."""
    needs: Sequence["Cell"] = field(default=())
    """What is done before: what several cells share, as an autoencoder."""

    def path(self, folder: Path) -> Path:
        """The file of its result."""
        words = re.sub(r"[^a-z0-9.+-]+", "-", self.name.lower()).strip("-")
        return folder / "cells" / f"{words}-{sum_of(self._key())[:12]}.json"

    def _key(self):
        return {"work": f"{self.work.__module__}.{self.work.__qualname__}", **self.recipe}


@dataclass(frozen=True)
class Done:
    """The cells of an experiment that are done, by name, and a sentence for each that could not be."""

    results: dict[str, dict]
    failures: list[str]
    stopped: bool
    """Whether Ctrl-C came before the last one."""


def sum_of(recipe: dict) -> str:
    """The SHA-256 sum of a recipe, the same for the same keys in any order."""
    return sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def finished(cell: Cell, folder: Path) -> dict | None:
    """What was kept of a cell: its recipe, result and circumstances; None if it is not done, or not readable."""
    try:
        kept = json.loads(cell.path(folder).read_bytes())
        return kept if {"recipe", "result", "minutes"} <= kept.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def run_cells(cells: Sequence[Cell], folder: Path, jobs: int, note: Note, threads: int | None = None) -> Done:
    """Do the cells that are not done, ``jobs`` at a time; what they need comes first.

    A cell that cannot be done is reported and leaves the others alone. Ctrl-C loses only what is under way, and
    the others' results are still given.
    """
    cells = list({cell.name: cell for cell in cells}.values())
    waiting = [cell for cell in cells if finished(cell, folder) is None]
    if len(waiting) < len(cells):
        note(f"{len(cells) - len(waiting)} of {len(cells)} cells are done already")
    failures: list[str] = []
    try:
        for group in [*_before(waiting, folder), waiting]:
            failures += filter(None, _in_parallel(group, folder, jobs, threads, note))
        stopped = False
    except KeyboardInterrupt:
        stopped = True
    return Done(so_far(cells, folder), failures, stopped)


def so_far(cells: Sequence[Cell], folder: Path) -> dict[str, dict]:
    """What was kept of those cells that are done, by name."""
    kept = {cell.name: finished(cell, folder) for cell in cells}
    return {name: done for name, done in kept.items() if done}


def _before(cells, folder) -> list[list[Cell]]:
    """What the cells need and what is not done of it, in groups: each needs only groups before it."""
    needs = list({need.name: need for cell in cells for need in cell.needs}.values())
    return [*_before(needs, folder), [need for need in needs if finished(need, folder) is None]] if needs else []


def _in_parallel(cells, folder, jobs, threads, note):
    if jobs == 1 or len(cells) < 2:
        return [_do(cell, folder, threads, note) for cell in cells]
    from joblib import Parallel, delayed

    return Parallel(n_jobs=jobs)(delayed(_do)(cell, folder, threads, note) for cell in cells)


def _threads(n):
    return threadpool_limits(n, "blas") if n else nullcontext()


def _do(cell: Cell, folder: Path, threads, note) -> str | None:
    """Do one cell and keep it with its warnings; a sentence if it cannot be done."""
    start, cpu = time.perf_counter(), time.process_time()
    recipe = {name: value for name, value in cell.recipe.items() if name != "data_sum"}
    try:
        with warnings.catch_warnings(record=True) as warned, _threads(threads):
            warnings.simplefilter("always")
            result = cell.work(folder, **recipe)
    except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:  # bad data, lost numbers, no convergence
        note(f"{cell.name}: failed: {error}")
        return f"{cell.name}: {error}"
    done = {
        "name": cell.name,
        "recipe": cell.recipe,
        "result": result,
        "warnings": sorted({str(warning.message) for warning in warned}),
        "minutes": round((time.perf_counter() - start) / 60, 2),
        "cpu_minutes": round((time.process_time() - cpu) / 60, 2),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"decnp": __version__, "python": platform.python_version(),
                     **{name: metadata.version(name) for name in ("numpy", "scipy", "scikit-learn", "numba")}},
        "machine": {"system": platform.platform(), "cores": os.cpu_count(),
                    "blas_threads": max((pool["num_threads"] for pool in threadpool_info()
                                         if pool["user_api"] == "blas"), default=1)},
    }
    path = cell.path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(json.dumps(done, indent=1).encode()))
    score = f"ACC {100 * result['ACC']:.2f}, " if "ACC" in result else ""
    note(f"{cell.name}: {score}{done['minutes']:.1f} min")
    return None
