from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic import synthetic_table
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.labels.future import future_vol
from tickvol.volatility.labels.scorable import coverage_windows, scorable, unscorable_reasons
from tickvol.volatility.labels.spikes import fit_thresholds, label_values, spikes, trainable
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec

RELATIVE = LabelSpec()
ABSOLUTE = LabelSpec(kind=LabelKind.ABSOLUTE)
TWO = ("BTC-USD", "ETH-USD")


def with_column(table: FeatureTable, name: str, value: float, row: int) -> FeatureTable:
    values = table.values.copy()
    values[row, table.names.index(name)] = value
    return replace(table, values=values)


def test_relative_label_compares_with_the_typical_minute() -> None:
    table = synthetic_table(1, hours=1)
    expected = future_vol(table, 60) / table.column("typical_vol")
    np.testing.assert_array_equal(label_values(table, RELATIVE), expected)


def test_relative_label_scales_the_typical_minute_to_the_horizon() -> None:
    table = synthetic_table(1, hours=1)
    expected = future_vol(table, 240) / (table.column("typical_vol") * 2.0)
    np.testing.assert_array_equal(label_values(table, LabelSpec(horizon_s=240)), expected)


@pytest.mark.parametrize("typical", [0.0, np.nan])
def test_relative_label_is_unknown_without_a_positive_typical_volatility(typical: float) -> None:
    table = with_column(synthetic_table(1, hours=1), "typical_vol", typical, 2000)
    assert np.isnan(label_values(table, RELATIVE)[2000])
    assert not trainable(table, RELATIVE)[2000]
    assert np.isfinite(label_values(table, ABSOLUTE)[2000])


@pytest.mark.parametrize(
    ("column", "value", "is_scorable"),
    [
        ("coverage_60", 1.0, True),
        ("coverage_60", 59 / 60, False),
        ("coverage_60", np.nan, False),
        ("coverage_300", 0.8, True),
        ("coverage_300", 0.79, False),
        ("coverage_900", 0.1, True),
        ("robust_z", np.nan, True),
    ],
)
def test_scorable_depends_on_the_coverage_of_the_past(column: str, value: float, is_scorable: bool) -> None:
    table = with_column(synthetic_table(1, hours=1, gaps=()), column, value, 2000)
    assert scorable(table)[2000] == is_scorable
    reason = unscorable_reasons(table)[2000]
    assert reason is None if is_scorable else reason is not None and column in reason


def test_scorable_for_the_relative_label_needs_the_typical_volatility() -> None:
    table = with_column(synthetic_table(1, hours=1, gaps=()), "typical_vol", np.nan, 2000)
    assert scorable(table)[2000]
    assert scorable(table, ABSOLUTE)[2000]
    assert not scorable(table, RELATIVE)[2000]
    assert "typical_vol" in str(unscorable_reasons(table, RELATIVE)[2000])


def test_scorable_follows_the_windows_of_the_spec() -> None:
    assert coverage_windows(FeatureSpec(windows_s=(60, 900), reference_window_s=900)) == (900, 900)


def test_thresholds_come_from_train_rows_alone() -> None:
    table = synthetic_table(2, hours=2, products=TWO)
    values = label_values(table, RELATIVE)
    train = trainable(table, RELATIVE, values) & (np.arange(len(table)) % 7200 < 4000)
    fitted = fit_thresholds(table, RELATIVE, values, train)
    changed = np.where(train, values, values * 100)
    assert fit_thresholds(table, RELATIVE, changed, train) == fitted
    assert fitted.common == np.quantile(values[train], 0.9)


def test_absolute_thresholds_are_those_of_each_product() -> None:
    table = synthetic_table(2, hours=2, products=TWO)
    values = label_values(table, ABSOLUTE)
    train = trainable(table, ABSOLUTE, values)
    fitted = fit_thresholds(table, ABSOLUTE, values, train)
    expected = {name: np.quantile(values[train & (table.product == place)], 0.9) for place, name in enumerate(TWO)}
    assert fitted.by_product == expected
    positive, known = spikes(table, fitted, values)
    np.testing.assert_array_equal(
        positive[known], values[known] >= np.array(list(expected.values()))[table.product[known]]
    )


def test_spikes_of_a_product_without_threshold_are_unknown() -> None:
    table = synthetic_table(2, hours=1, products=TWO)
    values = label_values(table, ABSOLUTE)
    fitted = fit_thresholds(table, ABSOLUTE, values, trainable(table, ABSOLUTE, values) & (table.product == 0))
    positive, known = spikes(table, fitted, values)
    assert not known[table.product == 1].any()
    assert not positive[table.product == 1].any()


def test_a_value_at_the_threshold_is_a_spike() -> None:
    table = synthetic_table(2, hours=1)
    values = np.where(np.arange(len(table)) % 2 == 0, 1.0, 3.0)
    fitted = fit_thresholds(table, LabelSpec(quantile=0.9), values, np.ones(len(table), np.bool_))
    assert fitted.common == 3.0
    assert spikes(table, fitted, values)[0].sum() == len(table) // 2


@pytest.mark.parametrize(("values", "train"), [(0.0, True), (1.0, False)])
def test_threshold_of_a_dead_market_or_an_empty_split_is_refused(values: float, train: bool) -> None:
    table = synthetic_table(2, hours=0.5)
    with pytest.raises(NotEnoughData):
        fit_thresholds(table, RELATIVE, np.full(len(table), values), np.full(len(table), train))
