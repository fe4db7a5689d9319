"""Table 1: statistics of the data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .cells import cell_work
from .data import load
from .formatting import format_table
from .options import Plan, PlannedCell
from .specs import DataSpec, Results, Row
from .table2 import paper_value

TITLE = "Table 1: the data sets"
DATA = ("mnist", "stl", "reuters10k", "reuters10k-sample", "reuters")

PAPER = {  # "largest" is the percentage of the largest class
    "points": {"mnist": 70_000, "stl": 13_000, "reuters10k": 10_000, "reuters": 685_071},
    "classes": {"mnist": 10, "stl": 10, "reuters10k": 4, "reuters": 4},
    "dimension": {"mnist": 784, "stl": 1428, "reuters10k": 2000, "reuters": 2000},
    "largest": {"mnist": 11, "stl": 10, "reuters10k": 43, "reuters": 43},
}


@cell_work("decnp.experiments.table1.statistics")
def statistics(folder: Path, data: DataSpec) -> dict[str, Any]:
    """Return the columns of Table 1 for a data set, and the mean of ||x||^2 / D."""
    X, y, _, _ = load(**data)
    counts = np.unique(y, return_counts=True)[1]
    squares = sum(float(np.sum(np.square(X[s : s + 2048], dtype=np.float64))) for s in range(0, len(X), 2048))
    return {"points": len(X), "classes": len(counts), "dimension": X.shape[1],
            "largest": 100 * int(counts.max()) / len(X), "mean_square": squares / X.size}


def cells(plan: Plan) -> list[PlannedCell]:
    """Plan a cell for each data set."""
    return [PlannedCell(name, data, plan.add("statistics", statistics, data)) for name, data in plan.data_sets(DATA)]


def gather(planned: list[PlannedCell], results: Results) -> list[Row]:
    """Return a row for each data set, with the numbers of the paper and of this run."""
    return [{"data": data, "paper": {what: paper_value(PAPER, what, data) for what in PAPER},
             "ours": results[cell]["result"]} for data, _, cell in planned if cell in results]


def format_rows(rows: list[Row]) -> str:
    """Return the table as text."""
    lines = [["data", "points", "classes", "dimension", "% of largest class", "mean ||x||^2 / D"]]
    for row in rows:
        paper = {what: "-" if value is None else str(value) for what, value in row["paper"].items()}
        ours = row["ours"]
        lines.append([row["data"], *(f"{paper[what]} / {ours[what]}" for what in ("points", "classes", "dimension")),
                      f"{paper['largest']} / {ours['largest']:.1f}", f"{ours['mean_square']:.3f}"])
    return format_table(lines) + "\nFirst the number of the paper, then ours."
