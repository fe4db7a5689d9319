"""Calls of a user's functions: which arguments they take, in which order, and what they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import FunctionError
from .results import to_numpy
from .trials import Trial

__all__ = ["Author", "Signature", "signature", "call", "handed_over", "ARGUMENTS"]

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "my_soft_assignment": ("z", "mu", "alpha"),
    "my_kl": ("p", "q"),
    "my_target": ("q",),
    "my_grad_z": ("z", "mu", "p", "alpha"),
    "my_grad_mu": ("z", "mu", "p", "alpha"),
    "my_loss": ("z", "mu", "p", "alpha"),
}
"""Arguments of each function, in the order in which they are handed over."""

BESIDES = {"my_grad_z": ("q",), "my_grad_mu": ("q",)}
"""Arguments that a function gets only if it names them: q of Eq. 1, computed from z and mu."""

ALPHA_NAMES = {"alpha", "a", "v", "nu", "dof", "df", "t_alpha", "degrees_of_freedom", "freedom"}
MU_NAMES = {"mu", "mus", "means", "center", "centers", "centre", "centres", "centroid", "centroids", "cluster", "clusters",
            "cluster_centers", "cluster_centres", "cluster_centroids"}


class Signature(NamedTuple):
    """Way to call a function."""

    order: tuple[str, ...]
    """Names among z, mu, p, q, alpha."""
    by_keyword: tuple[tuple[str, str], ...] = ()
    """Those of them that are given by keyword, each with the keyword."""
    sure: bool = True
    """True if it is known whether the function takes alpha. If not, a call without alpha is tried too."""
    note: str = ""


class Author(NamedTuple):
    """A user's function as a function of a trial."""

    name: str
    """The argument of ``check_against`` that it was given as."""
    equations: tuple[int, ...]
    run: Callable[[Trial], dict[int, Any]]
    """Trial -> the result for each equation, in the user's library."""
    asarray: Callable[[np.ndarray], Any]
    inputs: tuple[str, ...]
    """The arrays that it takes: names among z, mu, p, q."""
    has_alpha: bool
    own_p: bool = False
    of_loss: bool = False
    """True if Eq. 2 is that of Eq. 1, not of a given q."""
    note: str = ""
    fixed: bool = False
    """True if k and d are those of a module."""


def signature(name: str, function: Callable, order: Sequence[str] | None) -> Signature:
    """Return how to call the ``function`` for the argument ``name`` of ``check_against``.

    The order of its arguments is ``order``, or follows from their names, or from their number.
    """
    known = ARGUMENTS[name]
    allowed = (*known, *BESIDES.get(name, ()))
    if order is not None:
        names = tuple(order) if isinstance(order, Iterable) else ()
        if not names or not all(a in allowed for a in names) or len(set(names)) < len(names):
            raise ValueError(f"arguments of {name} must be names among {', '.join(allowed)}, each once; got {order!r}")
        return Signature(names)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return Signature(known, sure=False)
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return Signature(known, sure=False)
    named = _by_names(parameters, known, allowed)
    if named is not None:
        return named
    count = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if "alpha" in known and count >= len(known):
        last = parameters[len(known) - 1]
        if last.default is not last.empty and last.name.lower() not in ALPHA_NAMES:
            count = len(known) - 1  # an option of the user's, such as eps=1e-8
    if name == "my_loss":
        count = min(count, len(known))
        if count == 3 and parameters[2].name.lower() in ALPHA_NAMES:
            return Signature(("z", "mu", "alpha"))
        return Signature(known[:max(count, 2)])
    return Signature(known if "alpha" not in known or count >= len(known) else known[:-1])


def _known_as(name: str, known: tuple[str, ...]) -> str:
    """Return which of the arguments ``known`` an argument is by its name; "" if none."""
    name = name.lower()
    name = "alpha" if name in ALPHA_NAMES else "mu" if name in MU_NAMES else name
    return name if name in known else ""


def _by_names(
    parameters: list[inspect.Parameter], known: tuple[str, ...], allowed: tuple[str, ...],
) -> Signature | None:
    """Return the signature if all arguments without a default have known names, or all but one; None if not.

    A single unknown name is taken for the only missing argument. ``allowed`` holds the ``known`` arguments and those of
    ``BESIDES``.
    """
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    names = {p.name: _known_as(p.name, allowed) for p in plain}
    unknown = [p.name for p in plain if p.default is p.empty and not names[p.name]]
    left = [a for a in known if a not in names.values() and a != "alpha"]
    if len(unknown) == len(left) == 1:
        names[unknown[0]] = left[0]
    required = [names[p.name] for p in plain if p.default is p.empty]
    if not required or not all(required) or len(set(required)) < len(required):
        return None
    if not {"z", "mu"} <= set(names.values()) if known[0] == "z" else len(required) < len(known):
        return None
    order: list[str] = []
    by_keyword: list[tuple[str, str]] = []
    positional = True
    for p in plain:
        if names[p.name] and names[p.name] not in (*order, *dict(by_keyword)):
            positional = positional and p.kind != p.KEYWORD_ONLY
            if positional:
                order.append(names[p.name])
            else:
                by_keyword.append((names[p.name], p.name))
        else:
            positional = False  # after an option of the user's, arguments are given by keyword
    in_order = tuple(name for name in known if name in order)
    note = "" if tuple(order) == in_order else f"is called as ({', '.join(order)}), as its arguments are named"
    return Signature((*order, *dict(by_keyword)), tuple(by_keyword), note=note)


def call(name: str, function: Callable, how: Signature, values: dict[str, Any]) -> Any:
    """Call a function in the way ``how``, with the ``values`` of its arguments by name.

    Raises FunctionError, with ``name`` and the shapes, if the function raises.
    """
    positional = [values[a] for a in how.order if a not in dict(how.by_keyword)]
    try:
        return function(*positional, **{keyword: values[a] for a, keyword in how.by_keyword})
    except (Exception, SystemExit) as error:  # whatever a user's function may raise
        described = ", ".join(f"{a} {_described(values[a])}" for a in how.order)
        raise FunctionError(f"{name} raised {type(error).__name__}: {error}. It was called with {described}") from error


def _described(value: Any) -> str:
    if not hasattr(value, "shape"):
        return f"= {value!r}"
    return f"{type(value).__name__} {tuple(value.shape)} {str(value.dtype).rpartition('.')[2]}"


def handed_over(trial: Trial, asarray: Callable[[np.ndarray], Any]) -> tuple[Trial, str]:
    """Return the trial with the numbers that ``asarray`` hands over, and the name of their dtype."""
    read = {name: to_numpy(asarray(getattr(trial, name).copy())) for name in ("z", "mu", "p", "q")}
    arrays = {name: array for name, (array, _) in read.items()}
    return trial.changed(**arrays), read["z"][1]
