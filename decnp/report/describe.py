"""Description of the clusters in the units of the table: sizes, medians, shares of categories, and rows to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..io.recipe import Categories, Recipe, word_of

__all__ = ["ClusterSummary", "NumberFact", "ShareFact", "describe_clusters"]

MAX_NUMBERS = 6
MAX_SHARES = 4
MAX_ROWS = 5


class NumberFact(NamedTuple):
    """Median of a column of numbers in a cluster."""

    column: str
    median: float
    of_all: float
    """Median over all rows."""
    difference: float
    """median - of_all, in standard deviations of the column."""
    std: float
    """Standard deviation of the column."""


class ShareFact(NamedTuple):
    """Share of a category in a cluster."""

    column: str
    category: str
    share: float
    of_all: float
    """Share among all rows."""


class ClusterSummary(NamedTuple):
    """Description of a cluster."""

    cluster: int
    size: int
    numbers: list[NumberFact]
    """The largest differences first."""
    shares: list[ShareFact]
    """Likewise."""
    typical: list[int]
    """Rows with the largest q in the cluster, counted from 1."""
    unsure: list[int]
    """Rows with the smallest q in the cluster, counted from 1."""


def describe_clusters(
    X: np.ndarray, names: Sequence[str], labels: np.ndarray, q: np.ndarray, recipe: Recipe | None = None,
) -> list[ClusterSummary]:
    """Return a description of each cluster that has rows.

    Parameters
    ----------
    X : array of shape (n, D)
        Rows of the model.
    names : sequence of str
        Names of the columns of X.
    labels : array of shape (n,)
        Clusters.
    q : array of shape (n, k)
        Soft assignments, Eq. 1.
    recipe : Recipe, default=None
        Steps that made X. Its numbers are described in their own units, after missing ones were filled in.

    Examples
    --------
    >>> X = np.array([[0.0], [2.0], [2.0], [6.0]])
    >>> labels = np.array([0, 0, 0, 1])
    >>> summary, _ = describe_clusters(X, ["size"], labels, np.eye(2)[labels])
    >>> summary.size, summary.typical, summary.numbers[0].median
    (3, [1, 2, 3], 2.0)
    """
    numbers = dict(_numbers(X, names, recipe))
    categories = {} if recipe is None else dict(_categories(X, recipe))
    own = q[np.arange(len(labels)), labels]
    found = []
    for j in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == j)
        order = rows[np.argsort(-own[rows], kind="stable")] + 1
        found.append(ClusterSummary(
            j, len(rows), _number_facts(numbers, rows), _share_facts(categories, rows), order[:MAX_ROWS].tolist(),
            order[::-1][:MAX_ROWS].tolist()))
    return found


def _numbers(X: np.ndarray, names: Sequence[str], recipe: Recipe | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the columns of numbers (n,) in the units of the table, by name."""
    if recipe is None:
        yield from zip(names, X.T.astype(np.float64))
        return
    start = 0
    for one in recipe.features:
        if not isinstance(one, Categories):
            yield recipe.columns[one.column], X[:, start] * one.std + one.mean
        start += one.width


def _categories(X: np.ndarray, recipe: Recipe) -> Iterator[tuple[str, tuple[np.ndarray, list[str]]]]:
    """Yield the columns of 0 and 1 (n, width) of each column of categories, and the categories."""
    start = 0
    for one in recipe.features:
        if isinstance(one, Categories):
            words = [word_of(value) for j, value in enumerate(one.values) if j != one.dropped]
            yield recipe.columns[one.column], (X[:, start : start + one.width], words)
        start += one.width


def _number_facts(numbers: dict[str, np.ndarray], rows: np.ndarray) -> list[NumberFact]:
    facts = []
    for name, column in numbers.items():
        median, of_all, std = float(np.median(column[rows])), float(np.median(column)), float(column.std())
        facts.append(NumberFact(name, median, of_all, (median - of_all) / std if std else 0.0, std))
    return sorted(facts, key=lambda fact: -abs(fact.difference))[:MAX_NUMBERS]


def _share_facts(categories: dict[str, tuple[np.ndarray, list[str]]], rows: np.ndarray) -> list[ShareFact]:
    facts = [ShareFact(name, word, share, of_all) for name, (block, words) in categories.items()
             for word, share, of_all in zip(words, block[rows].mean(axis=0).tolist(), block.mean(axis=0).tolist())]
    return sorted(facts, key=lambda fact: -abs(fact.share - fact.of_all))[:MAX_SHARES]
