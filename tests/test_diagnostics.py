"""What a run says of itself: each number against a plain loop, each warning provoked by a run that deserves it."""

import math
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from conftest import BY_THE_BOOK, QUICK, blobs
from numpy.testing import assert_allclose

from decnp import DEC, Profile, TrainingWarning, equations
from decnp.profiles import fast, has_fixed_budget
from decnp.training.diagnostics import SAMPLE, format_diagnosis, measure_refresh, training_warnings
from decnp.training.engine import engine_for
from decnp.training.records import Diagnosis, History, Record
from decnp.utils.rows import evenly_spaced_rows

pytestmark = pytest.mark.filterwarnings("error::decnp.TrainingWarning")


def dec(k=3, **settings):
    small = {"hidden_layer_sizes": (5, 4, 2), "profile": QUICK, "n_init": 1, "engine": "numpy"}
    return DEC(k, **{**small, "random_state": 0, "tol": 0, **settings})


def diagnosed(model):
    return [step for step in model.history_ if step.diagnosis is not None]


# ---------------------------------------------------------------- the numbers

@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_each_number_is_that_of_a_plain_loop(k, engine):
    rng = np.random.default_rng(0)
    n, d = 40, 3
    z, mu = rng.normal(size=(n, d)), rng.normal(size=(k, d))
    q = equations.soft_assignment(z, mu)
    p, before, labels = equations.target_distribution(q), equations.soft_assignment(z + 1, mu), q.argmax(axis=1)
    found = measure_refresh(z, mu, q, p, before, labels, engine_for(engine).kl_divergence, 0.5)

    def length(a, b):
        return math.sqrt(sum((a[t] - b[t]) ** 2 for t in range(d)))

    pairs = {(i, j): length(mu[i], mu[j]) for i in range(k) for j in range(i + 1, k)} or {(0, 0): 0.0}
    nearest = min(pairs, key=pairs.get)
    middle = [sum(z[i][t] for i in range(n)) / n for t in range(d)]
    close = dict(rtol=1e-12)  # sums of 40 numbers in another order
    assert found.sizes == tuple(sum(labels[i] == j for i in range(n)) for j in range(k))
    assert_allclose(found.kl_before, sum(
        before[i, j] * math.log(before[i, j] / q[i, j]) for i in range(n) for j in range(k)) / n, atol=1e-15, **close)
    assert_allclose(found.kl_after, sum(
        p[i, j] * math.log(p[i, j] / q[i, j]) for i in range(n) for j in range(k)) / n, atol=1e-15, **close)
    assert_allclose(found.confidence, sum(max(q[i]) for i in range(n)) / n, **close)
    assert_allclose(
        found.entropy, -sum(q[i, j] * math.log(q[i, j]) for i in range(n) for j in range(k)) / n, atol=1e-15, **close)
    assert found.nearest == nearest and math.isclose(found.distance, pairs[nearest], rel_tol=1e-12)
    assert_allclose(found.radius, math.sqrt(sum(length(z[i], mu[labels[i]]) ** 2 for i in range(n)) / n), **close)
    assert_allclose(found.spread, math.sqrt(sum(length(z[i], middle) ** 2 for i in range(n)) / n), **close)
    assert found.reconstruction == 0.5
    assert measure_refresh(z, mu, q, p, None, labels, equations.kl_divergence, 0.0).kl_before is None


def test_a_q_that_is_zero_has_no_entropy():
    q = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = measure_refresh(q, q, q, q, None, np.array([0, 1]), equations.kl_divergence, 0.0)
    assert found.entropy == 0 and found.confidence == 1 and found.kl_after == 0


def test_the_curve_can_be_read(X):
    model = dec(profile=replace(BY_THE_BOOK, kl_lr=5e-3), batch_size=150).fit(X)
    first, *others = diagnosed(model)  # P is refreshed at steps 7, 14, 21, 28; 32 is the end
    assert [step.iteration for step in (first, *others)] == [0, 7, 14, 21, 28, 32]
    assert first.diagnosis.kl_before is None and first.loss == first.diagnosis.kl_after
    for last, step in zip([first, *others], others):  # each fixed P is approached, from its own refresh to the next
        assert step.diagnosis.kl_before < last.diagnosis.kl_after
    q = model.predict_proba(X)
    end = others[-1].diagnosis
    assert_allclose(end.kl_after, equations.kl_divergence(equations.target_distribution(q), q) / len(X), rtol=1e-12)
    assert end.sizes == tuple(np.bincount(model.labels_, minlength=3))
    x = evenly_spaced_rows(X, SAMPLE)
    assert_allclose(end.reconstruction, model.autoencoder_.reconstruction_loss(x), rtol=1e-12)
    assert end.reconstruction != first.diagnosis.reconstruction == pytest.approx(
        dec(profile=BY_THE_BOOK, max_iter=0).fit(X).autoencoder_.reconstruction_loss(x), rel=1e-12)


def test_before_is_the_old_p(X):
    model = dec(profile=BY_THE_BOOK, batch_size=64, max_iter=7)
    start = dec(profile=BY_THE_BOOK, batch_size=64, max_iter=0).fit(X)
    p = equations.target_distribution(start.predict_proba(X))
    q = model.fit(X).predict_proba(X)
    assert_allclose(diagnosed(model)[-1].diagnosis.kl_before, equations.kl_divergence(p, q) / len(X), rtol=1e-12)


def test_sample_takes_few_rows_of_many():
    assert [len(evenly_spaced_rows(np.zeros((n, 1)), SAMPLE)) for n in (1, SAMPLE, SAMPLE + 1, 10 * SAMPLE)] == [1, SAMPLE, 257, SAMPLE]


# ---------------------------------------------------------------- history

def test_history_as_a_frame_and_through_a_checkpoint(X):
    pd = pytest.importorskip("pandas")
    model = dec().fit(X)
    frame = model.history_.to_frame()
    assert isinstance(frame, pd.DataFrame) and len(frame) == len(model.history_)
    assert list(frame.columns) == [*Record._fields[:5], *Diagnosis._fields]
    cluster = frame[frame.phase == "cluster"]
    assert cluster.confidence.tolist() == [step.diagnosis.confidence for step in diagnosed(model)]
    assert frame.confidence.isna().sum() == len(frame) - len(cluster) > 0
    assert len(model.autoencoder_.history_.to_frame()) == len(frame) - len(cluster) - 1  # k-means' own line
    assert History().to_frame().empty

    def stored(history):
        return History.from_arrays(**history.to_arrays())

    assert stored(model.history_) == model.history_ and type(stored(model.history_)) is History
    assert stored(model.autoencoder_.history_) == model.autoencoder_.history_ and stored(History()) == []


# ---------------------------------------------------------------- warnings that are deserved

@pytest.mark.parametrize("settings, sentence", [
    ({"profile": replace(QUICK, kl_lr=10.0, max_iter=60), "k": 2},
     r"the clustering has collapsed: since step \d+ all rows are in one cluster"),
    ({"profile": replace(QUICK, kl_lr=0.3, max_iter=60), "k": 3, "update_encoder": False, "random_state": 3},
     r"1 of 3 clusters died: number \d had rows, and none since step \d+; try"),
    ({"profile": replace(QUICK, kl_lr=1.0, max_iter=60), "k": 6, "random_state": 3},
     r"clusters \d and \d have merged: their centroids are 0\.\d+ apart, and rows lie \d"),
    ({"profile": replace(QUICK, kl_lr=1.0, max_iter=60), "k": 2},
     r"DEC moved away from a better start: the squared distances of rows from their centroids rose from \d\d% of"),
    ({"k": 6, "tol": 1e-3, "max_iter": 20, "profile": replace(QUICK, kl_lr=0.5)},
     r"not converged: \d+\.\d\d% of the labels still changed when all 20 steps were taken, and tol is 0\.10%; raise"),
], ids=["a learning rate that collapses training", "a cluster that dies", "merged", "a start better than the end",
        "a budget too short"])
def test_a_run_that_deserves_it_is_warned_of(settings, sentence):
    model = dec(**settings)
    with pytest.warns(TrainingWarning) as seen:
        model.fit(blobs(k=4))
    assert any(re.match(sentence, str(warning.message)) for warning in seen), model.warnings_
    assert sorted(str(warning.message) for warning in seen) == sorted(model.warnings_)
    assert all(warning.filename == __file__ for warning in seen)  # the line that called fit
    if "died" in sentence:
        number, since = map(int, re.search(r"number (\d) .* step (\d+)", model.warnings_[0]).groups())
        for step in diagnosed(model):
            assert (step.diagnosis.sizes[number] == 0) == (step.iteration >= since)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(model.steps(blobs(k=4)))  # whoever watches the steps reads ``warnings_``
    assert model.warnings_


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # k-means says so too
def test_an_autoencoder_that_collapses_is_warned_of(X):
    with pytest.warns(TrainingWarning, match="the autoencoder has collapsed: its embedding is the same for all rows"):
        dec(profile=replace(QUICK, init_std=0.0)).fit(X)


def test_a_run_without_fault_is_silent(X):
    model = DEC(3, hidden_layer_sizes=(5, 2), random_state=0).fit(blobs(spread=0.3))
    assert model.warnings_ == [] and model.converged_
    assert dec(max_iter=0, tol=1e-3).fit(X).warnings_ == []  # no step was asked for


# ---------------------------------------------------------------- sentences from numbers

GOOD = Diagnosis((5, 5, 5), 0.1, 0.2, 0.8, 0.5, (0, 1), 3.0, 1.0, 4.0, 0.1)


def said(*diagnoses, changed=0.0, tol=1e-3, planned=True, converged=True, update_encoder=True, start="k-means"):
    history = [Record("finetune", 9, 9, 0.1), Record(start, 1, 1, 0.1)] + [
        Record("cluster", 10 * i, 99, 0.1, changed, found) for i, found in enumerate(diagnoses)]
    return training_warnings(history, tol, planned, converged, update_encoder)


def changed(**numbers):
    return GOOD._replace(**numbers)


def test_each_sentence_has_its_border():
    assert said(GOOD, GOOD) == []
    assert "since step 20" in said(GOOD, GOOD, changed(sizes=(15, 0, 0)))[0]
    (one,) = said(GOOD, changed(sizes=(15, 0, 0)), changed(sizes=(0, 15, 0)))  # nothing is said beside a collapse
    assert one.startswith("the clustering has collapsed: since step 10 ")
    assert said(changed(sizes=(15, 0, 0)), changed(sizes=(15, 0, 0)))[0].startswith("the autoencoder has collapsed")
    (dead,) = said(GOOD, changed(sizes=(10, 0, 5)), GOOD, changed(sizes=(10, 0, 5)), changed(sizes=(15, 0, 5)))
    assert dead.startswith("1 of 3 clusters died: number 1 ") and "since step 30;" in dead  # it had come back once
    assert said(GOOD, changed(sizes=(10, 0, 5)), GOOD) == []
    assert said(GOOD, changed(distance=0.1001)) == [] and "0 and 1 have merged" in said(GOOD, changed(distance=0.1))[0]
    assert "0 and 1 have merged" in said(changed(sizes=(8, 7)), changed(sizes=(8, 7), distance=0.1))[0]  # all that there are
    assert said(GOOD, changed(confidence=0.751)) == [] and "0.800 to 0.749" in said(GOOD, changed(confidence=0.749))[0]
    wide = changed(radius=1.4)  # 6 % and 12 % of the variance
    assert "from 6% of the embedding's variance to 12%" in said(GOOD, wide)[0] and said(GOOD, wide, update_encoder=False) == []
    assert said(GOOD, changed(radius=1.3)) == []
    both = said(GOOD, changed(radius=2.0, confidence=0.5))
    assert len(both) == 1 and " and the squared distances" in both[0]


def test_clusters_that_are_empty_from_the_start_have_not_died():
    """Centroids that are given can be far from all rows, which says nothing about the autoencoder."""
    far = changed(sizes=(10, 0, 5))
    assert said(far, far, start="array") == [
        "1 of 3 clusters have no rows at any report: number 1; try fewer clusters, or other centroids as init"]
    assert said(far, far)[0].endswith("try fewer clusters")
    died, never = said(changed(sizes=(5, 5, 5, 0)), changed(sizes=(10, 0, 5, 0)))
    assert died.startswith("1 of 4 clusters died: number 1 ") and never.startswith("1 of 4 clusters have no rows at any report: number 3;")
    one = changed(sizes=(15, 0, 0))
    assert said(one, one, start="callable")[0].startswith("all rows are in one cluster from the start on: the centroids of init")


def test_one_cluster_is_never_empty_merged_or_worse():
    one = changed(sizes=(15,), nearest=(0, 0), distance=0.0, confidence=1.0)
    assert said(one, one._replace(radius=9.0, spread=0.0)) == []


@pytest.mark.parametrize("settings, warned", [
    (dict(converged=False, planned=False, changed=0.002), True),
    (dict(converged=False, planned=True, changed=0.002), False),
    (dict(converged=False, planned=True, changed=0.011), True),
    (dict(converged=True, planned=False, changed=0.0), False),
    (dict(converged=False, planned=False, changed=0.5, tol=0), False)])
def test_the_end_of_the_budget_is_said_where_it_was_not_the_plan(settings, warned):
    assert [sentence.startswith("not converged") for sentence in said(GOOD, GOOD, **settings)] == [True] * warned
    assert said(GOOD, **settings) == []  # no step was taken
    one_step = [Record("cluster", step, 1, 0.1, settings["changed"], GOOD) for step in (0, 1)]
    words = {"tol": 1e-3, "moves": True, **settings}
    assert len(training_warnings(one_step, words["tol"], words["planned"], words["converged"], words["moves"])) == warned


def test_whose_plan_it_is_to_end_by_the_budget():
    for n in (20, 5000, 70_000):
        assert has_fixed_budget(fast(n), n) and not has_fixed_budget(Profile(), n)
        assert not has_fixed_budget(replace(fast(n), max_iter=10), n)


def test_words_for_one_cluster():
    one = changed(sizes=(15,), nearest=(0, 0), distance=0.0)._asdict()
    assert format_diagnosis(one, one)[1] == "rows lie 1 from their centroid (root mean square)"
