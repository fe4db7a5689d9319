"""ACC against every one-to-one map tried in turn, NMI and ARI against their definitions, and all by hand."""

import math
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import best_by_trying

from decnp.metrics import adjusted_rand_index, cluster_accuracy, generalizability, normalized_mutual_info

pytestmark = pytest.mark.filterwarnings("error")

SCORES = [cluster_accuracy, normalized_mutual_info, adjusted_rand_index]

# A few logs and sums of at most 30 terms near 1 in float64; NMI divides by an entropy >= 0.1 here.
CLOSE = dict(rel=1e-12, abs=1e-12)

# The same examples on every run; DECNP_EXAMPLES asks for fewer (or many more) of them.
some_examples = settings(max_examples=int(os.environ.get("DECNP_EXAMPLES", "50")), deadline=None, derandomize=True)
groupings = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30)  # (class, cluster)


# ---------------------------------------------------------------- ACC

@pytest.mark.parametrize(
    "y_true, labels, acc",
    [
        ([0, 0, 1, 1], [1, 1, 0, 0], 1),  # only the names differ
        ([0, 0, 1, 1], [0, 1, 0, 1], 1 / 2),
        ([0, 0, 0, 1, 1], [7, 7, 7, 7, 7], 3 / 5),  # fewer clusters than classes
        ([5, 5, 5, 5], [0, 1, 2, 2], 2 / 4),  # more clusters than classes: the others count as wrong
        ([0, 0, 0, 1, 1], [0, 0, 0, 0, 0], 3 / 5),
        # Greedy takes the 3 first and is left with 0: 3/7. The best map takes 2 + 2.
        ([0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1], 4 / 7),
        # Majority vote would name both clusters "0" and say 5/6; one-to-one cannot.
        ([0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1], 4 / 6),
        (["cat"], ["dog"], 1),
    ],
)
def test_acc_by_hand(y_true, labels, acc):
    assert cluster_accuracy(y_true, labels) == pytest.approx(acc, rel=1e-15)


@some_examples
@given(groupings)
def test_acc_is_the_best_of_all_maps(pairs):
    y_true, labels = zip(*pairs)
    assert cluster_accuracy(y_true, labels) == pytest.approx(best_by_trying(y_true, labels), rel=1e-15)


def test_acc_of_a_cluster_for_each_of_many_samples():
    """The table has 10 x 100,000 cells; padded to a square it would have 10^10."""
    assert cluster_accuracy(np.arange(100_000) % 10, np.arange(100_000)) == 1e-4


# ---------------------------------------------------------------- NMI and ARI

def test_nmi_by_hand():
    # Cells 1/2, 1/4, 1/4; clusters 3/4 and 1/4, classes 1/2 and 1/2. A cell over the product of its margins:
    mutual = math.log((1 / 2) / (3 / 8)) / 2 + math.log((1 / 4) / (3 / 8)) / 4 + math.log((1 / 4) / (1 / 8)) / 4
    h_c, h_l = -3 / 4 * math.log(3 / 4) - 1 / 4 * math.log(1 / 4), math.log(2)
    nmi = normalized_mutual_info([0, 0, 1, 1], [0, 0, 0, 1])
    assert nmi == pytest.approx(mutual / ((h_c + h_l) / 2), **CLOSE)
    assert nmi < mutual / math.sqrt(h_c * h_l) - 1e-3  # the geometric mean of 2015 is another number


def test_ari_by_hand():
    # Pairs of 4: together in both 1, in a cluster 1, in a class 2, in all 6. E = 1/3; (1 - 1/3) / (3/2 - 1/3) = 4/7.
    assert adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(4 / 7, rel=1e-15)
    # Together in both 0, in a cluster 2, in a class 2: E = 2/3; (0 - 2/3) / (2 - 2/3) = -1/2, as low as it goes.
    assert adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-1 / 2, rel=1e-15)


def naive_nmi(y_true, labels):
    """2 I(l; c) / (H(l) + H(c)), summed over samples."""
    n, joint = len(y_true), list(zip(y_true, labels))
    share = lambda values, v: values.count(v) / n
    h_l, h_c = (-sum(math.log(share(g, v)) for v in g) / n for g in (y_true, labels))
    mutual = sum(math.log(share(joint, (l, c)) / (share(y_true, l) * share(labels, c))) for l, c in joint) / n
    return 1.0 if h_l == h_c == 0 else 2 * mutual / (h_l + h_c)


def naive_ari(y_true, labels):
    """(B - E) / ((C + L) / 2 - E), by looking at every pair of samples."""
    pairs = [(a, b) for b in range(len(labels)) for a in range(b)]
    in_l = [y_true[a] == y_true[b] for a, b in pairs]
    in_c = [labels[a] == labels[b] for a, b in pairs]
    if in_l == in_c:
        return 1.0
    expected = sum(in_l) * sum(in_c) / len(pairs)
    return (sum(l and c for l, c in zip(in_l, in_c)) - expected) / ((sum(in_l) + sum(in_c)) / 2 - expected)


@some_examples
@given(groupings)
def test_nmi_and_ari_equal_their_definitions(pairs):
    y_true, labels = map(list, zip(*pairs))
    assert normalized_mutual_info(y_true, labels) == pytest.approx(naive_nmi(y_true, labels), rel=1e-9, abs=1e-12)
    assert adjusted_rand_index(y_true, labels) == pytest.approx(naive_ari(y_true, labels), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("score", [normalized_mutual_info, adjusted_rand_index])
def test_one_group_each_agrees_fully_and_one_group_against_many_tells_nothing(score):
    assert score([3], [8]) == 1 == score([3, 3], [8, 8])
    assert score([0, 1, 2, 3], [0, 0, 0, 0]) == 0 == score([0, 0, 0, 0], [0, 1, 2, 3])


def test_rounding_does_not_take_nmi_out_of_its_bounds():
    same = np.repeat([0, 1, 2], [1, 5, 5])  # unclipped: 1 + 2e-16
    assert normalized_mutual_info(same, same) <= 1
    assert normalized_mutual_info(np.repeat(range(3), 6), np.tile(range(6), 3)) >= 0  # independent; unclipped: -8e-17


def test_counts_of_a_full_size_set_do_not_overflow():
    y_true = np.repeat(np.arange(2, dtype=np.uint8), 300_000)  # pairs of pairs pass 2^63
    labels = np.tile(np.arange(2, dtype=np.uint8), 300_000)  # each class split in two halves
    assert cluster_accuracy(y_true, labels) == 0.5
    assert normalized_mutual_info(y_true, labels) == pytest.approx(0, abs=1e-12)
    n = 600_000
    together, margin, total = 4 * math.comb(n // 4, 2), 2 * math.comb(n // 2, 2), math.comb(n, 2)
    expected = Fraction(margin**2, total)
    exact = float((together - expected) / (margin - expected))
    assert adjusted_rand_index(y_true, labels) == pytest.approx(exact, rel=1e-15)


# ---------------------------------------------------------------- all three

@pytest.mark.parametrize("score", SCORES)
@some_examples
@given(pairs=groupings, data=st.data())
def test_only_who_is_together_with_whom_matters(score, pairs, data):
    y_true, labels = map(list, zip(*pairs))
    value = score(y_true, labels)
    assert isinstance(value, float)
    assert (-0.5 if score is adjusted_rand_index else 0) <= value <= 1
    order = data.draw(st.permutations(range(len(pairs))))
    names = data.draw(st.permutations([-1, 300, 10**12, "b", "é"]))
    as_text = [str(names[l]) for l in y_true]
    numbers = data.draw(st.permutations([-7, 0, 2**40, 5]))
    renamed = [numbers[c] for c in labels]
    assert score(as_text, renamed) == pytest.approx(value, **CLOSE)
    assert score([y_true[i] for i in order], [labels[i] for i in order]) == pytest.approx(value, **CLOSE)
    assert score(labels, y_true) == pytest.approx(value, **CLOSE)  # all three are symmetric
    assert score(y_true, as_text) == pytest.approx(1, **CLOSE)  # and 1 for the same grouping


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "dress",
    [np.uint8, np.int8, np.int64, bool, str, bytes, object, lambda a: np.asarray(a, str).astype(object), tuple],
)
def test_labels_of_any_kind(score, dress):
    y_true, labels = [0, 0, 1, 1, 1], [1, 1, 0, 0, 1]
    dressed = dress(labels) if not isinstance(dress, type) or dress is tuple else np.array(labels).astype(dress)
    assert score(y_true, dressed) == score(y_true, labels) == score(dressed, y_true)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "y_true, labels, says",
    [
        ([0, 1], [0, 1, 1], "y_true and labels must have the same length; got 2 and 3"),
        ([], [], "y_true must be one-dimensional with at least one entry; got the shape (0,)"),
        ([0, 1], np.eye(2, dtype=int), "labels must be one-dimensional with at least one entry; got the shape (2, 2)"),
        ([0, 1], 3, "labels must be one-dimensional with at least one entry; got the shape ()"),
        ([0.0, 0.5], [0, 1], "y_true must hold integers or strings, all of one kind; got the dtype float64"),
        ([0, 1], [0.0, np.inf], "labels must hold integers or strings, all of one kind; got the dtype float64"),
        ([0.0, np.nan], [0, 1], "y_true must hold integers or strings, all of one kind; got the dtype float64"),
        ([0, 1], [0, None], "labels must hold integers or strings, all of one kind; got the dtype object"),
        ([0, 1], np.array([0, "a"], object), "labels must hold integers or strings, all of one kind; got the dtype "
                                             "object"),
        (np.ma.masked_equal([0, 1, 9], 9), [0, 1, 1], "y_true must have no masked entries; got 1: leave out these samples"),
        ([0, 1, 1], np.ma.masked_less([0, 1, 9], 5), "labels must have no masked entries; got 2: leave out these samples"),
    ],
)
def test_scores_say_what_is_wrong(score, y_true, labels, says):
    with pytest.raises(ValueError) as error:
        score(y_true, labels)
    assert str(error.value) == says


# ---------------------------------------------------------------- G

def test_generalizability_is_train_over_validation():
    assert generalizability(0.2, 0.8) == 0.25
    assert generalizability(0, 3) == 0
    assert type(generalizability(np.float32(1), np.float64(2))) is float


@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf, -math.inf, "0.5", None, 1j, [1.0]], ids=repr)
@pytest.mark.parametrize("name", ["train_loss", "validation_loss"])
def test_generalizability_says_which_loss_is_wrong(name, bad):
    with pytest.raises(ValueError) as error:
        generalizability(**{"train_loss": 1.0, "validation_loss": 1.0, name: bad})
    assert str(error.value) == f"{name} must be a finite number >= 0; got {bad!r}"


def test_generalizability_cannot_divide_by_zero():
    with pytest.raises(ValueError, match=r"^validation_loss must be > 0, since G divides by it; got 0\.0$"):
        generalizability(1.0, 0.0)


def test_importing_pulls_in_nothing_heavy():
    heavy = {"numba", "sklearn", "scipy", "tqdm"}
    code = f"import sys, decnp.metrics, decnp.datasets; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_masked_arrays_without_a_masked_entry_are_labels():
    assert cluster_accuracy(np.ma.array([0, 1, 1]), np.ma.array([1, 0, 0], mask=False)) == 1


def test_whole_numbers_in_floats_are_labels():
    y, labels = [0, 1, 1, 2], [5, 3, 3, 3]
    for score in (cluster_accuracy, normalized_mutual_info, adjusted_rand_index):
        assert score(np.array(y, float), np.array(labels, np.float32)) == score(y, labels)
