"""One table or figure from its cells to its files: the work of ``decnp reproduce``, without its words."""

from __future__ import annotations

import json
import shlex
from importlib import import_module
from typing import Callable

from ..exceptions import UserError
from ..io.atomic import write_atomically
from .cells import Done, run_cells, so_far, sum_of
from .options import Options, Plan

__all__ = ["reproduce"]


def reproduce(name: str, options: Options, argv: list[str], note: Callable[[str], None]) -> tuple[dict, str]:
    """Do what is not done of an experiment and write NAME.json, and NAME.png of a figure, into ``options.out``.

    Returns what the JSON holds, and the table in words. ``note`` is told of each cell.

    Raises
    ------
    KeyboardInterrupt
        If it was stopped; what is done so far is in the files.
    UserError
        If none of the data sets is here, or the folder cannot be written to.
    """
    module = import_module(f".{name}", __package__)
    plan = Plan(options)
    planned = module.cells(plan)
    if plan.missing and not plan.cells:
        raise UserError("; ".join(f"{data} is not here: {sentence}" for data, sentence in plan.missing.items()))
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if options.so_far:
            done = Done(so_far(plan.cells, options.out), [], False)
        else:
            done = run_cells(plan.cells, options.out, options.jobs, note, options.threads)
        result = {
            "name": name, "title": module.TITLE, **({"quick": QUICK_WARNING} if options.quick else {}),
            "command": shlex.join(["decnp", *(word for word in argv if word != "--so-far")]),
            **module.gather(planned, done.results), "missing": plan.missing, "failures": done.failures,
            **_compact(done.results),
        }
        write_atomically(options.out / f"{name}.json", lambda file: file.write(_as_json(result).encode()))
        written = [f"{name}.json"]
        if hasattr(module, "draw"):
            written += _picture(module, result, options, name, note)
    except OSError as error:
        raise UserError(f"--out {options.out} cannot be used: {error.strerror or error}") from error
    if done.stopped:
        raise KeyboardInterrupt(f"interrupted; the same command goes on with what is not in {options.out} yet")
    words = [f"{QUICK_WARNING}\n"] * options.quick + [module.TITLE, "", module.in_words(result), "",
                                                      f"written to {options.out}: {', '.join(written)}"]
    return result, "\n".join(words)


QUICK_WARNING = "QUICK: a few hundred rows, a small network and seconds of training; no result of any method."


DPI = 70


def _picture(module, result, options, name, note) -> list[str]:
    """Write the picture; without matplotlib, say how to get it."""
    if not result["rows"]:
        return []
    try:
        figure = module.draw(result)
    except ImportError as error:
        note(str(error))
        return []
    if options.quick:
        figure.text(0.5, 0.5, "QUICK", color="red", alpha=0.25, size=60, ha="center", va="center", rotation=30)
    write_atomically(options.out / f"{name}.png", lambda file: figure.savefig(file, format="png", dpi=DPI))
    return [f"{name}.png"]


def _compact(results: dict) -> dict:
    """The cells, with each schedule said once: a cell's recipe has the first letters of its sum."""
    profiles: dict[str, dict] = {}

    def short(value):
        if not isinstance(value, dict):
            return value
        if "profile" not in value:
            return {key: short(item) for key, item in value.items()}
        key = sum_of(value["profile"])[:8]
        profiles[key] = value["profile"]
        return {**value, "profile": key}

    cells = {name: {**cell, "recipe": short(cell["recipe"])} for name, cell in results.items()}
    return {"profiles": profiles, "cells": cells}


def _as_json(result: dict) -> str:
    """JSON with a line for each row and cell."""
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
