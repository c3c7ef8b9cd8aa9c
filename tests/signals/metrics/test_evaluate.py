"""States of metrics: equal to the slow reference, exact at boundaries, unknown rather than guessed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.metrics.reference import HOUR, arrays, metric_of, plain_states
from tickvol.core.errors import InputError
from tickvol.signals.metrics.evaluate import bars_needed, evaluate, evaluate_newest, never_true
from tickvol.signals.metrics.language import Direction, WindowUnit

NAN = math.nan


def states_of(metric, v, r=None, lows=None, highs=None, closes=None):
    v, lows, highs, closes = arrays(v, lows or v, highs or v, closes or v)
    series = {"v": v} if r is None else {"v": v, "r": arrays(r)[0]}
    return evaluate(metric, series, lows, highs, closes, length_ms=HOUR).state.tolist()


VALUES = st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0, NAN])


@st.composite
def cases(draw):
    direction = draw(st.sampled_from(list(Direction)))
    n = draw(st.integers(1, 14))
    with_reference = draw(st.booleans()) and not direction.is_reject
    series = [draw(st.lists(VALUES, min_size=n, max_size=n)) for _ in range(5)]
    start = draw(st.sampled_from([0.0, 0.5] if direction.bars_before else [-0.5, 0.0, 0.5, 1.0]))
    end = start + draw(st.sampled_from([0.0, 0.5])) if direction.takes_end else None
    window = draw(st.integers(1, 5))
    metric = metric_of(direction, start, end, window, "r" if with_reference else None)
    return metric, series[0], series[1] if with_reference else None, *series[2:]


@given(cases())
def test_states_of_all_directions_equal_the_slow_reference(case):
    metric, v, r, lows, highs, closes = case
    assert states_of(metric, v, r, lows, highs, closes) == plain_states(metric, v, r, lows, highs, closes)


@given(cases())
def test_the_newest_bar_of_each_prefix_equals_the_batch(case):
    metric, v, r, *prices = case
    v, r, lows, highs, closes = arrays(v, r or v, *prices)
    whole = evaluate(metric, {"v": v, "r": r}, lows, highs, closes, length_ms=HOUR)
    for n in range(1, len(v) + 1):
        series = {"v": v[:n], "r": r[:n]}
        state, observed = evaluate_newest(metric, series, lows[:n], highs[:n], closes[:n], length_ms=HOUR)
        assert state == whole.state[n - 1]
        assert np.array_equal(observed, whole.observed[n - 1], equal_nan=True)


@given(cases())
def test_values_older_than_the_bars_needed_never_matter(case):
    metric, v, r, *prices = case
    needed = bars_needed(metric, HOUR)
    old = max(0, len(v) - needed)
    changed = [[9.0] * old + values[old:] for values in (v, r or v, *prices)]
    first = states_of(metric, v, r or v if metric.reference else None, *prices)
    second = states_of(metric, changed[0], changed[1] if metric.reference else None, *changed[2:])
    assert len(v) < needed or first[-1] == second[-1]


BOUNDARIES = {
    "above_is_strict": (("ABOVE", 1.0), [1.0, 1.1], [0, 1]),
    "below_is_strict": (("BELOW", 1.0), [1.0, 0.9], [0, 1]),
    "between_holds_at_both_ends": (("BETWEEN", 1.0, 2.0), [0.9, 1.0, 2.0, 2.1], [0, 1, 1, 0]),
    "outside_fails_at_both_ends": (("OUTSIDE", 1.0, 2.0), [0.9, 1.0, 2.0, 2.1], [1, 0, 0, 1]),
    "above_needs_all_bars_of_the_window": (("ABOVE", 0.0, None, 2), [0.0, 1.0, 1.0], [-1, 0, 1]),
    "trend_is_strict": (("TREND_UP", 1.0, None, 1), [0.0, 1.0, 2.5], [-1, 0, 1]),
    "trend_reads_the_two_ends_only": (("TREND_UP", 0.0, None, 2), [0.0, NAN, 1.0], [-1, -1, 1]),
    "trend_down_mirrors": (("TREND_DOWN", 0.0, None, 2), [2.0, 5.0, 1.0, 5.0], [-1, -1, 1, 0]),
    "a_touch_from_below_is_no_cross": (("CROSS_UP", 1.0), [0.0, 1.0, 0.0], [-1, 0, 0]),
    "a_rise_from_the_threshold_crosses": (("CROSS_UP", 1.0), [1.0, 2.0, 3.0], [-1, 1, 0]),
    "a_touch_then_a_rise_crosses_once": (("CROSS_UP", 1.0), [0.0, 1.0, 2.0, 3.0], [-1, 0, 1, 0]),
    "a_cross_in_the_window_counts": (("CROSS_UP", 1.0, None, 3), [0.0, 2.0, 3.0, 4.0, 5.0], [-1, -1, -1, 1, 0]),
    "a_cross_taken_back_is_none": (("CROSS_UP", 1.0, None, 2), [0.0, 2.0, 1.0], [-1, -1, 0]),
    "cross_down_mirrors": (("CROSS_DOWN", 1.0), [1.0, 0.0, -1.0, 1.0, 0.5], [-1, 1, 0, 0, 1]),
    "one_unknown_bar_makes_the_window_unknown": (("BELOW", 9.0, None, 2), [1, NAN, 1, 1], [-1, -1, -1, 1]),
    "unknown_wins_over_false": (("ABOVE", 0.0, None, 2), [-1.0, NAN], [-1, -1]),
}


@pytest.mark.parametrize("case", BOUNDARIES)
def test_a_condition_is_exact_at_its_boundary(case):
    condition, v, expected = BOUNDARIES[case]
    assert states_of(metric_of(*condition), v) == expected


REJECTIONS = {
    "touch_at_equality": ("REJECT_UP", [11, 11], [11, 10], [11, 11], [-1, 1]),
    "no_touch": ("REJECT_UP", [11, 11], [11, 10.1], [11, 11], [-1, 0]),
    "close_at_the_level_is_no_bounce": ("REJECT_UP", [11, 11], [11, 10], [11, 10], [-1, 0]),
    "must_come_from_above": ("REJECT_UP", [11, 11], [9, 10], [10, 11], [-1, 0]),
    "resistance_at_equality": ("REJECT_DOWN", [9, 10], [9, 9], [9, 9], [-1, 1]),
    "resistance_broken": ("REJECT_DOWN", [9, 11], [9, 9], [9, 10.5], [-1, 0]),
    "unknown_low": ("REJECT_UP", [11, 11], [11, NAN], [11, 11], [-1, -1]),
}


@pytest.mark.parametrize("case", REJECTIONS)
def test_a_rejection_touches_the_level_and_closes_on_its_side(case):
    direction, highs, lows, closes, expected = REJECTIONS[case]
    assert states_of(metric_of(direction, 0.0), [10.0, 10.0], None, lows, highs, closes) == expected


def test_the_tolerance_of_a_rejection_is_a_fraction_of_the_level():
    near = {"lows": [11, 10.5], "highs": [11, 11], "closes": [11, 11]}
    assert states_of(metric_of("REJECT_UP", 0.05), [10.0, 10.0], **near) == [-1, 1]
    assert states_of(metric_of("REJECT_UP", 0.04), [10.0, 10.0], **near) == [-1, 0]


def test_observed_is_the_anchor_less_the_reference():
    v, r = arrays([3.0, NAN, 5.0], [1.0, 1.0, 7.0])
    observed = evaluate(metric_of("ABOVE", 0.0, reference="r"), {"v": v, "r": r}, v, v, v, length_ms=HOUR).observed
    np.testing.assert_array_equal(observed, [2.0, NAN, -2.0])


def test_a_duration_is_counted_in_bars_of_the_interval():
    metric = metric_of("ABOVE", 0.0, window=2, window_unit=WindowUnit.HOURS)
    assert [metric.window_bars(length) for length in (HOUR, HOUR // 4)] == [2, 8]
    with pytest.raises(InputError, match=r"M: window: 2 HOURS: must be a whole number of bars of 5400000 ms"):
        metric.window_bars(5_400_000)


def test_absent_and_unequal_series_are_refused():
    v, short = arrays([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match=r"M: r: must be among the series: v"):
        evaluate(metric_of("ABOVE", 0.0, reference="r"), {"v": v}, v, v, v, length_ms=HOUR)
    with pytest.raises(InputError, match=r"r: \(1,\): must have the shape of v"):
        evaluate(metric_of("ABOVE", 0.0, reference="r"), {"v": v, "r": short}, v, v, v, length_ms=HOUR)
    with pytest.raises(InputError, match=r"lows: \(1,\): must have the shape"):
        evaluate(metric_of("ABOVE", 0.0), {"v": v}, short, v, v, length_ms=HOUR)
    with pytest.raises(InputError, match=r"M: no bar"):
        evaluate_newest(metric_of("ABOVE", 0.0), {"v": v[:0]}, v[:0], v[:0], v[:0], length_ms=HOUR)


def test_a_metric_that_is_never_true_is_reported_with_the_count():
    v = np.array([1.0, NAN, 2.0])
    never = metric_of("ABOVE", 5.0)
    assert "true at 0 of 2 bars" in never_true(never, evaluate(never, {"v": v}, v, v, v, length_ms=HOUR))
    once = metric_of("ABOVE", 1.5)
    assert never_true(once, evaluate(once, {"v": v}, v, v, v, length_ms=HOUR)) is None
