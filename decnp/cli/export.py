"""``decnp export``: export of a trained model to ONNX."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..exceptions import UserError
from ..io.os_errors import explain_os_errors
from .arguments import Subparsers, add_command, add_model_argument
from .process import print_result

if TYPE_CHECKING:
    from ..inference import Model

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "export", _export, help="export a model to ONNX",
        description="Write the encoder and Eq. 1 as an ONNX graph in float32: x (n, D) -> z (n, d), q (n, k), label (n,).\n"
                    "The graph of a model with categories takes the columns of words too: words (n, W).\n"
                    'The package onnx is required: pip install "decnp[onnx]".',
        examples=["decnp export run/model.decnp model.onnx"])
    add_model_argument(parser)
    parser.add_argument("out", metavar="FILE", help=".onnx file to write")


def _export(args: argparse.Namespace, argv: list[str]) -> int:
    from ..export import OPSET, export_onnx
    from ..inference import load_model
    from .outputs import check_output_file

    check_output_file(args.out, (".onnx",), {args.model})
    with explain_os_errors(f"cannot read {args.model}"):
        model = load_model(args.model)
    try:
        with explain_os_errors(f"{args.out} could not be written"):
            export_onnx(model, args.out)
    except (ImportError, ValueError) as error:
        raise UserError(str(error)) from error
    k, d = model.centers.shape
    note = "" if model.dtype == "float32" else f"; the model computes in {model.dtype}, the graph in float32"
    print_result(f"{args.out}: ONNX opset {OPSET}, {_inputs(model)} -> "
                 f"z (n, {d}), q (n, {k}), label (n,){note}")
    return 0


def _inputs(model: Model) -> str:
    """Return the inputs of the graph and their shapes."""
    n_words = 0 if model.recipe is None else len(model.recipe.columns_of_words)
    parts = {"x": model.n_features - n_words, "words": n_words}
    return ", ".join(f"{name} (n, {count}) {'float32' if name == 'x' else 'strings'}"
                     for name, count in parts.items() if count)
