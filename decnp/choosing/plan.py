"""Plan of ``choose_k``: its validated parameters, and the runs that they describe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone

from ..dec import DEC
from ..io.atomic import PathLike
from ..utils.rows import LazyRows, Rows, is_mapped, sampled_rows
from ..utils.validation import as_generator, check_data, check_distinct, check_number
from .cells import HELD_OUT, SAMPLE, Cell, CellStore, held_out, run_seed, settings_of, take_rows
from .verdict import KChoice, choice_of, reference_silhouettes

__all__ = ["Plan", "plan_of", "run_plan"]


class Plan(NamedTuple):
    """Parameters of ``choose_k``, validated."""

    model: DEC
    X: Rows
    ks: list[int]
    """In increasing order."""
    seeds: list[int]


def plan_of(model: DEC, X: Any, ks: Iterable[int], n_seeds: int) -> Plan:
    """Return the parameters ``model``, ``X``, ``ks`` and ``n_seeds`` of ``choose_k``, validated. Raises ValueError."""
    numbers = _checked_ks(ks)
    check_number("n_seeds", n_seeds, low=2, integer=True)
    _check_model(model)
    probe = clone(model).set_params(n_clusters=numbers[-1])
    X = check_data(probe, X, reset=True)
    probe._check_parameters(X)
    if isinstance(X, LazyRows) and is_mapped(X.source):
        X = np.array(X.source, X.dtype, order="C")
    seeds = as_generator(model.random_state).integers(2**31, size=n_seeds).tolist()
    for seed in seeds:
        training, validation = held_out(len(X), seed)
        if not len(validation):
            raise ValueError(f"X must have at least {HELD_OUT} rows, one of them to hold out; got {len(X)}")
        try:
            check_distinct(take_rows(X, training), numbers[-1])
        except ValueError as error:
            raise ValueError(f"each seed trains on four fifths of the rows, {len(training)}; of these, {error}") from error
    return Plan(model, X, numbers, seeds)


def run_plan(plan: Plan, n_jobs: int | None = None, folder: PathLike | None = None, verbose: int = 0) -> KChoice:
    """Run a ``plan``. ``n_jobs``, ``folder`` and ``verbose`` are as in ``choose_k``."""
    model, X, ks, seeds = plan
    store = None if folder is None else CellStore(Path(folder), settings_of(model, X))
    names = [f"seed {i} of {len(seeds)}" for i in range(1, len(seeds) + 1)]
    cells: list[list[Cell]] = Parallel(n_jobs=n_jobs)(
        delayed(run_seed)(model, X, ks, seed, store, name, verbose) for seed, name in zip(seeds, names))
    references = reference_silhouettes(X[sampled_rows(len(X), SAMPLE)], ks, seeds[0])
    return choice_of([cell for of_seed in cells for cell in of_seed], references, seeds, len(X))


def _checked_ks(ks: Iterable[int]) -> list[int]:
    """Return the numbers of clusters in increasing order; raise ValueError for other than whole numbers >= 2."""
    try:
        numbers = list(ks)
    except TypeError as error:
        raise ValueError(f"ks must be an iterable of whole numbers >= 2; got {ks!r}") from error
    for k in numbers:
        check_number("each of ks", k, low=2, integer=True)
    if not numbers:
        raise ValueError("ks must have at least one number of clusters; got none")
    return sorted({int(k) for k in numbers})


def _check_model(model: DEC) -> None:
    """Raise ValueError unless ``model`` is a DEC whose parameters the runs for all k and seeds can share."""
    if not isinstance(model, DEC):
        raise ValueError(f"model must be a DEC, and X the rows that it takes; got the model {type(model).__name__}")
    if model.autoencoder is not None:
        raise ValueError("autoencoder must be None: each seed trains an autoencoder of its own")
    if model.checkpoint is not None:
        raise ValueError("checkpoint must be None: folder stores the finished runs")
    if model.init is not None and not isinstance(model.init, str) and not callable(model.init):
        raise ValueError("init must be None, a name or a callable: an array is for one k")
