"""The ``decnp`` command: its parser, its error messages and its exit status.

Results go to standard output; progress, warnings and errors go to standard error.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from importlib.util import find_spec

from .. import __version__
from ..exceptions import ArchiveError, CheckpointError, DataError, TrainingError, UserError
from ..utils.progress import message
from . import choose_k, data, export, fit, gradcheck, info, notebooks, predict, report, reproduce
from .arguments import Parser
from .process import OutputError, close_output, interrupt_on_signals, prepare_streams

__all__ = ["build_parser", "main"]

EXPECTED_ERRORS = (UserError, DataError, ArchiveError, CheckpointError, TrainingError)
"""Errors that the user can correct: the message is printed, without a traceback."""

DEPENDENCIES = {"scipy": "scipy", "sklearn": "scikit-learn", "numba": "numba", "threadpoolctl": "threadpoolctl"}
"""Names of modules and packages that an installation with ``pip install --no-deps`` lacks. It predicts without them."""


def build_parser() -> Parser:
    """Return the parser of the command; heavy packages are not imported for it."""
    parser = Parser(
        prog="decnp", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Deep Embedded Clustering (Xie, Girshick, Farhadi 2016) in NumPy.",
        epilog="examples:\n  decnp fit digits --n-clusters 10 --out run\n"
               "  decnp predict run/model.decnp new.csv\n  decnp gradcheck\n\n"
               "decnp COMMAND --help, or decnp help COMMAND, describes a command.\n\n"
               "Results go to standard output; progress, warnings and errors to standard error.\n"
               "exit status:\n"
               "  0    done\n"
               "  1    gradcheck found something wrong, an experiment of reproduce failed, or the reader of a pipe\n"
               "       went away\n"
               "  2    bad input: one sentence says what\n"
               "  130  interrupted (Ctrl-C, SIGTERM or SIGHUP)",
    )
    parser.add_argument("-V", "--version", action="version", version=f"decnp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (fit, choose_k, report, predict, info, export, gradcheck, notebooks, data, reproduce):
        module.add_parser(commands)
    return parser


def _with_help(argv: list[str]) -> list[str]:
    """Return ``argv`` with --help in the place of no word at all and of the word "help"."""
    if argv[:1] == ["help"]:
        return [*argv[1:], "--help"]
    return argv or ["--help"]


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : list of str, default=None
        Words after ``decnp``. None takes those of the process.
    """
    prepare_streams()
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = build_parser().parse_args(_with_help(argv))
        with interrupt_on_signals(), warnings.catch_warnings():
            warnings.showwarning = lambda warning, *_, **__: message(f"warning: {warning}")
            status: int = args.handler(args, argv)
            return status
    except EXPECTED_ERRORS as error:
        message(f"error: {error}")
        return 2
    except ModuleNotFoundError as error:
        missing = [package for name, package in DEPENDENCIES.items() if find_spec(name) is None]
        if not missing or (error.name or "").partition(".")[0] not in DEPENDENCIES:
            raise
        message(f"error: decnp {args.command} needs packages that are not installed: pip install {' '.join(missing)}")
        return 2
    except MemoryError as error:
        message(f"error: there is not enough memory ({error})")
        return 2
    except KeyboardInterrupt as stop:
        message(str(stop) or "interrupted; nothing was written")
        return 130
    except OutputError as error:
        return close_output(error)
