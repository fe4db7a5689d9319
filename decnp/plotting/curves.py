"""Lines: how training went, and the paper's Figures 2, 5 f and 6."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import Formatter, FuncFormatter, MaxNLocator

from ._canvas import BLUE, GREY, LINE_COLOURS, RED, TEXT, axes, numbers, style

__all__ = ["accuracy_curve", "choosing_k", "label_changes", "learning_curves", "settings_curves"]

PAPER: dict[str, Any] = dict(linestyle="--", linewidth=1.2, marker="")  # the paper's values: thin and dashed
OURS: dict[str, Any] = dict(linewidth=2.2, marker="o", markersize=5)
NAMES = {"finetune": "end to end", "cluster": "clustering"}


def learning_curves(history: Iterable[Any], ax: Optional[Axes] = None) -> Axes:
    """The loss of each phase of a run against its steps, phase beside phase, each as wide as the others.

    Reconstruction losses (1/(2 n D) sum of squares) are on the left axis; the clustering phase's KL(P || Q), in nats
    per sample, is on the right one, or on the left one if there is nothing else. Both are logarithmic. Phase i has
    the x from i to i + 1: its steps, divided by how many it took. An attempt that diverged or died is dotted. k-means has
    no curve.

    Parameters
    ----------
    history : ``DEC.history_``, the list of ``Step``; or what ``run.json`` has of it, as dictionaries

    >>> from decnp import Step
    >>> ax = learning_curves([Step("finetune", 50, 100, 0.4), Step("finetune", 100, 100, 0.2)])
    >>> ax.lines[0].get_ydata()
    array([0.4, 0.2])
    """
    ax = axes(ax, 8, 4.2)
    attempts = _attempts(history)
    phases = list(dict.fromkeys(steps[0].phase for steps in attempts))
    other = ax.twinx() if "cluster" in phases and len(phases) > 1 else ax
    ends = [max(steps[-1].iteration for steps in attempts if steps[0].phase == phase) for phase in phases]
    last = {steps[0].phase: number for number, steps in enumerate(attempts)}
    for number, steps in enumerate(attempts):
        phase = steps[0].phase
        i = phases.index(phase)
        x = np.array([i + step.iteration / max(1, ends[i]) for step in steps])
        y = np.array([step.loss for step in steps])
        on, colour = (other, RED) if phase == "cluster" else (ax, BLUE)
        on.plot(x, np.where(np.isfinite(y) & (y > 0), y, np.nan), color=colour, linewidth=2.2, marker="o",
                markersize=4, linestyle="-" if number == last[phase] else ":", label=NAMES.get(phase, phase))
    for i, phase in enumerate(phases):
        ax.annotate(NAMES.get(phase, phase), (i + 0.5, 1), (0, 6), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="center", fontsize=TEXT if len(phases) < 5 else TEXT - 3)
        if i:
            ax.axvline(i, color=GREY, linewidth=0.8)
    style(ax, "steps of each phase", "reconstruction loss")
    for axis in {ax, other}:
        axis.set_yscale("log")
        for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            which(Plain())
        axis.tick_params(labelsize=TEXT - 2, which="both")
        axis.set_xlim(-0.02, len(phases) + 0.02)
    if phases[-1] == "cluster":
        other.set_ylabel("KL(P ‖ Q), nats per sample", fontsize=TEXT, color=RED)
        other.spines["top"].set_visible(False)
    if other is not ax:
        ax.yaxis.label.set_color(BLUE)
    ax.set_xticks([i + part for i in range(len(phases)) for part in ((1,) if len(phases) > 3 else (0.5, 1))])
    ax.xaxis.set_major_formatter(FuncFormatter(
        lambda x, _: f"{round(ends[int(np.ceil(x)) - 1] * (x - np.ceil(x) + 1)):,}" if x > 0 else "0"))
    return ax


def label_changes(history: Iterable[Any], ax: Optional[Axes] = None, tol: Optional[float] = None) -> Axes:
    """The percentage of labels that changed between two refreshes of P, against the clustering phase's steps.

    Parameters
    ----------
    history : as for ``learning_curves``; the first refresh has nothing to compare with, and is left out
    tol : the fraction below which the run stops, drawn as a line

    >>> from decnp import Step
    >>> ax = label_changes([Step("cluster", 0, 90, 0.3, 1.0), Step("cluster", 30, 90, 0.2, 0.04)], tol=0.001)
    >>> ax.lines[0].get_xydata()
    array([[30.,  4.]])
    """
    ax = axes(ax, 8, 3.6)
    steps = [step for step in _steps(history) if step.phase == "cluster" and step.iteration > 0]
    if not steps:
        raise ValueError("history must hold at least two refreshes of P; got none after the start")
    ax.plot([step.iteration for step in steps], [100 * step.changed for step in steps], color=RED, **OURS)
    if tol is not None:
        ax.axhline(100 * tol, color=GREY, **PAPER)
        ax.annotate(f"tol = {100 * tol:g} %", (1, 100 * tol), (-4, -4), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", va="top", fontsize=TEXT - 2, color=GREY)
    ax.set_yscale("symlog", linthresh=0.01)  # no label changed is a value, too
    ax.set_ylim(0, 200 * max(tol or 0.0, *(step.changed for step in steps)))
    ax.set_xlim(left=0)
    style(ax, "clustering steps", "labels changed, %")
    ax.yaxis.set_major_formatter(Plain())
    return ax


def settings_curves(
    curves: Mapping[str, Sequence[float]], ax: Optional[Axes] = None,
    paper: Optional[Mapping[str, Sequence[float]]] = None,
) -> Axes:
    """The paper's Figure 2: the accuracy of each method at each setting of its parameter, numbered from 1.

    Parameters
    ----------
    curves : for each method its accuracies, fractions; NaN where a setting was not run
    paper : the paper's own, drawn thin and dashed in the colour of the method of that name

    >>> ax = settings_curves({"DEC": [0.82, 0.84]}, paper={"DEC": [0.818, 0.843]})
    >>> [line.get_xdata().tolist() for line in ax.lines]
    [[1, 2], [1, 2]]
    """
    if not curves and not paper:
        raise ValueError("curves must have at least one method; got none")
    ax = axes(ax, 7, 4.6)
    methods = list(dict.fromkeys([*curves, *(paper or {})]))
    longest = 1
    for given, look in ((curves, OURS), (paper or {}, PAPER)):
        for method, values in given.items():
            y = numbers(f"the curve of {method!r}", values, finite=False)
            longest = max(longest, len(y))
            colour = LINE_COLOURS[methods.index(method) % len(LINE_COLOURS)]
            label = method if look is OURS else f"{method}, paper" if method not in curves else None
            ax.plot(np.arange(1, len(y) + 1), y, color=colour, label=label, **look)
    ax.set_xticks(range(1, longest + 1))
    style(ax, "parameter index", "accuracy")
    _legend(ax, bool(paper))
    return ax


def accuracy_curve(
    epochs: Sequence[float], accuracy: Sequence[float], ax: Optional[Axes] = None,
    paper: Optional[tuple[Sequence[float], Sequence[float]]] = None,
) -> Axes:
    """The paper's Figure 5 f: accuracy against epochs of the clustering phase. ``paper`` is a pair of the same kind.

    >>> ax = accuracy_curve([0, 1, 2], [0.82, 0.83, 0.84], paper=([0, 10], [0.80, 0.839]))
    >>> len(ax.lines)
    2
    """
    ax = axes(ax, 7, 4.2)
    x = numbers("epochs", epochs)
    ax.plot(x, numbers("accuracy", accuracy, len(x)), color=BLUE, label="decnp", **OURS)
    if paper is not None:
        paper_epochs = numbers("the paper's epochs", paper[0])
        ax.plot(paper_epochs, numbers("the paper's accuracy", paper[1], len(paper_epochs)), color=GREY, **PAPER)
    _legend(ax, paper is not None)
    style(ax, "epochs of clustering", "accuracy")
    return ax


def choosing_k(
    k: Sequence[float], nmi: Sequence[float], generalizability: Sequence[float], ax: Optional[Axes] = None,
    paper: Optional[tuple[Sequence[float], Sequence[float], Sequence[float]]] = None,
) -> Axes:
    """The paper's Figure 6: NMI and generalizability G against the number of clusters, on one axis from 0 to 1.

    ``paper`` has the paper's k, NMI and G, drawn thin and dashed. The axis is longer where G exceeds 1.

    >>> ax = choosing_k([9, 10], [0.813, 0.808], [0.768, 0.699])
    >>> [line.get_label() for line in ax.lines]
    ['NMI', 'generalizability G']
    """
    ax = axes(ax, 7, 4.6)
    highest = 1.0
    for kinds, look in (((k, nmi, generalizability), OURS), (paper, PAPER)):
        if kinds is None:
            continue
        whose = "the paper's " if look is PAPER else ""
        x = numbers(f"{whose}k", kinds[0])
        for label, values, colour in zip(("NMI", "generalizability G"), kinds[1:], (BLUE, RED)):
            y = numbers(f"{whose}{label}", values, len(x))
            highest = max(highest, y.max() * 1.02)
            ax.plot(x, y, color=colour, label=None if whose else label, **look)
    ax.set_ylim(0, highest)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(ax, "number of clusters k", "NMI, generalizability")
    _legend(ax, paper is not None)
    return ax


class Plain(Formatter):
    """A tick as it is said, 0.05 and not 5e-2; on a long axis only those that begin with 1, 2 or 5."""

    def __call__(self, y, pos=None):
        axis: Any = self.axis
        low, high = axis.get_view_interval()
        return f"{y:.4g}" if high < 3 * low or f"{y:e}"[:3] in ("0.0", "1.0", "2.0", "5.0") else ""


def _legend(ax, paper):
    """The lines' names, and what a dashed one is."""
    handles = ax.get_legend_handles_labels()[0]
    if paper:
        handles.append(Line2D([], [], color=GREY, label="the paper's", **PAPER))
    ax.legend(handles=handles, fontsize=TEXT - 2, frameon=False)


def _steps(history):
    """Reports with attributes, whether they came as ``Step`` or as dictionaries."""
    steps = [SimpleNamespace(**step) if isinstance(step, Mapping) else step for step in history]
    for step in steps:
        if not all(hasattr(step, name) for name in ("phase", "iteration", "loss")):
            raise ValueError(f"history must hold Steps, with phase, iteration and loss; got {step!r:.60}")
    return steps


def _attempts(history):
    """The reports in lists: one for each phase, but for k-means, and one more where a phase was started again."""
    attempts: list[list] = []
    for step in _steps(history):
        if step.phase == "k-means":
            continue
        if not attempts or step.phase != attempts[-1][-1].phase or step.iteration <= attempts[-1][-1].iteration:
            attempts.append([])
        attempts[-1].append(step)
    if not attempts:
        raise ValueError("history must hold at least one report of a phase with a loss; got none")
    return attempts
