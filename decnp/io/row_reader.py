"""Read tables some rows at a time: a ``.npy`` may be larger than memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import DataError
from ..utils.rows import Rows
from .atomic import PathLike
from .npy import NpyLayout, check_table, npy_layout
from .npz import read_npz
from .os_errors import explain_os_errors
from .prepared_rows import PreparedRows
from .recipe import Recipe
from .streams import begins_as_npy, is_stream, name_of, open_seekable
from .tables import TABLE_SUFFIXES, as_finite, check_suffix, check_text_options
from .text import Choice, all_columns, parse_csv

__all__ = ["RowReader", "open_rows"]


class RowReader:
    """Reader of n rows of D real numbers, n and D at least 1; call ``close()`` after the last read.

    Parameters
    ----------
    name : str
        Name of the file in messages.
    shape : tuple of int
        (n, D).
    dtype : dtype
        Type of the numbers in the file.
    read : callable
        ``read(start, stop)`` returns rows.
    close : callable, default=a function that does nothing
        Called by ``close()``.
    columns : tuple of str, default=()
        Names of the columns.
    notes : sequence of str, default=()
        Sentences about what could have been read in another way.
    prepared : PreparedRows, default=None
        Recipe that makes the rows, if there is one; it counts the categories that are not in the recipe.

    Raises
    ------
    DataError
        If the shape or the dtype is not that of a table.
    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype, read: Callable[[int, int], np.ndarray],
                 close: Callable[[], object] = lambda: None, columns: tuple[str, ...] = (),
                 notes: Sequence[str] = (), prepared: PreparedRows | None = None) -> None:
        self.name, self.shape, self.close, self.read = name, shape, close, read
        self.prepared = prepared
        self.columns, self.notes = columns, list(notes)
        check_table(shape, dtype, name)

    @property
    def counted(self) -> str:
        """Return a clause that says how rows and columns are counted in messages."""
        return "counted from 1" + ", without the line of names" * bool(self.columns)

    def blocks(self, size: int, dtype: np.dtype) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (row numbers, rows) for ``size`` rows at a time, in order, as finite ``dtype``.

        Raises DataError at the first block with a value that is not finite, or if the file has become shorter.
        """
        for start in range(0, self.shape[0], size):
            rows = slice(start, min(start + size, self.shape[0]))
            try:
                x = self.read(rows.start, rows.stop)
            except DataError:
                raise
            except ValueError as error:  # of a recipe
                raise DataError(f"{self.name}: {error}") from None
            yield rows, as_finite(x, dtype, self.name, start, self.counted)


def open_rows(
    source: PathLike, label_column: str | None = None, *, header: bool | None = None, choose: Choice = all_columns,
    known: Sequence[str] = (), recipe: Recipe | None = None,
) -> RowReader:
    """Return a reader of the rows in a file or in standard input.

    A ``.npy`` is read block by block, ``.npz`` and ``.csv`` at once; a sparse matrix stays sparse. Labels are not
    read.

    Parameters
    ----------
    source : path-like
        A file that ``decnp.io.tables.read_table`` takes, or "-" for standard input. Standard input and a pipe hold a
        ``.npy`` if they begin like one, else CSV; they are first copied to a temporary file.
    label_column : str, default=None
        Column of a ``.csv`` to leave out.
    header : bool, default=None
        True if the first line of a ``.csv`` holds the names of the columns. None decides as ``read_table`` does.
    choose : callable, default=all_columns
        Function that chooses the columns of a ``.csv``, see ``decnp.io.text.Choice``. The default takes all but the
        labels.
    known : sequence of str, default=()
        Names of the columns that a model was trained on: a first line that has all of them holds names.
    recipe : Recipe, default=None
        Steps from the columns that are chosen to the rows (n, D).

    Returns
    -------
    rows : RowReader

    Raises
    ------
    DataError
        If there is no such file or it holds anything else. NaN and infinite values are found when they are read.
    OSError
        If it cannot be read.
    """
    path = Path(source)
    suffix = check_suffix(path, *TABLE_SUFFIXES)
    check_text_options(path, suffix, label_column, header)
    if suffix == ".npy":
        return _prepared(_open_npy(open(path, "rb"), str(path)), recipe)
    if suffix == ".npz":
        return _prepared(_from_memory(str(path), read_npz(path).X), recipe)
    return _open_text_or_stream(path, label_column, header, choose, known, recipe)


def _open_text_or_stream(
    path: Path, label_column: str | None, header: bool | None, choose: Choice, known: Sequence[str],
    recipe: Recipe | None,
) -> RowReader:
    """Return a reader of a text file, or of a stream, which may hold an .npy too."""
    name, file = name_of(path), open_seekable(path)
    try:
        if is_stream(path) and begins_as_npy(file):
            check_text_options(name, ".npy", label_column, header)
            return _prepared(_open_npy(file, name), recipe)
        words = [] if recipe is None else [j for j, name in enumerate(recipe.columns) if name in recipe.words]
        table = parse_csv(name, file, label_column, header=header, choose=choose, known=known, labels=False, words=words,
                          strings=() if recipe is None else recipe.columns_of_words,
                          may_miss=recipe is not None and recipe.fills,
                          decimal="." if recipe is None else recipe.decimal)
        file.close()
        if recipe is not None:
            _check_width(name, len(table.columns), recipe)
            rows = PreparedRows(recipe, table.columns)
            return RowReader(name, rows.shape, rows.dtype, lambda start, stop: rows[start:stop], columns=table.names,
                             notes=table.notes, prepared=rows)
        return _from_memory(name, table.X, table.names, table.notes)
    except BaseException:
        file.close()
        raise


def _prepared(reader: RowReader, recipe: Recipe | None) -> RowReader:
    """Return a reader of the rows that ``recipe`` makes of those of ``reader``."""
    if recipe is None:
        return reader
    try:
        if recipe.columns_of_words:
            raise DataError(f"{reader.name} holds numbers, and the model takes words in the columns "
                            f"{', '.join(map(repr, sorted(recipe.words)))}: take a .csv file")
        _check_width(reader.name, reader.shape[1], recipe)
    except DataError:
        reader.close()
        raise
    rows = PreparedRows(recipe, [np.empty(0)] * reader.shape[1])
    return RowReader(reader.name, (reader.shape[0], recipe.n_features), rows.dtype,
                     lambda start, stop: rows.prepare(list(reader.read(start, stop).T)), reader.close, prepared=rows)


def _check_width(name: str, width: int, recipe: Recipe) -> None:
    if width != len(recipe.columns):
        raise DataError(f"{name} must have the {len(recipe.columns)} columns that the model takes; got {width}")


def _from_memory(name: str, X: Rows, columns: tuple[str, ...] = (), notes: Sequence[str] = ()) -> RowReader:
    return RowReader(name, X.shape, X.dtype, lambda start, stop: X[start:stop], columns=columns, notes=notes)


def _open_npy(file: Any, name: str) -> RowReader:
    """Return a reader of an open .npy.

    The file is read, not mapped: if it becomes shorter meanwhile, that is an error and not a crash.
    """
    try:
        layout = npy_layout(file, os.fstat(file.fileno()).st_size, name)
        read = partial(_read_npy_rows, file, name, layout, file.tell())
        return RowReader(name, layout.shape, layout.dtype, read, file.close)
    except BaseException:
        file.close()
        raise


def _read_npy_rows(file: Any, name: str, layout: NpyLayout, first: int, start: int, stop: int) -> np.ndarray:
    """Return the rows from ``start`` to ``stop`` of a table whose values begin at byte ``first``.

    In C order the rows are contiguous in the file; in Fortran order each of the D columns is read on its own.
    """
    n, D = layout.shape
    fortran = layout.fortran_order
    block = np.empty((stop - start, D), layout.dtype, order="F" if fortran else "C")
    for j, piece in enumerate(block.T if fortran else [block.reshape(-1)]):
        at = j * n + start if fortran else start * D
        with explain_os_errors(f"{name} cannot be read", DataError):
            file.seek(first + at * layout.dtype.itemsize)
            count = file.readinto(piece.view(np.uint8))
        if count != piece.nbytes:
            raise DataError(f"{name} has become shorter while it was read")
    return block
