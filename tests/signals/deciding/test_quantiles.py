"""Trailing quantiles equal a loop, look at the past only, and are unknown on thin history."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.signals.deciding.quantiles import trailing_quantile


def plain_quantile(values, bars, percent):
    found = []
    for i in range(len(values)):
        known = sorted(x for x in values[max(0, i - bars + 1) : i + 1] if not math.isnan(x))
        rank = max(1, -(-percent * len(known) // 100))
        found.append(known[rank - 1] if 2 * len(known) >= bars else math.nan)
    return found


VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, math.nan]), min_size=1, max_size=40)


@given(VALUES, st.integers(2, 12), st.sampled_from([0, 7, 10, 50, 99, 100]), st.integers(0, 39))
def test_the_quantile_equals_a_loop_from_any_first_bar(values, bars, percent, first):
    first = min(first, len(values))
    found = trailing_quantile(np.array(values), bars, percent / 100, first=first)
    np.testing.assert_array_equal(found, plain_quantile(values, bars, percent)[first:])


def test_long_series_are_ranked_in_pieces_with_one_result():
    values = np.random.default_rng(2).standard_normal(2500)
    np.testing.assert_array_equal(trailing_quantile(values, 50, 0.1), plain_quantile(values.tolist(), 50, 10))


@pytest.mark.parametrize("percent", [7, 14, 28, 29, 55, 56, 57, 58])
def test_a_rank_that_is_whole_is_not_rounded_up(percent):
    values = np.arange(100.0)
    assert trailing_quantile(values, 100, percent / 100)[-1] == percent - 1


def test_a_guard_that_is_off_has_no_quantile():
    assert np.isnan(trailing_quantile(np.ones(3), 2, None)).all()
