"""Progress of ``decnp fit`` on standard error: a tqdm bar for each phase on a terminal, else lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..utils.progress import message, open_bar, write_line

if TYPE_CHECKING:
    from ..training.records import Record

__all__ = ["FitProgress"]


class FitProgress:
    """Display of the progress of a training run, to be closed at the end.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    resumed : bool, default=False
        The training continues an earlier run. The remaining time is that of the steps after the first record.
    """

    def __init__(self, quiet: bool, resumed: bool = False) -> None:
        self.quiet, self._resumed = quiet, resumed
        self._phase, self._iteration, self._start_iteration = "", 0, 0
        self._bar: Any | None = None
        self._phase_start = self._last_report = time.time()

    def log(self, line: str) -> None:
        """Show a line. The time until now is not counted as time of a phase."""
        self._last_report = time.time()
        if not self.quiet:
            message(line)

    def on_step(self, record: Record) -> None:
        """Show a record of the training."""
        if self.quiet:
            return
        if record.phase != self._phase or record.iteration <= self._iteration:  # a new phase, or a repeated one
            self.close()
            self._phase_start, self._start_iteration = self._last_report, 0
            if self._resumed and not self._phase:
                self._phase_start, self._start_iteration = time.time(), record.iteration
            self._bar = open_bar(f"{record.phase:>10}", record.n_iter, initial=self._start_iteration)
            if self._bar is not None:
                self._bar.start_t = self._phase_start
        self._phase, self._iteration, self._last_report = record.phase, record.iteration, time.time()
        changed = "" if record.changed is None else f"  labels changed {record.changed:7.2%}"
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {record.loss:.5f}{changed}", refresh=False)
            self._bar.update(record.iteration - self._bar.n)
            self._bar.refresh()
        else:
            report = f"{record.phase:>10} {record.iteration:>6}/{record.n_iter}  loss {record.loss:.5f}{changed}"
            write_line(report + self._time_left(record))

    def _time_left(self, record: Record) -> str:
        """Return a clause with the remaining time of the phase, or "" if it is unknown or below a second."""
        elapsed, done = self._last_report - self._phase_start, record.iteration - self._start_iteration
        seconds = elapsed / max(1, done) * (record.n_iter - record.iteration)
        at_most = "at most " if record.phase == "cluster" else ""
        return f"  {at_most}{seconds:.0f} s left in this phase" if done and seconds >= 1 else ""

    def close(self) -> None:
        """Close the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
