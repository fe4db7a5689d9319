"""Table 4: imbalanced samples of MNIST, with the fraction r_min of class 0 and all of class 9."""

from __future__ import annotations

from typing import NamedTuple

from . import sweeps
from .data import load
from .formatting import format_percent, format_table
from .options import Plan
from .specs import DataSpec, Results, Row

TITLE = "Table 4: accuracy on imbalanced samples of MNIST, in percent"
DATA = ("mnist",)
SEEDS = (0, 1, 2)
R_MIN = (0.1, 0.3, 0.5, 0.7, 0.9)

PAPER = {
    "k-means": (47.14, 49.93, 53.65, 54.16, 54.39),
    "AE+k-means": (66.82, 74.91, 77.93, 80.04, 81.31),
    "DEC": (70.10, 80.92, 82.68, 84.69, 85.41),
}


class SampleCells(NamedTuple):
    """Names of the cells of a method with one r_min, one cell for the sample of each seed."""

    method: str
    data: str
    r_min: float
    points: list[int]
    """Size of the sample of each seed."""
    paper: float | None
    cells: list[str]


def cells(plan: Plan) -> list[SampleCells]:
    """Plan a cell for each method, r_min and seed.

    Each seed draws another sample, and trains its autoencoder on that sample. The paper does not specify this.
    """
    planned = []
    for name, whole in plan.data_sets(DATA):
        for i, r_min in enumerate(R_MIN):
            samples: dict[int, DataSpec] = {
                seed: {**whole, "r_min": r_min, "seed": seed} for seed in plan.seeds(SEEDS)}
            for title, paper in PAPER.items():
                method, ae = title.removeprefix("AE+"), title.startswith("AE+")
                names = [sweeps.add_fixed(plan, method, data, [seed], ae)[0] for seed, data in samples.items()]
                points = [len(load(**data).X) for data in samples.values()]
                planned.append(SampleCells(title, name, r_min, points, paper[i] if name == "mnist" else None, names))
    return planned


def gather(planned: list[SampleCells], results: Results) -> list[Row]:
    """Return a row for each method and r_min."""
    return [{"method": row.method, "data": row.data, "r_min": row.r_min, "points": row.points, "paper": row.paper,
             "fixed": sweeps.fixed_over_seeds(row.cells, results)} for row in planned]


def format_rows(rows: list[Row]) -> str:
    """Return the table as text."""
    lines = [["data", "method", *(f"r_min {r_min}" for r_min in R_MIN), "seeds"]]
    by_key = {(row["data"], row["method"], row["r_min"]): row for row in rows}
    for data, method in dict.fromkeys((row["data"], row["method"]) for row in rows):
        own = [by_key[data, method, r_min] for r_min in R_MIN]
        done = [row["fixed"] or {"mean": None, "std": None, "values": []} for row in own]
        lines.append([data, method, *(f"{row['paper'] or '-'} / {format_percent(fixed['mean'], fixed['std'])}"
                                      for row, fixed in zip(own, done)),
                      " ".join(str(len(fixed["values"])) for fixed in done)])
    return format_table(lines) + ("\nFirst the number of the paper, then ours, with one fixed setting. No label chooses "
                                  "anything.")
