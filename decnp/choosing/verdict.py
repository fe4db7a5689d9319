"""Rule of ``choose_k``: numbers of each k, data without clusters for comparison, and sentences of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from ..metrics import generalizability
from .agreement import STABLE, agreement
from .cells import Cell

__all__ = ["KChoice", "KRow", "choice_of", "reference_silhouettes"]

N_REFERENCES = 5
"""Number of data sets without clusters, of each of two kinds."""

TINY = 0.01
"""A cluster with a smaller fraction of the rows is mentioned."""

CLOSE = 1.2
"""A silhouette below this multiple of that of data without clusters is mentioned. On a bent line, which has no groups, it
was at most 1.10 times as large for k = 2 to 10; on iris it was 1.3 times as large for k = 2, and on digits 2.9 for 10."""


class KRow(NamedTuple):
    """Numbers of one k. Those of a run are means over the seeds, except ``smallest``."""

    k: int
    """Number of clusters."""
    agreement: float
    """Mean adjusted Rand index over all pairs of seeds."""
    smallest: int
    """Rows of the smallest cluster of all seeds."""
    silhouette: float
    """In the embedding. DEC increases it, so it does not support a k."""
    data_silhouette: float
    """In the data."""
    reference: float
    """Largest silhouette of k-means in data without clusters."""
    G: float | None
    """Generalizability, Figure 6; None if a validation loss is 0."""
    kmeans_agreement: float
    """Agreement of k-means from the same seeds."""
    kmeans_silhouette: float
    """Silhouette of the clusters of k-means in the data."""

    @property
    def supported(self) -> bool:
        """Return True if the seeds agree, and if DEC's clusters are more compact than those in data without clusters."""
        return self.smallest > 0 and self.agreement >= STABLE and self.data_silhouette > self.reference

    @property
    def kmeans_supported(self) -> bool:
        """Return True if the runs of k-means agree, and if their clusters are more compact than in data without clusters."""
        return self.kmeans_agreement >= STABLE and self.kmeans_silhouette > self.reference


@dataclass(frozen=True)
class KChoice:
    """Result of ``choose_k``. ``str(choice)`` is a table with the sentences below."""

    best_k: int | None
    """The supported k with the largest silhouette in the data, or None."""
    rows: list[KRow]
    """Numbers of each k, in increasing order."""
    sentences: list[str]
    """Reasons for ``best_k``, or for none, and the answer of k-means."""
    seeds: list[int]
    """Seed of each autoencoder and of its runs."""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON data.

        Returns
        -------
        result : dict
            The attributes by name; each row is a dict, with "supported" and "kmeans_supported".
        """
        rows = [{**row._asdict(), "supported": row.supported, "kmeans_supported": row.kmeans_supported}
                for row in self.rows]
        return {"best_k": self.best_k, "sentences": self.sentences, "seeds": self.seeds, "rows": rows}

    def __str__(self) -> str:
        """Return the table and the sentences."""
        return "\n".join([self.table(), "", *self.sentences])

    def table(self) -> str:
        """Return the numbers of each k as lines of text; a star marks ``best_k``.

        Returns
        -------
        table : str
            A line of names, and one line for each k.
        """
        width = max(len(str(row.k)) for row in self.rows) + 1
        head = ("k".rjust(width), "agreement", "smallest", "silhouette", "in data", "no clusters", "   G",
                "k-means: agreement", "in data")
        lines = ["  ".join(head)]
        for row in self.rows:
            cells = (f"{row.k}{'*' * (row.k == self.best_k)}", f"{row.agreement:.2f}", f"{row.smallest:,}",
                     f"{row.silhouette:.2f}", f"{row.data_silhouette:.3f}", f"{row.reference:.3f}",
                     "-" if row.G is None else f"{row.G:.2f}", f"{row.kmeans_agreement:.2f}",
                     f"{row.kmeans_silhouette:.3f}")
            lines.append("  ".join(cell.rjust(len(name)) for cell, name in zip(cells, head)))
        return "\n".join(lines)


def choice_of(cells: Sequence[Cell], references: dict[int, float], seeds: list[int], n: int) -> KChoice:
    """Return the choice from all cells, the silhouettes ``references`` of each k, the seeds, and the number of rows n."""
    rows = [_row([cell for cell in cells if cell.k == k], references[k]) for k in sorted(references)]
    good = [row for row in rows if row.supported]
    best = max(good, key=lambda row: row.data_silhouette, default=None)
    sentences = [_for_best(best, good, len(seeds)) if best else _for_none(rows, len(seeds))]
    if best and best.data_silhouette < CLOSE * best.reference:
        sentences.append("The two silhouettes are close. They are so in data without groups too, such as a bent line.")
    if best and best.smallest < TINY * n:
        sentences.append(f"The smallest cluster of k = {best.k} has {best.smallest:,} of {n:,} rows. Look at them: "
                         "outliers can be the reason for a high silhouette.")
    sentences.append(_of_kmeans(rows, best))
    fall = _largest_fall(rows)
    if fall is not None:
        sentences.append(f"G of the paper falls most after k = {fall}. This sign is not used: it did not find the number of "
                         "classes in the runs of this package on MNIST and digits.")
    return KChoice(best.k if best else None, rows, sentences, seeds)


def _row(cells: Sequence[Cell], reference: float) -> KRow:
    """Return the numbers of one k from the cells of all seeds."""
    def mean(name: str) -> float:
        return float(np.mean([getattr(cell, name) for cell in cells]))

    k = cells[0].k
    ratios = [generalizability(cell.train_loss, cell.validation_loss) for cell in cells if cell.validation_loss > 0]
    smallest = min(int(np.bincount(cell.labels, minlength=k).min()) for cell in cells)
    found, kmeans = (agreement(runs) for runs in ([cell.labels for cell in cells], [cell.kmeans_labels for cell in cells]))
    assert found is not None and kmeans is not None  # there are two seeds at least
    return KRow(k, found, smallest, mean("silhouette"), mean("data_silhouette"), reference,
                float(np.mean(ratios)) if len(ratios) == len(cells) else None, kmeans, mean("kmeans_silhouette"))


def reference_silhouettes(x: np.ndarray, ks: Sequence[int], seed: int) -> dict[int, float]:
    """Return for each of ``ks`` the largest silhouette of k-means in data without clusters of the extent of x (n, D).

    ``seed`` draws the data: ``N_REFERENCES`` sets are uniform in the box of the principal components of x, as for the gap
    statistic (Tibshirani, Walther, Hastie 2001), and ``N_REFERENCES`` sets are normal with the covariance of x.
    """
    rng = np.random.default_rng(seed)
    with threadpool_limits(1):  # with more threads, the order of the sums varies
        u, s, _ = np.linalg.svd(x - x.mean(axis=0, dtype=np.float64), full_matrices=False)
        scores = u * s  # (n, min(n, D)), the principal components
        data = []
        for _ in range(N_REFERENCES):
            data += [rng.uniform(scores.min(axis=0), scores.max(axis=0), scores.shape),
                     rng.normal(size=scores.shape) * (s / np.sqrt(len(x)))]
        return {k: max(float(silhouette_score(one, KMeans(k, n_init=3, random_state=seed).fit_predict(one)))
                       for one in data) for k in ks}


# ---------------------------------------------------------------- words

def _for_best(best: KRow, good: Sequence[KRow], n_seeds: int) -> str:
    others = [str(row.k) for row in good if row is not best]
    words = (f"k = {best.k}: {n_seeds} seeds agree to {best.agreement:.2f} (adjusted Rand index, at least {STABLE}), and "
             f"the silhouette in the data, {best.data_silhouette:.2f}, is above that of k-means in data without clusters, "
             f"{best.reference:.2f}.")
    if others:
        words += f" Both hold for k = {', '.join(others)} too, where the silhouette in the data is smaller."
    return words


def _for_none(rows: Sequence[KRow], n_seeds: int) -> str:
    stable = [row for row in rows if row.agreement >= STABLE]
    compact = [row for row in rows if row.data_silhouette > row.reference]
    best = max(rows, key=lambda row: row.agreement)
    words = "No k is supported. "
    if not stable:
        words += f"{n_seeds} seeds agree to {best.agreement:.2f} at most (k = {best.k}), below {STABLE}. "
    if not compact:
        words += ("The clusters are not more compact than those of k-means in data without clusters: the silhouette is not "
                  "larger for any k.")
        return words + ("" if stable else " There may be no clusters in these data.")
    listed = ", ".join(str(row.k) for row in compact)
    return words + ("Seeds agree and clusters are compact, but not for the same k. " if stable else "") + (
        f"The silhouette in the data is above that of data without clusters for k = {listed}.")


def _of_kmeans(rows: Sequence[KRow], best: KRow | None) -> str:
    good = [row for row in rows if row.kmeans_supported]
    if not good:
        return "k-means on the same rows: no k is supported either." if best is None else (
            "k-means on the same rows: by the same two conditions, no k is supported.")
    row = max(good, key=lambda row: row.kmeans_silhouette)
    words = (f"k-means on the same rows: by the same two conditions k = {row.k} (agreement {row.kmeans_agreement:.2f}, "
             f"silhouette in the data {row.kmeans_silhouette:.2f}).")
    if best is not None and best.kmeans_silhouette >= best.data_silhouette and best.kmeans_agreement >= best.agreement:
        words += f" For k = {best.k}, k-means is as stable and as compact as DEC."
    return words


def _largest_fall(rows: Sequence[KRow]) -> int | None:
    """Return the k after which G falls most per additional cluster, or None if it is not known or never falls."""
    falls = {this.k: (this.G - after.G) / (after.k - this.k)
             for this, after in zip(rows, rows[1:]) if this.G is not None and after.G is not None}
    k = max(falls, key=lambda k: falls[k], default=None)
    return k if k is not None and falls[k] > 0 else None
