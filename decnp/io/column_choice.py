"""Choice of the columns of a text table by the options of ``decnp fit``."""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import DataError
from .atomic import PathLike
from .text import AUTO, which

__all__ = ["ColumnChoice"]


class ColumnChoice:
    """``Choice`` of the columns of a table by name. Columns without names are numbered from 1.

    Each entry of an option is the name of a column, or several names with commas between them.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    drop : sequence of str, default=()
        Columns to leave out.
    columns : sequence of str, default=()
        Columns to read; () reads all others.
    categories : sequence of str, default=()
        Columns of categories. ``AUTO`` stands for columns that are found in the table.
    """

    def __init__(
        self, path: PathLike, drop: Sequence[str] = (), columns: Sequence[str] = (), categories: Sequence[str] = (),
    ) -> None:
        self.path, self.drop, self.columns, self.categories = path, drop, columns, categories

    @property
    def asked(self) -> set[str]:
        """Return the words that may be names of columns."""
        return {*_words(self.drop), *_words(self.columns), *_words(self.categories)} - {AUTO}

    @property
    def words(self) -> set[str]:
        """Return the words that may be names of columns of categories, or ``AUTO``."""
        return {*_words(self.categories)}

    def __call__(self, names: Sequence[str], width: int) -> list[int]:
        """Return the places of the columns to read. Raises DataError for unknown names."""
        names = names or [str(j + 1) for j in range(width)]
        dropped = self._expanded(self.drop, names, "to drop")
        read = self._expanded(self.columns, names, "to read") or [name for name in names if name not in dropped]
        for name in self._expanded(self.categories, [*names, AUTO], "of categories"):
            if name not in read and (name != AUTO or name in names):
                raise DataError(f"{self.path}: the column {name!r} of categories is left out by another option")
        both = [name for name in read if name in dropped]
        if both:
            raise DataError(f"{self.path}: the column {both[0]!r} is to be read and to be dropped: take one")
        return [j for j, name in enumerate(names) if name in read]

    def _expanded(self, option: Sequence[str], names: Sequence[str], purpose: str) -> list[str]:
        """Return the names in an option. Other entries are split at their commas."""
        found = []
        for entry in option:
            parts = [entry] if entry in names else _split(entry)
            for name in parts:
                if name not in names:
                    listed = [one for one in names if one != AUTO]
                    raise DataError(f"{self.path} has no column called {name!r} {purpose}; {which(name, listed)}")
            found += parts
        return found


def _split(entry: str) -> list[str]:
    return [part.strip() for part in entry.split(",") if part.strip()] or [entry]


def _words(option: Sequence[str]) -> list[str]:
    """Return the entries of an option, and their parts between commas."""
    return [word for entry in option for word in (entry, *_split(entry))]
