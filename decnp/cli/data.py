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
    """Add the command and its own commands to argparse's subparsers."""
    parser = add_command(
        commands, "data", None, help="list, download and check the paper's data sets",
        description="Files are looked for in the checkout's data/, in $DECNP_DATA, and in the per-user cache.",
        examples=["decnp data list", "decnp data fetch mnist", "decnp data verify"])
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|fetch|verify")

    def add_action(name: str, handler: Handler, help: str, examples: list[str]) -> argparse.ArgumentParser:
        return add_command(actions, name, handler, help=help, description=f"{help[0].upper()}{help[1:]}.",
                           examples=examples)

    show = add_action("list", _list, "what there is, where it is found, and whose it is",
                      ["decnp data list", "decnp data list --json"])
    show.add_argument("--json", action="store_true", help="as JSON instead of words")
    fetch = add_action("fetch", _fetch, "download what is missing; a broken download goes on where it broke off",
                       ["decnp data fetch mnist", "decnp data fetch mnist --to big-disk"])
    fetch.add_argument("name", metavar="NAME", help="a data set of `decnp data list`")
    fetch.add_argument("--to", metavar="DIR", help="the folder to put it in (default: the per-user cache)")
    verify = add_action("verify", _verify, "check the sums of the files that are there",
                        ["decnp data verify", "decnp data verify mnist"])
    verify.add_argument("name", metavar="NAME", nargs="?", help="a data set of `decnp data list` (default: all)")


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
