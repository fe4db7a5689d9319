"""Diagnostics of a run, without labels: measurements at each refresh of P, and warnings at the end.

    sizes       rows of each cluster
    kl_before   KL(P || Q) per row, for the P that the steps before this refresh were trained on
    kl_after    KL(P || Q) per row, for the new P; the next steps lower it to the next refresh's ``kl_before``
    confidence  mean over rows of max_j q_ij, from 1/k to 1
    entropy     mean over rows of -sum_j q_ij ln q_ij, in nats, from ln k to 0
    nearest     the two nearest centroids, and ``distance`` between them
    radius      sqrt(mean ||z_i - mu_j||^2), j the cluster of row i
    spread      sqrt(mean ||z_i - mean z||^2)
    reconstruction  the autoencoder's loss, on ``SAMPLE`` rows at most; the decoder is no longer trained

The loss that is minimized is KL against one fixed P. It falls from a ``kl_after`` to the next ``kl_before``. From a
``kl_before`` to its own ``kl_after`` P changes and Q does not, so a rise there is not a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..layers import Dense, mlp, squared_error
from .records import Diagnosis, Record

__all__ = ["format_diagnosis", "measure_refresh", "reconstruction_error", "training_warnings"]

SAMPLE = 512
"""Rows of the sample for the reconstruction loss and for the test of dead networks."""
MERGED = 0.1
"""Two centroids have merged if their distance is at most this fraction of the radius."""
WORSE = 0.05
"""The end is worse than the start if a measure between 0 and 1 is worse by more than this."""


def measure_refresh(
    z: np.ndarray, mu: np.ndarray, q: np.ndarray, p: np.ndarray, before: np.ndarray | None, labels: np.ndarray,
    kl_divergence: Callable[..., float], reconstruction: float,
) -> Diagnosis:
    """Return the measurements of one refresh, in O(n (k + d)).

    Parameters
    ----------
    z, mu : ndarray of shapes (n, d) and (k, d)
        Embedding and centroids.
    q, p, before : ndarray of shape (n, k)
        Soft assignments, the new targets, and the targets before, or None if there were none.
    labels : ndarray of shape (n,)
        argmax of q.
    kl_divergence : callable
        Eq. 2, from ``equations`` or ``kernels``.
    reconstruction : float
        Loss of ``reconstruction_error``.

    Examples
    --------
    >>> from decnp.equations import kl_divergence, soft_assignment, target_distribution
    >>> z = mu = np.array([[0.0], [1.0]])
    >>> q = soft_assignment(z, mu)
    >>> found = measure_refresh(z, mu, q, target_distribution(q), None, q.argmax(axis=1), kl_divergence, 0.0)
    >>> found.sizes, round(found.kl_after, 6), round(found.confidence, 4), found.distance, found.radius, found.spread
    ((1, 1), 0.043692, 0.6667, 1.0, 0.0, 0.5)
    """
    n, k = q.shape
    distances = np.sqrt(np.sum(np.square(mu[:, None] - mu, dtype=np.float64), axis=2))  # (k, k)
    off_diagonal = np.where(np.eye(k), np.inf, distances)
    i, j = np.unravel_index(np.argmin(off_diagonal), distances.shape) if k > 1 else (0, 0)
    logs = np.log(q, out=np.zeros(q.shape, q.dtype), where=q > 0)
    return Diagnosis(
        sizes=tuple(np.bincount(labels, minlength=k).tolist()),
        kl_before=None if before is None else float(kl_divergence(before, q)) / n,
        kl_after=float(kl_divergence(p, q)) / n,
        confidence=float(q.max(axis=1).mean(dtype=np.float64)),
        entropy=-float(np.sum(q * logs, dtype=np.float64)) / n,
        nearest=(int(i), int(j)), distance=float(distances[i, j]),
        radius=_root_mean_square(z - mu[labels]), spread=_root_mean_square(z - z.mean(axis=0, dtype=np.float64)),
        reconstruction=reconstruction,
    )


def _root_mean_square(x: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.square(x, dtype=np.float64)) / len(x)))


def reconstruction_error(x: np.ndarray, theta: Sequence[Dense]) -> float:
    """Return the reconstruction loss of x (n, D), scaled as in training, through encoder and decoder ``theta``."""
    return float(squared_error(mlp(theta, x)[-1], x)[0])


def training_warnings(
    history: Sequence[Record], tol: float, planned: bool, converged: bool, update_encoder: bool = True
) -> list[str]:
    """Return the sentences that a user should read after a clustering phase.

    Parameters
    ----------
    history : sequence of Record
        Reports of the run; those of its refreshes have a ``Diagnosis``.
    tol : float
        As in ``DEC``.
    planned : bool
        True if the profile plans to end by the number of steps.
    converged : bool
        True if ``tol`` was met.
    update_encoder : bool, default=True
        True if the encoder was trained too.
    """
    refreshes = [(record, record.diagnosis) for record in history if record.diagnosis is not None]
    (_, start), (last, end) = refreshes[0], refreshes[-1]
    k = len(end.sizes)
    given = any(record.phase in ("array", "callable") for record in history)
    collapse = _collapse(refreshes, given)
    if collapse:
        return [collapse]
    said = _empty_clusters(refreshes, given)
    if k > 1 and end.distance <= MERGED * end.radius:
        said.append("clusters {} and {} have merged: their centroids are {:.3g} apart, and rows lie {:.3g} from "
                    "their centroid; try fewer clusters".format(*end.nearest, end.distance, end.radius))
    worse = _worse(start, end, update_encoder)
    if worse:
        said.append(f"DEC moved away from a better start: {' and '.join(worse)}; the labels of the "
                    "start are in initial_labels_")
    changed, n_iter = last.changed or 0.0, last.iteration
    if not converged and tol > 0 and n_iter > 0 and (not planned or changed > 10 * tol):
        said.append(f"not converged: {changed:.2%} of the labels still changed when all {n_iter} steps were taken, and "
                    f"tol is {tol:.2%}; raise max_iter")
    return said


def _collapse(refreshes: Sequence[tuple[Record, Diagnosis]], given: bool) -> str | None:
    """Return the sentence if all rows end in one of several clusters; ``given`` is True for a start that the user gave."""
    if len(refreshes[-1][1].sizes) == 1 or not _is_one_cluster(refreshes[-1][1]):
        return None
    since = _since(refreshes, _is_one_cluster)
    if since > 0:
        return f"the clustering has collapsed: since step {since} all rows are in one cluster; try a smaller kl_lr"
    if given:
        return ("all rows are in one cluster from the start on: the centroids of init are far from the embedding, or the "
                "autoencoder has collapsed")
    return ("the autoencoder has collapsed: its embedding is the same for all rows, or nearly; try a smaller lr in the "
            "profile")


def _empty_clusters(refreshes: Sequence[tuple[Record, Diagnosis]], given: bool) -> list[str]:
    """Return the sentences on clusters without rows at the end; ``given`` is True for a start that the user gave."""
    sizes = refreshes[-1][1].sizes
    since = {j: _since(refreshes, partial(_is_empty, j)) for j in range(len(sizes)) if not sizes[j]}
    died, never = [j for j in since if since[j]], [j for j in since if not since[j]]
    said = []
    if died:
        said.append(f"{len(died)} of {len(sizes)} clusters died: number {', '.join(map(str, died))} had rows, and none "
                    f"since step {', '.join(str(since[j]) for j in died)}; try fewer clusters or a smaller kl_lr")
    if never:
        said.append(f"{len(never)} of {len(sizes)} clusters have no rows at any report: number "
                    f"{', '.join(map(str, never))}; try fewer clusters{', or other centroids as init' * given}")
    return said


def _worse(start: Diagnosis, end: Diagnosis, update_encoder: bool) -> list[str]:
    """Return a clause for each measure that is worse at the end than at the start."""
    worse = []
    if end.confidence < start.confidence - WORSE:
        worse.append(f"the mean of max q fell from {start.confidence:.3f} to {end.confidence:.3f}")
    within = [(found.radius / found.spread) ** 2 if found.spread else 0.0 for found in (start, end)]
    if update_encoder and len(end.sizes) > 1 and within[1] > within[0] + WORSE:  # if it is fixed, k-means is the optimum
        worse.append("the squared distances of rows from their centroids rose from {:.0%} of the embedding's variance "
                     "to {:.0%}".format(*within))
    return worse


def format_diagnosis(start: Mapping[str, Any], end: Mapping[str, Any]) -> list[str]:
    """Return the first and the last ``Diagnosis`` of a run, the dicts ``start`` and ``end``, in a few lines.

    >>> found = Diagnosis((2, 1), None, 0.1, 0.9, 0.3, (0, 1), 2.0, 1.0, 3.0, 0.25)._asdict()
    >>> print(*format_diagnosis(found, found), sep=chr(10))
    mean of max q 0.900 -> 0.900, entropy of q 0.300 -> 0.300 nats, reconstruction loss 0.2500 -> 0.2500
    nearest centroids: 0 and 1, 2 apart; rows lie 1 from their centroid (root mean square)
    """
    arrows = [f"{label} {start[name]:{digits}} -> {end[name]:{digits}}{unit}" for label, name, digits, unit in (
        ("mean of max q", "confidence", ".3f", ""), ("entropy of q", "entropy", ".3f", " nats"),
        ("reconstruction loss", "reconstruction", ".4f", ""))]
    near = "nearest centroids: {} and {}, {:.3g} apart; ".format(*end["nearest"], end["distance"])
    near = near if len(end["sizes"]) > 1 else ""
    return [", ".join(arrows), f"{near}rows lie {end['radius']:.3g} from their centroid (root mean square)"]


def _is_one_cluster(found: Diagnosis) -> bool:
    return max(found.sizes) == sum(found.sizes)


def _is_empty(j: int, found: Diagnosis) -> bool:
    return not found.sizes[j]


def _since(refreshes: Sequence[tuple[Record, Diagnosis]], holds: Callable[[Diagnosis], bool]) -> int:
    """Return the iteration from which ``holds`` is true at every refresh."""
    first = len(refreshes)
    while first and holds(refreshes[first - 1][1]):
        first -= 1
    return refreshes[first][0].iteration
