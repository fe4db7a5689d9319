"""Forms of Eqs. 4 and 5, right and wrong: gradients of a wrong Eq. 1 or 2, and wrong formulas of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import product

import numpy as np

from ..equations import target_distribution
from . import vjps
from .assignment_slips import EPS_PLACES, IGNORED, KERNELS, RIGHT_KERNEL, Eps, Kernel, assign
from .forms import Form
from .loss_slips import CROSS_ENTROPY, LOSS_EPS_PLACES, LOSSES, RIGHT_LOSS, Loss, loss_in_p, loss_in_q, loss_terms
from .trials import Trial

__all__ = ["gradient_forms", "batch_forms", "targets_of"]

Q_OF = " (in the q inside the gradient)"
DIFFERENTIATED = " (in Eq. 1; this is the true gradient of that q)"
OWN = "p is ignored: P is taken from the batch itself, where it must come from the whole data"
THROUGH = "P is not held constant: the gradient goes through P, too (detach P)"
SOURCES = {
    "": "", "own": OWN, "through": THROUGH,
    "through, f": "only f is held constant: the gradient goes through the rest of P (detach P as a whole)",
    "through, row sums":
        "only the row sums of P are held constant: the gradient goes through the rest of P (detach P as a whole)",
}
"""Source of P -> name of the slip; "" is the P that is given."""


@lru_cache
def gradient_forms(equation: int, own_p: bool, ignores_p: bool) -> tuple[Form, ...]:
    """Return the forms of ``equation``, 4 or 5, with at most two slips, single ones first.

    ``own_p``: the user's loss makes P itself, as do the trials. ``ignores_p``: the function takes P, but another P
    gives the same result.
    """
    own = ["own"] if ignores_p else [""]
    sources = [*own, *(source for source in SOURCES if source.startswith("through"))] if ignores_p or own_p else own
    forms = [*_of_wrong_equations(equation, own_p, sources), *_by_hand(equation), *_sums(equation)]
    return tuple(sorted(forms, key=lambda form: len(form.names)))


def targets_of(trial: Trial, q: np.ndarray, source: str) -> np.ndarray:
    """Return P: that of the trial if ``source`` is "", else that of q by Eq. 3."""
    return trial.targets if source == "" else target_distribution(q)


def _combine(equation: int, weight: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Return sum_j weight_ij pull_ij for Eq. 4, minus the sum over i for Eq. 5."""
    if weight.ndim == 3:
        return np.sum(weight * pull, axis=1) if equation == 4 else -np.sum(weight * pull, axis=0)
    if equation == 4:
        return np.einsum("ij,ijt->it", weight, pull)
    return -np.einsum("ij,ijt->jt", weight, pull)


# ---------------------------------------------------------------- the gradient of a wrong q, loss or P


def _of_wrong_equations(equation: int, own_p: bool, sources: list[str]) -> Iterator[Form]:
    for kernel in KERNELS:
        for loss in LOSSES:
            for source in sources:
                if not _has_gradient(loss, source):
                    continue
                q_name = kernel.name + (DIFFERENTIATED if kernel.name not in ("", IGNORED) else "")
                p_name = SOURCES[source]
                names = tuple(name for name in (q_name, loss.name, p_name) if name)
                if len(names) <= 2:
                    value = partial(_differentiated, equation, kernel, loss, own_p, source)
                    yield Form(names, value, _places(loss, source))


def _has_gradient(loss: Loss, source: str) -> bool:
    if source.startswith("through"):
        return loss.in_q is not None and loss.in_p is not None
    return loss.in_q is not None and loss is not CROSS_ENTROPY  # P is constant: KL and cross-entropy are the same


def _places(loss: Loss, source: str) -> tuple[str, ...]:
    """Return the places of an epsilon; one in log p does not show where p is constant."""
    ratios = [place for place in LOSS_EPS_PLACES if "/" in place and loss is RIGHT_LOSS]
    return ("log q", *(["both logs"] if source.startswith("through") else []), *ratios, *EPS_PLACES)


def _differentiated(
    equation: int, kernel: Kernel, loss: Loss, own_p: bool, source: str, trial: Trial, eps: Eps | None
) -> np.ndarray:
    """Return the gradient of a loss of a kernel."""
    a = assign(trial, kernel, eps)
    key = (kernel.name, loss.name, source, own_p)
    if eps is not None or key not in trial.cache:
        p = targets_of(trial, a.q, source or ("own" if own_p else ""))
        g = loss_in_q(loss, p, a.q, eps)
        if source.startswith("through"):
            constant = source.partition(", ")[2]
            g = g + vjps.target_distribution_vjp(loss_in_p(loss, p, a.q, eps), a.q, constant)
        weights = a.weights(g)
        if eps is not None:
            return _combine(equation, weights, a.pull)
        trial.cache[key] = weights
    return _combine(equation, trial.cache[key], a.pull)


BATCHES = {
    "own": "P is taken per batch (of {0}): f must sum over the whole data",
    "first": "P is that of other rows: each batch (of {0}) gets the P of the first one",
    "before": "P is that of other rows: each batch (of {0}) gets the P of the batch before",
}
"""Source of the P of a batch, in words."""


def batch_forms(equation: int, sizes: list[int], given_p: bool) -> Iterator[Form]:
    """Yield the forms of ``equation``, 2 (of Eq. 1), 4 or 5, whose P is made from batches or is that of other rows.

    ``sizes`` are the batch sizes to try. ``given_p``: P is that of the trial, and not made from q.
    """
    ignored = next(kernel for kernel in KERNELS if kernel.name == IGNORED)
    for kind, size, kernel, through in product(BATCHES, sizes, (RIGHT_KERNEL, ignored), (False, True)):
        names = (*filter(None, (kernel.name, BATCHES[kind].format(size), THROUGH if through else "")),)
        if len(names) <= 2 and not ((kind != "own" or equation == 2) and through) and not (kind == "own" and given_p):
            value = partial(_of_batches, equation, kernel, kind, size, through, given_p)
            yield Form(names, value, _places(RIGHT_LOSS, ""))


def _of_batches(
    equation: int, kernel: Kernel, kind: str, size: int, through: bool, given_p: bool, trial: Trial, eps: Eps | None
) -> np.ndarray:
    a = assign(trial, kernel, eps)
    starts, batch = np.arange(0, trial.n, size), np.arange(trial.n) // size
    f = np.add.reduceat(a.q, starts, axis=0)[batch]
    w = a.q**2 / f
    total = w.sum(axis=1, keepdims=True)
    p = trial.targets if given_p else w / total
    if kind == "first":
        p = np.resize(p[:size], p.shape)
    elif kind == "before":
        p = np.concatenate([p[:size], p[:-size]])
    if equation == 2:
        return np.sum(loss_terms(RIGHT_LOSS, p, a.q, eps))
    g = loss_in_q(RIGHT_LOSS, p, a.q, eps)
    if through:
        in_p = loss_in_p(RIGHT_LOSS, p, a.q, eps)  # then as in vjps.target_distribution_vjp, batch by batch
        in_w = (in_p - np.sum(in_p * p, axis=1, keepdims=True)) / total
        g = g + 2 * in_w * a.q / f - np.add.reduceat(in_w * w / f, starts, axis=0)[batch]
    return _combine(equation, a.weights(g), a.pull)


# ---------------------------------------------------------------- wrong formulas of the gradient

WEIGHTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "": lambda p, q: p - q,
    "q is missing: p stands for (p - q)": lambda p, q: p + 0 * q,
    "p is missing: q stands for (p - q)": lambda p, q: q + 0 * p,
    "|p - q| stands for (p - q)": lambda p, q: np.abs(p - q),
    "(p - q)^2 stands for (p - q)": lambda p, q: (p - q) ** 2,
    "p/q stands for (p - q)": lambda p, q: p / q,
    "log(p/q) stands for (p - q)": lambda p, q: np.log(p / q),
    "p log(p/q) stands for (p - q)": lambda p, q: p * np.log(p / q),
    "(p - q) is divided by q": lambda p, q: p / q - 1,
    "(p - q) is multiplied by q": lambda p, q: q * (p - q),
    "(p - q) is multiplied by p": lambda p, q: p * (p - q),
}
POWERS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "": lambda u, alpha: u,
    "the bracket has the power (alpha + 1)/2 of Eq. 1; in Eqs. 4 and 5 it is 1":
        lambda u, alpha: u ** ((alpha + 1) / 2),
    "the bracket u_ij = 1 / (1 + d/alpha) is missing": lambda u, alpha: np.ones_like(u),
    "the bracket u_ij = 1 / (1 + d/alpha) is upside down": lambda u, alpha: 1 / u,
    "the bracket u_ij = 1 / (1 + d/alpha) is squared": lambda u, alpha: u**2,
    "the bracket has the power (alpha + 1)/2 + 1: that of Eq. 1 is there, too":
        lambda u, alpha: u ** ((alpha + 3) / 2),
    "the bracket is normalized: q stands for u": lambda u, alpha: _powered(u, alpha),
    "d is not divided by alpha in the bracket": lambda u, alpha: 1 / (1 + alpha * (1 / u - 1)),
    "d is not squared in the bracket": lambda u, alpha: 1 / (1 + np.sqrt(alpha * (1 / u - 1)) / alpha),
    "d is squared twice in the bracket": lambda u, alpha: 1 / (1 + (alpha * (1 / u - 1)) ** 2 / alpha),
}
PULLS: dict[str, Callable[[Trial], np.ndarray]] = {
    "": lambda t: t.diff,
    "(z - mu)^2 stands for z - mu": lambda t: t.diff**2,
    "|z - mu| stands for z - mu": lambda t: np.abs(t.diff),
    "the sign of z - mu stands for z - mu": lambda t: np.sign(t.diff),
    "z - mu is divided by its length": lambda t: t.diff / np.sqrt(t.dist2)[:, :, None],
    "z stands for z - mu": lambda t: np.broadcast_to(t.z[:, None], t.diff.shape),
    "mu stands for z - mu": lambda t: np.broadcast_to(t.mu[None], t.diff.shape),
    "z + mu stands for z - mu": lambda t: t.z[:, None] + t.mu[None],
}


def _powered(u: np.ndarray, alpha: float) -> np.ndarray:
    s = u ** ((alpha + 1) / 2)
    return s / s.sum(axis=1, keepdims=True)


def _by_hand(equation: int) -> Iterator[Form]:
    """Yield slips of one or two of the parts of Eq. 4 or 5. The factor is matched elsewhere."""
    for w_name, weight in WEIGHTS.items():
        for u_name in POWERS:
            for pull_name in PULLS:
                for kernel in KERNELS:
                    q_name = kernel.name + (Q_OF if kernel.name else "")
                    names = tuple(name for name in (w_name, u_name, pull_name, q_name) if name)
                    if 1 <= len(names) <= 2:
                        parts = (weight, u_name, pull_name, kernel)
                        yield Form(names, partial(_written, equation, parts), tuple(EPS_PLACES))


def _written(equation: int, parts: tuple[Callable, str, str, Kernel], trial: Trial, eps: Eps | None) -> np.ndarray:
    """Return Eq. 4 or 5 from its parts, each of which may be a wrong one."""
    weight, power, pull, kernel = parts
    a, factor = trial.alpha, (trial.alpha + 1) / trial.alpha
    q = assign(trial, kernel, eps).q
    u = _cached(trial, ("u", power), lambda: POWERS[power](1 / (1 + trial.dist2 / a), a))
    pulls = _cached(trial, ("pull", pull), lambda: PULLS[pull](trial))
    return _combine(equation, factor * u * weight(trial.targets, q), pulls)


def _cached(trial: Trial, key: tuple[str, str], make: Callable[[], np.ndarray]) -> np.ndarray:
    if key not in trial.cache:
        trial.cache[key] = make()
    return trial.cache[key]


def _sums(equation: int) -> Iterator[Form]:
    """Yield forms in which the wrong index is summed over, or nothing is summed over the dimensions."""
    everything = "q and the bracket are computed in each dimension alone, and "
    yield Form((everything + "nothing else is wrong",), partial(_by_dimension, equation, 1))
    yield Form((everything + "(z - mu)^2 stands for z - mu",), partial(_by_dimension, equation, 2))
    if equation == 5:
        yield Form((everything + "z (z - mu)^2, summed over the dimensions, stands for z - mu",), _times_z)
    if equation == 5:
        yield Form(("the sum is over j, too: each centroid gets the gradient of all",), _sum_of_all)
        yield Form(("the weights are summed over j before the sum over i",), _weights_of_all)
        return
    yield Form(("only the nearest centroid pulls: the sum over j is missing",), _nearest_only)


def _by_dimension(equation: int, power: int, trial: Trial, eps: Eps | None) -> np.ndarray:
    a = trial.alpha
    u = 1 / (1 + trial.diff**2 / a)  # (n, k, d)
    s = u ** ((a + 1) / 2)
    weight = (a + 1) / a * u * (trial.targets[:, :, None] - s / s.sum(axis=1, keepdims=True))
    return _combine(equation, weight, trial.diff**power)


def _times_z(trial: Trial, eps: Eps | None) -> np.ndarray:
    a = trial.alpha
    u = 1 / (1 + trial.diff**2 / a)
    s = u ** ((a + 1) / 2)
    weight = (a + 1) / a * u * (trial.targets[:, :, None] - s / s.sum(axis=1, keepdims=True)) * trial.diff**2
    return -np.einsum("ijs,it->jt", weight, trial.z)


def _right_weights(trial: Trial) -> np.ndarray:
    a = trial.alpha
    return (a + 1) / a / (1 + trial.dist2 / a) * (trial.targets - trial.soft)


def _sum_of_all(trial: Trial, eps: Eps | None) -> np.ndarray:
    total = -np.einsum("ij,ijt->t", _right_weights(trial), trial.diff)
    return np.broadcast_to(total, trial.mu.shape)


def _weights_of_all(trial: Trial, eps: Eps | None) -> np.ndarray:
    return -np.einsum("i,ijt->jt", _right_weights(trial).sum(axis=1), trial.diff)


def _nearest_only(trial: Trial, eps: Eps | None) -> np.ndarray:
    nearest = trial.dist2 == trial.dist2.min(axis=1, keepdims=True)
    return _combine(4, _right_weights(trial) * nearest, trial.diff)
