"""The ``decnp`` command, in processes of its own or in this one, and the options of a run that takes milliseconds."""

import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from forked import Forked

from decnp.cli import main

ROOT = Path(__file__).parents[1]
RESULTS = ["centroids.npy", "embedding.npy", "labels.npy", "model.decnp", "run.json"]
QUICK = ["--hidden", "8,2", "--max-iter", "40", "--update-interval", "10", "--n-clusters", "3", "--init", "k-means"]
for setting in ("init_std=none", "optimizer=adam", "lr=0.001", "pretrain_iter=5", "finetune_iter=40", "shuffle=true"):
    QUICK += ["--set", setting]


def new(*argv, warnings="error", **kwargs):
    """Start a Python of its own in which every warning is an error, or what else is said. It imports for two seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **kwargs.pop("env", {})}
    return subprocess.Popen([sys.executable, "-W", warnings, "-m", "decnp", *argv], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment, **kwargs)


start = Forked if os.name == "posix" else new
"""Start a process in which every warning is an error, or what else is said; it has imported everything already."""


def whole(*argv, start=start, **kwargs):
    """Return status, output and errors of a process that runs to its end."""
    process = start(*argv, **kwargs)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def here(*argv, cwd="."):
    """Return status, output and errors of the command in this process, which takes seconds less than one of its own."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        patch.chdir(cwd)
        try:
            status = main([str(word) for word in argv])
        except SystemExit as exit:
            status = exit.code
    return status, out.getvalue(), err.getvalue()


def interrupted(out, at, number=signal.SIGINT):
    """Return status and lines on stderr of a run into ``out`` that gets a signal when it prints ``at``."""
    process = start("fit", "x.npy", *QUICK, "--set", "finetune_iter=100000000", "--set", "pretrain_iter=50", *out)
    line = ""
    while at not in line:
        line = process.stderr.readline()
        assert line, "it ended before it could be interrupted"
    process.send_signal(number)
    printed, err = process.communicate(timeout=300)
    assert printed == "" and "Traceback" not in err
    return process.returncode, err.splitlines()


def complete_files(folder):
    """Return the names of the complete files of a run that was killed: a kill during a write leaves a temporary file."""
    return sorted(name for name in os.listdir(folder) if not name.endswith(".part"))


def outcome(folder):
    """Return what a complete run wrote, without what differs from run to run."""
    assert sorted(os.listdir(folder)) == RESULTS
    run = json.loads(Path(folder, "run.json").read_text())
    return [Path(folder, name).read_bytes() for name in RESULTS[:-1]] + [run["history"], run["n_iter"], run["stop_reason"]]
