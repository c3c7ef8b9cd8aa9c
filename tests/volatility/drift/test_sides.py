"""Which rows a drift report compares."""

import numpy as np
import pytest

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.sides import (
    DriftSides,
    between,
    early_against_late,
    recent_against_earlier,
    same_hours_only,
    thinned,
)
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

SPEC = FeatureSpec()
MIDNIGHT_NS = 1_775_260_800 * NS_PER_S  # 2026-04-04T00:00:00Z


def table_of(seconds: np.ndarray, *, products: tuple[str, ...] = ("BTC-USD",)) -> FeatureTable:
    bar_end_ns = np.tile(MIDNIGHT_NS + seconds.astype(np.int64) * NS_PER_S, len(products))
    product = np.repeat(np.arange(len(products), dtype=np.int32), len(seconds))
    return FeatureTable(SPEC, products, product, bar_end_ns, np.zeros((len(product), len(feature_names(SPEC)))))


def test_halves_split_all_products_at_one_instant_and_lie_one_look_back_apart() -> None:
    table = table_of(np.arange(10_000), products=("BTC-USD", "ETH-USD"))
    sides = early_against_late(table)
    assert sides.reference.bar_end_ns.max() < sides.current.bar_end_ns.min()
    apart_s = (sides.current.bar_end_ns.min() - sides.reference.bar_end_ns.max()) // NS_PER_S
    assert apart_s == SPEC.lookback_s + 1
    assert len(sides.reference) == 2 * 5_000


def test_too_short_a_table_has_no_halves() -> None:
    with pytest.raises(NotEnoughData, match="one look-back"):
        early_against_late(table_of(np.arange(SPEC.lookback_s)))
    with pytest.raises(NotEnoughData, match="no rows"):
        early_against_late(table_of(np.zeros(0)))


def test_between_holds_its_start_and_not_its_end() -> None:
    table = table_of(np.arange(10))
    kept = between(table, MIDNIGHT_NS + 2 * NS_PER_S, MIDNIGHT_NS + 5 * NS_PER_S)
    assert (kept.bar_end_ns - MIDNIGHT_NS).tolist() == [2 * NS_PER_S, 3 * NS_PER_S, 4 * NS_PER_S]


def test_same_hours_cuts_the_reference_to_the_hours_of_the_current_side() -> None:
    reference = table_of(np.arange(0, 86_400, 60))
    current = table_of(np.arange(86_400 + 3 * 3600, 86_400 + 5 * 3600, 60))
    sides = same_hours_only(DriftSides("live against yesterday", reference, current))
    hours = (sides.reference.bar_end_ns - MIDNIGHT_NS) // (3600 * NS_PER_S)
    assert set(hours.tolist()) == {3, 4}
    assert sides.how.endswith("same hours of the UTC day")


def test_same_hours_refuses_a_reference_without_them() -> None:
    night, noon = table_of(np.arange(600)), table_of(np.arange(43_200, 43_800))
    with pytest.raises(NotEnoughData, match=r"no row in the current side's hours.*12"):
        same_hours_only(DriftSides("night against noon", night, noon))


def test_recent_rows_are_compared_with_the_same_hours_of_the_days_before() -> None:
    days = table_of(np.arange(0, 9 * 86_400, 60))
    sides = recent_against_earlier(days, recent_s=3 * 3600, reference_days=7)
    first, last = sides.current.bar_end_ns[[0, -1]]
    assert last - first == (3 * 3600 - 60) * NS_PER_S
    assert last == days.bar_end_ns[-1]
    assert sides.reference.bar_end_ns.max() < first - SPEC.lookback_s * NS_PER_S
    assert sides.reference.bar_end_ns.min() >= first - 7 * 86_400 * NS_PER_S
    hours = [set((side.bar_end_ns // (3600 * NS_PER_S) % 24).tolist()) for side in (sides.reference, sides.current)]
    assert hours[0] == hours[1] == {21, 22, 23}
    assert "newest 3 hours" in sides.how


def test_recent_rows_without_days_before_them_are_told() -> None:
    with pytest.raises(NotEnoughData, match="no row in the current side's hours"):
        recent_against_earlier(table_of(np.arange(0, 40_000, 60)), recent_s=3600, reference_days=7)
    with pytest.raises(NotEnoughData, match="no rows"):
        recent_against_earlier(table_of(np.zeros(0)), recent_s=3600, reference_days=7)


def test_thinning_keeps_first_and_last_row_and_is_repeatable() -> None:
    table = table_of(np.arange(1_000))
    thin = thinned(table, 10)
    assert len(thin) == 10
    assert thin.bar_end_ns[[0, -1]].tolist() == table.bar_end_ns[[0, -1]].tolist()
    assert thinned(table, 10).bar_end_ns.tolist() == thin.bar_end_ns.tolist()
    assert thinned(table, 1_000) is table
