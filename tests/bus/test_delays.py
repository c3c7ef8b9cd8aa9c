import math
import random

import pytest

from tickvol.bus.delays import Delays


def test_nothing_measured_says_so():
    assert Delays().summary() == {"count": 0}
    assert math.isnan(Delays().quantile_ns(0.5))


@pytest.mark.parametrize("spread", ["positive", "both signs"])
def test_quantiles_are_within_one_percent_of_the_sorted_delays(spread):
    source = random.Random(5)
    values = [round(math.exp(source.uniform(5, 24))) for _ in range(5000)]
    if spread == "both signs":
        values = [value if source.random() < 0.7 else -value for value in values] + [0] * 10
    delays = Delays()
    for value in values:
        delays.add(value)
    values.sort()
    for share in (0.01, 0.25, 0.5, 0.99, 1.0):
        exact = values[math.ceil(share * len(values)) - 1]
        assert delays.quantile_ns(share) == pytest.approx(exact, rel=0.01)
    assert delays.summary()["max_ms"] == values[-1] / 1e6
    assert delays.summary()["min_ms"] == values[0] / 1e6


def test_memory_does_not_grow_with_their_number():
    delays = Delays()
    for value in range(1, 100_000):
        delays.add(value)
    assert len(delays._buckets) < 1200
