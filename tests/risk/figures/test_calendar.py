import math

import numpy as np

from tickvol.risk.figures.calendar import aligned, day_number, day_text, days_from


def test_days_are_numbered_from_the_epoch() -> None:
    assert [day_number(day) for day in ("1969-12-31", "1970-01-01", "2024-03-01")] == [-1, 0, 19783]
    assert all(day_number(day_text(number)) == number for number in range(-800, 40_000, 37))


def test_consecutive_days_have_the_leap_day() -> None:
    assert days_from(day_number("2024-02-28"), 3) == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert days_from(0, 0) == []


def test_aligned_series_share_the_days_of_all() -> None:
    first, arrays = aligned({"A": (10, np.array([1.0, 2.0])), "B": (12, np.array([3.0])), "C": (0, np.empty(0))})
    assert first == 10
    np.testing.assert_array_equal(arrays["A"], [1.0, 2.0, math.nan])
    np.testing.assert_array_equal(arrays["B"], [math.nan, math.nan, 3.0])
    np.testing.assert_array_equal(arrays["C"], [math.nan] * 3)
    assert aligned({"C": (5, np.empty(0))})[1]["C"].shape == (0,)
