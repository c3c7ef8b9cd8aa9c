import numpy as np
import pytest

from tickvol.risk.figures.correlation import common_days, correlation


@pytest.mark.parametrize(
    ("a", "b", "start", "days"),
    [
        ((0, 10), (0, 10), 0, 10),
        ((0, 10), (4, 10), 4, 6),
        ((7, 2), (0, 20), 7, 2),
        ((0, 3), (3, 3), 3, 0),
        ((9, 3), (0, 3), 9, 0),
    ],
    ids=["the same", "one starts later", "one inside the other", "they touch", "nothing in common"],
)
def test_common_days_are_the_overlap(a: tuple[int, int], b: tuple[int, int], start: int, days: int) -> None:
    first, of_a, of_b = common_days(*a, *b)
    own_a, own_b = np.arange(a[0], sum(a)), np.arange(b[0], sum(b))
    assert first == start
    np.testing.assert_array_equal(own_a[of_a], range(start, start + days))
    np.testing.assert_array_equal(own_b[of_b], range(start, start + days))


def test_correlation_stays_within_one() -> None:
    a = np.random.default_rng(1).standard_normal(500) * 1e-9
    found = correlation(a, 3.0 * a, 30, 27)
    assert found.full == pytest.approx(1.0, abs=1e-12)
    assert np.nanmax(found.rolling) <= 1.0
    opposite = correlation(a, -a, 30, 27)
    assert np.nanmin(opposite.rolling) >= -1.0
    assert opposite.full == pytest.approx(-1.0, abs=1e-12)
