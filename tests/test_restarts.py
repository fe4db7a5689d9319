"""Several starts: the runs are those of their seeds, the criterion chooses, and joblib's engines take the work.

``decnp fit --restarts`` does the same, and a process that is killed resumes at the restart that it was in.
"""

import json
import os
import re
import sys
from itertools import combinations
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from commands import QUICK as WORDS
from commands import complete_files, here, outcome, start
from conftest import QUICK, blobs, identical, sparse_blobs, write_data
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import penguins

from decnp import DEC, TrainingWarning, fit_restarts, restarts, save
from decnp.cli import train_fit
from decnp.experiments.cells import Cell, cell_work, run_cells
from decnp.inference import load_model
from decnp.restarts import CRITERIA, run_restarts, scores_of


@pytest.fixture(scope="module")
def model():
    return DEC(4, hidden_layer_sizes=(5, 4, 2), profile=QUICK, n_init=1, engine="numpy", random_state=3)


@pytest.fixture(scope="module")
def runs(model, X):
    return run_restarts(model, X, 3)


def test_each_run_is_that_of_its_seed(model, runs, X):
    seeds = [run.random_state for run in runs]
    assert len(set(seeds)) == 3 and seeds == np.random.default_rng(3).integers(2**31, size=3).tolist()
    for run, seed in zip(runs, seeds):
        assert identical(run, clone(model).set_params(random_state=seed).fit(X))
    assert not identical(runs[0], runs[1]) and not hasattr(model, "labels_")
    with joblib.parallel_config(backend="threading", n_jobs=2):
        for one, other in zip(runs, run_restarts(model, X, 3)):
            assert identical(one, other) and one.history_ == other.history_


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_best_by_each_criterion_is_kept(model, runs, X, criterion):
    best = fit_restarts(model, X, 3, criterion)
    scores = [score[criterion] for score in best.restarts_]
    assert best.restarts_ == scores_of(runs, X) and identical(best, runs[int(np.argmax(scores))])
    assert [score["random_state"] for score in best.restarts_] == [run.random_state for run in runs]


def test_more_is_better_in_each_criterion(runs, X):
    first, *others = runs
    score = scores_of(runs, X)[0]
    start, *_, end = (step.diagnosis for step in first.history_ if step.diagnosis)
    z = first.transform(X)
    exact = dict(rtol=1e-12)
    assert_allclose(score["agreement"], np.mean(
        [normalized_mutual_info_score(other.labels_, first.labels_) for other in others]), **exact)
    assert_allclose(score["silhouette"], silhouette_score(z, first.labels_), **exact)
    assert (score["kl"], score["confidence"], score["reconstruction"]) == (
        -end.kl_after, end.confidence, -start.reconstruction)
    assert_allclose(score["inertia"], -((start.radius / start.spread) ** 2), **exact)
    assert scores_of(runs[:1], X)[0]["agreement"] == 0  # nobody to agree with


def test_a_given_autoencoder_is_the_start_of_all(X, autoencoder):
    model = DEC(3, autoencoder=autoencoder, profile=QUICK, n_init=1, engine="numpy", random_state=0)
    one, other = run_restarts(model, X, 2)
    assert identical(one, clone(model).set_params(autoencoder=autoencoder, random_state=one.random_state).fit(X))
    assert not identical(one, other)


def test_runs_may_return_data_frames(X):
    model = DEC(3, hidden_layer_sizes=(4, 2), profile=QUICK, n_init=1, engine="numpy", random_state=0)
    expected = scores_of(run_restarts(model, X, 2), X)
    assert scores_of(run_restarts(clone(model).set_output(transform="pandas"), X, 2), X) == expected


def test_the_best_runs_warnings_are_said_once(model, X, monkeypatch):
    monkeypatch.setattr(DEC, "iter_fit", lambda self, X, steps=DEC.iter_fit: [
        *steps(self, X), setattr(self, "warnings_", [f"of {self.random_state}"])])
    monkeypatch.setattr(restarts, "STABLE", 0)
    with pytest.warns(TrainingWarning) as seen:
        best = fit_restarts(model, X, 3)
    assert [str(warning.message) for warning in seen] == [f"of {best.random_state}"]
    assert seen[0].filename == __file__


def test_bad_parameters_are_named(model, X, tmp_path):
    with pytest.raises(ValueError, match="criterion must be one of agreement, .*; got 'ACC'"):
        fit_restarts(model, X, 2, "ACC")
    with pytest.raises(ValueError, match="n_restarts must be a whole number >= 1; got 0"):
        fit_restarts(model, X, 0)
    with pytest.raises(ValueError, match="checkpoint must be None: several runs cannot share one file"):
        fit_restarts(clone(model).set_params(checkpoint=tmp_path / "c"), X, 2)
    with pytest.raises(ValueError, match="^model must be a DEC, and X the rows that it takes; got the model Pipeline$"):
        fit_restarts(make_pipeline(model), X, 2)


def test_a_run_with_one_label_has_no_silhouette(runs, X):
    flat = clone(runs[0])
    flat.__dict__.update(vars(runs[0]), labels_=np.zeros(len(X), np.int32))
    assert restarts._silhouette(flat, flat.transform(X), []) == -1


def test_the_silhouette_is_that_of_all_kinds_of_rows_where_they_alternate(runs, monkeypatch):
    monkeypatch.setattr(restarts, "SILHOUETTE_ROWS", 50)
    model = clone(runs[0])
    model.__dict__.update(vars(runs[0]), labels_=np.arange(100) % 2)
    assert restarts._silhouette(model, 9.0 * (np.arange(100)[:, None] % 2), []) == 1


# ---------------------------------------------------------------- agreement of the seeds

@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_agreement_of_the_seeds_beside_that_of_k_means(model, kind, monkeypatch):
    monkeypatch.setattr(restarts, "STABLE", -1)
    X = kind(sparse_blobs(100))
    best = fit_restarts(model, X, 3)
    runs = run_restarts(model, X, 3)
    seeds = [run.random_state for run in runs]
    kmeans = [KMeans(4, n_init=1, random_state=seed).fit(X.astype(best.cluster_centers_.dtype)).labels_ for seed in seeds]
    for name, labels in (("agreement", [run.labels_ for run in runs]), ("kmeans_agreement", kmeans)):
        expected = np.mean([adjusted_rand_score(a, b) for a, b in combinations(labels, 2)])
        assert_allclose(best.stability_[name], expected, rtol=1e-12)
    others = [run.labels_ for run in runs if run.random_state != best.random_state]
    own, best_match = best.labels_ == 2, []
    for labels in others:
        best_match.append(max((own & (labels == j)).sum() / (own | (labels == j)).sum() for j in range(4)))
    assert_allclose(best.stability_["clusters"][2], np.mean(best_match), rtol=1e-12)
    assert best.stability_["n_runs"] == 3 and best.stability_["level"] == -1


def test_seeds_that_disagree_are_the_first_warning(model, X, monkeypatch):
    monkeypatch.setattr(restarts, "STABLE", 1.1)
    with pytest.warns(TrainingWarning) as seen:
        best = fit_restarts(model, X, 3)
    score, kmeans = (best.stability_[name] for name in ("agreement", "kmeans_agreement"))
    sentence = (f"3 seeds agree to {score:.2f} only (adjusted Rand index; k-means on the same rows: {kmeans:.2f}): these "
                "clusters may not be in the data")
    assert best.warnings_[0] == sentence == str(seen[0].message)


def test_of_two_runs_the_first_is_kept_and_a_warning_says_so(model, X, monkeypatch):
    monkeypatch.setattr(restarts, "STABLE", -1)
    monkeypatch.setitem(CRITERIA, "agreement", lambda run, z, others: -run.random_state)  # as if rounding made a difference
    with pytest.warns(TrainingWarning) as seen:
        best = fit_restarts(model, X, 2)
    assert best.random_state == best.restarts_[0]["random_state"] > best.restarts_[1]["random_state"]
    assert [str(warning.message) for warning in seen] == best.warnings_ == [
        "agreement cannot choose between two runs: the first one is kept; use three runs or more"]
    fit_restarts(model, X, 2, "kl")  # without a warning


def test_one_run_agrees_with_no_other(model, X):
    stability = fit_restarts(model, X, 1).stability_
    assert stability["agreement"] is stability["kmeans_agreement"] is None and stability["clusters"] == [None] * 4


# ---------------------------------------------------------------- the command

COMMAND = ("fit", "x.npy", *WORDS, "--restarts", "3", "--seed", "3")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with the data, and with the files of a run that was left alone."""
    folder = tmp_path_factory.mktemp("restarts")
    write_data(folder)
    status, out, err = here(*COMMAND, "--out", "alone", cwd=folder)
    assert status == 0, err
    assert "3 seeds agree to " in out and "Jaccard index of each cluster: " in out and "restart 3 of 3: seed " in err
    seed = json.loads((folder / "alone" / "run.json").read_text())["seed"]
    number, = re.findall(rf"restart (\d) of 3: seed {seed}\n", err)
    assert f"\nkept: restart {number} of 3, seed {seed}, which agrees most with the others\n" in out
    return folder


def test_the_command_says_that_two_restarts_are_no_choice(data, says):
    status, out, err = says("fit", "x.npy", *WORDS, "--restarts", "2")
    assert status == 0 and re.search(r"^kept: restart 1 of 2, seed \d+, as agreement cannot choose between two runs$", out, re.M)
    assert "warning: agreement cannot choose between two runs: " in err


def test_the_command_keeps_the_run_of_fit_restarts(alone):
    record = json.loads((alone / "alone" / "run.json").read_text())
    seeds = np.random.default_rng(3).integers(2**31, size=3).tolist()
    assert [run["random_state"] for run in record["restarts"]] == seeds
    best = max(record["restarts"], key=lambda run: run["agreement"])["random_state"]
    assert record["seed"] == best and record["stability"]["n_runs"] == 3
    words = [word if word != "3" or before != "--seed" else str(best) for before, word in zip(("", *COMMAND), COMMAND)]
    words = [word for before, word in zip(("", *words), words) if "--restarts" not in (before, word)]
    assert here(*words, "--out", "single", "-q", cwd=alone)[0] == 0
    assert outcome(alone / "single") == outcome(alone / "alone")
    assert json.loads((alone / "single" / "run.json").read_text())["stability"] is None


@pytest.mark.skipif(os.name != "posix", reason="signals as in POSIX")
def test_a_run_killed_in_a_restart_is_resumed_there(alone):
    process = start(*COMMAND, "--out", "killed", cwd=alone)
    while "restart 3 of 3" not in process.stderr.readline():
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate(timeout=300)
    names = complete_files(alone / "killed")
    assert names[:2] == ["checkpoint-restart-1.decnp", "checkpoint-restart-2.decnp"] and "run.json" not in names
    status, _, err = here("fit", "--resume", "killed", cwd=alone)
    assert status == 0, err
    lines = err.splitlines()
    assert ["restart 3" in line for line in lines].index(True) == 3, err  # no step of the first two was taken again
    assert outcome(alone / "killed") == outcome(alone / "alone")
    assert json.loads((alone / "killed" / "run.json").read_text())["stability"] == json.loads(
        (alone / "alone" / "run.json").read_text())["stability"]


@pytest.mark.slow
def test_restarts_in_several_processes_are_the_same(alone):
    status, _, err = here(*COMMAND, "--jobs", 2, "--out", "jobs", cwd=alone)
    assert status == 0 and "3 restarts, 2 at a time" in err
    assert outcome(alone / "jobs") == outcome(alone / "alone")


def test_the_checkpoint_of_a_complete_run_has_all_of_it(model, X, tmp_path):
    fitted = []
    for resume in (False, True):
        run = clone(model).set_params(checkpoint=train_fit._KeptCheckpoint(tmp_path / "checkpoint", 0.0), random_state=0)
        for _ in run.iter_fit(X, resume):
            pass
        run.checkpoint.write_final()
        fitted.append(run)
    first, again = fitted
    assert identical(first, again) and first.history_ == again.history_
    assert first.inertia_ == again.inertia_ and first.n_iter_ == again.n_iter_ and first.stop_reason_ == again.stop_reason_


def test_low_agreement_is_said_in_the_terminal_and_at_the_top_of_the_report(alone, monkeypatch):
    monkeypatch.setattr(restarts, "STABLE", 1.1)
    status, _, err = here(*COMMAND, "--out", "low", "--report", "-q", cwd=alone)
    assert status == 0 and "decnp: warning: 3 seeds agree to " in err and "may not be in the data" in err
    page = Path(alone, "low", "report.html").read_text()
    assert "<li>3 seeds agree to " in page and page.index("3 seeds agree to") < page.index('<div class="grid">')
    found = json.loads(Path(alone, "low", "run.json").read_text())["stability"]
    assert f"3 seeds agree to {found['agreement']:.2f} (mean adjusted Rand index over pairs)" in page
    assert all(f"<td>{cluster:.2f}</td><td class=\"bar\">" in page for cluster in found["clusters"])


# ---------------------------------------------------------------- on Dask

@cell_work("where it is computed")
def process_id(folder, number):
    """Work of a cell of the paper's tables."""
    return {"pid": os.getpid(), "number": number}


@pytest.mark.filterwarnings("default")  # Dask's own
def test_on_a_dask_cluster_and_on_dask_arrays(model, runs, X, tmp_path):
    distributed, array = pytest.importorskip("distributed"), pytest.importorskip("dask.array")
    # two places: for a single one, joblib works in this process
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client, joblib.parallel_config(backend="dask"):
            there = run_restarts(model, X, 3)
            assert list(client.run(lambda: "decnp.restarts" in sys.modules).values()) == [True]  # it did the work
            cells = [Cell(f"cell {i}", process_id, {"number": i, "data_sum": "abc"}, ()) for i in range(3)]
            tables = run_cells(cells, tmp_path, 2, print)
            worker = {*client.run(os.getpid).values()}
    assert tables.failures == [] and [found["result"]["number"] for found in tables.results.values()] == [0, 1, 2]
    assert {found["result"]["pid"] for found in tables.results.values()} == worker != {os.getpid()}
    for local, run in zip(runs, there):
        assert identical(local, run) and local.history_ == run.history_
    rows = array.from_array(blobs(500), chunks=(128, -1))
    for method, dtype, drop in (("predict", np.int32, 1), ("predict_proba", float, None), ("transform", float, None)):
        answer = getattr(runs[0], method)
        lazy = rows.map_blocks(answer, dtype=dtype, drop_axis=drop) if drop else rows.map_blocks(
            answer, dtype=dtype, chunks=(rows.chunks[0], answer(X[:1]).shape[1]))
        close = dict(rtol=1e-12, atol=1e-12)  # products of 128 rows and of 500 are rounded otherwise
        assert_allclose(lazy.compute(scheduler="synchronous"), answer(blobs(500)), **close)


@pytest.mark.filterwarnings("default")  # Dask's own
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_on_the_partitions_of_a_dask_dataframe(tmp_path, scheduler):
    """Raw rows with missing cells and words, by a model file, as docs/large_data.md has it."""
    frames = pytest.importorskip("dask.dataframe")  # needs pyarrow
    table, path = penguins(), tmp_path / "model.decnp"
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["bill", "flipper", "mass"]),
        (OneHotEncoder(handle_unknown="ignore"), ["island"]))
    pipeline = make_pipeline(prepare, DEC(3, hidden_layer_sizes=(5, 2), profile=QUICK, n_init=1, random_state=0)).fit(table)
    save(pipeline, path)

    def clusters(part):
        return pd.Series(load_model(path).predict(part), part.index, name="cluster")

    parts = frames.from_pandas(table[["mass", "island", "bill", "flipper"]], npartitions=4)
    labels = parts.map_partitions(clusters, meta=("cluster", "int32")).compute(scheduler=scheduler)
    assert parts.npartitions == 4 and labels.index.equals(table.index) and labels.tolist() == pipeline.predict(table).tolist()


@pytest.mark.filterwarnings("default")  # its own
def test_in_a_wrapper_of_dask_ml(runs):
    wrappers, array = pytest.importorskip("dask_ml.wrappers"), pytest.importorskip("dask.array")
    wrapped, rows = wrappers.ParallelPostFit(runs[0]), blobs(500)
    for method in ("predict", "transform"):  # its predict_proba is for classifiers
        answer = getattr(wrapped, method)(array.from_array(rows, chunks=(128, -1)))
        assert isinstance(answer, array.Array)
        assert_allclose(answer.compute(scheduler="synchronous"), getattr(runs[0], method)(rows), rtol=1e-12, atol=1e-12)
