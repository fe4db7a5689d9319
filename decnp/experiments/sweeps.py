"""Nine settings of each method, and one fixed setting over seeds: what Tables 2 and 3 and Figure 2 have in common.

The paper gives each method nine settings and reports the best, which labels choose ("we report the best result out
of 9"; k-means "is simply run 9 times"). The fixed settings are decnp's defaults, chosen by no label of the run.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from . import methods
from .options import Plan

__all__ = ["FIXED", "SETTINGS", "add", "add_fixed", "add_sweep", "best_of_nine", "fixed_over_seeds"]

GRID = tuple(10.0**e for e in range(-8, 9, 2))
UPDATE_INTERVALS = tuple(10 * 2**i for i in range(9))  # section 4.3: lambda = 2^i x 10, i = 0, ..., 8

SETTINGS: dict[str, tuple[str, Sequence]] = {
    "k-means": ("run", range(9)),
    "LDMGI": ("lam", GRID),
    "SEC": ("mu", GRID),
    "DEC w/o backprop": ("lambda", UPDATE_INTERVALS),
    "DEC": ("lambda", UPDATE_INTERVALS),
}
"""The letter and the nine values of each method's one parameter."""

FIXED = {"LDMGI": 1e-2, "SEC": 1e-8}
"""The defaults of our estimators. k-means has no setting; the lambda of DEC is the profile's."""


def add(plan: Plan, method: str, data: dict, seed: int, setting=None, ae: bool = False) -> str:
    """Add the cell of one run and return its name; ``ae`` puts the autoencoder's code for the rows."""
    network = plan.network(data, seed) if ae or method.startswith("DEC") else None
    if method.startswith("DEC"):
        return plan.add(f"{method}, lambda {setting}, seed {seed}", methods.dec, data, ("autoencoder",),
                        network=network, update_interval=setting, update_encoder=method == "DEC")
    needs: tuple[str, ...] = ("autoencoder",) if ae else ()
    name = f"AE+{method}" if ae else method
    if method == "k-means":  # on one code its runs differ by ``setting``
        run = seed if setting is None else setting
        name = f"{name}, seed {seed}" + (f", run {run}" if ae and run != seed else "") if ae else f"{name}, seed {run}"
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


def add_sweep(plan: Plan, method: str, data: dict, seed: int, ae: bool = False) -> list[str]:
    """The nine cells of a method."""
    return [add(plan, method, data, seed, setting, ae) for setting in SETTINGS[method][1]]


def add_fixed(plan: Plan, method: str, data: dict, seeds: Sequence[int], ae: bool = False) -> list[str]:
    """One cell for each seed, with the fixed setting."""
    return [add(plan, method, data, seed, fixed_setting(plan, method, data, seed), ae) for seed in seeds]


def fixed_setting(plan: Plan, method: str, data: dict, seed: int):
    """The fixed setting of a method; None where it has none."""
    if method.startswith("DEC"):
        return plan.network(data, seed)["profile"]["update_interval"]
    return FIXED.get(method)


def best_of_nine(method: str, names: Sequence[str], results: dict) -> dict | None:
    """The best ACC of a sweep and its setting: LABELS CHOOSE. None unless all nine are done."""
    if not names or any(name not in results for name in names):
        return None
    curve = [results[name]["result"]["ACC"] for name in names]
    letter, settings = SETTINGS[method]
    return {"ACC": max(curve), "setting": f"{letter} {settings[int(np.argmax(curve))]:g}", "curve": curve,
            "chosen_by_labels": True}


def fixed_over_seeds(names: Sequence[str], results: dict, score: str = "ACC") -> dict | None:
    """A score of each seed that is done, their mean and standard deviation (of a sample); None if none is."""
    values = [results[name]["result"][score] for name in names if name in results]
    if not values:
        return None
    return {"values": values, "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None}
