"""Reproduction of a table or figure, from its cells to its files; implements ``decnp reproduce``."""

from __future__ import annotations

import json
import shlex
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from ..exceptions import UserError
from ..io.atomic import write_atomically
from ..io.os_errors import reason_of
from .cells import CellResults, Log, digest, finished_cells, run_cells
from .formatting import format_missing
from .options import Options, Plan
from .specs import Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Experiment", "Figure", "reproduce"]

QUICK_WARNING = "QUICK: 300 rows, a small network and seconds of training; the numbers say nothing about the methods."
DPI = 70


class Experiment(Protocol):
    """Interface of a table or figure of the paper, which is a module of this package.

    See Also
    --------
    Figure : Interface of an experiment that also has a figure.
    """

    TITLE: str
    """First line of the output."""

    def cells(self, plan: Plan) -> list[Any]:
        """Add the cells of the experiment to a plan.

        Parameters
        ----------
        plan : Plan
            Networks and cells to compute, changed in place.

        Returns
        -------
        planned : list
            Names of the cells of each row of the table.
        """

    def gather(self, planned: list[Any], results: Results) -> list[Row]:
        """Return the rows of the table.

        Parameters
        ----------
        planned : list
            Result of ``cells``.
        results : dict
            Results of the finished cells by name.

        Returns
        -------
        rows : list of dict
            A dictionary for each row.
        """

    def format_rows(self, rows: list[Row]) -> str:
        """Return the rows as text, beside the paper's numbers.

        Parameters
        ----------
        rows : list of dict
            Result of ``gather``.

        Returns
        -------
        text : str
            The table.
        """


@runtime_checkable
class Figure(Protocol):
    """Interface of an experiment that also has a figure."""

    def draw(self, rows: list[Row], results: Results) -> Axes:
        """Draw the figure.

        Parameters
        ----------
        rows : list of dict
            Result of ``Experiment.gather``.
        results : dict
            Results of the finished cells by name.

        Returns
        -------
        ax : matplotlib Axes
            One of the axes of the figure.
        """


def reproduce(name: str, options: Options, argv: list[str], log: Log) -> tuple[dict[str, Any], str]:
    """Run the unfinished cells of an experiment and write NAME.json, and NAME.png for a figure.

    Parameters
    ----------
    name : str
        Name of the experiment, such as "table2".
    options : Options
        Options of the command. The files go into ``options.out``.
    argv : list of str
        Arguments of the command, which NAME.json records.
    log : callable
        Called with one line for each cell.

    Returns
    -------
    result : dict
        Content of NAME.json.
    text : str
        The table as text.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted. The files then have the results of the finished cells.
    UserError
        If none of the data sets is available, or the folder is not writable.
    """
    experiment = cast(Experiment, import_module(f".{name}", __package__))
    plan = Plan(options)
    planned = experiment.cells(plan)
    if plan.missing and not plan.cells:
        raise UserError("; ".join(f"{data} is not available: {sentence}" for data, sentence in plan.missing.items()))
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if options.so_far:
            done = CellResults(finished_cells(plan.cells, options.out), [], False)
        else:
            done = run_cells(plan.cells, options.out, options.jobs, log, options.threads)
        rows = experiment.gather(planned, done.results)
        result = {
            "name": name, "title": experiment.TITLE, **({"quick": QUICK_WARNING} if options.quick else {}),
            "command": shlex.join(["decnp", *(word for word in argv if word != "--so-far")]),
            "rows": rows, "missing": plan.missing, "failures": done.failures, **_compact(done.results),
        }
        write_atomically(options.out / f"{name}.json", lambda file: file.write(_as_json(result).encode()))
        written = [f"{name}.json"]
        if isinstance(experiment, Figure) and rows:
            written += _write_picture(experiment, rows, done.results, options, name, log)
    except OSError as error:
        raise UserError(f"--out {options.out} cannot be used: {reason_of(error)}") from error
    if done.interrupted:
        raise KeyboardInterrupt(f"interrupted; repeat the command to resume. The finished cells are in {options.out}")
    lines = [f"{QUICK_WARNING}\n"] if options.quick else []
    lines += [experiment.TITLE, "", experiment.format_rows(rows) + format_missing(plan.missing, done.failures), "",
              f"written to {options.out}: {', '.join(written)}"]
    return result, "\n".join(lines)


def _write_picture(experiment: Figure, rows: list[Row], results: Results, options: Options, name: str,
                   log: Log) -> list[str]:
    """Write the figure and return its file name; without matplotlib, log how to install it."""
    try:
        figure: Any = experiment.draw(rows, results).figure
    except ImportError as error:
        log(str(error))
        return []
    if options.quick:
        figure.text(0.5, 0.5, "QUICK", color="red", alpha=0.25, size=60, ha="center", va="center", rotation=30)
    write_atomically(options.out / f"{name}.png", lambda file: figure.savefig(file, format="png", dpi=DPI))
    return [f"{name}.png"]


def _compact(results: Results) -> dict[str, Any]:
    """Return the records with each profile stored once; recipes have the first characters of its digest instead."""
    profiles: dict[str, dict[str, Any]] = {}

    def short(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "profile" not in value:
            return {key: short(item) for key, item in value.items()}
        key = digest(value["profile"])[:8]
        profiles[key] = value["profile"]
        return {**value, "profile": key}

    cells = {name: {**record, "recipe": short(record["recipe"])} for name, record in results.items()}
    return {"profiles": profiles, "cells": cells}


def _as_json(result: dict[str, Any]) -> str:
    """Return JSON text with a line for each row and cell."""
    lines = []
    for key, value in result.items():
        if isinstance(value, dict) and value:
            inner = ",\n".join(f"  {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
            lines.append(f" {json.dumps(key)}: {{\n{inner}\n }}")
        elif isinstance(value, list) and value:
            inner = ",\n".join(f"  {json.dumps(item)}" for item in value)
            lines.append(f" {json.dumps(key)}: [\n{inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
