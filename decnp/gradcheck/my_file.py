"""``check_against`` for the functions of a file."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import isfunction
from pathlib import Path
from typing import Any

from ..exceptions import FunctionError, UserError
from .authors import GRADIENTS
from .verdicts import Report
from .your_code import check_against

__all__ = ["check_file", "NAMES"]

NAMES = {
    "my_soft_assignment": ("my_soft_assignment", "soft_assignment"),
    "my_kl": ("my_kl", "my_kl_divergence", "kl_divergence", "kl"),
    "my_target": ("my_target", "my_target_distribution", "target_distribution", "target"),
    "my_grad_z": ("my_grad_z", "grad_z"),
    "my_grad_mu": ("my_grad_mu", "grad_mu"),
    "my_loss": ("my_loss", "loss"),
    "module": ("module",),
}
"""Argument of ``check_against`` -> the names that it may have in the file."""

MODULE = "mine"
"""Name of the file as a module, so that a block under ``if __name__ == "__main__"`` is not run."""

OPTIONS = ("autodiff", "asarray", "arguments", "reduction", "alphas", "n", "k", "d", "random_state")
"""Options of ``check_against`` that the file may set as variables."""


def check_file(path: str, alphas: Sequence[float] | None = None) -> tuple[Report, list[str]]:
    """Run a Python file and compare the functions in it with Eqs. 1-5.

    Parameters
    ----------
    path : str
        The file. Its functions have the names of ``NAMES``; variables such as ``autodiff = "torch"`` are options.
        Without ``autodiff``, the gradients are taken by torch, jax or autograd if the file imports one of them.
    alphas : sequence of float, default=None
        Degrees of freedom to try. None takes those of the file, or the default of ``check_against``.

    Returns
    -------
    report : Report
        Result of ``check_against``.
    others : list of str
        Names of the other functions of the file, which were not compared.

    Raises
    ------
    UserError
        If there is no such file, it can't be run, or there is no function in it to check; or a function in it raises.
    """
    if not Path(path).is_file():
        raise UserError(f"--mine must name a Python file; there is no file {path}")
    with _as_script(path):  # its functions, too, may read arguments and import files
        return _check(path, _run(path), alphas)


def _check(path: str, content: dict[str, Any], alphas: Sequence[float] | None) -> tuple[Report, list[str]]:
    """Compare the functions in ``content``, the variables of the file."""
    given = {argument: content[name] for argument, names in NAMES.items() for name in names
             if callable(content.get(name))}
    if not given:
        listed = ", ".join(" or ".join(names) for names in NAMES.values())
        raise UserError(f"{path} must define at least one of: {listed}; it defines none")
    compared = [id(function) for function in given.values()]
    others = [name for name, value in content.items() if isfunction(value) and value.__module__ == MODULE
              and id(value) not in compared and not name.startswith("_")]
    options = {name: content[name] for name in OPTIONS if name in content}
    if "autodiff" not in options and ("my_loss" in given or "my_soft_assignment" in given):
        imported = {getattr(value, "__name__", "").partition(".")[0] for value in content.values()}
        options["autodiff"] = next((name for name in GRADIENTS if name in imported), None)
    if alphas:
        options["alphas"] = alphas
    try:
        return check_against(**given, **options), others
    except (FunctionError, ValueError) as error:
        hint = f". The variables {', '.join(OPTIONS)} of the file are options of check_against"
        raise UserError(f"{path}: {error}{hint if str(error).split()[0] in options else ''}") from error


@contextmanager
def _as_script(path: str) -> Iterator[None]:
    """Set ``sys.argv`` and ``sys.path`` as ``python path`` does: the file may import other files in its folder."""
    argv, folders = sys.argv, list(sys.path)
    sys.argv = [path]
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, folders


def _run(path: str) -> dict[str, Any]:
    """Return the variables of the file."""
    try:
        return runpy.run_path(path, run_name=MODULE)
    except SystemExit as error:
        code = "" if error.code is None else repr(error.code)
        raise UserError(f"{path} could not be run: it calls sys.exit({code}): put that under "
                        "if __name__ == '__main__'") from error
    except Exception as error:  # whatever the file may raise
        raise UserError(f"{path} could not be run: {type(error).__name__}: {error}") from error
