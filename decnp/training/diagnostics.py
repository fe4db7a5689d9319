"""What a run says of itself, without labels: numbers at each refresh of P, and sentences at the end.

    sizes       rows of each cluster
    kl_before   KL(P || Q) a row, of the P that the steps before this refresh were trained on
    kl_after    KL(P || Q) a row, of the new P; from here the steps go down to the next refresh's ``kl_before``
    confidence  mean over rows of max_j q_ij, from 1/k to 1
    entropy     mean over rows of -sum_j q_ij ln q_ij, in nats, from ln k to 0
    nearest     the two nearest centroids, and ``distance``, how far they are apart
    radius      sqrt(mean ||z_i - mu_j||^2), j the cluster of row i
    spread      sqrt(mean ||z_i - mean z||^2)
    reconstruction  the autoencoder's loss, on ``SAMPLE`` rows at most; the decoder stays as it was pretrained

The loss that is minimised is KL against one fixed P: it falls from a ``kl_after`` to the next ``kl_before``. From a
``kl_before`` to its own ``kl_after`` P changes and Q does not, so a rise there is no failure.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np

from ..layers import Dense, mlp, squared_error
from ..utils.rows import evenly_spaced_rows
from .records import Diagnosis, Step

__all__ = ["diagnose", "findings", "in_words", "reconstruction_of", "sample"]

SAMPLE = 512
MERGED = 0.1
"""Two centroids have merged when they are nearer than this part of the radius."""
WORSE = 0.05
"""The end is worse than the start when it is so by this much, of 1."""


def diagnose(
    z: np.ndarray, mu: np.ndarray, q: np.ndarray, p: np.ndarray, before: Optional[np.ndarray], labels: np.ndarray,
    kl_divergence: Callable, reconstruction: float,
) -> Diagnosis:
    """The numbers of one refresh, in O(n (k + d)).

    Parameters
    ----------
    z, mu : (n, d) embedding and (k, d) centroids
    q, p, before : (n, k) soft assignments, the new targets and those before, or None at the first refresh
    labels : (n,) argmax of q
    kl_divergence : Eq. 2, from ``equations`` or ``kernels``
    reconstruction : the loss, see ``reconstruction_of``

    >>> from decnp.equations import kl_divergence, soft_assignment, target_distribution
    >>> z = mu = np.array([[0.0], [1.0]])
    >>> q = soft_assignment(z, mu)
    >>> found = diagnose(z, mu, q, target_distribution(q), None, q.argmax(axis=1), kl_divergence, 0.0)
    >>> found.sizes, round(found.kl_after, 6), round(found.confidence, 4), found.distance, found.radius, found.spread
    ((1, 1), 0.043692, 0.6667, 1.0, 0.0, 0.5)
    """
    n, k = q.shape
    apart = np.sqrt(np.sum(np.square(mu[:, None] - mu, dtype=np.float64), axis=2))  # (k, k)
    i, j = np.unravel_index(np.argmin(apart + np.where(np.eye(k), np.inf, 0)), apart.shape) if k > 1 else (0, 0)
    logs = np.log(q, out=np.zeros(q.shape, q.dtype), where=q > 0)
    return Diagnosis(
        sizes=tuple(np.bincount(labels, minlength=k).tolist()),
        kl_before=None if before is None else float(kl_divergence(before, q)) / n,
        kl_after=float(kl_divergence(p, q)) / n,
        confidence=float(q.max(axis=1).mean(dtype=np.float64)),
        entropy=-float(np.sum(q * logs, dtype=np.float64)) / n,
        nearest=(int(i), int(j)), distance=float(apart[i, j]),
        radius=_root_mean_square(z - mu[labels]), spread=_root_mean_square(z - z.mean(axis=0, dtype=np.float64)),
        reconstruction=reconstruction,
    )


def _root_mean_square(x):
    return float(np.sqrt(np.sum(np.square(x, dtype=np.float64)) / len(x)))


def sample(X) -> np.ndarray:
    """At most ``SAMPLE`` of X's rows, evenly spaced."""
    return evenly_spaced_rows(X, SAMPLE)


def reconstruction_of(x: np.ndarray, theta: Sequence[Dense]) -> float:
    """The reconstruction loss of x (n, D), scaled as in training, through encoder and decoder together."""
    return float(squared_error(mlp(theta, x)[-1], x)[0])


def findings(history: Sequence[Step], tol: float, planned: bool, converged: bool, moves: bool = True) -> list[str]:
    """What a user should know of a clustering phase that is over, in sentences.

    Parameters
    ----------
    history : the reports of the run; those of its refreshes have a ``Diagnosis``
    tol : as in ``DEC``
    planned : whether to end by the number of steps is the profile's plan
    converged : whether ``tol`` was met
    moves : whether the encoder was trained too
    """
    steps = [step for step in history if step.diagnosis is not None]
    start: Any = steps[0].diagnosis
    end: Any = steps[-1].diagnosis
    k, said = len(end.sizes), []
    dead = [j for j in range(k) if not end.sizes[j]]
    if k > 1 and len(dead) == k - 1:
        since = _since(steps, lambda found: max(found.sizes) == sum(found.sizes))
        said.append(
            "the autoencoder has collapsed: its code is the same for all rows, or nearly; try a smaller lr in the "
            "profile"
            if since == 0 else
            f"the clustering has collapsed: since step {since} all rows are in one cluster; try a smaller kl_lr")
        return said
    if dead:
        since = [str(_since(steps, lambda found, j=j: not found.sizes[j])) for j in dead]
        said.append(f"{len(dead)} of {k} clusters died: number {', '.join(map(str, dead))} had rows at the start and "
                    f"none since step {', '.join(since)}; try fewer clusters or a smaller kl_lr")
    if k > 1 and end.distance <= MERGED * end.radius:
        said.append("clusters {} and {} have merged: their centroids are {:.3g} apart, and rows lie {:.3g} from "
                    "theirs; try fewer clusters".format(*end.nearest, end.distance, end.radius))
    worse = []
    if end.confidence < start.confidence - WORSE:
        worse.append(f"the mean of max q fell from {start.confidence:.3f} to {end.confidence:.3f}")
    within = [(found.radius / found.spread) ** 2 if found.spread else 0.0 for found in (start, end)]
    if moves and k > 1 and within[1] > within[0] + WORSE:  # a fixed encoder's k-means cannot but get worse in this
        worse.append("the squared distances of rows from their centroids rose from {:.0%} of the embedding's variance "
                     "to {:.0%}".format(*within))
    if worse:
        said.append(f"DEC moved away from a better start: {' and '.join(worse)}; the k-means labels are in "
                    "initial_labels_")
    changed, n_iter = steps[-1].changed or 0.0, steps[-1].iteration
    if not converged and tol > 0 and n_iter > 0 and (not planned or changed > 10 * tol):
        said.append(f"not converged: {changed:.2%} of the labels still changed when all {n_iter} steps were taken, and "
                    f"tol is {tol:.2%}; raise max_iter")
    return said


def in_words(start: dict, end: dict) -> list[str]:
    """The first and the last ``Diagnosis`` of a run, as dicts, in a few lines.

    >>> found = Diagnosis((2, 1), None, 0.1, 0.9, 0.3, (0, 1), 2.0, 1.0, 3.0, 0.25)._asdict()
    >>> print(*in_words(found, found), sep=chr(10))
    mean of max q 0.900 -> 0.900, entropy of q 0.300 -> 0.300 nats, reconstruction loss 0.2500 -> 0.2500
    nearest centroids: 0 and 1, 2 apart; rows lie 1 from theirs (root mean square)
    """
    arrows = [f"{label} {start[name]:{digits}} -> {end[name]:{digits}}{unit}" for label, name, digits, unit in (
        ("mean of max q", "confidence", ".3f", ""), ("entropy of q", "entropy", ".3f", " nats"),
        ("reconstruction loss", "reconstruction", ".4f", ""))]
    near = "nearest centroids: {} and {}, {:.3g} apart; ".format(*end["nearest"], end["distance"])
    near = near if len(end["sizes"]) > 1 else ""
    return [", ".join(arrows), f"{near}rows lie {end['radius']:.3g} from theirs (root mean square)"]


def _since(steps, holds):
    """The iteration from which on ``holds`` is true of every refresh."""
    first = len(steps)
    while first and holds(steps[first - 1].diagnosis):
        first -= 1
    return steps[first].iteration
