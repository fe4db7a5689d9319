"""The ``decnp`` command: a thin door to the package."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from . import __version__


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="decnp", description="Deep Embedded Clustering in NumPy.")
    parser.add_argument("--version", action="version", version=f"decnp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = commands.add_parser(
        "fit", help="cluster a data set",
        description="Train an autoencoder and DEC on SOURCE; labels, where known, are used for the scores only.",
        epilog="example: decnp fit digits --n-clusters 10 --seed 0 --out run",
    )
    fit.add_argument("source", metavar="SOURCE", help="mnist, digits, or a .npy, .npz or .csv file of n rows")
    fit.add_argument("--n-clusters", type=int, metavar="K", help="number of clusters (default: 10 for mnist and digits, else 8)")
    fit.add_argument("--profile", choices=["fast", "paper"], default="fast", help="training schedule (default: fast)")
    fit.add_argument("--update-interval", type=int, metavar="N", help="steps between refreshes of P (default: the profile's)")
    fit.add_argument("--max-iter", type=int, metavar="N", help="clustering steps at most (default: the profile's)")
    fit.add_argument("--tol", type=float, default=1e-3, help="stop when fewer labels change (default: 0.001)")
    fit.add_argument("--alpha", type=float, default=1.0, help="degrees of freedom in Eq. 1 (default: 1)")
    fit.add_argument("--hidden", metavar="A,B,..", help="widths of the encoder's layers (default: 500,500,2000,10)")
    fit.add_argument("--seed", type=int, default=0, metavar="S", help="the one random seed (default: 0)")
    fit.add_argument("--threads", type=int, metavar="N", help="threads for matrix products (default: the BLAS library's own)")
    fit.add_argument("--labels", metavar="FILE", help="true labels, a .npy or .csv file of n rows: only for the scores")
    fit.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                     help="change one field of the profile (decnp.Profile), e.g. dropout_on_input=true; may be repeated")
    fit.add_argument("--out", metavar="DIR", help="write labels, embedding, centroids, model and run.json here")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status. Errors of the user's making are one sentence and status 2."""
    args = build_parser().parse_args(argv)
    from .run import UserError, fit_command  # late: --help stays quick

    try:
        fit_command(args, sys.argv[1:] if argv is None else argv)
    except (UserError, ArithmeticError, OSError, MemoryError) as error:
        print(f"decnp: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("decnp: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0
