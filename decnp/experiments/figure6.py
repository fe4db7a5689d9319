"""Figure 6: NMI and generalizability against the number of clusters, 60,000 images to train and 10,000 to validate.

Not in the paper's text nor code, and so decided here: the loss of a split is Eq. 2 as a mean per sample, with a
target P by Eq. 3 within that split; the autoencoder trains on the training split; NMI is that of the training split.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..metrics import generalizability
from . import sweeps
from .data import load
from .methods import loss_within, new_dec, scores
from .options import Plan
from .store import autoencoder
from .words import missing, table

TITLE = "Figure 6: NMI and generalizability G = L_train / L_validation against the number of clusters k"
DATA = ("mnist",)
SEEDS = (0,)
KS = (9, 10, 8, 11, 3, 5, 15, 20, 7, 12, 4, 6, 13, 14, 16, 17, 18, 19)
"""3 to 20; what tells the most comes first."""

PAPER: dict[str, list] = {"k": [3, 5, 8, 9, 10, 15, 20], "NMI": [0.456, 0.640, 0.777, 0.813, 0.808, 0.798, 0.765],
         "G": [0.835, 0.818, 0.784, 0.768, 0.699, 0.658, 0.589]}  # read off the curves' bends


def at_k(folder: Path, data: dict, network: dict, update_interval: int, k: int) -> dict:
    """The work of a cell: DEC with k clusters on the training split; both losses, NMI and G."""
    X, y = load(**data)[:2]
    model = new_dec(k, autoencoder(folder, data, network), network, update_interval).fit(X)
    validation = load(**{**data, "part": "validation"})
    losses = [loss_within(model, rows) for rows in (X, validation.X)]
    return {**scores(y, model.labels_), "train_loss": losses[0], "validation_loss": losses[1],
            "G": generalizability(*losses), "n_iter": model.n_iter_, "stop_reason": model.stop_reason_,
            "validation": scores(validation.y, model.predict(validation.X)),
            "sizes": np.bincount(model.labels_, minlength=k).tolist()}


def cells(plan: Plan) -> list[dict]:
    """A cell for each k; all begin with one autoencoder."""
    seed, planned = plan.seeds(SEEDS)[0], []
    for name, _ in plan.data_sets(DATA):
        data = plan.spec(name, part="train")
        setting, network = sweeps.fixed_setting(plan, "DEC", data, seed), plan.network(data, seed)
        planned.append({"data": name, "cells": {k: plan.add(
            f"k {k}, seed {seed}", at_k, data, ("autoencoder",), network=network, update_interval=setting, k=k)
            for k in KS}})
    return planned


def gather(planned: list[dict], results: dict) -> dict:
    """The curves over those k that are done; where NMI has its peak, and after which k G drops most, per cluster."""
    rows = []
    for row in planned:
        done = {k: results[name]["result"] for k, name in sorted(row["cells"].items()) if name in results}
        if not done:
            continue
        curves = {"k": list(done), **{score: [result[score] for result in done.values()] for score in ("NMI", "G")}}
        rows.append({"data": row["data"], **curves, "paper": PAPER, "signs": signs(**curves),
                     "paper_signs": signs(**PAPER)})
    return {"rows": rows}


def signs(k, NMI, G) -> dict:
    """What the paper reads off: the k of the largest NMI; the k after which G falls most, for one more cluster."""
    falls = [(before - after) / (next_k - this) for this, next_k, before, after in zip(k, k[1:], G, G[1:])]
    return {"peak_of_NMI": k[int(np.argmax(NMI))],
            "G_falls_most_after": k[int(np.argmax(falls))] if falls else None}


def in_words(gathered: dict) -> str:
    """The curves as text, and what they say of k."""
    lines, ends = [["data", "k", "NMI: the paper", "ours", "G: the paper", "ours"]], ""
    for row in gathered["rows"]:
        paper = {k: values for k, *values in zip(*PAPER.values())}
        for k, nmi, g in zip(row["k"], row["NMI"], row["G"]):
            theirs = [f"{value:.3f}" for value in paper[k]] if k in paper else ["-", "-"]
            lines.append([row["data"], str(k), theirs[0], f"{nmi:.3f}", theirs[1], f"{g:.3f}"])
        for whose, said in (("the paper", row["paper_signs"]), ("ours", row["signs"])):
            ends += (f"\n{row['data']}, {whose}: NMI has its peak at k = {said['peak_of_NMI']}, "
                     f"and G falls most after k = {said['G_falls_most_after']}")
    return table(lines) + ends + missing(gathered)


def draw(result: dict):
    """Both curves of the first data set; the paper's are thin."""
    from ..plotting import choosing_k

    row = result["rows"][0]
    return choosing_k(row["k"], row["NMI"], row["G"], paper=(PAPER["k"], PAPER["NMI"], PAPER["G"])).figure
