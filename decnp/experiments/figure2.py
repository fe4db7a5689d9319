"""Figure 2: accuracy of each method at nine settings of its parameter. DEC changes less than LDMGI and SEC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import sweeps
from .formatting import format_table
from .options import Plan
from .specs import Results, Row
from .table2 import QUADRATIC, MethodCells

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 2: accuracy at nine settings of each method, numbered 1 to 9"
DATA = ("mnist", "stl", "reuters10k", "reuters10k-sample", "reuters")
SEEDS = (0,)

PAPER = {  # read from the printed curves, +-0.002
    "mnist": {
        "DEC": [0.818, 0.818, 0.833, 0.835, 0.843, 0.842, 0.840, 0.831, 0.823],
        "DEC w/o backprop": [0.798] * 9, "k-means": [0.5345] * 9,
        "LDMGI": [0.841, 0.841, 0.841, 0.840, 0.791, 0.736, 0.725, 0.725, 0.725],
        "SEC": [0.804, 0.787, 0.531, 0.534, 0.522, 0.522, 0.522, 0.522, 0.519]},
    "stl": {
        "DEC": [0.349, 0.352, 0.360, 0.357, 0.353, 0.346, 0.343, 0.340, 0.337],
        "DEC w/o backprop": [0.3405] * 9, "k-means": [0.2825] * 9,
        "LDMGI": [0.309, 0.310, 0.330, 0.256, 0.254, 0.254, 0.253, 0.190, 0.194],
        "SEC": [0.20, 0.273, 0.307, 0.264, 0.263, 0.265, 0.265, 0.266, 0.265]},
    "reuters10k": {
        "DEC": [0.702, 0.722, 0.720, 0.715, 0.709, 0.702, 0.694, 0.685, 0.681],
        "DEC w/o backprop": [0.702] * 9, "k-means": [0.524] * 9,
        "LDMGI": [0.428, 0.438, 0.438, 0.430, 0.430, 0.438, 0.428, 0.357, 0.355],
        "SEC": [0.457, 0.420, 0.375, 0.601, 0.600, 0.600, 0.600, 0.600, 0.600]},
    "reuters": {
        "DEC": [0.747, 0.758, 0.751, 0.725, 0.712, 0.704, 0.693, 0.678, 0.669],
        "DEC w/o backprop": [0.693] * 9, "k-means": [0.534] * 9},
}


def cells(plan: Plan) -> list[MethodCells]:
    """Plan the nine cells of each method, which are also cells of Table 2."""
    seed = plan.seeds(SEEDS)[0]
    return [MethodCells(method, name, nine=sweeps.add_sweep(plan, method, data, seed), fixed=[])
            for name, data in plan.data_sets(DATA) for method in reversed(sweeps.SETTINGS)
            if method not in QUADRATIC or not name.removesuffix("-unofficial") == "reuters"]


def gather(planned: list[MethodCells], results: Results) -> list[Row]:
    """Return the curve and the spread of each method. The spread is the largest minus the smallest finished accuracy."""
    rows = []
    for method, name, nine, _ in planned:
        curve = [results[cell]["result"]["ACC"] if cell in results else None for cell in nine]
        done = [value for value in curve if value is not None]
        paper = PAPER.get(name.removesuffix("-unofficial").removesuffix("-sample"), {}).get(method)
        parameter, settings = sweeps.SETTINGS[method]
        rows.append({
            "data": name, "method": method, "parameter": parameter, "settings": list(settings), "curve": curve,
            "paper": paper, "spread": max(done) - min(done) if done else None,
            "paper_spread": paper and max(paper) - min(paper)})
    return rows


def format_rows(rows: list[Row]) -> str:
    """Return the curves as text."""
    lines = [["data", "method", "", *map(str, range(1, 10)), "spread"]]
    for row in rows:
        for whose, curve, spread in (("paper", row["paper"], row["paper_spread"]),
                                     ("ours", row["curve"], row["spread"])):
            if curve:
                numbers = ["-" if value is None else f"{100 * value:.1f}" for value in (*curve, spread)]
                lines.append([row["data"], row["method"], whose, *numbers])
    return format_table(lines)


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw a panel for each data set, with thin lines for the curves of the paper."""
    from ..plotting import panels, settings_curves

    names = list(dict.fromkeys(row["data"] for row in rows))
    axes = panels(1, len(names), 7 * len(names), 5)
    for name, ax in zip(names, axes):
        own = [row for row in rows if row["data"] == name]
        settings_curves(
            {row["method"]: [float("nan") if value is None else value for value in row["curve"]] for row in own},
            ax, paper={row["method"]: row["paper"] for row in own if row["paper"]})
        ax.set_title(name)
    return axes[0]
