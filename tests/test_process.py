"""The command in a process without what most processes have: streams, a home, a folder, signals of their own."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from commands import QUICK, ROOT, interrupted, start

from decnp.cli import main
from decnp.utils import provenance

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shells and signals as in POSIX")
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
FIT = ["fit", "x.npy", *QUICK]


def shell(words, redirection="", **environment):
    """Run the command in a shell; return status, output and errors."""
    line = f"{shlex.join([sys.executable, '-m', 'decnp', *map(str, words)])} {redirection}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": str(ROOT), **environment})
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with x.npy and a complete run in rés."""
    import numpy as np
    from conftest import blobs
    folder = tmp_path_factory.mktemp("trained")
    np.save(folder / "x.npy", blobs(60, spread=0.3))
    at = os.getcwd()
    os.chdir(folder)
    try:
        assert main([*FIT, "-q", "--out", "rés"]) == 0
    finally:
        os.chdir(at)
    return folder


# ---------------------------------------------------------------- streams

@pytest.mark.parametrize("closed", [
    *(pytest.param(some, marks=pytest.mark.slow) for some in ("2>&-", ">&-", "<&-", ">&- 2>&-")), "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(data, closed):
    assert shell([*FIT, "--out", "run"], closed)[0] == 0
    assert json.loads(Path("run/run.json").read_text())["n_iter"] > 0


def test_closed_output_of_predict(trained, monkeypatch):
    monkeypatch.chdir(trained)
    model = "rés/model.decnp"
    assert shell(["predict", model, "x.npy"], ">&-") == (0, "", "")
    assert shell(["predict", model, "x.npy", "--out", "labels.csv"], ">&- 2>&-")[0] == 0
    assert Path("labels.csv").read_text().count("\n") == 61
    Path("nan.csv").write_text("1,2,3,nan,5,6\n")
    assert shell(["predict", "-q", model, "nan.csv"], "2>&-") == (2, "", "")


def test_without_standard_error_an_error_is_not_among_the_results(data):
    assert shell(["fit", "nosuchfile.csv"], "2>&-") == (2, "", "")
    assert shell(["fit", "--no-such"], "2>&-") == (2, "", "")


def test_a_library_without_standard_error_writes_no_progress_to_standard_output(capsys, monkeypatch):
    from decnp.utils.progress import Progress, message

    monkeypatch.setattr(sys, "stderr", None)
    message("a sentence")
    with Progress("rows", 3) as progress:
        progress.update(3)
    assert capsys.readouterr().out == ""


@FULL
def test_a_log_on_a_full_disk_is_given_up_and_the_run_goes_on(data):
    with open("/dev/full", "w") as full:
        process = start(*FIT, "--out", "run", stderr=full)
    assert "cluster sizes" in process.stdout.read() and process.wait(300) == 0 and os.path.exists("run/model.decnp")
    process.stdout.close()


def test_a_log_whose_reader_has_gone_is_given_up_and_the_run_goes_on(data):
    process = start(*FIT, "--out", "run")
    process.stderr.close()
    assert "cluster sizes" in process.stdout.read() and process.wait(300) == 0
    process.stdout.close()


@FULL
@pytest.mark.parametrize("words", [
    ["info", "rés/model.decnp"], ["data", "list"], ["predict", "rés/model.decnp", "x.npy"], ["--help"],
    ["fit", "--help"], ["--version"], ["fit", "--resume", "rés"],
    pytest.param(["gradcheck", "--alpha", "1"], marks=pytest.mark.slow)])
def test_results_that_cannot_be_written_are_one_sentence(trained, monkeypatch, words):
    monkeypatch.chdir(trained)
    status, _, err = shell(words, ">/dev/full")
    sentence = err.splitlines()[-1]
    assert status == 2 and sentence.startswith("decnp: error: ") and sentence.endswith("written: No space left on device")


@pytest.mark.parametrize("words", [
    ["info", "rés/model.decnp"], ["predict", "rés/model.decnp", "x.npy", "--out", "é.csv"],
    *(pytest.param(words, marks=pytest.mark.slow) for words in (["fit", "--resume", "rés"], ["report", "rés"]))])
def test_output_that_cannot_say_a_letter_says_its_number(trained, monkeypatch, words):
    monkeypatch.chdir(trained)
    status, out, err = shell(words, PYTHONIOENCODING="ascii")
    assert status == 0, err
    assert (out + err).isascii()


def test_a_reader_that_has_gone_gives_status_1(data):
    assert shell(["data", "list"], "| true; echo gone")[1] == "gone\n"


# ---------------------------------------------------------------- folders and metadata

@pytest.mark.parametrize("out", [pytest.param("", marks=pytest.mark.slow), "run"])
def test_a_deleted_working_folder(data, trained, out):
    os.mkdir("gone")
    words = ["-m", "decnp", "fit", f"{trained}/x.npy", *QUICK, "-q", *(["--out", f"{data}/{out}"] if out else [])]
    done = subprocess.run(["sh", "-c", f"cd gone && rmdir ../gone && exec {shlex.join([sys.executable, *words])}"],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and "cluster sizes" in done.stdout, done.stderr
    assert not out or json.loads(Path("run/run.json").read_text())["source"]["folder"] == ""


def test_versions_without_the_metadata_of_the_packages(monkeypatch):
    import numpy

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(provenance.metadata, "version", absent)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    versions = provenance.versions()
    assert versions["numpy"] == numpy.__version__ and versions["numba"] == "unknown"


@pytest.fixture
def homeless(monkeypatch):
    def no_home(path):
        if path.parts[:1] == ("~",):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", no_home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("DECNP_DATA", raising=False)
    monkeypatch.setattr("decnp.datasets._files.CHECKOUT", Path("nowhere"))


def test_no_home_folder(data, says, homeless, monkeypatch):
    assert says("data", "list")[0] == 0
    assert says("data", "verify")[0] == 0
    status, out, err = says("data", "fetch", "mnist")
    assert (status, out) == (2, "") and "no home folder" in err and "$DECNP_DATA" in err and err.count("\n") == 1
    status, _, err = says("fit", "mnist")
    assert status == 2 and "no home folder" in err and err.count("\n") == 1
    monkeypatch.setenv("DECNP_DATA", "~/data")
    status, _, err = says("data", "list")
    assert status == 2 and err.startswith("decnp: error: $DECNP_DATA is ~/data, and this user has no home folder")


# ---------------------------------------------------------------- signals

@pytest.mark.slow  # two seconds each; test_cli.py has SIGINT, and test_resume.py SIGTERM with a folder
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_without_a_folder_is_an_interruption(data, number):
    status, lines = interrupted([], "pretrain 2     50/50", number)
    assert (status, lines[-1]) == (130, "decnp: interrupted; nothing was written")


def test_a_closed_terminal_keeps_the_run(data):
    status, lines = interrupted(["--out", "run"], "pretrain 2     50/50", signal.SIGHUP)
    assert (status, lines[-1]) == (130, "decnp: interrupted; to resume: decnp fit --resume run")
    assert os.path.exists("run/checkpoint.decnp")


@pytest.mark.parametrize("out", [pytest.param([], marks=pytest.mark.slow), ["--out", "run"]])
def test_signals_that_the_parent_ignores_stay_ignored(data, out):
    process = start(*FIT, "--set", "finetune_iter=1500", *out, ignored=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    while "pretrain 2" not in process.stderr.readline():
        pass
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
        time.sleep(0.05)
    printed, err = process.communicate(timeout=300)
    assert process.returncode == 0 and "cluster sizes" in printed, err


def test_handlers_of_the_caller_are_put_back(says):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    says("fit", "nosuchfile.csv")
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


@pytest.fixture
def run(monkeypatch):
    """``decnp.__main__.run`` with words; the signal handlers of the tests are put back."""
    from decnp.__main__ import SIGNALS, run
    before = [signal.getsignal(number) for number in SIGNALS]
    yield lambda *words: monkeypatch.setattr(sys, "argv", ["decnp", *words]) or run()
    for number, handler in zip(SIGNALS, before):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_command_is_imported_is_an_interruption(run, monkeypatch, capsys, number):
    monkeypatch.setattr("decnp.cli.main", lambda: signal.raise_signal(number))
    assert run() == 130 and capsys.readouterr().err == "decnp: interrupted\n"


def test_signals_while_the_process_ends_change_no_status(run, capsys):
    assert run("data", "list") == 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(number)
