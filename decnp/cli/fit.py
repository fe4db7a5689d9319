"""``decnp fit``: its parser, resuming, and the printed results. ``run_fit`` does the work."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from contextlib import closing
from typing import Any

from ..exceptions import UserError
from ..utils.progress import message
from .arguments import Subparsers, add_command
from .fit_options import FitOptions, add_options, parse_options
from .fit_progress import FitProgress
from .process import print_result

__all__ = ["add_parser", "format_results"]

NOT_IN_SUMMARY = ("history", "columns", "profile", "parameters", "versions", "machine", "threads")


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "fit", _fit, help="cluster a data set",
        description="Train an autoencoder on SOURCE, then cluster its rows with DEC.\n"
                    "Labels, where they are known, are used for the scores at the end and for nothing else.",
        examples=["decnp fit digits --n-clusters 10 --out run",
                  "decnp fit mydata.csv --n-clusters 5 --label-column species --out species --report",
                  "decnp fit raw.csv --n-clusters 5 --standardize --missing median --categories auto --drop id --out raw",
                  "decnp fit --resume run"],
        notes="DIR takes labels.npy, embedding.npy, centroids.npy, model.decnp and run.json (parameters and results), and\n"
              "clusters.csv for a table in text: its rows, with the cluster and the q of each.\n"
              "A finished run in it is replaced only with --overwrite, and only when the new one is complete.")
    add_options(parser)


def _fit(args: argparse.Namespace, argv: list[str]) -> int:
    if args.resume:
        from .resume import check_resume_alone, finished_run

        check_resume_alone(argv, args.resume)
        record = finished_run(args.resume)
        if record:
            message(f"the run in {args.resume} is complete: these are its results")
            try:
                return _print_results(record, args.json, args.resume, report=args.report)
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise UserError(f"--resume {args.resume}: run.json in it is damaged, or is of another version") from error
        options, argv = _first_options(args.resume)
    elif args.source is None:
        raise UserError("fit needs a SOURCE, or --resume DIR (see decnp fit --help)")
    else:
        options = FitOptions.from_arguments(args)
    from .run_fit import run_fit  # loads the whole package

    with closing(FitProgress(args.quiet, options.resumed)) as progress:
        record = run_fit(options, argv, progress.log, progress.on_step)
    # Notes and warnings about the data were shown before training, unless the run was quiet.
    for note in record["source"]["notes"] * args.quiet:
        message(note)
    for warning in record["source"]["warnings"] * args.quiet + record["warnings"]:
        message(f"warning: {warning}")
    return _print_results(record, args.json, options.out, options.report)


def _first_options(out: str) -> tuple[FitOptions, list[str]]:
    """Return the options and the ``argv`` of the process that started the run in the folder ``out``.

    Relative paths are resolved against the working directory of that process.
    """
    from .resume import read_request, require_source

    request = read_request(out)
    args = parse_options(request.argv[1:])
    require_source(args.source, out)
    paths = {}
    for name in ("source", "labels", "init"):
        path = getattr(args, name)
        # A data set's name, such as mnist, has no extension.
        if path and os.path.splitext(path)[1] and (request.folder / path).exists():
            paths[name] = str(request.folder / path)
    options = FitOptions.from_arguments(
        args, **paths, out=out, resumed=True, has_checkpoint=request.has_checkpoint)
    return options, request.argv


def _print_results(record: dict[str, Any], as_json: bool, out: str | None, report: bool) -> int:
    """Write the results to standard output and return the exit status."""
    if as_json:
        summary = {name: value for name, value in record.items() if name not in NOT_IN_SUMMARY}
        print_result(json.dumps({**summary, "out": out}, indent=1))
    else:
        print_result(format_results(record, out, report))
    return 0


def format_results(record: dict[str, Any], out: str | None, report: bool) -> str:
    """Return the results of a run as lines of text.

    Parameters
    ----------
    record : dict
        Content of ``run.json``.
    out : str or None
        Folder that the run was written into.
    report : bool
        True if ``report.html`` was written.
    """
    from ..training.diagnostics import format_diagnosis

    sizes = f"cluster sizes: {' '.join(map(str, record['cluster_sizes']))}"
    lines = textwrap.wrap(sizes, 100, subsequent_indent=" " * 15)
    lines.append(f"{record['n_iter']} steps: {record['stop_reason']}")
    lines += format_diagnosis(**record["diagnostics"])
    if record.get("stability"):
        seeds = [run["random_state"] for run in record["restarts"]]
        kept = f"restart {seeds.index(record['seed']) + 1} of {len(seeds)}, seed {record['seed']}"
        why = "which agrees most with the others" if len(seeds) > 2 else "as agreement cannot choose between two runs"
        lines += [f"kept: {kept}, {why}", *_format_stability(**record["stability"])]
    if record["scores"]:
        width = max(map(len, record["scores"]))
        lines.append(" " * width + "".join(f"{metric:>8}" for metric in record["scores"]["end"]))
        for name, scores in record["scores"].items():
            lines.append(f"{name:>{width}}" + "".join(f"{value:8.4f}" for value in scores.values()))
    memory = "" if record["peak_memory_mb"] is None else f", peak memory {record['peak_memory_mb']} MB"
    lines.append(f"{record['seconds']['total']:.1f} s{memory}")
    if out:
        lines.append(f"written to {os.path.join(out, '')}")
        if report:
            lines.append(f"report: {os.path.join(out, 'report.html')}")
    return "\n".join(lines)


def _format_stability(
    n_runs: int, agreement: float, clusters: list[float | None], kmeans_agreement: float, level: float
) -> list[str]:
    """Return the agreement of several seeds as lines of text."""
    words = " ".join("-" if value is None else f"{value:.2f}" for value in clusters)
    return [f"{n_runs} seeds agree to {agreement:.2f} (adjusted Rand index), k-means from as many seeds, one start each, to "
            f"{kmeans_agreement:.2f}",
            *textwrap.wrap(f"Jaccard index of each cluster: {words} (the largest with a cluster of another run, mean over "
                           "the other runs)", 100, subsequent_indent=" " * 4)]
