"""Table 1: the data sets' statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .data import load
from .options import Plan
from .table2 import paper_value
from .words import missing, table

TITLE = "Table 1: the data sets"
DATA = ("mnist", "stl", "reuters10k", "reuters10k-sample", "reuters")

PAPER = {  # points, classes, dimension, per cent of the largest class
    "points": {"mnist": 70_000, "stl": 13_000, "reuters10k": 10_000, "reuters": 685_071},
    "classes": {"mnist": 10, "stl": 10, "reuters10k": 4, "reuters": 4},
    "dimension": {"mnist": 784, "stl": 1428, "reuters10k": 2000, "reuters": 2000},
    "largest": {"mnist": 11, "stl": 10, "reuters10k": 43, "reuters": 43},
}


def statistics(folder: Path, data: dict) -> dict:
    """The work of a cell: what Table 1 says of a data set, and the mean of ||x||^2 / D."""
    X, y, _, _ = load(**data)
    counts = np.unique(y, return_counts=True)[1]
    squares = sum(float(np.sum(np.square(X[s : s + 2048], dtype=np.float64))) for s in range(0, len(X), 2048))
    return {"points": len(X), "classes": len(counts), "dimension": X.shape[1],
            "largest": 100 * int(counts.max()) / len(X), "mean_square": squares / X.size}


def cells(plan: Plan) -> list[dict]:
    """A cell for each data set."""
    return [{"data": name, "cell": plan.add("statistics", statistics, data)} for name, data in plan.data_sets(DATA)]


def gather(planned: list[dict], results: dict) -> dict:
    """The table's numbers beside the paper's."""
    return {"rows": [
        {"data": row["data"], "paper": {what: paper_value(PAPER, what, row["data"]) for what in PAPER},
         "ours": results[row["cell"]]["result"]} for row in planned if row["cell"] in results]}


def in_words(gathered: dict) -> str:
    """The table as text: the paper's / ours."""
    lines = [["data", "points", "classes", "dimension", "% of largest class", "mean ||x||^2 / D"]]
    for row in gathered["rows"]:
        paper = {what: "-" if value is None else str(value) for what, value in row["paper"].items()}
        ours = row["ours"]
        lines.append([row["data"], *(f"{paper[what]} / {ours[what]}" for what in ("points", "classes", "dimension")),
                      f"{paper['largest']} / {ours['largest']:.1f}", f"{ours['mean_square']:.3f}"])
    return table(lines) + "\nThe paper's / ours." + missing(gathered)
