"""``decnp report``: an HTML report of a finished run."""

from __future__ import annotations

import argparse

from .arguments import Subparsers, add_command
from .process import print_result

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command to argparse's subparsers."""
    parser = add_command(
        commands, "report", _report, help="write an HTML report of a finished run",
        description="Write DIR/report.html for a run of decnp fit --out DIR: cluster sizes, images, embedding, learning\n"
                    "curves, scores if labels are known, parameters, and commands that use the model. The page needs no\n"
                    'network and no other file. matplotlib is required: pip install "decnp[plot]".',
        examples=["decnp report run"])
    parser.add_argument("folder", metavar="DIR", help="folder of a finished run")
    parser.add_argument("--tsne", action="store_true",
                        help="draw the embedding by t-SNE, which takes a minute, instead of by PCA")
    parser.add_argument("--image-shape", type=_image_shape, default="auto", metavar="H,W[,3]",
                        help="shape of the rows as images, or none if they are not images (default: auto, the shape of "
                             "mnist and digits, and of other rows a square, if it is 8 x 8 or larger)")


def _image_shape(text: str) -> str | tuple[int, ...] | None:
    """Return the tuple of H,W or H,W,3, None for "none", or "auto"; an argparse type."""
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
