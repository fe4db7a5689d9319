"""Comparison of a user's own DEC with Eqs. 1-5: a verdict on each function, and the likely mistake in it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ..exceptions import FunctionError
from ..utils.validation import check_number
from .authors import is_module, loss_of_q, of_function, of_loss, of_module
from .calling import ARGUMENTS, Author, Signature, signature
from .comparison import examine
from .references import check_autodiff, jax_double_precision
from .results import to_numpy
from .trials import Trial, draw_trials
from .verdicts import Finding, Report, Verdict

__all__ = ["Finding", "Report", "Verdict", "check_against"]

Arguments = Mapping[str, Sequence[str]] | Sequence[str] | None

BATCHES_SHOW = 6144
"""Points of an additional problem of Eq. 3, which shows P per batch of 1024, 2048 or 4096."""

FAST = 0.2
"""Seconds of a call, below which a function gets the additional problem. Plain loops over pairs would take hours."""

LEFT_OUT = f"takes long, so it was not called with {BATCHES_SHOW} points, which show P per batch of 1024 or more"


def check_against(
    my_grad_z: Callable | None = None, my_grad_mu: Callable | None = None,
    my_soft_assignment: Callable | None = None, my_target: Callable | None = None,
    my_kl: Callable | None = None, my_loss: Callable | None = None, *, module: Any = None,
    autodiff: str | None = None, arguments: Arguments = None, reduction: str = "either",
    alphas: float | Iterable[float] = (0.5, 1.0, 2.0), asarray: Callable[[np.ndarray], Any] = np.array, n: int = 768,
    k: int = 4, d: int = 3, random_state: int = 0,
) -> Report:
    """Compare your own DEC with Eqs. 1-5: a verdict on each function, and the likely mistake where one is wrong.

    Give the functions that you have. An implementation for one alpha only may leave ``alpha`` out of its arguments. It
    is then compared with alpha = 1, or with the only one of ``alphas``.

    Parameters
    ----------
    my_grad_z : callable, default=None
        Eq. 4: (z, mu, p, alpha) -> (n, d), the gradient of the sum over points, P held constant. An argument that is named
        q gets Eq. 1 of z and mu.
    my_grad_mu : callable, default=None
        Eq. 5: (z, mu, p, alpha) -> (k, d).
    my_soft_assignment : callable, default=None
        Eq. 1: (z, mu, alpha) -> q (n, k). Or a ``torch.nn.Module``, see ``module``.
    my_target : callable, default=None
        Eq. 3: q (n, k) -> p (n, k), where the n rows are the whole data.
    my_kl : callable, default=None
        Eq. 2: (p, q) -> scalar.
    my_loss : callable, default=None
        Eq. 2 of Eq. 1: (z, mu, p, alpha) -> scalar. With ``autodiff``, both gradients are taken of it. A loss of (z, mu)
        or (z, mu, alpha) computes its own P, from all points. That P must be constant for the gradients.
    module : torch.nn.Module, default=None
        Module whose forward returns q for z. Its (k, d) parameter is the centroids, its ``alpha``, if it has one, alpha.
        The gradients are those of ``my_kl``, or of Eq. 2, through a copy of the module.
    autodiff : {"torch", "jax", "autograd"}, default=None
        Package of ``my_loss``. Without ``my_loss``, gradients are taken through ``my_soft_assignment``.
    arguments : dict or sequence of str, default=None
        Order of the arguments of a function, ``{"my_kl": ("q", "p")}``, or of the only one, ``("q", "p")``. None means
        the order of its arguments if they are named z, mu, p, q and alpha, else the order above. Usual names of mu, such
        as centers or centroids, and of alpha, such as nu or dof, are known.
    reduction : {"sum", "mean", "either"}, default="either"
        Reduction of Eqs. 2, 4 and 5: "sum", as printed; "mean", over the batch or its n k entries.
    alphas : float or iterable of float, default=(0.5, 1, 2)
        Degrees of freedom to try.
    asarray : callable, default=numpy.array
        Makes an array of your library from a float64 NumPy array, such as ``torch.tensor``. With ``autodiff``, the
        default is that of the package.
    n, k, d : int, default=768, 4, 3
        Number of points, of clusters, and dimensions of the problems. Problems of other sizes are tried too.
    random_state : int, default=0
        Seed of the problems.

    Returns
    -------
    report : Report
        Result: ``ok``; ``equation`` and ``slip``, the most serious finding; ``findings``, one for each function and
        equation, each with a ``verdict``.

    Raises
    ------
    ValueError
        If no function is given, or an argument is not one of the above.
    FunctionError
        If one of your functions raises; the message says how it was called.

    See Also
    --------
    check_step : Check of a whole training step.
    decnp.equations : The equations.

    Examples
    --------
    >>> from decnp import equations
    >>> report = check_against(my_soft_assignment=lambda z, mu, alpha: equations.soft_assignment(z, mu, 1.0))
    >>> report.equation, report.slip
    (1, 'alpha is ignored: this is the formula for alpha = 1')
    """
    mine = {"my_soft_assignment": my_soft_assignment, "my_kl": my_kl, "my_target": my_target,
            "my_grad_z": my_grad_z, "my_grad_mu": my_grad_mu, "my_loss": my_loss}
    given: dict[str, Any] = {name: function for name, function in mine.items() if function is not None}
    if not given and module is None:
        raise ValueError(f"give at least one function to check, one of {', '.join(mine)}, module; got none")
    for name, function in given.items():
        if not callable(function):
            raise ValueError(f"{name} must be a function; got {function!r}")
    if module is not None and not is_module(module):
        raise ValueError(f"module must be a torch.nn.Module; got {type(module).__name__}")
    check_autodiff(autodiff)
    _check_choices(reduction, asarray, {"n": n, "k": k, "d": d})
    orders = _orders(arguments, given)
    if is_module(my_soft_assignment):
        module, given["my_soft_assignment"] = my_soft_assignment, None
    if asarray is np.array and (autodiff or module is not None):
        asarray = _array_of(autodiff or "torch")
    authors = []
    for name, function in given.items():
        if name == "my_loss":
            authors.append(of_loss(name, function, signature(name, function, orders.get(name)), autodiff, asarray))
        elif function is not None:
            authors.append(of_function(name, function, orders.get(name), asarray))
    if module is not None:
        name = "my_soft_assignment" if "my_soft_assignment" in given else "module"
        author, k, d = of_module(name, module, my_kl, orders, k, d)
        authors.append(author)
    elif autodiff and my_soft_assignment is not None and not {"my_loss", "my_grad_z", "my_grad_mu"} & set(given):
        loss = loss_of_q(my_soft_assignment, my_kl, orders, autodiff)
        how = Signature(ARGUMENTS["my_loss"])
        alpha = next(author.has_alpha for author in authors if author.name == "my_soft_assignment")
        authors.append(of_loss("my_soft_assignment", loss, how, autodiff, asarray, (4, 5))._replace(has_alpha=alpha))
    trials = draw_trials(n, k, d, _values_of(alphas), random_state, fixed=module is not None)
    with jax_double_precision(import_module("jax")) if autodiff == "jax" else contextlib.nullcontext():
        findings = [finding for author in authors for finding in examine(*_with_trials(author, trials), reduction)]
    return Report(sorted(findings, key=lambda finding: finding.equation))


def _with_trials(author: Author, trials: list[Trial]) -> tuple[Author, list[Trial]]:
    """Return the author and the trials for it, with one alpha if it takes none. A note says if a problem is left out."""
    if not author.has_alpha and (author.of_loss or author.equations not in ((2,), (3,))):
        alphas = {trial.alpha for trial in trials}
        alpha = alphas.pop() if len(alphas) == 1 else 1.0
        trials = [trial.with_alpha(alpha) for trial in trials]
    if author.equations != (3,):
        return author, trials
    if min(_seconds(author, trials[0]) for _ in range(2)) >= FAST:  # the first call may compile the function
        return author._replace(note="; it ".join(filter(None, [author.note, LEFT_OUT]))), trials
    rng = np.random.default_rng(len(trials))
    k = trials[0].k
    big = Trial(np.zeros((BATCHES_SHOW, 1)), np.zeros((k, 1)), np.full((BATCHES_SHOW, k), 1 / k),
                rng.dirichlet(np.full(k, 2.0), BATCHES_SHOW) * 0.98 + 0.02 / k, 1.0, main=False)
    return author, [*trials, big]


def _seconds(author: Author, trial: Trial) -> float:
    """Return the seconds that a call of a function takes."""
    start = time.perf_counter()
    with contextlib.suppress(FunctionError):
        author.run(trial)
    return time.perf_counter() - start


def _check_choices(reduction: str, asarray: Any, sizes: dict[str, int]) -> None:
    if not isinstance(reduction, str) or reduction not in ("sum", "mean", "either"):
        raise ValueError(f"reduction must be 'sum', 'mean' or 'either'; got {reduction!r}")
    if not callable(asarray):
        raise ValueError(f"asarray must be a function; got {asarray!r}")
    try:
        to_numpy(asarray(np.ones((2, 1))))
    except Exception as error:  # whatever a user's function may raise
        raise FunctionError(f"asarray raised {type(error).__name__}: {error}, for a float64 array") from error
    for name, size in sizes.items():
        check_number(name, size, 1, integer=True)


def _values_of(alphas: float | Iterable[float]) -> list[float]:
    """Return the degrees of freedom as a list; a number is one value."""
    try:
        values = list(alphas if isinstance(alphas, Iterable) else [alphas])
        for value in values:
            check_number("alphas", value, 0, strict=True)
    except (TypeError, ValueError):
        values = []
    if not values:
        raise ValueError(f"alphas must be numbers > 0, one or more; got {alphas!r}")
    return [float(value) for value in values]


def _orders(arguments: Arguments, given: dict[str, Any]) -> dict[str, Sequence[str]]:
    """Return the orders of arguments by function."""
    if arguments is None:
        return {}
    if not isinstance(arguments, Mapping):
        if len(given) != 1:
            raise ValueError("arguments must be a dict of function name to order if several functions are given; "
                             f"got {arguments!r} for {', '.join(given)}")
        return {next(iter(given)): arguments}
    unknown = [name for name in arguments if name not in ARGUMENTS]
    if unknown:
        raise ValueError(f"arguments must be a dict with keys among {', '.join(ARGUMENTS)}; got {unknown[0]!r}")
    return dict(arguments)


def _array_of(autodiff: str) -> Callable[[np.ndarray], Any]:
    """Return the function that makes a package's array, with the package imported when it is first called."""
    def asarray(a: np.ndarray) -> Any:
        if autodiff == "torch":
            import torch

            return torch.tensor(a)
        if autodiff == "jax":
            import jax.numpy

            return jax.numpy.asarray(a)
        return np.array(a)

    return asarray
