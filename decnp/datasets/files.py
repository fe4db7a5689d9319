"""A user's own files: tables and labels from .npy, .npz, .csv and .txt, and results written aside and renamed.

What is read is checked here, so that whoever trains on it need not: a ``Table`` is finite float32. Nothing
is ever unpickled. Each mistake is a ``DataError`` with one sentence that names the file and the place.
"""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import secrets
import tokenize
import warnings
import zipfile
import zlib
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Callable, Mapping, NamedTuple, Optional, Union

import numpy as np
from numpy.lib import format as npy

from ._files import DataError

__all__ = ["Table", "read_table", "read_labels", "read_npy", "write_aside", "write_all_aside"]

PathLike = Union[str, "os.PathLike[str]"]
CHUNK = 1 << 20  # bytes read at a time
LABEL_COLUMNS = ("label", "labels")
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError)


class Table(NamedTuple):
    """A data set from a file."""

    X: np.ndarray
    """(n, D) float32, finite, C-contiguous; n and D are at least 1."""
    y: Optional[np.ndarray]
    """(n,) integers or strings, the labels that the same file holds, or None."""
    names: bool
    """Whether the file's first line was taken as the names of the columns."""


def read_table(path: PathLike) -> Table:
    """The table in a file of n rows and D columns.

    - ``.npy``: an array (n, D) of numbers.
    - ``.npz``: its array called X or x, else the only one with two axes; y or labels, (n,), are the labels.
    - ``.csv``: numbers between commas (or semicolons, tabs, spaces), in UTF-8. The first line is taken as
      the columns' names if none of its cells is a number, or if they are 0, 1, 2, ..., as pandas writes
      them. A column called label or labels holds the labels.

    Raises
    ------
    DataError
        If there is no such file or it holds anything else: cells that are not numbers, rows of different
        lengths, NaN or infinite values, values beyond float32, objects, no rows, labels of another length.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    ending = _ending(path, ".npy", ".npz", ".csv")
    y, names = None, False
    if ending == ".csv":
        X, y, names = _read_csv(path)
    elif ending == ".npz":
        X, y = _read_npz(path)
    else:
        with open(path, "rb") as file:
            X = read_npy(file, path.stat().st_size, str(path))
    X = _as_float32(X, path)
    if y is not None:
        y = _as_labels(y, path)
        if len(y) != len(X):
            raise DataError(f"{path} must hold one label for each of its {len(X)} rows; got {len(y)}")
    return Table(X, y, names)


def read_labels(path: PathLike, n_samples: int) -> np.ndarray:
    """Labels (n_samples,), integers or strings, from a .npy, .npz, .csv or .txt file, one to a line.

    In an .npz: y or labels, else the only array with one axis. In a text file a first line that is no
    whole number above whole numbers, or is one too many and occurs only once, is taken as a name.

    Raises
    ------
    DataError
        If there is no such file, or it does not hold one label for each sample.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    ending = _ending(path, ".npy", ".npz", ".csv", ".txt")
    if ending == ".npy":
        with open(path, "rb") as file:
            y = read_npy(file, path.stat().st_size, str(path))
    elif ending == ".npz":
        y = _read_npz_labels(path)
    else:
        y = _read_text_labels(path, n_samples, one_cell=ending == ".txt")
    y = _as_labels(y, path)
    if len(y) != n_samples:
        raise DataError(f"{path} must hold one label for each of the {n_samples} rows; got {len(y)}")
    return y


def _ending(path, *endings):
    """The ending of a file that is there and holds something; DataError for any other."""
    wanted = f"{', '.join(endings[:-1])} or {endings[-1]} file"
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a {wanted}")
    if not path.exists():
        raise DataError(f"no such file: {path}")
    ending = path.suffix.lower()
    if ending not in endings:
        raise DataError(f"{path} must be a {wanted}; got the ending {ending!r}")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    return ending


# ---------------------------------------------------------------- NumPy's files

def read_npy(file: io.BufferedIOBase, size: int, name: str) -> np.ndarray:
    """The array in ``file``, an open .npy of ``size`` bytes. DataError, calling it ``name``, if it holds no other.

    Objects are refused, and memory is taken only for as many bytes as are there.
    """
    shape, fortran, dtype = _npy_header(file, name)
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are never loaded; save it with a dtype of numbers")
    n_bytes, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if n_bytes != there or not dtype.itemsize:
        raise DataError(f"{name} is damaged: its header announces {n_bytes} bytes of data, and {there} are there")
    content = np.empty(n_bytes, np.uint8)
    view, done = memoryview(content), 0
    while done < n_bytes:
        count = file.readinto(view[done : done + CHUNK])
        if not count:
            raise DataError(f"{name} is damaged: it ends after {done} of {n_bytes} bytes of data")
        done += count
    return content.view(dtype).reshape(shape, order="F" if fortran else "C")


def _npy_header(file, name):
    """shape, Fortran order and dtype from the header of an .npy; leaves ``file`` at its first value."""
    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "additional header parsing": the file is from Python 2
            shape, fortran, dtype = read(file)
    except (ValueError, KeyError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError,
            tokenize.TokenError) as error:
        raise DataError(f"{name} is damaged, or is no .npy array of numbers: its header cannot be read") from error
    if min(shape, default=0) < 0:
        raise DataError(f"{name} is damaged: its header announces the shape {shape}")
    return tuple(map(int, shape)), fortran, dtype


@contextmanager
def _zipped_arrays(path):
    """Yields the shapes by name and a function that reads an array by name; nothing is read unasked."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is damaged, or is no .npz file: it is not a complete zip archive")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.filename[:-4]: m for m in archive.infolist() if m.filename.endswith(".npy")}
            shapes = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    shapes[name] = _npy_header(file, f"{path} ({name})")[0]

            def read(name):
                with archive.open(members[name]) as file:
                    return read_npy(file, members[name].file_size, f"{path} ({name})")

            yield shapes, read
    except DataError:
        raise
    except BROKEN_ZIP as error:
        raise DataError(f"{path} is damaged: it cannot be unzipped ({error})") from error


def _chosen(path, shapes, names, n_axes):
    """The array called one of ``names``, else the only one with ``n_axes``, else the only one."""
    named = [name for name in names if name in shapes]
    fitting = [name for name, shape in shapes.items() if len(shape) == n_axes]
    for choice in (named[:1], fitting, list(shapes)):
        if len(choice) == 1:
            return choice[0]
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "no arrays"
    raise DataError(f"{path} must have an array called {' or '.join(names)}, or only one with {n_axes} "
                    f"ax{'es' if n_axes > 1 else 'is'}; got {listed}")


def _read_npz(path):
    with _zipped_arrays(path) as (shapes, read):
        X = _chosen(path, shapes, ("X", "x"), 2)
        y = next((name for name in ("y", "labels") if name != X and len(shapes.get(name, ())) == 1), None)
        return read(X), None if y is None else read(y)


def _read_npz_labels(path):
    with _zipped_arrays(path) as (shapes, read):
        return read(_chosen(path, shapes, ("y", "labels"), 1))


# ---------------------------------------------------------------- text

def _read_csv(path):
    """X (n, D) float64, the labels (n,) or None, and whether there was a line of names."""
    values, labels, width, label_at, names = array("d"), [], None, None, False
    with _text(path) as file:
        for line, cells in _cells(file):
            if width is None:
                width, names = len(cells), _are_names(cells, path)
                if names:
                    label_at = next((j for j, c in enumerate(cells) if c.strip().lower() in LABEL_COLUMNS), None)
                    continue
            if len(cells) != width:
                raise DataError(f"{path}, line {line} has {len(cells)} columns, the lines before it have {width}")
            if label_at is not None:
                labels.append(cells[label_at].strip())
                cells[label_at] = "0"  # keeps its place in a message; taken out below
            try:
                if "_" in "".join(cells):  # float() would read 1_000 as a number
                    raise ValueError
                values.extend(map(float, cells))
            except ValueError:
                raise _bad_cell(path, line, cells) from None
    if not values:
        raise DataError(f"{path} has {'a line of names and ' if names else ''}no rows")
    X = np.frombuffer(values).reshape(-1, width)  # (n, D), or (n, D + 1) with the labels' place
    if label_at is None:
        return X, None, names
    return np.delete(X, label_at, axis=1), _from_text(labels, path), names


def _read_text_labels(path, n_samples, one_cell):
    with _text(path) as file:
        if one_cell:
            rows = [(line, [text.strip()]) for line, text in enumerate(file, 1) if text.strip()]
        else:
            rows = list(_cells(file, spaces=False))
    for line, cells in rows:
        if len(cells) != 1 or not cells[0].strip():
            raise DataError(f"{path} must hold one label a line; line {line} has {len(cells) if cells[1:] else 'none'}")
    labels = [cells[0].strip() for _, cells in rows]
    named = labels[1:] and not _is_whole(labels[0]) and all(map(_is_whole, labels[1:]))
    if named or (len(labels) == n_samples + 1 and labels[0] not in labels[1:]):
        del labels[0]
    return _from_text(labels, path)


@contextmanager
def _text(path):
    """The file opened as text; what text should not have becomes a DataError."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8") from error
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as CSV: {error}") from error


def _cells(file, spaces=True):
    """Yields line number and cells of each line that is not blank. The second one, or the first, has the delimiter."""
    sample = [line for line in (file.readline() for _ in range(9)) if line.strip()][:2]
    delimiter = next((d for line in sample[::-1] for d in ";\t," if d in line), None)
    file.seek(0)
    if delimiter is None and spaces:
        rows = enumerate(map(str.split, file), 1)
    else:
        reader = csv.reader(file, delimiter=delimiter or ",")
        rows = ((reader.line_num, cells) for cells in reader)
    for line, cells in rows:
        if len(cells) > 1 or "".join(cells).strip():
            yield line, cells


def _are_names(cells, path):
    """Whether the cells of a first line are the names of columns."""
    counted = [str(j) for j in range(len(cells))]
    if len(cells) > 1 and not cells[0].strip() and (cells[1:] == counted[:-1] or not any(map(_is_number, cells))):
        raise DataError(f"{path}: the first column has no name, so it seems to hold the row numbers that pandas adds; "
                        "leave them out with to_csv(..., index=False)")
    return not any(map(_is_number, cells)) or (len(cells) > 1 and cells == counted)


def _bad_cell(path, line, cells):
    j = next(j for j, cell in enumerate(cells) if not _is_number(cell))
    cell = cells[j].strip()
    what = f"{cell[:30]!r}{'...' if cell[30:] else ''} is not a number" if cell else "the cell is empty"
    return DataError(f"{path}, line {line}, column {j + 1}: {what}")


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_whole(cell):
    return _is_number(cell) and float(cell) % 1 == 0


def _from_text(labels, path):
    """Labels as an array of numbers if they all are, else of strings; none may be missing."""
    if "" in labels:
        raise DataError(f"{path}: the label of row {labels.index('') + 1} (counted from 1) is missing")
    return np.array(labels, np.float64 if all(map(_is_number, labels)) else object)


# ---------------------------------------------------------------- what the arrays must be

def _as_float32(X, path):
    """X (n, D) as finite float32, or one sentence that says what is wrong with it."""
    if X.dtype.kind not in "biuf":
        raise DataError(f"{path} must hold real numbers; got the dtype {X.dtype}")
    if X.ndim != 2:
        hint = "X.reshape(len(X), -1) makes a row of each sample" if X.ndim > 2 else "X.reshape(-1, 1) makes a column"
        raise DataError(f"{path} must have the shape (n, D), one row for each sample; got {X.shape}; {hint}")
    if not X.size:
        raise DataError(f"{path} must have at least one row and one column; got the shape {X.shape}")
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(X, np.float32)
    if not np.isfinite(out).all():
        for what, bad in (("NaN or infinite values", ~np.isfinite(X)), ("values beyond float32", ~np.isfinite(out))):
            if bad.any():
                row, column = np.unravel_index(bad.argmax(), bad.shape)
                raise DataError(f"{path} has {what}: {bad.sum()} of them, the first ({X[row, column]}) in "
                                f"row {row + 1}, column {column + 1} (counted from 1)")
    return out


def _as_labels(y, path):
    """y (n,) as integers or strings, or one sentence that says what is wrong with it."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{path} must hold one label for each row, in the shape (n,); got {y.shape}")
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y % 1 == 0).all() and (np.abs(y) < 2**53).all():
        return y.astype(np.int64)
    if y.dtype.kind not in "biuSUO":  # O: strings from text; objects from NumPy's files were refused
        raise DataError(f"{path} must hold labels that are whole numbers or strings; got the dtype {y.dtype}"
                        + (" with other numbers in it" if y.dtype.kind == "f" else ""))
    return y


# ---------------------------------------------------------------- results

def write_aside(path: PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write(file)`` on a new file beside ``path``, then give it its name: never half a file.

    The file has the permissions that the umask allows. A link at ``path`` is followed; what is there and is
    no file stays. Raises OSError if it cannot be written; what was at ``path`` is then still there.
    """
    write_all_aside({path: write})


def write_all_aside(files: Mapping[PathLike, Callable[[BinaryIO], object]]) -> None:
    """``write_aside`` for several files: all are complete before the first one gets its name."""
    waiting = []
    try:
        for path, write in files.items():
            path = Path(os.path.realpath(path))
            if path.exists() and not path.is_file():
                raise OSError(errno.EEXIST, "there is something that is not a file", str(path))
            aside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
            waiting.append((aside, path))
            with open(aside, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        while waiting:
            os.replace(*waiting[0])
            del waiting[0]
    finally:
        for aside, _ in waiting:
            aside.unlink(missing_ok=True)
