"""The stacked autoencoder, held against a plain loop that follows the paper and its authors' code."""

import re
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from conftest import BY_THE_BOOK, QUICK, blobs, identical, learned
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from decnp import DEC, Profile, StackedAutoencoder, TrainingError
from decnp import autoencoder as module
from decnp.autoencoder import descend
from decnp.layers import arrays_of, dropout_mask, mlp, mlp_vjp, squared_error
from decnp.utils import rows, threads
from decnp.utils.rows import evenly_spaced_rows

SIZES = (5, 4, 7, 2)  # four pairs, as in D-500-500-2000-10; the third is wider than the data
UNTRAINED = replace(BY_THE_BOOK, pretrain_iter=0, finetune_iter=0)


def fitted(X, profile=QUICK, sizes=SIZES, cls=StackedAutoencoder, random_state=0, **settings):
    settings = {"batch_size": 64, "engine": "numpy", **settings}
    return cls(sizes, profile=profile, random_state=random_state, **settings).fit(X)


class Watched(StackedAutoencoder):
    """Notes for each phase what it trains, on what, and the weights before and after."""

    def fit(self, X, y=None):
        self.seen = []

        def watched(phase, batch_at, state, *rest):
            seen = {"phase": phase.name, "acts": [layer.act for layer in phase.theta], "rows": [],
                    "x": batch_at(np.arange(state.batches.n)), "before": [a.copy() for a in arrays_of(phase.theta)]}
            self.seen.append(seen)

            def watched_batch_at(i):
                seen["rows"].append(i)
                return batch_at(i)

            yield from descend(phase, watched_batch_at, state, *rest)
            seen["after"] = [a.copy() for a in arrays_of(phase.theta)]

        with patch.object(module, "descend", watched):
            return super().fit(X)


@pytest.fixture
def drawn(monkeypatch):
    """Every dropout mask of a fit, with its rate, in order."""
    masks = []

    def noted(rng, shape, rate, dtype):
        masks.append((rate, dropout_mask(rng, shape, rate, dtype)))
        return masks[-1][1]

    monkeypatch.setattr(module, "dropout_mask", noted)
    return masks


# ---------------------------------------------------------------- the training, step by step

def plain_training(theta, x, n_iter, take_masks, profile, batch_size=64):
    """Stochastic gradient descent as the authors' Caffe does it; changes theta, returns the minibatches' losses."""
    velocity, losses, seek = [np.zeros_like(a) for a in arrays_of(theta)], [], 0
    for t in range(n_iter):
        batch = x[[(seek + i) % len(x) for i in range(batch_size)]]
        seek = (seek + batch_size) % len(x)
        masks = take_masks()
        hs = mlp(theta, batch, masks)
        losses.append(np.mean((hs[-1] - batch) ** 2) / 2)  # the target is the clean batch
        _, g_theta = mlp_vjp((hs[-1] - batch) / batch.size, theta, hs, masks)
        lr = 0.1 * 0.1 ** (t // profile.lr_every)
        momentum = 0.9 * t / profile.burn_in if t < profile.burn_in else 0.9
        for a, v, g, times in zip(arrays_of(theta), velocity, arrays_of(g_theta), [1, 2] * len(theta)):
            v[...] = momentum * v - lr * times * g
            a += v
    return losses


@pytest.mark.parametrize("switches, table, finetune_rate", [
    ({}, [(0, 0.2), (0.2, 0.2), (0.2, 0.2), (0.2, 0)], 0),  # the authors' code
    ({"dropout_on_input": True}, [(0.2, 0.2), (0.2, 0.2), (0.2, 0.2), (0.2, 0)], 0),
    ({"dropout_on_code": True}, [(0, 0.2), (0.2, 0.2), (0.2, 0.2), (0.2, 0.2)], 0),
    ({"dropout": 0.5, "finetune_dropout": 0.3}, [(0, 0.5), (0.5, 0.5), (0.5, 0.5), (0.5, 0)], 0.3),
], ids=str)
def test_training_is_the_plain_loop(X, drawn, switches, table, finetune_rate):
    profile = replace(BY_THE_BOOK, finetune_iter=45, **switches)
    start, ae = fitted(X, UNTRAINED), fitted(X, profile)
    encoder, decoder = start.encoder_, start.decoder_
    masks = iter(drawn)

    def take(expected_rates):
        rates, taken = zip(*(next(masks) for _ in expected_rates))
        assert rates == tuple(expected_rates)
        return taken

    x = features = X / np.sqrt(np.mean(X**2))
    losses = []
    for l, rates in enumerate(table):
        pair = [encoder[l], decoder[-1 - l]]
        losses += plain_training(pair, features, 9, lambda: take(rates), profile)
        features = mlp(pair[:1], features)[-1]  # clean, and fixed from now on
    finetune = plain_training(encoder + decoder, x, 45, lambda: take([finetune_rate]), profile)
    losses += [np.mean(finetune[t : t + 2]) for t in range(0, 45, 2)]  # reported two at a time

    for result, expected in zip(learned(ae), arrays_of(encoder + decoder), strict=True):
        # 90 steps of sums in another order, which feed back; seen: 1e-14
        assert_allclose(result, expected, rtol=1e-10, atol=1e-12)
    assert_allclose([step.loss for step in ae.history_], losses, rtol=1e-10)
    assert next(masks, None) is None


def test_activations_are_linear_at_the_code_and_at_the_reconstruction_only(X):
    ae = fitted(X, cls=Watched)
    assert [layer.act for layer in ae.encoder_] == ["relu", "relu", "relu", "linear"]
    assert [layer.act for layer in ae.decoder_] == ["relu", "relu", "relu", "linear"]
    assert [layer.W.shape for layer in ae.encoder_ + ae.decoder_] == [
        (6, 5), (5, 4), (4, 7), (7, 2), (2, 7), (7, 4), (4, 5), (5, 6)]
    pairs = [["relu", "linear"], ["relu", "relu"], ["relu", "relu"], ["linear", "relu"]]  # [g1, g2], paper section 3.2
    assert [seen["acts"] for seen in ae.seen[:-1]] == pairs
    single = fitted(X, sizes=(3,))
    assert [layer.act for layer in single.encoder_ + single.decoder_] == ["linear", "linear"]


@pytest.mark.parametrize("sizes", [SIZES, (8, 3, 9, 9, 2), (5,)], ids=str)
def test_each_pair_trains_on_the_clean_output_of_the_layers_below_which_do_not_move(X, sizes):
    ae = fitted(X, replace(QUICK, finetune_iter=0), sizes, cls=Watched)
    *pairs, finetune = ae.seen
    assert [seen["phase"] for seen in ae.seen] == [*(f"pretrain {l + 1}" for l in range(len(sizes))), "finetune"]
    for l, seen in enumerate(pairs):
        expected = mlp(ae.encoder_[:l], (X - ae.shift_) * ae.scale_)[-1]
        assert_allclose(seen["x"], expected, rtol=1e-12, atol=1e-15)  # sums in another order
        assert not any(np.array_equal(a, b) for a, b in zip(seen["before"], seen["after"]))
        assert identical(seen["after"], arrays_of([ae.encoder_[l], ae.decoder_[-1 - l]]))  # later phases left it
    assert_array_equal(finetune["x"], pairs[0]["x"])


def test_without_the_layer_wise_phase_fine_tuning_starts_from_the_initial_weights(X):
    start, = fitted(X, replace(QUICK, pretrain_iter=0), cls=Watched).seen
    assert identical(start["before"], learned(fitted(X, replace(UNTRAINED, init_std=None))))
    small = learned(fitted(X, replace(UNTRAINED, init_std=0.01)))
    weights, biases = (np.concatenate([a.ravel() for a in small[first::2]]) for first in (0, 1))
    assert not biases.any()
    assert_allclose(weights.std(), 0.01, rtol=0.2)  # 184 draws: known to 5 %


def test_the_rate_may_follow_the_spectrum_of_the_data(X):
    x = X / np.sqrt(np.mean(X**2))
    values = np.linalg.svd(x, compute_uv=False) ** 2
    share = values[0] / values.sum()
    assert 0.3 < share < 0.9
    followed = fitted(X, replace(QUICK, lr_by_spectrum=True))
    for a, b in zip(learned(followed), learned(fitted(X, replace(QUICK, lr=1e-3 / np.sqrt(share)))), strict=True):
        assert_allclose(a, b, rtol=1e-6, atol=1e-9)  # an iterative solver finds the share
    assert evenly_spaced_rows(np.arange(5000)).tolist() == list(range(0, 5000, 3))  # of more than 2048 rows, every third
    assert identical(fitted(0 * X, replace(QUICK, lr_by_spectrum=True)), fitted(0 * X))  # no direction at all


# ---------------------------------------------------------------- what comes out

@pytest.mark.parametrize("center", [False, True])
def test_encode_decode_and_the_loss_fit_together(X, center, monkeypatch):
    ae = fitted(X, replace(QUICK, center=center))
    rec = ae.decode(z := ae.encode(X))
    assert z.shape == (150, 2) and rec.shape == X.shape
    x = (X - ae.shift_) * ae.scale_
    exact = dict(rtol=1e-12, atol=1e-13)  # the same sums, perhaps in another order
    assert_allclose(z, mlp(ae.encoder_, x)[-1], **exact)
    assert_allclose((rec - ae.shift_) * ae.scale_, mlp(ae.decoder_, z)[-1], **exact)  # rec is in the data's units
    loss = squared_error(mlp(ae.encoder_ + ae.decoder_, x)[-1], x)[0]
    assert_allclose(ae.reconstruction_loss(X), loss, rtol=1e-12)
    assert_array_equal(ae.transform(X), z)
    assert_array_equal(ae.inverse_transform(z), rec)
    for user in (rows, threads):
        monkeypatch.setattr(user, "BLOCK", 64)  # 64 + 64 + 22 rows
    for result, expected in [(ae.encode(X), z), (ae.decode(z), rec), (ae.reconstruction_loss(X), loss)]:
        assert_allclose(result, expected, **exact)
    trained = fitted(X, replace(QUICK, center=center, lr=1e-2, finetune_iter=300))
    assert trained.reconstruction_loss(X) < 0.6 * fitted(X, UNTRAINED).reconstruction_loss(X)


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-6)])  # a few roundings in 900 terms
def test_unit_scale_and_centering(dtype, rtol, monkeypatch):
    X = blobs(dtype=dtype) + 5
    for user in (rows, threads):
        monkeypatch.setattr(user, "BLOCK", 64)
    assert_allclose(np.mean((X * fitted(X).scale_) ** 2), 1, rtol=rtol)
    centred = fitted(X, replace(QUICK, center=True))
    x = (X - centred.shift_) * centred.scale_
    assert_allclose(x.mean(axis=0), 0, atol=10 * rtol)
    assert_allclose(np.mean(x**2), 1, rtol=rtol)
    for number, scale in ((None, 1), (0.02, dtype(0.02))):
        assert fitted(X, replace(UNTRAINED, input_scale=number)).scale_ == scale


def test_only_the_first_rows_are_trained_on_where_the_profile_says_so(X):
    profile = replace(QUICK, autoencoder_rows=100, input_scale=None)
    ae = fitted(X, profile)
    assert identical(ae, fitted(np.where(np.arange(150)[:, None] < 100, X, 7), profile))
    assert identical(ae, fitted(X[:100], replace(profile, autoencoder_rows=None)))
    assert not identical(ae, fitted(X, replace(profile, autoencoder_rows=None)))


def test_history_is_what_steps_yields_and_verbose_prints(X, capsys):
    ae = StackedAutoencoder(SIZES, profile=QUICK, engine="numpy", random_state=0)
    assert (steps := list(ae.steps(X))) == ae.history_
    assert list(dict.fromkeys(step.phase for step in steps)) == [*(f"pretrain {l}" for l in (1, 2, 3, 4)), "finetune"]
    assert [step.iteration for step in steps if step.phase == "pretrain 2"] == list(range(1, 31))
    assert [(s.iteration, s.n_iter) for s in steps if s.phase == "finetune"] == [(t, 60) for t in range(3, 61, 3)]
    assert all(step.loss > 0 and step.changed is None for step in steps)
    assert len(ae.fit(X).history_) == len(steps)  # a second fit starts a new one
    assert capsys.readouterr().out == ""
    ae.set_params(verbose=1).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(steps) and re.fullmatch(r" +finetune +60/60  loss 0\.\d{5}", lines[-1])


def test_a_fit_that_is_interrupted_is_no_fit(X):
    ae = fitted(X)
    for _record in ae.iter_fit(X):
        break
    held = ae.iter_fit(X)
    next(held)
    for function in (ae.encode, ae.decode, ae.reconstruction_loss, lambda X: DEC(3, autoencoder=ae).fit(X)):
        with pytest.raises(NotFittedError):
            function(X)
    list(held)
    assert identical(ae, fitted(X))


def test_a_refit_that_is_refused_leaves_the_fit_as_it_was(X):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    ae = fitted(frame)
    z, good = ae.encode(frame), ae.get_params()
    for settings in ({"hidden_layer_sizes": 0}, {"batch_size": 0}, {"engine": "torch"}, {"profile": "slow"}):
        with pytest.raises(ValueError):
            ae.set_params(**{**good, **settings}).fit(pd.DataFrame(X[:, :5], columns=list("vwxyz")))
        assert_array_equal(ae.encode(frame), z)


# ---------------------------------------------------------------- dtypes, randomness

@pytest.mark.parametrize("given, dtype, expected", [
    (np.uint8, None, np.float32), (np.float16, None, np.float32), (np.float32, None, np.float32),
    (np.float64, None, np.float64), (np.int64, None, np.float64), (np.float32, "float64", np.float64),
    (np.float64, np.float32, np.float32),
])
def test_float32_where_it_holds_the_data_exactly_unless_told(given, dtype, expected):
    X = np.abs(blobs() * 10).astype(given)
    ae = fitted(X, dtype=dtype)
    assert all(a.dtype == expected for a in [*learned(ae), ae.encode(X), ae.decode(ae.encode(X)), ae.scale_])


def test_one_seed_one_result_to_the_bit_whatever_y_and_the_layout(X):
    ae = fitted(X)
    for other in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.tolist()):  # X itself is read-only
        assert identical(ae, fitted(other))
    assert identical(ae, clone(ae).fit(X, y=np.full(150, np.nan)))  # y is ignored
    assert identical(ae, fitted(X, random_state=np.random.default_rng(0)))
    assert not identical(ae, fitted(X, random_state=1))
    assert not identical(fitted(X, random_state=None), fitted(X, random_state=None))
    first = fitted(X, random_state=(state := np.random.RandomState(0)))
    assert identical(first, fitted(X, random_state=np.random.RandomState(0))) and not identical(first, ae)
    assert not identical(first, fitted(X, random_state=state))  # it goes on where it was


def test_weights_noise_and_batches_draw_from_their_own_generators(X, drawn):
    runs = {}
    for name, change in {"all": {}, "no noise": {"dropout": 0.0}, "no shuffle": {"shuffle": False}}.items():
        drawn.clear()
        ae = fitted(X, replace(QUICK, **change), cls=Watched)
        runs[name] = ae.seen[0]["before"], np.concatenate(ae.seen[0]["rows"]), [m for _, m in drawn if m is not None]
    assert identical(runs["all"][0], runs["no noise"][0]) and identical(runs["all"][0], runs["no shuffle"][0])
    assert_array_equal(runs["all"][1], runs["no noise"][1])
    assert_array_equal(runs["all"][2][0], runs["no shuffle"][2][0])
    assert not np.array_equal(runs["all"][1], runs["no shuffle"][1])
    assert len(runs["no noise"][2]) == 0
    assert not np.array_equal(*runs["all"][2][:2])  # each minibatch has a mask of its own


# ---------------------------------------------------------------- what the errors say

@pytest.mark.parametrize("settings, sentence", [
    *(({"sizes": s}, f"hidden_layer_sizes must be whole numbers >= 1; got {list(s)}") for s in ((), (5, 0), (5, 2.5))),
    *(({"batch_size": b}, f"batch_size must be a whole number >= 1; got {b}") for b in (0, 2.5)),
    ({"engine": "cuda"}, "engine must be 'numba' or 'numpy'; got 'cuda'"),
    ({"profile": "slow"}, "profile must be 'paper', 'fast' or a decnp.Profile; got 'slow'"),
    ({"dtype": "int32"}, "dtype must be 'float32', 'float64' or None; got 'int32'"),
])
def test_bad_parameters_are_named(X, settings, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        fitted(X, **settings)


def test_bad_data_are_named(X, autoencoder):
    for method in ("encode", "decode", "reconstruction_loss"):
        with pytest.raises(NotFittedError):
            getattr(StackedAutoencoder(), method)(X)
    for bad, sentence in ((np.nan, "contains NaN"), (np.inf, "contains infinity")):
        with pytest.raises(ValueError, match=sentence):
            fitted(np.where(X > 3, bad, X))
    with pytest.raises(ValueError, match=re.escape("X has 3 features, but StackedAutoencoder is expecting 6")):
        autoencoder.encode(X[:, :3])
    for Z, shape in ((X, "(150, 6)"), (np.zeros(2), "(2,)"), (np.zeros((2, 2, 2)), "(2, 2, 2)")):
        with pytest.raises(ValueError, match=re.escape(f"Z must have the shape (n, 2); got {shape}")):
            autoencoder.decode(Z)


@pytest.mark.parametrize("lr, became", [(1e100, "(inf|nan)"), (100, "[0-9.e+]+")], ids=["overflow", "divergence"])
@pytest.mark.parametrize("change, phase", [({}, "pretrain 1"), ({"pretrain_iter": 0}, "finetune")])
def test_divergence_is_an_error_that_says_where_and_what_to_try(X, change, phase, lr, became):
    with pytest.raises(TrainingError, match=f"loss became {became} in phase '{phase}' before iteration .*smaller lr"):
        fitted(X, replace(BY_THE_BOOK, lr=lr, finetune_iter=40, **change))


def test_a_phase_that_diverges_starts_again_at_half_the_rate_where_the_profile_allows_it(X):
    profile = replace(BY_THE_BOOK, lr=64.0, pretrain_iter=0, burn_in=0)
    with pytest.raises(TrainingError):
        fitted(X, replace(profile, lr_halvings=2))
    ae = fitted(X, replace(profile, lr_halvings=12), cls=Watched)
    assert len(ae.seen) > 3 and ae.reconstruction_loss(X) < 1
    assert all(identical(seen["before"], ae.seen[0]["before"]) for seen in ae.seen)  # again from the same weights
    halved = replace(profile, lr=64.0 / 2 ** (len(ae.seen) - 1))
    assert identical(ae, fitted(X, halved))
    assert [step.iteration for step in ae.history_][-11:] == list(range(1, 12))


def test_a_network_that_dies_starts_again_at_half_the_rate_where_the_profile_allows_it(X):
    profile = replace(BY_THE_BOOK, lr=4.0, pretrain_iter=0, finetune_iter=200, burn_in=0, init_std=None, lr_every=1000)

    def variance(ae):
        return np.var(ae.decode(ae.encode(X)), axis=0).sum() / np.var(X, axis=0).sum()

    def widths(**change):
        return StackedAutoencoder((6, 6, 6, 2), profile=replace(profile, **change), engine="numpy", random_state=0).fit(X)

    assert variance(widths()) < 1e-20 and len(widths().history_) == 20  # nobody asked for another start
    dead = widths(lr_halvings=2)
    assert variance(dead) < 1e-20  # all three starts died, and the last one went on to its end
    assert [step.iteration for step in dead.history_] == [*range(10, 50, 10)] * 2 + [*range(10, 210, 10)]
    alive = widths(lr_halvings=9)
    assert identical(alive, widths(lr=0.5)) and variance(alive) > 0.5
    same = np.repeat(X[:1], 20, axis=0)
    ae = StackedAutoencoder((4, 2), profile=replace(profile, lr=0.1, lr_halvings=1), random_state=0).fit(same)
    assert len(ae.history_) == 20  # rows that do not differ are reconstructed as the same one, and rightly so


def test_a_refit_that_fails_leaves_no_mixture_of_two_fits(X):
    ae = fitted(X)
    with pytest.raises(TrainingError, match="scale does not fit"):
        ae.fit(X * 1e200)
    with pytest.raises(NotFittedError):
        ae.encode(X)
    assert not hasattr(ae, "shift_") and not hasattr(ae, "history_")


def test_rows_in_order_of_their_size_are_no_divergence(X):
    """A test for divergence that compares the losses of single minibatches raises TrainingError here."""
    fitted(np.where(np.arange(150)[:, None] < 75, 0, X), BY_THE_BOOK)


def test_a_start_from_large_weights_that_is_learned_away_is_no_divergence():
    profile = Profile(init_std=0.3, pretrain_iter=50, finetune_iter=20, burn_in=0)
    ae = StackedAutoencoder((16, 12, 24, 4), profile=profile, engine="numpy", random_state=3)
    ae.fit(blobs(n=300, n_features=20, k=5, spread=2.0))
    losses = [step.loss for step in ae.history_ if step.phase == "pretrain 1"]
    assert losses[0] > 1 > 2 * losses[-1]  # more than twice the 0.5 of reconstructing nothing, and then less than that


def test_a_scale_beyond_the_dtype_is_named(X):
    with pytest.raises(TrainingError, match="the data's scale does not fit into float32: the factor would be"):
        fitted((X * 1e-40).astype(np.float32), QUICK)


def test_the_scale_comes_from_the_rows_that_train(X):
    profile = replace(QUICK, autoencoder_rows=100)
    assert fitted(X, profile).scale_ == fitted(np.where(np.arange(len(X))[:, None] < 100, X, 50 * X), profile).scale_


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_squares_beyond_the_dtype_are_named(X, factor):
    with pytest.raises(TrainingError, match="the data's scale does not fit into float64"):
        fitted(X * factor, QUICK)


def test_the_code_has_a_name_for_each_unit(autoencoder):
    assert list(autoencoder.get_feature_names_out()) == ["stackedautoencoder0", "stackedautoencoder1"]
