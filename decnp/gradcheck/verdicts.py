"""Result of ``check_against``: a verdict for each equation, and the report of all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["Verdict", "Finding", "Report"]


class Verdict(str, Enum):
    """Verdict on one function, from right to wrong. The value is the text that the report prints."""

    HOLDS = "holds"
    """The function is right in double precision."""
    MEAN = "holds as a mean"
    """The function is right, as a mean over the batch or its entries instead of a sum."""
    SINGLE = "holds in single precision"
    """The function is right to the digits of float32 or a shorter type."""
    EPSILON = "holds to an epsilon"
    """The function is right up to a small constant, as in log(p + 1e-8)."""
    EDGE = "edge"
    """The formula holds, but the result is NaN, infinite or far off at an edge, such as p_ij = 0."""
    FACTOR = "holds up to a factor"
    """The function is the right one times a constant."""
    ONE_ALPHA = "holds for alpha = 1 only"
    """The function is right for alpha = 1, and wrong for another alpha."""
    WRONG = "wrong"
    """None of the above."""

    def __str__(self) -> str:
        return self.value


class Finding(NamedTuple):
    """Result of the check of one function against one equation.

    Attributes
    ----------
    argument : str
        Name of the function's argument in ``check_against``.
    equation : int
        Number of the equation, 1 to 5.
    verdict : Verdict
        Verdict on the function.
    ok : bool
        True if the function holds.
    error : float
        The largest error, relative to the largest entry of the right result.
    factor : float or None
        The constant c of "it is c times Eq. 4, everywhere"; None if there is no such constant, or it is 1.
    slip : str or None
        Likely mistake, in words; None if nothing differs, or no known mistake gives these numbers.
    sentence : str
        The finding in words.
    smallest : str or None, default=None
        The smallest problem that shows the mistake, with both results; None if ok.
    edges : tuple of str, default=()
        A sentence for each edge where the result is NaN, infinite or far off.
    """

    argument: str
    equation: int
    verdict: Verdict
    ok: bool
    error: float
    factor: float | None
    slip: str | None
    sentence: str
    smallest: str | None = None
    edges: tuple[str, ...] = ()


SERIOUSNESS = [Verdict.WRONG, Verdict.ONE_ALPHA, Verdict.FACTOR, Verdict.EDGE]
"""The worst verdict first. The others are conventions, and come last."""


@dataclass(frozen=True)
class Report:
    """Result of ``check_against``. Its truth value is ``ok``, and ``str()`` of it has a line for each finding.

    Attributes
    ----------
    findings : list of Finding
        A finding for each function and equation, in the order of the equations.
    """

    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """True if every function holds."""
        return all(finding.ok for finding in self.findings)

    @property
    def first_wrong(self) -> Finding | None:
        """Finding to look at first: the most serious one that is not ok, in the paper's order; None if all hold."""
        ranks = {verdict: rank for rank, verdict in enumerate(SERIOUSNESS)}
        wrong = [finding for finding in self.findings if not finding.ok]
        return min(wrong, key=lambda f: (ranks.get(f.verdict, len(ranks)), f.equation), default=None)

    @property
    def equation(self) -> int | None:
        """Number of the equation to look at first, or None."""
        return self.first_wrong.equation if self.first_wrong else None

    @property
    def slip(self) -> str | None:
        """Likely mistake in ``first_wrong``, in words; None if all hold or no known mistake gives these numbers."""
        return self.first_wrong.slip if self.first_wrong else None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [finding.sentence for finding in self.findings]
        lines += [f"    {edge}" for finding in self.findings for edge in finding.edges]
        first = self.first_wrong
        if first is None:
            return "\n".join([*lines, "all hold"])
        if first.smallest:
            lines += ["the smallest problem that shows it:", *(f"    {line}" for line in first.smallest.splitlines())]
        ends = {Verdict.WRONG: f"Eq. {first.equation} is the first that is wrong",
                Verdict.ONE_ALPHA: f"Eq. {first.equation} is the first that holds for one alpha only",
                Verdict.FACTOR: f"Eq. {first.equation} is the first with another factor; the formulas hold",
                Verdict.EDGE: f"the formulas hold; Eq. {first.equation} is the first that fails at an edge"}
        return "\n".join([*lines, ends.get(first.verdict, f"Eq. {first.equation} is the first with another reduction")])
