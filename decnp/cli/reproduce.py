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
        commands, "reproduce", _reproduce, help="reproduce a table or a figure of the paper",
        description=(
            "Run the experiments of a table or a figure of the paper, and print the results beside the paper's\n"
            "numbers. NAME.json, NAME.png for a figure, and the result of each experiment are written to DIR. An\n"
            "interrupted run is resumed by the same command. Labels are used for scores only, except where the\n"
            "paper reports the best of nine settings. The table marks these numbers."),
        examples=["decnp reproduce table2 --quick",
                  "decnp reproduce table2 --data mnist --seeds 0,1,2 --out runs/paper",
                  "decnp reproduce figure5 --out runs/paper"],
        notes="All tables and figures at full size take about a day on two cores.")
    parser.add_argument("name", metavar="NAME", choices=NAMES, help="table1 ... table4, figure1 ... figure6")
    _add_options(parser)


def _add_options(parser: Parser) -> None:
    parser.add_argument("--data", metavar="A,B,..", type=lambda text: tuple(text.split(",")),
                        help="names of data sets in `decnp data list` (default: all data sets of the table; missing ones "
                             "are reported)")
    parser.add_argument("--seeds", metavar="S,T,..", type=_seeds,
                        help="seeds; the sweeps of tables 2 and 3 and figures 1, 3, 4 and 5 use the first one (default: "
                             "0,1,2,3,4 for tables 2 and 3; 0,1,2 for table 4 and figure 2; 0,1 for figure 6; else 0)")
    parser.add_argument("--profile", choices=["fast", "paper"], default="fast",
                        help="training schedule: fast (default), or the paper's, which takes hours per network")
    parser.add_argument("--jobs", metavar="N", type=_count, default=1,
                        help="number of experiments to run in parallel (default: 1)")
    parser.add_argument("--threads", metavar="N", type=_count,
                        help="threads for matrix products in each experiment (default: all of the BLAS library)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("decnp-out"),
                        help="folder for the results, and for the cache of finished experiments (default: decnp-out)")
    parser.add_argument("--quick", action="store_true",
                        help="use 300 rows and a small network, to try the command in a minute; the numbers mean nothing")
    parser.add_argument("--so-far", action="store_true",
                        help="run nothing, and print the table of the finished experiments; also during another run")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the table, without progress")


def _seeds(text: str) -> tuple[int, ...]:
    """Return the whole numbers >= 0 in ``text``, separated by commas and without duplicates; an argparse type."""
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise ArgumentTypeError(f"must be different whole numbers >= 0, separated by commas; got {text!r}")
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
        raise UserError(f"--data must be names of data sets: {', '.join(DATA)}; got {unknown[0]!r}"
                        + nearest(unknown[0], DATA))
    options = Options(args.out, args.data, args.seeds, args.profile, args.jobs, args.threads, args.quick,
                      args.so_far)
    result, table = reproduce(args.name, options, argv, (lambda line: None) if args.quiet else message)
    print_result(table)
    return 1 if result["failures"] else 0
