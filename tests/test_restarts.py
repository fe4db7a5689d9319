"""Several starts: the runs are those of their seeds, the criterion chooses, and joblib's engines take the work."""

import os
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import QUICK, blobs, identical
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import penguins

from decnp import DEC, TrainingWarning, fit_restarts, restarts, save
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


def test_the_best_runs_warnings_are_said_once(model, X, monkeypatch):
    monkeypatch.setattr(DEC, "iter_fit", lambda self, X, steps=DEC.iter_fit: [
        *steps(self, X), setattr(self, "warnings_", [f"of {self.random_state}"])])
    with pytest.warns(TrainingWarning) as seen:
        best = fit_restarts(model, X, 2)
    assert [str(warning.message) for warning in seen] == [f"of {best.random_state}"]
    assert seen[0].filename == __file__


def test_bad_parameters_are_named(model, X, tmp_path):
    with pytest.raises(ValueError, match="criterion must be one of agreement, .*; got 'ACC'"):
        fit_restarts(model, X, 2, "ACC")
    with pytest.raises(ValueError, match="n_restarts must be a whole number >= 1; got 0"):
        fit_restarts(model, X, 0)
    with pytest.raises(ValueError, match="checkpoint must be None: several runs cannot share one file"):
        fit_restarts(clone(model).set_params(checkpoint=tmp_path / "c"), X, 2)


def test_a_run_with_one_label_has_no_silhouette(runs, X):
    flat = clone(runs[0])
    flat.__dict__.update(vars(runs[0]), labels_=np.zeros(len(X), np.int32))
    assert restarts._silhouette(flat, flat.transform(X), []) == -1


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
    for here, run in zip(runs, there):
        assert identical(here, run) and here.history_ == run.history_
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
