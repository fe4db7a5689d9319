"""Table 3: the baselines on autoencoder features, beside DEC."""

from __future__ import annotations

from . import table2
from .options import Plan

TITLE = "Table 3: accuracy on autoencoder features, in per cent"

PAPER = {
    "AE+k-means": {"mnist": 81.84, "stl": 33.92, "reuters10k": 66.59, "reuters": 71.97},
    "AE+LDMGI": {"mnist": 83.98, "stl": 32.04, "reuters10k": 42.92},
    "AE+SEC": {"mnist": 81.56, "stl": 32.29, "reuters10k": 61.86},
    "DEC": table2.PAPER["DEC"],
}
UNREPORTED = ("AE+GMM", "AE+spectral clustering")

in_words = table2.in_words


def cells(plan: Plan) -> list[dict]:
    """As Table 2's, with the code of each seed's autoencoder for the rows; the nine settings share the first one's."""
    return table2.rows(plan, PAPER, UNREPORTED, table2.DATA, table2.SEEDS, ae=True)


def gather(planned: list[dict], results: dict) -> dict:
    """The table's numbers from the cells that are done."""
    return {"rows": table2.numbers(planned, results, PAPER)}
