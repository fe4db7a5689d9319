"""``decnp info``: the contents of a model file."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from typing import Any

from ..io.os_errors import explain_os_errors
from .arguments import Subparsers, add_command, add_model_argument
from .process import print_result

__all__ = ["add_parser", "describe_model"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "info", _info, help="print the contents of a model file",
        description="Print architecture, clusters, training and versions of a model file.",
        examples=["decnp info run/model.decnp", "decnp info run/model.decnp --json"])
    add_model_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _info(args: argparse.Namespace, argv: list[str]) -> int:
    info = describe_model(args.model)
    print_result(json.dumps(info, indent=1) if args.json else _format_info(info))
    return 0


def describe_model(path: str) -> dict[str, Any]:
    """Return the contents of a model file, without its arrays, as plain data for JSON.

    Raises UserError if the file cannot be read, and ModelFileError if it is not a model.
    """
    from ..io.model_file import read_model  # imports NumPy

    with explain_os_errors(f"cannot read {path}"):
        header, arrays = read_model(path)
        size = os.path.getsize(path)
    n_weights = {part: sum(a.size for name, a in arrays.items() if name.startswith(f"{part}."))
                 for part in ("encoder", "decoder")}
    shift = arrays["shift"]
    return {
        "file": path,
        "bytes": size,
        "format": header["format"],
        "architecture": [header["n_features"], *header["hidden_layer_sizes"]],
        "activations": header["activations"],
        "n_clusters": header["n_clusters"],
        "alpha": header["alpha"],
        "dtype": header["dtype"],
        "storage": header["storage"],
        "n_weights": {**n_weights, "centroids": arrays["centers"].size},
        "shift": float(shift) if shift.ndim == 0 else "one for each column",
        "scale": float(arrays["scale"]),
        **{name: header[name] for name in (
            "feature_names", "recipe", "left_out", "versions", "parameters", "profile", "training") if name in header},
    }


def _format_info(info: dict[str, Any]) -> str:
    """Return a paragraph for each group of facts. Text from the file is quoted, so that it cannot control a terminal."""
    stored = "" if info["storage"] == info["dtype"] else f", stored in {info['storage']}"
    shift = info["shift"] if isinstance(info["shift"], str) else f"{info['shift']:g}"
    groups: dict[str, str] = {
        "file": f"{info['file']}, {info['bytes'] / 1e6:.2f} MB, model format {info['format']}",
        "network": f"{'-'.join(map(str, info['architecture']))} ({', '.join(info['activations']['encoder'])}), "
                   f"{info['dtype']}{stored}",
        "weights": ", ".join(f"{name} {count}" for name, count in info["n_weights"].items()),
        "input": f"(x - shift) * scale, shift {shift}, scale {info['scale']:g}",
        **({"columns": _format_names(info["feature_names"])} if "feature_names" in info else {}),
        **(_format_recipe(info["recipe"]) if "recipe" in info else {}),
        **({"left out": _format_names(info["left_out"])} if "left_out" in info else {}),
        "clusters": f"k = {info['n_clusters']}, alpha = {info['alpha']:g}",
        **{name: _format_pairs(info[name])
           for name in ("training", "parameters", "profile", "versions") if name in info},
    }
    return "\n".join(textwrap.fill(line, 118, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
                     for name, line in groups.items())


def _format_recipe(data: dict[str, Any]) -> dict[str, str]:
    """Return a paragraph about the raw columns, and one for each kind of step."""
    from ..io.recipe import Categories, Number, Recipe, word_of

    recipe = Recipe.from_json(data)
    numbers, words = [], []
    for one in recipe.features:
        name = json.dumps(recipe.columns[one.column])
        if isinstance(one, Categories):
            counts = one.counts or ("",) * len(one.values)
            listed = ", ".join(f"{json.dumps(word_of(value))} {count}".strip()
                               for value, count in list(zip(one.values, counts))[:10])
            words.append(f"{name} ({listed}" + f" and {len(one.values) - 10} more" * (len(one.values) > 10) + ")")
        elif isinstance(one, Number):
            standardized = [f"mean {one.mean:g}, std {one.std:g}"] * ((one.mean, one.std) != (0, 1))
            filled = [] if one.fill is None else [f"{one.missing or ''} missing -> {one.fill:g}".strip()]
            numbers.append(name + f" ({', '.join(standardized + filled)})" * bool(standardized + filled))
    more = f" and {len(numbers) - 30} more (--json has all)" if len(numbers) > 30 else ""
    return {"raw": f"{len(recipe.columns)} columns, prepared by the recipe in the file",
            **({"numbers": ", ".join(numbers[:30]) + more} if numbers else {}),
            **({"categories": ", ".join(words[:30])} if words else {})}


def _format_names(names: list[str]) -> str:
    """Return the first thirty names, quoted, and the number of the others."""
    more = f" and {len(names) - 30} more (--json has all)" if len(names) > 30 else ""
    return ", ".join(map(json.dumps, names[:30])) + more


def _format_pairs(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name if name.isidentifier() else json.dumps(name)}={json.dumps(value)}"
                     for name, value in facts.items())
