"""``make_imbalanced``, Table 4's sampler."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix

from decnp.datasets import make_imbalanced

MNIST = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]


class Dial(np.random.Generator):
    """A generator that gives one number, as often as it is asked."""

    def __init__(self, number):
        super().__init__(np.random.PCG64(0))
        self.number = number

    def random(self, size):
        return np.full(size, self.number)


@given(st.integers(2, 12), st.floats(0.01, 1), st.integers(0, 11))
def test_each_class_is_kept_with_its_probability_exactly(k, r_min, c):
    """Class c is kept by a number just below r_min + (1 - r_min) c / (k - 1), and not by that number."""
    c = min(c, k - 1)
    y = np.arange(k)
    p = r_min + (1 - r_min) * c / (k - 1)
    assert c in make_imbalanced(y, y, r_min, Dial(np.nextafter(p, 0)))[1]
    if p < 1:
        assert c not in make_imbalanced(y, y, r_min, Dial(p))[1]


@pytest.mark.parametrize("r_min, expected", [(0.1, 38167), (0.3, 45241), (0.5, 52315), (0.7, 59389), (0.9, 66463)])
def test_sizes_on_mnists_labels(r_min, expected):
    y = np.repeat(np.arange(10), MNIST)
    p = r_min + (1 - r_min) * np.arange(10) / 9
    assert round(np.dot(MNIST, p)) == expected
    _, kept = make_imbalanced(y, y, r_min, random_state=0)
    sd = np.sqrt(MNIST * p * (1 - p))
    assert (abs(np.bincount(kept) - MNIST * p) <= 4 * sd).all()  # 4 sd: the seed is fixed, and 3 would do
    assert abs(len(kept) - expected) < 4 * math.sqrt((sd**2).sum())
    assert (kept == 9).sum() == MNIST[9]


def test_rows_and_labels_stay_together_and_in_order():
    rng = np.random.default_rng(0)
    y = rng.choice(["pear", "apple", "fig"], 300)  # sorted: apple, fig, pear
    X = np.arange(600).reshape(300, 2)
    kept, labels = make_imbalanced(X, y, 0.2, random_state=3)
    rows = kept[:, 0] // 2
    assert (np.diff(rows) > 0).all() and len(rows) < 300
    assert_array_equal(X[rows], kept)
    assert_array_equal(y[rows], labels)
    assert (labels == "pear").sum() == (y == "pear").sum() and (labels == "apple").sum() < (labels == "fig").sum()


def test_sparse_rows_lists_and_seeds():
    y = [0, 1] * 50
    X = np.arange(200.0).reshape(100, 2)
    dense = make_imbalanced(X, y, 0.5, random_state=1)
    for given_x in (csr_matrix(X), X.tolist()):
        kept, labels = make_imbalanced(given_x, y, 0.5, random_state=np.random.default_rng(1))
        assert_array_equal(kept.toarray() if hasattr(kept, "toarray") else kept, dense[0])
        assert_array_equal(labels, dense[1])
    assert len(make_imbalanced(X, y, 0.5, random_state=2)[1]) != len(dense[1])
    assert_array_equal(make_imbalanced(X, y, 1)[0], X)  # nothing goes


@pytest.mark.parametrize("r_min", [0, -0.1, 1.01, np.nan, np.inf, "0.1", None, True], ids=repr)
def test_unfit_r_min(r_min):
    with pytest.raises(ValueError, match=rf"^r_min must be a .*number > 0.*; got {re.escape(repr(r_min))}$"):
        make_imbalanced([[1], [2]], [0, 1], r_min)


@pytest.mark.parametrize("y, says", [
    ([0], r"y must hold one label for each row of X, in the shape \(2,\); got \(1,\)"),
    ([[0], [1]], r"y must hold one label for each row of X, in the shape \(2,\); got \(2, 1\)"),
    ([3, 3], "y must hold at least 2 classes; got 1"),
])
def test_unfit_labels(y, says):
    with pytest.raises(ValueError, match=f"^{says}$"):
        make_imbalanced([[1], [2]], y, 0.5)
