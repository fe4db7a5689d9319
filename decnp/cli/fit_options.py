"""The options of ``decnp fit``: the parser, and the values as a named tuple."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from .arguments import Parser, add_header_argument, integer, layer_sizes, number, setting

__all__ = [
    "CHECKPOINT_MINUTES", "FitOptions", "add_options", "add_output_options", "add_recipe_options", "add_source",
    "add_table_options", "add_training_options", "parse_options",
]

CHECKPOINT_MINUTES = 10.0
"""Default of --checkpoint-every."""


class FitOptions(NamedTuple):
    """Options of one run of ``decnp fit``, named as on the command line.

    It is a named tuple, because an import of ``dataclasses`` would slow down ``decnp --help``.
    """

    source: str
    """Name of a data set, or path of a file."""
    n_clusters: int | None
    labels: str | None
    label_column: str | None
    header: bool | None
    """True if the first line of a .csv holds names; None decides from the lines below it."""
    drop: list[str]
    """Columns of a .csv to leave out."""
    columns: list[str]
    """Columns of a .csv to read; [] reads all others."""
    standardize: bool
    missing: str | None
    """"median" or "mean" for missing numbers, or None."""
    categories: list[str]
    """Columns of categories of a .csv, or "auto"."""
    decimal: str
    """"point" or "comma"."""
    out: str | None
    overwrite: bool
    """True if a finished run in ``out`` may be replaced."""
    report: bool
    checkpoint_every: float
    """Minutes."""
    profile: str
    seed: int
    threads: int | None
    hidden: tuple[int, ...]
    update_interval: int | None
    max_iter: int | None
    tol: float
    alpha: float
    init: str | None
    """Name of a start, or path of a file."""
    settings: list[tuple[str, Any]]
    """Fields of the profile to change, and their values."""
    restarts: int | None = None
    """Number of seeds, or None for the one run of ``seed``."""
    jobs: int = 1
    """Number of restarts at a time."""
    resumed: bool = False
    """True if an earlier process started the run."""
    has_checkpoint: bool = False
    """True if the state of the run is restored from ``checkpoint.decnp``."""

    @property
    def has_recipe(self) -> bool:
        """Return whether the rows are prepared by a recipe."""
        return bool(self.standardize or self.missing or self.categories or self.decimal != "point")

    @classmethod
    def from_arguments(cls, args: argparse.Namespace, **changes: Any) -> FitOptions:
        """Return the options in ``args``, with ``changes``."""
        given = {name: getattr(args, name) for name in cls._fields if hasattr(args, name)}
        return cls(**{**given, **changes})


def parse_options(argv: list[str]) -> argparse.Namespace:
    """Return the arguments of ``decnp fit``; ``argv`` are the words after ``fit``."""
    parser = Parser(prog="decnp fit")
    add_options(parser)
    return parser.parse_args(argv)


def add_options(parser: Parser) -> None:
    """Add the options to the parser of ``decnp fit``."""
    add_source(parser)
    _add_data_options(parser)
    add_recipe_options(parser)
    _add_restart_options(parser)
    add_training_options(parser)
    add_output_options(parser)


def add_source(parser: Parser) -> None:
    """Add the argument SOURCE."""
    parser.add_argument("source", metavar="SOURCE", nargs="?",
                        help="mnist, digits, stl, reuters10k (see decnp data list), or a file with one row for each "
                             "sample: .npy (may be larger than memory), .npz (array X, or a sparse matrix from "
                             "scipy.sparse.save_npz), .csv, .tsv, .txt (.gz too), or - for standard input")


def add_output_options(parser: Parser) -> None:
    """Add --quiet and --json."""
    output = parser.add_argument_group("what to print")
    output.add_argument("-q", "--quiet", action="store_true", help="no progress; the results only")
    output.add_argument("--json", action="store_true", help="the results as JSON instead of words")


def add_recipe_options(parser: Parser) -> None:
    """Add the options that prepare the columns of a table."""
    recipe = parser.add_argument_group(
        "how to prepare the columns of a .csv (nothing is done without an option; the model file holds the steps, and "
        "decnp predict takes raw rows)")
    recipe.add_argument("--standardize", action="store_true",
                        help="give each column of numbers the mean 0 and the standard deviation 1")
    recipe.add_argument("--missing", choices=["median", "mean"],
                        help="replace missing numbers by the median or the mean of their column")
    recipe.add_argument("--categories", action="append", default=[], metavar="auto|NAMES",
                        help="columns of categories: each category becomes a column of 0 and 1, a missing cell is one, too; "
                             "auto takes the columns of at most 255 different words, if a word occurs twice on average")
    recipe.add_argument("--decimal", choices=["point", "comma"], default="point",
                        help="comma reads numbers such as 0,75 too (default: point)")


def _add_data_options(parser: Parser) -> None:
    data = parser.add_argument_group("what to find")
    data.add_argument("--n-clusters", type=integer(1), metavar="K",
                      help="number of clusters (default: the classes of a named data set, else 8)")
    data.add_argument("--labels", metavar="FILE",
                      help="true labels, one for each row: .npy, .npz (array y), .csv or .txt; only for the scores")
    add_table_options(data)
    data.add_argument("--out", metavar="DIR", help="write the results into this folder (default: only print them)")
    data.add_argument("--overwrite", action="store_true",
                      help="replace a finished run in DIR when the new one is complete")
    data.add_argument("--report", action="store_true", help="write DIR/report.html too, a page with pictures")
    data.add_argument("--checkpoint-every", type=number(0), default=CHECKPOINT_MINUTES, metavar="MINUTES",
                      help="save the run's state in DIR at this interval, for --resume (default: 10); Ctrl-C saves it too")
    data.add_argument("--resume", metavar="DIR",
                      help="resume the run that was started with --out DIR; its result is the same; without SOURCE")


def add_table_options(group: argparse._ActionsContainer) -> None:
    """Add the options that say which columns of a table to read."""
    group.add_argument("--label-column", metavar="NAME",
                       help="the column of a .csv that holds the true labels, by its name (default: one called label)")
    group.add_argument("--drop", action="append", default=[], metavar="NAME",
                       help="leave out a column of a .csv, by its name, or by its number if the columns have no names; "
                            "several with commas between them; may be repeated")
    group.add_argument("--columns", action="append", default=[], metavar="NAMES",
                       help="read these columns of a .csv only, likewise")
    add_header_argument(group)


def _add_restart_options(parser: Parser) -> None:
    restarts = parser.add_argument_group("how often")
    restarts.add_argument("--restarts", type=integer(2), metavar="R",
                          help="fit from R seeds, keep the run that agrees most with the others (of two, the first), and "
                               "say how far the seeds agree, beside k-means; --seed draws the seeds (default: one run)")
    restarts.add_argument("--jobs", type=integer(1, 4096), default=1, metavar="N",
                          help="restarts at a time, each in a process of its own (default: 1)")


def add_training_options(parser: Parser) -> None:
    """Add the options of the network and its training."""
    training = parser.add_argument_group("how to train")
    training.add_argument("--profile", choices=["fast", "paper"], default="fast",
                          help="training schedule: fast (default), or the paper's, which takes an hour or more")
    training.add_argument("--seed", type=integer(0), default=0, metavar="S",
                          help="the one random seed; the same seed gives the same result (default: 0)")
    training.add_argument("--threads", type=integer(1, 4096), metavar="N",
                          help="threads for matrix products (default: the BLAS library's own)")
    training.add_argument("--hidden", type=layer_sizes, default=(500, 500, 2000, 10), metavar="A,B,..",
                          help="widths of the encoder's layers (default: 500,500,2000,10)")
    training.add_argument("--update-interval", type=integer(1), metavar="N",
                          help="steps between refreshes of the targets P (default: the profile's)")
    training.add_argument("--max-iter", type=integer(0), metavar="N",
                          help="clustering steps at most (default: the profile's)")
    training.add_argument("--tol", type=number(0), default=1e-3, metavar="T",
                          help="stop when a smaller fraction of the labels changes between two refreshes "
                               "(default: 0.001)")
    training.add_argument("--alpha", type=number(0, strict=True), default=1.0, metavar="A",
                          help="degrees of freedom of Student's t in Eq. 1 (default: 1)")
    training.add_argument("--init", metavar="START",
                          help="where the clustering starts: k-means, neighbors (clusters of the embedding's neighbor "
                               "graph, or k-means if it has none), or a .npy, .csv or .txt file with a label from 0 for "
                               "each row, or with the centroids in the embedding, one a row (default: the profile's)")
    training.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", dest="settings",
                          help="change one field of the profile (see decnp.Profile), such as dropout_on_input=true; "
                               "may be repeated")
