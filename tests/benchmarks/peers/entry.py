"""What an entry of the table is, and what is expected of ``check_against`` there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.source import Source

SAID = {"epsilon is inside": "eps", "single precision": "single", "bracket is missing": "bracket",
        "not held constant": "constant", "mean over": "mean|n k", "not squared": "squared", "transposed": "transpos"}
"""Part of a sentence -> what an expected pattern has if that part is right there."""


@dataclass(frozen=True)
class Expected:
    """Verdicts that are right (a regular expression) and patterns, each of which the sentence must contain."""

    verdict: str
    words: tuple[str, ...] = ()
    edge: str | None = None
    """Where NaN or infinity must be reported, as a pattern; None if it must not be, "" if it may be."""
    allowed: tuple[str, ...] = ()
    """Words that may be said and need not be."""

    def __and__(self, other: Expected) -> Expected:
        """Return both at once: either verdict, the words of both."""
        verdict = self.verdict if self.verdict == other.verdict else f"{self.verdict}|{other.verdict}"
        return Expected(verdict, (*self.words, *other.words), other.edge if self.edge is None else self.edge,
                        (*self.allowed, *other.allowed))

    def misses(self, finding: Any) -> list[str]:
        """Return what is not as expected, in words."""
        missing = [] if re.fullmatch(self.verdict, finding.verdict) else [f"verdict: expected {self.verdict}"]
        missing += [f"not said: {words}" for words in self.words if not re.search(words, finding.sentence, re.I)]
        known = " ".join((*self.words, *self.allowed))
        missing += [f"said without reason: {said}" for said, pattern in SAID.items()
                    if said in finding.sentence and not re.search(pattern, known)]
        edges = " ".join(map(str, finding.edges))
        if self.edge and not re.search(self.edge, f"{edges} {finding.sentence}", re.I):
            missing.append(f"edge not found: {self.edge}")
        if self.edge is None and edges:
            missing.append(f"an edge that is none: {edges}")
        return missing


HOLDS = Expected("holds")
MEAN = Expected("holds as a mean", ("mean",))
MEAN_NK = Expected("holds as a mean", (r"n k|n·k|n\*k|entries",))
SINGLE = Expected("holds in single precision", ("single|float32",))
EPS = Expected("holds to an epsilon", ("eps",))
ALPHA_1 = Expected("holds for alpha = 1 only", ("alpha",))
BRACKET = Expected("wrong", ("bracket",))
NO_DETACH = Expected("wrong", ("constant|detach",))
OWN_P = Expected("holds as a mean", ("its own P|P itself|P is made", "whole"))  # f sums over the rows that it is handed


def wrong(*words: str) -> Expected:
    """Return what is expected of a formula that is wrong and has a name."""
    return Expected("wrong", words)


def edge(where: str) -> Expected:
    """Return what is expected where NaN or infinity comes out although the formula is right."""
    return Expected("edge", (), where)


ZERO_P = edge("p_ij is 0")
ON_CENTROID = edge("on a centroid|centroid")


READ_AT = dict(pair.split("@") for pair in """
    ANTsX+ANTsPyNet@9f42a59 ANTsX+ANTsRNet@1d45f94 AndyandViky+DEC-pytorch@7573b92 Be-Zero+sdec-pytorch@385dc38
    CharlesNord+DEC-pytorch@9fcff50 DhavalParmar61+Deep-Embedded-Clustering@a81bb14 Drylian123+SLIM@acb9189
    Emac99+DEC_Synoptic_weather@65cc6ae FlorentF9+DeepTemporalClustering@43d579b HaebinShin+dec-tensorflow@a1000e3
    Mr-SGXXX+Clustering@72ca007 OREYH+Deep-Embedded-Clustering@ef08bab Tiger101010+DAEGC@5931c81
    XifengGuo+DEC-keras@2438070 XifengGuo+IDEC@4a661c2 amazon-science+sccl@46e700f apache+mxnet@035508a
    bdy9527+SDCN@da6bb00 chunxy+IDEC@60c5546 dawnranger+IDEC-pytorch@1b0cc67 eelxpeng+dec-pytorch@5ef1037
    fferroni+DEC-Keras@c4f35e6 guohaha126+DEC-pytorch@76ef2a5 hustwutao+Deep-Clustering@e541638
    jackwang0108+DEC@240db19 k-han+DTC@dc036e5 leotimus+DCEC@6f82fff long-nguyen12+deep-embedded-clustering@13df73a
    luochang212+dec-pytorch@1a4792e michaal94+torch_DCEC@55fe650 microsoft+CASPR@9cdbf27
    narutatsuri+deep_embedded_clustering@20e1c5b piiswrong+dec@e551e01 shyhyawJou+DEC-Pytorch@e356a63
    sinstar3+DEC-PyTorch@b2b0a99 ttgump+scDCC@142e4e0 ttgump+scDeepCluster_pytorch@537cab7 vlukiyanov+pt-dec@11b3055
    woullufy+deep-embedded-clustering@0565823 ymym3412+DeepEmbeddedClustering@9abe4b4 youngerous+dec-pytorch@00f42fb
    zhoushengisnoob+OpenDeepClustering@f1d639d
""".split())
"""Folder of a GitHub repository -> the commit that was read."""


@dataclass(frozen=True)
class Entry:
    """One row of the table."""

    name: str
    folder: str
    expected: dict[int | tuple[str, int], Expected]
    """Number of the equation -> what is expected of each finding on it; (argument, number) -> of the finding on that
    argument. None of them may be missing."""
    make: Callable[[Callable[..., Source]], dict[str, Any]]
    """Takes ``file(path, **given) -> Source`` and returns the keyword arguments of ``check_against``."""


ENTRIES: list[Entry] = []


def peer(name: str, folder: str, expected: dict) -> Callable[[Callable], Callable]:
    """Add the decorated function to the table."""

    def add(make: Callable) -> Callable:
        ENTRIES.append(Entry(name, folder, expected, make))
        return make

    return add


def opener(root: Path, folder: str) -> Callable[..., Source]:
    """Return the function that opens a file of one peer."""
    return lambda path, **given: Source(root / folder / path, **given)
