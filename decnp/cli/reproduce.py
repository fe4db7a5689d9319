"""``decnp reproduce``: the paper's tables and figures."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from pathlib import Path

from ..exceptions import UserError
from ..utils.progress import message
from ..utils.spelling import nearest
from .arguments import Parser, Subparsers, add_command
from .process import print_result

__all__ = ["NAMES", "add_parser"]

NAMES = ("table1", "table2", "table3", "table4", *(f"figure{i}" for i in range(1, 7)))


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "reproduce", _reproduce, help="a table or a figure of the paper, ours beside the paper's",
        description=(
            "Runs what is needed for a table or a figure of the paper and prints our numbers beside its own.\n"
            "DIR takes NAME.json, NAME.png of a figure, every finished cell, and what cells share: stop it at\n"
            "any time, and the same command goes on where it was. Labels choose nothing, but the best of nine\n"
            "settings where the paper has it so; there the table says it."),
        examples=["decnp reproduce table2 --quick",
                  "decnp reproduce table2 --data mnist --seeds 0,1,2 --out runs/paper",
                  "decnp reproduce figure5 --out runs/paper"],
        notes="All of them, with everything at full size, take a day on two cores.")
    parser.add_argument("name", metavar="NAME", choices=NAMES, help="table1 ... table4, figure1 ... figure6")
    _add_options(parser)


def _add_options(parser: Parser) -> None:
    parser.add_argument("--data", metavar="A,B,..", type=lambda text: tuple(text.split(",")),
                        help="data sets of `decnp data list` (default: all that the table has; what is not here is "
                             "named)")
    parser.add_argument("--seeds", metavar="S,T,..", type=_seeds,
                        help="the first makes sweeps and figures, all of them the means (default: 0,1,2,3,4 for "
                             "tables 2 and 3, else 0)")
    parser.add_argument("--profile", choices=["fast", "paper"], default="fast",
                        help="training schedule: fast (default), or the paper's, which takes hours a network")
    parser.add_argument("--jobs", metavar="N", type=_count, default=1, help="cells at a time (default: 1)")
    parser.add_argument("--threads", metavar="N", type=_count,
                        help="threads for matrix products in a cell (default: the BLAS library's own)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("decnp-out"),
                        help="where results go, and finished cells are looked for (default: decnp-out)")
    parser.add_argument("--quick", action="store_true",
                        help="a few hundred rows and a small network: to see it work, in a minute; no result")
    parser.add_argument("--so-far", action="store_true",
                        help="run nothing: the table of what is done, also while another process goes on with it")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress; the table only")


def _seeds(text: str) -> tuple[int, ...]:
    """Return the different whole numbers >= 0 in ``text``, which has commas between them; an argparse type."""
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise ArgumentTypeError(f"must be whole numbers >= 0, each once, with commas between them; got {text!r}")
    return tuple(map(int, words))


def _count(text: str) -> int:
    """Return the whole number from 1 to 4096 in ``text``; an argparse type."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 4096):
        raise ArgumentTypeError(f"must be a whole number from 1 to 4096; got {text!r}")
    return int(text)


def _reproduce(args: argparse.Namespace, argv: list[str]) -> int:
    from ..experiments.data import NAMES as DATA
    from ..experiments.options import Options
    from ..experiments.reproduce import reproduce

    unknown = [name for name in args.data or () if name not in DATA]
    if unknown:
        raise UserError(f"--data must name data sets, of {', '.join(DATA)}; got {unknown[0]!r}"
                        + nearest(unknown[0], DATA))
    options = Options(args.out, args.data, args.seeds, args.profile, args.jobs, args.threads, args.quick,
                      args.so_far)
    result, table = reproduce(args.name, options, argv, (lambda line: None) if args.quiet else message)
    print_result(table)
    return 1 if result["failures"] else 0
