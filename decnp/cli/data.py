"""``decnp data``: list, download and check the paper's data sets."""

from __future__ import annotations

import argparse
import json

from ..exceptions import UserError
from ..io.os_errors import explain_read_errors
from ..utils.progress import message
from .arguments import Handler, Subparsers, add_command
from .process import print_result

__all__ = ["add_parser"]


def add_parser(commands: Subparsers) -> None:
    """Add the command and its subcommands to argparse's subparsers."""
    parser = add_command(
        commands, "data", None, help="list, download and check the paper's data sets",
        description="Files are searched for in the checkout's data/, in $DECNP_DATA, and in the per-user cache.",
        examples=["decnp data list", "decnp data fetch mnist", "decnp data verify"])
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|fetch|verify")

    def add_action(name: str, handler: Handler, help: str, examples: list[str]) -> argparse.ArgumentParser:
        return add_command(actions, name, handler, help=help, description=f"{help[0].upper()}{help[1:]}.",
                           examples=examples)

    show = add_action("list", _list, "list the data sets with their sources, sizes and files",
                      ["decnp data list", "decnp data list --json"])
    show.add_argument("--json", action="store_true", help="print JSON instead of text")
    fetch = add_action("fetch", _fetch, "download missing files; an interrupted download is resumed",
                       ["decnp data fetch mnist", "decnp data fetch mnist --to big-disk"])
    fetch.add_argument("name", metavar="NAME", help="name of a data set in `decnp data list`")
    fetch.add_argument("--to", metavar="DIR", help="folder for the files (default: the per-user cache)")
    verify = add_action("verify", _verify, "check the digests of the existing files",
                        ["decnp data verify", "decnp data verify mnist"])
    verify.add_argument("name", metavar="NAME", nargs="?", help="name of a data set in `decnp data list` (default: all)")


def _list(args: argparse.Namespace, argv: list[str]) -> int:
    from ..datasets.registry import describe, facts

    with explain_read_errors("the data folders", "cannot use"):
        text = json.dumps(facts(), indent=1) if args.json else describe()
    print_result(text)
    return 0


def _fetch(args: argparse.Namespace, argv: list[str]) -> int:
    from ..datasets.registry import fetch

    try:
        with explain_read_errors(args.name, "cannot use"):
            for line in fetch(args.name, args.to):
                print_result(line)
    except ValueError as error:  # --to is a file
        raise UserError(str(error)) from error
    return 0


def _verify(args: argparse.Namespace, argv: list[str]) -> int:
    from ..datasets.registry import verify

    status = 0
    with explain_read_errors(args.name, "cannot use"):
        for sentence, valid in verify(args.name):
            if valid:
                print_result(sentence)
            else:
                message(f"error: {sentence}")
                status = 2
    return status
