"""Many starts, one answer, no labels: DEC from several seeds, and the run to keep.

The runs are independent and go through joblib, so that any engine that it knows takes them, with no code of ours:

    with joblib.parallel_config(backend="dask"):
        fit_restarts(DEC(10), X, n_restarts=10)
"""

from __future__ import annotations

import warnings
from typing import Callable, Optional, Sequence

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import silhouette_score

from .dec import DEC
from .metrics import normalized_mutual_info
from .training.estimator import TrainingWarning
from .utils.rows import evenly_spaced_rows
from .utils.validation import as_generator, check_number

__all__ = ["CRITERIA", "fit_restarts", "run_restarts", "scores_of"]

ROWS = 2000
"""Rows that the silhouette is taken of."""


def _diagnoses(model):
    return [step.diagnosis for step in model.history_ if step.diagnosis is not None]


def _reconstruction(model, z, others):
    """The reconstruction loss before the clustering phase."""
    return -_diagnoses(model)[0].reconstruction


def _inertia(model, z, others):
    """The share of the code's variance that k-means leaves within its clusters, before the clustering phase."""
    start = _diagnoses(model)[0]
    return -((start.radius / start.spread) ** 2) if start.spread else -np.inf


def _kl(model, z, others):
    """KL(P || Q) at the end."""
    return -_diagnoses(model)[-1].kl_after


def _confidence(model, z, others):
    """The mean of max_j q_ij at the end."""
    return _diagnoses(model)[-1].confidence


def _silhouette(model, z, others):
    """The silhouette of the end's labels in z, on ``ROWS`` evenly spaced rows at most."""
    labels = evenly_spaced_rows(model.labels_, ROWS)
    return float(silhouette_score(evenly_spaced_rows(z, ROWS), labels)) if 1 < len(np.unique(labels)) < len(labels) else -1.0


def _agreement(model, z, others):
    """The mean NMI of the end's labels with those of all other runs."""
    return float(np.mean([normalized_mutual_info(other.labels_, model.labels_) for other in others])) if others else 0.0


CRITERIA: dict[str, Callable] = {
    "agreement": _agreement, "reconstruction": _reconstruction, "silhouette": _silhouette, "inertia": _inertia,
    "confidence": _confidence, "kl": _kl,
}
"""What needs no labels and may say which run is good; more is better in each."""


def fit_restarts(
    model: DEC, X, n_restarts: int = 10, criterion: str = "agreement", n_jobs: Optional[int] = None
) -> DEC:
    """Train ``model``'s settings on X (n, D) from ``n_restarts`` seeds; the fitted run that is best by ``criterion``.

    Parameters
    ----------
    model : a ``DEC``, which stays as it is; the runs' seeds are drawn from its ``random_state``
    X : as for ``DEC.fit``; labels are not asked for
    n_restarts : number of runs
    criterion : a name in ``CRITERIA``
    n_jobs : runs at a time, as in joblib; None is one, or what ``joblib.parallel_config`` says

    Returns
    -------
    best : a fitted ``DEC`` whose ``restarts_`` lists, for each run, its seed and its scores by every criterion

    Raises ValueError for bad parameters, and as ``DEC.fit`` does; it warns of what the best run warns of.

    The default keeps the run whose labels agree most with those of the others, which takes three runs at least. Its
    rank correlation with ACC is 0.93 over ten seeds of MNIST, where it kept 95.63 of a mean of 92.33; over ten of a
    sample of RCV1 it is 0.21 (71.79 of 67.17), and over 40 of scikit-learn's digits 0.23 (72.12 of 73.36): see
    data/results/README.md. A criterion compares runs of one setting; it does not choose k, nor say that a run is right.
    Differs from the paper: it has no restarts; it starts k-means 20 times.

    >>> from decnp import Profile, load_digits
    >>> X, _ = load_digits()
    >>> quick = Profile(init_std=None, pretrain_iter=0, finetune_iter=20, max_iter=0)
    >>> best = fit_restarts(DEC(10, hidden_layer_sizes=(32, 5), profile=quick, n_init=1, random_state=0), X, 3)
    >>> len(best.restarts_), best.random_state == max(best.restarts_, key=lambda run: run["agreement"])["random_state"]
    (3, True)
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(CRITERIA)}; got {criterion!r}")
    runs = run_restarts(model, X, n_restarts, n_jobs)
    scores = scores_of(runs, X)
    best = runs[int(np.argmax([run[criterion] for run in scores]))]
    best.restarts_ = scores
    for sentence in best.warnings_:
        warnings.warn(sentence, TrainingWarning, stacklevel=2)
    return best


def run_restarts(model: DEC, X, n_restarts: int, n_jobs: Optional[int] = None) -> list[DEC]:
    """The fitted runs themselves, in the order of their seeds. Raises as ``fit_restarts`` does."""
    check_number("n_restarts", n_restarts, low=1, whole=True)
    if model.checkpoint is not None:
        raise ValueError("checkpoint must be None: several runs cannot share one file")
    seeds = as_generator(model.random_state).integers(2**31, size=n_restarts).tolist()
    runs = [clone(model).set_params(random_state=seed, autoencoder=model.autoencoder) for seed in seeds]
    return Parallel(n_jobs=n_jobs)(delayed(_train)(run, X) for run in runs)


def scores_of(runs: Sequence[DEC], X) -> list[dict]:
    """For each run its seed and its scores by every criterion: more is better."""
    found = []
    for run in runs:
        z, others = run.transform(X), [other for other in runs if other is not run]
        found.append({"random_state": run.random_state,
                      **{name: score(run, z, others) for name, score in CRITERIA.items()}})
    return found


def _train(model, X):
    for _ in model.steps(X):  # what is to be warned of is said of the best run alone
        pass
    return model
