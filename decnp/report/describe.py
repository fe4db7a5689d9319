"""Description of the clusters in the units of the table: sizes, medians, shares of categories, and rows to look at.

``one_column_warnings`` says if a column alone gives the clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..io.recipe import Categories, Recipe, word_of
from ..metrics import adjusted_rand_index, contingency
from ..utils.rows import sampled_rows
from ..utils.spelling import shell_word

__all__ = ["ClusterSummary", "NumberFact", "ShareFact", "describe_clusters", "one_column_warnings"]

MAX_NUMBERS = 6
MAX_SHARES = 4
MAX_ROWS = 5

SAME = 0.9
"""A column gives the clusters if the clusters that follow from its values have at least this adjusted Rand index with those
found. On nine tables with k = 2 to 4 (penguins, titanic, tips, mpg, taxis and exercise of seaborn, diabetes, wine and breast
cancer of scikit-learn), DEC and k-means reached 0.91 to 1 where the clusters were the values of a column, or nearly, and at
most 0.88 otherwise."""
MAX_VALUES = 50
"""Different values of a column that may give the clusters."""
MIN_ROWS = 10
"""Rows for each of these values, on average. With fewer, values may determine the cluster by chance."""
SAMPLE = 2000
"""Maximal number of rows in the comparison."""


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
    numbers = list(_numbers(X, names, recipe))  # several columns may have the same name
    categories = [] if recipe is None else list(_categories(X, recipe))
    own = q[np.arange(len(labels)), labels]
    found = []
    for j in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == j)
        order = rows[np.argsort(-own[rows], kind="stable")] + 1
        found.append(ClusterSummary(
            j, len(rows), _number_facts(numbers, rows), _share_facts(categories, rows), order[:MAX_ROWS].tolist(),
            order[::-1][:MAX_ROWS].tolist()))
    return found


def one_column_warnings(
    X: np.ndarray, names: Sequence[str], labels: np.ndarray, recipe: Recipe | None = None, drop: bool = False,
) -> list[str]:
    """Return a sentence for each column of few values that alone give the cluster of nearly all rows.

    At most ``SAMPLE`` rows, drawn at random, are compared. A table of one column has no sentence.

    Parameters
    ----------
    X : array of shape (n, D)
        Rows of the model.
    names : sequence of str
        Names of the columns of X; () if they have none.
    labels : array of shape (n,)
        Clusters.
    recipe : Recipe, default=None
        Steps that made X. Its columns are compared, and a column of categories is one column.
    drop : bool, default=False
        Whether the option --drop may be recommended.

    Examples
    --------
    >>> X = np.array([[0.0, 0.3], [1.0, 0.2]] * 10)
    >>> one_column_warnings(X, ["sex", "size"], X[:, 0].astype(int))[0][:64]
    "the column 'sex' alone gives the cluster of 100% of the rows (ad"
    """
    named = bool(names) if recipe is None else recipe.named
    rows = sampled_rows(len(X), SAMPLE)
    X, clusters = X[rows], np.unique(labels[rows], return_inverse=True)[1]
    columns = list(_numbers(X, names or [str(j + 1) for j in range(X.shape[1])], recipe))
    if recipe is not None:
        columns += [(name, block @ np.arange(1, block.shape[1] + 1)) for name, (block, _) in _categories(X, recipe)]
    if len(columns) < 2 or not clusters.any():
        return []
    found = []
    for name, column in columns:
        values = np.unique(column, return_inverse=True)[1]
        if values.max() >= min(MAX_VALUES, len(values) // MIN_ROWS):
            continue
        following = contingency(values, clusters).argmax(axis=0)[values]  # the most frequent cluster of the row's value
        agreement = adjusted_rand_index(clusters, following)
        if agreement >= SAME:
            column_name = f"the column {name!r}" if named else f"column {name}"
            share, remedy = (clusters == following).mean(), f"; --drop {shell_word(name)} leaves it out" * drop
            found.append(f"{column_name} alone gives the cluster of {share:.0%} of the rows (adjusted Rand index "
                         f"{agreement:.2f}), so the other columns add little{remedy}")
    return found


def _numbers(X: np.ndarray, names: Sequence[str], recipe: Recipe | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the columns of numbers (n,) in the units of the table, by name."""
    if recipe is None:
        yield from zip(names, X.T.astype(np.float64))
        return
    start = 0
    for one in recipe.features:
        if not isinstance(one, Categories):
            yield recipe.columns[one.column], X[:, start].astype(np.float64) * one.std + one.mean
        start += one.width


def _categories(X: np.ndarray, recipe: Recipe) -> Iterator[tuple[str, tuple[np.ndarray, list[str]]]]:
    """Yield the columns of 0 and 1 (n, width) of each column of categories, and the categories."""
    start = 0
    for one in recipe.features:
        if isinstance(one, Categories):
            words = [word_of(value) for j, value in enumerate(one.values) if j != one.dropped]
            yield recipe.columns[one.column], (X[:, start : start + one.width], words)
        start += one.width


def _number_facts(numbers: Sequence[tuple[str, np.ndarray]], rows: np.ndarray) -> list[NumberFact]:
    facts = []
    for name, column in numbers:
        median, of_all, std = float(np.median(column[rows])), float(np.median(column)), float(column.std())
        facts.append(NumberFact(name, median, of_all, (median - of_all) / std if std else 0.0, std))
    return sorted(facts, key=lambda fact: -abs(fact.difference))[:MAX_NUMBERS]


def _share_facts(categories: Sequence[tuple[str, tuple[np.ndarray, list[str]]]], rows: np.ndarray) -> list[ShareFact]:
    facts = [ShareFact(name, word, share, of_all) for name, (block, words) in categories
             for word, share, of_all in zip(words, block[rows].mean(axis=0).tolist(), block.mean(axis=0).tolist())]
    return sorted(facts, key=lambda fact: -abs(fact.share - fact.of_all))[:MAX_SHARES]
