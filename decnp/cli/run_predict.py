"""Work of ``decnp predict``: predictions for files of any length.

NumPy is the only requirement. SciPy is imported for a sparse matrix, threadpoolctl for many rows if it is installed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from ..equations import soft_assignment
from ..exceptions import DataError, UserError
from ..inference import Model, load_model, map_on_cores
from ..io.atomic import PathLike, write_atomically
from ..io.column_errors import UNNAMED
from ..io.os_errors import explain_os_errors, explain_read_errors, reason_of
from ..io.row_reader import RowReader, open_rows
from ..io.streams import name_of
from ..utils.progress import Progress, discard, message
from ..utils.rows import BLOCK
from ..utils.validation import match_columns
from .outputs import check_output_file
from .process import OutputError

__all__ = ["run_predict"]

IN_MEMORY = 1 << 24
"""Bytes of text that wait in memory for the last row; more of them wait in a temporary file."""


def run_predict(
    model_path: PathLike, source: PathLike, out: PathLike | None = None, answer: str = "labels",
    label_column: str | None = None, quiet: bool = False, ignore_extra: bool = False, header: bool | None = None,
) -> int:
    """Predict for each row of ``source``, write or print the answers, and return the number of rows.

    Columns of a .csv are matched by their names, if the model has names. Its recipe, if it has one, prepares them.

    Parameters
    ----------
    model_path : path-like
        Model file.
    source : path-like
        .npy, .npz or .csv file with rows (n, D), or "-" for standard input. A block of rows of an .npy is in memory
        at a time, so the file may be larger than memory. A sparse .npz is made dense likewise.
    out : path-like, default=None
        .npy or .csv file, written atomically. A .csv begins with a line of names: cluster, or q0, q1, ..., or z0, z1, ...
        None prints text without names when the last row is done.
    answer : {"labels", "proba", "embed"}, default="labels"
        Labels (n,) in int32, q of Eq. 1 (n, k), or the embedding z (n, d).
    label_column : str, default=None
        Column of a .csv that is left out.
    quiet : bool, default=False
        True shows no progress and no message.
    ignore_extra : bool, default=False
        Leave out columns of a .csv that the model was not trained on. False raises DataError for them, unless
        ``decnp fit`` left them out too.
    header : bool, default=None
        True if the first line of a .csv holds the names of the columns. None finds out.

    Raises
    ------
    UserError, DataError, ModelFileError
        If an argument or a file is invalid. Nothing was printed, and the file at ``out`` is unchanged.
    """
    if out is not None:
        check_output_file(out, (".npy", ".csv"), {model_path, source} - {"-"})
    with explain_read_errors(model_path):
        model = load_model(model_path)
    with explain_read_errors(source):
        chooser = _ColumnChooser(model, model_path, source, ignore_extra, header)
        rows = open_rows(source, label_column, header=header, choose=chooser, known=model.feature_names,
                         recipe=model.recipe)
        model = model if model.recipe is None else model.without_recipe()
    with closing(rows):
        n, D = rows.shape
        if D != model.n_features:
            raise DataError(_other_width(rows.name, model, model_path, D))
        write = partial(_write_answers, model=model, rows=rows, answer=answer, quiet=quiet)
        if out is None:
            _print_at_the_end(write)
        else:
            with explain_os_errors(f"--out {out} could not be written"):
                write_atomically(out, partial(write, suffix=Path(out).suffix.lower()))
        about_cells = rows.prepared.note() if rows.prepared else ""
        notes = [*rows.notes, *[f"warning: {about_cells}"] * bool(about_cells)]
        for note in [*chooser.notes, *(f"{rows.name}: {note}" for note in notes)] * (not quiet):
            message(note)
    return n


def _other_width(name: str, model: Model, model_path: PathLike, width: int) -> str:
    """Return the error for a file ``name`` with another number of columns."""
    return f"{name} must have the {model.n_features} columns that {model_path} takes; got {width}"


class _ColumnChooser:
    """``Choice`` of the columns of the model out of those of a text file.

    Calling it raises DataError for missing columns, for unknown ones without ``ignore_extra``, and for another number of
    columns without names. No row has been read then, so this error comes before those of the cells.
    """

    def __init__(
        self, model: Model, model_path: PathLike, source: PathLike, ignore_extra: bool, header: bool | None
    ) -> None:
        self.model, self.name, self.ignore_extra = model, name_of(source), ignore_extra
        self.model_path, self.header = model_path, header
        self.notes: list[str] = []

    def __call__(self, names: Sequence[str], width: int) -> list[int] | None:
        model = self.model
        known, left_out = {*model.feature_names}, {*model.left_out}
        if not names:
            rest = [j for j in range(width) if known or str(j + 1) not in left_out]  # from 1, without names
            if model.n_features not in (width, len(rest)):
                found = "" if self.header is False else (
                    ", and its first line seems to hold no names (--header yes reads it as names)")
                raise DataError(_other_width(self.name, model, self.model_path, width) + found)
            if known:
                self.notes.append(f"{self.name} has no line of names: its columns are matched to the model's by position")
            return rest if len(rest) == model.n_features else None
        places = [j for j, name in enumerate(names) if name in known or name not in left_out]
        try:
            order = match_columns(model.feature_names, [names[j] for j in places], self.name, self.ignore_extra)
        except ValueError as error:
            hint = ("; leave them out with --extra ignore, or labels with --label-column"
                    if str(error).startswith(f"{self.name} has columns") else "")
            raise DataError(f"{error}{hint}") from None
        if order is None:
            if len(places) != model.n_features and UNNAMED not in names:
                raise DataError(_other_width(self.name, model, self.model_path, len(places)))
            return places
        unknown = len(places) - len(order)
        if unknown or order != sorted(order):
            self.notes.append(f"{self.name}: columns are matched to the model's by name"
                              + (f"; unknown columns left out: {unknown}" if unknown else ""))
        return [places[i] for i in order]


def _write_answers(file: IO[bytes], model: Model, rows: RowReader, answer: str, quiet: bool, suffix: str = "") -> None:
    """Write the answers of all rows, as an .npy or as text; a .csv begins with a line of names."""
    n = rows.shape[0]
    if suffix == ".npy":
        _write_npy_header(file, model, n, answer)
    elif suffix == ".csv":
        file.write(",".join(_names(model, answer)).encode() + b"\n")
    with Progress("rows", n, delayed=True, quiet=quiet) as progress:
        for block in _answers(model, rows, answer):
            file.write(block.tobytes()) if suffix == ".npy" else _write_text(file, block)
            progress.update(len(block))


def _answers(model: Model, rows: RowReader, answer: str) -> Iterator[np.ndarray]:
    """Yield the answers of each block of ``BLOCK`` rows, in order.

    Each thread takes a block, so the blocks and their bits do not depend on the number of threads. Raises DataError if
    the values of the network overflow.
    """
    def answer_block(block: tuple[slice, np.ndarray]) -> np.ndarray:
        at, x = block
        with np.errstate(over="ignore", invalid="ignore"):
            z = model._embed(x)
            q = soft_assignment(z, model.centers, model.alpha)
        finite = np.isfinite(q).all(axis=1)
        if not finite.all():
            raise DataError(f"{rows.name}: row {at.start + finite.argmin() + 1} ({rows.counted}) is too large for this "
                            f"model, its embedding overflows {model.dtype}")
        return {"labels": q.argmax(axis=1).astype(np.int32), "proba": q.astype(model.dtype), "embed": z}[answer]

    yield from map_on_cores(answer_block, rows.blocks(BLOCK, model.dtype), parallel=rows.shape[0] > BLOCK)


def _names(model: Model, answer: str) -> list[str]:
    """Return the names of the columns of the answers."""
    k, d = model.centers.shape
    return {"labels": ["cluster"], "proba": [f"q{j}" for j in range(k)], "embed": [f"z{j}" for j in range(d)]}[answer]


def _write_npy_header(file: IO[bytes], model: Model, n: int, answer: str) -> None:
    """Write the header that ``np.save`` would write for the answers of all n rows."""
    k, d = model.centers.shape
    shape = {"labels": (n,), "proba": (n, k), "embed": (n, d)}[answer]
    dtype = np.dtype(np.int32 if answer == "labels" else model.dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})


def _write_text(file: IO[bytes], block: np.ndarray) -> None:
    """Write one line for each row, with as many digits as it takes to read the same numbers back."""
    fmt = "%d" if block.dtype.kind == "i" else "%.9g" if block.dtype.itemsize == 4 else "%.17g"
    np.savetxt(file, block, fmt=fmt, delimiter=",")


def _print_at_the_end(write: Callable[[IO[bytes]], object]) -> None:
    """Call ``write(file)``, then print all that it wrote; print nothing if it raises."""
    try:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            write(file)
            file.seek(0)
            while chunk := file.read(1 << 16):
                sys.stdout.write(chunk.decode("ascii"))
            sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputError from error
    except OSError as error:
        discard(sys.stdout)
        raise UserError(f"the result could not be written: {reason_of(error)}") from error
