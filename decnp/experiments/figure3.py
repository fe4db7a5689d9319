"""Figure 3: the ten elements of each cluster that are nearest to its centre."""

from __future__ import annotations

import numpy as np

from . import sweeps
from .data import images, load
from .options import Plan
from .words import missing, table

TITLE = "Figure 3: the ten top scoring elements of each cluster"
DATA = ("mnist", "stl")
SEEDS = (0,)


def cells(plan: Plan) -> list[dict]:
    """A cell for each data set: Table 2's DEC with the fixed setting."""
    seed = plan.seeds(SEEDS)[0]
    return [{"data": name, "spec": data, "cell": sweeps.add_fixed(plan, "DEC", data, [seed])[0]}
            for name, data in plan.data_sets(DATA)]


def gather(planned: list[dict], results: dict) -> dict:
    """The clusters of each data set, with the classes of the ten."""
    rows = []
    for row in planned:
        if row["cell"] in results:
            result, y = results[row["cell"]]["result"], load(**row["spec"]).y
            rows.append({"data": row["data"], "spec": row["spec"], "ACC": result["ACC"], "clusters": [
                {**cluster, "classes": y[cluster["rows"]].tolist()} for cluster in result["top_ten"]]})
    return {"rows": rows}


def in_words(gathered: dict) -> str:
    """The classes of the ten, the nearest one first."""
    lines = [["data", "points", "classes of the ten nearest to the centre"]]
    lines += [[row["data"], str(cluster["size"]), " ".join(map(str, cluster["classes"]))]
              for row in gathered["rows"] for cluster in row["clusters"]]
    return table(lines) + "\nThe paper has them as pictures." + missing(gathered)


def draw(result: dict):
    """A panel for each data set, a row of images for each cluster."""
    from ..plotting import cluster_montage, panels

    axes = panels(1, len(result["rows"]), 6 * len(result["rows"]), 6)
    for row, ax in zip(result["rows"], axes):
        rows = np.concatenate([cluster["rows"] for cluster in row["clusters"]]).astype(int)
        labels = np.repeat(range(len(row["clusters"])), [len(cluster["rows"]) for cluster in row["clusters"]])
        distances = np.concatenate([cluster["distances"] for cluster in row["clusters"]])
        pictures = images(row["spec"], rows)
        cluster_montage(pictures.reshape(len(rows), -1), labels, -distances, ax, image_shape=pictures.shape[1:])
        ax.set_title(row["data"])
    return axes[0].figure
