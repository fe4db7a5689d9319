"""The commands for a trained model: ``decnp predict``, ``info`` and ``export``. Their options and their words."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from argparse import RawDescriptionHelpFormatter
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ..exceptions import UserError

__all__ = ["add_commands"]

SPEAK_EVERY = 5  # seconds between two lines of progress


def add_commands(commands) -> None:
    """Adds the three to argparse's subparsers; nothing heavy is imported for them."""
    for name, summary, description, add, run in (
        ("predict", "label the rows of a file with a trained model",
         "The cluster of each row of DATA, one to a line on standard output, or into a file.\n"
         "An .npy may be larger than memory. Needs NumPy alone, and SciPy for a sparse .npz.", _predict_options, _predict),
        ("info", "say what is in a model file",
         "Architecture, clusters, training and versions of a model file.", _info_options, _info),
        ("export", "write a model as ONNX",
         "The encoder and Eq. 1 as an ONNX graph in float32: x (n, D) -> z (n, d), q (n, k), label (n,).\n"
         'Needs the package onnx: pip install "decnp[onnx]".', _export_options, _export),
    ):
        parser = commands.add_parser(
            name, help=summary, description=description, formatter_class=RawDescriptionHelpFormatter)
        parser.add_argument("model", metavar="MODEL", help="a file from decnp fit --out (model.decnp) or DEC.save")
        add(parser)
        parser.set_defaults(run=run)


def _predict_options(predict):
    predict.epilog = ("examples:\n"
                      "  decnp predict run/model.decnp new.csv\n"
                      "  decnp predict run/model.decnp new.npy --proba --out q.npy\n"
                      "  zcat new.csv.gz | decnp predict run/model.decnp - | sort | uniq -c")
    predict.add_argument("data", metavar="DATA", help="one row for each sample: .npy, .npz (array X, or a sparse matrix "
                                                      "from scipy.sparse.save_npz), .csv, or - for standard input "
                                                      "(CSV, or the bytes of an .npy)")
    predict.add_argument("--out", metavar="FILE", help="write the answers into this .npy or .csv file")
    what = predict.add_mutually_exclusive_group()
    for answer, text in (("proba", "q of Eq. 1, k numbers for each row, instead of labels"),
                         ("embed", "the embedding z, d numbers for each row, instead of labels")):
        what.add_argument(f"--{answer}", dest="answer", action="store_const", const=answer, help=text)
    predict.add_argument("--label-column", metavar="NAME", help="a column of a .csv that is left out, by its name")
    predict.add_argument("-q", "--quiet", action="store_true", help="no progress; the results only")
    predict.set_defaults(answer="labels")


def _info_options(info):
    info.epilog = "examples:\n  decnp info run/model.decnp\n  decnp info run/model.decnp --json"
    info.add_argument("--json", action="store_true", help="as JSON instead of words")


def _export_options(export):
    export.epilog = "examples:\n  decnp export run/model.decnp model.onnx"
    export.add_argument("out", metavar="FILE", help="the .onnx file to write")


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What the user can mend, as a UserError."""
    from ..datasets import DataError
    from ..exceptions import ModelFileError

    try:
        yield
    except (DataError, ModelFileError) as error:
        raise UserError(str(error)) from error
    except MemoryError as error:
        raise UserError(f"there is not enough memory ({error})") from error


def _predict(args, argv) -> int:
    with _one_sentence():
        from .predict import predict_command

        with _progress(args.quiet) as watch:
            n = predict_command(args.model, args.data, args.out, args.answer, watch, args.label_column)
    if args.out and not args.quiet:
        print(f"decnp: {args.answer} of {n} rows written to {args.out}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    return 0


def _info(args, argv) -> int:
    with _one_sentence():
        from .predict import describe

        info = describe(args.model)
    print(json.dumps(info, indent=1) if args.json else _in_words(info), flush=True)
    return 0


def _export(args, argv) -> int:
    with _one_sentence():
        from ..export import OPSET, export_onnx
        from ..inference import load_model
        from .predict import check_target

        check_target(args.out, (".onnx",), {args.model})
        try:
            model = load_model(args.model)
        except OSError as error:
            raise UserError(f"cannot read {args.model}: {error.strerror or error}") from error
        try:
            export_onnx(model, args.out)
        except OSError as error:
            raise UserError(f"{args.out} could not be written: {error.strerror or error}") from error
        except (ImportError, ValueError) as error:
            raise UserError(str(error)) from error
    k, d = model.centers.shape
    note = "" if model.dtype == "float32" else f"; the model computes in {model.dtype}, the graph in float32"
    print(f"{args.out}: ONNX opset {OPSET}, x (n, {model.n_features}) float32 -> z (n, {d}), q (n, {k}), label (n,)"
          f"{note}", flush=True)
    return 0


def _in_words(info) -> str:
    """The facts of ``describe``, a line for each group. What the file itself says is quoted, whatever is in it."""
    weights = info["n_weights"]
    stored = "" if info["storage"] == info["dtype"] else f", stored in {info['storage']}"
    shift = info["shift"] if isinstance(info["shift"], str) else f"{info['shift']:g}"
    lines = {
        "file": f"{info['file']}, {info['bytes'] / 1e6:.2f} MB, model format {info['format']}",
        "network": f"{'-'.join(map(str, info['architecture']))} ({', '.join(info['activations']['encoder'])}), "
                   f"{info['dtype']}{stored}",
        "weights": ", ".join(f"{name} {count}" for name, count in weights.items()),
        "input": f"(x - shift) * scale, shift {shift}, scale {info['scale']:g}",
        "clusters": f"k = {info['n_clusters']}, alpha = {info['alpha']:g}",
        **{name: _pairs(info[name]) for name in ("training", "parameters", "profile", "versions") if name in info},
    }
    return "\n".join(textwrap.fill(line, 118, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
                     for name, line in lines.items())


def _pairs(facts: dict) -> str:
    return ", ".join(f"{name if name.isidentifier() else json.dumps(name)}={json.dumps(value)}"
                     for name, value in facts.items())


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], object]]:
    """Yields a function to be told the rows done and their number. If it takes a while, they are seen: a bar on a
    terminal that has tqdm, else lines."""
    new_bar: Any = None
    if not quiet and sys.stderr.isatty():
        try:
            from tqdm import tqdm
            new_bar = tqdm
        except ImportError:
            pass
    bar, last = None, time.monotonic()

    def watch(done, n):
        nonlocal bar, last
        if bar is not None:
            bar.update(done - bar.n)
        elif not quiet and time.monotonic() - last >= SPEAK_EVERY:
            last = time.monotonic()
            if new_bar:
                bar = new_bar(desc="rows", total=n, initial=done, unit=" rows", smoothing=0, dynamic_ncols=True)
            else:
                print(f"decnp: {done} of {n} rows", file=sys.stderr, flush=True)

    try:
        yield watch
    finally:
        if bar is not None:
            bar.close()
