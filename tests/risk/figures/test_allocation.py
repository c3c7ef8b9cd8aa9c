import math
from itertools import combinations

import numpy as np
import pytest

from tickvol.risk.figures.allocation import Allocation, minimum_variance


def returns(seed: int, assets: int, days: int = 400) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    market = random.standard_normal(days)
    columns = {}
    for i in range(assets):
        columns[f"C{i}"] = 0.02 * random.uniform(0.3, 2.0) * market + 0.01 * random.standard_normal(days)
    return columns


def weigh(columns: dict[str, np.ndarray], *, long_only: bool) -> Allocation:
    return minimum_variance(columns, long_only=long_only, min_days=60, year_days=365)


def variance(columns: dict[str, np.ndarray], weights: np.ndarray) -> float:
    return float(np.var(np.column_stack(list(columns.values())) @ weights, ddof=1))


def test_two_assets_have_the_weights_of_the_textbook() -> None:
    columns = returns(1, 2)
    (a, c), (_, b) = np.cov(*columns.values())
    found = weigh(columns, long_only=False)
    assert found.weights["C0"] == pytest.approx((b - c) / (a + b - 2 * c), rel=1e-9)
    assert found.reason == ""
    assert found.days == 400


@pytest.mark.parametrize("seed", range(20))
def test_closed_form_weights_have_the_least_variance(seed: int) -> None:
    columns = returns(seed, 4)
    found = weigh(columns, long_only=False)
    best = np.array(list(found.weights.values()))
    assert best.sum() == pytest.approx(1.0, abs=1e-12)
    assert found.volatility == pytest.approx(math.sqrt(365 * variance(columns, best)))
    assert found.volatility <= found.equal_weight_volatility
    for i, j in combinations(range(4), 2):
        for step in (-1e-3, 1e-3):
            moved = best.copy()
            moved[i] += step
            moved[j] -= step
            assert variance(columns, moved) > variance(columns, best)


@pytest.mark.parametrize("seed", range(20))
def test_long_only_weights_are_the_best_of_all_subsets(seed: int) -> None:
    columns = returns(seed, 5)
    found = weigh(columns, long_only=True)
    weights = np.array(list(found.weights.values()))
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights >= 0.0).all()
    candidates = []
    for size in range(1, 6):
        for names in combinations(columns, size):
            part = np.cov(np.column_stack([columns[name] for name in names]), rowvar=False).reshape(size, size)
            own = np.linalg.solve(part, np.ones(size))
            if (own >= 0.0).all():
                candidates.append(1.0 / own.sum())
    assert variance(columns, weights) == pytest.approx(min(candidates), rel=1e-9)


def test_some_weights_are_negative_unless_that_is_forbidden() -> None:
    free, bound = (weigh(returns(2, 5), long_only=long_only) for long_only in (False, True))
    assert min(free.weights.values()) < 0.0
    assert min(bound.weights.values()) == 0.0
    assert free.volatility < bound.volatility


def test_days_on_which_a_return_is_unknown_do_not_count() -> None:
    columns = returns(3, 3)
    holed = {name: values.copy() for name, values in columns.items()}
    holed["C1"][:100] = math.nan
    found = weigh(holed, long_only=True)
    assert found.days == 300
    assert found.weights == weigh({name: values[100:] for name, values in columns.items()}, long_only=True).weights


def infeasible() -> dict[str, tuple[dict[str, np.ndarray], str]]:
    base = returns(4, 2)
    late = {**base, "NEW": np.where(np.arange(400) < 350, math.nan, base["C0"])}
    return {
        "no asset": ({}, "assets: 0: a portfolio needs at least 2"),
        "one asset": ({"C0": base["C0"]}, "assets: 1: a portfolio needs at least 2"),
        "too few days": (late, "common days: 50: at least 60 are needed; NEW has the fewest returns, 50"),
        "no movement": ({**base, "USD": np.full(400, 0.001)}, "returns of USD: they do not vary: leave it out"),
        "the same twice": (
            {**base, "COPY": base["C1"]},
            "covariance: singular, most alike are C1 and COPY with a correlation of 1.000000: leave one out",
        ),
    }


@pytest.mark.parametrize("case", infeasible())
@pytest.mark.parametrize("long_only", [False, True])
def test_where_there_are_no_weights_there_is_a_reason(case: str, long_only: bool) -> None:
    columns, reason = infeasible()[case]
    found = weigh(columns, long_only=long_only)
    assert found.reason == reason
    assert found.weights == {}
    assert math.isnan(found.volatility)
