"""What is asked of an experiment, and from it the networks that it trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

from ..datasets import DataError
from ..profiles import PAPER_MNIST, Profile, profile_for, profile_of_both
from .cells import Cell
from .data import autoencoder_rows, load
from .store import prepare_autoencoder, prepare_cliques

__all__ = ["Options", "Plan"]

QUICK = Profile(
    init_std=None, optimizer="adam", lr=2e-3, lr_decay="cosine", pretrain_iter=0, finetune_iter=150, shuffle=True,
    update_interval=10, max_iter=40,
)
"""A schedule of a second, on a small network and a few hundred rows; what comes out says nothing of the methods."""


@dataclass(frozen=True)
class Options:
    """The options of ``decnp reproduce``."""

    out: Path
    data: tuple[str, ...] | None = None
    """None takes the experiment's own."""
    seeds: tuple[int, ...] | None = None
    """The first one makes sweeps and figures, all of them the means. None takes the experiment's own."""
    profile: str = "fast"
    jobs: int = 1
    threads: int | None = None
    quick: bool = False
    so_far: bool = False
    """Run nothing: make the table of the cells that are done."""


class Plan:
    """The cells of an experiment as it lists them: from a data set's name to recipes; and what is not here.

    Attributes
    ----------
    cells : the cells, in order
    missing : {data set: a sentence that says how to get it}
    """

    def __init__(self, options: Options):
        self.options = options
        self.cells: list[Cell] = []
        self.missing: dict[str, str] = {}

    def data_sets(self, default: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
        """The names asked for, each with its ``data.load`` arguments, as far as they are here."""
        for name in self.options.data or default:
            spec = self.spec(name)
            try:
                load(**spec)
            except DataError as error:
                self.missing[name] = str(error)
            else:
                yield name, spec

    def seeds(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """The seeds asked for, or the experiment's own; of these two for ``quick``."""
        return self.options.seeds or (default[:2] if self.options.quick else default)

    def spec(self, name: str, **more) -> dict:
        """Arguments of ``data.load``."""
        return {"name": name, **({"quick": True} if self.options.quick else {}), **more}

    def network(self, data: dict, seed: int) -> dict:
        """Widths, schedule and seed of the autoencoder and of DEC on a data set."""
        n = len(autoencoder_rows(data))
        profile = QUICK
        if not self.options.quick:
            profile = profile_of_both(partial(profile_for, self.options.profile), len(load(**data).X), n)
        if self.options.profile == "paper" and data["name"] == "mnist" and not self.options.quick:
            profile = replace(profile, **{**PAPER_MNIST, "autoencoder_rows": None if n < 70_000 else 60_000})
        return {"hidden": [32, 10] if self.options.quick else [500, 500, 2000, 10],
                "profile": asdict(profile), "seed": seed}

    def add(self, name: str, work: Callable[..., dict], data: dict, needs: tuple[str, ...] = (), **recipe) -> str:
        """Add a cell, called ``name`` with its data before it, and what it needs: "autoencoder", "cliques".

        Returns the whole name.
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
