"""Figure 3: the ten elements of each cluster that are nearest to its centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import sweeps
from .data import images, load
from .methods import new_dec, scores
from .options import Plan
from .store import autoencoder
from .words import missing, table

TITLE = "Figure 3: the ten top scoring elements of each cluster"
DATA = ("mnist", "stl")
SEEDS = (0,)


def top_ten(folder: Path, data: dict, network: dict, update_interval: int) -> dict:
    """The work of a cell: of each cluster, largest first, the ten rows nearest to its centre, and their classes."""
    X, y, k, _ = load(**data)
    model = new_dec(k, autoencoder(folder, data, network), network, update_interval).fit(X)
    distance = np.linalg.norm(model.transform(X) - model.cluster_centers_[model.labels_], axis=1)
    clusters = []
    for j in np.argsort(-np.bincount(model.labels_, minlength=k), kind="stable"):
        own = np.flatnonzero(model.labels_ == j)
        rows = own[np.argsort(distance[own], kind="stable")[:10]]
        clusters.append({"size": len(own), "rows": rows.tolist(), "classes": y[rows].tolist(),
                         "distances": [round(float(value), 4) for value in distance[rows]]})
    return {**scores(y, model.labels_), "clusters": clusters}


def cells(plan: Plan) -> list[dict]:
    """A cell for each data set."""
    seed = plan.seeds(SEEDS)[0]
    return [{"data": name, "spec": data, "cell": plan.add(
        f"top ten, seed {seed}", top_ten, data, ("autoencoder",), network=plan.network(data, seed),
        update_interval=sweeps.fixed_setting(plan, "DEC", data, seed))} for name, data in plan.data_sets(DATA)]


def gather(planned: list[dict], results: dict) -> dict:
    """The clusters of each data set."""
    return {"rows": [{"data": row["data"], "spec": row["spec"], "ACC": results[row["cell"]]["result"]["ACC"],
                      "clusters": results[row["cell"]]["result"]["clusters"]}
                     for row in planned if row["cell"] in results]}


def in_words(gathered: dict) -> str:
    """The classes of the ten, the nearest one first."""
    return table([["data", "points", "classes of the ten nearest to the centre"]] + [
        [row["data"], str(cluster["size"]), " ".join(map(str, cluster["classes"]))]
        for row in gathered["rows"] for cluster in row["clusters"]
    ]) + "\nThe paper has them as pictures." + missing(gathered)


def draw(result: dict):
    """A panel for each data set, a row of images for each cluster."""
    from ..plotting import cluster_montage, panels

    axes = panels(1, len(result["rows"]), 6 * len(result["rows"]), 6)
    for row, ax in zip(result["rows"], axes):
        rows = np.concatenate([cluster["rows"] for cluster in row["clusters"]]).astype(int)
        labels = np.concatenate([[j] * len(cluster["rows"]) for j, cluster in enumerate(row["clusters"])]).astype(int)
        distances = np.concatenate([cluster["distances"] for cluster in row["clusters"]])
        pictures = images(row["spec"], rows)
        cluster_montage(pictures.reshape(len(rows), -1), labels, -distances, ax, image_shape=pictures.shape[1:])
        ax.set_title(row["data"])
    return axes[0].figure
