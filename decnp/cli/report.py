"""The command ``decnp report``: its options and its words."""

from __future__ import annotations

from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from typing import Union

__all__ = ["add_report"]


def add_report(commands) -> None:
    """Adds the command to argparse's subparsers; nothing heavy is imported for it."""
    report = commands.add_parser(
        "report", help="write a finished run as a page with pictures", formatter_class=RawDescriptionHelpFormatter,
        description="One page, DIR/report.html, from a run of decnp fit --out DIR: its facts, cluster sizes, images,\n"
                    "embedding, learning curves, scores where labels are known, and how to use the model. It needs no\n"
                    'network and no other file. Needs matplotlib: pip install "decnp[plot]".',
        epilog="examples:\n  decnp report run",
    )
    report.add_argument("folder", metavar="DIR", help="the folder of a finished run")
    report.add_argument("--tsne", action="store_true",
                        help="draw the embedding by t-SNE, which takes a minute, instead of its principal directions")
    report.add_argument("--image-shape", type=_shape, default="auto", metavar="H,W[,3]",
                        help="what the rows are as images, or none if they are none (default: auto, which knows mnist "
                             "and digits, and takes other rows for images if they are a square of 8 x 8 or more)")
    report.set_defaults(run=_report)


def _shape(text: str) -> Union[None, str, tuple[int, ...]]:
    """An argparse type: H,W or H,W,3, or none, or auto."""
    if text in ("none", "auto"):
        return None if text == "none" else text
    parts = text.split(",")
    if len(parts) not in (2, 3) or not all(part.isdecimal() and int(part) > 0 for part in parts) or parts[2:] not in (
            [], ["3"]):
        raise ArgumentTypeError(f"must be height,width or height,width,3, in pixels, none or auto; got {text!r}")
    return tuple(map(int, parts))


def _report(args, argv) -> int:
    from ..report import write_report  # late: --help stays quick

    print(f"written to {write_report(args.folder, args.tsne, args.image_shape)}", flush=True)
    return 0
