"""Curves: the training history, and the paper's Figures 2, 5 f and 6."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import Formatter, FuncFormatter, MaxNLocator

from ._canvas import BLUE, GRAY, LINE_COLORS, RED, TEXT, axes, numbers, runs, style

__all__ = ["accuracy_curve", "choosing_k", "label_changes", "learning_curves", "settings_curves"]

PAPER: dict[str, Any] = dict(linestyle="--", linewidth=1.2, marker="")  # the paper's values: thin and dashed
OURS: dict[str, Any] = dict(linewidth=2.2, marker="o", markersize=5)
STARTS = ("k-means", "spherical k-means", "neighbors", "array", "callable")
"""Phases that find the start of the clustering phase; they have no curve."""
NAMES = {"finetune": "end to end", "cluster": "clustering"}


def learning_curves(history: Iterable[Any], ax: Axes | None = None) -> Axes:
    """Draw the loss of each phase of a run against its steps, in panels of equal width.

    Reconstruction losses, 1/(2 n D) times the sum of squares, are on the left axis. KL(P || Q) of the clustering phase,
    in nats per sample, is on the right axis, or on the left axis if it is the only loss. Both axes are logarithmic. The
    curve of an attempt that was repeated, because training diverged or the network died, is dotted. The start of the
    clustering phase has no curve.

    Parameters
    ----------
    history : iterable of Record or of dict
        ``DEC.history_``, or the same records as dictionaries from ``run.json``.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    label_changes : Labels that changed during the clustering phase.

    Examples
    --------
    >>> from decnp import Record
    >>> ax = learning_curves([Record("finetune", 50, 100, 0.4), Record("finetune", 100, 100, 0.2)])
    >>> ax.lines[0].get_ydata()
    array([0.4, 0.2])
    """
    ax = axes(ax, 8, 4.2)
    attempts = _attempts(history)
    phases = list(dict.fromkeys(steps[0].phase for steps in attempts))
    n_steps = [max(steps[-1].iteration for steps in attempts if steps[0].phase == phase) for phase in phases]
    right = ax.twinx() if "cluster" in phases and len(phases) > 1 else ax
    last = {steps[0].phase: number for number, steps in enumerate(attempts)}
    for number, steps in enumerate(attempts):
        phase = steps[0].phase
        i = phases.index(phase)
        x = np.array([i + step.iteration / max(1, n_steps[i]) for step in steps])  # phase i is from i to i + 1
        y = np.array([step.loss for step in steps])
        on, color = (right, RED) if phase == "cluster" else (ax, BLUE)
        on.plot(x, np.where(np.isfinite(y) & (y > 0), y, np.nan), color=color, linewidth=2.2, marker="o",
                markersize=4, linestyle="-" if number == last[phase] else ":", label=NAMES.get(phase, phase))
    _style_phases(ax, phases, n_steps)
    _style_losses(ax, right, phases)
    return ax


def _style_phases(ax: Axes, phases: Sequence[str], n_steps: Sequence[int]) -> None:
    """Write the names of the phases above the axes, draw lines between them, and label their steps."""
    for i, phase in enumerate(phases):
        ax.annotate(NAMES.get(phase, phase), (i + 0.5, 1), (0, 6), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="center", fontsize=TEXT if len(phases) < 5 else TEXT - 3)
        if i:
            ax.axvline(i, color=GRAY, linewidth=0.8)
    style(ax, "steps of each phase", "reconstruction loss")
    ax.set_xticks([i + part for i in range(len(phases)) for part in ((1,) if len(phases) > 3 else (0.5, 1))])
    ax.xaxis.set_major_formatter(FuncFormatter(
        lambda x, _: f"{round(n_steps[int(np.ceil(x)) - 1] * (x - np.ceil(x) + 1)):,}" if x > 0 else "0"))


def _style_losses(ax: Axes, right: Axes, phases: Sequence[str]) -> None:
    """Make the axes of the losses logarithmic, and label the axis of the clustering phase, if there is one."""
    for axis in {ax, right}:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(PlainNumbers())
        axis.yaxis.set_minor_formatter(PlainNumbers())
        axis.tick_params(labelsize=TEXT - 2, which="both")
        axis.set_xlim(-0.02, len(phases) + 0.02)
    if phases[-1] == "cluster":
        right.set_ylabel("KL(P ‖ Q), nats per sample", fontsize=TEXT, color=RED)
        right.spines["top"].set_visible(False)
    if right is not ax:
        ax.yaxis.label.set_color(BLUE)


def label_changes(history: Iterable[Any], ax: Axes | None = None, tol: float | None = None) -> Axes:
    """Draw the percentage of labels that changed between two refreshes of P, against the steps of the clustering phase.

    The first refresh is left out, because no labels precede it.

    Parameters
    ----------
    history : iterable of Record or of dict
        As for ``learning_curves``.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    tol : float or None, default=None
        Fraction of changed labels below which the run stops, drawn as a line.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    learning_curves : Losses of all phases.

    Examples
    --------
    >>> from decnp import Record
    >>> ax = label_changes([Record("cluster", 0, 90, 0.3, 1.0), Record("cluster", 30, 90, 0.2, 0.04)], tol=0.001)
    >>> ax.lines[0].get_xydata()
    array([[30.,  4.]])
    """
    ax = axes(ax, 8, 3.6)
    steps = [step for step in _records(history) if step.phase == "cluster" and step.iteration > 0]
    if not steps:
        raise ValueError("history must hold at least two refreshes of P; got none after the start")
    ax.plot([step.iteration for step in steps], [100 * step.changed for step in steps], color=RED, **OURS)
    if tol is not None:
        ax.axhline(100 * tol, color=GRAY, **PAPER)
        ax.annotate(f"tol = {100 * tol:g} %", (1, 100 * tol), (-4, -4), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", va="top", fontsize=TEXT - 2, color=GRAY)
    ax.set_yscale("symlog", linthresh=0.01)  # linear near 0, which is a possible value
    ax.set_ylim(0, 200 * max([tol or 0.0, *(step.changed for step in steps)]))
    ax.set_xlim(left=0)
    style(ax, "clustering steps", "labels changed, %")
    ax.yaxis.set_major_formatter(PlainNumbers())
    return ax


def settings_curves(
    curves: Mapping[str, Any], ax: Axes | None = None,
    paper: Mapping[str, Sequence[float]] | None = None,
) -> Axes:
    """Draw the paper's Figure 2: the accuracy of each method at each setting of its parameter, numbered from 1.

    Parameters
    ----------
    curves : mapping of str to array-like of shape (settings,) or (runs, settings)
        Accuracies of each method, as fractions. NaN marks a setting that was not run. Several runs have a line for their
        mean, and a band from the smallest to the largest.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    paper : mapping of str to sequence of float, default=None
        Accuracies from the paper, drawn as thin dashed lines in the color of the method.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    Examples
    --------
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
            y = runs(f"the curve of {method!r}", values, finite=False)
            longest = max(longest, y.shape[1])
            color = LINE_COLORS[methods.index(method) % len(LINE_COLORS)]
            label = method if look is OURS else f"{method}, paper" if method not in curves else None
            _mean_and_band(ax, np.arange(1, y.shape[1] + 1), y, color=color, label=label, **look)
    ax.set_xticks(range(1, longest + 1))
    style(ax, "parameter index", "accuracy")
    _legend(ax, bool(paper))
    return ax


def accuracy_curve(
    epochs: Sequence[float], accuracy: Sequence[float], ax: Axes | None = None,
    paper: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Axes:
    """Draw the paper's Figure 5 f: accuracy against epochs of the clustering phase.

    Parameters
    ----------
    epochs, accuracy : sequence of float
        Points of the curve.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    paper : pair of sequences of float, default=None
        Epochs and accuracies from the paper, drawn as a thin dashed line.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    Examples
    --------
    >>> ax = accuracy_curve([0, 1, 2], [0.82, 0.83, 0.84], paper=([0, 10], [0.80, 0.839]))
    >>> len(ax.lines)
    2
    """
    ax = axes(ax, 7, 4.2)
    x = numbers("epochs", epochs)
    ax.plot(x, numbers("accuracy", accuracy, len(x)), color=BLUE, label="DEC", **OURS)
    if paper is not None:
        paper_epochs = numbers("the paper's epochs", paper[0])
        ax.plot(paper_epochs, numbers("the paper's accuracy", paper[1], len(paper_epochs)), color=GRAY, **PAPER)
    _legend(ax, paper is not None)
    style(ax, "epochs of clustering", "accuracy")
    return ax


def choosing_k(
    k: Sequence[float], nmi: Any, generalizability: Any, ax: Axes | None = None,
    paper: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
) -> Axes:
    """Draw the paper's Figure 6: NMI and generalizability G against the number of clusters, on one axis.

    The axis extends from 0 to 1, or further if G exceeds 1.

    Parameters
    ----------
    k : sequence of float
        Numbers of clusters.
    nmi, generalizability : array-like of shape (len(k),) or (runs, len(k))
        Points of the two curves. Several runs have a line for their mean, and a band from the smallest to the largest.
    ax : matplotlib Axes, default=None
        Axes to draw in. None makes a new figure.
    paper : triple of sequences of float, default=None
        Values of k, NMI and G from the paper, drawn as thin dashed lines.

    Returns
    -------
    ax : matplotlib Axes
        The axes with the drawing.

    See Also
    --------
    decnp.metrics.normalized_mutual_info : NMI.
    decnp.metrics.generalizability : The ratio G.

    Examples
    --------
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
        for label, values, color in zip(("NMI", "generalizability G"), kinds[1:], (BLUE, RED)):
            y = runs(f"{whose}{label}", values, len(x))
            highest = max(highest, y.max() * 1.02)
            _mean_and_band(ax, x, y, color=color, label=None if whose else label, **look)
    ax.set_ylim(0, highest)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    style(ax, "number of clusters k", "NMI, generalizability")
    _legend(ax, paper is not None)
    return ax


def _mean_and_band(ax: Axes, x: np.ndarray, y: np.ndarray, color: str, **look: Any) -> None:
    """Draw the mean of the runs y (runs, n) at x (n,), and a band from the smallest to the largest of several runs."""
    finished = np.ma.masked_invalid(y)
    ax.plot(x, finished.mean(axis=0).filled(np.nan), color=color, **look)
    if len(y) > 1:
        low, high = (getattr(finished, end)(axis=0).filled(np.nan) for end in ("min", "max"))
        ax.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


class PlainNumbers(Formatter):
    """Formatter of tick labels such as 0.05 instead of 5e-2; on a long axis, only numbers that begin with 1, 2 or 5."""

    def __call__(self, y: float, pos: int | None = None) -> str:
        axis: Any = self.axis
        low, high = axis.get_view_interval()
        return f"{y:.4g}" if high < 3 * low or f"{y:e}"[:3] in ("0.0", "1.0", "2.0", "5.0") else ""


def _legend(ax: Axes, paper: bool) -> None:
    """Draw the legend, with an entry for dashed lines if ``paper`` is True."""
    handles = ax.get_legend_handles_labels()[0]
    if paper:
        handles.append(Line2D([], [], color=GRAY, label="paper", **PAPER))
    ax.legend(handles=handles, fontsize=TEXT - 2, frameon=False)


class _Record(NamedTuple):
    """The fields of a training record that the curves need."""

    phase: str
    iteration: int
    loss: float
    changed: float


def _records(history: Iterable[Any]) -> list[_Record]:
    """Return the records of a history of ``Record`` or of dictionaries; raise ValueError for anything else."""
    records = []
    for step in history:
        found = step if isinstance(step, Mapping) else {
            name: getattr(step, name) for name in _Record._fields if hasattr(step, name)}
        if not {"phase", "iteration", "loss"} <= found.keys():
            raise ValueError(f"history must hold Records, with phase, iteration and loss; got {step!r:.60}")
        changed = found.get("changed")
        records.append(_Record(found["phase"], found["iteration"], found["loss"], np.nan if changed is None else changed))
    return records


def _attempts(history: Iterable[Any]) -> list[list[_Record]]:
    """Return the records of each attempt at a phase that has a curve. A phase that was restarted has several attempts."""
    attempts: list[list[_Record]] = []
    for record in _records(history):
        if record.phase in STARTS:
            continue
        if not attempts or record.phase != attempts[-1][-1].phase or record.iteration <= attempts[-1][-1].iteration:
            attempts.append([])
        attempts[-1].append(record)
    if not attempts:
        raise ValueError("history must hold at least one record of a phase with a loss; got none")
    return attempts
