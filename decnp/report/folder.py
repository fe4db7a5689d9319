"""What a report is made of: the files of a finished run, checked, and its data, where they can still be read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from ..datasets import DataError
from ..datasets.registry import SOURCES
from ..equations import soft_assignment
from ..exceptions import ModelFileError, UserError
from ..inference import load_model
from ..io.tables import read_labels, read_npy, read_table
from ..metrics import cluster_accuracy
from ..utils.rows import Rows

__all__ = ["Finished", "read_run"]

NUMBER = (int, float)
KINDS: dict[str, Any] = {  # what the page says of run.json, and what it must be
    "command": str, "date": str, "n_clusters": int, "n_iter": int, "converged": bool, "stop_reason": str,
    "warnings": list, "history": list, "profile": dict, "parameters": dict, "versions": dict,
    "machine": dict, "threads": list, "seconds": dict, "source": dict, "source.name": str, "source.n_samples": int,
    "source.n_features": int, "parameters.alpha": NUMBER, "parameters.tol": NUMBER, "seconds.total": NUMBER,
    "parameters.hidden_layer_sizes": list,
}
SAMPLE = 500  # rows that are put through the model, to see whether the data are still those of the run


class Finished(NamedTuple):
    """A finished run."""

    folder: Path
    record: dict
    """run.json."""
    labels: np.ndarray
    """(n,) whole numbers from 0 to k - 1."""
    z: np.ndarray
    """(n, d) the embedding."""
    q: np.ndarray
    """(n, k) Eq. 1."""
    X: Optional[Rows]
    """(n, D), or None where the data cannot be read any more, or are others."""
    y: Optional[np.ndarray]
    """(n,) the classes, or None."""
    missing: list[str]
    """A sentence for each thing that is not there."""


def read_run(folder: Path, data: Optional[tuple[Rows, Optional[np.ndarray]]] = None) -> Finished:
    """The finished run in ``folder``; ``data`` is its (X, y) if it is at hand. Raises UserError."""
    record = _record(folder)
    n, k = record["source"]["n_samples"], record["n_clusters"]
    labels, z, mu = (_array(folder / f"{name}.npy") for name in ("labels", "embedding", "centroids"))
    if not (labels.shape == (n,) and z.ndim == 2 and len(z) == n and mu.shape == (k, z.shape[1])
            and labels.dtype.kind in "iu" and 0 <= labels.min() and labels.max() < k
            and z.dtype.kind == mu.dtype.kind == "f" and np.isfinite(z).all() and np.isfinite(mu).all()):
        raise UserError(f"the files in {folder} do not fit together: labels {labels.shape}, embedding {z.shape}, "
                        f"centroids {mu.shape}, and run.json says {n} rows in {k} clusters")
    q = soft_assignment(z.astype(np.float64), mu.astype(np.float64), record["parameters"]["alpha"])
    missing: list[str] = []
    X, y = data or _data(folder, record, labels, z, missing)
    return Finished(folder, record, labels, z, q, X, y, missing)


def _record(folder):
    """run.json, with all that the page says of it."""
    path = folder / "run.json"
    if (folder / "resume.json").exists() and not path.exists():
        raise UserError(f"the run in {folder} is not complete: decnp fit --resume {folder} goes on with it")
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} holds no finished run: there is no {path} (decnp fit --out writes one)") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: it is no JSON ({error})") from error
    name, value = _odd(record)
    if name:
        raise UserError(f"{path} is damaged, or is of another version: {name} in it is {value!r:.40}")
    return record


def _odd(record):
    """The first thing in run.json that is not what it must be, by name, and what it is; else (None, None)."""
    for name, kind in KINDS.items():
        value = record
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or (
                kind is NUMBER and not (math.isfinite(value) and value >= 0)):
            return name, value
    columns = record.get("columns", [])
    if not isinstance(columns, list) or len(columns) not in (0, record["source"]["n_features"]):
        return "columns", columns
    scores = record.get("scores")
    if scores is not None and not (isinstance(scores, dict) and "end" in scores and all(
            isinstance(one, dict) and {*one} == {"ACC", "NMI", "ARI"}
            and all(isinstance(value, NUMBER) for value in one.values()) for one in scores.values())):
        return "scores", scores
    for step in record["history"]:
        if not (isinstance(step, dict) and isinstance(step.get("phase"), str) and isinstance(step.get("iteration"), int)
                and isinstance(step.get("loss"), NUMBER) and isinstance(step.get("changed"), (*NUMBER, type(None)))):
            return "a step of history", step
    return None, None


def _array(path):
    """The array in an .npy of the run."""
    try:
        with open(path, "rb") as file:
            return read_npy(file, path.stat().st_size, str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except DataError as error:
        raise UserError(str(error)) from error


# ---------------------------------------------------------------- the data

def _data(folder, record, labels, z, missing):
    """X and y from where the run found them; None, and a sentence in ``missing``, for what is no longer there."""
    source = record["source"]
    name, home = source["name"], Path(str(source.get("folder") or "."))
    try:
        X, y = SOURCES[name]() if name in SOURCES else read_table(home / name, source.get("label_column"))[:2]
    except (DataError, OSError) as error:
        missing.append(f"The data could not be read again, so what needs them is left out: {error}.")
        return None, None
    problem = _another(folder, source, X, z)
    if problem:
        missing.append(f"{name} is not what it was when the model was trained ({problem}), so what needs the data is "
                       "left out.")
        return None, None
    try:
        y = read_labels(home / source["labels"], len(X)) if source.get("labels") else y
    except (DataError, OSError) as error:
        missing.append(f"The labels could not be read again, so what needs them is left out: {error}.")
        return X, None
    if y is not None and record.get("scores") and not _scored(record["scores"], y, labels):
        missing.append("The labels give another accuracy than in the run, so what needs them is left out.")
        return X, None
    return X, y if record.get("scores") else None


def _another(folder, source, X, z):
    """In what X differs from the run's data, or None: some rows go through the model, and must end at their z."""
    shape = source["n_samples"], source["n_features"]
    if X.shape != shape:
        return f"{X.shape[0]} rows of {X.shape[1]} columns now, and {shape[0]} of {shape[1]} then"
    some = np.random.default_rng(0).permutation(len(X))[:SAMPLE]
    try:
        now = load_model(folder / "model.decnp").transform(X[some])
    except (ModelFileError, OSError, ValueError) as error:
        raise UserError(f"cannot use {folder / 'model.decnp'}: {error}") from error
    close = now.shape == z[some].shape and np.allclose(now, z[some], rtol=1e-3, atol=1e-3 * np.abs(z).max())
    return None if close else "the model takes its rows to other places"


def _scored(scores, y, labels):
    try:
        return abs(float(scores["end"]["ACC"]) - cluster_accuracy(y, labels)) < 1e-6
    except (KeyError, TypeError, ValueError):
        return False
