"""LDMGI and SEC as estimators: their definition, determinism, degenerate input, and the paper's MNIST figures."""

import naive_baselines as naive
import numpy as np
import pytest
from conftest import blobs
from sklearn.cluster import KMeans
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_info, threadpool_limits

from decnp.baselines import LDMGI, SEC, eigen, find_cliques
from decnp.datasets import load_mnist
from decnp.metrics import cluster_accuracy, normalized_mutual_info

EVERY = [
    LDMGI(3, random_state=0),
    SEC(3, mu=0, random_state=0),
    SEC(3, mu=1e-3, random_state=0),
    SEC(3, mu=10.0, laplacian="normalized_cut", assign_labels="rotation", random_state=0),
]


def fresh(estimator, **changes):
    return type(estimator)(**{**estimator.get_params(), **changes})


@pytest.fixture(scope="module")
def connected():
    """Overlapping groups whose graph is in one part, with their own clique search."""
    X = blobs(n=120, n_features=3, k=3)
    return X, find_cliques(X, 8)


# ---------------------------------------------------------------- the definitions

@pytest.mark.parametrize("lam", [1e-4, 1.0, 1e4])
def test_ldmgi_is_eigenvectors_2_to_c_plus_1(connected, lam):
    X, cliques = connected
    model = LDMGI(3, lam=lam, n_neighbors=8, random_state=0).fit(X, cliques=cliques)
    w, V = np.linalg.eigh(naive.local_laplacian(X, cliques.neighbors, lam))
    assert w[1] > 1e-9 / lam  # one part
    F = model.embedding_
    np.testing.assert_allclose(np.linalg.norm(F - V[:, 1:4] @ (V[:, 1:4].T @ F)), 0, atol=1e-6)
    assert model.objective_ == pytest.approx(naive.rotation_objective(F, model.labels_, model.rotation_), rel=1e-9)


@pytest.mark.parametrize("mu", [0, 1e-6, 1e-2, 1.0, 1e4])
@pytest.mark.parametrize("laplacian", ["local_regression", "normalized_cut"])
def test_sec_minimises_the_papers_objective(connected, mu, laplacian):
    X, cliques = connected
    gamma, gamma_l, n = 0.5, 2.0, len(X)
    model = SEC(3, mu=mu, gamma=gamma, gamma_l=gamma_l, laplacian=laplacian, n_neighbors=8, random_state=0)
    F = model.fit(X, cliques=cliques).embedding_
    if laplacian == "local_regression":
        L = gamma_l * naive.local_laplacian(X, cliques.neighbors, gamma_l)
    else:
        L = naive.normalized_cut_laplacian(X, cliques.neighbors)
    Xc = X.T @ naive.centring(n)
    M = L + mu * (naive.centring(n) - Xc.T @ np.linalg.inv(Xc @ Xc.T + gamma * np.eye(3)) @ Xc)
    first = 1 if mu == 0 else 0  # Nie's rule
    least = np.linalg.eigvalsh(M)[first : first + 3].sum()
    np.testing.assert_allclose(np.trace(F.T @ M @ F), least, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(F.T @ F, np.eye(3), atol=1e-9)


# ---------------------------------------------------------------- as estimators

@pytest.mark.parametrize("model", EVERY)
@pytest.mark.filterwarnings("ignore:the graph has:UserWarning")  # the checks' small blobs are far apart
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(model):
    check_estimator(fresh(model))  # none is expected to fail


@pytest.mark.parametrize("model", EVERY)
def test_one_seed_one_answer_and_cliques_change_nothing(model):
    X = blobs(n=350, n_features=4)
    one = fresh(model, random_state=5).fit(X)
    two = fresh(model, random_state=5).fit(X, cliques=find_cliques(X))
    if eigen.SEEDED:
        np.testing.assert_array_equal(one.embedding_, two.embedding_)
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.labels_, fresh(model, random_state=5).fit_predict(X, cliques=find_cliques(X)))
    assert one.labels_.dtype == np.int32 and one.labels_.shape == (350,)
    assert one.embedding_.shape == (350, 3) and one.n_features_in_ == 4


def test_k_means_adds_up_in_one_thread(monkeypatch):
    """With more threads the order of its sums varies, and with it the last bits."""
    threads, fit_predict = [], KMeans.fit_predict

    def watched(self, F):
        threads.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp")
        return fit_predict(self, F)

    monkeypatch.setattr(KMeans, "fit_predict", watched)
    with threadpool_limits(2, "openmp"):
        SEC(3, random_state=0).fit(blobs(n=40))
    assert threads and set(threads) == {1}


@pytest.mark.parametrize("model", EVERY)
def test_groups_far_apart_are_found(model):
    X = np.concatenate([blobs(n=40, n_features=3, k=1) + 50 * corner for corner in np.eye(3)])
    X = np.column_stack([X, np.full(120, 7.0)])  # and a column that says nothing
    assert cluster_accuracy(np.repeat([0, 1, 2], 40), fresh(model, n_neighbors=10).fit_predict(X)) == 1


@pytest.mark.parametrize("model", EVERY)
@pytest.mark.filterwarnings("ignore:the graph has:UserWarning")
def test_degenerate_but_right(model):
    X = blobs(n=40)
    assert not fresh(model, n_clusters=1).fit_predict(X).any()
    twice = fresh(model).fit(np.repeat(X, 6, axis=0)).labels_.reshape(40, 6)  # cliques of duplicates only
    assert np.isfinite(fresh(model).fit(np.repeat(X, 2, axis=0)).embedding_).all()
    assert (twice == twice[:, :1]).all()
    assert fresh(model).fit(X[:5]).labels_.shape == (5,)  # n = n_neighbors


def test_more_components_than_clusters_warns_and_separates_the_largest():
    X = np.concatenate([blobs(n=n, k=1) + 100 * j for j, n in enumerate([6, 30, 7, 20, 25])])
    with pytest.warns(UserWarning, match=r"the graph has 5 connected components, more than n_clusters \+ 1 = 3") as seen:
        labels = LDMGI(2, random_state=0).fit(X).labels_
    assert [warning.filename for warning in seen] == [__file__]  # the line that called fit
    assert all(len(set(labels[a:b])) == 1 for a, b in ((6, 36), (43, 63), (63, 88)))


@pytest.mark.parametrize("model, X, sentence", [
    (LDMGI(3), blobs(n=4), "n_neighbors must be at most the number of samples; got n_neighbors = 5, n_samples = 4"),
    (LDMGI(9), blobs(n=8), "X must have at least n_clusters = 9 samples; got n_samples = 8"),
    (LDMGI(8), blobs(n=8), "X must have more than n_clusters = 8 samples, as the first eigenvector is dropped"),
    (LDMGI(3), np.repeat([[0.0], [1.0]], 9, axis=0), "X must have at least n_clusters = 3 distinct rows; got 2"),
    (LDMGI(0), blobs(), "n_clusters must be a whole number >= 1; got 0"),
    (LDMGI(3, lam=0), blobs(), "lam must be a finite number > 0; got 0"),
    (LDMGI(3, n_init=0), blobs(), "n_init must be a whole number >= 1; got 0"),
    (LDMGI(3), blobs() + np.nan, "Input X contains NaN"),
    (SEC(3, mu=-1), blobs(), "mu must be a finite number >= 0; got -1"),
    (SEC(3, gamma=0), blobs(), "gamma must be a finite number > 0; got 0"),
    (SEC(3, gamma_l="a"), blobs(), "gamma_l must be a finite number > 0; got 'a'"),
    (SEC(3, laplacian="x"), blobs(), "laplacian must be 'local_regression' or 'normalized_cut'; got 'x'"),
    (SEC(3, assign_labels="x"), blobs(), "assign_labels must be 'kmeans' or 'rotation'; got 'x'"),
])
def test_bad_input_is_one_sentence(model, X, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.fit(X)


def test_cliques_of_other_data_are_refused():
    X = blobs(n=50)
    for cliques, sentence in ((find_cliques(X[1:]), "cliques must be of X's 50 samples, 5 neighbors each; got 49 of 5"),
                              (find_cliques(X, 6), "got 50 of 6"), ("x", "cliques must come from find_cliques")):
        with pytest.raises(ValueError, match=sentence):
            LDMGI(3).fit(X, cliques=cliques)


# ---------------------------------------------------------------- MNIST

# Another processor adds up in another order, and k-means or the rotation may then end in another optimum: hence 0.01.

def scores(split, models):
    X, y = load_mnist(split)
    cliques = find_cliques(X)
    found = [model.fit_predict(X, cliques=cliques) for model in models]
    return [(cluster_accuracy(y, labels), normalized_mutual_info(y, labels)) for labels in found]


@pytest.mark.by_hand  # a minute
def test_the_ten_thousand_test_images():
    ldmgi, kmeans, rotation, later = scores("test", [
        LDMGI(10, lam=1.0, random_state=0), SEC(10, random_state=0),
        SEC(10, assign_labels="rotation", random_state=0), SEC(10, mu=1e-3, assign_labels="rotation", random_state=0)])
    assert ldmgi == (pytest.approx(0.7993, abs=0.01), pytest.approx(0.7937, abs=0.01))
    assert kmeans[0] == pytest.approx(0.8151, abs=0.01) and rotation[0] == pytest.approx(0.8254, abs=0.01)
    assert later[0] == pytest.approx(0.7150, abs=0.01)


@pytest.mark.by_hand  # eight minutes and 1.6 GB on one busy core
def test_all_seventy_thousand_images():
    ldmgi, sec = scores("all", [LDMGI(10, random_state=0), SEC(10, random_state=0)])
    assert ldmgi == (pytest.approx(0.8409, abs=0.01), pytest.approx(0.8265, abs=0.01))
    assert 0.79 < sec[0] < 0.82  # DEC's Table 2: 80.37
