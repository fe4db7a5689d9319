"""``decnp gradcheck``: a check of every equation and every gradient."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
from collections.abc import Mapping
from typing import Any

from ..io.os_errors import explain_os_errors
from .arguments import Subparsers, add_command, integer, number
from .process import print_result

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "gradcheck", _gradcheck, help="check every equation and every gradient on this machine",
        description=(
            "Hold Eqs. 1-5, each layer's backward pass, the whole autoencoder and the whole DEC step against\n"
            "plain loops, central differences, the complex step, and those of autograd, torch and jax that are\n"
            "installed. Each cell is the worst relative error over random problems. Exit status 1 if one is wrong.\n\n"
            "With --mine, compare the functions of your file with Eqs. 1-5 instead: docs/check_your_own.md shows how."),
        examples=["decnp gradcheck", "decnp gradcheck --alpha 1 --alpha 5 --dtype float32 --json check.json",
                  "decnp gradcheck --mine my_dec.py"])
    parser.add_argument("--mine", metavar="FILE",
                        help="Python file with your soft_assignment, kl_divergence, target_distribution, grad_z, grad_mu "
                             "or loss; only --alpha and --json apply to it")
    parser.add_argument("--alpha", type=number(0, strict=True), action="append", metavar="A",
                        help="degrees of freedom in Eq. 1; may be repeated (default: 0.5, 1, 2 and 10)")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64",
                        help="dtype in which decnp computes; the references compute in float64 (default: float64)")
    for name, default, what in (("n", 8, "points"), ("k", 4, "clusters"), ("d", 3, "dimensions of the embedding")):
        parser.add_argument(f"--{name}", type=integer(1, 1000), default=default, metavar=name.upper(),
                            help=f"{what} (default: {default})")
    parser.add_argument("--trials", type=integer(1), default=3, metavar="N",
                        help="random problems for each alpha (default: 3)")
    parser.add_argument("--seed", type=integer(0), default=0, metavar="S", help="seed of the problems (default: 0)")
    parser.add_argument("--json", metavar="FILE", help="write the result into this .json file too")


def _gradcheck(args: argparse.Namespace, argv: list[str]) -> int:
    from ..gradcheck.table import check_equations, format_result
    from .outputs import check_output_file

    if args.json is not None:
        check_output_file(args.json, (".json",), {args.mine} - {None})
    if args.mine:
        return _check_mine(args, argv)
    result = check_equations(
        args.alpha or (0.5, 1.0, 2.0, 10.0), dtype=args.dtype, n=args.n, k=args.k, d=args.d, trials=args.trials,
        seed=args.seed)
    print_result(format_result(result))
    _write(args.json, args.json, argv, result)
    return 0 if result["ok"] else 1


def _check_mine(args: argparse.Namespace, argv: list[str]) -> int:
    from ..gradcheck.my_file import check_file

    path = None if args.json is None else os.path.abspath(args.json)  # the file that is checked may change the directory
    report, others = check_file(args.mine, args.alpha)
    if others:
        print_result(f"not compared (no equation has this name): {', '.join(others)}")
    print_result(str(report))
    findings = [{**finding._asdict(), "verdict": str(finding.verdict)} for finding in report.findings]
    _write(path, args.json, argv, {"ok": report.ok, "equation": report.equation, "slip": report.slip,
                                   "findings": findings, "not_compared": others})
    return 0 if report else 1


def _write(path: str | None, name: str, argv: list[str], result: Mapping[str, Any]) -> None:
    """Write the command and its result as JSON, unless ``path`` is None. ``name`` is the path in the error."""
    from ..io.atomic import write_atomically

    if path is not None:
        text = json.dumps({"command": shlex.join(["decnp", *argv]), **_without_infinity(dict(result))}, indent=1)
        with explain_os_errors(f"--json {name} could not be written"):
            write_atomically(path, lambda file: file.write(text.encode()))


def _without_infinity(value: Any) -> Any:
    """Return ``value`` with "inf" for each infinite number, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_infinity(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_infinity(item) for item in value]
    return "inf" if value == math.inf else value
