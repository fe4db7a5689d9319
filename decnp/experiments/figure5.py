"""Figure 5: the embedding and the accuracy during the clustering phase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.manifold import TSNE

from ..metrics import cluster_accuracy
from ..utils.rows import sampled_rows
from . import sweeps
from .cells import cell_work
from .data import load
from .formatting import format_table
from .methods import new_dec, scores
from .options import Plan, PlannedCell
from .specs import DataSpec, NetworkSpec, Results, Row
from .store import autoencoder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 5: t-SNE of z at five epochs of the KL phase, and ACC against epochs"
DATA = ("mnist",)
SEEDS = (0,)
EPOCHS = (0, 3, 6, 9, 12)
SHOWN = 500  # the paper says "a random subset of MNIST", without its size

PAPER: dict[str, list[float]] = {"epochs": [0, 10, 20, 37], "ACC": [0.80, 0.839, 0.842, 0.8433]}  # read from the curve (f)


@cell_work("decnp.experiments.figure5.trajectory")
def trajectory(folder: Path, data: DataSpec, network: NetworkSpec, update_interval: int) -> dict[str, Any]:
    """Run DEC; return ACC at each report, and t-SNE of a sample at the reports nearest to five epochs.

    The epochs are ``EPOCHS``, or five evenly spaced ones if the run ends before the last of ``EPOCHS``.
    """
    X, y, k, _ = load(**data)
    model = new_dec(k, autoencoder(folder, data, network), network, update_interval)
    rows = sampled_rows(len(X), SHOWN)
    epoch = len(X) / model._schedule(len(X)).batch_size
    curve: list[list[float]] = []
    reports: list[tuple[int, np.ndarray]] = []
    for step in model.iter_fit(X):
        if step.phase == "cluster":
            curve.append([round(step.iteration / epoch, 3), cluster_accuracy(y, model.labels_)])
            reports.append((step.iteration, model._embed(X[rows])))
    end = curve[-1][0]
    wanted = EPOCHS if end >= EPOCHS[-1] else np.linspace(0, end, len(EPOCHS))
    panels = []
    for i in dict.fromkeys(int(np.abs([at - e for at, _ in curve]).argmin()) for e in wanted):
        iteration, z = reports[i]
        points = TSNE(perplexity=min(30.0, (len(z) - 1) / 3), init="pca", random_state=0).fit_transform(z)
        panels.append({"epoch": round(curve[i][0], 1), "step": iteration, "ACC": curve[i][1],
                       "points": points.round(2).tolist()})
    return {**scores(y, model.labels_), "rows": rows.tolist(), "classes": y[rows].tolist(), "panels": panels,
            "curve": curve}


def cells(plan: Plan) -> list[PlannedCell]:
    """Plan a cell for each data set."""
    seed = plan.seeds(SEEDS)[0]
    return [PlannedCell(name, data, plan.add(
        f"trajectory, seed {seed}", trajectory, data, ("autoencoder",), network=plan.network(data, seed),
        update_interval=sweeps.fixed_setting(plan, "DEC", data, seed))) for name, data in plan.data_sets(DATA)]


def gather(planned: list[PlannedCell], results: Results) -> list[Row]:
    """Return the accuracy at each refresh of P. The points of the panels are in the cells."""
    return [{"data": name, "cell": cell, "paper": PAPER, "curve": results[cell]["result"]["curve"],
             "panels": [[panel["epoch"], panel["step"], panel["ACC"]] for panel in results[cell]["result"]["panels"]]}
            for name, _, cell in planned if cell in results]


def format_rows(rows: list[Row]) -> str:
    """Return the accuracy at the panels' epochs and at the end as text."""
    lines = [["data", "", "epoch", "ACC"]]
    for row in rows:
        lines += [["", "the paper", f"{epoch:g}", f"{100 * value:.1f}"] for epoch, value in zip(*row["paper"].values())]
        lines += [[row["data"], "ours", f"{epoch:g}", f"{100 * value:.2f}"] for epoch, _, value in row["panels"]]
        last, score = row["curve"][-1]
        lines.append([row["data"], "ours, at the end", f"{last:.1f}", f"{100 * score:.2f}"])
    return format_table(lines)


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw panels (a) to (e), with a color for each class, and the curve (f)."""
    from ..plotting import accuracy_curve, embedding_scatter, panels

    ours = results[rows[0]["cell"]]["result"]
    axes = panels(2, 3, 15, 9)
    for panel, ax in zip(ours["panels"], axes):
        embedding_scatter(panel["points"], ours["classes"], ax)  # two dimensions: PCA only rotates them
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[], title=f"epoch {panel['epoch']:g}")
    for ax in axes[len(ours["panels"]) : 5]:
        ax.set_axis_off()
    epochs, accuracy = zip(*ours["curve"])
    accuracy_curve(epochs, accuracy, axes[5], paper=(PAPER["epochs"], PAPER["ACC"]))
    return axes[0]
