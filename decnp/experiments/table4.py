"""Table 4: imbalanced samples of MNIST, of which class 0 keeps a share r_min, class 9 everything."""

from __future__ import annotations

from . import sweeps
from .data import load
from .options import Plan
from .words import missing, per_cent, table

TITLE = "Table 4: accuracy on imbalanced samples of MNIST, in per cent"
DATA = ("mnist",)
SEEDS = (0,)
R_MIN = (0.1, 0.3, 0.5, 0.7, 0.9)

PAPER = {
    "k-means": (47.14, 49.93, 53.65, 54.16, 54.39),
    "AE+k-means": (66.82, 74.91, 77.93, 80.04, 81.31),
    "DEC": (70.10, 80.92, 82.68, 84.69, 85.41),
}


def cells(plan: Plan) -> list[dict]:
    """Each seed draws its own sample, and trains its autoencoder on it; the paper does not say which it did."""
    planned = []
    for name, _ in plan.data_sets(DATA):
        for i, r_min in enumerate(R_MIN):
            for title, paper in PAPER.items():
                names = []
                for seed in plan.seeds(SEEDS):
                    data = plan.spec(name, r_min=r_min, seed=seed)
                    method, ae = title.removeprefix("AE+"), title.startswith("AE+")
                    setting = sweeps.fixed_setting(plan, method, data, seed)
                    names.append(sweeps.add(plan, method, data, seed, setting, ae))
                points = [len(load(**plan.spec(name, r_min=r_min, seed=seed)).X) for seed in plan.seeds(SEEDS)]
                planned.append({"method": title, "data": name, "r_min": r_min, "points": points,
                                "paper": paper[i] if name == "mnist" else None, "cells": names})
    return planned


def gather(planned: list[dict], results: dict) -> dict:
    """A row for each method and sample."""
    return {"rows": [{**{key: row[key] for key in ("method", "data", "r_min", "points", "paper")},
                      "fixed": sweeps.fixed_over_seeds(row["cells"], results)} for row in planned]}


def in_words(gathered: dict) -> str:
    """The table as text: the paper's / ours."""
    lines = [["data", "method", *(f"r_min {r_min}" for r_min in R_MIN), "seeds"]]
    rows = {(row["data"], row["method"], row["r_min"]): row for row in gathered["rows"]}
    for data, method in dict.fromkeys((row["data"], row["method"]) for row in gathered["rows"]):
        own = [rows[data, method, r_min] for r_min in R_MIN]
        done = [row["fixed"] or {"mean": None, "std": None, "values": []} for row in own]
        lines.append([data, method, *(f"{row['paper'] or '-'} / {per_cent(fixed['mean'], fixed['std'])}"
                                      for row, fixed in zip(own, done)),
                      " ".join(str(len(fixed["values"])) for fixed in done)])
    return table(lines) + "\nThe paper's / ours, with one fixed setting; no label chooses anything." + missing(gathered)
