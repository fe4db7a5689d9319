"""Figure 2: accuracy of each method at nine settings of its parameter. DEC changes less than LDMGI and SEC."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import sweeps
from .formatting import format_table
from .options import Plan
from .specs import Results, Row
from .table2 import QUADRATIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 2: accuracy at nine settings of each method, numbered 1 to 9"
DATA = ("mnist", "stl", "reuters10k", "reuters10k-sample", "reuters")
SEEDS = (0, 1, 2)

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


class Sweeps(NamedTuple):
    """Names of the nine cells of a method on a data set, for each seed."""

    method: str
    data: str
    nine: dict[int, list[str]]


def cells(plan: Plan) -> list[Sweeps]:
    """Plan the nine cells of each method. Those of the first seed are also cells of Table 2.

    Each seed of DEC is another autoencoder. The other methods run on the rows themselves, with the first seed only.
    """
    seeds = plan.seeds(SEEDS)
    return [Sweeps(method, name, {seed: sweeps.add_sweep(plan, method, data, seed)
                                  for seed in (seeds if method.startswith("DEC") else seeds[:1])})
            for name, data in plan.data_sets(DATA) for method in reversed(sweeps.SETTINGS)
            if method not in QUADRATIC or not name.removesuffix("-unofficial") == "reuters"]


def gather(planned: list[Sweeps], results: Results) -> list[Row]:
    """Return the curves of each method, their mean, and the spread.

    The spread of a curve is its largest minus its smallest finished accuracy. The spread of a method is the mean over its
    seeds.
    """
    rows = []
    for method, name, nine in planned:
        curves = [[results[cell]["result"]["ACC"] if cell in results else None for cell in own] for own in nine.values()]
        done = [[value for value in curve if value is not None] for curve in curves]
        spreads = [max(values) - min(values) for values in done if values]
        paper = PAPER.get(name.removesuffix("-unofficial").removesuffix("-sample"), {}).get(method)
        parameter, settings = sweeps.SETTINGS[method]
        at_settings = [sweeps.fixed_over_seeds(own, results) for own in zip(*nine.values())]
        rows.append({
            "data": name, "method": method, "parameter": parameter, "settings": list(settings), "seeds": list(nine),
            "curves": curves, "curve": [found and found["mean"] for found in at_settings], "spreads": spreads,
            "paper": paper, "spread": float(np.mean(spreads)) if spreads else None,
            "paper_spread": paper and max(paper) - min(paper)})
    return rows


def format_rows(rows: list[Row]) -> str:
    """Return the mean curves as text."""
    lines = [["data", "method", "", *map(str, range(1, 10)), "spread", "seeds"]]
    for row in rows:
        for whose, curve, spread, seeds in (("paper", row["paper"], row["paper_spread"], ""),
                                            ("ours", row["curve"], row["spread"], str(len(row["spreads"])))):
            if curve:
                numbers = ["-" if value is None else f"{100 * value:.1f}" for value in (*curve, spread)]
                lines.append([row["data"], row["method"], whose, *numbers, seeds])
    return format_table(lines)


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw a panel for each data set, with a band over the seeds, and thin lines for the curves of the paper."""
    from ..plotting import panels, settings_curves

    names = list(dict.fromkeys(row["data"] for row in rows))
    axes = panels(1, len(names), 7 * len(names), 5)
    for name, ax in zip(names, axes):
        own = [row for row in rows if row["data"] == name]
        settings_curves({row["method"]: np.array(row["curves"], float) for row in own}, ax,
                        paper={row["method"]: row["paper"] for row in own if row["paper"]})
        ax.set_title(name)
    return axes[0]
