"""The table of ``decnp gradcheck``: every equation and layer of this package before every judge on the machine."""

from __future__ import annotations

import math
import platform
from importlib.metadata import version
from typing import Any, Callable, Optional, Sequence

import numpy as np

from .cases import Case, cases, draw
from .derivatives import central_difference, complex_step, relative_error
from .judges import JUDGES, installed

__all__ = ["check_equations", "in_words", "TOLERANCES"]

TOLERANCES = {
    # A few dozen roundings of 2e-16, amplified by a power of up to (alpha+1)/2; the quotient (f(x+h) - f(x-h)) / 2h has
    # lost ten digits before it is compared. In float32 ours is what is rounded (6e-8); the judges stay in float64.
    "float64": {"loops": 1e-12, "kernels": 1e-10, "central": 1e-6, "complex step": 1e-12, **dict.fromkeys(JUDGES, 1e-10)},
    "float32": dict.fromkeys(["loops", "kernels", "central", "complex step", *JUDGES], 1e-4),
}
"""The relative error allowed in each column."""

MISTAKES = (ArithmeticError, ValueError, TypeError, IndexError)
"""What wrong arithmetic may raise; a row in which it does has an infinite error."""


def check_equations(
    alphas: Sequence[float] = (0.5, 1.0, 2.0, 10.0), *, dtype: str = "float64", n: int = 8, k: int = 4, d: int = 3,
    trials: int = 3, seed: int = 0, autodiff: Optional[Sequence[str]] = None,
) -> dict[str, Any]:
    """Check Eqs. 1-5, every layer, the whole autoencoder and the whole DEC step on random problems.

    The judges: plain loops; the kernels (which must agree with the equations); central differences and the complex
    step of our own forward functions; and the installed ones among autograd, torch and jax, which differentiate a
    plain definition of their own. They compute in float64; ours in ``dtype``.

    Parameters
    ----------
    alphas : degrees of freedom to try
    dtype : "float64" or "float32", what our side computes in
    n, k, d : points, clusters, dimensions of the embedding
    trials : random problems for each alpha
    seed : of the problems
    autodiff : which packages to ask; None: all that are installed

    Returns
    -------
    result : plain data: ``ok``; ``failed``, the rows that do not hold, in the paper's order; ``rows``, a list of
        {"row", "errors": {judge: worst relative error, None where it has no say}}; ``tolerances``; ``recipe``;
        ``versions``. An error that is no finite number is given as infinite.

    Raises
    ------
    ValueError
        For an unknown dtype or package.

    >>> result = check_equations([1.0], trials=1, autodiff=[])
    >>> result["ok"], result["failed"], len(result["rows"])
    (True, [], 11)
    """
    if dtype not in TOLERANCES:
        raise ValueError(f"dtype must be 'float64' or 'float32'; got {dtype!r}")
    autodiff = installed() if autodiff is None else list(autodiff)
    for name in autodiff:
        if name not in JUDGES:
            raise ValueError(f"autodiff must name packages among {', '.join(JUDGES)}; got {name!r}")
    columns = ["loops", "kernels", "central", "complex step", *autodiff]
    tolerances = {column: TOLERANCES[dtype][column] for column in columns}
    worst: dict[str, dict[str, Optional[float]]] = {}
    rng = np.random.default_rng(seed)
    for alpha in alphas:
        for _ in range(trials):
            for row, build in cases(draw(rng, n, k, d, float(alpha), np.dtype(dtype))):
                errors = worst.setdefault(row, dict.fromkeys(columns))
                for column, error in _errors(build, columns).items():
                    errors[column] = max(errors[column] or 0.0, error)
    rows = [{"row": row, "errors": errors} for row, errors in worst.items()]
    failed = [row for row, errors in worst.items()
              if any(error is not None and not error <= tolerances[column] for column, error in errors.items())]
    return {
        "ok": not failed, "failed": failed, "rows": rows, "tolerances": tolerances,
        "recipe": {"alphas": list(map(float, alphas)), "dtype": dtype, "n": n, "k": k, "d": d, "trials": trials,
                   "seed": seed},
        "versions": {"python": platform.python_version(),
                     **{name: version(name) for name in ("numpy", "numba", *autodiff)}},
    }


def _errors(build: Callable[[], Case], columns: Sequence[str]) -> dict[str, float]:
    """The worst relative error of one case before each judge that has a say; infinite where something raises."""
    with np.errstate(all="ignore"):  # a wrong equation may overflow: that is an error to report, not to warn of
        try:
            case = build()
        except MISTAKES:
            return dict.fromkeys(columns, math.inf)
        ours, errors = [*case.values, *case.grads], {}
        for column in columns:
            if column == "kernels" and case.kernel is None:
                continue
            errors[column] = max(relative_error(a, b)[0] for a, b in zip(ours, _judged(column, case)) if b is not None)
        return errors


def _judged(column: str, case: Case) -> list:
    """What a judge says to our values and gradients; None where it has no say."""
    if column in ("loops", "kernels"):
        return case.naive if column == "loops" else case.kernel or []
    if column in JUDGES:
        values, grads = JUDGES[column](case.define, case.x)
        return [*values, *grads]
    derivative = {"central": central_difference, "complex step": complex_step}[column]
    try:
        grads = [derivative(_one_argument(case, t), case.x[t]) for t in range(len(case.x))]
    except MISTAKES:  # it differentiates functions of ours
        grads = [np.full(np.shape(x), np.nan) for x in case.x]
    return [None] * len(case.values) + grads


def _one_argument(case: Case, t: int):
    """The case's scalar as a function of its argument t alone."""
    return lambda x: case.scalar(*case.x[:t], x, *case.x[t + 1 :])


def in_words(result: dict[str, Any]) -> str:
    """The result of ``check_equations`` as a table, and one verdict as its last line."""
    tolerances = result["tolerances"]
    width = max(len(row["row"]) for row in result["rows"]) + 2
    lines = [" " * width + "".join(f"{column:>13}" for column in tolerances)]
    for row in result["rows"]:
        cells = (_cell(row["errors"][column], tolerance) for column, tolerance in tolerances.items())
        lines.append(f"{row['row']:{width}}" + "".join(f"{cell:>13}" for cell in cells))
    lines.append(f"{'at most':{width}}" + "".join(f"{f'{tolerance:.0e}':>13}" for tolerance in tolerances.values()))
    recipe = result["recipe"]
    lines.append(
        f"worst relative errors; alpha {' '.join(f'{a:g}' for a in recipe['alphas'])}, {recipe['trials']} problems each, "
        f"n {recipe['n']}, k {recipe['k']}, d {recipe['d']}, {recipe['dtype']}, seed {recipe['seed']}; "
        + ", ".join(f"{name} {v}" for name, v in result["versions"].items())
    )
    lines.append("all hold" if result["ok"] else f"WRONG: {'; '.join(' '.join(row.split()) for row in result['failed'])}")
    return "\n".join(lines)


def _cell(error: Optional[float], tolerance: float) -> str:
    if error is None:
        return "-"
    return f"{error:.1e}" + ("" if error <= tolerance else " !")
