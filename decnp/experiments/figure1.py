"""Figure 1: the network, whose encoder is x -> 500 -> 500 -> 2000 -> 10 on every data set."""

from __future__ import annotations

from .data import load
from .options import Plan
from .words import missing, table

TITLE = "Figure 1: the network"
DATA = ("mnist",)
SEEDS = (0,)
PAPER = [500, 500, 2000, 10]


def cells(plan: Plan) -> list[dict]:
    """No cell: the widths follow from the data."""
    return [{"data": name, "sizes": [load(**data).X.shape[1], *plan.network(data, 0)["hidden"]],
             "paper": [load(**data).X.shape[1], *PAPER]} for name, data in plan.data_sets(DATA)]


def gather(planned: list[dict], results: dict) -> dict:
    """The widths, and how many numbers encoder and decoder learn."""
    return {"rows": [{**row, **{part: sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:]))
                                for part, sizes in (("encoder", row["sizes"]), ("decoder", row["sizes"][::-1]))}}
                     for row in planned]}


def in_words(gathered: dict) -> str:
    """The widths as text."""
    return table([["data", "the paper", "ours", "weights and biases: encoder", "decoder"]] + [
        [row["data"], "-".join(map(str, row["paper"])), "-".join(map(str, row["sizes"])), str(row["encoder"]),
         str(row["decoder"])] for row in gathered["rows"]]) + missing(gathered)


def draw(result: dict):
    """The picture of the first data set's network."""
    from ..plotting import network_diagram

    return network_diagram(result["rows"][0]["sizes"]).figure
