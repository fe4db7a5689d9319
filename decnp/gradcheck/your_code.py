"""Comparison of a user's own DEC with Eqs. 1-5: the first wrong equation, and the likely mistake in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import equations
from . import mistakes
from .derivatives import relative_error

__all__ = ["Report", "check_against"]

# The reference is right to 1e-15. A result in float32 carries roundings of 6e-8, times a power of up to (alpha+1)/2.
RTOL = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-4, np.dtype(np.float16): 2e-2}


class Finding(NamedTuple):
    """Result of the check of one function."""

    argument: str
    equation: int
    ok: bool
    error: float
    """The largest error, relative to the largest entry of the right result."""
    slip: str | None
    """The likely mistake, in words; None if no known one gives these numbers."""
    sentence: str


@dataclass(frozen=True)
class Report:
    """Result of ``check_against``: true if every function holds. ``str()`` gives it in a few lines."""

    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)

    @property
    def first_wrong(self) -> Finding | None:
        """Finding of the first wrong equation, in the paper's order."""
        return next((finding for finding in self.findings if not finding.ok), None)

    @property
    def equation(self) -> int | None:
        """Number of the first wrong equation, or None."""
        return self.first_wrong.equation if self.first_wrong else None

    @property
    def slip(self) -> str | None:
        """Likely mistake in it, in words; None if all holds or no known mistake gives these numbers."""
        return self.first_wrong.slip if self.first_wrong else None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [finding.sentence for finding in self.findings]
        verdict = "all hold" if self.ok else f"Eq. {self.equation} is the first that is wrong"
        return "\n".join([*lines, verdict])


def check_against(
    my_grad_z: Callable | None = None, my_grad_mu: Callable | None = None,
    my_soft_assignment: Callable | None = None, my_target: Callable | None = None,
    my_kl: Callable | None = None, *, alphas: Sequence[float] = (0.5, 1.0, 2.0),
    asarray: Callable[[np.ndarray], Any] = np.array, n: int = 600, k: int = 4, d: int = 3, random_state: int = 0,
) -> Report:
    """Compare your own DEC with Eqs. 1-5, and name the first wrong equation.

    Give the functions that you have. An implementation for one alpha only may leave ``alpha`` out of its arguments. It
    is then compared with alpha = 1.

    Parameters
    ----------
    my_grad_z : (z, mu, p, alpha) -> (n, d), Eq. 4, the gradient of the sum over points, P held constant
    my_grad_mu : (z, mu, p, alpha) -> (k, d), Eq. 5
    my_soft_assignment : (z, mu, alpha) -> q (n, k), Eq. 1
    my_target : q (n, k) -> p (n, k), Eq. 3; n is the whole data
    my_kl : (p, q) -> scalar, Eq. 2
    alphas : degrees of freedom to try
    asarray : makes your library's array of a float64 NumPy array, such as ``torch.tensor``
    n, k, d : points, clusters, dimensions of the problems; n is more than a minibatch, so that P per batch shows
    random_state : seed of the problems

    Returns
    -------
    report : ``Report``: ``ok``; ``equation`` and ``slip``, the first wrong equation and the likely slip; ``findings``,
        one for each function. ``print(report)`` says it in words.

    Raises
    ------
    ValueError
        If no function is given. What your functions raise is passed on.

    >>> report = check_against(my_soft_assignment=lambda z, mu, alpha: equations.soft_assignment(z, mu, 1.0))
    >>> report.equation, report.slip
    (1, 'alpha is ignored: this is the formula for alpha = 1')
    """
    mine = {"my_soft_assignment": my_soft_assignment, "my_kl": my_kl, "my_target": my_target,
            "my_grad_z": my_grad_z, "my_grad_mu": my_grad_mu}
    given = {name: function for name, function in mine.items() if function is not None}
    if not given:
        raise ValueError(f"give at least one function to check, one of {', '.join(mine)}; got none")
    rng = np.random.default_rng(random_state)
    problems = [_draw(rng, n, k, d, float(alpha)) for alpha in alphas for _ in range(2)]
    return Report([_examine(name, function, problems, asarray) for name, function in given.items()])


def _draw(rng: np.random.Generator, n: int, k: int, d: int, alpha: float) -> dict[str, Any]:
    """Return one problem. p belongs to other points, so that a function that makes its own p is found."""
    z, mu = rng.normal(size=(n, d)), rng.normal(size=(k, d))
    p, q = (rng.dirichlet(np.full(k, 2.0), n) * 0.98 + 0.02 / k for _ in "pq")
    return {"z": z, "mu": mu, "p": p, "q": q, "alpha": alpha}


EQUATIONS: dict[str, tuple[int, str, tuple[str, ...], Callable[[int], Iterable]]] = {
    # argument: (number, function in ``equations``, its arguments, its known mistakes)
    "my_soft_assignment": (1, "soft_assignment", ("z", "mu", "alpha"), lambda _: mistakes.soft_assignment_mistakes()),
    "my_kl": (2, "kl_divergence", ("p", "q"), lambda _: mistakes.kl_divergence_mistakes()),
    "my_target": (3, "target_distribution", ("q",), mistakes.target_distribution_mistakes),
    "my_grad_z": (4, "grad_z", ("z", "mu", "p", "alpha"), lambda _: mistakes.gradient_mistakes(axis=1)),
    "my_grad_mu": (5, "grad_mu", ("z", "mu", "p", "alpha"), lambda _: mistakes.gradient_mistakes(axis=0)),
}


def _examine(name: str, function: Callable, problems: list[dict[str, Any]], asarray: Callable) -> Finding:
    """Check one function on all problems."""
    number, reference, arguments, known = EQUATIONS[name]
    if "alpha" in arguments and not _takes(function, len(arguments)):
        problems, arguments = [{**pr, "alpha": 1.0} for pr in problems], arguments[:-1]
    rights = [getattr(equations, reference)(*(pr[a] for a in EQUATIONS[name][2])) for pr in problems]
    results = [_call(function, [pr[a] for a in arguments], asarray) for pr in problems]
    where = f"{name}, Eq. {number}"
    for result, right in zip(results, rights):
        if result.shape != np.shape(right):
            turned = ", as if transposed" if result.shape == np.shape(right)[::-1] and result.ndim == 2 else ""
            return Finding(name, number, False, np.inf, None,
                           f"{where}: wrong: the shape must be {np.shape(right)}; got {result.shape}{turned}")
    rtol = max(RTOL.get(result.dtype, 1e-8) for result in results)
    errors = [relative_error(result, right) for result, right in zip(results, rights)]
    error = max(e for e, _ in errors)
    if error <= rtol:
        return Finding(name, number, True, error, None, f"{where}: holds (relative error {error:.1e})")
    slip = _slip(known(len(problems[0]["z"])), [[pr[a] for a in EQUATIONS[name][2]] for pr in problems], results, rtol)
    worst = int(np.argmax([e for e, _ in errors]))
    _, index = errors[worst]
    likely = f"; likely: {slip}" if slip else ""
    return Finding(
        name, number, False, error, slip,
        f"{where}: wrong at {list(index)} for alpha = {problems[worst]['alpha']:g}: it is {results[worst][index]:.6g}, "
        f"it must be {rights[worst][index]:.6g} (relative error {error:.1e}){likely}")


def _slip(known: Iterable, arguments: list, results: list, rtol: float) -> str | None:
    """Return the first known mistake that gives the same wrong numbers on every problem."""
    for name, wrong in known:
        with np.errstate(all="ignore"):
            if all(relative_error(result, wrong(*args))[0] <= rtol for args, result in zip(arguments, results)):
                return name
    return None


def _takes(function: Callable, n_arguments: int) -> bool:
    """Return whether the function can be called with ``n_arguments``; True if its signature is unknown."""
    try:
        inspect.signature(function).bind(*range(n_arguments))
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def _call(function: Callable, arguments: list, asarray: Callable) -> np.ndarray:
    """Return the function's result as a NumPy array, whatever library it comes from."""
    result = function(*(asarray(a) if isinstance(a, np.ndarray) else a for a in arguments))
    for method in ("detach", "cpu"):  # a PyTorch tensor on its way out
        result = getattr(result, method, lambda result=result: result)()
    return np.asarray(result)
