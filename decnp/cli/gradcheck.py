"""The commands that check: ``decnp gradcheck`` and ``decnp data``. Their options and their words."""

from __future__ import annotations

import json
import math
import shlex
from argparse import RawDescriptionHelpFormatter

from .arguments import number, say, whole

__all__ = ["add_commands"]


def add_commands(commands) -> None:
    """Adds the two to argparse's subparsers; nothing heavy is imported for them."""
    _add_gradcheck(commands)
    _add_data(commands)


def _add_gradcheck(commands):
    check = commands.add_parser(
        "gradcheck", help="check every equation and every gradient on this machine",
        formatter_class=RawDescriptionHelpFormatter,
        description="Hold Eqs. 1-5, each layer's backward pass, the whole autoencoder and the whole DEC step against\n"
                    "plain loops, central differences, the complex step, and those of autograd, torch and jax that are\n"
                    "installed. Each cell is the worst relative error over random problems. Exit status 1 if one is wrong.",
        epilog="examples:\n  decnp gradcheck\n  decnp gradcheck --alpha 1 --alpha 5 --dtype float32 --json check.json",
    )
    check.add_argument("--alpha", type=number(0, above=True), action="append", metavar="A",
                       help="degrees of freedom in Eq. 1; may be repeated (default: 0.5, 1, 2 and 10)")
    check.add_argument("--dtype", choices=["float64", "float32"], default="float64",
                       help="what our side computes in; the judges stay in float64 (default: float64)")
    for name, default, what in (("n", 8, "points"), ("k", 4, "clusters"), ("d", 3, "dimensions of the embedding")):
        check.add_argument(f"--{name}", type=whole(1, 1000), default=default, metavar=name.upper(),
                           help=f"{what} (default: {default})")
    check.add_argument("--trials", type=whole(1), default=3, metavar="N",
                       help="random problems for each alpha (default: 3)")
    check.add_argument("--seed", type=whole(0), default=0, metavar="S", help="seed of the problems (default: 0)")
    check.add_argument("--json", metavar="FILE", help="write the result into this file too")
    check.set_defaults(run=_gradcheck)


def _add_data(commands):
    data = commands.add_parser(
        "data", help="list, download and check the paper's data sets",
        formatter_class=RawDescriptionHelpFormatter,
        description="Files are looked for in the checkout's data/, in $DECNP_DATA, and in the per-user cache.",
        epilog="examples:\n  decnp data list\n  decnp data fetch mnist\n  decnp data verify",
    )
    doing = data.add_subparsers(dest="doing", required=True, metavar="list|fetch|verify")

    def command(name, help, examples):
        return doing.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.",
                                formatter_class=RawDescriptionHelpFormatter, epilog=f"examples:\n{examples}")

    show = command("list", "what there is, where it is found, and whose it is",
                   "  decnp data list\n  decnp data list --json")
    show.add_argument("--json", action="store_true", help="as JSON instead of words")
    fetch = command("fetch", "download what is missing; a broken download goes on where it broke off",
                    "  decnp data fetch mnist\n  decnp data fetch mnist --to big-disk")
    fetch.add_argument("name", metavar="NAME", help="a data set of `decnp data list`")
    fetch.add_argument("--to", metavar="DIR", help="the folder to put it in (default: the per-user cache)")
    verify = command("verify", "check the sums of the files that are there",
                     "  decnp data verify\n  decnp data verify mnist")
    verify.add_argument("name", metavar="NAME", nargs="?", help="a data set of `decnp data list` (default: all)")
    data.set_defaults(run=_data)


def _gradcheck(args, argv) -> int:
    from ..gradcheck.table import check_equations, format_result
    from ..io.atomic import write_all_atomically  # late: --help stays quick

    result = check_equations(
        args.alpha or (0.5, 1.0, 2.0, 10.0), dtype=args.dtype, n=args.n, k=args.k, d=args.d, trials=args.trials,
        seed=args.seed)
    print(format_result(result), flush=True)
    if args.json:
        text = json.dumps({"command": shlex.join(["decnp", *argv]), **_strict(result)}, indent=1)
        try:
            write_all_atomically({args.json: lambda file: file.write(text.encode())})
        except OSError as error:
            say(f"error: --json {args.json} could not be written: {error.strerror or error}")
            return 2
    return 0 if result["ok"] else 1


def _data(args, argv) -> int:
    from ..datasets.registry import describe, facts, fetch, verify  # late: --help stays quick

    status = 0
    try:
        if args.doing == "list":
            print(json.dumps(facts(), indent=1) if args.json else describe(), flush=True)
        elif args.doing == "fetch":
            for line in fetch(args.name, args.to):
                print(line, flush=True)
        else:
            for sentence, right in verify(args.name):
                if right:
                    print(sentence, flush=True)
                else:
                    say(f"error: {sentence}")
                    status = 2
    except ValueError as error:  # DataError, or --to is a file
        say(f"error: {error}")
        return 2
    except OSError as error:
        say(f"error: cannot use {error.filename or args.name}: {error.strerror or error}")
        return 2
    return status


def _strict(value):
    """The value with "inf" for infinity, which JSON has no number for."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return "inf" if value == math.inf else value
