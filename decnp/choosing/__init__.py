"""Number of clusters: agreement of seeds for each k, and a rule without labels that may choose none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dec import DEC
from ..io.atomic import PathLike
from .plan import plan_of, run_plan
from .verdict import KChoice, KRow

__all__ = ["KChoice", "KRow", "choose_k"]


def choose_k(
    model: DEC, X: Any, ks: Iterable[int] = range(2, 13), n_seeds: int = 3, n_jobs: int | None = None,
    folder: PathLike | None = None, verbose: int = 0,
) -> KChoice:
    """Fit DEC with several numbers of clusters from several seeds, and return which k are supported, if any.

    Parameters
    ----------
    model : DEC
        Estimator with the parameters of all runs, except ``n_clusters``. It is not changed. The seeds are drawn from its
        ``random_state``.
    X : array-like or sparse matrix of shape (n, D)
        Data, as for ``DEC.fit``. A memory map is read into memory.
    ks : iterable of int, default=range(2, 13)
        Numbers of clusters, at least 2.
    n_seeds : int, default=3
        Number of seeds, at least 2. Each trains an autoencoder of its own, which serves for all k.
    n_jobs : int or None, default=None
        Number of seeds at a time, as in joblib. None means 1, unless in a ``joblib.parallel_config`` context.
    folder : path, default=None
        Folder for the finished runs, one file for each k and seed. Runs that are there are not computed again.
    verbose : int, default=0
        1 writes a line to standard error for each finished run.

    Returns
    -------
    choice : KChoice
        ``best_k``, ``rows`` with the numbers of each k, and ``sentences``. ``print(choice)`` shows them.

    Raises
    ------
    ValueError
        If a parameter or X is invalid.
    CheckpointError
        If a file in the folder is damaged, or of other parameters or data.
    TrainingError
        If the training diverges.

    See Also
    --------
    decnp.restarts.fit_restarts : Several seeds with one k.
    decnp.metrics.generalizability : G of the paper.

    Notes
    -----
    Each seed trains on four fifths of the rows, drawn by the seed, and gives all rows a cluster. k-means does the same from
    the same seeds, with ``n_init=1``. A k is supported if both of these conditions hold:

    - *Stable.* The mean adjusted Rand index over all pairs of seeds is at least 0.7 (``decnp.choosing.agreement.STABLE``),
      and no cluster is empty.
    - *Compact.* The silhouette in the data, a mean over the seeds, is larger than that of k-means in each of ten data sets
      without clusters: five uniform in the box of the principal components of X, and five normal with the covariance of X.

    ``best_k`` is the supported k with the largest silhouette in the data, or None. Labels are not used. The silhouette in
    the embedding is not used, because DEC increases it by itself. Silhouettes are computed on at most 2000 rows, drawn
    at random. Both conditions are needed: in two columns of uniform noise the seeds agree to 0.71 for k = 3, and only the
    second condition excludes this k (docs/choosing_k.md).

    A supported k is not proved to be right. A continuum such as a bent line satisfies both conditions, for many k. Groups
    that are not compact in the data, such as rings, do not satisfy the second one.

    Differs from the paper: the paper chooses k by G and by NMI, which needs labels (Fig. 6).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(scale=4, size=(4, 6))[np.arange(300) % 4] + rng.normal(size=(300, 6))  # four groups
    >>> choose_k(DEC(hidden_layer_sizes=(32, 5), random_state=0), X, ks=[3, 4, 5]).best_k
    4
    """
    return run_plan(plan_of(model, X, ks, n_seeds), n_jobs, folder, verbose)
