"""Checks of bars: unknown, impossible, disordered and repeated ones are refused."""

import math

import numpy as np
import pytest

from tests.signals.indicators.market import HOUR_MS, MONDAY_MS, keep, replaced, walk
from tickvol.core.errors import InputError
from tickvol.signals.indicators.bars import Bar, Bars

BAD_VALUES = [
    *(("open", value, reason) for value, reason in ((math.nan, "unknown"), (-1.0, "below 0"), (9.0, "above high"))),
    *(
        ("high", value, reason)
        for value, reason in ((math.nan, "unknown"), (math.inf, "infinite"), (1.5, "below open"))
    ),
    *(("low", value, reason) for value, reason in ((math.nan, "unknown"), (0.0, "no price"), (2.5, "above close"))),
    *(("close", value, reason) for value, reason in ((math.nan, "unknown"), (0.5, "below low"))),
    *(
        ("volume", value, reason)
        for value, reason in ((math.nan, "unknown"), (-1.0, "below 0"), (math.inf, "infinite"))
    ),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD_VALUES)
def test_a_bar_with_an_impossible_value_is_refused(name, value, reason):
    good = {"open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 0.0}
    Bar(HOUR_MS, **good)
    with pytest.raises(InputError, match="bar that closes at 3600000: must hold 0 < low"):
        Bar(HOUR_MS, **(good | {name: value}))
    columns = {column: np.array([number, number]) for column, number in good.items()}
    columns[name][1] = value
    with pytest.raises(InputError, match="bar that closes at 7200000: must hold 0 < low"):
        Bars(np.array([HOUR_MS, 2 * HOUR_MS]), **columns, length_ms=HOUR_MS)


@pytest.mark.parametrize(
    ("order", "fault"), [([0, 2, 1], MONDAY_MS + 2 * HOUR_MS), ([0, 1, 1], MONDAY_MS + 2 * HOUR_MS)]
)
def test_bars_out_of_order_or_twice_are_refused(order, fault):
    with pytest.raises(InputError, match=f"close_time_ms: {fault}: must lie after the time before it"):
        keep(walk(3), np.array(order))


def test_inclusive_ends_and_microseconds_are_refused():
    bars = walk(3)
    with pytest.raises(InputError, match=f"close_time_ms: {MONDAY_MS + HOUR_MS - 1}: must be a multiple of 3600000"):
        replaced(bars, close_time_ms=bars.close_time_ms - 1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"close": np.ones(2)}, r"close: float64 \(2,\): must be float64 \(3,\)"),
        ({"volume": np.ones(3, dtype=np.float32)}, r"volume: float32 \(3,\): must be float64 \(3,\)"),
        ({"close_time_ms": np.arange(3.0)}, r"close_time_ms: float64 \(3,\): must be one-dimensional int64"),
    ],
)
def test_columns_of_another_type_or_length_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        replaced(walk(3), **columns)


def test_bars_below_a_minute_are_refused():
    with pytest.raises(InputError, match="length_ms: 1000: must be at least 60000"):
        walk(3, length_ms=1000)


def test_a_slice_of_bars_and_a_bar_hold_the_same_values():
    bars = walk(5)
    assert len(bars[1:3]) == 2
    assert bars[1:3].bar(0) == bars.bar(1)
    assert bars.bar(1).close == bars.close[1]
