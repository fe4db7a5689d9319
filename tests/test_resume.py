"""``decnp fit --resume``: real processes, killed at any moment, end in the files of one that was left alone.

A process takes two seconds to start; those that differ from another one in one word only are marked as slow. Inside one
process, test_checkpoint.py and test_init.py kill after every step.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK, RESULTS, here, interrupted, new, outcome, start
from conftest import write_data

UNFINISHED = ["checkpoint.decnp", "resume.json"]
LONGER = [*QUICK, "--max-iter", "60", "--tol", "0", "--set", "pretrain_iter=60", "--set", "finetune_iter=60"]

posix = pytest.mark.skipif(os.name != "posix", reason="signals as in POSIX")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What a run that is left alone writes, beside the time that it took."""
    folder = tmp_path_factory.mktemp("alone")
    write_data(folder)
    assert here("fit", "x.npy", *LONGER, "--out", "alone", "-q", cwd=folder)[0] == 0
    return outcome(folder / "alone")


@posix
@pytest.mark.parametrize("phase", [*(pytest.param(f"pretrain {l}", marks=pytest.mark.slow) for l in (1, 2)), "finetune", "cluster"])
def test_killed_in_each_phase(alone, data, says, phase):
    process = start("fit", "x.npy", *LONGER, "--checkpoint-every", "0", "--out", "run")
    while phase not in process.stderr.readline():
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate(timeout=300)
    assert "run.json" not in os.listdir("run")
    status, out, err = says("fit", "--resume", "run")
    assert status == 0, err
    assert re.search(rf"^ *{phase}|^ *(finetune|k-means|cluster)", err, re.M) and "x.npy: 60 rows" in err
    assert outcome("run") == alone


@posix
@pytest.mark.parametrize("init", [pytest.param("neighbors", marks=pytest.mark.slow), "start.npy"])
def test_killed_before_another_start(data, says, init):
    np.save("start.npy", np.arange(60) % 3)
    command = ("fit", "x.npy", *LONGER, "--init", init)
    assert says(*command, "--out", "alone", "-q")[0] == 0
    process = start(*command, "--checkpoint-every", "0", "--out", "run")
    while "finetune" not in process.stderr.readline():
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate(timeout=300)
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    status, out, err = says("fit", "--resume", "../run")
    phase = "array" if init == "start.npy" else init
    assert status == 0 and re.search(rf"^ *{phase} +1/1  loss ", err, re.M), err
    assert outcome("../run") == outcome("../alone")
    assert json.loads(Path("../run/run.json").read_text())["start"] == phase


@posix
@pytest.mark.by_hand
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_random_moments_again_and_again(alone, data, seed):
    """By hand: pytest -m by_hand tests/test_resume.py. The moments lie anywhere from the start of Python to the last file."""
    draw = random.Random(seed)
    command, kills = ("fit", "x.npy", *LONGER, "--checkpoint-every", "0", "--out", "run"), 0
    while True:
        process = new(*command)
        try:
            out, err = process.communicate(timeout=draw.uniform(0.5, 6))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=300)
            kills += 1
            command = ("fit", "--resume", "run") if Path("run/resume.json").exists() else command
            continue
        assert process.returncode == 0, (kills, err, sorted(os.listdir()), sorted(os.listdir("run")))
        break
    assert kills and outcome("run") == alone


@posix
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_keeps_the_run_and_says_how_to_go_on(data, number):
    status, lines = interrupted(["--out", "my run"], "pretrain 2     50/50", number)
    assert (status, lines[-1]) == (130, "decnp: interrupted; to resume: decnp fit --resume 'my run'")
    assert sorted(os.listdir("my run")) == UNFINISHED


@posix
def test_an_earlier_run_stays_until_the_new_one_is_complete(data, says):
    assert says("fit", "x.npy", *QUICK, "--out", "run", "-q")[0] == 0
    earlier = outcome("run")
    interrupted(["--out", "run", "--overwrite"], "pretrain 2     50/50")
    assert sorted(os.listdir("run")) == sorted(RESULTS + UNFINISHED)
    for name in UNFINISHED:
        os.unlink(f"run/{name}")
    assert outcome("run") == earlier


@posix
def test_it_goes_on_from_another_folder_and_only_with_the_same_data(alone, data, says):
    process = start("fit", "x.npy", *LONGER, "--labels", "y.txt", "--checkpoint-every", "0", "--out", "run")
    while "finetune" not in process.stderr.readline():
        pass
    process.kill()
    process.communicate(timeout=300)
    shutil.copytree("run", "copy", ignore=shutil.ignore_patterns("*.part"))  # of a write that the kill interrupted
    for name in (".labels.npy.0123abcd.part", ".resume.json.0123abcd.part"):
        Path("run", name).write_bytes(b"half")  # of a write that another kill interrupted
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    assert says("fit", "--resume", "../run", "-q")[0] == 0
    assert outcome("../run") == alone
    assert json.loads(Path("../run/run.json").read_text())["scores"]["end"]["ACC"] > 0
    x = np.load("../x.npy")
    x[0] += 1
    np.save("../x.npy", x)
    status, out, err = says("fit", "--resume", "../copy", "-q")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"decnp: error: ../copy/checkpoint.decnp is of another run: the sha256 of X was '.*\n", err)
    assert sorted(os.listdir("../copy")) == UNFINISHED


def test_killed_before_the_first_checkpoint_it_begins_again(alone, data, says):
    os.mkdir("run")
    Path("run/resume.json").write_text(json.dumps({"argv": ["fit", "x.npy", *LONGER, "--out", "run"], "folder": os.getcwd()}))
    assert says("fit", "--resume", "run", "-q")[0] == 0
    assert outcome("run") == alone


def test_a_complete_run_is_told_again_and_left_alone(data, says):
    """As after a kill between the last file and the end of the process."""
    first = says("fit", "x.npy", *QUICK, "--out", "run", "-q")
    as_json = says("fit", "x.npy", *QUICK, "--out", "run", "-q", "--json", "--overwrite")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("run").iterdir()}
    said = "decnp: the run in run is complete: these are its results\n"
    same = [line for line in first[1].splitlines() if " s, peak memory" not in line]
    status, out, err = says("fit", "--resume", "run")
    assert (status, err) == (0, said) and [line for line in out.splitlines() if " s, peak memory" not in line] == same
    assert says("fit", "--resume", "run", "--json") == (0, as_json[1], said)
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("run").iterdir()}
    for content in ("{", "[3]", '{"n_iter": 3}'):
        Path("run/run.json").write_text(content)
        status, out, err = says("fit", "--resume", "run")
        assert (status, out) == (2, "") and "there is no run to resume" in err
    Path("run/run.json").write_text(json.dumps({**json.loads(as_json[1]), "diagnostics": None}))
    status, out, err = says("fit", "--resume", "run")
    assert (status, out) == (2, "")
    assert err.endswith("decnp: error: --resume run: run.json in it is damaged, or is of another version\n")


def test_what_resume_refuses(data, says):
    def refused(*argv):
        status, out, err = says("fit", *argv)
        assert (status, out) == (2, "") and err.count("\n") == 1, err
        return err[len("decnp: error: "):-1]

    assert refused() == "fit needs a SOURCE, or --resume DIR (see decnp fit --help)"
    assert refused("--resume", "none") == "--resume none: there is no run to resume, because none/resume.json does not exist"
    for words in (["x.npy"], ["--seed", "3"]):
        assert refused(*words, "--resume", "none") == (
            f"--resume takes everything from DIR, and only --quiet and --json beside it; got {words[0]}")
    os.mkdir("bad")
    for content in (b"", b"[]", b'{"argv": 3}', b"\xff"):
        Path("bad/resume.json").write_bytes(content)
        assert refused("--resume", "bad").startswith("--resume bad: bad/resume.json is damaged (")
    Path("bad/checkpoint.decnp").write_bytes(b"PK")
    Path("bad/resume.json").write_text(json.dumps({"argv": ["fit", "x.npy", *QUICK], "folder": os.getcwd()}))
    assert refused("--resume", "bad", "-q") == "bad/checkpoint.decnp is not a checkpoint: it does not begin as one"
    assert refused("x.npy", *QUICK, "--out", "bad", "-q") == (
        "--out bad holds a run that is not complete: decnp fit --resume bad resumes it; "
        f"delete {os.path.join('bad', 'checkpoint.decnp')} to start again")
    assert refused("x.npy", "--checkpoint-every", "-1") .startswith("argument --checkpoint-every: must be a finite number >= 0")


@pytest.mark.parametrize("command", ["fit", "choose-k"])
def test_a_command_without_a_source_is_damage(data, says, command):
    os.mkdir("bad")
    for words in ([], ["-q"], ["--resume", "bad"]):
        Path("bad/resume.json").write_text(json.dumps({"argv": [command, *words], "folder": os.getcwd()}))
        assert says(command, "--resume", "bad") == (
            2, "", "decnp: error: --resume bad: bad/resume.json is damaged (its command has no SOURCE)\n")


def test_a_run_that_fails_leaves_no_folder(data, says):
    status, out, err = says("fit", "x.npy", *QUICK, "--set", "lr=1e30", "--set", "optimizer=sgd", "--out", "run", "-q")
    assert status == 2 and "the learning rate is too large" in err
    assert not os.path.exists("run")


@pytest.mark.parametrize("command", ["fit", "choose-k"])
def test_a_run_that_fails_leaves_no_folder_that_it_made(data, says, command):
    Path("own").mkdir()
    for out, reason in (("own/a/b", "lr=-1"), ("new/a/b", "lr=-1"), ("new/a/" + "x" * 300, "")):
        status, _, err = says(command, "x.npy", *(["--set", reason] if reason else []), "--out", out, "-q")
        assert status == 2 and ("lr" if reason else "cannot be written to") in err, err
        assert os.listdir("own") == [] and not os.path.exists("new"), out


# ---------------------------------------------------------------- two runs in one folder

@posix
def test_a_second_run_in_the_folder_of_one_that_lives_is_refused(data, says):
    process = start("fit", "x.npy", *LONGER, "--set", "finetune_iter=3000", "--checkpoint-every", "0", "--out", "run")
    while "finetune" not in process.stderr.readline():
        assert process.poll() is None, "it ended too early"
    before = sorted(os.listdir("run"))
    for argv in (("fit", "x.npy", *QUICK, "--out", "run"), ("fit", "--resume", "run")):
        status, out, err = says(*argv)
        assert (status, out) == (2, "")
        assert "run is used by another run that has not ended: choose another folder, or wait" in err
    assert set(before) <= set(os.listdir("run")) and process.poll() is None  # nothing was taken from it
    process.kill()  # the lock ends with the process
    process.communicate(timeout=300)
    _, _, err = says("fit", "x.npy", *QUICK, "--out", "run")
    assert "holds a run that is not complete" in err
