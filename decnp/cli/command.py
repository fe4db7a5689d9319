"""The ``decnp`` command: a thin door to the package. What is printed is said here, what is done elsewhere.

Results go to standard output; progress, warnings and errors to standard error. The exit statuses are in the help.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
import warnings
from contextlib import closing

from .. import __version__
from ..exceptions import UserError
from . import deploy as cli_deploy
from . import gradcheck as cli_check
from . import report as cli_report
from . import reproduce as cli_reproduce
from .arguments import Parser, Progress, number, say, setting, whole, widths

__all__ = ["build_parser", "main"]

NOT_IN_SUMMARY = ("history", "columns", "profile", "parameters", "versions", "machine", "threads")


def build_parser() -> argparse.ArgumentParser:
    """The command's options; nothing heavy is imported for them."""
    parser = Parser(
        prog="decnp", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Deep Embedded Clustering (Xie, Girshick, Farhadi 2016) in NumPy.",
        epilog="examples:\n  decnp fit digits --n-clusters 10 --out run\n"
               "  decnp predict run/model.decnp new.csv\n  decnp gradcheck\n\ndecnp COMMAND --help tells more.\n\n"
               "Results go to standard output; progress, warnings and errors to standard error.\n"
               "exit status:\n"
               "  0    done\n"
               "  1    gradcheck found something wrong, or the reader of a pipe went away\n"
               "  2    bad input: one sentence says what\n"
               "  130  interrupted (Ctrl-C or a signal to stop)",
    )
    parser.add_argument("--version", action="version", version=f"decnp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
    cli_report.add_report(commands)
    cli_deploy.add_commands(commands)
    cli_check.add_commands(commands)
    cli_reproduce.add_reproduce(commands)
    return parser


def _add_fit(commands):
    fit = commands.add_parser(
        "fit", help="cluster a data set", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train an autoencoder on SOURCE, then cluster its rows with DEC.\n"
                    "Labels, where they are known, are used for the scores at the end and for nothing else.",
        epilog="examples:\n"
               "  decnp fit digits --n-clusters 10 --out run\n"
               "  decnp fit mydata.csv --n-clusters 5 --label-column species --out run --report\n"
               "  decnp fit --resume run\n\n"
               "DIR takes labels.npy, embedding.npy, centroids.npy, model.decnp and run.json (the whole recipe).\n"
               "An earlier run in it is replaced only when the new one is complete.",
    )
    fit.add_argument("source", metavar="SOURCE", nargs="?",
                     help="mnist, digits, stl, reuters10k (see decnp data list), or a file with one row for each "
                          "sample: .npy (may be larger than memory), .npz (array X, or a sparse matrix from "
                          "scipy.sparse.save_npz), or .csv")

    data = fit.add_argument_group("what to find")
    data.add_argument("--n-clusters", type=whole(1), metavar="K",
                      help="number of clusters (default: the classes of a named data set, else 8)")
    data.add_argument("--labels", metavar="FILE",
                      help="true labels, one for each row: .npy, .npz (array y), .csv or .txt; only for the scores")
    data.add_argument("--label-column", metavar="NAME",
                      help="the column of a .csv that holds the true labels, by its name (default: one called label)")
    data.add_argument("--out", metavar="DIR", help="write the results into this folder (default: only print them)")
    data.add_argument("--report", action="store_true", help="write DIR/report.html too, a page with pictures")
    data.add_argument("--checkpoint-every", type=number(0), default=10.0, metavar="MINUTES",
                      help="keep the run's state in DIR so often, for --resume (default: 10); Ctrl-C keeps it too")
    data.add_argument("--resume", metavar="DIR",
                      help="go on with the run that was begun with --out DIR, to the same end; without SOURCE")

    how = fit.add_argument_group("how to train")
    how.add_argument("--profile", choices=["fast", "paper"], default="fast",
                     help="training schedule: fast (default), or the paper's, which takes an hour or more")
    how.add_argument("--seed", type=whole(0), default=0, metavar="S",
                     help="the one random seed; the same seed gives the same result (default: 0)")
    how.add_argument("--threads", type=whole(1, 4096), metavar="N",
                     help="threads for matrix products (default: the BLAS library's own)")
    how.add_argument("--hidden", type=widths, default=(500, 500, 2000, 10), metavar="A,B,..",
                     help="widths of the encoder's layers (default: 500,500,2000,10)")
    how.add_argument("--update-interval", type=whole(1), metavar="N",
                     help="steps between refreshes of the targets P (default: the profile's)")
    how.add_argument("--max-iter", type=whole(0), metavar="N",
                     help="clustering steps at most (default: the profile's)")
    how.add_argument("--tol", type=number(0), default=1e-3, metavar="T",
                     help="stop when a smaller fraction of the labels changes between two refreshes (default: 0.001)")
    how.add_argument("--alpha", type=number(0, above=True), default=1.0, metavar="A",
                     help="degrees of freedom of Student's t in Eq. 1 (default: 1)")
    how.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", dest="settings",
                     help="change one field of the profile (see decnp.Profile), such as dropout_on_input=true; "
                          "may be repeated")

    words = fit.add_argument_group("what to print")
    words.add_argument("-q", "--quiet", action="store_true", help="no progress; the results only")
    words.add_argument("--json", action="store_true", help="the results as JSON instead of words")
    fit.set_defaults(run=_fit, begun=False)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status. What the user can mend is one sentence on stderr and status 2."""
    argv = sys.argv[1:] if argv is None else argv
    args = build_parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
            return args.run(args, argv)
    except UserError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt as stop:
        say(str(stop) or "interrupted; nothing was written")
        return 130
    except BrokenPipeError:  # whoever read our output has gone, as in "| head"; what was to be written is written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _fit(args, argv) -> int:
    from ..datasets import DataError
    from ..exceptions import (
        CheckpointError,  # late: --help stays quick
        TrainingError,
    )
    from .resume import complete
    from .run_fit import fit_command

    if args.resume:
        _check_alone(args, argv)
        done = complete(args.resume)
        if done:
            say(f"the run in {args.resume} is complete: these are its results")
            return _told(done, args, args.resume)
        args, argv = _begun(args)
    elif args.source is None:
        raise UserError("fit needs a SOURCE, or --resume DIR (see decnp fit --help)")
    try:
        with closing(Progress(args.quiet)) as progress:
            run = fit_command(args, argv, progress.note, progress.watch)
    except (UserError, DataError, TrainingError, CheckpointError) as error:
        say(f"error: {error}")
        return 2
    except MemoryError as error:
        say(f"error: there is not enough memory ({error})")
        return 2
    for warning in run["source"]["doubts"] * args.quiet + run["warnings"]:  # the doubts were told, if not quiet
        say(f"warning: {warning}")
    return _told(run, args, args.out)


def _told(run, args, out) -> int:
    """The results on standard output."""
    if args.json:
        summary = {name: value for name, value in run.items() if name not in NOT_IN_SUMMARY}
        print(json.dumps({**summary, "out": out}, indent=1))
    else:
        print(_in_words(run, out, args.report))
    sys.stdout.flush()
    return 0


def _check_alone(args, argv):
    """UserError where --resume DIR has company that would change the run."""
    others = [word for word in argv if word not in ("fit", "-q", "--quiet", "--json", "--resume", args.resume,
                                                    f"--resume={args.resume}")]
    if others:
        raise UserError(f"--resume takes everything from DIR, and only --quiet and --json beside it; got {others[0]}")


def _begun(args):
    """The arguments that the run in --resume DIR was begun with; its files are where they were."""
    from .resume import asked_for

    first_argv, folder, kept = asked_for(args.resume)
    first = build_parser().parse_args(first_argv)
    for name in ("source", "labels"):
        path = getattr(first, name)
        if path and os.path.splitext(path)[1] and (folder / path).exists():  # mnist and digits are no files
            setattr(first, name, str(folder / path))
    first.out, first.quiet, first.json, first.resume, first.begun = args.resume, args.quiet, args.json, kept, True
    return first, first_argv


def _in_words(run, out, report) -> str:
    from ..training.diagnostics import format_diagnosis  # late: --help stays quick

    lines = textwrap.wrap(f"cluster sizes: {' '.join(map(str, run['cluster_sizes']))}", 100, subsequent_indent=" " * 15)
    lines.append(f"{run['n_iter']} steps: {run['stop_reason']}")
    lines += format_diagnosis(**run["diagnostics"])
    if run["scores"]:
        lines.append(f"{'':13}" + "".join(f"{metric:>8}" for metric in run["scores"]["end"]))
        for name, scores in run["scores"].items():
            lines.append(f"{name:>13}" + "".join(f"{value:8.4f}" for value in scores.values()))
    memory = "" if run["peak_memory_mb"] is None else f", peak memory {run['peak_memory_mb']} MB"
    lines.append(f"{run['seconds']['total']:.1f} s{memory}")
    if out:
        lines.append(f"written to {os.path.join(out, '')}")
    if report:
        lines.append(f"report: {os.path.join(out, 'report.html')}")
    return "\n".join(lines)
