"""What the commands share: the words that argparse understands, and how a run is seen while it lasts."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import Any, Callable

__all__ = ["Parser", "Progress", "number", "say", "setting", "whole", "widths"]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is in --help."""

    def error(self, message):
        self.exit(2, f"decnp: error: {message} (see {self.prog} --help)\n")


def whole(low: int, high: float = math.inf) -> Callable[[str], int]:
    """An argparse type: a whole number from low to high."""
    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            most = "" if high == math.inf else f" and <= {high}"
            raise argparse.ArgumentTypeError(f"must be a whole number >= {low}{most}; got {text!r}")
        return value
    return parse


def number(low: float, above: bool = False) -> Callable[[str], float]:
    """An argparse type: a finite number >= low, or > low."""
    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value < math.inf or (value == low and not above)):
            raise argparse.ArgumentTypeError(f"must be a finite number {'>' if above else '>='} {low}; got {text!r}")
        return value
    return parse


def widths(text: str) -> tuple[int, ...]:
    """An argparse type: whole numbers with commas between them."""
    try:
        return tuple(whole(1, 10**6)(width) for width in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be whole numbers from 1 to 1000000 with commas between them; got {text!r}") from None


def setting(text: str) -> tuple[str, object]:
    """An argparse type: NAME=VALUE, where VALUE is a number, true, false, none, or a word."""
    name, equals, word = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    try:
        return name, json.loads({"none": "null", "true": "true", "false": "false"}.get(word.lower(), word))
    except (ValueError, RecursionError):
        return name, word


def say(sentence: str) -> None:
    """A line of ours on standard error."""
    print(f"decnp: {sentence}", file=sys.stderr, flush=True)


class Progress:
    """What is seen of a run while it lasts: bars on a terminal that has tqdm, else lines, or nothing."""

    def __init__(self, quiet: bool):
        self.quiet, self.phase, self.iteration = quiet, "", 0
        self.tqdm: Any = None
        self.bar: Any = None
        self.began = self.last = time.time()  # of the phase, and of the last report
        if not quiet and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.tqdm = tqdm

    def note(self, line: str) -> None:
        """Show a line; the time before it belongs to no phase."""
        self.last = time.time()
        if not self.quiet:
            say(line)

    def watch(self, step) -> None:
        """Show a ``Step``."""
        if self.quiet:
            return
        if step.phase != self.phase or step.iteration <= self.iteration:  # a new phase, or one that starts again
            self.close()
            self.began = self.last
            if self.tqdm:
                self.bar = self.tqdm(desc=f"{step.phase:>10}", total=step.n_iter, smoothing=0, dynamic_ncols=True)
                self.bar.start_t = self.began
        self.phase, self.iteration, self.last = step.phase, step.iteration, time.time()
        changed = "" if step.changed is None else f"  labels changed {step.changed:7.2%}"
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {step.loss:.5f}{changed}", refresh=False)
            self.bar.update(step.iteration - self.bar.n)
            self.bar.refresh()
        else:
            report = f"{step.phase:>10} {step.iteration:>6}/{step.n_iter}  loss {step.loss:.5f}{changed}"
            print(report + self._left(step), file=sys.stderr, flush=True)

    def _left(self, step) -> str:
        seconds = (self.last - self.began) / max(1, step.iteration) * (step.n_iter - step.iteration)
        most = "at most " if step.phase == "cluster" else ""
        return f"  {most}{seconds:.0f} s left in this phase" if step.iteration and seconds >= 1 else ""

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
