"""One run of ``decnp fit``: check, train, score, write. The command's work, without its words.

All that the user may get wrong is checked before training starts, and what is written is complete before
the first file of an earlier run is replaced.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, fields, replace
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Callable, Iterator, Optional

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from .. import __version__
from ..datasets.registry import SOURCES, n_clusters
from ..dec import DEC
from ..exceptions import UserError
from ..io.atomic import write_all_atomically
from ..io.table_warnings import table_warnings
from ..io.tables import read_labels, read_table
from ..metrics import adjusted_rand_index, cluster_accuracy, normalized_mutual_info
from ..persistence import write_model
from ..profiles import PAPER_MNIST, Profile, profile_for, profile_of_both
from ..report import REPORT, check_pictures, write_report
from ..training.checkpoint import Checkpoint
from ..training.engine import engine_for
from ..training.records import Step
from ..utils.rows import LazyRows, is_mapped
from .pretraining import autoencoder_rows, pretrain_on
from .resume import CHECKPOINT, OTHER_ROWS, begin, checkpoints, end, give_up, stopped_by_signals

if os.name == "posix":
    import resource

__all__ = ["UserError", "fit_command"]

SCORES = {"ACC": cluster_accuracy, "NMI": normalized_mutual_info, "ARI": adjusted_rand_index}
NOT_RECORDED = ("profile", "checkpoint", "autoencoder")  # of the parameters: no JSON, or said elsewhere
FILES = ("labels.npy", "embedding.npy", "centroids.npy", "model.decnp", "run.json")


def fit_command(args, argv: list[str], note: Callable[[str], None], watch: Callable[[Step], None]) -> dict:
    """``decnp fit`` with the parsed ``args``: returns what ``run.json`` holds.

    ``note`` is told a line about the data, ``watch`` each ``Step``. ``argv`` is for the record.

    Raises
    ------
    UserError, DataError
        If an option, or a file, does not fit: one sentence.
    TrainingError
        If the numbers overflow in training.
    """
    start = time.perf_counter()
    if args.report:
        if not args.out:
            raise UserError("--report needs --out DIR, the folder that takes report.html")
        check_pictures()
    with _output_folder(args) as out:
        X, y, columns, model, rows, found = _prepare(args, note)
        if out and not args.begun:
            begin(out, argv)
        with threadpool_limits(args.threads, "blas") if args.threads else nullcontext():
            timings = {"load": round(time.perf_counter() - start, 2), **_train(model, X, rows, watch, args)}
            run = {
                "command": shlex.join(["decnp", *argv]),
                "source": {"name": args.source, "n_samples": len(X), "n_features": X.shape[1], "labels": args.labels,
                           "label_column": args.label_column, "folder": os.getcwd(), "doubts": found},
                "columns": list(columns),
                **_result(model, X, y),
                "seconds": {**timings, "total": round(sum(timings.values()), 2)},
                "peak_memory_mb": _peak_memory(),
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "versions": {"decnp": __version__, "python": platform.python_version(),
                             **{name: metadata.version(name) for name in ("numpy", "scipy", "scikit-learn", "numba")}},
                "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.platform()},
                "threads": [{key: pool.get(key) for key in ("internal_api", "num_threads", "version", "architecture")}
                            for pool in threadpool_info()],
                "history": [step.as_dict() for step in [*(model.autoencoder_.history_ if rows is not None else []),
                                                      *model.history_]],
            }
            if out:
                _write(out, model, X, run)
                end(out)
            if out and args.report:
                write_report(out, data=(X, y))
    return run


def _prepare(args, note):
    """X (n, D), the labels (n,) or None, the names of X's columns, the unfitted model, all checked; the autoencoder's
    rows, or None for those of X; and the warnings about X."""
    known = SOURCES.get(args.source)
    try:
        if known and args.label_column is not None:
            raise UserError(f"--label-column names a column of a .csv file; {args.source} has its own labels")
        if args.labels:
            _check_labels(args)
        X, y, names = (*known(), ()) if known else read_table(args.source, args.label_column)
        rows = autoencoder_rows(args.source)
        if args.labels:
            y = read_labels(args.labels, len(X))
    except OSError as error:
        raise UserError(f"cannot read {error.filename or args.source}: {error.strerror or error}") from error
    profile = profile_of_both(partial(_profile, args), len(X), len(X if rows is None else rows))
    model = DEC(
        args.n_clusters or (n_clusters(args.source) if known else 8), hidden_layer_sizes=args.hidden, alpha=args.alpha,
        profile=profile, update_interval=args.update_interval, max_iter=args.max_iter, tol=args.tol,
        random_state=args.seed, dtype="float32",
        checkpoint=Checkpoint(Path(args.out) / CHECKPOINT, args.checkpoint_every) if args.out else None,
    )
    engine_for(model.engine)  # the kernels are loaded now, so that the first phase's time is its own
    try:
        model._check_parameters(X)
    except ValueError as error:
        raise UserError(f"{args.source}: {error}") from error
    whose = f" in {args.label_column!r}" if args.label_column else ""
    note(f"{args.source}: {len(X)} rows of {X.shape[1]} columns" + _lazily(X) + ", with a first line of names" * bool(names)
         + ("" if y is None else f"; the labels{whose} are for the scores only")
         + ("" if rows is None else f"; the autoencoder trains on {len(rows)} rows, of unlabelled images too"))
    found = table_warnings(X, names)
    for doubt in found:
        note(f"warning: {doubt}")
    return X, y, names, model, rows, found


def _lazily(X) -> str:
    """How X lies, where it is no array in memory."""
    return "" if not isinstance(X, LazyRows) else ", read from the disk" if is_mapped(X.source) else ", sparse"


def _check_labels(args):
    """--labels beside --label-column, or with the name of a column."""
    if args.label_column is not None:
        raise UserError("--labels FILE and --label-column NAME both say where the labels are: take one")
    a_name = not os.path.splitext(args.labels)[1] and not os.path.exists(args.labels)
    if a_name and args.source.lower().endswith(".csv"):
        raise UserError(f"--labels takes a file, and none is called {args.labels}; for a column of {args.source}, "
                        f"say --label-column {shlex.quote(args.labels)}")


def _profile(args, n_samples) -> Profile:
    profile = profile_for(args.profile, n_samples)
    if args.profile == "paper" and args.source == "mnist":
        profile = replace(profile, **PAPER_MNIST)
    names = [field.name for field in fields(Profile)]
    for name, value in args.settings:
        if name not in names:
            raise UserError(f"--set must name a field of the profile, one of {', '.join(names)}; got {name!r}")
        try:
            profile = replace(profile, **{name: value})
        except ValueError as error:
            raise UserError(f"--set {error}") from error
    return profile


@contextmanager
def _output_folder(args) -> Iterator[Optional[Path]]:
    """Yields --out as a folder that can be written to, or None. One that was made for a run that fails goes again."""
    if not args.out:
        yield None
        return
    out = Path(args.out)
    made = not os.path.lexists(out)
    try:
        if not made and not out.is_dir():
            raise UserError(f"--out {out} is a file, not a folder")
        kept = checkpoints(out)
        if kept and not args.begun:
            raise UserError(f"--out {out} holds a run that is not complete: decnp fit --resume {shlex.quote(str(out))} "
                            f"goes on with it; delete {kept[0]} to begin anew")
        held = [name for name in (*FILES, REPORT) if os.path.lexists(out / name)]
        if held and not (out / "run.json").is_file():
            raise UserError(f"--out {out} has {held[0]} but no run.json, so it holds no earlier run: choose another")
        for name in held:
            if (out / name).is_dir():
                raise UserError(f"--out {out} has a folder called {name}: choose another")
            for given in (args.source, args.labels):
                if given and os.path.exists(given) and os.path.samefile(given, out / name):
                    raise UserError(f"--out {out} would replace {given}, which this run reads: choose another")
        out.mkdir(parents=True, exist_ok=True)
        tempfile.NamedTemporaryFile(dir=out, prefix=".decnp.").close()
    except OSError as error:
        raise UserError(f"--out {out} cannot be written to: {error.strerror or error}") from error
    try:
        yield out
    except BaseException:
        give_up(out, made)
        raise


def _train(model: DEC, X, rows, watch, args) -> dict[str, float]:
    """Drain the run; returns the seconds that each phase took, in earlier processes too up to their last report."""
    timings: dict[str, float] = {}
    if rows is not None:
        own = Checkpoint(Path(args.out) / OTHER_ROWS, args.checkpoint_every) if args.out else None
        resume = own is not None and args.begun and own.path.exists()
        timings.update(_drain(pretrain_on(rows, model, own, resume), own, watch))
    return {**timings, **_drain(model.steps(X, args.resume), model.checkpoint, watch)}


def _drain(steps: Iterator[Step], checkpoint: Optional[Checkpoint], watch) -> dict[str, float]:
    """Likewise of some of its phases, which ``checkpoint`` keeps."""
    timings: dict[str, float] = {}
    last = time.perf_counter()
    with stopped_by_signals(checkpoint):
        for step in steps:
            if checkpoint:
                timings = checkpoint.notes.setdefault("seconds", timings)
            now = time.perf_counter()
            timings[step.phase] = round(timings.get(step.phase, 0.0) + now - last, 2)
            last = now
            watch(step)
    return timings


def _result(model: DEC, X, y) -> dict:
    """What was asked for and what came out, in the words of ``run.json``."""
    k = model.n_clusters
    sizes = np.bincount(model.labels_, minlength=k).tolist()
    found = [step.diagnosis._asdict() for step in model.history_ if step.diagnosis]
    return {
        "n_clusters": k,
        "seed": model.random_state,
        "profile": asdict(model._schedule(len(X))),
        "parameters": {n: v for n, v in model.get_params(deep=False).items() if n not in NOT_RECORDED},
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "stop_reason": model.stop_reason_,
        "warnings": model.warnings_,
        "cluster_sizes": sizes,
        "diagnostics": {"start": found[0], "end": found[-1]},
        "scores": None if y is None else {
            name: {metric: float(score(y, labels)) for metric, score in SCORES.items()}
            for name, labels in (("k-means start", model.initial_labels_), ("end", model.labels_))},
    }


def _write(out: Path, model: DEC, X, run):
    """All files of a run, or none."""
    contents = (
        lambda file: np.save(file, model.labels_),
        lambda file: np.save(file, model.transform(X)),
        lambda file: np.save(file, model.cluster_centers_),
        lambda file: write_model(model, file),
        lambda file: file.write(json.dumps(run, indent=1).encode()),
    )
    try:
        write_all_atomically({out / name: write for name, write in zip(FILES, contents)})
        (out / REPORT).unlink(missing_ok=True)  # an earlier run's
    except OSError as error:
        raise UserError(f"--out {out} could not be written: {error.strerror or error}") from error


def _peak_memory() -> Optional[int]:
    """The most memory that this process has had, in MB; None where the system does not say."""
    if os.name != "posix":
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
