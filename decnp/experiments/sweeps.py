"""Runs of each method at nine settings, and at one fixed setting over seeds, for Tables 2 and 3 and Figure 2.

The paper runs each method at nine settings and reports the best accuracy, so labels choose the setting ("we report the
best result out of 9"; k-means "is simply run 9 times"). The fixed settings are the defaults of decnp. No label of the run
chooses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import methods
from .options import Plan
from .specs import DataSpec, Results

__all__ = [
    "FIXED", "SETTINGS", "add", "add_fixed", "add_sweep", "best_of_nine", "fixed_over_seeds", "fixed_setting",
]

GRID = tuple(10.0**e for e in range(-8, 9, 2))
UPDATE_INTERVALS = tuple(10 * 2**i for i in range(9))  # section 4.3: lambda = 2^i x 10, i = 0, ..., 8

SETTINGS: dict[str, tuple[str, Sequence[float]]] = {
    "k-means": ("run", range(9)),
    "LDMGI": ("lam", GRID),
    "SEC": ("mu", GRID),
    "DEC w/o backprop": ("lambda", UPDATE_INTERVALS),
    "DEC": ("lambda", UPDATE_INTERVALS),
}
"""Name and nine values of the parameter of each method."""

FIXED = {"LDMGI": 1e-2, "SEC": 1e-8}
"""Default settings of the estimators. k-means has no setting. lambda of DEC is in its profile."""


def add(plan: Plan, method: str, data: DataSpec, seed: int, setting: float | None = None, ae: bool = False) -> str:
    """Add the cell of one run and return its name. ``ae`` replaces the rows by their embedding."""
    network = plan.network(data, seed) if ae or method.startswith("DEC") else None
    if method.startswith("DEC"):
        return plan.add(f"{method}, lambda {setting}, seed {seed}", methods.dec, data, ("autoencoder",),
                        network=network, update_interval=setting, update_encoder=method == "DEC")
    needs: tuple[str, ...] = ("autoencoder",) if ae else ()
    name = f"AE+{method}" if ae else method
    if method == "k-means":
        run = seed if setting is None else setting
        if not ae:
            name = f"{name}, seed {run}"
        else:  # the runs on one autoencoder differ by ``setting``
            name = f"{name}, seed {seed}" if run == seed else f"{name}, seed {seed}, run {run}"
        return plan.add(name, methods.kmeans, data, needs, features=network, seed=run)
    if method == "GMM":
        return plan.add(f"{name}, seed {seed}", methods.gmm, data, needs, features=network, seed=seed)
    needs += ("cliques",)
    if method == "spectral clustering":
        return plan.add(f"{name}, seed {seed}", methods.spectral, data, needs, features=network, seed=seed)
    work = {"LDMGI": methods.ldmgi, "SEC": methods.sec}[method]
    letter = SETTINGS[method][0]
    return plan.add(f"{name}, {letter} {setting:g}, seed {seed}", work, data, needs, features=network, seed=seed,
                    **{letter: setting})


def add_sweep(plan: Plan, method: str, data: DataSpec, seed: int, ae: bool = False) -> list[str]:
    """Add the nine cells of a method and return their names."""
    return [add(plan, method, data, seed, setting, ae) for setting in SETTINGS[method][1]]


def add_fixed(plan: Plan, method: str, data: DataSpec, seeds: Sequence[int], ae: bool = False) -> list[str]:
    """Add a cell with the fixed setting for each seed and return their names."""
    return [add(plan, method, data, seed, fixed_setting(plan, method, data, seed), ae) for seed in seeds]


def fixed_setting(plan: Plan, method: str, data: DataSpec, seed: int) -> float | None:
    """Return the fixed setting of a method, or None if it has no setting."""
    if method.startswith("DEC"):
        update_interval: int = plan.network(data, seed)["profile"]["update_interval"]
        return update_interval
    return FIXED.get(method)


def best_of_nine(method: str, names: Sequence[str], results: Results) -> dict[str, Any] | None:
    """Return the best ACC of a sweep and its setting, CHOSEN BY LABELS; None unless all nine cells are finished."""
    if not names or any(name not in results for name in names):
        return None
    curve = [results[name]["result"]["ACC"] for name in names]
    letter, settings = SETTINGS[method]
    return {"ACC": max(curve), "setting": f"{letter} {settings[int(np.argmax(curve))]:g}", "curve": curve,
            "chosen_by_labels": True}


def fixed_over_seeds(names: Sequence[str], results: Results, score: str = "ACC") -> dict[str, Any] | None:
    """Return a score of each finished seed, with mean and sample standard deviation; None if no seed is finished."""
    values = [results[name]["result"][score] for name in names if name in results]
    if not values:
        return None
    return {"values": values, "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None}
