"""The table of ``decnp gradcheck``: every equation and layer of this package against every reference on the machine."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, TypedDict

import numpy as np

from ..exceptions import UserError
from .cases import Case, cases
from .derivatives import central_difference, complex_step, relative_error
from .problems import draw_problem
from .references import REFERENCES, installed

__all__ = ["check_equations", "format_result", "TOLERANCES"]

TOLERANCES = {
    # A few dozen roundings of 2e-16, amplified by a power of up to (alpha+1)/2; the quotient (f(x+h) - f(x-h)) / 2h has
    # lost ten digits before it is compared. In float32 this package rounds (6e-8); the references stay in float64.
    "float64": {"loops": 1e-12, "kernels": 1e-10, "central": 1e-6, "complex step": 1e-12,
                **dict.fromkeys(REFERENCES, 1e-10)},
    "float32": dict.fromkeys(["loops", "kernels", "central", "complex step", *REFERENCES], 1e-4),
}
"""The relative error allowed in each column."""

ALPHAS = {"float64": (1e-300, 1e250), "float32": (1e-30, 1e30)}
"""Degrees of freedom for which ||z_i - mu_j||^2 / alpha and its complex step neither overflow nor become zero."""

ARITHMETIC_ERRORS = (ArithmeticError, ValueError, TypeError, IndexError)
"""Exceptions of wrong arithmetic; a row that raises one has an infinite error."""


class Row(TypedDict):
    """One row of the result: the worst relative error in each column, None where a reference does not compute it."""

    row: str
    errors: dict[str, float | None]


class Result(TypedDict):
    """The result of ``check_equations``: plain data, as JSON has them."""

    ok: bool
    failed: list[str]
    rows: list[Row]
    tolerances: dict[str, float]
    recipe: dict[str, Any]
    versions: dict[str, str]


def check_equations(
    alphas: Sequence[float] = (0.5, 1.0, 2.0, 10.0), *, dtype: str = "float64", n: int = 8, k: int = 4, d: int = 3,
    trials: int = 3, seed: int = 0, autodiff: Sequence[str] | None = None,
) -> Result:
    """Check Eqs. 1-5, every layer, the whole autoencoder and the whole DEC step on random problems.

    The references are plain loops, the kernels, central differences and the complex step of this package's forward
    functions, and those of autograd, torch and jax that are installed. The autodiff packages differentiate a plain
    definition of their own. The references compute in float64, this package in ``dtype``. Without numba there is no
    column for the kernels.

    Parameters
    ----------
    alphas : sequence of float, default=(0.5, 1, 2, 10)
        Degrees of freedom to try.
    dtype : {"float64", "float32"}, default="float64"
        dtype in which this package computes.
    n, k, d : int, default=8, 4, 3
        Number of points, of clusters, and dimensions of the embedding.
    trials : int, default=3
        Number of random problems for each alpha.
    seed : int, default=0
        Seed of the problems.
    autodiff : sequence of str, default=None
        Autodiff packages to compare with. None takes all that are installed.

    Returns
    -------
    result : dict
        Plain data: ``ok``; ``failed``, the rows that do not hold, in the paper's order; ``rows``, a list of
        {"row", "errors": {column: worst relative error, or None}}; ``tolerances``; ``recipe``; ``versions``. An error
        that is not finite is given as infinite.

    Raises
    ------
    ValueError
        For an unknown dtype or package, or an alpha outside the range of the dtype: 1e-300 to 1e250 in float64, 1e-30
        to 1e30 in float32.

    See Also
    --------
    check_against : The same checks for your own functions.

    Examples
    --------
    >>> result = check_equations([1.0], trials=1, autodiff=[])
    >>> result["ok"], result["failed"], len(result["rows"])
    (True, [], 11)
    """
    columns = _columns(dtype, installed() if autodiff is None else list(autodiff))
    _check_alphas(alphas, dtype)
    tolerances = {column: TOLERANCES[dtype][column] for column in columns}
    worst: dict[str, dict[str, float | None]] = {}
    rng = np.random.default_rng(seed)
    for alpha in alphas:
        for _ in range(trials):
            for row, build in cases(draw_problem(rng, n, k, d, float(alpha), np.dtype(dtype))):
                errors = worst.setdefault(row, dict.fromkeys(columns))
                for column, error in _errors(build, columns).items():
                    errors[column] = max(errors[column] or 0.0, error)
    failed = [row for row, errors in worst.items()
              if any(error is not None and not error <= tolerances[column] for column, error in errors.items())]
    packages = ["numpy", *(["numba"] if "kernels" in columns else []), *(name for name in columns if name in REFERENCES)]
    return {
        "ok": not failed, "failed": failed, "rows": [{"row": row, "errors": errors} for row, errors in worst.items()],
        "tolerances": tolerances,
        "recipe": {"alphas": list(map(float, alphas)), "dtype": dtype, "n": n, "k": k, "d": d, "trials": trials,
                   "seed": seed},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def _columns(dtype: str, autodiff: list[str]) -> list[str]:
    """Return the columns of the table, or raise ValueError for an unknown dtype or package."""
    if dtype not in TOLERANCES:
        raise ValueError(f"dtype must be 'float64' or 'float32'; got {dtype!r}")
    for name in autodiff:
        if name not in REFERENCES:
            raise ValueError(f"autodiff must name packages among {', '.join(REFERENCES)}; got {name!r}")
    kernels = ["kernels"] if find_spec("numba") else []
    return ["loops", *kernels, "central", "complex step", *autodiff]


def _check_alphas(alphas: Sequence[float], dtype: str) -> None:
    """Raise UserError for an alpha with which Eq. 1 can't be computed."""
    least, most = ALPHAS[dtype]
    for alpha in alphas:
        if not least <= alpha <= most:
            raise UserError(f"alpha must be between {least:g} and {most:g} in {dtype}: beyond, ||z - mu||^2 / alpha "
                            f"in Eq. 1 overflows or becomes zero; got {alpha:g}")


def _errors(build: Callable[[], Case], columns: Sequence[str]) -> dict[str, float]:
    """Return the worst relative error of one case in each column; infinite where something raises."""
    with np.errstate(all="ignore"):  # a wrong equation may overflow: that is an error to report, not to warn of
        try:
            case = build()
        except ARITHMETIC_ERRORS:
            return dict.fromkeys(columns, math.inf)
        actual, errors = [*case.values, *case.grads], {}
        for column in columns:
            if column == "kernels" and case.kernel is None:
                continue
            errors[column] = max(
                relative_error(a, b)[0] for a, b in zip(actual, _expected(column, case)) if b is not None)
        return errors


def _expected(column: str, case: Case) -> list[Any]:
    """Return the column's values and gradients of a case; None where it does not compute them."""
    if column == "loops":
        return case.naive
    if column == "kernels" and case.kernel is not None:
        return case.kernel()
    if column in REFERENCES:
        values, grads = REFERENCES[column](case.define, case.x)
        return [*values, *grads]
    derivative = {"central": central_difference, "complex step": complex_step}[column]
    try:
        grads = [derivative(_one_argument(case, t), case.x[t]) for t in range(len(case.x))]
    except ARITHMETIC_ERRORS:  # this package's forward functions are differentiated
        grads = [np.full(np.shape(x), np.nan) for x in case.x]
    return [None] * len(case.values) + grads


def _one_argument(case: Case, t: int) -> Callable[[np.ndarray], Any]:
    """Return the case's scalar as a function of its argument t alone."""
    return lambda x: case.scalar(*case.x[:t], x, *case.x[t + 1 :])


def format_result(result: Result) -> str:
    """Return the result of ``check_equations`` as a table, with the verdict as its last line.

    Parameters
    ----------
    result : dict
        Result of ``check_equations``.

    Returns
    -------
    table : str
        The table.
    """
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


def _cell(error: float | None, tolerance: float) -> str:
    if error is None:
        return "-"
    return f"{error:.1e}" + ("" if error <= tolerance else " !")
