"""Result of ``check_against``: a verdict for each equation, and the report of all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["Verdict", "Finding", "Report"]


class Verdict(str, Enum):
    """Verdict on one function, from right to wrong. The value is the text that the report prints."""

    HOLDS = "holds"
    MEAN = "holds as a mean"
    SINGLE = "holds in single precision"
    EPSILON = "holds to an epsilon"
    EDGE = "edge"
    """The formula holds, but the result is NaN, infinite or far off at an edge, such as p_ij = 0."""
    FACTOR = "holds up to a factor"
    ONE_ALPHA = "holds for alpha = 1 only"
    WRONG = "wrong"

    def __str__(self) -> str:
        return self.value


class Finding(NamedTuple):
    """Result of the check of one function against one equation."""

    argument: str
    """The argument of ``check_against`` that the function was given as."""
    equation: int
    verdict: Verdict
    ok: bool
    error: float
    """The largest error, relative to the largest entry of the right result."""
    factor: float | None
    """The constant c of "it is c times Eq. 4, everywhere"; None if there is no such constant, or it is 1."""
    slip: str | None
    """Likely mistake, in words; None if nothing differs, or no known mistake gives these numbers."""
    sentence: str
    smallest: str | None = None
    """The smallest problem that shows it, with both results; None if ok."""
    edges: tuple[str, ...] = ()
    """A sentence for each edge where the result is NaN, infinite or far off."""


SERIOUSNESS = [Verdict.WRONG, Verdict.ONE_ALPHA, Verdict.FACTOR, Verdict.EDGE]
"""The worst verdict first. The others are conventions, and come last."""


@dataclass(frozen=True)
class Report:
    """Result of ``check_against``: true if every function holds. ``str()`` gives it in a few lines."""

    findings: list[Finding]

    @property
    def ok(self) -> bool:
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
        """Likely mistake in it, in words; None if all holds or no known mistake gives these numbers."""
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
