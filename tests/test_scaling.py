"""The scale of the data: of rows that do not differ, and its top direction where ARPACK has no start."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import hadamard

from decnp import Profile
from decnp.exceptions import TrainingError
from decnp.training.scaling import fit_scaling, offset_share, profile_for_data, top_singular_share

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_all_the_same_number_keep_their_scale(dtype):
    zeros, ones = np.zeros((4, 3), dtype), np.ones((4, 3), dtype)
    assert fit_scaling(zeros, Profile(center=False)) == (0, 1)
    shift, scale = fit_scaling(ones, Profile(center=True))
    assert (shift == 1).all() and scale == 1 and scale.dtype == dtype
    tiny = np.full((4, 3), np.sqrt(np.finfo(np.float64).tiny) * 1e-9, np.float64)
    with pytest.raises(TrainingError, match="the factor would be inf"):  # its squares are 0, and it is not
        fit_scaling(tiny, Profile(center=False))


@pytest.mark.parametrize("size", [0.1, 30.0])
def test_the_mean_square_becomes_1(size):
    X = size * rng.normal(size=(50, 4))
    shift, scale = fit_scaling(X, Profile(center=True))
    assert_allclose(shift, X.mean(axis=0), rtol=1e-12)
    assert np.mean(((X - shift) * scale) ** 2) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (5, 1), (5, 2)])
def test_the_top_share_is_one_of_two_directions_or_less_and_of_zeros(shape):
    """Catches a limit off by one, and a division by the sum of squares 0."""
    assert top_singular_share(rng.normal(size=shape)) == top_singular_share(np.zeros((4, 3))) == 1
    assert top_singular_share(np.eye(3)) == pytest.approx(1 / 3)


A = np.round(8 * rng.normal(size=(60, 5)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("x", [
    np.diff(np.eye(5)[np.arange(60) % 5], axis=0), np.hstack([A, -A]), np.vstack([A[:9].T, -A[:9].T]).repeat(2, axis=1),
    hadamard(16)[1:], np.vstack([A, -A]), A, A - A.mean(axis=0), np.array([[1.0, -1, 0], [0, 1, -1], [1, 0, -1]]),
    np.hstack([rng.normal(size=(2048, 400)), np.zeros((2048, 384))]),
], ids=["one-hot differences", "pairs", "opposite rows, n < D", "codes", "opposite rows", "plain", "centered", "3 x 3", "large"])
def test_the_top_share_is_that_of_lapack_where_rows_or_columns_sum_to_zero(x, dtype):
    x = x.astype(dtype)
    s = np.linalg.svd(x.astype(float), compute_uv=False)
    assert top_singular_share(x) == pytest.approx(s[0] ** 2 / (s**2).sum(), rel=1e-5)


def test_rows_whose_kinds_alternate_are_all_in_the_sample():
    """Every tenth of 20,480 rows is of another kind; evenly spaced rows, of which there would be 2048, are all of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_480, 40)).astype(np.float32)
    schedule = Profile(finetune_iter=9, short_finetune_iter=5)
    X[::10] = 0
    assert profile_for_data(schedule, X).finetune_iter == 9  # the data are not sparse
    X[::10] = 1
    assert offset_share(X) < 0.1
