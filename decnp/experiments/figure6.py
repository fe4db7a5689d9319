"""Figure 6: NMI and generalizability against the number of clusters, with 60,000 training and 10,000 validation images.

Neither the paper nor its code specifies the following choices. The loss of a split is Eq. 2 as a mean per sample, with
the target P of Eq. 3 computed within that split. The autoencoder is trained on the training split. NMI is computed on the
training split.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..metrics import generalizability
from . import sweeps
from .cells import cell_work
from .data import load
from .formatting import format_table
from .methods import loss_within, new_dec, scores
from .options import Plan
from .specs import DataSpec, NetworkSpec, Results, Row
from .store import autoencoder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 6: NMI and generalizability G = L_train / L_validation against the number of clusters k"
DATA = ("mnist",)
SEEDS = (0, 1)
KS = (9, 10, 8, 11, 3, 5, 15, 20, 7, 12, 4, 6, 13, 14, 16, 17, 18, 19)
"""All k from 3 to 20. The most informative k are first, in case the run is interrupted."""

PAPER: dict[str, list[Any]] = {  # read from the bends of the curves
    "k": [3, 5, 8, 9, 10, 15, 20], "NMI": [0.456, 0.640, 0.777, 0.813, 0.808, 0.798, 0.765],
    "G": [0.835, 0.818, 0.784, 0.768, 0.699, 0.658, 0.589]}


class CellsByK(NamedTuple):
    """Names of the cells of a data set, by k and seed."""

    data: str
    cells: dict[int, dict[int, str]]


@cell_work("decnp.experiments.figure6.at_k")
def at_k(folder: Path, data: DataSpec, network: NetworkSpec, update_interval: int, k: int) -> dict[str, Any]:
    """Run DEC with k clusters on the training split; return the losses of both splits, NMI and G."""
    X, y = load(**data)[:2]
    model = new_dec(k, autoencoder(folder, data, network), network, update_interval).fit(X)
    rest: DataSpec = {**data, "part": "validation"}
    validation = load(**rest)
    losses = [loss_within(model, rows) for rows in (X, validation.X)]
    return {**scores(y, model.labels_), "train_loss": losses[0], "validation_loss": losses[1],
            "G": generalizability(*losses), "n_iter": model.n_iter_, "stop_reason": model.stop_reason_,
            "validation": scores(validation.y, model.predict(validation.X)),
            "sizes": np.bincount(model.labels_, minlength=k).tolist()}


def cells(plan: Plan) -> list[CellsByK]:
    """Plan a cell for each k and seed. All k of a seed have the same autoencoder."""
    seeds, planned = plan.seeds(SEEDS), []
    for name, whole in plan.data_sets(DATA):
        data: DataSpec = {**whole, "part": "train"}
        found: dict[int, dict[int, str]] = {}
        for k, seed in product(KS, seeds):
            setting, network = sweeps.fixed_setting(plan, "DEC", data, seed), plan.network(data, seed)
            found.setdefault(k, {})[seed] = plan.add(
                f"k {k}, seed {seed}", at_k, data, ("autoencoder",), network=network, update_interval=setting, k=k)
        planned.append(CellsByK(name, found))
    return planned


def gather(planned: list[CellsByK], results: Results) -> list[Row]:
    """Return the curves of each seed over the k that every seed has finished, their mean, and the ``signs`` of both."""
    rows = []
    for data, names in planned:
        done = [k for k in sorted(names) if all(name in results for name in names[k].values())]
        if not done:
            continue
        by_seed: dict[str, list[list[float]]] = {
            score: [[results[names[k][seed]]["result"][score] for k in done] for seed in names[done[0]]]
            for score in ("NMI", "G", "train_loss", "validation_loss")}
        means = {score: np.mean(by_seed[score], axis=0).tolist() for score in ("NMI", "G")}
        rows.append({
            "data": data, "k": done, "seeds": list(names[done[0]]), **means, "by_seed": by_seed, "paper": PAPER,
            "signs": signs(done, **means), "paper_signs": signs(**PAPER),
            "signs_by_seed": [signs(done, *both) for both in zip(by_seed["NMI"], by_seed["G"])]})
    return rows


def signs(k: Sequence[int], NMI: Sequence[float], G: Sequence[float]) -> dict[str, int | None]:
    """Return the k with the largest NMI, and the k after which G decreases most per additional cluster."""
    falls = [(before - after) / (next_k - this) for this, next_k, before, after in zip(k, k[1:], G, G[1:])]
    return {"peak_of_NMI": k[int(np.argmax(NMI))],
            "G_falls_most_after": k[int(np.argmax(falls))] if falls else None}


def format_rows(rows: list[Row]) -> str:
    """Return the curves and their ``signs`` as text."""
    lines, ends = [["data", "k", "NMI: the paper", "ours", "G: the paper", "ours"]], ""
    for row in rows:
        paper = {k: values for k, *values in zip(*PAPER.values())}
        for k, nmi, g in zip(row["k"], row["NMI"], row["G"]):
            theirs = [f"{value:.3f}" for value in paper[k]] if k in paper else ["-", "-"]
            lines.append([row["data"], str(k), theirs[0], f"{nmi:.3f}", theirs[1], f"{g:.3f}"])
        for whose, said in (("the paper", row["paper_signs"]), (f"ours, mean of seeds {row['seeds']}", row["signs"])):
            ends += (f"\n{row['data']}, {whose}: NMI has its peak at k = {said['peak_of_NMI']}, "
                     f"and G falls most after k = {said['G_falls_most_after']}")
    return format_table(lines) + ends


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw both curves of the first data set, with a band over the seeds, and thin lines for the curves of the paper."""
    from ..plotting import choosing_k

    NMI, G = (rows[0]["by_seed"][score] for score in ("NMI", "G"))
    return choosing_k(rows[0]["k"], NMI, G, paper=(PAPER["k"], PAPER["NMI"], PAPER["G"]))
