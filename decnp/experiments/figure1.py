"""Figure 1: the network. Its encoder is x -> 500 -> 500 -> 2000 -> 10 for every data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import load
from .formatting import format_table
from .options import Plan
from .specs import Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Figure 1: the network"
DATA = ("mnist",)
SEEDS = (0,)
PAPER = [500, 500, 2000, 10]


def cells(plan: Plan) -> list[Row]:
    """Return the widths for each data set. No cell is planned, because the widths depend only on the data."""
    return [{"data": name, "sizes": [load(**data).X.shape[1], *plan.network(data, 0)["hidden"]],
             "paper": [load(**data).X.shape[1], *PAPER]} for name, data in plan.data_sets(DATA)]


def gather(planned: list[Row], results: Results) -> list[Row]:
    """Return the widths and the numbers of parameters of encoder and decoder."""
    return [{**row, "encoder": _n_parameters(row["sizes"]), "decoder": _n_parameters(row["sizes"][::-1])}
            for row in planned]


def _n_parameters(sizes: list[int]) -> int:
    return sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:]))


def format_rows(rows: list[Row]) -> str:
    """Return the widths as text."""
    return format_table([["data", "the paper", "ours", "weights and biases: encoder", "decoder"]] + [
        [row["data"], "-".join(map(str, row["paper"])), "-".join(map(str, row["sizes"])), str(row["encoder"]),
         str(row["decoder"])] for row in rows])


def draw(rows: list[Row], results: Results) -> Axes:
    """Draw the network of the first data set."""
    from ..plotting import network_diagram

    return network_diagram(rows[0]["sizes"])
