"""Settings that depend on the data: whether the mean row is subtracted, and the steps for sparse and narrow data."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import QUICK, blobs, identical

from decnp import (
    DEC,
    Profile,
    StackedAutoencoder,
    TrainingWarning,
    cluster_accuracy,
    load,
    load_digits,
    load_mnist,
    save,
)
from decnp.profiles import fast, paper
from decnp.training.scaling import OFFSET, offset_share, profile_for_data
from decnp.utils.rows import LazyRows

AUTO = replace(QUICK, center="auto")


def groups(offset):
    """Three groups in 30 dimensions with a common offset: X (600, 30) float32 and the labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    return (3 * rng.normal(size=(3, 30))[y] + 2 * rng.normal(size=(600, 30)) + offset).astype(np.float32), y


@pytest.mark.parametrize("offset", [0, *(pytest.param(some, marks=pytest.mark.slow) for some in (30, 100)), 2007])
def test_an_offset_changes_nothing_much(offset):
    X, y = groups(offset)
    dec = DEC(3, hidden_layer_sizes=(32, 5), random_state=0).fit(X)
    assert cluster_accuracy(y, dec.labels_) > 0.95
    assert (np.ndim(dec.autoencoder_.shift_) == 1) is (offset > 0)


def test_a_constant_column_changes_nothing_much():
    X, y = groups(0)
    dec = DEC(3, hidden_layer_sizes=(32, 5), random_state=0).fit(np.c_[X, np.full(len(X), 2007)])
    assert cluster_accuracy(y, dec.labels_) > 0.95


def test_the_share_is_that_of_the_mean_row():
    X = np.array([[3.0, 0.0], [5.0, 0.0], [4.0, 1.0], [4.0, -1.0]])  # the mean row is (4, 0)
    assert offset_share(X) == pytest.approx(4 * 16 / (9 + 25 + 17 + 17), rel=1e-15)
    assert offset_share(np.zeros((4, 2))) == 0 and offset_share(np.full((4, 2), 7.0)) == pytest.approx(1)
    assert offset_share(np.full((4, 2), 1e200)) == 0  # its squares overflow, which ``fit_scaling`` reports


def test_sparse_rows_have_none():
    assert offset_share(LazyRows(sp.csr_array(np.full((4, 2), 7.0)), "float64")) == 0


def test_images_and_small_offsets_stay_as_they_are():
    for X, share in ((load_mnist()[0], 0.40), (load_digits()[0], 0.69)):
        assert offset_share(X) == pytest.approx(share, abs=0.01)
        assert profile_for_data(fast(len(X)), X).center is False
    assert 0.69 < OFFSET < 0.85  # digits + 3 has 0.81, and gains by centering


def test_sparse_rows_are_not_shifted():
    X = sp.csr_array(np.abs(groups(100)[0]))
    ae = StackedAutoencoder((4,), profile=AUTO, engine="numpy", random_state=0).fit(X)
    assert np.ndim(ae.shift_) == 0
    centered = StackedAutoencoder((4,), profile=replace(QUICK, center=True), engine="numpy", random_state=0).fit(X)
    assert np.ndim(centered.shift_) == 1  # asked for, they are


@pytest.mark.parametrize("offset, center", [(0, False), (100, True)])
def test_auto_is_true_or_false_to_the_bit(offset, center):
    X = blobs() + offset
    auto, explicit = (StackedAutoencoder((4, 2), profile=profile, engine="numpy", random_state=0).fit(X)
                      for profile in (AUTO, replace(QUICK, center=center)))
    assert identical(auto, explicit)


def test_the_decision_is_in_the_model_file(tmp_path):
    for offset, center in ((0, False), (100, True)):
        dec = DEC(3, hidden_layer_sizes=(4, 2), profile=AUTO, n_init=1, engine="numpy", random_state=0)
        dec.fit(blobs() + offset)
        save(dec, tmp_path / "model.decnp")
        assert load(tmp_path / "model.decnp").profile.center is center
        np.testing.assert_array_equal(load(tmp_path / "model.decnp").predict(blobs() + offset), dec.labels_)


def test_the_decision_is_in_the_record_of_the_command(tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", groups(100)[0])
    status, _, err = says("fit", "x.npy", "--hidden", "8,2", "--n-clusters", "3", "--set", "finetune_iter=30",
                          "--max-iter", "5", "--out", "run", "-q")
    assert status == 0, err
    with open("run/run.json") as file:
        assert json.load(file)["profile"]["center"] is True


def test_the_papers_profile_stays_and_warns():
    assert paper(100).center is False and fast(100).center == "auto"
    brief = replace(paper(100), pretrain_iter=0, finetune_iter=5, max_iter=0, lr=1e-4)
    with pytest.warns(TrainingWarning, match=r"the mean row holds \d+\.\d% of the sum of squares of X.*center=True"):
        dec = DEC(3, hidden_layer_sizes=(4, 2), profile=brief, n_init=1, engine="numpy", random_state=0)
        dec.fit(blobs() + 100)
    assert np.ndim(dec.autoencoder_.shift_) == 0 and any("mean row" in sentence for sentence in dec.warnings_)
    with pytest.warns(TrainingWarning, match="the mean row holds"):
        StackedAutoencoder((4, 2), profile=brief, engine="numpy", random_state=0).fit(blobs() + 100)


def test_no_other_word_is_a_center():
    with pytest.raises(ValueError, match="center must be True, False or 'auto'; got 'mean'"):
        Profile(center="mean")


@pytest.mark.parametrize("share, width, most, steps", [
    (0.099, 40, 20, 20), (0.1, 40, 20, 30), (0.099, 40, 40, 30), (0.099, 40, None, 30), (1.0, 31, 20, 20), (1.0, 32, 20, 30)])
def test_sparse_and_narrow_data_have_fewer_steps(share, width, most, steps):
    """Sparse: fewer than a tenth of the entries are not 0. Narrow: fewer than 32 columns. The smaller number of steps counts."""
    X = np.zeros((100, width), np.float32)
    X.flat[:round(100 * width * share)] = -1
    profile = replace(QUICK, finetune_iter=30, short_finetune_iter=most)
    for rows in (X, LazyRows(sp.csr_array(X), "float32")):
        assert profile_for_data(profile, rows) == replace(profile, finetune_iter=steps)


def test_the_autoencoder_takes_the_steps_of_its_data():
    profile = replace(QUICK, pretrain_iter=0, finetune_iter=30, short_finetune_iter=20)
    X = np.where(np.random.default_rng(0).random((50, 40)) < 0.05, 1.0, 0.0)
    for rows, steps in ((sp.csr_array(X), 20), (X, 20), (X + 1, 30)):
        ae = StackedAutoencoder((4,), profile=profile, engine="numpy", random_state=0).fit(rows)
        assert ae.history_[-1].n_iter == ae.history_[-1].iteration == steps
