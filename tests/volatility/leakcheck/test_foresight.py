"""How far a feature sees, measured in rows of the real engine and in planted ones."""

from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.leakcheck import planted
from tickvol.volatility.leakcheck.foresight import Foresight, foresight
from tickvol.volatility.schema.feature_table import FeatureTable


def market() -> FeatureTable:
    """One product of it."""
    table = planted.market()
    return table.take(table.product == 0)


def seen(table: FeatureTable) -> dict[str, Foresight]:
    found, _ = foresight(table, table.values, max_ahead_bars=100, min_bars=2000)
    return {of.feature: of for of in found}


def test_honest_features_see_nothing_although_volatility_clusters() -> None:
    assert max(of.step for of in seen(market()).values()) < 0.15


@pytest.mark.parametrize("ahead", [1, 2, 30, 100])
@pytest.mark.parametrize("signed", [True, False])
def test_a_future_return_is_found_at_its_distance(ahead: int, signed: bool) -> None:
    table = market()
    returns = table.column("bar_log_return")
    column = planted.by_product(table, returns if signed else np.abs(returns), lambda s: s.shift(-ahead))
    of = seen(planted.with_column(table, "jump_share_60", column))["jump_share_60"]
    assert of.bars_ahead == ahead
    assert of.step > 0.4


def test_a_window_that_ends_at_the_row_is_no_foresight_however_short() -> None:
    table = market()
    column = planted.by_product(table, np.abs(table.column("bar_log_return")), lambda s: s.rolling(2).max())
    assert seen(planted.with_column(table, "jump_share_60", column))["jump_share_60"].step < 0.15


def test_rows_on_both_sides_of_a_hole_are_as_far_apart_as_their_times() -> None:
    table = market()
    column = planted.by_product(table, table.column("bar_log_return"), lambda s: s.shift(-30))
    leaking = planted.with_column(table, "jump_share_60", column)
    holes_ns = np.arange(len(table)) // 20 * 3600 * 10**9  # 30 rows later lies behind one or two holes
    apart = replace(leaking, bar_end_ns=leaking.bar_end_ns + holes_ns)
    assert seen(leaking)["jump_share_60"].step > 0.4
    assert seen(apart)["jump_share_60"].step < 0.15


def test_products_with_few_bars_and_features_that_are_hardly_known_are_left_out() -> None:
    table = market()
    _, bars = foresight(table, table.values, max_ahead_bars=10, min_bars=10**6)
    assert bars == {}
    assert seen(planted.with_column(table, "range_60", np.full(len(table), np.nan)))["range_60"].step == 0.0
    assert seen(planted.with_column(table, "range_60", np.ones(len(table))))["range_60"].step == 0.0
