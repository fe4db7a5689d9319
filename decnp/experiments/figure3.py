"""Figure 3: the ten elements of each cluster nearest to its center."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import sweeps
from .data import images, load
from .formatting import format_table
from .options import Plan, PlannedCell
from .specs import Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 3: the ten top scoring elements of each cluster"
DATA = ("mnist", "stl")
SEEDS = (0,)


def cells(plan: Plan) -> list[PlannedCell]:
    """Plan a cell for each data set: DEC of Table 2 with the fixed setting."""
    seed = plan.seeds(SEEDS)[0]
    return [PlannedCell(name, data, sweeps.add_fixed(plan, "DEC", data, [seed])[0])
            for name, data in plan.data_sets(DATA)]


def gather(planned: list[PlannedCell], results: Results) -> list[Row]:
    """Return the clusters of each data set, with the classes of their ten elements."""
    rows = []
    for name, data, cell in planned:
        if cell in results:
            result, y = results[cell]["result"], load(**data).y
            rows.append({"data": name, "spec": data, "ACC": result["ACC"], "clusters": [
                {**cluster, "classes": y[cluster["rows"]].tolist()} for cluster in result["top_ten"]]})
    return rows


def format_rows(rows: list[Row]) -> str:
    """Return the classes of the ten elements as text, the nearest element first."""
    lines = [["data", "points", "classes of the ten nearest to the center"]]
    lines += [[row["data"], str(cluster["size"]), " ".join(map(str, cluster["classes"]))]
              for row in rows for cluster in row["clusters"]]
    return format_table(lines) + "\nThe paper shows the images."


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw a panel for each data set, with a row of images for each cluster."""
    from ..plotting import cluster_montage, panels

    axes = panels(1, len(rows), 6 * len(rows), 6)
    for row, ax in zip(rows, axes):
        members = np.concatenate([cluster["rows"] for cluster in row["clusters"]]).astype(int)
        labels = np.repeat(range(len(row["clusters"])), [len(cluster["rows"]) for cluster in row["clusters"]])
        distances = np.concatenate([cluster["distances"] for cluster in row["clusters"]])
        pictures = images(row["spec"], members)
        cluster_montage(pictures.reshape(len(members), -1), labels, -distances, ax, image_shape=pictures.shape[1:])
        ax.set_title(row["data"])
    return axes[0]
