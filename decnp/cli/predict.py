"""``decnp predict``: its parser and its messages. ``run_predict`` does the work."""

from __future__ import annotations

import argparse
import sys

from ..utils.progress import message
from .arguments import Subparsers, add_command, add_header_argument, add_model_argument

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "predict", _predict, help="label the rows of a file with a trained model",
        description="The cluster of each row of DATA, one to a line on standard output, or into a file.\n"
                    "A model that was fitted with --standardize, --missing or --categories takes raw rows.\n"
                    "An .npy may be larger than memory. Needs NumPy alone, and SciPy for a sparse .npz.",
        examples=["decnp predict run/model.decnp new.csv",
                  "decnp predict run/model.decnp new.npy --proba --out q.npy",
                  "zcat new.csv.gz | decnp predict run/model.decnp - | sort | uniq -c"])
    add_model_argument(parser)
    parser.add_argument("data", metavar="DATA",
                        help="one row for each sample: .npy, .npz (array X, or a sparse matrix from "
                             "scipy.sparse.save_npz), .csv, .tsv, .txt (.gz too), or - for standard input (CSV, or the "
                             "bytes of an .npy)")
    parser.add_argument("--out", metavar="FILE", help="write the answers into this .npy or .csv file; a .csv has a first "
                        "line of names")
    answer = parser.add_mutually_exclusive_group()
    for name, text in (("proba", "q of Eq. 1, k numbers for each row, instead of labels"),
                       ("embed", "the embedding z, d numbers for each row, instead of labels")):
        answer.add_argument(f"--{name}", dest="answer", action="store_const", const=name, help=text)
    parser.add_argument("--label-column", metavar="NAME", help="a column of a .csv that is left out, by its name")
    parser.add_argument("--extra", choices=["refuse", "ignore"], default="refuse",
                        help="columns of a .csv that the model was not trained on: refuse the file (default), or ignore "
                             "them; the model's own columns are found by name, in any order, and those that decnp fit left "
                             "out are ignored")
    add_header_argument(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress; the results only")
    parser.set_defaults(answer="labels")


def _predict(args: argparse.Namespace, argv: list[str]) -> int:
    from .run_predict import run_predict  # imports NumPy

    n = run_predict(args.model, args.data, args.out, args.answer, args.label_column, args.quiet, args.extra == "ignore",
                    args.header)
    if args.out and not args.quiet:
        message(f"{args.answer} of {n} rows written to {args.out}")
    sys.stdout.flush()
    return 0
