"""Optimisers held against hand-worked numbers and their papers; schedules, profiles; the order of minibatches."""

import re
from dataclasses import asdict
from itertools import islice

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from decnp import Profile, kernels, optim
from decnp.layers import Dense
from decnp.optim import SGD, Adam, Minibatches, burn_in, constant, cosine_decay, step_decay
from decnp.profiles import fast, paper, profile_for
from decnp.training.engine import engine_for, make_optimizer

ENGINES = [optim, kernels]
engines = pytest.mark.parametrize("engine", ENGINES, ids=["numpy", "numba"])
ROUNDING = dict(rtol=1e-14)  # a handful of operations on numbers of one size


def gradients(steps, shapes, dtype=np.float64):
    """steps x one gradient for each shape, some of them large and some tiny."""
    rng = np.random.default_rng(0)
    return [[(10.0 ** rng.integers(-3, 3) * rng.normal(size=s)).astype(dtype) for s in shapes] for _ in range(steps)]


# ---------------------------------------------------------------- SGD

@engines
def test_sgd_by_hand(engine):
    w = np.array([1.0])
    sgd = SGD([w], lr=0.1, momentum=0.5, update=engine.sgd_update)
    for g, v_expected, w_expected in [(2.0, -0.2, 0.8), (1.0, -0.2, 0.6), (-4.0, 0.3, 0.9)]:
        sgd.step([np.array([g])])  # v <- 0.5 v - 0.1 g;  w <- w + v
        assert_allclose(sgd.velocity[0], [v_expected], **ROUNDING)
        assert_allclose(w, [w_expected], **ROUNDING)


def test_a_drop_of_the_learning_rate_does_not_rescale_the_old_velocity():
    w = np.array([0.0])
    sgd = SGD([w], lr=step_decay(1.0, 1), momentum=0.5)  # 1, then 0.1
    sgd.step([np.array([1.0])])
    sgd.step([np.array([1.0])])
    assert_allclose(sgd.velocity[0], [0.5 * -1.0 - 0.1], **ROUNDING)  # with lr outside v: 0.1 * -1.5
    assert_allclose(w, [-1.6], **ROUNDING)


def test_momentum_is_090_unless_told():
    sgd = SGD([np.array([0.0])], lr=1.0)
    assert sgd.momentum(0) == sgd.momentum(10**6) == 0.9


@engines
@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_lr_scale_belongs_to_its_array(optimizer, engine):
    update = engine.sgd_update if optimizer is SGD else engine.adam_update
    together = [np.ones(3), np.ones(3)]
    alone = [np.ones(3), np.ones(3)]
    both = optimizer(together, lr=0.01, lr_scale=[1.0, 2.0], update=update)
    single = [optimizer([a], lr=lr, update=update) for a, lr in zip(alone, (0.01, 0.02))]
    for g, _ in gradients(5, [3, 3]):
        both.step([g, g])
        for one in single:
            one.step([g])
    assert_array_equal(together, alone)
    assert not np.allclose(*alone)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_restart_forgets_everything_but_the_weights(optimizer):
    w = np.ones(3)
    used = optimizer([w], lr=step_decay(0.1, 2))
    for g in gradients(4, [3]):
        used.step(g)
    used.restart()
    fresh_w = w.copy()
    fresh = optimizer([fresh_w], lr=step_decay(0.1, 2))
    for g in gradients(4, [3]):
        used.step(g)
        fresh.step(g)
    assert_array_equal(w, fresh_w)


def test_the_schedules_are_asked_for_steps_0_1_2():
    asked = []
    sgd = SGD([np.ones(1)], lr=lambda t: asked.append(("lr", t)) or 0.1, momentum=lambda t: asked.append(("m", t)) or 0)
    adam = Adam([np.ones(1)], lr=lambda t: asked.append(("adam", t)) or 0.1)
    for optimizer in (sgd, adam):
        for _ in range(2):
            optimizer.step([np.ones(1)])
    assert asked == [("lr", 0), ("m", 0), ("lr", 1), ("m", 1), ("adam", 0), ("adam", 1)]


# ---------------------------------------------------------------- Adam

def plain_adam(theta, gs, alpha, beta1, beta2, eps):
    """Kingma & Ba 2015, Algorithm 1, letter by letter."""
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gs, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - alpha * m_hat / (np.sqrt(v_hat) + eps)
    return theta


@engines
@pytest.mark.parametrize("settings", [dict(), dict(lr=0.3, beta1=0.5, beta2=0.9, eps=0.1)], ids=["default", "other"])
def test_adam_is_algorithm_1(engine, settings):
    start = np.random.default_rng(1).normal(size=(4, 3))
    w = start.copy()
    adam = Adam([w], update=engine.adam_update, **settings)
    gs = [g for g, in gradients(50, [(4, 3)])]
    for g in gs:
        adam.step([g])
    used = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, **settings}
    expected = plain_adam(start, gs, used["lr"], used["beta1"], used["beta2"], used["eps"])
    assert_allclose(w, expected, rtol=1e-12)  # 50 steps of a few roundings each


# ---------------------------------------------------------------- both engines

# float32: 20 steps of a few roundings of 6e-8, on sums that may cancel to a hundredth of their terms
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-4)])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_both_engines_agree_in_every_shape_and_dtype(optimizer, dtype, rtol):
    shapes = [(5, 3), (3,), (1, 1)]
    results = []
    for engine in ENGINES:
        arrays = [np.ones(s, dtype) for s in shapes]
        update = engine.sgd_update if optimizer is SGD else engine.adam_update
        run = optimizer(arrays, lr=step_decay(1e-3, 7), lr_scale=[1, 2, 1], update=update)
        for gs in gradients(20, shapes, dtype):
            run.step(gs)
        assert all(a.dtype == dtype for a in arrays)
        results.append(arrays)
    for a, b in zip(*results):
        assert_allclose(a, b, rtol=rtol)
        assert not np.isclose(a, 1, rtol=1e-6).any()  # something did happen


@engines
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_denormal_velocities_and_moments_become_zero(engine, dtype):
    tiny = np.finfo(dtype).tiny
    w, v, g = np.ones(4, dtype), np.array([tiny, -tiny, 2 * tiny, 1], dtype), np.zeros(4, dtype)
    engine.sgd_update(w, v, g, 0.1, 0.75)
    assert_array_equal(v, np.array([0, 0, 1.5 * tiny, 0.75], dtype))  # a normal number stays, however small
    v[0] = tiny
    engine.sgd_update(w, v, g, 0.1, 1.0)
    assert v[0] == tiny  # the smallest normal number
    m, u = np.array([tiny, -tiny, 2 * tiny, 1], dtype), np.array([tiny, tiny, 2 * tiny, 1], dtype)
    engine.adam_update(w, m, u, g, 0.0, 0.75, 0.75, 1e-8)
    assert_array_equal(m, np.array([0, 0, 1.5 * tiny, 0.75], dtype))
    assert_array_equal(u, np.array([0, 0, 1.5 * tiny, 0.75], dtype))


@engines
@pytest.mark.parametrize("optimizer, settings", [(SGD, dict(lr=0.05)), (Adam, dict(lr=cosine_decay(0.5, 300)))])
def test_a_quadratic_is_minimised(optimizer, settings, engine):
    A, b = np.diag([1.0, 3.0, 10.0]), np.array([1.0, -6.0, 5.0])
    w = np.zeros(3)
    run = optimizer([w], update=engine.sgd_update if optimizer is SGD else engine.adam_update, **settings)
    for _ in range(300):
        run.step([A @ w - b])
    assert_allclose(w, [1, -2, 0.5], atol=1e-3)  # 0.9^150 is 1e-7; Adam ends with a rate near 0


# ---------------------------------------------------------------- schedules

def test_a_number_is_a_schedule_and_a_schedule_stays():
    rate = step_decay(1.0, 2)
    assert constant(0.3)(0) == constant(0.3)(99) == 0.3
    assert constant(rate) is rate


def test_step_decay_drops_exactly_at_each_multiple():
    lr = step_decay(0.1, 20_000)  # DEC section 4.2
    rates = {0: 0.1, 19_999: 0.1, 20_000: 0.01, 39_999: 0.01, 40_000: 0.001, 99_999: 1e-5}
    assert_allclose([lr(t) for t in rates], list(rates.values()), **ROUNDING)
    assert step_decay(1.0, 10, factor=0.5)(25) == 0.25


def test_cosine_decay_goes_from_lr_to_zero():
    lr = cosine_decay(0.2, 100)
    assert lr(0) == 0.2
    assert_allclose(lr(25), 0.1 * (1 + np.sqrt(0.5)), **ROUNDING)
    assert_allclose(lr(50), 0.1, **ROUNDING)
    assert lr(100) == lr(1000) == 0
    assert all(lr(t) > lr(t + 1) for t in range(100))


def test_cosine_decay_may_rise_first():
    lr = cosine_decay(0.2, 30, warmup=10)
    assert_allclose([lr(t) for t in (0, 4, 9, 10, 20)], [0.02, 0.1, 0.2, 0.2, 0.1], **ROUNDING)
    assert lr(30) == 0
    assert cosine_decay(0.2, 5, warmup=5)(5) == 0.2  # no steps left to fall in: no division by 0
    assert cosine_decay(0.2, 5, warmup=5)(6) == cosine_decay(0.2, 6, warmup=5)(6) == 0  # and with one


def test_burn_in_rises_linearly_and_stays():
    momentum = burn_in(0.9, 1000)  # the DEC authors' code
    rise = {0: 0, 1: 0.0009, 500: 0.45, 999: 0.8991, 1000: 0.9, 10**6: 0.9}
    assert_allclose([momentum(t) for t in rise], list(rise.values()), **ROUNDING)
    assert burn_in(0.9, 0)(0) == 0.9


# ---------------------------------------------------------------- profiles: whole schedules, as data

def test_paper_is_the_papers_schedule_and_its_authors():
    assert paper(70_000) == paper(10) == profile_for("paper", 10) == Profile()
    text = dict(init_std=0.01, optimizer="sgd", pretrain_iter=50_000, finetune_iter=100_000, lr=0.1, lr_decay="step",
                lr_every=20_000, lr_factor=0.1, dropout=0.2, kl_lr=0.01, input_scale="unit", batch_size=256, init="k-means", label_iter=0)
    code = dict(momentum=0.9, burn_in=1000, bias_lr=2, dropout_on_input=False, dropout_on_code=False, shuffle=False,
                finetune_dropout=0, center=False, kl_momentum=0.9, kl_bias_lr=2, momentum_restart=True,
                update_interval=160)
    ours = dict(autoencoder_rows=None, short_finetune_iter=None, lr_by_spectrum=False, lr_halvings=0, max_iter=100_000)
    assert asdict(Profile()) == text | code | ours


def test_fast_has_a_budget_that_follows_the_samples():
    sizes = [1, 256, 1797, 20_000, 70_000, 10**6]
    steps = [fast(n).finetune_iter for n in sizes]
    assert steps == sorted(steps) and steps[0] >= 1 and steps[-1] > 5 * steps[1]
    # at least 2000; 50 epochs: 2003.1 and 3906.25; 7656; 14 epochs: 7656.25 and 21,875
    assert [fast(n).finetune_iter for n in (256, 5120, 5128, 10_000, 20_000, 70_000, 200_000)] == [
        2000, 2000, 2003, 3906, 7656, 7656, 21_875]
    assert [fast(n).short_finetune_iter for n in (256, 20_000, 200_000)] == [2000, 2188, 21_875]  # at least 2000; 14 epochs
    assert [(fast(n).update_interval, fast(n).label_iter, fast(n).max_iter) for n in (256, 70_000)] == [
        (20, 800, 1200), (160, 1600, 2400)]
    assert fast(70_000).shuffle and not profile_for("paper", 70_000).shuffle
    assert profile_for("fast", 70_000) == fast(70_000)
    assert profile_for(given := Profile(lr=1.0), 10) is given


@pytest.mark.parametrize("optimizer_class, profile, lr, momentum", [
    (SGD, paper(70_000), {0: 0.1, 19_999: 0.1, 20_000: 0.01, 99_999: 1e-5}, {0: 0, 500: 0.45, 1000: 0.9}),
    (SGD, Profile(lr_decay="cosine", burn_in=0), {0: 0.1, 50_000: 0.05, 100_000: 0}, {0: 0.9}),
    (Adam, Profile(optimizer="adam", lr=1e-3, lr_decay="cosine"), {0: 1e-3, 50_000: 5e-4, 100_000: 0}, {}),
], ids=["paper", "cosine", "adam"])
def test_the_profile_chooses_the_optimizer(optimizer_class, profile, lr, momentum):
    optimizer = make_optimizer([Dense(np.ones(1), np.ones(1), "relu")] * 2, profile, 100_000, engine_for("numpy"))
    assert type(optimizer) is optimizer_class and optimizer.lr_scale == [1, 2, 1, 2]
    for t, rate in lr.items():
        assert_allclose(optimizer.lr(t), rate, **ROUNDING)
    for t, m in momentum.items():
        assert_allclose(optimizer.momentum(t), m, **ROUNDING)


@pytest.mark.parametrize("name, must_be, values", [
    ("optimizer", "must be 'sgd' or 'adam'", ["lbfgs", None]), ("lr_decay", "must be 'step' or 'cosine'", ["linear"]),
    ("input_scale", ", if not None or 'unit', must be a finite number > 0", [0, -1.0, "foo", np.nan]),
    ("shuffle", "must be True or False", ["no", 1]), ("lr", "must be a finite number >= 0", [-1, "1", np.inf]),
    ("dropout", "must be a number >= 0 and < 1", [1.0, -0.1]), ("pretrain_iter", "must be a whole number >= 0", [2.5]),
    ("autoencoder_rows", "must be a whole number >= 1", [0]), ("update_interval", "must be a whole number >= 1", [0]),
])
def test_a_profile_names_a_value_it_cannot_have(name, must_be, values):
    for value in values:
        with pytest.raises(ValueError, match=re.escape(f"{name} {must_be}; got {value!r}".replace(" ,", ","))):
            Profile(**{name: value})


NOT_NEGATIVE = ["pretrain_iter", "finetune_iter", "burn_in", "lr_halvings", "label_iter", "max_iter", "short_finetune_iter"]
POSITIVE = ["lr_every", "batch_size", "update_interval", "autoencoder_rows"]
FACTORS = ["lr", "lr_factor", "bias_lr", "kl_lr", "kl_bias_lr", "init_std"]
FRACTIONS = ["dropout", "finetune_dropout", "momentum", "kl_momentum"]
SWITCHES = ["lr_by_spectrum", "dropout_on_input", "dropout_on_code", "shuffle", "momentum_restart"]
WORDS = ["optimizer", "lr_decay", "init"]


@pytest.mark.parametrize("names, good, bad", [
    (NOT_NEGATIVE, [0, 1], [-1, 0.5]), (POSITIVE, [1], [0, 1.5]), (FACTORS, [0, 1.5], [-1e-9, np.inf]),
    (FRACTIONS, [0, 0.999], [-1e-9, 1]), (SWITCHES, [True, False], [1, None]), (WORDS, [], ["x", None]),
    (["input_scale"], [None, "unit", 1e-9], [0]), (["center"], [True, False, "auto"], ["x", 1, None]),
    (["init_std", "autoencoder_rows", "short_finetune_iter"], [None], ["x"]),
], ids=lambda value: value[0] if value and isinstance(value[0], str) else "")
def test_each_field_of_a_profile_has_its_limits(names, good, bad):
    """The last value allowed is accepted and the first one beyond is not: catches a limit off by one, and an unchecked field."""
    for name in names:
        for value in good:
            assert getattr(Profile(**{name: value}), name) == value
        for value in bad:
            with pytest.raises(ValueError, match=f"^{name}"):
                Profile(**{name: value})


def test_no_field_of_a_profile_is_without_limits():
    assert {*NOT_NEGATIVE, *POSITIVE, *FACTORS, *FRACTIONS, *SWITCHES, *WORDS, "input_scale", "center"} == set(asdict(Profile()))


# ---------------------------------------------------------------- minibatches

def test_cyclic_minibatches_take_rows_seek_to_seek_plus_255_modulo_n():
    n, seek = 700, 0
    for batch in islice(Minibatches(n, 256), 20):
        assert_array_equal(batch, [(seek + i) % n for i in range(256)])
        seek = (seek + 256) % n
    assert_array_equal(next(Minibatches(10, 4, start=8)), [8, 9, 0, 1])


@pytest.mark.parametrize("n", [1, 5, 256])
def test_a_minibatch_never_holds_a_row_twice(n):
    for batches in (Minibatches(n, 256), Minibatches(n, 256, np.random.default_rng(0))):
        for batch in islice(batches, 3):
            assert_array_equal(np.sort(batch), np.arange(n))


def test_shuffled_minibatches_take_each_row_once_an_epoch():
    batches = Minibatches(12, 4, np.random.default_rng(0))
    epochs = [np.concatenate(list(islice(batches, 3))) for _ in range(4)]
    for epoch in epochs:
        assert_array_equal(np.sort(epoch), np.arange(12))
    assert len({epoch.tobytes() for epoch in epochs}) == 4  # a new order each time


def test_shuffled_minibatches_leave_out_a_short_last_one_but_not_always_the_same_rows():
    batches = Minibatches(10, 4, np.random.default_rng(0))
    left_out = set()
    for _ in range(30):
        epoch = np.concatenate(list(islice(batches, 2)))
        assert len(set(epoch)) == 8
        left_out |= set(range(10)) - set(epoch)
    assert left_out == set(range(10))


def test_seeds_reproduce_the_order():
    def order(seed):
        return np.concatenate(list(islice(Minibatches(50, 8, np.random.default_rng(seed)), 20)))

    assert_array_equal(order(3), order(3))
    assert not np.array_equal(order(3), order(4))


def test_a_missing_gradient_is_refused():
    with pytest.raises(ValueError, match="grads must have one array for each of the 2 trained; got 1"):
        SGD([np.zeros(1), np.zeros(1)], 0.1).step([np.ones(1)])
