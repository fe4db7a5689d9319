"""Table 2: clustering accuracy of k-means, LDMGI, SEC, DEC without backpropagation, and DEC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import sweeps
from .formatting import format_percent, format_table
from .options import Plan
from .specs import Results, Row

TITLE = "Table 2: clustering accuracy (ACC, Eq. 10), in percent"
DATA = ("mnist", "stl", "reuters10k", "reuters10k-sample", "reuters")
SEEDS = (0, 1, 2, 3, 4)

PAPER = {  # "the best result of 9", percent
    "k-means": {"mnist": 53.49, "stl": 28.39, "reuters10k": 52.42, "reuters": 53.29},
    "LDMGI": {"mnist": 84.09, "stl": 33.08, "reuters10k": 43.84},
    "SEC": {"mnist": 80.37, "stl": 30.75, "reuters10k": 60.08},
    "DEC w/o backprop": {"mnist": 79.82, "stl": 34.06, "reuters10k": 70.05, "reuters": 69.62},
    "DEC": {"mnist": 84.30, "stl": 35.90, "reuters10k": 72.17, "reuters": 75.63},
}
UNREPORTED = ("GMM", "spectral clustering")
"""Methods for which the paper gives no numbers: GMM is "about like k-means", spectral clustering "worse than LDMGI and
SEC"."""

QUADRATIC = ("LDMGI", "SEC", "spectral clustering")
"""Methods that are not run on the full REUTERS. The paper has no numbers for them either ("months of computation and
terabytes of memory")."""

Accuracies = Mapping[str, Mapping[str, float]]
"""Accuracies from the paper by method and data set."""


class MethodCells(NamedTuple):
    """Names of the cells of a method on a data set: nine settings, and the fixed setting over seeds."""

    method: str
    data: str
    nine: list[str]
    fixed: list[str]


def cells(plan: Plan) -> list[MethodCells]:
    """Plan the cells of each method on each data set."""
    return plan_methods(plan, PAPER, UNREPORTED, ae=False)


def plan_methods(plan: Plan, paper: Accuracies, unreported: Sequence[str], ae: bool) -> list[MethodCells]:
    """Plan the cells of Table 2, or, with ``ae``, of Table 3, where all methods except DEC use an embedding."""
    planned = []
    seeds = plan.seeds(SEEDS)
    for name, data in plan.data_sets(DATA):
        for title in [*paper, *unreported]:
            method = title.removeprefix("AE+")
            if method in QUADRATIC and name.startswith("reuters") and "10k" not in name:
                continue
            on_code = ae and method != "DEC"
            nine = [] if title in unreported else sweeps.add_sweep(plan, method, data, seeds[0], on_code)
            fixed = sweeps.add_fixed(plan, method, data, seeds[:1] if title in unreported else seeds, on_code)
            planned.append(MethodCells(title, name, nine, fixed))
    return planned


def gather(planned: list[MethodCells], results: Results) -> list[Row]:
    """Return a row for each method and data set."""
    return gather_methods(planned, results, PAPER)


def gather_methods(planned: list[MethodCells], results: Results, paper: Accuracies) -> list[Row]:
    """Return rows with the accuracy of the paper, the best of nine settings (chosen by labels), and the fixed setting."""
    return [{
        "method": row.method, "data": row.data, "paper": paper_value(paper, row.method, row.data),
        "best_of_nine": sweeps.best_of_nine(row.method.removeprefix("AE+"), row.nine, results),
        "nine_done": sum(name in results for name in row.nine),
        "fixed": sweeps.fixed_over_seeds(row.fixed, results),
    } for row in planned]


def paper_value(paper: Accuracies, method: str, data: str) -> float | None:
    """Return the accuracy of the paper for a data set. The sample of RCV1 is compared with REUTERS-10k."""
    return paper.get(method, {}).get(data.removesuffix("-unofficial").removesuffix("-sample"))


def format_rows(rows: list[Row]) -> str:
    """Return the table as text."""
    lines = [["data", "method", "the paper", "ours, best of 9*", "at", "ours, fixed setting", "seeds"]]
    for row in rows:
        best, fixed = row["best_of_nine"], row["fixed"]
        some = f"{row['nine_done']} of 9 done" if row["nine_done"] else ""
        lines.append([
            row["data"], row["method"], "-" if row["paper"] is None else f"{row['paper']:.2f}",
            format_percent(best and best["ACC"]), best["setting"] if best else some,
            format_percent(fixed and fixed["mean"], fixed and fixed["std"]), str(len(fixed["values"])) if fixed else "0"])
    return format_table(lines) + ("\n* as in the paper: labels choose the best of nine settings (of nine runs, for k-means)."
                                  "\nNo label chooses the fixed setting: lam 0.01, mu 1e-8, lambda of the profile; "
                                  "mean and standard deviation over seeds.")
