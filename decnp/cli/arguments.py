"""The parser of the ``decnp`` command, and the argparse types that several commands share."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from ..utils.spelling import nearest
from .process import print_result

__all__ = [
    "Handler", "Parser", "Subparsers", "add_command", "add_header_argument", "add_model_argument", "integer",
    "layer_sizes", "number", "setting",
]

Handler: TypeAlias = Callable[[argparse.Namespace, list[str]], int]
"""Function of a command: takes the parsed arguments and ``argv``, returns the exit status."""

Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """Parser that reports an error in one line, without the usage."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or a version; raise OutputError where argparse would ignore an error of standard output."""
        if file is sys.stdout and message:
            print_result(message, end="")
        else:
            super()._print_message(message, file)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the words of this command; words left over are an error of this command, not of ``decnp``."""
        namespace, others = super().parse_known_args(args, namespace)
        if others:
            name = others[0].partition("=")[0]
            hint = nearest(name, self._option_string_actions) if name.startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(others)}{hint}")
        return namespace, others

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Return the value of an argument. Raises ArgumentError for an empty word, which no argument can use."""
        if "" in arg_strings and action.nargs != argparse.PARSER:
            raise argparse.ArgumentError(action, "must not be empty (is a shell variable unset?)")
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise ArgumentError for a value that is not among the choices; the message names the nearest one."""
        if action.choices is not None and value not in action.choices:
            listed = ", ".join(map(str, action.choices))
            hint = nearest(str(value), map(str, action.choices)) or f"; choose from {listed}"
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint}")

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"decnp: error: {message} (see {self.prog} --help)\n")


def add_command(
    commands: Subparsers, name: str, handler: Handler | None, *, help: str, description: str, examples: list[str],
    notes: str = "",
) -> Parser:
    """Add a command to argparse's subparsers and return its parser.

    ``handler`` is None for a command that has commands of its own. ``help`` is the line in the list of commands.
    ``examples`` and ``notes`` end the help of the command itself.
    """
    parser = commands.add_parser(
        name, help=help, description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["examples:", *(f"  {example}" for example in examples)]) + (notes and f"\n\n{notes}"))
    if handler is not None:
        parser.set_defaults(handler=handler)
    return parser


def add_model_argument(parser: Parser) -> None:
    """Add the argument MODEL, the path of a model file."""
    parser.add_argument("model", metavar="MODEL", help="a file from decnp fit --out (model.decnp) or decnp.save")


def add_header_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option --header, whose value is True, False or None."""
    parser.add_argument("--header", type=yes_or_no, metavar="yes|no",
                        help="whether the first line of a .csv holds the names of the columns (default: found out from "
                             "the lines below it)")


def yes_or_no(text: str) -> bool:
    """Return True for the ``text`` "yes" and False for "no"; an argparse type."""
    if text.lower() not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"must be yes or no; got {text!r}")
    return text.lower() == "yes"


def integer(low: int, high: float = math.inf) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from ``low`` to ``high``."""
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            most = "" if high == math.inf else f" and <= {high}"
            raise argparse.ArgumentTypeError(f"must be a whole number >= {low}{most}; got {text!r}")
        return value
    return parse


def number(low: float, strict: bool = False) -> Callable[[str], float]:
    """Return an argparse type for finite numbers >= ``low``, or > ``low`` if ``strict``."""
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value < math.inf or (value == low and not strict)):
            raise argparse.ArgumentTypeError(f"must be a finite number {'>' if strict else '>='} {low}; got {text!r}")
        return value
    return parse


def layer_sizes(text: str) -> tuple[int, ...]:
    """Return the whole numbers in ``text``, which has commas between them; an argparse type."""
    try:
        return tuple(integer(1, 10**6)(size) for size in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be whole numbers from 1 to 1000000 with commas between them; got {text!r}") from None


def setting(text: str) -> tuple[str, Any]:
    """Return name and value of NAME=VALUE; an argparse type.

    VALUE is JSON, none, true or false in any case, or else a word.
    """
    name, equals, word = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    try:
        return name, json.loads({"none": "null", "true": "true", "false": "false"}.get(word.lower(), word))
    except (ValueError, RecursionError):
        return name, word
