"""Restarts: DEC from several seeds, and a choice of the best run without labels.

The runs are independent and go through joblib, so that every joblib backend can compute them:

    with joblib.parallel_config(backend="dask"):
        fit_restarts(DEC(10), X, n_restarts=10)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import silhouette_score

from .choosing.agreement import (
    KMEANS_ROWS,
    STABLE,
    agreement,
    agreement_sentence,
    cluster_agreement,
    kmeans_labels,
    matrix_of,
)
from .dec import DEC
from .metrics import normalized_mutual_info
from .training.estimator import TrainingWarning
from .training.records import Diagnosis
from .utils.rows import sampled_rows
from .utils.validation import as_generator, check_data, check_number

__all__ = ["CRITERIA", "best_of", "fit_restarts", "run_restarts", "scores_of", "seeded", "stability_of"]

SILHOUETTE_ROWS = 2000
"""Maximal number of rows in the computation of the silhouette."""

TWO_RUNS = "agreement cannot choose between two runs: the first one is kept; use three runs or more"

Criterion = Callable[[DEC, np.ndarray, Sequence[DEC]], float]
"""Function of a fitted run, its embedding z (n, d), and the other runs. It returns a score; more is better."""


def _diagnoses(model: DEC) -> list[Diagnosis]:
    """Return the diagnoses of all refreshes of P, the first one before the clustering phase."""
    return [step.diagnosis for step in model.history_ if step.diagnosis is not None]


def _agreement(model: DEC, z: np.ndarray, others: Sequence[DEC]) -> float:
    """Return the mean NMI of the final labels with those of all other runs."""
    return float(np.mean([normalized_mutual_info(other.labels_, model.labels_) for other in others])) if others else 0.0


def _reconstruction(model: DEC, z: np.ndarray, others: Sequence[DEC]) -> float:
    """Return minus the reconstruction loss before the clustering phase."""
    return -_diagnoses(model)[0].reconstruction


def _silhouette(model: DEC, z: np.ndarray, others: Sequence[DEC]) -> float:
    """Return the silhouette of the final labels in z, computed on a sample of the rows."""
    rows = sampled_rows(len(z), SILHOUETTE_ROWS)
    labels = model.labels_[rows]
    if not 1 < len(np.unique(labels)) < len(labels):
        return -1.0
    return float(silhouette_score(z[rows], labels))


def _inertia(model: DEC, z: np.ndarray, others: Sequence[DEC]) -> float:
    """Return minus the fraction of the embedding's variance within the clusters of the start."""
    start = _diagnoses(model)[0]
    return -((start.radius / start.spread) ** 2) if start.spread else -np.inf


def _confidence(model: DEC, z: np.ndarray, others: Sequence[DEC]) -> float:
    """Return the mean of max_j q_ij at the end."""
    return _diagnoses(model)[-1].confidence


def _kl(model: DEC, z: np.ndarray, others: Sequence[DEC]) -> float:
    """Return minus KL(P || Q) at the end."""
    return -_diagnoses(model)[-1].kl_after


CRITERIA: dict[str, Criterion] = {
    "agreement": _agreement, "reconstruction": _reconstruction, "silhouette": _silhouette, "inertia": _inertia,
    "confidence": _confidence, "kl": _kl,
}
"""Criteria that need no labels, by name. A higher score is better."""


def fit_restarts(
    model: DEC, X: Any, n_restarts: int = 10, criterion: str = "agreement", n_jobs: int | None = None
) -> DEC:
    """Fit DEC from several seeds and return the run that is best by a criterion without labels.

    Parameters
    ----------
    model : DEC
        Estimator with the parameters of all runs. It is not changed. The seeds of the runs are drawn from its
        ``random_state``.
    X : array-like or sparse matrix of shape (n, D)
        Data, as for ``DEC.fit``.
    n_restarts : int, default=10
        Number of runs.
    criterion : {"agreement", "reconstruction", "silhouette", "inertia", "confidence", "kl"}, default="agreement"
        A name in ``CRITERIA``. "agreement" selects the run with the largest mean NMI between its labels and the labels
        of each other run. It cannot choose between two runs: the first one is kept, and a warning says so.
    n_jobs : int or None, default=None
        Number of runs at a time, as in joblib. None means 1, unless in a ``joblib.parallel_config`` context.

    Returns
    -------
    best : DEC
        Fitted estimator of the best run. Its attribute ``restarts_`` lists the seed and all scores of each run, and
        ``stability_`` is the record of ``stability_of``. If the runs agree to less than 0.7, or if "agreement" was to
        choose between two runs, ``warnings_`` begins with a sentence that says so.

    Raises
    ------
    ValueError
        If a parameter or X is invalid.
    TrainingError
        If training diverges in one of the runs.

    Warns
    -----
    TrainingWarning
        For each warning of the best run.

    See Also
    --------
    decnp.dec.DEC : One run.
    run_restarts : All runs, without a choice.
    scores_of : Scores of the runs.
    decnp.choosing.choose_k : Several numbers of clusters.

    Notes
    -----
    The rank correlation of "agreement" with ACC is 0.62 over 40 seeds of scikit-learn's digits: the chosen run has 84.86,
    and the mean is 81.59. Over ten seeds of a sample of RCV1 the correlation is 0.01 (72.32 and 69.82), over five seeds of
    USPS 0.70 (95.49 and 86.46), and over ten seeds of MNIST, with version 0.1, 0.93 (95.63 and 92.33). The file
    data/results/README.md has the other criteria. A criterion compares runs with the same parameters. It does not choose k
    (``decnp.choose_k``), and a high score does not show that a run is right.

    Differs from the paper: the paper has no restarts of DEC. It starts k-means 20 times.

    Examples
    --------
    >>> from decnp import Profile, load_digits
    >>> X, _ = load_digits()
    >>> quick = Profile(init_std=None, pretrain_iter=0, finetune_iter=20, max_iter=0)
    >>> best = fit_restarts(DEC(10, hidden_layer_sizes=(32, 5), profile=quick, n_init=1, random_state=0), X, 3)
    >>> len(best.restarts_), best.random_state == max(best.restarts_, key=lambda run: run["agreement"])["random_state"]
    (3, True)
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}; got {criterion!r}")
    best = best_of(run_restarts(model, X, n_restarts, n_jobs), X, criterion)
    for sentence in best.warnings_:
        warnings.warn(sentence, TrainingWarning, stacklevel=2)
    return best


def run_restarts(model: DEC, X: Any, n_restarts: int, n_jobs: int | None = None) -> list[DEC]:
    """Fit ``model`` to ``X`` from ``n_restarts`` seeds and return all fitted runs, without their warnings.

    Parameters
    ----------
    model : DEC
        Estimator with the parameters of all runs, as for ``fit_restarts``.
    X : array-like or sparse matrix of shape (n, D)
        Data, as for ``DEC.fit``.
    n_restarts : int
        Number of runs.
    n_jobs : int or None, default=None
        Number of runs at a time, as in joblib.

    Returns
    -------
    runs : list of DEC
        Fitted estimators, in the order of their seeds.

    Raises
    ------
    ValueError
        If a parameter or X is invalid.
    TrainingError
        If training diverges in one of the runs.

    See Also
    --------
    fit_restarts : The best of these runs.
    """
    if not isinstance(model, DEC):
        raise ValueError(f"model must be a DEC, and X the rows that it takes; got the model {type(model).__name__}")
    if model.checkpoint is not None:
        raise ValueError("checkpoint must be None: several runs cannot share one file")
    fitted: list[DEC] = Parallel(n_jobs=n_jobs)(delayed(_fit_silently)(run, X) for run in seeded(model, n_restarts))
    return fitted


def seeded(model: DEC, n_restarts: int) -> list[DEC]:
    """Return unfitted copies of a model, each with a seed of its own.

    Parameters
    ----------
    model : DEC
        Estimator with the parameters of all runs. The seeds are drawn from its ``random_state``.
    n_restarts : int
        Number of copies.

    Returns
    -------
    runs : list of DEC
        Copies, whose ``random_state`` is an int.

    Raises
    ------
    ValueError
        If ``n_restarts`` is not a whole number >= 1.

    See Also
    --------
    run_restarts : These copies, fitted.
    """
    check_number("n_restarts", n_restarts, low=1, integer=True)
    seeds = as_generator(model.random_state).integers(2**31, size=n_restarts).tolist()
    return [clone(model).set_params(random_state=seed, autoencoder=model.autoencoder) for seed in seeds]


def best_of(runs: Sequence[DEC], X: Any, criterion: str = "agreement") -> DEC:
    """Return the run that is best by a criterion, with ``restarts_``, ``stability_`` and the warning of low agreement.

    Parameters
    ----------
    runs : sequence of DEC
        Fitted estimators. The best one is changed in place.
    X : array-like or sparse matrix of shape (n, D)
        Data to which the runs were fitted.
    criterion : str, default="agreement"
        A name in ``CRITERIA``.

    Returns
    -------
    best : DEC
        Best run, as ``fit_restarts`` returns it.

    See Also
    --------
    fit_restarts : All runs, and the best one.
    """
    scores = scores_of(runs, X)
    undecided = criterion == "agreement" and len(runs) == 2  # they differ by rounding at most
    best = runs[0 if undecided else int(np.argmax([run[criterion] for run in scores]))]
    best.restarts_, best.stability_ = scores, stability_of(runs, X, best)
    if undecided:
        best.warnings_ = [TWO_RUNS, *best.warnings_]
    found = best.stability_["agreement"]
    if found is not None and found < STABLE:
        best.warnings_ = [
            agreement_sentence(len(runs), found, best.stability_["kmeans_agreement"]), *best.warnings_]
    return best


def stability_of(runs: Sequence[DEC], X: Any, best: DEC) -> dict[str, Any]:
    """Return how far runs from several seeds agree, beside k-means from the same seeds.

    Parameters
    ----------
    runs : sequence of DEC
        Fitted estimators with the same number of clusters.
    X : array-like or sparse matrix of shape (n, D)
        Data to which the runs were fitted.
    best : DEC
        One of the runs, whose clusters are described.

    Returns
    -------
    stability : dict
        "n_runs"; "agreement", the mean adjusted Rand index over all pairs of runs, or None for one run; "clusters", for
        each cluster of ``best`` the mean over the other runs of the largest Jaccard index with one of their clusters
        (None for an empty cluster); "kmeans_agreement", the agreement of runs of k-means on X, one from each seed with
        ``n_init=1``, on at most 100,000 rows, drawn at random; "level", the agreement below which there is a warning.

    See Also
    --------
    fit_restarts : Runs to compare.
    decnp.choosing.choose_k : Agreement for several numbers of clusters.

    Notes
    -----
    The level is 0.7: see ``decnp.choosing.agreement.STABLE``. Runs that agree can all be wrong in the same way: high
    agreement does not show that the clusters are in the data, while low agreement shows that the seed decides about them.
    """
    others = [run.labels_ for run in runs if run is not best]
    seeds: list[Any] = [run.random_state for run in runs]  # numbers, from ``seeded``
    data = matrix_of(check_data(best, X, reset=False, dtype=best.cluster_centers_.dtype), KMEANS_ROWS)
    return {"n_runs": len(runs), "agreement": agreement([run.labels_ for run in runs]),
            "clusters": cluster_agreement(best.labels_, others, best.n_clusters),
            "kmeans_agreement": agreement([kmeans_labels(data, best.n_clusters, seed) for seed in seeds]), "level": STABLE}


def scores_of(runs: Sequence[DEC], X: Any) -> list[dict[str, Any]]:
    """Return the seed and the score by every criterion of each run.

    Parameters
    ----------
    runs : sequence of DEC
        Fitted estimators.
    X : array-like or sparse matrix of shape (n, D)
        Data to which the runs were fitted.

    Returns
    -------
    scores : list of dict
        For each run "random_state", and a score for each name in ``CRITERIA``; more is better.

    See Also
    --------
    run_restarts : Function that returns such runs.
    """
    scores = []
    for run in runs:
        z = np.asarray(run.transform(X))  # transform may return a DataFrame
        others = [other for other in runs if other is not run]
        scores.append({"random_state": run.random_state,
                       **{name: criterion(run, z, others) for name, criterion in CRITERIA.items()}})
    return scores


def _fit_silently(model: DEC, X: Any) -> DEC:
    """Fit a run without issuing its warnings, because only the warnings of the best run are shown."""
    for _ in model.iter_fit(X):
        pass
    return model
