"""Forms of Eq. 2, right and wrong, each with its derivatives in q and p."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .assignment_slips import Eps

__all__ = ["Loss", "LOSSES", "RIGHT_LOSS", "CROSS_ENTROPY", "LOSS_EPS_PLACES", "loss_terms", "loss_in_q", "loss_in_p"]

Terms = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(p, q, P, Q) -> (n, k). P and Q are p and q where the logarithm is taken: an epsilon may stand there."""


class Loss(NamedTuple):
    """One form of Eq. 2, a sum of terms."""

    name: str
    terms: Terms
    in_q: Terms | None
    """Derivative of the sum in q; None if it is that of a form before this one, or zero."""
    in_p: Terms | None = None


def _softmax(q: np.ndarray) -> np.ndarray:
    e = np.exp(q)
    return e / e.sum(axis=1, keepdims=True)


def _one_hot(p: np.ndarray) -> np.ndarray:
    return (p == p.max(axis=1, keepdims=True)).astype(float)


log = np.log
RIGHT_LOSS = Loss("", lambda p, q, P, Q: p * (log(P) - log(Q)), lambda p, q, P, Q: -p / Q,
                  lambda p, q, P, Q: log(P) - log(Q) + p / P)
CROSS_ENTROPY = Loss("the term p log p is missing: this is the cross-entropy", lambda p, q, P, Q: -p * log(Q),
                     lambda p, q, P, Q: -p / Q, lambda p, q, P, Q: -log(Q))
LOSSES = [
    RIGHT_LOSS,
    Loss("p and q are swapped: this is KL(Q || P) (or the order of the arguments is q, p)",
         lambda p, q, P, Q: q * (log(Q) - log(P)), lambda p, q, P, Q: log(Q) - log(P) + q / Q,
         lambda p, q, P, Q: -q / P),
    CROSS_ENTROPY,
    Loss("the cross-entropy with p and q swapped", lambda p, q, P, Q: -q * log(P), lambda p, q, P, Q: -log(P)),
    Loss("the logarithm of q is forgotten, as in F.kl_div(q, p) for F.kl_div(q.log(), p)",
         lambda p, q, P, Q: p * (log(P) - q), lambda p, q, P, Q: -p, lambda p, q, P, Q: log(P) - q + p / P),
    Loss("p and q are swapped and the logarithm of p is forgotten, as in F.kl_div(p, q)",
         lambda p, q, P, Q: q * (log(Q) - p), lambda p, q, P, Q: log(Q) - p + q / Q),
    Loss("both logarithms are forgotten: it is the sum of p (p - q)", lambda p, q, P, Q: p * (p - q), None),
    Loss("the logarithm is forgotten: it is the sum of p p/q", lambda p, q, P, Q: p * P / Q,
         lambda p, q, P, Q: -p * P / Q**2),
    Loss("the weight p is missing: it is the sum of log(p/q)", lambda p, q, P, Q: log(P) - log(Q),
         lambda p, q, P, Q: -1 / Q, lambda p, q, P, Q: 1 / P),
    Loss("the logarithm is doubled: log_softmax is applied to q, which is a distribution already",
         lambda p, q, P, Q: p * (log(P) - log(_softmax(q))), lambda p, q, P, Q: _softmax(q) - p),
    Loss("p is taken as log p, as with log_target=True: it is the sum of exp(p) (p - log q)",
         lambda p, q, P, Q: np.exp(p) * (p - log(Q)), lambda p, q, P, Q: -np.exp(p) / Q),
    Loss("it is the squared error of p and q, not KL", lambda p, q, P, Q: (p - q) ** 2,
         lambda p, q, P, Q: 2 * (q - p), lambda p, q, P, Q: 2 * (p - q)),
    Loss("it is the absolute error of p and q, not KL", lambda p, q, P, Q: np.abs(p - q),
         lambda p, q, P, Q: np.sign(q - p)),
    Loss("it is the binary cross-entropy, not KL", lambda p, q, P, Q: -p * log(Q) - (1 - p) * log(1 - Q),
         lambda p, q, P, Q: -p / Q + (1 - p) / (1 - Q), lambda p, q, P, Q: log(1 - Q) - log(Q)),
    Loss("it is the symmetric KL(P || Q) + KL(Q || P)", lambda p, q, P, Q: (p - q) * (log(P) - log(Q)),
         lambda p, q, P, Q: log(Q) - log(P) + (q - p) / Q, lambda p, q, P, Q: log(P) - log(Q) + (p - q) / P),
    Loss("it is the Jensen-Shannon divergence, not KL",
         lambda p, q, P, Q: (p * log(2 * p / (p + q)) + q * log(2 * q / (p + q))) / 2,
         lambda p, q, P, Q: log(2 * q / (p + q)) / 2),
    Loss("the absolute value of each term is taken", lambda p, q, P, Q: np.abs(p * (log(P) - log(Q))),
         lambda p, q, P, Q: -p / Q * np.sign(log(P) - log(Q))),
    Loss("p is made hard: it is the cross-entropy of the largest p of each point",
         lambda p, q, P, Q: -_one_hot(p) * log(Q), lambda p, q, P, Q: -_one_hot(p) / Q),
    Loss("it is the entropy of q, not KL", lambda p, q, P, Q: -q * log(Q), lambda p, q, P, Q: -log(Q) - q / Q),
    Loss("q is missing: it is the sum of p log p", lambda p, q, P, Q: p * log(P), None),
]
"""The right form first, with the name ""."""

LOSS_EPS_PLACES = {
    "log q": "log(q + {0})",
    "log p": "log(p + {0})",
    "both logs": "log(p + {0}) and log(q + {0})",
    "log p/q": "log(p/q + {0})",
    "log p/q twice": "log(p/(q + {0}) + {0})",
}
"""Places of an epsilon in Eq. 2, as they are printed. The last two are those of the right form only."""


def _inside(p: np.ndarray, q: np.ndarray, eps: Eps | None) -> tuple[np.ndarray, np.ndarray]:
    """Return p and q as they stand in the logarithms."""
    place, size = eps or ("", 0.0)
    return (p + size if place in ("log p", "both logs") else p), (q + size if place in ("log q", "both logs") else q)


def _ratio(p: np.ndarray, q: np.ndarray, eps: Eps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p, the q that divides it, and the argument of the logarithm, for log(p/q + eps)."""
    q = q + eps.size if eps.place == "log p/q twice" else q
    return p, q, p / q + eps.size


def loss_terms(loss: Loss, p: np.ndarray, q: np.ndarray, eps: Eps | None = None) -> np.ndarray:
    """Return the terms (n, k) of ``loss`` for p and q, with an epsilon if ``eps`` is given."""
    if eps and eps.place.startswith("log p/q"):
        return p * log(_ratio(p, q, eps)[2])
    return loss.terms(p, q, *_inside(p, q, eps))


def loss_in_q(loss: Loss, p: np.ndarray, q: np.ndarray, eps: Eps | None = None) -> np.ndarray:
    """Return the derivative (n, k) of ``loss`` with respect to q, for p and with ``eps`` as in ``loss_terms``."""
    if eps and eps.place.startswith("log p/q"):
        _, divisor, argument = _ratio(p, q, eps)
        return -p * p / divisor**2 / argument
    assert loss.in_q is not None
    return loss.in_q(p, q, *_inside(p, q, eps))


def loss_in_p(loss: Loss, p: np.ndarray, q: np.ndarray, eps: Eps | None = None) -> np.ndarray:
    """Return the derivative (n, k) of ``loss`` with respect to p, for q and with ``eps`` as in ``loss_terms``."""
    assert loss.in_p is not None
    return loss.in_p(p, q, *_inside(p, q, eps))
