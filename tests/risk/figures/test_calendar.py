import math

import numpy as np
import pytest

from tickvol.risk.figures.calendar import aligned, day_number, day_text, days_between, on_calendar


def test_days_are_numbered_from_the_epoch() -> None:
    assert [day_number(day) for day in ("1969-12-31", "1970-01-01", "2024-03-01")] == [-1, 0, 19783]
    assert all(day_number(day_text(number)) == number for number in range(-800, 40_000, 37))


def test_days_between_has_both_ends_and_the_leap_day() -> None:
    assert days_between("2024-02-28", "2024-03-01") == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert days_between("2024-03-01", "2024-02-28") == []


def test_a_day_without_a_row_has_no_close() -> None:
    first, closes = on_calendar([("2025-01-03", 3.0), ("2025-01-01", 1.0)])
    assert day_text(first) == "2025-01-01"
    np.testing.assert_array_equal(closes, [1.0, math.nan, 3.0])


def test_a_day_with_two_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="2025-01-01 appears twice"):
        on_calendar([("2025-01-01", 1.0), ("2025-01-01", 1.0)])


def test_no_rows_give_an_empty_calendar() -> None:
    assert on_calendar([])[1].shape == (0,)


def test_aligned_series_share_the_days_of_all() -> None:
    first, arrays = aligned({"A": (10, np.array([1.0, 2.0])), "B": (12, np.array([3.0])), "C": (0, np.empty(0))})
    assert first == 10
    np.testing.assert_array_equal(arrays["A"], [1.0, 2.0, math.nan])
    np.testing.assert_array_equal(arrays["B"], [math.nan, math.nan, 3.0])
    np.testing.assert_array_equal(arrays["C"], [math.nan] * 3)
    assert aligned({"C": (5, np.empty(0))})[1]["C"].shape == (0,)
