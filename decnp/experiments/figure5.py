"""Figure 5: how the embedding and the accuracy change while DEC clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE

from ..metrics import cluster_accuracy
from . import sweeps
from .data import load
from .methods import new_dec, scores
from .options import Plan
from .store import autoencoder
from .words import missing, table

TITLE = "Figure 5: t-SNE of z at five epochs of the KL phase, and ACC against epochs"
DATA = ("mnist",)
SEEDS = (0,)
EPOCHS = (0, 3, 6, 9, 12)
SHOWN = 500  # "a random subset of MNIST", whose size the paper does not say

PAPER: dict[str, list] = {"epochs": [0, 10, 20, 37], "ACC": [0.80, 0.839, 0.842, 0.8433]}  # read off the curve (f)


def trajectory(folder: Path, data: dict, network: dict, update_interval: int) -> dict:
    """The work of a cell: DEC, with the codes of some rows kept at the refreshes of P nearest to EPOCHS."""
    X, y, k, _ = load(**data)
    model = new_dec(k, autoencoder(folder, data, network), network, update_interval)
    rows = np.sort(np.random.default_rng(0).choice(len(X), min(SHOWN, len(X)), replace=False))
    epoch = len(X) / model._profile(len(X)).batch_size
    wanted = {round(e * epoch / update_interval) * update_interval: e for e in reversed(EPOCHS)}
    curve, panels, z = [], [], None
    for step in model.steps(X):
        if step.phase != "cluster":
            continue
        curve.append([round(step.iteration / epoch, 3), cluster_accuracy(y, model.labels_)])
        if step.iteration in wanted:
            z = model._embed(X[rows])
            points = TSNE(perplexity=min(30.0, (len(z) - 1) / 3), init="pca", random_state=0).fit_transform(z)
            panels.append({"epoch": wanted[step.iteration], "step": step.iteration, "ACC": curve[-1][1],
                           "points": points.round(2).tolist()})
    return {**scores(y, model.labels_), "rows": rows.tolist(), "classes": y[rows].tolist(), "panels": panels,
            "curve": curve}


def cells(plan: Plan) -> list[dict]:
    """A cell for each data set."""
    seed = plan.seeds(SEEDS)[0]
    return [{"data": name, "cell": plan.add(
        f"trajectory, seed {seed}", trajectory, data, ("autoencoder",), network=plan.network(data, seed),
        update_interval=sweeps.fixed_setting(plan, "DEC", data, seed))} for name, data in plan.data_sets(DATA)]


def gather(planned: list[dict], results: dict) -> dict:
    """The accuracy at each refresh of P; the points of the panels are in the cells."""
    return {"rows": [{"data": row["data"], "cell": row["cell"], "paper": PAPER,
                      "curve": results[row["cell"]]["result"]["curve"],
                      "panels": [[panel["epoch"], panel["step"], panel["ACC"]]
                                 for panel in results[row["cell"]]["result"]["panels"]]}
                     for row in planned if row["cell"] in results]}


def in_words(gathered: dict) -> str:
    """The accuracy at the panels' epochs and at the end."""
    lines = [["data", "", "epoch", "ACC"]]
    for row in gathered["rows"]:
        lines += [["", "the paper", f"{epoch:g}", f"{100 * value:.1f}"] for epoch, value in zip(*row["paper"].values())]
        lines += [[row["data"], "ours", f"{epoch:g}", f"{100 * value:.2f}"] for epoch, _, value in row["panels"]]
        last, score = row["curve"][-1]
        lines.append([row["data"], "ours, at the end", f"{last:.1f}", f"{100 * score:.2f}"])
    return table(lines) + missing(gathered)


def draw(result: dict):
    """Panels (a) to (e), coloured by class, and the curve (f)."""
    from ..plotting import accuracy_curve, embedding_scatter, panels

    row = result["rows"][0]
    ours = result["cells"][row["cell"]]["result"]
    axes = panels(2, 3, 15, 9)
    for panel, ax in zip(ours["panels"], axes):
        embedding_scatter(panel["points"], ours["classes"], ax)  # t-SNE's points, turned at most
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[], title=f"epoch {panel['epoch']}")
    for ax in axes[len(ours["panels"]) : 5]:
        ax.set_axis_off()
    epochs, accuracy = zip(*ours["curve"])
    accuracy_curve(epochs, accuracy, axes[5], paper=(PAPER["epochs"], PAPER["ACC"]))
    return axes[0].figure
