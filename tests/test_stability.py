"""The observer of an autoencoder phase: when it reports, when a phase has diverged, and when a network is dead."""

import numpy as np
import pytest

from decnp.exceptions import TrainingError
from decnp.layers import Dense
from decnp.training.stability import PhaseMonitor, PhaseProgress

X = np.array([[2.0, -2.0], [-2.0, 2.0]] * 8)  # its loss if reconstructed as 0: 2


def monitor(n_iter, share=1.0, must_live=False, rows=X):
    """Return the monitor of a linear layer whose reconstructions have ``share`` of the variance of the rows."""
    theta = [Dense(np.sqrt(share) * np.eye(2), np.zeros(2), "linear")]
    return PhaseMonitor("finetune", theta, lambda i: rows[i], len(rows), n_iter, must_live, PhaseProgress([]))


@pytest.mark.parametrize("n_iter, due, not_due", [
    (1, [1], []), (39, [1, 2, 38, 39], []), (45, [2, 44, 45], [1, 3, 43]),
    (20_020, [1000, 2000, 20_020], [1001, 2002, 20_019]), (10**6, [1000], [999, 1001, 50_001]),
])
def test_reports_are_twenty_a_phase_at_least_one_in_1000_steps_and_one_at_the_end(n_iter, due, not_due):
    """Catches another divisor, another limit, and a phase whose last steps are not reported."""
    for t in due + not_due:
        assert monitor(n_iter).see(t, 0.5, X) == (("finetune", t, n_iter, 0.5, None, None) if t in due else None)


def test_a_report_has_the_mean_loss_of_the_steps_since_the_last_one():
    """Catches sums and counts that do not begin with 0, or do not return to it."""
    one = monitor(60)
    seen = [one.see(t, t / 10, X) for t in range(1, 10)]
    assert [record.loss for record in seen if record] == pytest.approx([0.2, 0.5, 0.8])


@pytest.mark.parametrize("of_all, first, of_batch", [(X, 0.0, 0 * X), (0 * X, 2.0, 0 * X), (0 * X, 0.0, X)])
def test_a_loss_has_diverged_above_twice_the_largest_of_three(of_all, first, of_batch):
    """Of zeros for all rows, of the first minibatch, and of zeros for the rows since the last report: each is 2 here."""
    for loss, diverged in ((4.0, False), (4.01, True)):
        one = monitor(40, rows=of_all)
        one.see(1, first, of_batch)
        assert one.see(2, first, of_batch)
        one.see(3, loss, of_batch)
        if diverged:
            with pytest.raises(TrainingError, match=r"loss became 4\.01 in phase 'finetune' before iteration 4, "
                                                    "and is no more than 2 at the start or for a reconstruction of 0"):
                one.see(4, loss, of_batch)
        else:
            assert one.see(4, loss, of_batch).loss == 4


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_loss_that_is_not_finite_is_an_error_at_once(bad):
    """Catches a first loss that is compared with itself, and a wait for the next report."""
    with pytest.raises(TrainingError, match="loss became (inf|nan) .* before iteration 1, and is no more than 2 at"):
        monitor(10**6).see(1, bad, X)


def test_a_network_is_dead_from_a_quarter_of_the_steps_on_below_a_ten_thousandth_of_the_variance():
    """Catches another fraction of the steps or of the variance, and a report by a phase that may die."""
    before, at = 8, 10  # of 40 steps, with a report at every second one
    assert monitor(40, 0.99e-4, must_live=True).see(before, 1.0, X)
    with pytest.raises(TrainingError, match="the network is dead at iteration 10"):
        monitor(40, 0.99e-4, must_live=True).see(at, 1.0, X)
    assert monitor(40, 1.01e-4, must_live=True).see(at, 1.0, X)
    assert monitor(40, 0.99e-4, must_live=False).see(at, 1.0, X)


def test_rows_whose_kinds_alternate_are_all_in_the_sample():
    """Every tenth row is of one kind, and all evenly spaced samples of 2048 and 512 rows would be of that kind."""
    kind = np.arange(20_480) % 10
    rows = np.column_stack([kind, np.random.default_rng(0).normal(0, 1e-3, len(kind))]).astype(np.float32)
    rows_of_a_kind_as_one = [Dense(np.diag(np.float32([1, 0])), np.zeros(2, np.float32), "linear")]
    one = PhaseMonitor("finetune", rows_of_a_kind_as_one, lambda i: rows[i], len(rows), 4, True, PhaseProgress([]))
    assert 6 < one.zero_loss_all < 8  # 7.1 over all rows, and 0 over those of kind 0
    one.see(1, 0.0, rows[:8])  # the network is not dead
