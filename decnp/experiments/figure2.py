"""Figure 2: accuracy at nine settings of each method: DEC changes less than LDMGI and SEC."""

from __future__ import annotations

from . import sweeps
from .options import Plan
from .table2 import QUADRATIC
from .words import missing, table

TITLE = "Figure 2: accuracy at nine settings of each method, numbered 1 to 9"
DATA = ("mnist", "stl", "reuters10k", "reuters10k-sample", "reuters")
SEEDS = (0,)

PAPER = {  # read off the printed curves, +-0.002; flat lines once
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


def cells(plan: Plan) -> list[dict]:
    """The nine cells of each method, which Table 2 has too."""
    seed = plan.seeds(SEEDS)[0]
    return [{"data": name, "method": method, "nine": sweeps.add_sweep(plan, method, data, seed)}
            for name, data in plan.data_sets(DATA) for method in reversed(sweeps.SETTINGS)
            if method not in QUADRATIC or not name.removesuffix("-unofficial") == "reuters"]


def gather(planned: list[dict], results: dict) -> dict:
    """Each method's curve and its spread, the largest minus the smallest accuracy of those that are done."""
    rows = []
    for row in planned:
        curve = [results[name]["result"]["ACC"] if name in results else None for name in row["nine"]]
        done = [value for value in curve if value is not None]
        data = row["data"].removesuffix("-unofficial").removesuffix("-sample")
        paper = PAPER.get(data, {}).get(row["method"])
        rows.append({
            "data": row["data"], "method": row["method"], "parameter": sweeps.SETTINGS[row["method"]][0],
            "settings": list(sweeps.SETTINGS[row["method"]][1]), "curve": curve, "paper": paper,
            "spread": max(done) - min(done) if done else None, "paper_spread": paper and max(paper) - min(paper)})
    return {"rows": rows}


def in_words(gathered: dict) -> str:
    """The curves as text."""
    lines = [["data", "method", "", *map(str, range(1, 10)), "spread"]]
    for row in gathered["rows"]:
        for whose, curve, spread in (("paper", row["paper"], row["paper_spread"]),
                                     ("ours", row["curve"], row["spread"])):
            if curve:
                numbers = ["-" if value is None else f"{100 * value:.1f}" for value in (*curve, spread)]
                lines.append([row["data"], row["method"], whose, *numbers])
    return table(lines) + missing(gathered)


def draw(result: dict):
    """A panel for each data set; the paper's curves are thin."""
    from ..plotting import panels, settings_curves

    names = list(dict.fromkeys(row["data"] for row in result["rows"]))
    axes = panels(1, len(names), 7 * len(names), 5)
    for name, ax in zip(names, axes):
        rows = [row for row in result["rows"] if row["data"] == name]
        settings_curves(
            {row["method"]: [float("nan") if value is None else value for value in row["curve"]] for row in rows},
            ax, paper={row["method"]: row["paper"] for row in rows if row["paper"]})
        ax.set_title(name)
    return axes[0].figure
