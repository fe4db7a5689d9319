"""The names that a user of KMeans types: score, inertia_ and distances; and samples that are images or series."""

import re

import numpy as np
import pytest
from conftest import QUICK, blobs
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from decnp import DEC, StackedAutoencoder, load, save
from decnp.baselines import LDMGI, SEC, find_cliques
from decnp.inference import load_model


def small(**settings):
    return DEC(**{"n_clusters": 3, "hidden_layer_sizes": (5, 2), "profile": QUICK, "n_init": 1, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def dec(X):
    return small().fit(X)


# ---------------------------------------------------------------- score, inertia_ and distances

def test_they_are_those_of_kmeans_with_these_centers_in_the_embedding(X, dec):
    z, new = dec.transform(X), blobs(40, spread=3.0)
    kmeans = KMeans(3, init=dec.cluster_centers_, n_init=1, max_iter=1).fit(z)
    kmeans.cluster_centers_ = dec.cluster_centers_
    close = dict(rtol=1e-10)  # scikit-learn multiplies out ||z - mu||^2
    assert_allclose(dec.distances(X), kmeans.transform(z), **close)
    assert_allclose([dec.score(X), dec.score(new)], [kmeans.score(z), kmeans.score(dec.transform(new))], **close)
    assert_array_equal(dec.distances(X).argmin(axis=1), dec.labels_)
    assert dec.distances(new).shape == (40, 3)
    framed = small().set_output(transform="pandas").fit(X)
    assert framed.score(X) == dec.score(X) and type(framed.distances(X)) is np.ndarray


@pytest.mark.parametrize("settings", [{}, {"dtype": "float32"}, {"update_encoder": False}, {"max_iter": 0}])
def test_the_inertia_is_minus_the_score_of_the_training_data(X, settings):
    dec = small(**settings).fit(X)
    assert dec.inertia_ == -dec.score(X) > 0 and type(dec.inertia_) is type(dec.score(X)) is float
    radius = dec.history_[-1].diagnosis.radius  # sqrt(mean ||z_i - mu_j||^2)
    assert_allclose(dec.inertia_, len(X) * radius**2, rtol=1e-6)


def test_a_model_that_is_loaded_has_the_score(X, dec, tmp_path):
    save(dec, tmp_path / "m.decnp")
    again = load(tmp_path / "m.decnp")
    assert again.score(X) == dec.score(X) and not hasattr(again, "inertia_")


def test_a_search_without_scoring(X):
    pipe = make_pipeline(StandardScaler(), small())
    search = GridSearchCV(pipe, {"dec__n_clusters": [2, 3]}, cv=2, error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(X) == search.best_estimator_.score(X) == -search.best_estimator_[-1].inertia_
    of_the_first = make_pipeline(StandardScaler(), small(n_clusters=2)).fit(X[75:]).score(X[:75])
    assert search.cv_results_["split0_test_score"][0] == of_the_first


def test_weights_of_a_score_are_refused(X, dec):
    with pytest.raises(TypeError, match="^DEC takes no sample_weight: every row counts once"):
        dec.score(X, sample_weight=np.ones(len(X)))
    with pytest.raises(TypeError, match="^DEC.score takes X and y only; got epochs$"):
        dec.score(X, epochs=3)


# ---------------------------------------------------------------- images and series

SENTENCE = "X must be a table (n, D), one row for each sample; got the shape (150, 3, 2): use X.reshape(len(X), -1)"


@pytest.fixture
def methods(dec, tmp_path):
    """Functions that take X."""
    save(dec, tmp_path / "m.decnp")
    model, ae = load_model(tmp_path / "m.decnp"), StackedAutoencoder((4, 2), profile=QUICK)
    return [small().fit, small().fit_predict, small().fit_transform, lambda X: next(small().iter_fit(X)), ae.fit,
            dec.predict, dec.predict_proba, dec.transform, dec.distances, dec.score, dec.autoencoder_.encode,
            dec.autoencoder_.reconstruction_loss, model.predict, model.predict_proba, model.transform,
            SEC(3).fit, LDMGI(3).fit, find_cliques, make_pipeline(small()).fit]


def test_images_are_answered_with_the_reshape_to_use(X, dec, methods, tmp_path):
    images = X.reshape(150, 3, 2)
    np.save(tmp_path / "images.npy", images)
    for given in (images, np.load(tmp_path / "images.npy", mmap_mode="r"), images.astype(object)):
        for method in methods:
            with pytest.raises(ValueError, match=f"^{re.escape(SENTENCE)}$"):
                method(given)
    assert_array_equal(dec.predict(images.reshape(len(images), -1)), dec.labels_)  # the remedy


@pytest.mark.parametrize("kind", [list, tuple, np.ndarray.tolist])
def test_a_list_of_images_too(X, dec, methods, kind):
    images = kind(X.reshape(150, 3, 2))
    for method in methods:
        with pytest.raises(ValueError, match=re.escape("got the shape (150, 3, 2): use np.reshape(X, (len(X), -1))")):
            method(images)
    assert_array_equal(dec.predict(np.reshape(images, (len(images), -1))), dec.labels_)


def test_a_row_is_answered_as_scikit_learn_does(X, dec):
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        dec.predict(X[0])
