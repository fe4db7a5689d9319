"""Every command's help has examples, and each of them works as it stands: in a shell, in a real process."""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import blobs

from decnp import load_digits
from decnp.cli.command import build_parser

ROOT = Path(__file__).parents[1]
SHELL = shutil.which("bash")
BRIEF = "--set init_std=none --set pretrain_iter=0 --set finetune_iter=20 --hidden 8,2 --max-iter 20"
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


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a line in a folder with the files that the examples name; ``decnp fit`` briefly, on few digits."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "decnp").write_text(
        f"#!{SHELL}\n"
        f'case "$*" in *--resume*) ;; fit*) shift; set -- fit {BRIEF} "${{@/#digits/few.npy}}" ;; gradcheck*) set -- "$@" --trials 1 ;;'
        ' reproduce*) set -- "$@" --quick ;; esac\n'
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
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                   "XDG_CACHE_HOME": str(folder), "COLUMNS": "80"}

    def shell(line):
        return subprocess.run([SHELL, "-o", "pipefail", "-c", line], cwd=folder, env=environment, text=True,
                              capture_output=True, timeout=120)

    fitted = shell(MODEL)  # the model that the others name
    return lambda line: fitted if line == MODEL else shell(line)


def test_every_command_has_an_example():
    assert not [parser.prog for parser in parsers(build_parser()) if not examples(parser)]


@pytest.mark.skipif(SHELL is None, reason="the examples are for a shell")
@pytest.mark.parametrize("line", EVERY)
def test_an_example_of_the_help_works(shell, line):
    if "--resume" in line:  # needs a run that is not complete
        begun = shell("decnp fit digits --out run --overwrite --checkpoint-every 0 --max-iter 120 --tol 0 & "
                      "until [ -e run/checkpoint.decnp ]; do sleep 0.01; done; kill -TERM $!; wait $!")
        assert begun.returncode == 130, begun.stderr
    done = shell(line)
    assert done.returncode == 0, done.stderr
    assert done.stdout or "--out" in line
    assert "\x1b" not in done.stdout + done.stderr and "\r" not in done.stderr  # no colours, no bars: not a terminal
    assert "Traceback" not in done.stderr
    if line.endswith("--json"):
        json.loads(done.stdout)
