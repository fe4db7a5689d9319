"""The progress display that fits, predictions and downloads share."""

import io
import sys

import pytest

from decnp.utils import progress
from decnp.utils.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(*args, chunks=(1_000_000, 2_000_000), **kwargs):
    with Progress(*args, **kwargs) as shown:
        for chunk in chunks:
            shown.update(chunk)
    return shown.done


@pytest.fixture(params=["file", "terminal without tqdm"])
def lines(request, monkeypatch):
    """Where there is no bar: a function that shows progress and returns the lines on standard error."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(progress, "PROGRESS_INTERVAL", 0)

    def lines(*args, **kwargs):
        monkeypatch.setattr(sys, "stderr", io.StringIO() if request.param == "file" else Terminal())
        show(*args, **kwargs)
        return sys.stderr.getvalue().splitlines()
    return lines


def test_bytes_are_counted_in_megabytes_from_the_start(lines):
    assert lines("f", 4_000_000, "B", 1_000_000, headline="downloading f") == [
        "decnp: downloading f", "decnp: 2.0 of 4.0 MB", "decnp: 4.0 of 4.0 MB"]


@pytest.mark.parametrize("unit, expected", [("B", "decnp: 3.0 MB"), ("rows", "decnp: 3000000 rows")])
def test_an_unknown_total_is_left_out(lines, unit, expected):
    assert lines("f", unit=unit)[-1] == expected


def test_lines_come_after_the_interval_only(lines, monkeypatch):
    clock = iter([0, 4, 5, 5, 9, 10, 10])
    monkeypatch.setattr(progress, "PROGRESS_INTERVAL", 5)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert lines("rows", 4, chunks=(1, 1, 1, 1)) == ["decnp: 2 of 4 rows", "decnp: 4 of 4 rows"]


def test_quiet_shows_nothing(lines):
    assert lines("f", headline="downloading f", quiet=True) == []


def test_a_terminal_with_tqdm_has_a_bar_instead_of_the_headline(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    show("f.gz", 4_000_000, "B", 1_000_000, headline="downloading f")
    shown = sys.stderr.getvalue()
    assert "f.gz: 100%" in shown and "4.00M/4.00M" in shown and "decnp" not in shown


def test_a_delayed_bar_is_not_shown_for_short_work(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    show("rows", 3_000_000, delayed=True)
    assert sys.stderr.getvalue() == ""


def test_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # pythonw
    assert show("f", 3_000_000, "B") == 3_000_000
