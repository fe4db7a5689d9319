"""``init``: where the clustering phase starts: k-means, the neighbor graph, an array, a callable; what is refused."""

import json
import os
import re
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import commands
import numpy as np
import pytest
from conftest import QUICK, identical
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import kneighbors_graph

from decnp import DEC, CheckpointError, StackedAutoencoder, TrainingWarning, cluster_accuracy, fit_restarts, load, save
from decnp.cli.start_file import read_start
from decnp.clustering import initial_state
from decnp.equations import soft_assignment, target_distribution
from decnp.layers import Dense, arrays_of, mlp
from decnp.losses import clustering_loss_and_grads
from decnp.training import neighbors, start
from decnp.training.checkpoint import Checkpoint
from decnp.training.neighbors import GraphError, graph_clusters
from decnp.training.start import check_init, find_start


def dec(autoencoder=None, **settings):
    small = {"hidden_layer_sizes": (5, 4, 2), "profile": QUICK, "n_init": 3, "engine": "numpy", "tol": 0}
    return DEC(settings.pop("n_clusters", 3), autoencoder=autoencoder, **{**small, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def z(X, autoencoder):
    return autoencoder.encode(X)


@pytest.fixture(scope="module")
def labels(X):
    """Some labels, which no method finds: 0, 1, 2, 0, ..."""
    return np.arange(len(X)) % 3


def phases(model):
    return [record.phase for record in model.history_ if record.phase != "cluster"]


# ---------------------------------------------------------------- each kind of start

def test_labels_start_from_the_means_of_their_rows(X, autoencoder, z, labels):
    model = dec(autoencoder, init=labels, max_iter=0).fit(X)
    centers = np.stack([z[labels == j].mean(axis=0) for j in range(3)])
    assert_array_equal(model.initial_labels_, labels)
    assert model.initial_labels_.dtype == np.int32
    assert_allclose(model.initial_centers_, centers, rtol=1e-12)
    assert_array_equal(model.cluster_centers_, model.initial_centers_)  # no step was taken
    assert model.init_ == "array" and phases(model) == ["array"]
    assert_allclose(model.history_[0].loss, ((z - centers[labels]) ** 2).sum(axis=1).mean(), rtol=1e-12)


def test_centroids_start_from_themselves(X, autoencoder, z):
    centers = z[[3, 1, 4]]
    model = dec(autoencoder, init=centers, max_iter=0).fit(X)
    distances = ((z[:, None] - centers) ** 2).sum(axis=2)
    assert_array_equal(model.initial_labels_, distances.argmin(axis=1))
    assert_array_equal(model.initial_centers_, centers)
    assert model.init_ == "array" and model.labels_.dtype == model.initial_labels_.dtype == np.int32
    assert_allclose(model.history_[0].loss, distances.min(axis=1).mean(), rtol=1e-12)


def test_the_given_array_is_not_changed(X, autoencoder, z):
    centers = z[[3, 1, 4]]
    before = centers.copy()
    model = dec(autoencoder, init=centers).fit(X)
    assert_array_equal(centers, before)
    assert_array_equal(model.initial_centers_, before)
    assert not np.array_equal(model.cluster_centers_, before)


@pytest.mark.parametrize("kind", ["labels", "centroids"])
def test_a_callable_starts_as_the_array_that_it_returns(X, autoencoder, z, labels, kind):
    given = labels if kind == "labels" else z[[3, 1, 4]]
    asked = []

    def init(code, n_clusters, random_state):
        asked.append((code.copy(), n_clusters, type(random_state)))
        code[:] = 0  # a copy: what follows does not see it
        return given

    model, other = dec(autoencoder, init=init).fit(X), dec(autoencoder, init=given).fit(X)
    assert len(asked) == 1 and asked[0][1:] == (3, np.random.RandomState)
    assert_array_equal(asked[0][0], z)
    assert identical(model, other) and (model.init_, phases(model)) == ("callable", ["callable"])
    assert_array_equal(model.initial_labels_, other.initial_labels_)


def random_rows(z, n_clusters, random_state):
    return z[random_state.choice(len(z), n_clusters, replace=False)]


def test_a_callable_takes_its_chance_from_the_seed(X, autoencoder):
    one, two, three = (dec(autoencoder, init=random_rows, random_state=seed, max_iter=0).fit(X) for seed in (0, 0, 1))
    assert_array_equal(one.initial_centers_, two.initial_centers_)
    assert not np.array_equal(one.initial_centers_, three.initial_centers_)


def test_the_labels_of_k_means_start_as_k_means_does(X, autoencoder):
    kmeans = dec(autoencoder).fit(X)
    for init in (kmeans.initial_labels_, kmeans.initial_labels_.tolist(), kmeans.initial_labels_.astype(np.uint8)):
        model = dec(autoencoder, init=init).fit(X)
        assert_allclose(model.initial_centers_, kmeans.initial_centers_, rtol=1e-6)
        assert_array_equal(model.labels_, kmeans.labels_)
    assert kmeans.init_ == "k-means" and phases(kmeans) == ["k-means"]


def test_labels_in_a_one_dimensional_embedding_are_labels(X):
    labels = np.arange(len(X)) % 3
    settings = {"hidden_layer_sizes": (4, 1), "max_iter": 0}
    model = dec(init=labels, **settings).fit(X)
    assert_array_equal(model.initial_labels_, labels)
    again = dec(init=model.initial_centers_, **settings).fit(X)  # (3, 1): centroids
    assert_array_equal(again.initial_centers_, model.initial_centers_)


def test_centroids_have_the_dtype_of_training(X):
    model = dec(init=np.zeros((3, 2)) + [[0], [1], [2]]).fit(X.astype(np.float32))
    assert model.initial_centers_.dtype == model.cluster_centers_.dtype == np.float32


# ---------------------------------------------------------------- the neighbor graph

def identity(d=2):
    """An autoencoder whose embedding is X."""
    layer = Dense(np.eye(d), np.zeros(d), "linear")
    return StackedAutoencoder.from_layers([layer], [layer], dtype="float64")


def rings(n=200, noise=0.05):
    """Two rings, one in the other, which k-means cuts in halves: z (2 n, 2), and the ring of each row."""
    rng, ring = np.random.default_rng(3), np.repeat([0, 1], n)
    angle, radius = rng.uniform(0, 2 * np.pi, 2 * n), 1.0 + 2 * ring + noise * rng.normal(size=2 * n)
    mixed = rng.permutation(2 * n)
    return np.column_stack([np.cos(angle), np.sin(angle)])[mixed] * radius[mixed, None], ring[mixed]


def strips(n=200):
    """Two long strips side by side, which k-means cuts across: z (2 n, 2), and the strip of each row."""
    rng, strip = np.random.default_rng(3), np.arange(2 * n) % 2
    return np.column_stack([rng.uniform(0, 12, 2 * n), 3 * strip + 0.3 * rng.normal(size=2 * n)]), strip


def rays(seed=0):
    """Six rays from the origin, with many short rows, as in a code of text: z (600, 3), and the ray of each row."""
    rng = np.random.default_rng(seed)
    ray = rng.integers(6, size=600)
    directions = np.vstack([np.eye(3), -np.eye(3)])[ray] + 0.1 * rng.normal(size=(600, 3))
    return np.abs(rng.normal(size=(600, 1))) * directions + 0.02 * rng.normal(size=(600, 3)), ray


def same_groups(one, other):
    """Whether two arrays of labels have the same groups, whatever their numbers are."""
    pairs = set(zip(one.tolist(), other.tolist()))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def quietly(model, X):
    """The model, fitted to X without its warnings, which some of these data deserve."""
    for _ in model.iter_fit(X):
        pass
    return model


def clusters(z, k, seed=0):
    return graph_clusters(z, k, 5, np.random.default_rng(seed))


def test_the_graph_finds_rings():
    z, ring = rings()
    found = clusters(z, 2)
    assert found.dtype == np.int32 and same_groups(found, ring)
    assert not same_groups(KMeans(2, n_init=5, random_state=0).fit_predict(z), ring)


def test_it_starts_from_the_means_of_the_graphs_clusters():
    z, strip = strips()
    model = quietly(dec(identity(), init="neighbors", n_clusters=2, max_iter=0), z)
    assert same_groups(model.initial_labels_, strip) and (model.init_, phases(model)) == ("neighbors", ["neighbors"])
    assert not same_groups(quietly(dec(identity(), n_clusters=2, max_iter=0), z).initial_labels_, strip)
    centers = np.stack([z[model.initial_labels_ == j].mean(axis=0) for j in range(2)])
    assert_allclose(model.initial_centers_, centers, rtol=1e-12)
    assert not any("started from" in sentence for sentence in model.warnings_)
    assert_allclose(model.history_[0].loss, ((z - centers[model.initial_labels_]) ** 2).sum(axis=1).mean(), rtol=1e-12)


def blobs_of(centers, n, scale=0.7, seed=0):
    """Round groups of n rows: z (n * len(centers), 2), and the group of each row."""
    rng, group = np.random.default_rng(seed), np.repeat(np.arange(len(centers)), n)
    return np.asarray(centers, float)[group] + scale * rng.normal(size=(len(group), 2)), group


def majority(z, found, row):
    """The most frequent label among the ten nearest rows that have one, found with plain loops."""
    near = sorted((((z[other] - z[row]) ** 2).sum(), other) for other in range(len(z)) if found[other] >= 0)[:10]
    return np.bincount([found[other] for _, other in near]).argmax()


def test_islands_take_no_cluster_and_have_the_label_of_their_neighbors(monkeypatch):
    """Four islands, each larger than a clique: one is a part of the graph, others are joined to the groups by few rows."""
    z, group = blobs_of([(0, 0), (3.5, 0)], 1000)
    ends = 8 * np.array([(np.cos(angle), np.sin(angle)) for angle in np.linspace(0.3, 2.8, 4)])
    islands = [np.random.default_rng(1).normal(scale=0.2, size=(30, 2)) + end for end in ends]
    threads = [end * np.linspace(0.15, 0.95, 4)[:, None] for end in ends]
    z = np.concatenate([z, *islands, *threads])
    seen = []
    monkeypatch.setattr(start, "graph_clusters", lambda *args: seen.append(graph_clusters(*args)) or seen[0])
    model = quietly(dec(identity(), init="neighbors", n_clusters=2, max_iter=0), z)
    (found,) = seen
    assert np.mean(found[:2000] == (group if found[0] == 0 else 1 - group)) > 0.99
    out = np.flatnonzero(found < 0)
    assert len(out) >= 30 and (out >= 2000).all(), len(out)
    assert_allclose(np.sort(model.initial_centers_[:, 0]), [0, 3.5], atol=0.5)
    assert_allclose(model.initial_centers_[:, 1], [0, 0], atol=0.5)  # the islands do not pull them
    assert_array_equal(model.initial_labels_[out[::10]], [majority(z, found, row) for row in out[::10]])


def test_above_the_limit_a_sample_is_clustered_and_the_rest_follows_its_neighbors(monkeypatch):
    z, group = blobs_of([(0, 0), (6, 0), (0, 6)], 100)
    z, group = z.reshape(3, 100, 2).swapaxes(0, 1).reshape(-1, 2), np.arange(300) % 3  # 0, 1, 2, 0, ...
    seen = []
    monkeypatch.setattr(start, "SAMPLE", 90)
    monkeypatch.setattr(start, "graph_clusters", lambda rows, *others: seen.append(rows) or graph_clusters(rows, *others))
    model = dec(identity(), init="neighbors", max_iter=0).fit(z)
    (sample,) = seen
    assert sample.shape == (90, 2) and len(np.unique(sample, axis=0)) == 90
    assert same_groups(model.initial_labels_, group)
    means = [sample[[tuple(row) in {tuple(x) for x in z[model.initial_labels_ == j]} for row in sample]].mean(axis=0)
             for j in range(3)]
    assert_allclose(model.initial_centers_, means, rtol=1e-12)  # of the sample alone


@pytest.mark.parametrize("z, k, reason", [
    (blobs_of([(0, 0), (9, 0), (0, 9), (9, 9)], 50)[0], 3, "the graph has 4 parts, more than n_clusters = 3"),
    (blobs_of([(10 * i, 0) for i in range(30)], 11, scale=0.1)[0], 2,
     "100% of the rows lie in groups of fewer than 16, apart from all others"),
    (np.eye(3), 3, "a graph needs more than n_clusters + 1 = 4 rows, and there are 3"),
])
def test_a_graph_without_clusters_is_seen_without_labels(z, k, reason):
    with pytest.raises(GraphError, match=f"^{re.escape(reason)}$"):
        clusters(z, k)
    d = z.shape[1]
    with pytest.warns(TrainingWarning) as warned:
        model = dec(identity(d), init="neighbors", n_clusters=k, max_iter=0).fit(z)
    sentence = f"the clustering phase started from k-means, not from the neighbor graph of the embedding: {reason}"
    sentence += "; this alone needs no action, because k-means is the start of the paper"
    assert model.warnings_[0] == str(warned[0].message) == sentence
    assert (model.init, model.init_, phases(model)) == ("neighbors", "k-means", ["k-means"])
    kmeans = dec(identity(d), n_clusters=k, max_iter=0).fit(z)
    assert_array_equal(model.initial_centers_, kmeans.initial_centers_)
    assert sentence not in kmeans.warnings_


def test_clusters_that_no_centroid_stands_for_are_no_start():
    z, _ = rings()
    model = quietly(dec(identity(), init="neighbors", n_clusters=2, max_iter=0), z)
    assert model.init_ == "k-means"
    assert re.fullmatch("the clustering phase started from k-means, not from the neighbor graph of the embedding: only "
                        r"5\d% of the rows are nearest to the mean of their own cluster, and a cluster of DEC is one "
                        "centroid; this alone needs no action, because k-means is the start of the paper", model.warnings_[0])


@pytest.fixture
def no_graph(monkeypatch):
    """Every neighbor graph is one without clusters."""
    def fail(*others):
        raise GraphError("it has none")
    monkeypatch.setattr(start, "graph_clusters", fail)


def test_rays_start_from_spherical_k_means(no_graph):
    """k-means puts the short rows of all rays into one cluster; the labels of the directions are the first targets P."""
    z, ray = rays()
    z[:2] = 0  # rows without a direction
    model = quietly(dec(identity(3), init="neighbors", n_clusters=6, n_init=5,
                        profile=replace(QUICK, update_interval=4, label_iter=9, max_iter=20)), z)
    assert (model.init_, phases(model)) == ("spherical k-means", ["spherical k-means"])
    assert cluster_accuracy(ray, model.initial_labels_) > 0.95
    assert cluster_accuracy(ray, dec(identity(3), n_clusters=6, max_iter=0).fit(z).initial_labels_) < 0.7
    means = [z[model.initial_labels_ == j].mean(axis=0) for j in range(6)]
    assert_allclose(model.initial_centers_, means, rtol=1e-12)  # in z itself
    assert model.warnings_[0] == (
        "the clustering phase started from spherical k-means, not from the neighbor graph of the embedding: it has none; this "
        "alone needs no action, because k-means, the start of the paper, has a cluster that holds the short rows of several "
        "directions")
    state = initial_state(find_start(z, 6, "neighbors", 5, np.random.default_rng(0), np.float64), [np.eye(3)],
                          replace(QUICK, label_iter=20, max_iter=90, update_interval=10), np.random.default_rng(0))
    assert state.label_iter == 20


@pytest.mark.parametrize("constant, value", [("DIRECTED", 0.0), ("STABLE", 1.01)])
def test_when_directions_are_no_start(monkeypatch, no_graph, constant, value):
    """Each of the two conditions alone prevents it: every cluster has a direction, or the directions are not stable."""
    z, _ = rays()
    monkeypatch.setattr(start, constant, value)
    assert find_start(z, 6, "neighbors", 5, np.random.default_rng(0), np.float64).name == "k-means"


def test_directions_are_compared_with_those_of_halves():
    """1 for groups that every half has; near 0 for rows without groups; and for fewer different rows than clusters, 1."""
    z, _ = blobs_of([(0, 0), (9, 0), (0, 9)], 40)
    assert start._stability(z, 3, 5, 0) == 1
    assert start._stability(np.random.default_rng(0).normal(size=(600, 5)), 8, 5, 0) < start.STABLE
    assert start._stability(np.eye(3)[[0, 1, 0, 1]], 3, 1, 0) == 1


def test_a_cluster_of_more_than_twice_the_mean_is_no_start(monkeypatch):
    """51 of 100 rows in one of four clusters, not 50; a graph of text separates only small groups from the rest."""
    for rows, fails in ((51, True), (50, False)):
        found = np.repeat([0, 1, 2, 3], [rows, 80 - rows, 10, 10])
        monkeypatch.setattr(neighbors, "_clusters", lambda *_: found)
        if fails:
            with pytest.raises(GraphError, match="its largest cluster has 2.0 times as many rows as the mean of all"):
                clusters(np.eye(100), 4)
        else:
            assert_array_equal(clusters(np.eye(100), 4), found)


def test_the_laplacian_is_the_normalized_one(monkeypatch):
    """Its diagonal is 1, and its trivial eigenvector is the square root of the number of neighbors."""
    seen = []
    monkeypatch.setattr(neighbors, "nontrivial_eigenvectors",
                        lambda L, root, *others: seen.append((L, root)) or np.random.default_rng(0).normal(size=(len(root), 1)))
    z, _ = blobs_of([(0, 0), (1, 0)], 30)
    clusters(z, 1)
    L, root = seen[0]
    A = kneighbors_graph((z - z.mean(axis=0)), neighbors.N_NEIGHBORS).toarray()
    assert_allclose(L.diagonal(), 1)
    assert_allclose(root**2, (A + A.T).sum(axis=0))
    assert_allclose(L @ root, 0, atol=1e-12)


def test_groups_that_split_off_without_end(monkeypatch):
    monkeypatch.setattr(neighbors, "_clusters", lambda z, *others: (np.arange(len(z)) > 0).astype(int))
    with pytest.raises(GraphError, match="groups of fewer than 5 rows split off in each of 5 rounds"):
        clusters(np.eye(100), 2)


def test_one_cluster_and_few_rows():
    assert_array_equal(clusters(rings()[0][:30], 1), np.zeros(30))
    z, group = blobs_of([(0, 0), (9, 0)], 6)
    assert same_groups(clusters(z, 2), group)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # k-means says so too
def test_a_collapsed_embedding(X):
    flat = StackedAutoencoder.from_layers([Dense(np.zeros((6, 2)), np.zeros(2), "linear")],
                                          [Dense(np.zeros((2, 6)), np.zeros(6), "linear")], dtype="float64")
    with pytest.warns(TrainingWarning, match="the autoencoder has collapsed"):
        model = dec(flat, init="neighbors").fit(X)
    assert "from the neighbor graph of the embedding: all rows have the same embedding; this alone " in model.warnings_[0]


def test_eigenvectors_that_do_not_converge(monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(neighbors, "nontrivial_eigenvectors", fail)
    with pytest.raises(GraphError, match="the eigenvectors of its Laplacian did not converge"):
        clusters(rings()[0], 2)


def test_clusters_that_half_of_the_rows_do_not_have_are_no_start(monkeypatch):
    z, _ = strips()
    monkeypatch.setattr(start, "stability", lambda *_: 0.649)
    model = quietly(dec(identity(), init="neighbors", n_clusters=2, max_iter=0), z)
    assert model.init_ == "k-means"
    assert ("the clusters of the graph change if half of the rows are left out (adjusted Rand index 0.65, below 0.65); "
            in model.warnings_[0])


def test_the_stability_of_clear_and_of_arbitrary_clusters():
    z, strip = strips()
    assert neighbors.stability(z, strip, 2, 5, np.random.default_rng(0)) == 1
    assert abs(neighbors.stability(z, np.random.default_rng(1).permutation(strip), 2, 5, np.random.default_rng(0))) < 0.1
    left_out = np.where(np.arange(len(z)) < 20, -1, strip)
    assert neighbors.stability(z, left_out, 2, 5, np.random.default_rng(0)) == 1
    one = np.random.default_rng(2).normal(size=(400, 2))  # one group, cut into five at random places
    assert neighbors.stability(one, clusters(one, 5), 5, 5, np.random.default_rng(0)) < start.STABLE


def test_stability_is_the_mean_agreement_with_the_graphs_of_two_random_halves(monkeypatch):
    """Catches another size of the halves, one half less, and rows that count although one of both has left them out."""
    rng, labels, halves, agreements = np.random.default_rng(0), np.arange(400) % 3, [], []
    labels[:40] = -1

    def graph(rows, *others):
        half = rows[:, 0].astype(int)
        again = np.where((labels[half] == 1) | (rng.random(len(half)) < 0.2), rng.integers(3, size=len(half)), labels[half])
        again[:30] = -1
        halves.append(half)
        pairs = [(a, b) for a, b in zip(labels[half], again) if a >= 0 and b >= 0]
        agreements.append(adjusted_rand_score(*zip(*pairs)))
        return again

    monkeypatch.setattr(neighbors, "graph_clusters", graph)
    found = neighbors.stability(np.arange(400.0)[:, None], labels, 3, 5, np.random.default_rng(0))
    assert [len(set(half)) for half in halves] == [200, 200] and set(halves[0]) != set(halves[1])
    assert found == pytest.approx(np.mean(agreements)) and 0.2 < found < 0.5


# ---------------------------------------------------------------- labels as the first targets

@pytest.mark.parametrize("interval, reports", [(2, [0, 4, 8, 12, 16, 18, 20, 22, 24, 25]), (24, [0, 16, 24, 25])])
def test_labels_are_the_targets_of_the_first_steps(X, autoencoder, labels, interval, reports):
    """P is one-hot for label_iter steps, here 16, then Eq. 3: the loop, written out. The interval can be longer than that.

    The velocity is 0 at each update interval. While P is one-hot, only some of the intervals end in a report.
    """
    settings = replace(QUICK, update_interval=interval, max_iter=25, label_iter=17, shuffle=False, batch_size=50)
    model = dec(autoencoder, init=labels, profile=settings).fit(X)
    theta, mu = deepcopy(autoencoder.encoder_), model.initial_centers_.copy()
    velocity = [np.zeros_like(a) for a in [mu, *arrays_of(theta)]]
    rows, p = (X - autoencoder.shift_) * autoencoder.scale_, np.eye(3)[labels]
    for t in range(25):
        if t == 16 or (t > 16 and t % interval == 0):
            p = target_distribution(soft_assignment(mlp(theta, rows)[-1], mu))
        if t % interval == 0:
            velocity = [0 * v for v in velocity]
        i = np.arange(50 * t, 50 * (t + 1)) % len(X)
        _, grad_mu, grads = clustering_loss_and_grads(theta, mu, rows[i], p[i])
        for j, (a, g) in enumerate(zip([mu, *arrays_of(theta)], [grad_mu, *arrays_of(grads)])):
            velocity[j] = settings.kl_momentum * velocity[j] - settings.kl_lr * (1 if j == 0 or j % 2 else 2) * g
            a += velocity[j]
    assert_allclose(model.cluster_centers_, mu, rtol=1e-9)
    assert_allclose(model.autoencoder_.encoder_[0].W, theta[0].W, rtol=1e-9)
    assert [r.iteration for r in model.history_ if r.phase == "cluster"] == reports


@pytest.mark.parametrize("label_iter, reports", [(3, [0, 1, 2, 3, 4, 5, 6]), (8, [0, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16])])
def test_labels_for_a_few_intervals_are_reported_at_each(X, autoencoder, labels, label_iter, reports):
    """Catches a rule that leaves out reports of a short start."""
    settings = replace(QUICK, update_interval=1, label_iter=label_iter, max_iter=2 * label_iter)
    history = dec(autoencoder, init=labels, profile=settings).fit(X).history_
    assert [r.iteration for r in history if r.phase == "cluster"] == reports


@pytest.mark.parametrize("max_iter, label_iter", [(800, 520), (60, 40), (59, 20), (30, 20), (29, 19), (2, 1), (0, 0)])
def test_eq_3_has_the_last_third_of_any_number_of_steps(X, autoencoder, labels, max_iter, label_iter):
    settings = replace(QUICK, update_interval=20, max_iter=max_iter, label_iter=537)
    found = find_start(autoencoder.transform(X), 3, labels, 1, np.random.default_rng(0), np.float64)
    state = initial_state(found, autoencoder.encoder_, settings, np.random.default_rng(0))
    assert state.label_iter == label_iter
    assert len(state.p) == (len(X) if label_iter else 0)


# ---------------------------------------------------------------- what is refused

SHAPES = ("init must be an array of labels, of the shape (n,) = (150,), or of centroids in the embedded space, of the "
          "shape (n_clusters, d) = (3, 2); got the shape ")


@pytest.mark.parametrize("init, sentence", [
    ("kmeans", "init must be 'k-means', 'neighbors', an array or a callable; got 'kmeans'"),
    (np.zeros(149, int), SHAPES + "(149,)"),
    (np.zeros((150, 1), int), SHAPES + "(150, 1)"),
    (np.zeros((2, 3)), SHAPES + "(2, 3)"),
    (np.zeros((4, 2)), SHAPES + "(4, 2)"),
    (3, SHAPES + "()"),
    ([[1, 2], [3]], "init must be an array of labels (150,) or of centroids (3, 2); "),
    (np.arange(150) % 2, "init must hold each label from 0 to n_clusters - 1 = 2, because a cluster without rows has no "
                         "centroid; 2 of 3 labels occur, and 2 does not"),
    (np.arange(150) % 2 * 2, "2 of 3 labels occur, and 1 does not"),
    (np.arange(150) % 4, "init must hold labels from 0 to n_clusters - 1 = 2; got 3 in row 4 (counted from 1)"),
    (np.arange(150) % 3 - 1, "init must hold labels from 0 to n_clusters - 1 = 2; got -1 in row 1 (counted from 1)"),
    (np.arange(150) % 3 + 0.5, "init must hold whole numbers if it is an array of labels; got the dtype float64"),
    (np.arange(150).astype(str), "init must hold whole numbers if it is an array of labels; got the dtype <U"),
    ([[0, 0], [1, 1], [2, np.nan]], "init must hold finite real numbers, the coordinates of the centroids"),
    ([[0, 0], [1, 1], [2, np.inf]], "init must hold finite real numbers"),
    ([["a", "b"]] * 3, "init must hold finite real numbers"),
    (np.full((3, 2), 1j), "init must hold finite real numbers"),
], ids=lambda value: "" if isinstance(value, str) else None)
def test_what_is_no_start_is_refused_before_training(X, monkeypatch, init, sentence):
    monkeypatch.setattr(DEC, "_pretrain", lambda *_: pytest.fail("it began to train"))
    with pytest.raises(ValueError, match=re.escape(sentence)):
        dec(init=init).fit(X)


def test_the_embedding_of_a_given_autoencoder_counts(X, autoencoder):
    with pytest.raises(ValueError, match=re.escape("(n_clusters, d) = (3, 2); got the shape (3, 7)")):
        dec(autoencoder, hidden_layer_sizes=(7,), init=np.zeros((3, 7))).fit(X)


@pytest.mark.parametrize("found, sentence", [
    (None, "the array that init returns must be an array of labels, of the shape (n,) = (150,)"),
    (np.zeros(150, int), "the array that init returns must hold each label from 0 to n_clusters - 1 = 2"),
    (np.full((3, 2), np.nan), "the array that init returns must hold finite real numbers"),
])
def test_what_a_callable_returns_is_checked(X, autoencoder, found, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        dec(autoencoder, init=lambda z, n_clusters, random_state: found).fit(X)


def test_centroids_beyond_float32_are_refused(X):
    with pytest.raises(ValueError, match="the centroids of init must hold finite numbers within float32"):
        dec(init=np.full((3, 2), 1e300), dtype="float32").fit(X)


# ---------------------------------------------------------------- among others

def test_clone_and_parameters(X, autoencoder, z):
    centers = z[[3, 1, 4]]
    model = dec(FrozenEstimator(autoencoder), init=centers)
    assert model.get_params()["init"] is centers
    assert identical(clone(model).fit(X), model.fit(X))
    assert "init=array(" in repr(DEC(init=centers)) and "init=" not in repr(DEC()) and "init" in model._repr_html_()


def test_a_search_over_starts(X, autoencoder, z):
    model = dec(FrozenEstimator(autoencoder), max_iter=0)
    grid = {"init": ["k-means", "neighbors", z[[3, 1, 4]], random_rows]}
    search = GridSearchCV(model, grid, cv=2, scoring=lambda model, X, y=None: 0.0, error_score="raise").fit(X)
    assert len(search.cv_results_["params"]) == 4


def test_restarts_with_labels(X, labels):
    best = fit_restarts(dec(init=labels), X, 3)
    assert best.init_ == "array" and len(best.restarts_) == 3


class Killed(BaseException):
    """A process that ends."""


class KilledAfter(Checkpoint):
    """Is written after so many steps, when the run is killed."""

    def __init__(self, path, steps):
        super().__init__(path)
        self.steps = steps

    def keep(self, state):
        self.steps -= 1
        if not self.steps:
            self.write(state())
            raise Killed


def kill(model, path, X, steps):
    with pytest.raises(Killed):
        clone(model).set_params(checkpoint=KilledAfter(path, steps)).fit(X)


@pytest.mark.parametrize("init", ["neighbors", "labels", random_rows])
def test_killed_before_and_after_the_start_it_ends_in_the_same_bits(X, tmp_path, labels, init):
    model, path = dec(init=labels if init == "labels" else init), tmp_path / "run.checkpoint"
    whole, pretraining = clone(model).fit(X), 3 * QUICK.pretrain_iter + QUICK.finetune_iter
    for steps in (pretraining, pretraining + 1, pretraining + 11):
        kill(model, path, X, steps)
        again = clone(model).set_params(checkpoint=path).resume(X)
        assert identical(whole, again) and again.history_ == whole.history_, steps
        assert_array_equal(again.initial_labels_, whole.initial_labels_)
        assert again.init_ == whole.init_ and again.warnings_ == whole.warnings_


def test_another_start_is_another_run(X, tmp_path, labels):
    path = tmp_path / "run.checkpoint"
    kill(dec(init=labels), path, X, 3)
    other = labels.copy()
    other[0] = 1
    for init, said in ((other, "'[0-9a-f]{64}'"), ("k-means", "'k-means'"), (random_rows, "'random_rows'")):
        with pytest.raises(CheckpointError, match=f"of another run: init was '[0-9a-f]{{64}}', and is {said} now"):
            dec(init=init, checkpoint=path).resume(X)
    dec(init=labels.tolist(), checkpoint=path).resume(X)  # the same numbers


def scaled_rows(z, n_clusters, random_state, factor=1.0, offset=None, name=None):
    return factor * random_rows(z, n_clusters, random_state) + (0 if offset is None else offset)


@pytest.mark.parametrize("other", [
    random_rows, partial(random_rows), partial(scaled_rows, factor=2.5), partial(scaled_rows, factor=2, offset=np.ones(2)),
    partial(scaled_rows, factor=2, offset=np.zeros(2), name=object())])
def test_a_partial_of_another_function_or_of_other_arguments_is_another_start(X, tmp_path, other):
    path, init = tmp_path / "run.checkpoint", partial(scaled_rows, factor=2, offset=np.zeros(2))
    kill(dec(init=init), path, X, 3)
    with pytest.raises(CheckpointError, match=r"of another run: init was 'scaled_rows\(factor=2, offset=\w+\)', and is '"):
        dec(init=other, checkpoint=path).resume(X)
    dec(init=partial(scaled_rows, offset=np.zeros(2), factor=2), checkpoint=path).resume(X)


def test_a_partial_of_an_object_is_resumed(X, tmp_path):
    path = tmp_path / "run.checkpoint"
    kill(dec(init=partial(scaled_rows, name=object())), path, X, 3)
    dec(init=partial(scaled_rows, name=object()), checkpoint=path).resume(X)  # as another process would


@pytest.mark.parametrize("init", ["k-means", "neighbors", "labels", random_rows])
def test_saved_and_loaded(X, autoencoder, tmp_path, labels, init):
    model = dec(autoencoder, init=labels if init == "labels" else init, max_iter=0).fit(X)
    save(model, tmp_path / "model.decnp")
    again = load(tmp_path / "model.decnp")
    assert (again.init, again.init_) == (init if init in ("k-means", "neighbors") else None, model.init_)
    save(again, tmp_path / "again.decnp")
    assert load(tmp_path / "again.decnp").init_ == model.init_


# ---------------------------------------------------------------- the command

LABELS = np.arange(60) % 3
CENTROIDS = np.random.default_rng(0).normal(size=(3, 2)).round(3)


def text(rows, first=()):
    return "\n".join([*first, *(",".join(map(str, np.atleast_1d(row))) for row in rows)])


@pytest.mark.parametrize("name, content, expected", [
    ("start.npy", LABELS, LABELS), ("start.npy", LABELS[:, None], LABELS), ("start.npy", LABELS * 1.0, LABELS),
    ("start.csv", text(LABELS), LABELS), ("start.csv", text(LABELS, ["label"]), LABELS),
    ("start.txt", text(LABELS, ["cluster"]), LABELS), ("start.csv", text(LABELS, ["cluster label"]), LABELS),
    ("start.txt", text(LABELS, ["", "cluster label"]), LABELS), ("start.csv", text(CENTROIDS).replace(",", "|"), CENTROIDS),
    ("start.npy", CENTROIDS, CENTROIDS), ("start.csv", text(CENTROIDS, ["a,b"]), CENTROIDS),
    ("start.txt", text(CENTROIDS).replace(",", " "), CENTROIDS),
])
def test_a_file_of_labels_or_centroids(data, name, content, expected):
    np.save(name, content) if isinstance(content, np.ndarray) else Path(name).write_text(content)
    found = read_start(name, 60, 3, 2)
    assert_allclose(found, expected, rtol=1e-6)
    assert found.shape == expected.shape
    check_init(found, 60, 3, 2)


def test_a_column_of_centroids(data):
    np.save("start.npy", CENTROIDS[:, :1])
    assert read_start("start.npy", 60, 3, 1).shape == (3, 1)
    for first in ([], ["z"]):
        Path("start.csv").write_text(text(CENTROIDS[:, :1], first))
        assert_allclose(read_start("start.csv", 60, 3, 1), CENTROIDS[:, :1], rtol=1e-6)
    Path("start.csv").write_text(text(LABELS, ["cluster label"]))
    assert_array_equal(read_start("start.csv", 60, 3, 1), LABELS)


def test_the_command_starts_from_labels_and_from_the_graph(data, says):
    np.save("start.npy", LABELS)
    for init, taken in (("start.npy", "array"), ("neighbors", "neighbors")):
        status, out, err = says("fit", "x.npy", *commands.QUICK, "--init", init, "--labels", "start.npy", "--out", taken)
        assert status == 0, err
        assert re.search(rf"^ *{taken} +1/1  loss \d", err, re.M)
        record = json.loads(Path(taken, "run.json").read_text())
        assert (record["start"], record["parameters"]["init"]) == (taken, init)
        assert list(record["scores"]) == [f"{taken} start", "end"]
        scores = [line for line in out.splitlines() if line.lstrip().startswith(("ACC", taken, "end"))]
        assert len(scores) == 3 and len(set(map(len, scores))) == 1  # in columns
        assert f'start="{taken}"' in says("info", f"{taken}/model.decnp")[1].replace("\n", " ")
    assert json.loads(Path("array/run.json").read_text())["scores"]["array start"]["ACC"] == 1


@pytest.mark.parametrize("init, sentence", [
    ("kmeans", "--init must be k-means, neighbors or a file of labels or centroids, and no file is called kmeans, did you "
               "mean 'k-means'?"),
    ("neighbours", "--init must be k-means, neighbors or a file of labels or centroids, and no file is called neighbours, "
                   "did you mean 'neighbors'?"),
    (".", ". is a folder, not a .npy, .csv or .txt file"),
    ("short.npy", "short.npy must hold one label for each of the 60 rows; got 9"),
    ("two.npy", "--init two.npy must hold each label from 0 to n_clusters - 1 = 2, because a cluster without rows has no "
                "centroid; 2 of 3 labels occur, and 2 does not"),
    ("x.npy", "--init x.npy must be an array of labels, of the shape (n,) = (60,), or of centroids in the embedded space, of "
              "the shape (n_clusters, d) = (3, 2); got the shape (60, 6)"),
    ("words.csv", "--init words.csv must hold whole numbers if it is an array of labels; got the dtype object"),
    ("nan.csv", "nan.csv has NaN or infinite values: 1 of them, the first (nan) in row 1, column 2 (counted from 1)"),
])
def test_bad_starts(data, refused, init, sentence):
    np.save("short.npy", LABELS[:9])
    np.save("two.npy", LABELS % 2)
    Path("words.csv").write_text(text("abc" * 20))
    Path("nan.csv").write_text("1,nan\n3,4\n5,6")
    assert refused("x.npy", "--init", init) == sentence


def test_a_run_does_not_replace_the_start_that_it_reads(data, says):
    assert says("fit", "x.npy", *commands.QUICK, "--out", "run", "-q")[0] == 0
    labels = os.path.join("run", "labels.npy")
    status, _, err = says("fit", "x.npy", *commands.QUICK, "--init", labels, "--out", "run", "--overwrite")
    assert status == 2 and f"--out run would replace {labels}, which this run reads: choose another" in err
    assert says("fit", "x.npy", *commands.QUICK, "--init", labels, "--out", "again", "-q")[0] == 0
    assert json.loads(Path("again/run.json").read_text())["start"] == "array"
