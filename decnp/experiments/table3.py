"""Table 3: the baselines on autoencoder features, compared with DEC."""

from __future__ import annotations

from . import table2
from .options import Plan
from .specs import Results, Row
from .table2 import MethodCells

TITLE = "Table 3: accuracy on autoencoder features, in percent"

PAPER = {
    "AE+k-means": {"mnist": 81.84, "stl": 33.92, "reuters10k": 66.59, "reuters": 71.97},
    "AE+LDMGI": {"mnist": 83.98, "stl": 32.04, "reuters10k": 42.92},
    "AE+SEC": {"mnist": 81.56, "stl": 32.29, "reuters10k": 61.86},
    "DEC": table2.PAPER["DEC"],
}
UNREPORTED = ("AE+GMM", "AE+spectral clustering")

format_rows = table2.format_rows


def cells(plan: Plan) -> list[MethodCells]:
    """Plan the cells of Table 2 with embeddings. The nine settings share the autoencoder of the first seed."""
    return table2.plan_methods(plan, PAPER, UNREPORTED, ae=True)


def gather(planned: list[MethodCells], results: Results) -> list[Row]:
    """Return a row for each method and data set."""
    return table2.gather_methods(planned, results, PAPER)
