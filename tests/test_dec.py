"""DEC: the clustering phase held against a plain loop and the complex step; the estimator's contract."""

import os
import re
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import BY_THE_BOOK, QUICK, blobs, gradient, identical, learned, plain_clustering
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

import decnp
from decnp import DEC, StackedAutoencoder, cluster_accuracy, equations, kernels, load, load_digits
from decnp.inference import load_model
from decnp.layers import arrays_of, mlp
from decnp.optim import Minibatches
from decnp.training import start as module
from decnp.training.engine import ReadableStep, engine_for
from decnp.utils.threads import ThreadPool


def fitted(X, k=3, **settings):
    small = {"hidden_layer_sizes": (5, 4, 2), "profile": QUICK, "n_init": 3, "batch_size": 64, "engine": "numpy"}
    return DEC(k, **{**small, "random_state": 0, **settings}).fit(X)


def reports(dec):
    return [step for step in dec.history_ if step.phase == "cluster"]


@pytest.fixture(scope="module")
def dec(X):
    return fitted(X)


# ---------------------------------------------------------------- the clustering phase, step by step

@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("alpha, restart, update_encoder", [
    (1.0, True, True), (1.0, False, True), (1.0, True, False), (3.7, True, True), (0.5, False, False)])
def test_clustering_is_the_plain_loop(X, autoencoder, alpha, restart, update_encoder, engine):
    profile = replace(BY_THE_BOOK, momentum_restart=restart)  # P is refreshed at steps 7, 14, 21, 28; 32 is the end
    settings = {"autoencoder": autoencoder, "alpha": alpha, "profile": profile, "update_encoder": update_encoder}
    dec = fitted(X, tol=0, engine=engine, **settings)
    theta, mu, seen = plain_clustering(X, mu=dec.initial_centers_, restart=restart, **settings)
    close = dict(rtol=1e-10, atol=1e-12)  # 32 steps of sums in another order, which feed back; seen: 1e-14
    assert_allclose(dec.cluster_centers_, mu, **close)
    for result, expected in zip(arrays_of(dec.autoencoder_.encoder_), arrays_of(theta), strict=True):
        assert_allclose(result, expected, **close)
    assert [step.iteration for step in reports(dec)] == [0, 7, 14, 21, 28, 32]
    assert_allclose([step.loss for step in reports(dec)], [loss for loss, _ in seen], **close)
    changed = [1.0] + [np.mean(a != b) for (_, a), (_, b) in zip(seen, seen[1:])]
    assert_allclose([step.changed for step in reports(dec)], changed, rtol=1e-14)  # one division
    assert max(changed[1:]) > 0  # otherwise this would show little
    assert_array_equal(dec.labels_, seen[-1][1])


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("alpha", [1.0, 3.7])
def test_one_step_takes_the_gradient_of_the_mean_loss_with_p_frozen(X, dec, alpha, engine):
    taken = []
    theta, mu, i = dec.autoencoder_.encoder_, dec.cluster_centers_, np.arange(40, 60)
    p = equations.target_distribution(equations.soft_assignment(dec.transform(X), mu, alpha))
    x = (X[i] - dec.autoencoder_.shift_) * dec.autoencoder_.scale_
    optimizer = SimpleNamespace(step=taken.extend)
    loss_and_grads = {"numpy": equations, "numba": kernels}[engine].loss_and_grads
    loss = ReadableStep(theta, optimizer, loss_and_grads).cluster(x, mu, p[i], alpha)

    def mean_loss(mu=mu, theta=theta):
        z = mlp(theta, (X[i] - dec.autoencoder_.shift_) * dec.autoencoder_.scale_)[-1]
        return equations.kl_divergence(p[i], equations.soft_assignment(z, mu, alpha)) / 20

    exact = dict(rtol=1e-12, atol=1e-15)  # both sides round separately, beside terms of 1e-2
    assert_allclose(loss, mean_loss(), rtol=1e-12)
    assert_allclose(taken[0], gradient(lambda mu: mean_loss(mu=mu), mu), **exact)
    for l, layer in enumerate(theta):
        def with_layer(**change):
            return mean_loss(theta=[*theta[:l], layer._replace(**change), *theta[l + 1 :]])

        assert_allclose(taken[1 + 2 * l], gradient(lambda W: with_layer(W=W), layer.W), **exact)
        assert_allclose(taken[2 + 2 * l], gradient(lambda b: with_layer(b=b), layer.b), **exact)
    assert len(taken) == 1 + 2 * len(theta)
    with ThreadPool(1) as pool:  # a fixed encoder: no layers, and z for x
        step = engine_for(engine).step_for([], optimizer, 20, pool)
        step.cluster(mlp(theta, x)[-1], mu, p[i], alpha)
    assert len(taken) == 2 + 2 * len(theta)  # this time, mu's alone
    assert_array_equal(taken[-1], taken[0])


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 1e-3)])  # 250 steps feed roundings back
def test_both_engines_agree(dtype, rtol):
    X = blobs(dtype=dtype)
    one, other = (fitted(X, tol=0, engine=engine) for engine in ("numpy", "numba"))
    assert_array_equal(one.labels_, other.labels_)
    for a, b in zip(learned(one)[1:], learned(other)[1:], strict=True):
        assert a.dtype == b.dtype == dtype
        assert_allclose(a, b, rtol=rtol, atol=rtol)
    assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=rtol, atol=rtol)


def test_it_starts_from_the_best_k_means_of_the_code(X, autoencoder, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "KMeans", lambda k, **kw: asked.append((k, kw["n_init"])) or KMeans(k, **kw))
    dec = DEC(3, autoencoder=autoencoder, profile=QUICK, max_iter=0, engine="numpy").fit(X)
    assert asked == [(3, 20)]
    distances = ((dec.transform(X)[:, None] - dec.initial_centers_) ** 2).sum(axis=2)
    assert_array_equal(dec.initial_labels_, distances.argmin(axis=1))
    assert_array_equal(dec.cluster_centers_, dec.initial_centers_)  # no step was taken
    assert_array_equal(dec.labels_, dec.initial_labels_)
    start = [step for step in dec.history_ if step.phase == "k-means"]
    assert_allclose([step.loss for step in start], [distances.min(axis=1).mean()], rtol=1e-9)  # a sum, divided


@pytest.mark.parametrize("records", [1, 5, 11])
def test_a_refit_that_is_interrupted_leaves_no_mixture_of_two_runs(X, records):
    dec = fitted(X)
    refit = dec.set_params(random_state=1).iter_fit(X)
    for _ in range(records):
        next(refit)
    refit.close()
    for function in (dec.predict, dec.predict_proba, dec.transform):
        with pytest.raises(NotFittedError):
            function(X)
    assert not hasattr(dec, "stop_reason_") and not hasattr(dec, "warnings_")
    dec.fit(X)
    assert identical(dec, fitted(X, random_state=1)) and np.array_equal(dec.predict(X), dec.labels_)


def test_a_refit_that_is_refused_leaves_the_fit_as_it_was(X):
    dec = fitted(X)
    labels = dec.labels_
    with pytest.raises(ValueError, match="alpha must be"):
        dec.set_params(alpha=-1.0).fit(X)
    dec.set_params(alpha=1.0)
    assert dec.labels_ is labels and np.array_equal(dec.predict(X), labels)


@pytest.mark.parametrize("settings, rows", [({}, 2), ({"engine": "torch"}, 150), ({"dtype": "int8"}, 150)])
def test_a_refit_that_is_refused_leaves_the_names_of_columns_as_they_were(X, settings, rows):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    dec = fitted(frame)
    with pytest.raises(ValueError):
        dec.set_params(**settings).fit(pd.DataFrame(X[:rows, :4], columns=list("wxyz")))
    assert list(dec.feature_names_in_) == list("abcdef") and dec.n_features_in_ == 6
    assert_array_equal(dec.set_params(engine="numpy", dtype=None).predict(frame), dec.labels_)


def test_shuffled_batches_where_the_profile_says_so(X, autoencoder, monkeypatch):
    rows, draw = [], Minibatches.__next__
    monkeypatch.setattr(Minibatches, "__next__", lambda self: rows.append(draw(self)) or rows[-1])
    fitted(X, autoencoder=autoencoder, batch_size=50, max_iter=6, tol=0)
    first, second = np.concatenate(rows[:3]), np.concatenate(rows[3:])
    assert set(first) == set(second) == set(range(150))
    assert not np.array_equal(first, np.arange(150)) and not np.array_equal(first, second)


# ---------------------------------------------------------------- when it stops, what is kept

def test_it_stops_when_few_labels_change_or_at_max_iter(X):
    calm = fitted(blobs(spread=0.1), tol=0.01)
    *before, last = [step.changed for step in reports(calm)]
    assert calm.converged_ is True and last < 0.01 and all(changed >= 0.01 for changed in before)
    assert calm.n_iter_ % 10 == 0 and 0 < calm.n_iter_ < 100  # never at once: the first comparison is with nothing
    assert re.fullmatch(r"0\.\d{3}% of the labels changed .*, fewer than tol = 1\.000%", calm.stop_reason_)
    endless = fitted(X, tol=0, max_iter=25)
    assert endless.converged_ is False and endless.n_iter_ == 25
    assert endless.stop_reason_.startswith("max_iter = 25 steps were taken; ")
    assert [step.iteration for step in reports(endless)] == [0, 10, 20, 25]
    often = fitted(X, tol=0, max_iter=25, update_interval=5)
    assert [step.iteration for step in reports(often)] == [0, 5, 10, 15, 20, 25]


def test_history_is_what_steps_yields_and_verbose_prints(X, dec, capsys):
    steps = list((again := clone(dec)).steps(X))
    assert steps == again.history_ == dec.history_ and identical(again, dec)
    phases = ["pretrain 1", "pretrain 2", "pretrain 3", "finetune", "k-means", "cluster"]
    assert list(dict.fromkeys(step.phase for step in steps)) == phases
    assert steps[-1].iteration == dec.n_iter_ and steps[-1].n_iter == 100
    assert [step.changed is None for step in steps] == [step.phase != "cluster" for step in steps]
    again.set_params(verbose=1).fit(X)
    assert len(lines := capsys.readouterr().out.splitlines()) == len(steps) == len(again.history_)
    assert re.fullmatch(rf" +cluster +{dec.n_iter_}/100  loss \d\.\d{{5}}  labels changed \d+\.\d\d%", lines[-1])


def test_a_given_autoencoder_is_copied_and_its_decoder_stays(X, autoencoder):
    before = deepcopy(learned(autoencoder))
    dec = fitted(X, autoencoder=autoencoder, tol=0)
    assert identical(learned(autoencoder), before) and dec.autoencoder is autoencoder
    moved = [not np.array_equal(a, b) for a, b in zip(learned(dec.autoencoder_), before, strict=True)]
    assert moved == 6 * [True] + 6 * [False]  # W, b of three layers; the decoder is as pretrained
    frozen = fitted(X, autoencoder=autoencoder, tol=0, update_encoder=False)
    assert identical(learned(frozen.autoencoder_), before)
    assert not np.array_equal(frozen.cluster_centers_, frozen.initial_centers_)


def test_settings_reach_the_autoencoder_and_alpha_the_probabilities(X, dec):
    inner = dec.autoencoder_
    assert (inner.hidden_layer_sizes, inner.profile, inner.engine) == ((5, 4, 2), replace(QUICK, batch_size=64), "numpy")
    other = fitted(X, alpha=10, max_iter=0)
    q = equations.soft_assignment(other.transform(X), other.cluster_centers_, 10)
    assert_allclose(other.predict_proba(X), q, rtol=1e-12)


# ---------------------------------------------------------------- the estimator's contract

def test_labels_embedding_and_probabilities(X, dec):
    assert dec.labels_.dtype == np.int32 and dec.labels_.shape == (150,)
    assert_array_equal(dec.labels_, dec.predict(X), strict=True)
    q = dec.predict_proba(X)
    assert_allclose(q, equations.soft_assignment(dec.transform(X), dec.cluster_centers_), rtol=1e-12)  # either engine
    assert_allclose(q.sum(axis=1), 1, rtol=1e-14)  # three roundings
    assert_array_equal(q.argmax(axis=1), dec.labels_)
    assert dec.transform(X).shape == (150, 2) and dec.cluster_centers_.shape == (3, 2) and dec.n_features_in_ == 6
    assert_array_equal(clone(dec).fit_predict(X), dec.labels_)
    assert_array_equal(clone(dec).fit_transform(X), dec.transform(X))
    assert list(dec.get_feature_names_out()) == ["dec0", "dec1"]


@pytest.mark.parametrize("given, expected", [(None, "float32"), ("float64", "float64")])
def test_the_new_autoencoder_has_the_dtype_of_the_estimator_unless_one_is_given(given, expected):
    assert DEC(3, dtype="float32").new_autoencoder(10, given).dtype == expected


def test_the_constructor_only_stores():
    given = {name: object() for name in DEC().get_params()}
    assert vars(DEC(**given)) == given == DEC(**given).get_params(deep=False)
    assert vars(clone(DEC(5, hidden_layer_sizes=[3, 2]))) == vars(DEC(5, hidden_layer_sizes=[3, 2]))


def test_set_output(X, dec):
    pd = pytest.importorskip("pandas")
    frame = clone(dec).set_output(transform="pandas").fit_transform(pd.DataFrame(X))
    assert list(frame.columns) == ["dec0", "dec1"]


def test_one_seed_one_result_to_the_bit_whatever_y_and_the_layout(X, dec):
    state = np.random.get_state()[1].copy()
    assert identical(clone(dec).fit(X, y="no labels at all"), dec)  # they never enter training
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist()):  # X itself is read-only
        assert identical(clone(dec).fit(other), dec)
    assert identical(fitted(X, random_state=np.random.default_rng(0)), dec)
    assert not identical(fitted(X, random_state=1), dec)
    assert not identical(fitted(X, random_state=None), fitted(X, random_state=None))
    assert_array_equal(np.random.get_state()[1], state)  # NumPy's global generator was not touched
    assert identical(fitted(X, engine="numba"), fitted(X, engine="numba"))


@pytest.mark.parametrize("given, expected", [(np.uint8, np.float32), (np.int64, np.float64), (np.float32, np.float32)])
def test_dtypes(given, expected):
    X = np.abs(blobs() * 10).astype(given)
    dec = fitted(X)
    for a in [dec.cluster_centers_, dec.transform(X), dec.predict_proba(X), *arrays_of(dec.autoencoder_.encoder_)]:
        assert a.dtype == expected
    assert_array_equal(dec.labels_, dec.predict(X))


@pytest.mark.parametrize("weights, rows", [("float64", "float32"), ("float32", "float64")])
def test_an_autoencoder_of_another_dtype(weights, rows, tmp_path):
    """The fit has the wider dtype, and so has the model: it is saved, and loaded, to the bit."""
    X = blobs().astype(rows)
    ae = StackedAutoencoder((4, 2), profile=QUICK, dtype=weights, random_state=0).fit(X)
    dec = fitted(X, autoencoder=ae)
    assert dec.cluster_centers_.dtype == dec.transform(X).dtype == "float64"
    assert_array_equal(dec.labels_, dec.predict(X))
    dec.save(tmp_path / "model")
    assert_array_equal(load(tmp_path / "model").transform(X), dec.transform(X))
    assert_array_equal(load_model(tmp_path / "model").transform(X), dec.transform(X))


def test_small_cases(X):
    assert (one := fitted(X, k=1)).converged_ and not one.labels_.any()
    assert_array_equal(one.predict_proba(X), np.ones((150, 1)))
    assert set(fitted(X[:5], batch_size=256).labels_) <= {0, 1, 2}
    assert fitted(X[:1], k=1).labels_.tolist() == [0]


@pytest.mark.parametrize("code", [
    "import sys, decnp; assert not {'numba', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)",
    "import sys, decnp.layers, decnp.optim; assert not {'numba', 'sklearn', 'scipy'} & set(sys.modules)",
    "import sys, numpy, decnp; p = decnp.Profile(pretrain_iter=1, finetune_iter=1, max_iter=2);"
    "decnp.DEC(2, hidden_layer_sizes=2, profile=p, engine='numpy').fit(numpy.eye(4)); assert 'numba' not in sys.modules"
], ids=["decnp", "layers", "numpy engine"])
def test_nothing_heavy_is_imported_without_need(code):
    """The code asserts it; its process ends with an error where a heavy package was imported."""
    path = os.pathsep.join([str(Path(decnp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


def test_the_default_profile_works_on_a_handful_of_rows(X):
    for rows in (X[:20], 1e-4 * X[:20], 100 * X[:3]):
        assert DEC(3, hidden_layer_sizes=(5, 2), random_state=0).fit_predict(rows).shape == (len(rows),)


@pytest.mark.by_hand  # minutes
def test_the_defaults_beat_k_means_on_digits():
    digits, y = load_digits()
    labels = DEC(10, random_state=0).fit_predict(digits)
    kmeans = KMeans(10, n_init=20, random_state=0).fit(digits).labels_
    assert cluster_accuracy(y, labels) > cluster_accuracy(y, kmeans)  # issue 2, "Done when" 3


# ---------------------------------------------------------------- what the errors say

@pytest.mark.parametrize("name, must_be, values", [
    ("k", "n_clusters must be a whole number >= 1", [0, -1, 2.5, "3", None, True]),
    ("alpha", "alpha must be a finite number > 0", [0, -1, "1", None, 1j, np.inf, np.nan]),
    ("tol", "tol must be a finite number >= 0", [-0.1, "1", None, np.nan]),
    ("update_interval", "update_interval must be a whole number >= 1", [0, -1, 2.5, "1"]),
    ("max_iter", "max_iter must be a whole number >= 0", [-1, 2.5, "1", np.nan]),
    ("batch_size", "batch_size must be a whole number >= 1", [0, 2.5]),
    ("n_init", "n_init must be a whole number >= 1", [0, "auto"]),
    ("engine", "engine must be 'numba' or 'numpy'", ["cuda", None]),
    ("profile", "profile must be 'paper', 'fast' or a decnp.Profile", ["slow", None]),
    ("dtype", "dtype must be 'float32', 'float64' or None", ["x", "float16", int]),
    ("hidden_layer_sizes", "hidden_layer_sizes must be whole numbers >= 1", [[], [5, 0]]),
    ("random_state", "random_state must be None, a whole number >= 0, a Generator or a RandomState", ["x", -1, 0.5]),
])
def test_bad_parameters_are_named(X, name, must_be, values):
    for value in values:
        with pytest.raises(ValueError, match=re.escape(f"{must_be}; got {value!r}")):
            fitted(X, **{name: value})


def test_bad_data_are_named(X, dec, autoencoder):
    for bad, sentence in [
        (np.where(X > 3, np.nan, X), "contains NaN"), (np.where(X > 3, np.inf, X), "contains infinity"),
        (X[0], "Expected 2D array"), (X[:0], "0 sample(s)"), (X.astype(str), "X must hold numbers; got dtype <U32"),
        (X[:2], "X must have at least n_clusters = 3 samples; got n_samples = 2"),
        (np.repeat(X[:2], 5, axis=0), "X must have at least n_clusters = 3 distinct rows; got 2"),
        (np.array([[0.0, 1], [-0.0, 1], [1, 1]]), "X must have at least n_clusters = 3 distinct rows; got 2"),
    ]:
        with pytest.raises(ValueError, match=re.escape(sentence)):
            fitted(bad)
    for method in ("predict", "predict_proba", "transform"):
        with pytest.raises(NotFittedError):
            getattr(DEC(), method)(X)
        with pytest.raises(ValueError, match="X has 3 features, but DEC is expecting 6"):
            getattr(dec, method)(X[:, :3])
    with pytest.raises(NotFittedError):
        fitted(X, autoencoder=StackedAutoencoder())
    with pytest.raises(ValueError, match="X has 3 features, but the autoencoder given is expecting 6"):
        fitted(X[:, :3], autoencoder=autoencoder)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("update_encoder", [True, False])
def test_lost_numbers_are_an_error(X, autoencoder, update_encoder, engine):
    profile = replace(QUICK, kl_lr=1e200)
    with pytest.raises(decnp.TrainingError, match="clustering phase before iteration 10; try a smaller kl_lr"):
        fitted(X, autoencoder=autoencoder, profile=profile, tol=0, update_encoder=update_encoder, engine=engine)


@pytest.mark.parametrize("form", [np.array, sp.csr_array])
def test_numbers_beyond_the_dtype_are_refused(X, form):
    dec = fitted(X.astype(np.float32))
    for use in (dec.transform, dec.predict, dec.autoencoder_.encode, fitted_in_float32):
        with pytest.raises(ValueError, match=r"X must hold finite numbers within float32; got one of size 1e\+39"):
            use(form(np.where(X == X[2, 3], -1e39, X)))


def fitted_in_float32(X):
    return fitted(X, dtype="float32")


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("n", [10, 3000])
def test_an_embedding_that_overflows_is_refused(X, engine, n):
    dec = fitted(X.astype(np.float32) * np.float32(1e-6), engine=engine)
    x = np.tile(X.astype(np.float32), (n // len(X) + 1, 1))[:n]
    for value, uses in ((1e36, (dec.transform, dec.predict, dec.predict_proba, dec.score, dec.autoencoder_.encode)),
                        (1e20, (dec.predict, dec.predict_proba) if engine == "numpy" else ())):  # squares in float32
        x[7, 0] = value
        for use in uses:
            with pytest.raises(ValueError, match=r"X must be in the range of the training data; the embedding of row 7 .counted "
                                                 r"from 0. overflows float32"):
                use(x)


def test_prediction_is_in_the_dtype_of_training(X):
    dec = fitted(X.astype(np.float32))
    assert dec.transform(X).dtype == dec.predict_proba(X).dtype == np.float32
    assert np.array_equal(dec.predict(X), dec.labels_)


def test_an_autoencoder_that_is_none_is_named(X):
    with pytest.raises(ValueError, match="autoencoder must be a fitted StackedAutoencoder or None; got 3"):
        fitted(X, autoencoder=3)
