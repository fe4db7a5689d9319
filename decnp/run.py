"""One run of ``decnp fit``: read, train, score, write. The command line's work, without its words."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from . import __version__
from .datasets import load_digits, load_mnist
from .datasets.files import read_labels, read_table, write_aside
from .dec import DEC
from .metrics import adjusted_rand_index, cluster_accuracy, normalized_mutual_info
from .profiles import Profile, profile_for

PAPER_MNIST = dict(input_scale=None, autoencoder_rows=60_000)
"""What the authors' code does on MNIST: pixels x 0.02 as they are, and an autoencoder of the training images."""


class UserError(ValueError):
    """Something in the user's hands is wrong; the message is the one sentence to print."""


def fit_command(args, argv: list[str]) -> dict:
    """``decnp fit``: returns what ``run.json`` holds. Raises UserError with one sentence for bad input."""
    start = time.perf_counter()
    try:
        X, y, name = load_source(args.source)
        if args.labels:
            y = read_labels(args.labels)
        if y is not None and len(y) != len(X):
            raise ValueError(f"--labels must have one label for each of the {len(X)} rows; got {len(y)}")
        profile = _profile(args, name, len(X))
        if args.out:
            Path(args.out).mkdir(parents=True, exist_ok=True)
        k = args.n_clusters if args.n_clusters is not None else (10 if name in ("mnist", "digits") else 8)
        model = DEC(
            k, hidden_layer_sizes=_sizes(args.hidden), alpha=args.alpha, profile=profile,
            update_interval=args.update_interval, max_iter=args.max_iter, tol=args.tol, random_state=args.seed,
            dtype="float32",
        )
        limits = threadpool_limits(args.threads, "blas") if args.threads else nullcontext()
        with limits:
            timings, threads = _train(model, X, start), _threads()
    except (ValueError, TypeError) as error:
        raise UserError(str(error).split("\n")[0]) from error

    run = {
        "command": "decnp " + " ".join(argv),
        "source": {"name": args.source, "n_samples": len(X), "n_features": X.shape[1]},
        "n_clusters": k,
        "seed": args.seed,
        "profile": asdict(model._profile(len(X))),
        "parameters": {n: v for n, v in model.get_params(deep=False).items() if n != "profile"},
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "stop_reason": model.stop_reason_,
        "cluster_sizes": np.bincount(model.labels_, minlength=k).tolist(),
        "scores": None if y is None else {
            "k-means start": scores(y, model.initial_labels_), "end": scores(y, model.labels_)},
        "seconds": {**timings, "total": round(time.perf_counter() - start, 2)},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "versions": _versions(),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "threads": threads,
        "history": [step._asdict() for step in model.history_],
    }
    _print(run)
    if args.out:
        _write(Path(args.out), model, X, run)
        print(f"written to {args.out}{os.sep}")
    return run


def load_source(source: str):
    """SOURCE -> X (n, D) float32, y (n,) or None, and the source's name ("mnist", "digits" or "file")."""
    if source == "mnist":
        return *load_mnist(), "mnist"
    if source == "digits":
        return *load_digits(), "digits"
    return read_table(source), None, "file"


def scores(y, labels) -> dict:
    """ACC, NMI and ARI of labels (n,) against y (n,)."""
    return {
        "ACC": cluster_accuracy(y, labels),
        "NMI": float(normalized_mutual_info(y, labels)),
        "ARI": float(adjusted_rand_index(y, labels)),
    }


def _profile(args, name, n) -> Profile:
    profile = profile_for(args.profile, n)
    if args.profile == "paper" and name == "mnist":
        profile = replace(profile, **PAPER_MNIST)
    known = {f.name for f in fields(Profile)}
    for setting in args.settings:
        field, equals, value = setting.partition("=")
        if field not in known or not equals:
            raise ValueError(f"--set must be NAME=VALUE with NAME one of {', '.join(sorted(known))}; got {setting!r}")
        try:
            value = json.loads({"None": "null", "True": "true", "False": "false"}.get(value, value))
        except json.JSONDecodeError:
            pass  # a word, such as unit or adam
        profile = replace(profile, **{field: value})
    return profile


def _sizes(hidden):
    if hidden is None:
        return (500, 500, 2000, 10)
    try:
        return tuple(int(s) for s in hidden.split(","))
    except ValueError:
        raise ValueError(f"--hidden must be whole numbers with commas between them; got {hidden!r}") from None


def _train(model: DEC, X, start) -> dict:
    """Drain the run, with a line or a bar for each report; returns the seconds that each phase took."""
    timings, last, phase = {"load": round(time.perf_counter() - start, 2)}, time.perf_counter(), None
    phase_start = last
    for step in model.steps(X):
        now = time.perf_counter()
        if step.phase != phase:
            phase, phase_start = step.phase, last
        timings[phase] = round(timings.get(phase, 0.0) + now - last, 2)
        last = now
        left = ""
        if step.iteration and step.phase != "k-means":
            seconds = (now - phase_start) / step.iteration * (step.n_iter - step.iteration)
            most = "at most " if step.phase == "cluster" else ""
            left = f"  {most}{seconds:.0f} s left in this phase"
        changed = "" if step.changed is None else f"  labels changed {step.changed:7.2%}"
        print(f"{step.phase:>10} {step.iteration:>6}/{step.n_iter}  loss {step.loss:.5f}{changed}{left}", file=sys.stderr, flush=True)
    return timings


def _print(run):
    sizes = run["cluster_sizes"]
    print(f"cluster sizes: {' '.join(map(str, sizes))}")
    print(run["stop_reason"])
    if run["scores"]:
        for name, score in run["scores"].items():
            print(f"{name:>13}: " + "  ".join(f"{metric} {value:.4f}" for metric, value in score.items()))
    print(f"{run['seconds']['total']:.1f} s, peak memory {run['peak_memory_mb']} MB")


def _write(out: Path, model: DEC, X, run):
    write_aside(out / "labels.npy", lambda f: np.save(f, model.labels_))
    write_aside(out / "embedding.npy", lambda f: np.save(f, model.transform(X)))
    write_aside(out / "centroids.npy", lambda f: np.save(f, model.cluster_centers_))
    model.save(out / "model.decnp")
    write_aside(out / "run.json", lambda f: f.write(json.dumps(run, indent=1).encode()))


def _versions() -> dict:
    import numba
    import scipy
    import sklearn

    return {"decnp": __version__, "python": platform.python_version(), "numpy": np.__version__,
            "scipy": scipy.__version__, "scikit-learn": sklearn.__version__, "numba": numba.__version__}


def _threads() -> list[dict]:
    keep = ("internal_api", "num_threads", "version", "architecture")
    return [{k: pool.get(k) for k in keep} for pool in threadpool_info()]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
