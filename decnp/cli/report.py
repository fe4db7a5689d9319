"""``decnp report``: a finished run as a page with pictures."""

from __future__ import annotations

import argparse

from .arguments import Subparsers, add_command
from .process import print_result

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "report", _report, help="write a finished run as a page with pictures",
        description="One page, DIR/report.html, from a run of decnp fit --out DIR: its facts, cluster sizes, images,\n"
                    "embedding, learning curves, scores where labels are known, and how to use the model. It needs no\n"
                    'network and no other file. Needs matplotlib: pip install "decnp[plot]".',
        examples=["decnp report run"])
    parser.add_argument("folder", metavar="DIR", help="the folder of a finished run")
    parser.add_argument("--tsne", action="store_true",
                        help="draw the embedding by t-SNE, which takes a minute, instead of its principal directions")
    parser.add_argument("--image-shape", type=_image_shape, default="auto", metavar="H,W[,3]",
                        help="what the rows are as images, or none if they are none (default: auto, which knows mnist "
                             "and digits, and takes other rows for images if they are a square of 8 x 8 or more)")


def _image_shape(text: str) -> str | tuple[int, ...] | None:
    """Return the shape that H,W or H,W,3 stands for, None for none, or "auto"; an argparse type."""
    if text in ("none", "auto"):
        return None if text == "none" else text
    parts = text.split(",")
    in_pixels = all(part.isdecimal() and int(part) > 0 for part in parts)
    if not (in_pixels and len(parts) in (2, 3) and parts[2:] in ([], ["3"])):
        raise argparse.ArgumentTypeError(
            f"must be height,width or height,width,3, in pixels, none or auto; got {text!r}")
    return tuple(map(int, parts))


def _report(args: argparse.Namespace, argv: list[str]) -> int:
    from ..report import write_report

    print_result(f"written to {write_report(args.folder, args.tsne, args.image_shape)}")
    return 0
