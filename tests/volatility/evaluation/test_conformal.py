"""Conformal thresholds: the share of missed spikes they promise, without and with drift."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.volatility.evaluation.conformal import adaptive_thresholds, coverage_figures, miss_threshold

S = 10**9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_the_threshold_is_the_order_statistic_that_the_promise_needs(scores: list[float], alpha: float) -> None:
    threshold = miss_threshold(np.array(scores), alpha)
    rank = math.floor(alpha * (len(scores) + 1))
    assert threshold == (-math.inf if rank < 1 else sorted(scores)[min(rank, len(scores)) - 1])


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_on_average_a_new_spike_is_missed_no_more_often_than_promised(alpha: float) -> None:
    rng = np.random.default_rng(3)
    missed = [rng.random() < miss_threshold(rng.random(40), alpha) for _ in range(20_000)]
    assert np.mean(missed) < alpha + 0.01
    assert np.mean(missed) > alpha - 1 / 41 - 0.01


def _drifting(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a second each whose spikes score lower and lower."""
    rng = np.random.default_rng(seed)
    positive = rng.random(40_000) < 0.1
    drift = np.linspace(0, 1.5, len(positive))
    return rng.normal(0, 1, len(positive)) + positive * (1.5 - drift), positive, np.arange(len(positive)) * S


def test_under_drift_the_fixed_threshold_breaks_its_promise_and_the_adaptive_one_keeps_it() -> None:
    scores, positive, times = _drifting(0)
    past = np.random.default_rng(1).normal(1.5, 1, 500)
    found = coverage_figures(past, scores, positive, times, alpha=0.1, step=0.02, horizon_ns=60 * S)
    assert found["fixed"]["missed"] > 0.2
    bound = (1 + 0.02) / (0.02 * positive.sum()) + 0.01
    assert abs(found["adaptive"]["missed"] - 0.1) < bound


def test_a_threshold_knows_only_labels_that_have_matured() -> None:
    scores, positive, times = _drifting(2)
    past = np.random.default_rng(1).normal(1.5, 1, 500)
    rules = {"alpha": 0.1, "step": 0.05, "horizon_ns": 60 * S}
    row = 5_000
    before = adaptive_thresholds(past, scores, positive, times, **rules)
    changed = positive.copy()
    changed[row - 59 :] = ~changed[row - 59 :]
    after = adaptive_thresholds(past, scores, changed, times, **rules)
    assert np.array_equal(before[: row + 1], after[: row + 1])
    assert not np.array_equal(before[row + 1 :], after[row + 1 :])


def test_days_without_a_spike_have_no_share() -> None:
    times = np.array([0, 86_400]) * S
    found = coverage_figures(
        np.array([0.5]), np.array([0.9, 0.1]), np.array([True, False]), times, alpha=0.6, step=0.1, horizon_ns=S
    )
    assert found["fixed"]["missed_by_day"] == {"1970-01-01": 0.0}
