"""Explanations in words, and their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, product

import numpy as np

from .assignment_slips import EPS_PLACES, IGNORED, KERNELS, Eps, Kernel, assign
from .forms import REDUCTIONS, Explanation, Form, explain, fit_alpha
from .gradient_slips import batch_forms, gradient_forms
from .loss_slips import LOSS_EPS_PLACES, LOSSES, RIGHT_LOSS, Loss, loss_terms
from .target_slips import TARGET_EPS_PLACES, TARGET_FORMS, batches
from .trials import Trial
from .verdicts import Verdict

__all__ = ["explanations_of", "verdict_of", "words_of", "joined", "factor_of", "ok_reduction"]

MEANS = ("the batch", "the n k entries")
"""Reductions that are usual, and no mistake. The others are factors."""

CONSTANTS = {0.5: "a half of the loss, or a forgotten 2 of the chain rule", 2.0: "a 2 of the chain rule too many",
             1 / np.log(2): "the logarithm is to base 2; the loss is in nats",
             1 / np.log(10): "the logarithm is to base 10; the loss is in nats"}
"""Constants, and where they may come from."""

FIXED_ALPHA = "alpha = {:.4g} is fixed inside"
BRACKETS = "a bracket is missing in the exponent -(alpha + 1) / 2: (...) **"


# ---------------------------------------------------------------- the forms of each equation


def _assignment_forms() -> Iterator[Form]:
    for kernel in KERNELS:
        yield Form((kernel.name,) if kernel.name else (), partial(_q, kernel), tuple(EPS_PLACES))


def _q(kernel: Kernel, trial: Trial, eps: Eps | None) -> np.ndarray:
    return assign(trial, kernel, eps).q


def _loss_forms() -> Iterator[Form]:
    for loss in LOSSES:
        places = tuple(LOSS_EPS_PLACES) if loss is RIGHT_LOSS else tuple(LOSS_EPS_PLACES)[:3]
        yield Form((loss.name,) if loss.name else (), partial(_kl, loss), places)


def _kl(loss: Loss, trial: Trial, eps: Eps | None) -> np.ndarray:
    return np.sum(loss_terms(loss, trial.p, trial.q, eps))


def _target_forms() -> Iterator[Form]:
    yield from TARGET_FORMS


@lru_cache
def _forms_of_loss_and_q(own_p: bool) -> tuple[Form, ...]:
    """Return the forms of Eq. 2 of Eq. 1, with at most two slips."""
    forms = [Form(tuple(filter(None, (kernel.name, loss.name))), partial(_kl_of_q, kernel, loss, own_p),
                  (*tuple(LOSS_EPS_PLACES)[: None if loss is RIGHT_LOSS else 3], *EPS_PLACES))
             for kernel in KERNELS for loss in LOSSES]
    if not own_p:
        forms += [Form((f"{OWN_P}", *filter(None, (kernel.name,))), partial(_kl_of_q, kernel, RIGHT_LOSS, True))
                  for kernel in KERNELS]
    return tuple(sorted(forms, key=lambda form: len(form.names)))


OWN_P = "p is ignored: P is taken from the batch itself, where it must come from the whole data"


def _kl_of_q(kernel: Kernel, loss: Loss, own_p: bool, trial: Trial, eps: Eps | None) -> np.ndarray:
    q = assign(trial, kernel, eps).q
    p = q**2 / q.sum(axis=0) if own_p else trial.targets
    return np.sum(loss_terms(loss, p / p.sum(axis=1, keepdims=True), q, eps))


def _forms(equation: int, own_p: bool, of_loss: bool, ignores_p: bool) -> list[Form]:
    """Return the forms of an equation, in the order of their number of slips."""
    if equation == 2 and of_loss:
        return [*_forms_of_loss_and_q(own_p)]
    if equation in (4, 5):
        return [*gradient_forms(equation, own_p, ignores_p)]
    return [*{1: _assignment_forms, 2: _loss_forms, 3: _target_forms}[equation]()]


# ---------------------------------------------------------------- the search


def explanations_of(
    equation: int, trials: Sequence[Trial], results: Sequence[np.ndarray], rtol: float, own_p: bool, of_loss: bool,
    ignores_p: bool,
) -> list[Explanation | str]:
    """Return the explanations that fit the results equally well; [] if there is none.

    ``equation`` is compared for ``trials`` with the relative error ``rtol`` allowed. ``own_p``: the user's loss makes
    P itself. ``of_loss``: Eq. 2 is that of Eq. 1. ``ignores_p``: another P gives the same result. An explanation that is
    not a form is a sentence.
    """
    if all(not np.any(result) for result in results):
        return ["it is zero everywhere: no gradient reaches it (detached?), or P is q" if equation > 3
                else "it is zero everywhere"]
    gradient = equation in (4, 5)
    forms = _forms(equation, own_p, of_loss, ignores_p)
    found = explain(forms, trials, results, rtol, gradient)
    if not found and equation == 3 and (slip := batches(trials, results, rtol)):
        return [slip]
    if not found and (gradient or of_loss):
        of_batches = [*batch_forms(equation, _batch_sizes(max(t.n for t in trials)), not (own_p or ignores_p))]
        found = explain(of_batches, trials, results, rtol, gradient)
    if not found and (equation in (1, 4, 5) or of_loss):
        found = _with_another_alpha(forms, trials, results, rtol)
    if not found and (slip := _added_term(equation, trials, results, rtol, of_loss)):
        return [slip]
    return [*found]


ADDED: dict[str, dict[int, Callable[[Trial], np.ndarray]]] = {
    "": {2: lambda t: np.array(1.0)},
    " |mu|^2": {2: lambda t: np.array(np.sum(t.mu**2)), 5: lambda t: 2 * t.mu},
    " |z|^2": {2: lambda t: np.array(np.sum(t.z**2)), 4: lambda t: 2 * t.z},
}
"""Terms that are added to a loss, such as weight decay, and their derivatives."""


def _added_term(
    equation: int, trials: Sequence[Trial], results: Sequence[np.ndarray], rtol: float, of_loss: bool
) -> str:
    """Return a sentence if the results are the right ones plus a multiple of one term of ``ADDED``, else ""."""
    rights = [np.asarray(trial.right(equation, of_loss)) for trial in trials]
    largest = max(float(np.max(np.abs(result))) for result in results)
    for reduction, name in product(("", *MEANS), ADDED):
        if equation not in ADDED[name]:
            continue
        scales = [REDUCTIONS[reduction](trial) for trial in trials]
        rest = np.concatenate([np.ravel(a - c * b) for a, b, c in zip(results, rights, scales)])
        for divided in dict.fromkeys(("", reduction)):
            term = np.concatenate([np.ravel(REDUCTIONS[divided](t) * ADDED[name][equation](t)) for t in trials])
            size = float(rest @ term / (term @ term))
            if np.max(np.abs(rest - size * term)) <= rtol * largest:
                base = f"the mean of Eq. {equation} over {reduction}" if reduction else f"Eq. {equation}"
                added = f"{size:.4g}{name}" + (f", as a mean over {divided}" if divided else "")
                return f"it is {base} plus {'the gradient of ' * (equation > 2)}{added}: another term is in the loss"
    return ""


def _batch_sizes(n: int) -> list[int]:
    """Return the usual sizes of batches below n."""
    sizes = {2**e for e in range(1, 14)} | {s * 10**e for s in (1, 2, 3, 4, 5, 6, 8) for e in (1, 2)} | {150, 250, 384, 768}
    return sorted(size for size in sizes if size < n)


def _with_another_alpha(
    forms: Sequence[Form], trials: Sequence[Trial], results: Sequence[np.ndarray], rtol: float
) -> list[Explanation]:
    """Return the explanation by an alpha that is fixed inside, of the right form and of the slips of the exponent."""
    found: list[Explanation] = []
    for form in forms:
        if form.names and not (len(form.names) == 1 and form.names[0].startswith(BRACKETS)):
            continue
        alpha = fit_alpha(form, trials[1::2][:2], results[1::2][:2])
        if alpha is None:
            continue
        fixed = Form((FIXED_ALPHA.format(alpha), *form.names), partial(_with_alpha, form, alpha), form.places)
        found += explain([fixed], trials, results, rtol, False)
        if found:
            break
    return found


def _with_alpha(form: Form, alpha: float, trial: Trial, eps: Eps | None) -> np.ndarray:
    return form.value(trial.with_alpha(alpha), eps)


# ---------------------------------------------------------------- words


def ok_reduction(explanation: Explanation | str) -> str:
    """Return "the batch" or "the n k entries" if the explanation is such a mean, else ""."""
    return explanation.reduction if not isinstance(explanation, str) and explanation.reduction in MEANS else ""


def verdict_of(explanation: Explanation | str) -> Verdict:
    """Return the verdict of one explanation."""
    if isinstance(explanation, str):
        return Verdict.WRONG
    names, e = explanation.form.names, explanation
    if names and (names == (IGNORED,) or (len(names) == 1 and names[0].startswith("alpha = "))):
        names = ()
        if not e.alpha_factor and e.constant > 0:
            return Verdict.ONE_ALPHA
    if names or e.alpha_factor or e.constant < 0:
        return Verdict.WRONG
    if e.constant != 1 or (e.reduction and e.reduction not in MEANS):
        return Verdict.FACTOR
    return Verdict.EPSILON if e.eps else Verdict.MEAN if e.reduction else Verdict.HOLDS


def words_of(explanation: Explanation | str, equation: int) -> str:
    """Return an explanation of the results for ``equation`` in words: its slips, joined by "and"."""
    if isinstance(explanation, str):
        return explanation
    e = explanation
    parts = [*e.form.names, *filter(None, [e.alpha_factor])]
    if e.constant < 0:
        parts.append("the sign is wrong" + (", as when p and q are swapped in (p - q)" if equation > 3 else ""))
    if e.reduction:
        parts.append(f"it is the mean over {e.reduction}; Eq. {equation} is a sum")
    if abs(e.constant) != 1:
        parts.append(_constant(abs(e.constant), equation, bool(e.form.names or e.alpha_factor or e.constant < 0)))
    if e.eps:
        parts.append(f"an epsilon is inside: {_place(e.eps)}")
    return " and ".join(parts)


def _constant(constant: float, equation: int, beside: bool) -> str:
    of = "that" if beside else f"Eq. {equation}"
    hints = [hint for value, hint in CONSTANTS.items() if abs(constant / value - 1) < 1e-6]
    return f"it is {constant:.6g} times {of}, everywhere" + (f" ({hints[0]})" if hints else "")


def _place(eps: Eps) -> str:
    places = {**EPS_PLACES, **LOSS_EPS_PLACES, **TARGET_EPS_PLACES}
    return places[eps.place].format(f"{eps.size:.2g}")


def factor_of(explanation: Explanation | str) -> Callable[[Trial], float]:
    """Return the function trial -> result / right result, for an explanation without a slip."""
    if isinstance(explanation, str):
        return lambda trial: 1.0
    return lambda trial: explanation.constant * REDUCTIONS[explanation.reduction](trial)


def joined(explanations: Sequence[Explanation | str], equation: int) -> str:
    """Return the explanations for ``equation`` that fit equally well, in words, joined by "or"."""
    words = list(dict.fromkeys(chain(words_of(e, equation) for e in explanations)))
    return ", or ".join(words[:3]) + (", or another" if len(words) > 3 else "")
