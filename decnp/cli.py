"""The ``decnp`` command: a thin door to the package. What is printed is said here, what is done elsewhere.

Results go to standard output; progress, warnings and errors to standard error. Exit status: 0 when done,
1 when ``gradcheck`` finds something wrong, 2 with one sentence for bad input, 130 when interrupted (Ctrl-C, SIGTERM).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
import textwrap
import time
import warnings
from contextlib import closing
from typing import Any, Callable

from . import __version__
from .cli_deploy import add_commands
from .errors import UserError

__all__ = ["build_parser", "main"]

NOT_IN_SUMMARY = ("history", "profile", "parameters", "versions", "machine", "threads")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is in --help."""

    def error(self, message):
        self.exit(2, f"decnp: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The command's options; nothing heavy is imported for them."""
    parser = Parser(
        prog="decnp", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Deep Embedded Clustering (Xie, Girshick, Farhadi 2016) in NumPy.",
        epilog="examples:\n  decnp fit digits --n-clusters 10 --out run\n"
               "  decnp predict run/model.decnp new.csv\n  decnp gradcheck\n\ndecnp COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"decnp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
    add_commands(commands)
    _add_gradcheck(commands)
    _add_data(commands)
    return parser


def _add_fit(commands):
    fit = commands.add_parser(
        "fit", help="cluster a data set", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train an autoencoder on SOURCE, then cluster its rows with DEC.\n"
                    "Labels, where they are known, are used for the scores at the end and for nothing else.",
        epilog="examples:\n"
               "  decnp fit digits --n-clusters 10 --seed 0 --out run\n"
               "  decnp fit mydata.csv --n-clusters 5 --labels mylabels.txt --out run\n"
               "  decnp fit --resume run\n\n"
               "DIR takes labels.npy, embedding.npy, centroids.npy, model.decnp and run.json (the whole recipe).\n"
               "An earlier run in it is replaced only when the new one is complete.",
    )
    fit.add_argument("source", metavar="SOURCE", nargs="?",
                     help="mnist, digits, stl, reuters10k (see decnp data list), or a file with one row for each "
                          "sample: .npy, .npz (array X), or .csv")

    data = fit.add_argument_group("what to find")
    data.add_argument("--n-clusters", type=_whole(1), metavar="K",
                      help="number of clusters (default: the classes of a named data set, else 8)")
    data.add_argument("--labels", metavar="FILE",
                      help="true labels, one for each row: .npy, .npz (array y), .csv or .txt; only for the scores")
    data.add_argument("--out", metavar="DIR", help="write the results into this folder (default: only print them)")
    data.add_argument("--checkpoint-every", type=_number(0), default=10.0, metavar="MINUTES",
                      help="keep the run's state in DIR so often, for --resume (default: 10); Ctrl-C keeps it too")
    data.add_argument("--resume", metavar="DIR",
                      help="go on with the run that was begun with --out DIR, to the same end; without SOURCE")

    how = fit.add_argument_group("how to train")
    how.add_argument("--profile", choices=["fast", "paper"], default="fast",
                     help="training schedule: fast (default), or the paper's, which takes an hour or more")
    how.add_argument("--seed", type=_whole(0), default=0, metavar="S",
                     help="the one random seed; the same seed gives the same result (default: 0)")
    how.add_argument("--threads", type=_whole(1, 4096), metavar="N",
                     help="threads for matrix products (default: the BLAS library's own)")
    how.add_argument("--hidden", type=_widths, default=(500, 500, 2000, 10), metavar="A,B,..",
                     help="widths of the encoder's layers (default: 500,500,2000,10)")
    how.add_argument("--update-interval", type=_whole(1), metavar="N",
                     help="steps between refreshes of the targets P (default: the profile's)")
    how.add_argument("--max-iter", type=_whole(0), metavar="N",
                     help="clustering steps at most (default: the profile's)")
    how.add_argument("--tol", type=_number(0), default=1e-3, metavar="T",
                     help="stop when a smaller fraction of the labels changes between two refreshes (default: 0.001)")
    how.add_argument("--alpha", type=_number(0, above=True), default=1.0, metavar="A",
                     help="degrees of freedom of Student's t in Eq. 1 (default: 1)")
    how.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", dest="settings",
                     help="change one field of the profile (see decnp.Profile), such as dropout_on_input=true; "
                          "may be repeated")

    words = fit.add_argument_group("what to print")
    words.add_argument("-q", "--quiet", action="store_true", help="no progress; the results only")
    words.add_argument("--json", action="store_true", help="the results as JSON instead of words")
    fit.set_defaults(run=_fit, begun=False)


def _add_gradcheck(commands):
    check = commands.add_parser(
        "gradcheck", help="check every equation and every gradient on this machine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Hold Eqs. 1-5, each layer's backward pass, the whole autoencoder and the whole DEC step against\n"
                    "plain loops, central differences, the complex step, and those of autograd, torch and jax that are\n"
                    "installed. Each cell is the worst relative error over random problems. Exit status 1 if one is wrong.",
        epilog="examples:\n  decnp gradcheck\n  decnp gradcheck --alpha 1 --alpha 5 --dtype float32 --json check.json",
    )
    check.add_argument("--alpha", type=_number(0, above=True), action="append", metavar="A",
                       help="degrees of freedom in Eq. 1; may be repeated (default: 0.5, 1, 2 and 10)")
    check.add_argument("--dtype", choices=["float64", "float32"], default="float64",
                       help="what our side computes in; the judges stay in float64 (default: float64)")
    for name, default, what in (("n", 8, "points"), ("k", 4, "clusters"), ("d", 3, "dimensions of the embedding")):
        check.add_argument(f"--{name}", type=_whole(1, 1000), default=default, metavar=name.upper(),
                           help=f"{what} (default: {default})")
    check.add_argument("--trials", type=_whole(1), default=3, metavar="N",
                       help="random problems for each alpha (default: 3)")
    check.add_argument("--seed", type=_whole(0), default=0, metavar="S", help="seed of the problems (default: 0)")
    check.add_argument("--json", metavar="FILE", help="write the result into this file too")
    check.set_defaults(run=_gradcheck)


def _add_data(commands):
    data = commands.add_parser(
        "data", help="list, download and check the paper's data sets",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Files are looked for in the checkout's data/, in $DECNP_DATA, and in the per-user cache.",
        epilog="examples:\n  decnp data list\n  decnp data fetch stl --to /big/disk\n  decnp data verify",
    )
    doing = data.add_subparsers(dest="doing", required=True, metavar="list|fetch|verify")
    doing.add_parser("list", help="what there is, where it is found, and whose it is")
    fetch = doing.add_parser("fetch", help="download what is missing; a broken download goes on where it broke off")
    fetch.add_argument("name", metavar="NAME", help="a data set of `decnp data list`")
    fetch.add_argument("--to", metavar="DIR", help="the folder to put it in (default: the per-user cache)")
    verify = doing.add_parser("verify", help="check the sums of the files that are there")
    verify.add_argument("name", metavar="NAME", nargs="?", help="a data set of `decnp data list` (default: all)")
    data.set_defaults(run=_data)


def _whole(low: int, high: float = math.inf) -> Callable[[str], int]:
    """An argparse type: a whole number from low to high."""
    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            most = "" if high == math.inf else f" and <= {high}"
            raise argparse.ArgumentTypeError(f"must be a whole number >= {low}{most}; got {text!r}")
        return value
    return parse


def _number(low: float, above: bool = False) -> Callable[[str], float]:
    """An argparse type: a finite number >= low, or > low."""
    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value < math.inf or (value == low and not above)):
            raise argparse.ArgumentTypeError(f"must be a finite number {'>' if above else '>='} {low}; got {text!r}")
        return value
    return parse


def _widths(text: str) -> tuple[int, ...]:
    """An argparse type: whole numbers with commas between them."""
    try:
        return tuple(_whole(1, 10**6)(width) for width in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be whole numbers from 1 to 1000000 with commas between them; got {text!r}") from None


def _setting(text: str) -> tuple[str, object]:
    """An argparse type: NAME=VALUE, where VALUE is a number, true, false, none, or a word."""
    name, equals, word = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    try:
        return name, json.loads({"none": "null", "true": "true", "false": "false"}.get(word.lower(), word))
    except (ValueError, RecursionError):
        return name, word


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status. What the user can mend is one sentence on stderr and status 2."""
    argv = sys.argv[1:] if argv is None else argv
    args = build_parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
            return args.run(args, argv)
    except UserError as error:
        _say(f"error: {error}")
        return 2
    except KeyboardInterrupt as stop:
        _say(str(stop) or "interrupted; nothing was written")
        return 130
    except BrokenPipeError:  # whoever read our output has gone, as in "| head"; what was to be written is written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _fit(args, argv) -> int:
    from .checkpoint import CheckpointError  # late: --help stays quick
    from .datasets import DataError
    from .run import fit_command
    from .training import TrainingError

    if args.resume:
        args, argv = _begun(args, argv)
    elif args.source is None:
        raise UserError("fit needs a SOURCE, or --resume DIR (see decnp fit --help)")
    try:
        with closing(_Progress(args.quiet)) as progress:
            run = fit_command(args, argv, progress.note, progress.watch)
    except (UserError, DataError, TrainingError, CheckpointError) as error:
        _say(f"error: {error}")
        return 2
    except MemoryError as error:
        _say(f"error: there is not enough memory ({error})")
        return 2
    for warning in run["warnings"]:
        _say(f"warning: {warning}")
    if args.json:
        summary = {name: value for name, value in run.items() if name not in NOT_IN_SUMMARY}
        print(json.dumps({**summary, "out": args.out}, indent=1))
    else:
        print(_in_words(run, args.out))
    sys.stdout.flush()
    return 0


def _begun(args, argv):
    """The arguments that the run in --resume DIR was begun with; its files are where they were."""
    from .unfinished import asked_for

    others = [word for word in argv if word not in ("fit", "-q", "--quiet", "--json", "--resume", args.resume,
                                                    f"--resume={args.resume}")]
    if others:
        raise UserError(f"--resume takes everything from DIR, and only --quiet and --json beside it; got {others[0]}")
    first_argv, folder, kept = asked_for(args.resume)
    first = build_parser().parse_args(first_argv)
    for name in ("source", "labels"):
        path = getattr(first, name)
        if path and os.path.splitext(path)[1] and (folder / path).exists():  # mnist and digits are no files
            setattr(first, name, str(folder / path))
    first.out, first.quiet, first.json, first.resume, first.begun = args.resume, args.quiet, args.json, kept, True
    return first, first_argv


def _gradcheck(args, argv) -> int:
    from .datasets.files import write_all_aside  # late: --help stays quick
    from .gradcheck.table import check_equations, in_words

    result = check_equations(
        args.alpha or (0.5, 1.0, 2.0, 10.0), dtype=args.dtype, n=args.n, k=args.k, d=args.d, trials=args.trials,
        seed=args.seed)
    print(in_words(result), flush=True)
    if args.json:
        text = json.dumps({"command": shlex.join(["decnp", *argv]), **_strict(result)}, indent=1)
        try:
            write_all_aside({args.json: lambda file: file.write(text.encode())})
        except OSError as error:
            _say(f"error: --json {args.json} could not be written: {error.strerror or error}")
            return 2
    return 0 if result["ok"] else 1


def _data(args, argv) -> int:
    from .datasets.registry import describe, fetch, verify  # late: --help stays quick

    status = 0
    try:
        if args.doing == "list":
            print(describe(), flush=True)
        elif args.doing == "fetch":
            for line in fetch(args.name, args.to):
                print(line, flush=True)
        else:
            for sentence, right in verify(args.name):
                if right:
                    print(sentence, flush=True)
                else:
                    _say(f"error: {sentence}")
                    status = 2
    except ValueError as error:  # DataError, or --to is a file
        _say(f"error: {error}")
        return 2
    except OSError as error:
        _say(f"error: cannot use {error.filename or args.name}: {error.strerror or error}")
        return 2
    return status


def _strict(value):
    """The value with "inf" for infinity, which JSON has no number for."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return "inf" if value == math.inf else value


def _say(sentence):
    print(f"decnp: {sentence}", file=sys.stderr, flush=True)


def _in_words(run, out) -> str:
    from .diagnostics import in_words  # late: --help stays quick

    lines = textwrap.wrap(f"cluster sizes: {' '.join(map(str, run['cluster_sizes']))}", 100, subsequent_indent=" " * 15)
    lines.append(f"{run['n_iter']} steps: {run['stop_reason']}")
    lines += in_words(**run["diagnostics"])
    if run["scores"]:
        lines.append(f"{'':13}" + "".join(f"{metric:>8}" for metric in run["scores"]["end"]))
        for name, scores in run["scores"].items():
            lines.append(f"{name:>13}" + "".join(f"{value:8.4f}" for value in scores.values()))
    memory = "" if run["peak_memory_mb"] is None else f", peak memory {run['peak_memory_mb']} MB"
    lines.append(f"{run['seconds']['total']:.1f} s{memory}")
    if out:
        lines.append(f"written to {os.path.join(out, '')}")
    return "\n".join(lines)


class _Progress:
    """What is seen of a run while it lasts: bars on a terminal that has tqdm, else lines, or nothing."""

    def __init__(self, quiet: bool):
        self.quiet, self.phase, self.iteration = quiet, "", 0
        self.tqdm: Any = None
        self.bar: Any = None
        self.began = self.last = time.time()  # of the phase, and of the last report
        if not quiet and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.tqdm = tqdm

    def note(self, line: str) -> None:
        """Show a line; the time before it belongs to no phase."""
        self.last = time.time()
        if not self.quiet:
            _say(line)

    def watch(self, step) -> None:
        """Show a ``Step``."""
        if self.quiet:
            return
        if step.phase != self.phase or step.iteration <= self.iteration:  # a new phase, or one that starts again
            self.close()
            self.began = self.last
            if self.tqdm:
                self.bar = self.tqdm(desc=f"{step.phase:>10}", total=step.n_iter, smoothing=0, dynamic_ncols=True)
                self.bar.start_t = self.began
        self.phase, self.iteration, self.last = step.phase, step.iteration, time.time()
        changed = "" if step.changed is None else f"  labels changed {step.changed:7.2%}"
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {step.loss:.5f}{changed}", refresh=False)
            self.bar.update(step.iteration - self.bar.n)
            self.bar.refresh()
        else:
            report = f"{step.phase:>10} {step.iteration:>6}/{step.n_iter}  loss {step.loss:.5f}{changed}"
            print(report + self._left(step), file=sys.stderr, flush=True)

    def _left(self, step) -> str:
        seconds = (self.last - self.began) / max(1, step.iteration) * (step.n_iter - step.iteration)
        most = "at most " if step.phase == "cluster" else ""
        return f"  {most}{seconds:.0f} s left in this phase" if step.iteration and seconds >= 1 else ""

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
