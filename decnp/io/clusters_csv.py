"""Write a text table again, with the cluster of each row, and read rows of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from typing import IO

import numpy as np

from ..exceptions import DataError
from .atomic import PathLike
from .layout import find_layout
from .text import open_text, rows_of_table
from .text_head import read_head

__all__ = ["read_clusters_csv", "write_clusters_csv"]


def write_clusters_csv(
    file: IO[bytes], source: PathLike, named: bool, labels: np.ndarray, q: np.ndarray, decimal: str = ".",
) -> None:
    """Write the cells of a text table, and two columns more: cluster, and the q of the row in its cluster.

    Parameters
    ----------
    file : binary file
        File to write, open.
    source : path-like
        The table.
    named : bool
        Whether its first line holds names.
    labels : array of shape (n,)
        Clusters.
    q : array of shape (n, k)
        Soft assignments, Eq. 1.
    decimal : {".", ","}, default="."
        Decimal sign of the table, which q is written with.

    Raises
    ------
    DataError
        If the table cannot be read, or has another number of rows.
    """
    own = q[np.arange(len(labels)), labels]
    with open_text(source) as text:
        layout = find_layout(text)
        head = read_head(source, layout, named, (), ())
        out = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        write = csv.writer(out, delimiter="," if layout.delimiter == " " else layout.delimiter, lineterminator="\n").writerow
        names = head.names or tuple(str(j + 1) for j in range(head.width))
        write([*names, _new_name("cluster", names), _new_name("q", names)])
        n = 0
        for _, cells in rows_of_table(source, text, layout, head):
            if n < len(labels):
                write([*(cell.strip() for cell in cells), int(labels[n]), f"{own[n]:.4g}".replace(".", decimal)])
            n += 1
        out.detach()
    if n != len(labels):
        raise DataError(f"{source} has {n} rows now, and had {len(labels)}")


def read_clusters_csv(path: PathLike, rows: Collection[int]) -> dict[int, dict[str, str]]:
    """Return some rows of a file that ``write_clusters_csv`` wrote, each as its cells by the names of the columns.

    Parameters
    ----------
    path : path-like
        The file.
    rows : collection of int
        Numbers of the rows, from 1 for the first row of data. Rows that are not there are left out.

    Raises
    ------
    DataError
        If the file is not such a table.
    OSError
        If it cannot be read.
    """
    with open_text(path) as text:
        layout = find_layout(text)
        head = read_head(path, layout, True, (), ())
        return {row: dict(zip(head.names, cells)) for row, (_, cells) in enumerate(
            rows_of_table(path, text, layout, head), 1) if row in rows}


def _new_name(name: str, names: tuple[str, ...]) -> str:
    """Return a name that is not among ``names``."""
    while name in names:
        name += "_"
    return name
