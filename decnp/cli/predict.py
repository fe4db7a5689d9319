"""A model in use from the command line: predictions for files of any length, and what is in a model file.

NumPy is all that is imported for it, and SciPy for a sparse matrix. What is printed is said in ``decnp.cli.deploy``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import numpy as np

from ..datasets import DataError
from ..equations import soft_assignment
from ..exceptions import UserError
from ..inference import Model, load_model
from ..io.atomic import PathLike, write_atomically
from ..io.model_file import read_model
from ..io.row_reader import RowReader, open_rows
from ..utils.rows import BLOCK

__all__ = ["ANSWERS", "predict_command", "describe", "check_target"]

ANSWERS = ("labels", "proba", "embed")
IN_MEMORY = 1 << 24  # bytes of text that wait in memory for the last row; more wait in a temporary file


def predict_command(
    model: PathLike, source: PathLike, out: Optional[PathLike] = None, answer: str = "labels",
    watch: Callable[[int, int], object] = lambda done, n: None, label_column: Optional[str] = None,
) -> int:
    """``decnp predict``: the answer for each row of ``source``, into ``out`` or printed; returns their number.

    Parameters
    ----------
    model : path of a model file
    source : .npy, .npz or .csv file with rows (n, D), or "-" for standard input. An .npy goes through
        ``decnp.utils.rows.BLOCK`` rows at a time, so it may be larger than memory; a sparse .npz is made dense likewise.
    out : .npy or .csv file to write, aside and renamed; None: text, which is printed when the last row is done
    answer : "labels" (n,) int32, "proba" q of Eq. 1 (n, k), or "embed" z (n, d)
    watch : called with the rows done and n, after each block
    label_column : a named column of a .csv that is left out

    Raises
    ------
    UserError, DataError, ModelFileError
        One sentence; nothing was printed, and what was at ``out`` is still there.
    """
    if out is not None:
        check_target(out, (".npy", ".csv"), {model, source} - {"-"})
    try:
        network = load_model(model)
        rows = open_rows(source, label_column)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or source}: {error.strerror or error}") from error
    with closing(rows):
        n, D = rows.shape
        if D != network.n_features:
            raise DataError(f"{rows.name} must have the {network.n_features} columns that {model} takes; got {D}")

        def write(file, npy):
            if npy:
                _write_npy_header(file, network, n, answer)
            for at, block in _answers(network, rows, answer):
                file.write(block.tobytes()) if npy else _write_text(file, block)
                watch(at.stop, n)

        if out is None:
            _print_at_the_end(lambda file: write(file, False))
        else:
            try:
                write_atomically(out, lambda file: write(file, str(out).lower().endswith(".npy")))
            except OSError as error:
                raise UserError(f"--out {out} could not be written: {error.strerror or error}") from error
    return n


def _answers(model: Model, rows: RowReader, answer: str) -> Iterator[tuple[slice, np.ndarray]]:
    """The answers, a block of rows at a time; DataError where the network's values overflow."""
    for at, x in rows.blocks(BLOCK, model.dtype):
        with np.errstate(over="ignore", invalid="ignore"):
            z = model.transform(x)
            q = soft_assignment(z, model.centers, model.alpha)
        finite = np.isfinite(q).all(axis=1)
        if not finite.all():
            raise DataError(f"{rows.name}: row {at.start + finite.argmin() + 1} (counted from 1) is too large for this "
                            f"model, its embedding overflows {model.dtype}")
        yield at, {"labels": q.argmax(axis=1).astype(np.int32), "proba": q.astype(model.dtype), "embed": z}[answer]


def _write_npy_header(file, model, n, answer):
    """What ``np.save`` would write before the values of all n rows."""
    k, d = model.centers.shape
    shape = {"labels": (n,), "proba": (n, k), "embed": (n, d)}[answer]
    dtype = np.dtype(np.int32 if answer == "labels" else model.dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})


def _write_text(file, block):
    """A line for each row, commas between numbers; as many digits as it takes to read the same numbers back."""
    fmt = "%d" if block.dtype.kind == "i" else "%.9g" if block.dtype.itemsize == 4 else "%.17g"
    np.savetxt(file, block, fmt=fmt, delimiter=",")


def _print_at_the_end(write: Callable[[Any], object]):
    """``write(file)``, then what it wrote to standard output: all of it, or nothing."""
    try:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            write(file)
            file.seek(0)
            while chunk := file.read(1 << 16):
                sys.stdout.write(chunk.decode("ascii"))
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try once more at its end
        raise UserError(f"the result could not be written: {error.strerror or error}") from error


def check_target(out: PathLike, endings: tuple[str, ...], read: set) -> None:
    """UserError if ``out`` has none of the endings, is one of the files that are ``read``, or its folder takes none."""
    path = Path(out)
    if path.suffix.lower() not in endings:
        raise UserError(f"the file to write must end in {' or '.join(endings)}; got {out}")
    for given in read:
        if os.path.exists(given) and path.exists() and os.path.samefile(given, path):
            raise UserError(f"{out} would replace {given}, which is read here: choose another name")
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{out} is there and is no file: choose another name")
        tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent).close()
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error


def describe(path: PathLike) -> dict:
    """``decnp info``: what is in a model file, as plain data for JSON.

    Raises
    ------
    UserError, ModelFileError
        If it cannot be read, or is no model.
    """
    try:
        header, arrays = read_model(path)
        size = os.path.getsize(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    weights = {part: sum(a.size for name, a in arrays.items() if name.startswith(f"{part}.")) for part in
               ("encoder", "decoder")}
    shift = arrays["shift"]
    return {
        "file": os.fspath(path),
        "bytes": size,
        "format": header["format"],
        "architecture": [header["n_features"], *header["hidden_layer_sizes"]],
        "activations": header["activations"],
        "n_clusters": header["n_clusters"],
        "alpha": header["alpha"],
        "dtype": header["dtype"],
        "storage": header["storage"],
        "n_weights": {**weights, "centroids": arrays["centers"].size},
        "shift": float(shift) if shift.ndim == 0 else "one for each column",
        "scale": float(arrays["scale"]),
        **{name: header[name] for name in ("versions", "parameters", "profile", "training") if name in header},
    }
