"""The ``decnp`` command: what it prints, writes and refuses. Errors in this process, whole runs in real ones."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK, ROOT, interrupted, new, start, whole
from numpy.testing import assert_array_equal

import decnp
from decnp import DEC, Profile
from decnp.cli import main
from decnp.cli.fit import format_results
from decnp.cli.fit_options import FitOptions, parse_options
from decnp.cli.fit_progress import FitProgress
from decnp.cli.prepare_fit import profile_from
from decnp.persistence import load
from decnp.training.records import Diagnosis

FILES = ["centroids.npy", "embedding.npy", "labels.npy", "model.decnp", "run.json"]


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


# ---------------------------------------------------------------- a run that works

def test_a_run_from_end_to_end(data, says):
    status, out, err = whole("fit", "x.npy", *QUICK, "--labels", "y.txt", "--out", "run", start=new)
    assert status == 0, err
    assert err.startswith("decnp: x.npy: 60 rows of 6 columns; the labels are for the scores only\n")
    for phase in ("pretrain 1", "pretrain 2", "finetune", "k-means", "cluster"):
        assert re.search(rf"^ *{phase} +\d+/\d+  loss \d\.\d{{5}}", err, re.M), err
    assert re.search(r"^ *cluster +10/40  loss \S+  labels changed +\S+%", err, re.M)

    assert sorted(os.listdir("run")) == FILES
    record = json.loads(Path("run/run.json").read_text())
    labels, centroids = np.load("run/labels.npy"), np.load("run/centroids.npy")
    assert labels.shape == (60,) and labels.dtype == np.int32 and centroids.shape == (3, 2)
    model, x = load("run/model.decnp"), np.load("x.npy")
    assert_array_equal(model.predict(x), labels)
    assert_array_equal(model.transform(x), np.load("run/embedding.npy"))
    assert_array_equal(model.cluster_centers_, centroids)

    wanted = ["command", "source", "n_clusters", "seed", "profile", "parameters", "n_iter", "converged", "stop_reason",
              "cluster_sizes", "scores", "seconds", "peak_memory_mb", "versions", "machine", "threads", "history"]
    assert set(wanted) <= set(record)
    assert record["command"] == "decnp fit x.npy " + " ".join(QUICK) + " --labels y.txt --out run"
    assert record["source"] == {"name": "x.npy", "n_samples": 60, "n_features": 6, "labels": "y.txt",
                                "label_column": None, "drop": [], "columns": [], "header": None,
                                "folder": str(data), "notes": [], "warnings": []}
    assert record["profile"]["max_iter"] == 40 and record["profile"]["init_std"] is None
    assert record["history"][0]["phase"] == "pretrain 1" and record["seconds"]["total"] > 0
    assert record["cluster_sizes"] == np.bincount(labels, minlength=3).tolist()

    lines = out.splitlines()
    assert lines[0] == f"cluster sizes: {' '.join(map(str, record['cluster_sizes']))}"
    assert lines[1] == f"{record['n_iter']} steps: {record['stop_reason']}"
    start, end = record["diagnostics"]["start"], record["diagnostics"]["end"]
    assert lines[2].startswith(f"mean of max q {start['confidence']:.3f} -> {end['confidence']:.3f}, entropy of q ")
    assert lines[3].startswith("nearest centroids: {} and {}, ".format(*end["nearest"]))
    assert end["sizes"] == record["cluster_sizes"]
    assert record["history"][-1]["confidence"] == end["confidence"] and record["history"][0]["confidence"] is None
    assert lines[4].split() == ["ACC", "NMI", "ARI"]
    for line, name in zip(lines[5:], ("k-means start", "end")):
        assert line == f"{name:>13}" + "".join(f"{value:8.4f}" for value in record["scores"][name].values())
        assert len(line) == len(lines[4])
    assert lines[-1] == "written to run/"

    with open("run/labels.npy", "rb") as file:  # and in another process on this machine the same seed gives the same bits
        before = file.read()
    assert says("fit", "x.npy", *QUICK, "--out", "again", "-q")[2] == ""
    assert Path("again/labels.npy").read_bytes() == before
    assert np.load("again/centroids.npy").tobytes() == centroids.tobytes()
    assert Path("again/model.decnp").read_bytes() == Path("run/model.decnp").read_bytes()


def test_digits_as_json(tmp_path, says, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = says("fit", "digits", *QUICK, "--n-clusters", "10", "--quiet", "--json")
    summary = json.loads(out)
    assert status == 0
    assert summary["scores"]["end"].keys() == {"ACC", "NMI", "ARI"} and sum(summary["cluster_sizes"]) == 1797
    assert summary["out"] is None and os.listdir(tmp_path) == []
    assert "history" not in summary and len(out) < 4000
    assert err == "".join(f"decnp: warning: {warning}\n" for warning in summary["warnings"])


def test_the_fit_is_the_estimators(data, says):
    assert says("fit", "x.npy", *QUICK, "--seed", 7, "--out", "run")[0] == 0
    record = json.loads(Path("run/run.json").read_text())
    parameters = {**record["parameters"], "profile": Profile(**record["profile"])}
    assert_array_equal(DEC(**parameters).fit(np.load("x.npy")).labels_, np.load("run/labels.npy"))


def test_without_labels_there_are_no_scores(data, says):
    status, out, err = says("fit", "x.npy", *QUICK, "-q")
    assert status == 0 and "ACC" not in out and out.startswith("cluster sizes: ")
    np.savetxt("x.csv", np.load("x.npy"), delimiter=",", header="a,b,c,d,e,f", comments="")
    status, out, err = says("fit", "x.csv", *QUICK, "--json")
    assert json.loads(out)["scores"] is None
    assert err.startswith("decnp: x.csv: 60 rows of 6 columns, with a first line of names\n")


def test_a_number_of_clusters_that_is_not_given_is_said(data, says):
    at = QUICK.index("--n-clusters")
    err = says("fit", "x.npy", *QUICK[:at], *QUICK[at + 2:])[2]
    assert err.startswith("decnp: x.npy: 60 rows of 6 columns; k = 8, the default\n")
    assert "default" not in says("fit", "x.npy", *QUICK)[2]


def test_labels_may_come_with_the_data_and_never_change_the_result(data, says):
    x, y = np.load("x.npy"), Path("y.txt").read_text().split()
    np.savez("both.npz", X=x, y=y)
    _, alone, _ = says("fit", "x.npy", *QUICK, "-q", "--json")
    _, both, _ = says("fit", "both.npz", *QUICK, "-q", "--json")
    _, other, _ = says("fit", "both.npz", "--labels", "y.txt", *QUICK, "-q", "--json")
    alone, both, other = map(json.loads, (alone, both, other))
    assert alone["cluster_sizes"] == both["cluster_sizes"] and alone["scores"] is None
    assert both["scores"] == other["scores"] is not None


def test_warnings_in_words(data, says):
    status, out, err = says("fit", "x.npy", *QUICK, "--max-iter", "11", "--set", "kl_lr=4", "-q", "--out", "run")
    assert status == 0 and re.search(r"decnp: warning: not converged: .* when all 11 steps were taken, .*\n", err)
    record = json.loads(Path("run/run.json").read_text())
    assert err == "".join(f"decnp: warning: {warning}\n" for warning in record["warnings"])
    assert says("fit", "x.npy", *QUICK, "--max-iter", "0", "-q")[2] == ""  # none was asked for


@pytest.mark.filterwarnings("default")  # here they must reach the command's own words
def test_a_librarys_warning_is_a_sentence_too(data, says):
    status, out, err = says("fit", "x.npy", *QUICK, "--set", "init_std=0", "-q")
    assert status == 0 and "decnp: warning: Number of distinct clusters (1) found smaller than" in err
    assert "Traceback" not in err and ".py" not in err and "decnp: warning: the autoencoder has collapsed" in err


def test_many_clusters_are_wrapped_and_unknown_memory_is_left_out():
    found = Diagnosis((100,) * 60, None, 0.1, 0.9, 0.3, (0, 1), 2.0, 1.0, 3.0, 0.25)._asdict()
    record = dict(cluster_sizes=[100] * 60, n_iter=3, stop_reason="done", scores=None, seconds={"total": 1.0},
                  peak_memory_mb=None, diagnostics=dict(start=found, end=found))
    lines = format_results(record, None, False).splitlines()
    assert len(lines) > 4 and max(map(len, lines)) <= 100 and lines[-1] == "1.0 s"


def test_what_help_and_version_say(says):
    status, out, _ = says("--help")
    assert status == 0 and "decnp fit digits --n-clusters 10 --out run" in out
    assert "  1    gradcheck found something wrong, an experiment of reproduce failed, or the reader" in out
    status, out, _ = says("fit", "--help")
    assert status == 0
    for option in "--n-clusters --profile --update-interval --seed --labels --out --resume --quiet --json".split():
        assert option in out
    assert says("--version")[:2] == (0, f"decnp {decnp.__version__}\n")


def test_help_needs_no_heavy_import():
    code = ("import sys; from decnp.cli.command import build_parser; build_parser().format_help(); "
            "sys.exit(any(name in sys.modules for name in ('numpy', 'numba', 'sklearn', 'scipy')))")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("words", [
    ["nosuchfile.csv"], ["x.npy", "--set", "lr=no"], ["x.npy", "--out", "x.npy"], ["words.csv"], ["x.npy", "--labels", "no.txt"],
    ["mnits"]])
def test_mistakes_are_found_before_slow_packages_are_loaded(data, words):
    Path("words.csv").write_text("a,b\n1,2\n3,four\n")
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "decnp", "fit", *words], capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2, done.stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "decnp" in loaded and not loaded & {"numba", "sklearn", "scipy", "pandas", "threadpoolctl", "matplotlib"}


# ---------------------------------------------------------------- progress

class Terminal:
    def __init__(self, stream):
        self.stream = stream

    def isatty(self):
        return True

    def __getattr__(self, name):
        return getattr(self.stream, name)


def test_a_terminal_with_tqdm_gets_bars(data, says, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    status, out, err = says("fit", "x.npy", *QUICK)
    assert status == 0 and re.search(r"finetune: 100%.*40/40 .*loss 0\.\d{5}", err) and "labels changed" in err
    assert "left in this phase" not in err


def test_a_terminal_without_tqdm_gets_lines(data, says, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    monkeypatch.setitem(sys.modules, "tqdm", None)
    status, out, err = says("fit", "x.npy", *QUICK)
    assert status == 0 and "finetune     40/40  loss 0." in err and "%|" not in err


def test_the_time_left_is_of_the_phase_and_starts_again_with_it(capsys, monkeypatch):
    clock = iter([0, 100, 110, 140, 150, 151, 155])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    progress = FitProgress(quiet=False)
    progress.log("read")
    for step in [("finetune", 10, 40), ("finetune", 40, 40), *[("cluster", t, 90) for t in (0, 10, 10)]]:
        progress.on_step(decnp.Step(*step, 0.5, 0.25 if step[0] == "cluster" else None))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "decnp: read",
        "  finetune     10/40  loss 0.50000  30 s left in this phase",
        "  finetune     40/40  loss 0.50000",
        "   cluster      0/90  loss 0.50000  labels changed  25.00%",
        "   cluster     10/90  loss 0.50000  labels changed  25.00%  at most 88 s left in this phase",
        "   cluster     10/90  loss 0.50000  labels changed  25.00%  at most 32 s left in this phase",
    ]


def test_the_time_left_of_a_resumed_run_is_not_that_of_the_steps_before_it(capsys, monkeypatch):
    clock = iter([0, 5, 5, 25, 30, 35])
    monkeypatch.setattr(time, "time", lambda: next(clock))
    progress = FitProgress(quiet=False, resumed=True)
    for step in [("finetune", 41, 100), ("finetune", 43, 100), ("finetune", 100, 100), ("cluster", 10, 90)]:
        progress.on_step(decnp.Step(*step, 0.5, 0.25 if step[0] == "cluster" else None))
    assert capsys.readouterr().err.splitlines() == [
        "  finetune     41/100  loss 0.50000",
        "  finetune     43/100  loss 0.50000  570 s left in this phase",  # 57 steps of 10 s
        "  finetune    100/100  loss 0.50000",
        "   cluster     10/90  loss 0.50000  labels changed  25.00%  at most 40 s left in this phase",
    ]


def test_the_bar_of_a_resumed_run_begins_at_its_first_record(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    progress = FitProgress(quiet=False, resumed=True)
    progress.on_step(decnp.Step("finetune", 41, 100, 0.5, None))
    assert (progress._bar.initial, progress._bar.n) == (41, 41)
    progress.close()


# ---------------------------------------------------------------- bad input: one sentence each

def test_no_such_file_and_no_such_kind(data, refused):
    assert refused("none.npy") == "no such file: none.npy"
    assert refused("minst") == "no such file: minst, did you mean 'mnist'?"
    assert refused("digit") == "no such file: digit, did you mean 'digits'?"
    Path("y.json").write_text("[1]")
    assert refused("y.json") == "y.json must be a .npy, .npz, .csv, .tsv or .txt file; got the ending '.json'"
    assert refused(".") == ". is a folder, not a .npy, .npz, .csv, .tsv or .txt file"


def test_empty_files(data, refused):
    for ending in ("npy", "npz", "csv"):
        Path(f"empty.{ending}").touch()
        assert refused(f"empty.{ending}") == f"empty.{ending} is empty"


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_nan_and_infinite_values(data, refused, value):
    x = np.load("x.npy")
    x[4, 2] = x[5, 0] = float(value)
    np.save("bad.npy", x)
    assert refused("bad.npy") == (
        f"bad.npy has NaN or infinite values: 2 of them, the first ({value}) in row 5, column 3 (counted from 1)")


def test_wrong_shapes_and_dtypes(data, refused):
    for array, sentence in [
        (np.zeros(9), "must have the shape (n, D), one row for each sample; got (9,); X.reshape(-1, 1) makes a column"),
        (np.zeros((9, 2, 2)), "must have the shape (n, D), one row for each sample; got (9, 2, 2); "
                              "X.reshape(len(X), -1) makes a row of each sample"),
        (np.zeros((0, 2)), "must have at least one row and one column; got the shape (0, 2)"),
        (np.zeros((9, 2), complex), "must hold real numbers; got the dtype complex128"),
        (np.full((9, 2), "a"), "must hold real numbers; got the dtype <U1"),
        (np.full((9, 2), None), "holds Python objects, which are never loaded; save it with a dtype of numbers"),
        (np.full((9, 2), 1e300), "has values beyond float32: 18 of them, the first (1e+300) in row 1, column 1 "
                                 "(counted from 1)"),
    ]:
        np.save("bad.npy", array)
        assert refused("bad.npy") == f"bad.npy {sentence}"


def test_fewer_samples_or_distinct_points_than_clusters(data, refused):
    np.save("few.npy", np.eye(3))
    np.save("same.npy", np.repeat(np.eye(3), 9, axis=0))
    assert refused("few.npy", "--n-clusters", 4) == (
        "few.npy: X must have at least n_clusters = 4 samples; got n_samples = 3")
    assert refused("same.npy", "--n-clusters", 4) == (
        "same.npy: X must have at least n_clusters = 4 distinct rows; got 3 in float32")


def test_labels_of_another_length(data, refused):
    np.save("y.npy", np.arange(59))
    np.savez("xy.npz", X=np.load("x.npy"), y=np.arange(61))
    assert refused("x.npy", "--labels", "y.npy") == "y.npy must hold one label for each of the 60 rows; got 59"
    assert refused("digits", "--labels", "y.npy") == "y.npy must hold one label for each of the 1797 rows; got 59"
    assert refused("xy.npz") == "xy.npz must hold one label for each of its 60 rows; got 61"
    assert refused("x.npy", "--labels", "none.csv") == "no such file: none.csv"
    assert refused("x.npy", "--labels", "x.npy") == (
        "x.npy must hold one label for each row, in the shape (n,); got (60, 6)")


def test_damaged_files_and_broken_tables(data, refused):
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:-8])
    Path("not.npz").write_text("not a zip archive")
    Path("ragged.csv").write_text("1,2\n3,4\n5\n")
    Path("words.csv").write_text("1,2\n3,four\n")
    assert refused("cut.npy") == "cut.npy is damaged: its header announces 2880 bytes of data, and 2872 are there"
    assert refused("not.npz") == "not.npz is damaged, or is not a .npz file: it is not a complete zip archive"
    assert refused("ragged.csv") == "ragged.csv, line 3 has 1 column, the lines before it have 2"
    assert refused("words.csv") == "words.csv, line 2, column 2: 'four' is not a number"


@pytest.mark.parametrize("option, value, sentence", [
    ("--n-clusters", "0", "must be a whole number >= 1; got '0'"),
    ("--n-clusters", "-3", "must be a whole number >= 1; got '-3'"),
    ("--n-clusters", "2.5", "must be a whole number >= 1; got '2.5'"),
    ("--seed", "-1", "must be a whole number >= 0; got '-1'"),
    ("--seed", "x", "must be a whole number >= 0; got 'x'"),
    ("--threads", "0", "must be a whole number >= 1 and <= 4096; got '0'"),
    ("--update-interval", "0", "must be a whole number >= 1; got '0'"),
    ("--max-iter", "-1", "must be a whole number >= 0; got '-1'"),
    ("--tol", "-0.1", "must be a finite number >= 0; got '-0.1'"),
    ("--tol", "nan", "must be a finite number >= 0; got 'nan'"),
    ("--alpha", "0", "must be a finite number > 0; got '0'"),
    ("--alpha", "inf", "must be a finite number > 0; got 'inf'"),
    ("--hidden", "8,,2", "must be whole numbers from 1 to 1000000 with commas between them; got '8,,2'"),
    ("--hidden", "8,0", "must be whole numbers from 1 to 1000000 with commas between them; got '8,0'"),
    ("--hidden", "8;2", "must be whole numbers from 1 to 1000000 with commas between them; got '8;2'"),
    ("--set", "lr", "must be NAME=VALUE; got 'lr'"),
])
def test_bad_options(data, refused, option, value, sentence):
    assert refused("x.npy", option, value) == f"argument {option}: {sentence} (see decnp fit --help)"


@pytest.mark.parametrize("words, sentence", [
    (["--jobs", "4"], "--jobs needs --restarts R: it is the number of restarts at a time"),
    (["--overwrite"], "--overwrite needs --out DIR, the folder that has the run to replace"),
    (["--checkpoint-every", "5"], "--checkpoint-every needs --out DIR, the folder that takes the checkpoints"),
])
def test_options_that_need_another_one(data, refused, words, sentence):
    assert refused("x.npy", *words) == sentence


def test_options_that_argparse_refuses(refused, says):
    assert refused() == "fit needs a SOURCE, or --resume DIR (see decnp fit --help)"
    assert "invalid choice: 'slow'" in refused("digits", "--profile", "slow")
    assert refused("digits", "--no-such") == "unrecognized arguments: --no-such (see decnp fit --help)"
    assert refused("digits", "--n-cluster", "3", "--max-itr=3") == (
        "unrecognized arguments: --max-itr=3, did you mean '--max-iter'? (see decnp fit --help)")


@pytest.mark.parametrize("command, argument, words", [
    ("fit", "--out", ["x.npy", "--out", ""]), ("fit", "--out", ["x.npy", "--out="]), ("fit", "--resume", ["--resume", ""]),
    ("fit", "--labels", ["x.npy", "--labels", ""]), ("fit", "--init", ["x.npy", "--init", ""]), ("fit", "SOURCE", [""]),
    ("fit", "--drop", ["x.npy", "--drop", ""]), ("fit", "--label-column", ["x.npy", "--label-column", ""]),
    ("choose-k", "--out", ["x.npy", "--out", ""]), ("predict", "MODEL", ["", "x.npy"]), ("predict", "DATA", ["m.decnp", ""]),
    ("predict", "--out", ["m.decnp", "x.npy", "--out", ""]), ("info", "MODEL", [""]), ("export", "FILE", ["m.decnp", ""]),
    ("gradcheck", "--mine", ["--mine", ""]), ("gradcheck", "--json", ["--json", ""]), ("notebooks", "DIR", [""]),
    ("report", "DIR", [""]), ("reproduce", "--out", ["table2", "--out", ""]), ("data fetch", "--to", ["mnist", "--to", ""]),
])
def test_an_empty_word_is_refused(data, says, command, argument, words):
    status, out, err = says(*command.split(), *words)
    assert (status, out) == (2, "") and err == (
        f"decnp: error: argument {argument}: must not be empty (is a shell variable unset?) (see decnp {command} --help)\n")


@pytest.mark.parametrize("words, sentence", [
    (["fti"], "argument COMMAND: invalid choice: 'fti', did you mean 'fit'? (see decnp --help)"),
    (["data", "lsit"], "argument list|fetch|verify: invalid choice: 'lsit', did you mean 'list'? (see decnp data --help)"),
    (["data", "list", "--jsn"], "unrecognized arguments: --jsn, did you mean '--json'? (see decnp data list --help)"),
    (["help", "ft"], "argument COMMAND: invalid choice: 'ft', did you mean 'fit'? (see decnp --help)"),
])
def test_a_misspelt_word_is_answered_with_the_nearest(says, words, sentence):
    assert says(*words) == (2, "", f"decnp: error: {sentence}\n")


def test_ways_to_the_help(says):
    help = says("--help")
    assert says() == says("help") == says("-h") == help and help[0] == 0
    assert says("help", "fit") == says("fit", "--help") and says("help", "data", "list") == says("data", "list", "-h")
    assert says("-V") == says("--version")


@pytest.mark.parametrize("setting, wanted", [
    ("input_scale=big", "'big'"), ("input_scale=-1", "-1"), ("input_scale=NaN", "nan"), ("center=1", "1"),
    ("autoencoder_rows=0", "0"), ("init_std=false", "False"), ("optimizer=rmsprop", "'rmsprop'"),
    ("optimizer=[1]", "[1]"), ("finetune_iter=2.5", "2.5"), ("pretrain_iter=true", "True"), ("lr=Infinity", "inf"),
    ("lr=", "''"), ("lr_decay=linear", "'linear'"), ("dropout=1", "1"), ("momentum=none", "None"),
    ("update_interval=0", "0"),
])
def test_bad_settings(data, refused, setting, wanted):
    name = setting.partition("=")[0]
    sentence = refused("x.npy", "--set", setting)
    assert re.fullmatch(f"--set {name}.* must be .*; got {re.escape(wanted)}", sentence)


def test_every_field_of_the_profile_can_be_set_and_is_checked(data, refused):
    names = [field.name for field in fields(Profile)]
    for field in fields(Profile):
        value = json.dumps(field.default)
        options = FitOptions.from_arguments(parse_options(["x.npy", "--set", f"{field.name}={value}"]))
        assert getattr(profile_from(options, 60), field.name) == field.default
        assert refused("x.npy", "--set", f"{field.name}={{}}").startswith(f"--set {field.name}")
    assert refused("x.npy", "--set", "finetune_iters=1") == (
        f"--set must name a field of the profile, one of {', '.join(names)}; got 'finetune_iters', did you mean 'finetune_iter'?")


def test_training_that_leaves_the_numbers(data, refused):
    sentence = refused("x.npy", "--set", "optimizer=sgd", "--set", "lr=1e9", "-q", "--out", "run")
    assert "learning rate" in sentence and not Path("run").exists()


def test_too_little_memory(data, refused):
    sentence = refused("x.npy", "--hidden", "1000000,1000000", "-q")
    assert sentence.startswith("there is not enough memory (Unable to allocate 7.28 TiB")


def test_a_bug_of_ours_is_no_sentence(data, monkeypatch):
    monkeypatch.setattr(DEC, "_observe", lambda *args: (_ for _ in ()).throw(ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        main(["fit", "x.npy", *QUICK, "-q"])


def test_errors_of_a_real_process(data):
    np.save("bad.npy", np.full((9, 2), np.nan))
    assert whole("fit", "bad.npy", "--out", "run") == (2, "", (
        "decnp: error: bad.npy has NaN or infinite values: 18 of them, the first (nan) in row 1, column 1 "
        "(counted from 1)\n"))
    assert not Path("run").exists()


# ---------------------------------------------------------------- what is on disk already

@pytest.fixture
def earlier(data, says):
    """An earlier run in the folder run; returns its contents."""
    assert says("fit", "x.npy", *QUICK, "--out", "run")[0] == 0
    return contents("run")


def test_a_new_run_replaces_the_earlier_one(earlier, says):
    assert says("fit", "x.npy", *QUICK, "--seed", 1, "--out", "run", "--overwrite")[0] == 0
    after = contents("run")
    assert sorted(after) == FILES and all(after[name] != earlier[name] for name in ("model.decnp", "run.json"))


def test_a_finished_run_is_replaced_only_on_demand(earlier, refused):
    sentence = "--out run holds a finished run: --overwrite replaces it, or choose another"
    assert refused("x.npy", "--seed", 1, "--out", "run") == sentence
    assert contents("run") == earlier


def test_a_run_that_fails_leaves_the_earlier_one(earlier, refused):
    np.save("bad.npy", np.full((9, 2), np.nan))
    refused("bad.npy", "--out", "run", "--overwrite")
    assert "lr" in refused("x.npy", "--set", "optimizer=sgd", "--set", "lr=1e9", "-q", "--out", "run", "--overwrite")
    assert contents("run") == earlier


@pytest.mark.parametrize("n_complete, sentence", [
    (0, "cannot be written to"), *((n, "could not be written") for n in (1, 3, 5))])  # the first is resume.json
def test_a_full_disk_leaves_the_earlier_run(earlier, refused, monkeypatch, n_complete, sentence):
    calls = iter(range(9))

    def full(handle):
        if next(calls) == n_complete:
            raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    assert refused("x.npy", "-q", "--out", "run", "--overwrite") == f"--out run {sentence}: No space left on device"
    assert contents("run") == earlier


def test_out_that_cannot_take_a_run(earlier, refused):
    Path("file").write_text("mine")
    assert refused("x.npy", "--out", "file") == "--out file is a file, not a folder"
    assert re.fullmatch("--out file/run cannot be written to: .*", refused("x.npy", "--out", "file/run"))
    assert Path("file").read_text() == "mine"
    assert refused("run/embedding.npy", "--out", "run") == (
        "--out run would replace run/embedding.npy, which this run reads: choose another")
    assert refused("x.npy", "--labels", "run/labels.npy", "--out", "run") == (
        "--out run would replace run/labels.npy, which this run reads: choose another")
    assert contents("run") == earlier


def test_files_of_the_users_own_are_not_replaced(data, refused):
    np.save("labels.npy", np.arange(60))
    assert refused("x.npy", "--out", ".") == (
        "--out . has labels.npy but no run.json, so it holds no earlier run: choose another")
    assert_array_equal(np.load("labels.npy"), np.arange(60))
    Path("odd/model.decnp").mkdir(parents=True)
    Path("odd/run.json").touch()
    assert refused("x.npy", "--out", "odd") == "--out odd has a folder called model.decnp: choose another"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_out_without_permission(data, refused):
    Path("locked").mkdir(mode=0o555)
    assert refused("x.npy", "--out", "locked") == "--out locked cannot be written to: Permission denied"
    assert refused("x.npy", "--out", "locked/run") == "--out locked/run cannot be written to: Permission denied"


def test_source_that_cannot_be_read(data, refused, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "x.npy")
    monkeypatch.setattr("decnp.cli.prepare_fit.read_table", fail)
    assert refused("x.npy") == "cannot read x.npy: Permission denied"


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C as in POSIX")
def test_control_c_in_training_without_a_folder_writes_nothing(data):
    before = os.listdir()
    status, lines = interrupted([], "pretrain 2     50/50")
    assert (status, lines[-1]) == (130, "decnp: interrupted; nothing was written")
    assert os.listdir() == before


@pytest.mark.skipif(os.name != "posix", reason="pipes as in POSIX")
def test_a_reader_that_has_gone(data):
    process = start("fit", "x.npy", *QUICK, "--out", "run", "-q")
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(300) == 1 and err == "" and sorted(os.listdir("run")) == FILES
    process.stderr.close()
