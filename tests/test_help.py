"""Every command's help has examples, and each of them works as it stands; those with pipes in a shell."""

import argparse
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import here, start
from conftest import blobs

from decnp import load_digits
from decnp.cli.command import build_parser

ROOT = Path(__file__).parents[1]
SHELL = shutil.which("bash")
BRIEF = "--set init_std=none --set pretrain_iter=0 --set finetune_iter=20 --hidden 8,2 --max-iter 20"
CHEAP = "--quick --so-far"  # test_experiments.py computes all tables and figures
MODEL = "decnp fit digits --n-clusters 10 --out run"


def parsers(parser):
    """The parser and those of all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


def examples(parser):
    return re.findall(r"^  (\S.*)$", (parser.epilog or "").partition("examples:\n")[2].partition("\n\n")[0], re.M)


EVERY = [MODEL, *dict.fromkeys(line for parser in parsers(build_parser()) for line in examples(parser) if line != MODEL)]


def brief(words):
    """The command's words with options that leave little to compute; those that the example has are still parsed."""
    if words[0] in ("fit", "choose-k") and "--resume" not in words:
        return [words[0], *BRIEF.split(), *(word.replace("digits", "few.npy") for word in words[1:])]
    return words + {"gradcheck": ["--trials", "1"], "reproduce": CHEAP.split()}.get(words[0], [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the examples name, and the program ``decnp``, which fits briefly, on few digits."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "decnp").write_text(
        f"#!{SHELL}\n"
        f'case "$*" in *--resume*) ;; fit*) shift; set -- fit {BRIEF} "${{@/#digits/few.npy}}" ;; esac\n'
        f'exec {sys.executable} -W error -m decnp "$@"\n')
    (folder / "decnp").chmod(0o755)
    table = "\n".join(",".join(map(str, row)) for row in blobs(60, 64).tolist())
    header, species = [f"x{j}" for j in range(64)] + ["species"], ["setosa", "virginica"] * 30
    (folder / "mydata.csv").write_text("\n".join(
        [",".join(header), *(f"{row},{name}" for row, name in zip(table.splitlines(), species))]))
    rows = [f"r{i},{'' if i % 9 == 0 else round(a, 3)},{b:.3f},{'xyz'[i % 3]}" for i, (a, b) in enumerate(blobs(60, 2))]
    (folder / "raw.csv").write_text("\n".join(["id,size,weight,kind", *rows]))
    (folder / "new.csv").write_text(table)
    (folder / "new.csv.gz").write_bytes(gzip.compress(table.encode()))
    np.save(folder / "new.npy", blobs(60, 64))
    (folder / "my_dec.py").write_text("def target_distribution(q):\n    w = q**2 / q.sum(axis=0)\n"
                                      "    return w / w.sum(axis=1, keepdims=True)\n")
    np.save(folder / "few.npy", load_digits()[0][:300])
    assert here(*brief(MODEL.split()[1:]), cwd=folder)[0] == 0  # the model that the others name
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """Function that runs a line in that folder: in a shell where it needs one, else in this process."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "80")

    def run(line):
        if not set(line) & set("|&;"):
            words = brief(shlex.split(line)[1:])
            return subprocess.CompletedProcess(line, *here(*words, *["--overwrite"] * (line == MODEL), cwd=folder))
        return subprocess.run([SHELL, "-o", "pipefail", "-c", line], cwd=folder, text=True, capture_output=True, timeout=120)
    return run


def test_every_command_has_an_example():
    assert not [parser.prog for parser in parsers(build_parser()) if not examples(parser)]


@pytest.mark.skipif(SHELL is None, reason="the examples are for a shell")
@pytest.mark.parametrize("line", EVERY)
def test_an_example_of_the_help_works(run, folder, line, sketched):
    if "choose-k --resume" in line:  # the results of a comparison that is complete
        assert here(*brief(f"choose-k new.npy --k 2..3 --overwrite --out {line.split()[-1]}".split()), cwd=folder)[0] == 0
    elif "--resume" in line:  # needs a run that is not complete
        begun = start(*brief("fit digits --out run --overwrite --max-iter 2000 --tol 0".split()), cwd=folder)
        while "finetune" not in begun.stderr.readline():
            assert begun.poll() is None
        begun.send_signal(signal.SIGTERM)
        begun.communicate(timeout=300)
        assert begun.returncode == 130 and (folder / "run/checkpoint.decnp").exists()
    done = run(line)
    assert done.returncode == 0, done.stderr
    assert done.stdout or "--out" in line
    assert "\x1b" not in done.stdout + done.stderr and "\r" not in done.stderr  # no colours, no bars: not a terminal
    assert "Traceback" not in done.stderr
    if line.endswith("--json"):
        json.loads(done.stdout)
