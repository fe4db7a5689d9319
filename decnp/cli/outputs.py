"""Validation of the path of an output file, before a command starts its work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from ..exceptions import UserError
from ..io.atomic import PathLike
from ..io.os_errors import explain_os_errors

__all__ = ["check_output_file"]


def check_output_file(out: PathLike, endings: Collection[str], inputs: Collection[PathLike]) -> None:
    """Raise UserError if ``out`` cannot be written, has none of the ``endings``, or is one of the ``inputs``."""
    path = Path(out)
    if path.suffix.lower() not in endings:
        raise UserError(f"the name of the output file must end in {' or '.join(endings)}; got {out}")
    for given in inputs:
        if os.path.exists(given) and path.exists() and os.path.samefile(given, path):
            raise UserError(f"{out} would replace {given}, which is an input of this command: choose another name")
    with explain_os_errors(f"{out} cannot be written"):
        if path.exists() and not path.is_file():
            raise UserError(f"{out} exists and is not a file: choose another name")
        tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent).close()
