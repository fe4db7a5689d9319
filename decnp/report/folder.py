"""The files and the data of a finished run, checked, for the report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..datasets import DataError
from ..datasets.registry import SOURCES
from ..equations import soft_assignment
from ..exceptions import ModelFileError, UserError
from ..inference import Model, load_model
from ..io.column_choice import ColumnChoice
from ..io.os_errors import explain_os_errors
from ..io.raw_table import prepared, read_raw_table
from ..io.recipe import Recipe
from ..io.tables import as_table, read_labels, read_npy, read_table
from ..metrics import cluster_accuracy
from ..utils.rows import Rows, sampled_rows

__all__ = ["FinishedRun", "read_run"]

NUMBER = (int, float)
TYPES: dict[str, Any] = {
    "command": str, "date": str, "n_clusters": int, "n_iter": int, "converged": bool, "stop_reason": str,
    "warnings": list, "history": list, "profile": dict, "parameters": dict, "versions": dict,
    "machine": dict, "threads": list, "seconds": dict, "source": dict, "source.name": str, "source.n_samples": int,
    "source.n_features": int, "parameters.alpha": NUMBER, "parameters.tol": NUMBER, "seconds.total": NUMBER,
    "parameters.hidden_layer_sizes": list,
}
"""Types of the values of ``run.json`` that the report uses."""
OPTIONAL: dict[str, Any] = {
    "source.labels": str, "source.label_column": str, "source.warnings": list, "source.doubts": list}
"""Types of values that may be missing, or be None."""
N_COMPARED = 500
"""Number of rows that the model transforms to test whether the data have changed since the run."""


class FinishedRun(NamedTuple):
    """Results and data of a finished run."""

    folder: Path
    record: dict[str, Any]
    """Content of ``run.json``."""
    labels: np.ndarray
    """Clusters (n,), whole numbers from 0 to k - 1."""
    z: np.ndarray
    """Embedding (n, d)."""
    q: np.ndarray
    """Soft assignments (n, k), Eq. 1."""
    X: Rows | None
    """Data (n, D), or None if the data cannot be read, or have changed."""
    y: np.ndarray | None
    """Classes (n,), or None."""
    missing: list[str]
    """Sentences that say what is missing in the report, and why."""
    recipe: Recipe | None
    """Steps from the columns of the table to X, or None."""


def read_run(folder: Path, data: tuple[Rows, np.ndarray | None] | None = None) -> FinishedRun:
    """Return the finished run in ``folder``.

    Parameters
    ----------
    folder : Path
        Folder that ``decnp fit --out`` has filled.
    data : tuple of X (n, D) and y (n,) or None, default=None
        Data of the run. None reads them from their original path.

    Raises
    ------
    UserError
        If the folder has no finished run, or its files are damaged.
    """
    record = _read_record(folder)
    n, k = record["source"]["n_samples"], record["n_clusters"]
    labels, z, mu = (_read_array(folder / f"{name}.npy") for name in ("labels", "embedding", "centroids"))
    if not (labels.shape == (n,) and z.ndim == 2 and len(z) == n and mu.shape == (k, z.shape[1])
            and labels.dtype.kind in "iu" and 0 <= labels.min() and labels.max() < k
            and z.dtype.kind == mu.dtype.kind == "f" and np.isfinite(z).all() and np.isfinite(mu).all()):
        raise UserError(f"the files in {folder} do not fit together: labels {labels.shape}, embedding {z.shape}, "
                        f"centroids {mu.shape}, and run.json says {n} rows in {k} clusters")
    q = soft_assignment(z.astype(np.float64), mu.astype(np.float64), record["parameters"]["alpha"])
    missing: list[str] = []
    X, y = data or _read_data(folder, record, labels, z, missing)
    return FinishedRun(folder, record, labels, z, q, X, y, missing, _model(folder).recipe if record.get("recipe") else None)


# ---------------------------------------------------------------- run.json and the arrays

def _read_record(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``; every value that the report uses is checked."""
    path = folder / "run.json"
    if (folder / "choose_k.cells").exists():
        raise UserError(f"{folder} holds a comparison of decnp choose-k that is not complete; a report needs a folder that "
                        "decnp fit --out has filled")
    if (folder / "resume.json").exists() and not path.exists():
        raise UserError(f"the run in {folder} is not complete: resume it with decnp fit --resume {folder}")
    with explain_os_errors(f"cannot read {path}"):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{folder} holds no finished run: there is no {path} (decnp fit --out writes one)") from None
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: it is not JSON ({error})") from error
    invalid = _first_invalid_value(record) or _first_invalid_result(record)
    if invalid:
        name, value = invalid
        raise UserError(f"{path} is damaged, or is of another version: {name} in it is {value!r:.40}")
    valid: dict[str, Any] = record
    return valid


def _first_invalid_value(record: Any) -> tuple[str, Any] | None:
    """Return name and value of the first entry whose type is not that of ``TYPES`` or ``OPTIONAL``, or None."""
    for name, expected in {**TYPES, **OPTIONAL}.items():
        value = record
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and name in OPTIONAL:
            continue
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)) or (
                expected is NUMBER and not (math.isfinite(value) and value >= 0)):
            return name, value
    return None


def _first_invalid_result(record: dict[str, Any]) -> tuple[str, Any] | None:
    """Return name and value of the first invalid entry among columns, scores, stability and history, or None."""
    columns = record.get("columns", [])
    if not (isinstance(columns, list) and len(columns) in (0, record["source"]["n_features"])
            and all(isinstance(name, str) for name in columns)):
        return "columns", columns
    for option in ("drop", "columns"):
        names = record["source"].get(option, [])
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            return f"source.{option}", names
    scores = record.get("scores")
    if scores is not None and not (isinstance(scores, dict) and "end" in scores and all(
            isinstance(one, dict) and {*one} == {"ACC", "NMI", "ARI"}
            and all(isinstance(value, NUMBER) for value in one.values()) for one in scores.values())):
        return "scores", scores
    stability = record.get("stability")
    if stability is not None and not _is_stability(stability, record["n_clusters"]):
        return "stability", stability
    for step in record["history"]:
        if not (isinstance(step, dict) and isinstance(step.get("phase"), str) and isinstance(step.get("iteration"), int)
                and isinstance(step.get("loss"), NUMBER) and isinstance(step.get("changed"), (*NUMBER, type(None)))):
            return "a step of history", step
    return None


def _is_stability(found: Any, k: int) -> bool:
    """Return True if ``found`` is the record of the agreement of several seeds, for k clusters."""
    if not isinstance(found, dict) or not isinstance(found.get("clusters"), list) or len(found["clusters"]) != k:
        return False
    numbers = [found.get(name) for name in ("n_runs", "agreement", "kmeans_agreement")]
    return all(isinstance(value, NUMBER) for value in [*numbers, *(c for c in found["clusters"] if c is not None)])


def _read_array(path: Path) -> np.ndarray:
    """Return the array in an .npy of the run. Raises UserError."""
    try:
        with explain_os_errors(f"cannot read {path}"), open(path, "rb") as file:
            return read_npy(file, path.stat().st_size, str(path))
    except DataError as error:
        raise UserError(str(error)) from error


# ---------------------------------------------------------------- the data

def _read_data(
    folder: Path, record: dict[str, Any], labels: np.ndarray, z: np.ndarray, missing: list[str],
) -> tuple[Rows | None, np.ndarray | None]:
    """Return X and y, read from the original path.

    X or y is None if it cannot be read or has changed. A sentence with the reason is appended to ``missing``.
    """
    source = record["source"]
    name, home = source["name"], Path(str(source.get("folder") or "."))
    try:
        X, y = SOURCES[name]() if name in SOURCES else _read_table(home / name, source, _model(folder).recipe)
    except (DataError, OSError) as error:
        missing.append(f"The figures of the data are left out, because the data could not be read again: {error}.")
        return None, None
    difference = _difference(folder, source, X, z)
    if difference:
        missing.append(f"The figures of the data are left out, because {name} has changed since the model was trained "
                       f"({difference}).")
        return None, None
    try:
        y = read_labels(home / source["labels"], len(X)) if source.get("labels") else y
    except (DataError, OSError) as error:
        missing.append(f"The figures of the classes are left out, because the labels could not be read again: {error}.")
        return X, None
    if y is not None and record.get("scores") and not _gives_same_accuracy(record["scores"], y, labels):
        missing.append("The figures of the classes are left out, because the labels have changed since the run: they "
                       "give another accuracy.")
        return X, None
    return X, y if record.get("scores") else None


def _read_table(path: Path, source: Mapping[str, Any], recipe: Recipe | None) -> tuple[Rows, np.ndarray | None]:
    """Return X and y of a file, read and prepared as in the run."""
    header = {"yes": True, "no": False}.get(str(source.get("header")))
    drop, columns, label_column = source.get("drop", ()), source.get("columns", ()), source.get("label_column")
    if recipe is None:
        return read_table(path, label_column, header=header, drop=drop, columns=columns)[:2]
    choice = ColumnChoice(path, drop, columns, [*recipe.words])
    raw = read_raw_table(path, label_column, header=header, choice=choice, may_miss=recipe.fills,
                         decimal=recipe.decimal)
    return as_table(prepared(raw, recipe), path), raw.y


def _model(folder: Path) -> Model:
    """Return the model of the run. Raises UserError."""
    try:
        return load_model(folder / "model.decnp")
    except (ModelFileError, OSError) as error:
        raise UserError(f"cannot use {folder / 'model.decnp'}: {error}") from error


def _difference(folder: Path, source: Mapping[str, Any], X: Rows, z: np.ndarray) -> str | None:
    """Return a clause that describes how X differs from the data of the run, or None if it does not.

    The embedding of some rows of X is compared with ``z`` (n, d).
    """
    shape = source["n_samples"], source["n_features"]
    if X.shape != shape:
        return f"{X.shape[0]} rows of {X.shape[1]} columns now, and {shape[0]} of {shape[1]} then"
    some = sampled_rows(len(X), N_COMPARED)
    model = _model(folder)
    try:
        now = model.without_recipe().transform(X[some])
    except ValueError as error:
        raise UserError(f"cannot use {folder / 'model.decnp'}: {error}") from error
    close = now.shape == z[some].shape and np.allclose(now, z[some], rtol=1e-3, atol=1e-3 * np.abs(z).max())
    return None if close else "the model gives another embedding of its rows"


def _gives_same_accuracy(scores: Mapping[str, Any], y: np.ndarray, labels: np.ndarray) -> bool:
    """Return True if the accuracy of ``labels`` against ``y`` equals the recorded accuracy."""
    try:
        return bool(abs(float(scores["end"]["ACC"]) - cluster_accuracy(y, labels)) < 1e-6)
    except (KeyError, TypeError, ValueError):
        return False
