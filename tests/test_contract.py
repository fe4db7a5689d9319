"""The estimators among scikit-learn's: its own checks, with training switched on; pipelines, clones, kinds of input."""

import re
from unittest import SkipTest

import joblib
import numpy as np
import pytest
from conftest import QUICK, blobs, identical, learned
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_clusterer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags

from decnp import DEC, Profile, StackedAutoencoder
from decnp.baselines import LDMGI, SEC

SOME = Profile(
    init_std=None, optimizer="adam", lr=1e-2, lr_decay="cosine", pretrain_iter=3, finetune_iter=30, shuffle=True,
    update_interval=5, max_iter=20)
"""Real training of every phase, in milliseconds."""

ESTIMATORS = [
    StackedAutoencoder((4, 2), profile=SOME, random_state=0),
    DEC(4, hidden_layer_sizes=(4, 2), profile=SOME, n_init=1, random_state=0),
]  # 4: the checks of sparse input want four probabilities

ON_REQUEST = [getattr(estimator_checks, f"check_{name}") for name in (
    "dataframe_column_names_consistency", "set_output_transform", "set_output_transform_pandas",
    "global_output_transform_pandas", "transformer_get_feature_names_out", "transformer_get_feature_names_out_pandas",
    "get_feature_names_out_error", "inplace_ensure_writeable")]
"""Checks that scikit-learn has for its own estimators and that ``check_estimator`` leaves out."""


def dec(**settings):
    small = {"hidden_layer_sizes": (5, 4, 2), "profile": QUICK, "n_init": 3, "batch_size": 64, "engine": "numpy"}
    return DEC(3, **{**small, "random_state": 0, **settings})


# ---------------------------------------------------------------- scikit-learn's checks

def name_of(part):
    return getattr(getattr(part, "func", part), "__name__", type(part).__name__)


@pytest.mark.parametrize(
    "estimator, check",
    [pair for estimator in ESTIMATORS for pair in estimator_checks.estimator_checks_generator(estimator)], ids=name_of)
def test_scikit_learns_checks(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it, one is skipped
    try:
        check(estimator)
    except SkipTest as skipped:
        pytest.fail(f"skipped: {skipped}")


@pytest.mark.filterwarnings("ignore:X .* feature names")  # the checks themselves leave them out
@pytest.mark.parametrize("check", ON_REQUEST, ids=name_of)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name_of)
def test_more_of_scikit_learns_checks(estimator, check):
    try:
        check(type(estimator).__name__, clone(estimator))
    except SkipTest as skipped:
        pytest.fail(f"skipped: {skipped}")


def test_tags():
    for estimator in ESTIMATORS:
        tags = get_tags(estimator)
        assert tags.input_tags.sparse and not tags.input_tags.allow_nan and not tags.target_tags.required
        assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
        assert not tags.non_deterministic and not is_classifier(estimator)
    assert is_clusterer(ESTIMATORS[1]) and not is_clusterer(ESTIMATORS[0])


@pytest.mark.parametrize("fit", [
    lambda w, X: ESTIMATORS[0].fit(X, sample_weight=w), lambda w, X: ESTIMATORS[1].fit(X, sample_weight=w),
    lambda w, X: ESTIMATORS[1].fit_predict(X, sample_weight=w),
    lambda w, X: ESTIMATORS[1].fit_transform(X, sample_weight=w),
    lambda w, X: make_pipeline(StandardScaler(), ESTIMATORS[1]).fit(X, dec__sample_weight=w)])
def test_weights_are_refused_in_a_sentence(X, fit):
    with pytest.raises(TypeError, match="(DEC|StackedAutoencoder) takes no sample_weight: every row counts once"):
        fit(np.ones(len(X)), X)
    with pytest.raises(TypeError, match="DEC.fit takes X and y only; got epochs"):
        ESTIMATORS[1].fit(X, epochs=3)


# ---------------------------------------------------------------- among others

def test_in_a_pipeline(X):
    pipe = make_pipeline(StandardScaler(), dec())
    labels = pipe.fit_predict(X)
    alone = dec().fit(StandardScaler().fit_transform(X))
    assert_array_equal(labels, alone.labels_)
    assert_array_equal(pipe.predict(X), labels)
    assert_array_equal(pipe.transform(X), alone.transform(StandardScaler().fit_transform(X)))
    assert list(pipe.get_feature_names_out()) == ["dec0", "dec1"]
    features = make_pipeline(StackedAutoencoder((4, 2), profile=SOME, random_state=0), StandardScaler()).fit(X)
    assert_allclose(features.transform(X).std(axis=0), 1)
    assert features[0].inverse_transform(features[0].transform(X)).shape == X.shape


def test_a_search_over_settings(X):
    def score(model, X, y=None):
        return silhouette_score(model.transform(X), model.predict(X))

    grid = {"dec__alpha": [1.0, 2.0], "dec__n_clusters": [2, 3]}
    pipe = make_pipeline(StandardScaler(), dec(n_init=1, profile=SOME))
    search = GridSearchCV(pipe, grid, cv=2, scoring=score, error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_[-1].get_params()["alpha"] == search.best_params_["dec__alpha"]
    assert_array_equal(search.predict(X), search.best_estimator_.predict(X))


def test_clones_start_from_a_frozen_autoencoder(X, autoencoder):
    given, frozen = dec(autoencoder=autoencoder), dec(autoencoder=FrozenEstimator(autoencoder))
    for model in (frozen, clone(frozen), clone(clone(frozen)).set_params(autoencoder=FrozenEstimator(autoencoder))):
        assert identical(model.fit(X), given.fit(X))
    with pytest.raises(ValueError, match=re.escape("not fitted (scikit-learn's clone leaves one unfitted")):
        clone(given).fit(X)


def test_it_is_shown(X):
    for estimator in (dec(), clone(ESTIMATORS[0])):
        for shown in (estimator, estimator.fit(X)):
            html = shown._repr_html_()
            assert type(estimator).__name__ in html and "hidden_layer_sizes" in html
        assert repr(estimator).startswith(type(estimator).__name__)


# ---------------------------------------------------------------- what X may be

def mapped(X, folder, mode="r", order="C"):
    """X in a file, as a memory map."""
    shown = np.lib.format.open_memmap(folder / "X.npy", "w+", X.dtype, X.shape, fortran_order=order == "F")
    shown[...] = X
    shown.flush()
    return np.load(folder / "X.npy", mmap_mode=mode)


def through_joblib(X, folder):
    joblib.dump(X, folder / "X.joblib")
    return joblib.load(folder / "X.joblib", mmap_mode="r")


def frame(X, folder):
    return pytest.importorskip("pandas").DataFrame(X)


KINDS = {
    "Fortran order": lambda X, folder: np.asfortranarray(X),
    "every second row of more": lambda X, folder: np.repeat(X, 2, axis=0)[::2],
    "lists": lambda X, folder: X.tolist(),
    "objects": lambda X, folder: X.astype(object),
    "DataFrame": frame,
    "DataFrame of objects": lambda X, folder: frame(X.astype(object), folder),
    "memory map": mapped,
    "memory map of columns": lambda X, folder: mapped(X, folder, order="F"),
    "copy on write": lambda X, folder: mapped(X, folder, "c"),
    "every second row of a map": lambda X, folder: mapped(np.repeat(X, 2, axis=0), folder)[::2],
    "joblib": through_joblib,
}


@pytest.fixture(scope="module")
def model(X):
    return dec().fit(X)


@pytest.mark.parametrize("kind", KINDS)
def test_one_result_whatever_holds_the_numbers(X, model, tmp_path, kind):
    given = KINDS[kind](X, tmp_path)
    other = dec().fit(given)
    assert identical(model, other) and other.history_ == model.history_
    for method in ("transform", "predict", "predict_proba"):
        assert_array_equal(getattr(model, method)(X), getattr(model, method)(given), strict=True)
    assert model.autoencoder_.reconstruction_loss(given) == model.autoencoder_.reconstruction_loss(X)
    alone = StackedAutoencoder((5, 2), profile=SOME, random_state=0)
    assert identical(learned(clone(alone).fit(X)), learned(clone(alone).fit(given)))


@pytest.mark.parametrize("given, expected", [
    (bool, np.float32), (np.uint8, np.float32), (np.int16, np.float32), (np.int64, np.float64),
    (np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)])
def test_numbers_of_any_kind_mapped_or_not(given, expected, tmp_path):
    X = (blobs() > 0 if given is bool else 10 * np.abs(blobs())).astype(given)
    model = dec(profile=SOME).fit(X)
    assert model.transform(X).dtype == model.cluster_centers_.dtype == model.autoencoder_.scale_.dtype == expected
    assert identical(model, dec(profile=SOME).fit(X.astype(expected)))
    assert identical(model, dec(profile=SOME).fit(mapped(X, tmp_path)))


def test_names_of_columns(X):
    pd = pytest.importorskip("pandas")
    named = pd.DataFrame(X, columns=list("abcdef"))
    model = dec(profile=SOME).set_output(transform="pandas").fit(named)
    assert list(model.feature_names_in_) == list("abcdef")
    out = model.transform(named[["a", "b", "c", "d", "e", "f"]])
    assert list(out.columns) == ["dec0", "dec1"] and out.index.equals(named.index)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(named[list("bacdef")])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    assert identical(dec(profile=SOME).fit(X), model)


def test_bad_numbers_in_a_map_are_named(X, tmp_path):
    bad = X.copy()
    bad[7, 3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        dec().fit(mapped(bad, tmp_path))
    with pytest.raises(ValueError, match="distinct rows; got 2"):
        dec().fit(mapped(np.repeat(X[:2], 50, axis=0), tmp_path))


def test_masked_values_are_refused(X):
    masked = np.ma.array(X, mask=X > X.max() - 1e-12)
    for estimator in (DEC(3, engine="numpy"), StackedAutoencoder((4,), engine="numpy"), SEC(3), LDMGI(3)):
        with pytest.raises(ValueError, match=r"^X must have no masked values; got 1 \(replace them, as X.filled does\)$"):
            estimator.fit(masked)
