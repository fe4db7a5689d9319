"""Work of ``decnp fit``: check, train, score, write.

Everything that the user may get wrong is checked before training starts. All files are complete before the first file
of an earlier run is replaced.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import DataError, UserError
from ..metrics import adjusted_rand_index, cluster_accuracy, normalized_mutual_info
from ..profiles import recorded_profile
from ..report import check_pictures, write_report
from ..report.describe import one_column_warnings
from ..training.records import Record
from ..utils.provenance import peak_memory, provenance, working_folder
from ..utils.rows import LazyRows
from .fit_folder import CLUSTERS, output_folder, write_clusters, write_results
from .fit_options import CHECKPOINT_MINUTES, FitOptions
from .prepare_fit import FitInput, prepare
from .resume import finish, start
from .train_fit import train

if TYPE_CHECKING:
    from ..dec import DEC

__all__ = ["run_fit"]

SCORES = {"ACC": cluster_accuracy, "NMI": normalized_mutual_info, "ARI": adjusted_rand_index}
NOT_RECORDED = ("profile", "checkpoint", "autoencoder")
"""Parameters of DEC that JSON cannot hold, or that are recorded elsewhere."""


def run_fit(
    options: FitOptions, argv: list[str], log: Callable[[str], None], on_step: Callable[[Record], None],
) -> dict[str, Any]:
    """Train a model, write its files, and return the content of ``run.json``.

    Parameters
    ----------
    options : FitOptions
        Options of the command.
    argv : list of str
        Words after ``decnp``, for the record.
    log : callable
        Called with each line about the data.
    on_step : callable
        Called with each report of the training.

    Raises
    ------
    UserError, DataError
        If an option or a file is invalid.
    TrainingError
        If the training diverges.
    """
    began = time.perf_counter()
    _check_needed_options(options)
    if options.report:
        check_pictures()
    with output_folder(options) as out:
        fit = prepare(options, log)
        if out and not options.resumed:
            start(out, argv)
        from ..utils.threads import limit_blas_threads

        with limit_blas_threads(options.threads):
            load_seconds = round(time.perf_counter() - began, 2)
            model, spent = train(fit, options, log, on_step)
            fit, seconds = fit._replace(model=model), {"load": load_seconds, **spent}
            record = _record(fit, options, argv, seconds)
            if out:
                write_results(out, fit, record)
                finish(out)
                try:
                    write_clusters(out, options.source, fit)
                except (DataError, OSError) as error:  # the table has changed since it was read
                    log(f"warning: {CLUSTERS} was not written: {error}")
                if options.report:
                    write_report(out, data=(fit.X, fit.y))
    return record


def _check_needed_options(options: FitOptions) -> None:
    """Raise UserError for an option that has no effect without another one."""
    if options.jobs > 1 and options.restarts is None:
        raise UserError("--jobs needs --restarts R: it is the number of restarts at a time")
    for option, given, what in (
            ("--report", options.report, "takes report.html"),
            ("--overwrite", options.overwrite, "has the run to replace"),
            ("--checkpoint-every", options.checkpoint_every != CHECKPOINT_MINUTES, "takes the checkpoints")):
        if given and not options.out:
            raise UserError(f"{option} needs --out DIR, the folder that {what}")


def _record(fit: FitInput, options: FitOptions, argv: list[str], seconds: dict[str, float]) -> dict[str, Any]:
    """Return the content of ``run.json``."""
    model = fit.model
    history = list(model.history_)
    if fit.autoencoder_rows is not None:
        history = [*model.autoencoder_.history_, *history]
    return {
        "command": shlex.join(["decnp", *argv]),
        "source": {"name": options.source, "n_samples": len(fit.X), "n_features": fit.X.shape[1],
                   "labels": options.labels, "label_column": options.label_column, "drop": options.drop,
                   "columns": options.columns,
                   "header": {True: "yes", False: "no", None: None}[options.header],
                   "folder": working_folder(), "notes": fit.notes, "warnings": fit.warnings},
        "columns": list(fit.columns),
        "recipe": None if fit.recipe is None else fit.recipe.to_json(),
        **_results(fit, options),
        "seconds": {**seconds, "total": round(sum(seconds.values()), 2)},
        "peak_memory_mb": peak_memory(),
        **provenance(),
        "history": [step.as_dict() for step in history],
    }


def _results(fit: FitInput, options: FitOptions) -> dict[str, Any]:
    """Return the part of ``run.json`` about the model: its parameters and its results."""
    model, k = fit.model, fit.model.n_clusters
    diagnoses = [step.diagnosis._asdict() for step in model.history_ if step.diagnosis]
    return {
        "n_clusters": k,
        "stability": getattr(model, "stability_", None),
        "restarts": getattr(model, "restarts_", None),
        "seed": model.random_state,
        "profile": recorded_profile(model._schedule(len(fit.X)), model.autoencoder_.shift_),
        "parameters": {**{n: v for n, v in model.get_params(deep=False).items() if n not in NOT_RECORDED},
                       "init": options.init},
        "start": model.init_,
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "stop_reason": model.stop_reason_,
        "warnings": [*model.warnings_, *_about_columns(fit)],
        "cluster_sizes": np.bincount(model.labels_, minlength=k).tolist(),
        "diagnostics": {"start": diagnoses[0], "end": diagnoses[-1]},
        "scores": None if fit.y is None else _scores(model, fit.y),
    }


def _about_columns(fit: FitInput) -> list[str]:
    """Return a sentence for each column that alone gives the clusters. Sparse rows and rows on the disk are not compared."""
    if isinstance(fit.X, LazyRows):
        return []
    return one_column_warnings(fit.X, fit.columns, fit.model.labels_, fit.recipe, drop=fit.named is not None)


def _scores(model: DEC, y: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the scores of the start of the clustering phase and of the end."""
    return {name: {metric: float(score(y, labels)) for metric, score in SCORES.items()}
            for name, labels in ((f"{model.init_} start", model.initial_labels_), ("end", model.labels_))}
