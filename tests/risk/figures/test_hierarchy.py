import math

import numpy as np
import pytest

from tickvol.risk.figures.hierarchy import hierarchy, mean_interval

BOOTSTRAP = {"block_days": 90, "samples": 1_000, "confidence": 0.95, "seed": 1}


def slow_noise(days: int, seed: int) -> np.ndarray:
    """Values that remember a month: an autoregression."""
    random, value, values = np.random.default_rng(seed), 0.0, np.empty(days)
    for t in range(days):
        value = 0.967 * value + 0.02 * random.standard_normal()
        values[t] = value
    return values


def test_assets_are_ranked_by_their_mean_volatility() -> None:
    found = hierarchy(
        {"SOL": 0.9 + slow_noise(900, 1), "BTC": 0.4 + slow_noise(900, 2), "NEW": np.full(900, math.nan)}, **BOOTSTRAP
    )
    assert [(asset.name, asset.rank) for asset in found.ranking] == [("BTC", 1), ("SOL", 2)]
    (pair,) = found.differences
    assert pair.low < pair.difference < pair.high
    assert pair.distinguishable
    assert str(pair).startswith("BTC and SOL: distinguishable, difference 0.")


def test_assets_of_one_volatility_are_not_distinguishable() -> None:
    found = hierarchy({"A": 0.5 + slow_noise(900, 3), "B": 0.5 + slow_noise(900, 4)}, **BOOTSTRAP)
    assert not found.differences[0].distinguishable
    assert ": not distinguishable, difference" in str(found.differences[0])


def test_a_difference_is_that_of_the_common_days() -> None:
    a, b = np.full(900, 0.5), np.full(900, 0.7)
    b[:600] = math.nan
    a[600:] = 0.6
    (pair,) = hierarchy({"A": a, "B": b}, **BOOTSTRAP).differences
    assert pair.difference == pytest.approx(0.1)
    assert pair.days == 300


def test_too_few_common_days_tell_nothing_apart() -> None:
    (pair,) = hierarchy({"A": np.full(269, 0.1), "B": np.full(269, 0.9)}, **BOOTSTRAP).differences
    assert not pair.distinguishable
    assert str(pair) == "A and B: not distinguishable, too few common days (269)"


def test_equal_arguments_give_equal_intervals() -> None:
    volatilities = {"A": 0.5 + slow_noise(500, 5), "B": 0.6 + slow_noise(500, 6)}
    assert hierarchy(volatilities, **BOOTSTRAP) == hierarchy(volatilities, **BOOTSTRAP)
    assert hierarchy({}, **BOOTSTRAP).ranking == ()


def test_the_interval_of_independent_values_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(7).standard_normal(2_000)
    low, high = mean_interval(values, block_days=1, samples=4_000, confidence=0.95, seed=1)
    assert (high - low) / (2 * 1.96 * values.std() / math.sqrt(2_000)) == pytest.approx(1.0, abs=0.06)


def test_intervals_of_dependent_values_cover_their_mean() -> None:
    covered = 0
    for seed in range(200):
        low, high = mean_interval(slow_noise(1_500, seed), block_days=90, samples=300, confidence=0.95, seed=seed)
        covered += low < 0.0 < high
    assert 0.78 <= covered / 200 <= 0.97
