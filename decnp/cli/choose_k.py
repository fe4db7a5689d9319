"""``decnp choose-k``: its parser, the printed table, and ``--resume``. ``run_choose_k`` does the work."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from typing import Any

from ..exceptions import UserError
from ..utils.progress import message
from .arguments import Parser, Subparsers, add_command, integer
from .fit_options import (
    FitOptions,
    add_output_options,
    add_recipe_options,
    add_source,
    add_table_options,
    add_training_options,
)
from .process import print_result

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "choose-k", _choose_k, help="compare numbers of clusters",
        description="Fit DEC with several numbers of clusters from several seeds, and report which number of clusters\n"
                    "the runs support, or that none is supported. Labels are not used.",
        examples=["decnp choose-k mydata.csv --k 2..6 --hidden 32,5 --label-column species --out k",
                  "decnp choose-k digits --k 8,10,12 --seeds 5",
                  "decnp choose-k --resume k"],
        notes="Cost: an autoencoder for each seed, and a clustering phase for each seed and k. On one core and for iris or\n"
              "digits, they take 2 s and 1 s with --hidden 32,5, and a minute and 20 s with the default network: three\n"
              "seeds and eleven k take less than a minute, or about 13 minutes. --seeds 2 shows less.\n"
              "DIR takes choose_k.json, and choose_k.png if matplotlib is installed. Until they are complete, it has a\n"
              "file for each finished k and seed, for --resume.")
    _add_options(parser)


def _add_options(parser: Parser) -> None:
    add_source(parser)
    data = parser.add_argument_group("what to compare")
    data.add_argument("--k", type=_numbers, default=list(range(2, 13)), metavar="2..12", dest="ks",
                      help="numbers of clusters: 2..12, or 2,3,5 (default: 2..12)")
    data.add_argument("--seeds", type=integer(2), default=3, metavar="S",
                      help="number of seeds; each trains an autoencoder of its own, on four fifths of the rows (default: 3)")
    data.add_argument("--jobs", type=integer(1, 4096), default=1, metavar="N",
                      help="seeds at a time, each in a process of its own (default: 1)")
    add_table_options(data)
    data.add_argument("--out", metavar="DIR", help="write the results into this folder (default: only print them)")
    data.add_argument("--overwrite", action="store_true", help="replace the results of an earlier choose-k in DIR")
    data.add_argument("--resume", metavar="DIR",
                      help="resume the comparison that was started with --out DIR; without SOURCE")
    add_recipe_options(parser)
    add_training_options(parser)
    add_output_options(parser)


def _numbers(text: str) -> list[int]:
    """Return the numbers of clusters in ``text``, as 2..12 or 2,3,5; an argparse type."""
    low, dots, high = text.partition("..")
    words = [low, high] if dots else text.split(",")
    if not all(word.isascii() and word.isdecimal() and 2 <= int(word) <= 10**6 for word in words):
        raise argparse.ArgumentTypeError(f"must be whole numbers >= 2, as 2..12 or 2,3,5; got {text!r}")
    numbers = list(range(int(low), int(high) + 1)) if dots else sorted(set(map(int, words)))
    if not numbers:
        raise argparse.ArgumentTypeError(f"must begin with the smaller number; got {text!r}")
    return numbers


def _choose_k(args: argparse.Namespace, argv: list[str]) -> int:
    from .resume import check_resume_alone
    from .run_choose_k import finished_record, run_choose_k

    quiet, as_json, out, resumed = args.quiet, args.json, args.out, bool(args.resume)
    if resumed:
        check_resume_alone(argv, args.resume)
        out = args.resume
        record = finished_record(out)
        if record is not None:
            message(f"the comparison in {out} is complete: these are its results")
            return _print(record, as_json, out)
        args, argv = _first_arguments(out)
    elif args.source is None:
        raise UserError("choose-k needs a SOURCE, or --resume DIR (see decnp choose-k --help)")
    elif args.overwrite and not out:
        raise UserError("--overwrite needs --out DIR, the folder that has the comparison to replace")
    options = FitOptions.from_arguments(
        args, n_clusters=args.ks[-1], labels=None, out=None, overwrite=args.overwrite, report=False,
        checkpoint_every=0.0, resumed=resumed)
    record = run_choose_k(options, args.ks, args.seeds, out, argv, quiet)
    return _print(record, as_json, out)


def _first_arguments(out: str) -> tuple[argparse.Namespace, list[str]]:
    """Return the arguments and the ``argv`` of the process that started the comparison in the folder ``out``."""
    from .resume import read_request, require_source

    request = read_request(out, "choose-k")
    parser = Parser(prog="decnp choose-k")
    _add_options(parser)
    args = parser.parse_args(request.argv[1:])
    path = request.folder / require_source(args.source, out)
    if os.path.splitext(args.source)[1] and path.exists():  # a data set's name, such as digits, has no extension
        args.source = str(path)
    return args, request.argv


def _print(record: dict[str, Any], as_json: bool, out: str | None) -> int:
    """Write the results to standard output and return the exit status."""
    if as_json:
        print_result(json.dumps({name: value for name, value in record.items() if name != "table"}, indent=1))
        return 0
    sentences = [textwrap.fill(sentence, 100) for sentence in record["sentences"]]
    lines = [record["table"], "", *sentences, f"{record['seconds']:.1f} s"]
    print_result("\n".join(lines + ([f"written to {os.path.join(out, '')}"] if out else [])))
    return 0
