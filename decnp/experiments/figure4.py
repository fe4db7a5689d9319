"""Figure 4: |dL/dz_i| against q_ij at the start of the KL phase. It increases with q_ij."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from .. import equations
from .cells import cell_work
from .data import images, load
from .formatting import format_table
from .methods import new_dec
from .options import Plan, PlannedCell
from .specs import DataSpec, NetworkSpec, Results, Row
from .store import autoencoder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 4: the size of the gradient of Eq. 4 against q_ij, at the start of the KL phase"
DATA = ("mnist",)
SEEDS = (0,)
SHOWN = 600

PAPER = {"q": [0.12, 0.63], "gradient": [0.002, 0.11]}  # read from the figure: the ends of the cloud of points


@cell_work("decnp.experiments.figure4.start")
def start(folder: Path, data: DataSpec, network: NetworkSpec) -> dict[str, Any]:
    """Return q_ij and |dL/dz_i| of the points of the smallest cluster, at the start.

    The caption of the paper says cluster "5". The authors' code uses the smallest cluster, and so does this function.
    The code plots another quantity than the text describes: the norm |.|_1 of the j-th term of Eq. 4, with a target p
    that is q^2 without f_j. In the result, "gradient" is the quantity of the text, and "as_in_the_code" the quantity of
    the code.
    """
    X, y, k, _ = load(**data)
    model = new_dec(k, autoencoder(folder, data, network), network, update_interval=1)
    next(model.iter_fit(X))  # the start
    z, mu = (a.astype(np.float64) for a in (model._embed(X), model.cluster_centers_))
    q = equations.soft_assignment(z, mu)
    labels = q.argmax(axis=1)
    j = int(np.bincount(labels, minlength=k).argmin())
    own = np.flatnonzero(labels == j)
    own = own[np.argsort(q[own, j], kind="stable")]
    gradient = np.linalg.norm(equations.grad_z(z, mu, equations.target_distribution(q)), axis=1)[own]
    squares = q[own] ** 2
    p = squares[:, j] / squares.sum(axis=1)
    u = 1 / (1 + np.sum((z[own] - mu[j]) ** 2, axis=1))
    as_in_the_code = 2 * u * np.abs(p - q[own, j]) * np.abs(z[own] - mu[j]).sum(axis=1)
    shown = np.unique(np.linspace(0, len(own) - 1, min(SHOWN, len(own))).astype(int))
    tenths = own[(2 * np.arange(10) + 1) * len(own) // 20]
    return {"cluster_size": len(own), "most_frequent_class": int(np.bincount(y[own]).argmax()),
            "rank_correlation": float(spearmanr(q[own, j], gradient).statistic),
            "rank_correlation_as_in_the_code": float(spearmanr(q[own, j], as_in_the_code).statistic),
            "rows": own[shown].tolist(), "thumbnails": tenths.tolist(),
            **{name: values[shown].round(6).tolist() for name, values in (
                ("q", q[own, j]), ("gradient", gradient), ("as_in_the_code", as_in_the_code))}}


def cells(plan: Plan) -> list[PlannedCell]:
    """Plan a cell for each data set."""
    seed = plan.seeds(SEEDS)[0]
    return [PlannedCell(name, data, plan.add(
        f"start, seed {seed}", start, data, ("autoencoder",), network=plan.network(data, seed)))
        for name, data in plan.data_sets(DATA)]


def gather(planned: list[PlannedCell], results: Results) -> list[Row]:
    """Return the 1st and 99th percentiles of q and of the gradients, and their correlations, for each data set."""
    rows = []
    for name, data, cell in planned:
        if cell in results:
            ours = results[cell]["result"]
            ends = {which: np.quantile(ours[which], [0.01, 0.99]).round(4).tolist()
                    for which in ("q", "gradient", "as_in_the_code")}
            rows.append({"data": name, "spec": data, "cell": cell, "ends": ends, "paper": PAPER,
                         **{which: ours[which] for which in ("cluster_size", "most_frequent_class", "rank_correlation",
                                                             "rank_correlation_as_in_the_code")}})
    return rows


def format_rows(rows: list[Row]) -> str:
    """Return the percentiles and the rank correlations as text."""
    lines = [["data", "", "q from", "to", "|dL/dz| from", "to", "rank correlation"]]
    for row in rows:
        lines.append(["", "the paper", *(f"{end:g}" for name in ("q", "gradient") for end in PAPER[name]), ""])
        for name, words in (("gradient", "ours, Eq. 4"), ("as_in_the_code", "ours, as in the authors' code")):
            correlation = row["rank_correlation" + ("_as_in_the_code" if name == "as_in_the_code" else "")]
            lines.append([row["data"], words, *(f"{end:.3f}" for which in ("q", name) for end in row["ends"][which]),
                          f"{correlation:.3f}"])
    return format_table(lines)


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw the points of the first data set, with ten images."""
    from ..plotting import gradient_against_q

    ours = results[rows[0]["cell"]]["result"]
    pictures = images(rows[0]["spec"], np.array(ours["rows"]))
    return gradient_against_q(ours["q"], ours["gradient"], pictures)
