import math

import numpy as np
import pytest

from tickvol.risk.figures.quantiles import lower_quantile, quantile, sorted_rows, tail_mean


def rows_with_holes() -> np.ndarray:
    random = np.random.default_rng(1)
    rows = random.standard_normal((60, 365))
    rows[random.random(rows.shape) < 0.2] = np.nan
    return rows


@pytest.mark.parametrize("level", [0.0, 0.01, 0.05, 0.5, 0.975, 1.0])
def test_quantiles_are_those_of_numpy(level: float) -> None:
    rows = rows_with_holes()
    ordered = sorted_rows(rows)
    np.testing.assert_allclose(quantile(*ordered, level), np.nanquantile(rows, level, axis=1), rtol=1e-14)
    expected = [np.quantile(row[~np.isnan(row)], level, method="inverted_cdf") for row in rows]
    np.testing.assert_array_equal(lower_quantile(*ordered, level), expected)


def test_a_quantile_at_a_value_leaves_that_value_in_the_tail() -> None:
    for count in range(21, 4_002, 20):
        values = np.sort(np.random.default_rng(count).standard_normal(count))
        ordered = sorted_rows(values[None, :])
        limit = quantile(*ordered, 0.05)
        place = (count - 1) // 20
        assert limit[0] == values[place]
        assert tail_mean(ordered[0], limit)[0] == math.fsum(values[: place + 1].tolist()) / (place + 1)


def test_a_product_that_misses_an_integer_by_rounding_is_that_integer() -> None:
    values = np.arange(101.0)
    assert 100 * 0.29 < 29
    assert quantile(*sorted_rows(values[None, :]), 0.29)[0] == 29.0
    assert lower_quantile(*sorted_rows(values[None, :100]), 0.29)[0] == 28.0


def test_a_row_without_a_value_has_no_quantile() -> None:
    ordered = sorted_rows(np.array([[math.nan, math.nan], [math.nan, 2.0]]))
    np.testing.assert_array_equal(quantile(*ordered, 0.05), [math.nan, 2.0])
    np.testing.assert_array_equal(lower_quantile(*ordered, 0.05), [math.nan, 2.0])
    np.testing.assert_array_equal(tail_mean(ordered[0], np.array([math.nan, 1.0])), [math.nan, math.nan])
    empty = sorted_rows(np.empty((1, 0)))
    assert math.isnan(quantile(*empty, 0.05)[0])
    assert math.isnan(lower_quantile(*empty, 0.05)[0])
