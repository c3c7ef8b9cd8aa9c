"""Block bootstrap: where blocks may lie, weights against repeated rows, and what an interval covers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from tickvol.volatility.evaluation.bootstrap import (
    TimeAxis,
    draw_counts,
    percentile_interval,
    resample_pr_auc,
    resample_sums,
    why_no_interval,
)
from tickvol.volatility.evaluation.bootstrap_kernel import weighted_precision
from tickvol.volatility.evaluation.metrics import stratified_precision

run_lengths = st.lists(st.integers(1, 30), min_size=1, max_size=4)


def _axis(lengths):
    times, start = [], 0
    for length in lengths:
        times.extend(range(start, start + length))
        start += length + 100
    return TimeAxis.of(np.array(times, np.int64), bar_ns=1)


@given(run_lengths)
def test_runs_of_the_axis_are_the_pieces_without_a_hole(lengths):
    assert _axis(lengths).run_bars.tolist() == lengths


@given(run_lengths, st.integers(1, 12), st.integers(0, 1000))
def test_every_draw_is_a_whole_block_inside_one_run(lengths, block, seed):
    axis = _axis(lengths)
    counts = draw_counts(axis, block, 20, np.random.default_rng(seed))
    assert (counts >= 0).all()
    for start, bars in zip(axis.run_start, axis.run_bars, strict=True):
        drawn = counts[:, start : start + bars].sum(axis=1)
        assert (drawn % min(block, bars) == 0).all()


def test_every_bar_is_drawn_once_on_average_whatever_the_length_of_its_run():
    counts = draw_counts(_axis([40, 7, 25]), 10, 20_000, np.random.default_rng(0))
    # 40/10 + 1 + 25/10 = 7.5 blocks, of which 8 are drawn
    assert counts.mean(axis=0) == pytest.approx(np.full(72, 8 / 7.5), abs=0.05)


@pytest.mark.parametrize(
    ("lengths", "blocks"),
    [([100], 10), ([109], 10), ([5], 1), ([5, 5, 30], 5), ([9, 10, 11], 3)],
)
def test_blocks_are_counted_whole_and_at_least_one_a_run(lengths, blocks):
    assert _axis(lengths).blocks(10) == blocks


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=40),
)
def test_weighted_average_precision_is_that_of_repeated_rows(rows):
    positive, scores, weights = (np.array(part) for part in zip(*rows, strict=True))
    order = np.argsort(-scores, kind="stable")
    tie_end = np.append(np.diff(scores[order]) != 0, True)
    found = np.empty(1)
    weighted_precision(positive[order], tie_end, order, np.array([len(rows)]), weights[None, :].astype(np.int32), found)
    found = found[0]
    repeated = np.repeat(positive, weights)
    if len(np.unique(repeated)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(average_precision_score(repeated, np.repeat(scores, weights)), rel=1e-9)


def _market(bars, random):
    """Two products, spikes in bursts of a minute, a score that knows something of them."""
    times = np.tile(np.arange(bars, dtype=np.int64), 2)
    burst = np.repeat(random.random(bars // 60 + 1) < 0.15, 60)[:bars]
    positive = np.tile(burst, 2)
    return times, positive, positive + random.normal(0, 1.5, 2 * bars)


def _resample(times, positive, scores, samples=200, seed=0):
    axis = TimeAxis.of(times, bar_ns=1)
    return resample_pr_auc(axis, times, positive, scores, block_bars=360, samples=samples, seed=seed)


def test_same_seed_same_resamples_and_detectors_are_paired():
    times, positive, scores = _market(3600, np.random.default_rng(4))
    twice = np.vstack([scores, scores])
    first, second = _resample(times, positive, twice), _resample(times, positive, twice)
    assert np.array_equal(first, second, equal_nan=True)
    assert np.array_equal(first[0], first[1], equal_nan=True)
    assert not np.array_equal(first, _resample(times, positive, twice, seed=1), equal_nan=True)


def test_interval_of_a_difference_covers_zero_for_equal_detectors_and_not_for_a_far_better_one():
    random = np.random.default_rng(5)
    times, positive, weak = _market(20_000, random)
    as_weak = positive + random.normal(0, 1.5, len(positive))
    strong = positive + random.normal(0, 0.3, len(positive))
    found = _resample(times, positive, np.vstack([weak, as_weak, strong]))
    equal, better = percentile_interval(found[1] - found[0]), percentile_interval(found[2] - found[0])
    assert equal.low < 0 < equal.high
    assert better.low > 0.2


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """50 markets with bursts: blocks of single rows would give intervals that are far too narrow."""
    truth = np.mean([_pr_auc_of_long(seed) for seed in range(3)])
    covered = 0
    for seed in range(50):
        times, positive, scores = _market(7200, np.random.default_rng(100 + seed))
        interval = percentile_interval(_resample(times, positive, scores[None], samples=64, seed=seed)[0])
        covered += interval.low <= truth <= interval.high
    assert covered >= 40


def _pr_auc_of_long(seed):
    _, positive, scores = _market(150_000, np.random.default_rng(seed))
    return average_precision_score(positive, scores)


def test_strata_are_judged_apart_and_weighted_by_their_spikes():
    times, positive, scores = _market(3600, np.random.default_rng(8))
    strata = (times >= 1800).astype(np.int8)
    shifted = scores + 100 * strata
    axis = TimeAxis.of(times, bar_ns=1)
    rules = {"block_bars": 360, "samples": 16, "seed": 0}
    first, second = (
        resample_pr_auc(axis, times, positive, one[None], strata=strata, **rules) for one in (scores, shifted)
    )
    np.testing.assert_allclose(first, second, rtol=1e-12)
    assert not np.allclose(first, resample_pr_auc(axis, times, positive, shifted[None], **rules))
    halves = [average_precision_score(positive[strata == half], scores[strata == half]) for half in (0, 1)]
    spikes = [positive[strata == half].sum() for half in (0, 1)]
    assert stratified_precision(positive, shifted, strata) == pytest.approx(np.average(halves, weights=spikes))


def test_sums_are_of_the_same_resamples():
    times, positive, _ = _market(3600, np.random.default_rng(9))
    axis = TimeAxis.of(times, bar_ns=1)
    columns = np.column_stack([np.ones(len(times)), positive])
    rules = {"block_bars": 360, "samples": 32, "seed": 3}
    (sums,) = resample_sums(axis, times, [columns], **rules)
    constant = resample_pr_auc(axis, times, positive, np.zeros((1, len(times))), **rules)[0]
    np.testing.assert_allclose(sums[:, 1] / sums[:, 0], constant, rtol=1e-12)  # no skill earns the prevalence


def test_resamples_of_one_class_are_left_out_of_the_interval():
    interval = percentile_interval(np.array([0.2, np.nan, 0.4]))
    assert interval.samples == 2
    assert interval.low == pytest.approx(0.205)


def test_too_few_blocks_or_events_give_the_reason():
    assert why_no_interval(20, 10, min_blocks=20, min_events=10) is None
    assert why_no_interval(19, 10, min_blocks=20, min_events=10) == "19 blocks, at least 20 needed"
    assert why_no_interval(3, 2, min_blocks=20, min_events=10) == (
        "3 blocks, at least 20 needed; 2 events, at least 10 needed"
    )
