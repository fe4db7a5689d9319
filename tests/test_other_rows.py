"""``decnp fit stl``: the autoencoder trains on other rows than those that are clustered, and is taken up again."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import complete_files, start
from conftest import QUICK, blobs, identical
from datafiles import put, stl_bytes, stl_contents

from decnp import DEC, StackedAutoencoder, profiles
from decnp.cli.pretraining import autoencoder_rows, pretrain_on
from decnp.profiles import profile_of_both
from decnp.utils.validation import as_generator

ARGV = ["fit", "stl-unofficial", "--hidden", "8,3", "--update-interval", "10", "--max-iter", "60", "--tol", "0",
        "--checkpoint-every", "0"]
for setting in ("init_std=none", "optimizer=adam", "lr=0.001", "finetune_iter=60", "shuffle=true"):
    ARGV += ["--set", setting]
FILES = ["centroids.npy", "embedding.npy", "labels.npy", "model.decnp"]


def test_dec_gets_the_autoencoder_that_it_would_have_trained_on_these_rows():
    X, rows = blobs(90), blobs(130, spread=2.0)
    own = StackedAutoencoder((5, 2), profile=QUICK, random_state=as_generator(4).spawn(3)[0]).fit(rows)
    model = DEC(3, hidden_layer_sizes=(5, 2), profile=QUICK, random_state=4)
    list(pretrain_on(model, rows, None, False))
    assert identical(model.autoencoder, own)
    same = DEC(3, hidden_layer_sizes=(5, 2), profile=QUICK, random_state=4)
    list(pretrain_on(same, X, None, False))
    assert identical(same.fit(X), DEC(3, hidden_layer_sizes=(5, 2), profile=QUICK, random_state=4).fit(X))


def test_each_phase_has_the_schedule_of_its_own_rows():
    both = profile_of_both(profiles.fast, 13_000, 90_400)
    assert both.finetune_iter == profiles.fast(90_400).finetune_iter != profiles.fast(13_000).finetune_iter
    assert both.short_finetune_iter == profiles.fast(90_400).short_finetune_iter
    steps = dict(finetune_iter=0, short_finetune_iter=0)
    assert replace(both, **steps) == replace(profiles.fast(13_000), **steps)
    assert profile_of_both(profiles.paper, 13_000, 90_400) == profiles.paper(1)


def test_other_data_sets_have_no_other_rows():
    assert autoencoder_rows("mnist") is None and autoencoder_rows("my/stl.csv") is None


@pytest.fixture
def stl(tmp_path, monkeypatch):
    """A folder to work in, and a small STL-10, of 25 labelled and 15 unlabelled images."""
    contents = stl_contents(14, 11, 15)
    put(tmp_path / "data", {f"stl10_binary/{name}": stl_bytes(array) for name, array in contents.items()})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DECNP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def outcome(folder):
    assert sorted(os.listdir(folder)) == sorted([*FILES, "run.json"])
    run = json.loads(Path(folder, "run.json").read_text())
    return [Path(folder, name).read_bytes() for name in FILES] + [run["history"], run["n_iter"]], run


@pytest.mark.filterwarnings("default::decnp.datasets.UnofficialData")
@pytest.mark.skipif(os.name != "posix", reason="signals as in POSIX")
def test_stopped_in_either_phase_it_ends_as_if_left_alone(stl, says):
    status, _, errors = says(*ARGV, "--out", "alone")
    assert status == 0, errors
    assert "25 rows of 1428 columns" in errors
    assert "the autoencoder trains on 32 rows, of unlabeled images too" in errors
    expected, run = outcome("alone")
    assert [step["phase"] for step in run["history"]][0] == "finetune" and run["history"][-1]["phase"] == "cluster"
    assert run["seconds"]["finetune"] > 0 and run["profile"]["finetune_iter"] == 60
    assert np.load("alone/labels.npy").shape == (25,)

    words = [*ARGV, "--out", "run"]
    for phase, others in (("finetune     30/60", ["checkpoint-autoencoder.decnp"]),
                          ("cluster     20/60", ["checkpoint-autoencoder.decnp", "checkpoint.decnp"])):
        process, line = start(*words, warnings="default"), ""
        while phase not in line:
            line = process.stderr.readline()
            assert line, "it ended before it could be killed"
        process.kill()
        process.communicate(timeout=300)
        assert complete_files("run") == [*others, "resume.json"]
        status, _, errors = says(*ARGV, "--out", "run")
        assert "holds a run that is not complete" in errors and status == 2
        words = ["fit", "--resume", "run"]
    status, _, errors = says(*words)
    assert status == 0, errors
    assert outcome("run")[0] == expected
