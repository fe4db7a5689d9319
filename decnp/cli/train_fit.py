"""Training of ``decnp fit``: one run, or one from each of several seeds (``--restarts``).

Each restart has a checkpoint of its own, which stays until all are complete. ``--resume`` restores the finished ones from
it, and continues the one that was interrupted.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ..exceptions import UserError
from ..training.checkpoint import Checkpoint
from ..training.records import Record
from ..utils.rows import Rows
from .fit_options import FitOptions
from .pretraining import pretrain_on
from .resume import AUTOENCODER_CHECKPOINT, RESTART_CHECKPOINT, checkpoints, stop_on_signals

if TYPE_CHECKING:
    from ..dec import DEC
    from .prepare_fit import FitInput

__all__ = ["train"]


def train(
    fit: FitInput, options: FitOptions, log: Callable[[str], None], on_step: Callable[[Record], None]
) -> tuple[DEC, dict[str, float]]:
    """Train the model, and return it and the seconds of each phase.

    The seconds include those in earlier processes, up to their last checkpoint. With ``--restarts`` the model is the best
    of several runs. Raises UserError for data whose autoencoder trains on other rows, which have no restarts.
    """
    if options.restarts is not None:
        if fit.autoencoder_rows is not None:
            raise UserError(f"--restarts is not for {options.source}, whose autoencoder trains on other rows: run several "
                            "--seed instead")
        return _train_restarts(fit, options, log, on_step)
    seconds: dict[str, float] = {}
    if fit.autoencoder_rows is not None:
        own = Checkpoint(Path(options.out) / AUTOENCODER_CHECKPOINT, options.checkpoint_every) if options.out else None
        resume = own is not None and options.resumed and own.path.exists()
        seconds = _drain(pretrain_on(fit.model, fit.autoencoder_rows, own, resume), own, on_step)
    spent = _drain(fit.model.iter_fit(fit.X, options.has_checkpoint), fit.model.checkpoint, on_step)
    return fit.model, {**seconds, **spent}


def _drain(
    records: Iterator[Record], checkpoint: Checkpoint | None, on_step: Callable[[Record], None],
) -> dict[str, float]:
    """Run the training that yields ``records``, and return the seconds of each phase.

    ``checkpoint`` stores the seconds beside the state of the training.
    """
    seconds: dict[str, float] = {}
    last = time.perf_counter()
    with stop_on_signals(checkpoint):
        for step in records:
            if checkpoint:
                seconds = checkpoint.notes.setdefault("seconds", seconds)
            now = time.perf_counter()
            seconds[step.phase] = round(seconds.get(step.phase, 0.0) + now - last, 2)
            last = now
            on_step(step)
    return seconds


# ---------------------------------------------------------------- several seeds

class _KeptCheckpoint(Checkpoint):
    """Checkpoint that stays when its run is complete, and then has the final state."""

    def __init__(self, path: Path, every: float) -> None:
        super().__init__(path, every)
        self._state: Callable[[], object] | None = None

    def keep(self, state: Callable[[], object]) -> None:
        """Write the state if it is time, as any checkpoint does."""
        self._state = state
        super().keep(state)

    def write_final(self) -> None:
        """Write the state of a run that is complete, unless the file has it already; warn if it cannot be written."""
        if self._state is not None:
            self._last = -inf
            super().keep(self._state)
            self._state = None


def _train_restarts(
    fit: FitInput, options: FitOptions, log: Callable[[str], None], on_step: Callable[[Record], None]
) -> tuple[DEC, dict[str, float]]:
    """Fit from several seeds, and return the best run and the seconds of each phase of all runs."""
    from ..restarts import best_of, seeded  # imports scikit-learn

    assert options.restarts is not None
    fit.model.checkpoint = None  # that of a single run
    runs = seeded(fit.model, options.restarts)
    for i, run in enumerate(runs, start=1):
        if options.out:
            # Checkpoints of finished runs stay, so that --resume does not compute them again.
            run.checkpoint = _KeptCheckpoint(Path(options.out) / RESTART_CHECKPOINT.format(i), options.checkpoint_every)
    try:
        fitted, seconds = _fit_all(runs, fit.X, options.jobs, log, on_step)
        began = time.perf_counter()
        best = best_of(fitted, fit.X)
    except KeyboardInterrupt:
        if options.out and checkpoints(Path(options.out)):
            raise KeyboardInterrupt(f"interrupted; to resume: decnp fit --resume {shlex.quote(options.out)}") from None
        raise
    return best, {**seconds, "agreement": round(time.perf_counter() - began, 2)}


def _fit_all(
    runs: Sequence[DEC], X: Rows, jobs: int, log: Callable[[str], None], on_step: Callable[[Record], None]
) -> tuple[list[DEC], dict[str, float]]:
    """Fit all runs, and return them and the seconds of each phase; with several ``jobs``, those of all together."""
    if jobs > 1:
        from joblib import Parallel, delayed  # comes with scikit-learn, which prediction does without

        began = time.perf_counter()
        log(f"{len(runs)} restarts, {jobs} at a time")
        pairs = Parallel(n_jobs=jobs)(delayed(_fit_one)(run, X) for run in runs)
        return [run for run, _ in pairs], {"restarts": round(time.perf_counter() - began, 2)}
    fitted: list[DEC] = []
    seconds: dict[str, float] = {}
    for i, run in enumerate(runs, start=1):
        log(f"restart {i} of {len(runs)}: seed {run.random_state}")
        done, spent = _fit_one(run, X, on_step)
        fitted.append(done)
        for phase, s in spent.items():
            seconds[phase] = round(seconds.get(phase, 0.0) + s, 2)
    return fitted, seconds


def _fit_one(
    run: DEC, X: Rows, on_step: Callable[[Record], None] = lambda record: None
) -> tuple[DEC, dict[str, float]]:
    """Fit one restart, from its checkpoint if there is one, and return it and its seconds."""
    checkpoint = run.checkpoint
    resume = checkpoint is not None and checkpoint.path.exists()
    seconds = _drain(run.iter_fit(X, resume), checkpoint, on_step)
    if checkpoint is not None:
        seconds = checkpoint.notes.get("seconds", seconds)
        checkpoint.write_final()
        run.checkpoint = None
    return run, seconds
