"""Options of an experiment, and the plan that converts them into networks and cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets import DataError
from ..profiles import PAPER_MNIST, Profile, profile_for, profile_of_both
from .cells import Cell
from .data import autoencoder_rows, load
from .specs import DataSpec, NetworkSpec
from .store import prepare_autoencoder, prepare_cliques

__all__ = ["Options", "Plan", "PlannedCell", "settings_of"]

QUICK = Profile(
    init_std=None, optimizer="adam", lr=2e-3, lr_decay="cosine", pretrain_iter=0, finetune_iter=150, shuffle=True,
    update_interval=10, max_iter=40,
)
"""Schedule of ``--quick``: one second of training. Its results say nothing about the methods."""


LATER = ("init", "label_iter", "short_finetune_iter")
"""Fields of the profile that the keys of the first cached cells did not have. A default value is not part of a key."""


@dataclass(frozen=True)
class Options:
    """Options of ``decnp reproduce``."""

    out: Path
    data: tuple[str, ...] | None = None
    """Names of data sets. None means the default of the experiment."""
    seeds: tuple[int, ...] | None = None
    """Seeds. The sweeps of Tables 2 and 3 and Figures 1, 3, 4 and 5 use the first seed. Other cells use every seed. None
    means the default of the experiment."""
    profile: str = "fast"
    jobs: int = 1
    threads: int | None = None
    quick: bool = False
    so_far: bool = False
    """Compute no cell, and make the table of the finished cells."""


def settings_of(profile: Profile) -> dict[str, Any]:
    """Return the fields of ``profile`` for a ``NetworkSpec``, without those of ``LATER`` that have their defaults."""
    return {name: value for name, value in asdict(profile).items() if name not in LATER or value != getattr(Profile(), name)}


class PlannedCell(NamedTuple):
    """Cell of a data set, in an experiment with one cell for each data set."""

    data: str
    spec: DataSpec
    cell: str


class Plan:
    """List of the cells of an experiment, which the experiment fills.

    Attributes
    ----------
    cells : list of Cell
        The cells, in the order in which they were added.
    missing : dict of str to str
        A sentence for each data set that is not available, with the command that downloads it.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.cells: list[Cell] = []
        self.missing: dict[str, str] = {}

    def data_sets(self, default: tuple[str, ...]) -> Iterator[tuple[str, DataSpec]]:
        """Yield the names of the data sets that are available, each with its ``data.load`` arguments."""
        for name in self.options.data or default:
            spec = self.spec(name)
            try:
                load(**spec)
            except DataError as error:
                self.missing[name] = str(error)
            else:
                yield name, spec

    def seeds(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return the seeds of the options, or else ``default``; ``quick`` uses the first two seeds of ``default``."""
        return self.options.seeds or (default[:2] if self.options.quick else default)

    def spec(self, name: str) -> DataSpec:
        """Return the ``data.load`` arguments of a data set."""
        return {"name": name, "quick": True} if self.options.quick else {"name": name}

    def network(self, data: DataSpec, seed: int) -> NetworkSpec:
        """Return widths, schedule and seed of the autoencoder and of DEC on a data set."""
        n = len(autoencoder_rows(data))
        profile = QUICK
        if not self.options.quick:
            profile = profile_of_both(partial(profile_for, self.options.profile), len(load(**data).X), n)
            profile = replace(profile, center=False)  # as in the paper, for all data sets
        if self.options.profile == "paper" and data["name"] == "mnist" and not self.options.quick:
            profile = replace(profile, **{**PAPER_MNIST, "autoencoder_rows": None if n < 70_000 else 60_000})
        hidden = [32, 10] if self.options.quick else [500, 500, 2000, 10]
        return {"hidden": hidden, "profile": settings_of(profile), "seed": seed}

    def add(self, name: str, work: Callable[..., dict[str, Any]], data: DataSpec, needs: tuple[str, ...] = (),
            **recipe: Any) -> str:
        """Add a cell and the cells that it needs ("autoencoder", "cliques"); return its name, which begins with the data.

        ``work`` is called with ``data`` and ``recipe``.
        """
        data_sum = load(**data).fingerprint
        before: tuple[Cell, ...] = ()
        network = recipe.get("network") or recipe.get("features")
        shared = {"data": data, "network": network, "data_sum": data_sum}
        where = " ".join(str(value) for key, value in data.items() if key not in ("quick", "seed"))
        of_network = "" if network is None else f", seed {network['seed']}"
        for need, work_before in (("autoencoder", prepare_autoencoder), ("cliques", prepare_cliques)):
            if need in needs:
                before = (Cell(f"{where}, {need}{of_network}", work_before, shared, before),)
        name = f"{where}, {name}"
        self.cells.append(Cell(name, work, {"data": data, **recipe, "data_sum": data_sum}, before))
        return name
