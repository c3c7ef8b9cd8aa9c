import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tickvol.core.errors import SchemaMismatch
from tickvol.volatility.models.boosted import boosted_inputs
from tickvol.volatility.models.input_groups import REFERENCE
from tickvol.volatility.models.inputs import Form, Input, InputMatrix, learned_inputs
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

SPEC = FeatureSpec()
NAMES = feature_names(SPEC)


def plainly(item: Input, row: dict[str, float]) -> float:
    x = row[item.column] * item.scale
    if item.over is not None:
        x = x / row[item.over] if row[item.over] > 0 else math.nan
    if item.form is Form.DAY:
        return (7 * x) % 1.0
    if item.form is Form.VALUE or math.isnan(x):
        return x
    return abs(x) if item.form is Form.MAGNITUDE else math.log(max(abs(x), item.floor))


@pytest.mark.parametrize(
    "inputs", [function(SPEC, long=long) for function in (learned_inputs, boosted_inputs) for long in (False, True)]
)
def test_inputs_equal_their_plain_definition(table: FeatureTable, inputs: tuple[Input, ...]) -> None:
    rows = np.arange(0, len(table), 97)
    reference = table.column("typical_vol")[rows]
    found = InputMatrix(inputs, SPEC)(table.values[rows], reference)
    for place, row in enumerate(rows):
        named = dict(zip(NAMES, table.values[row].tolist(), strict=True)) | {REFERENCE: float(reference[place])}
        np.testing.assert_allclose(found[place], [plainly(item, named) for item in inputs], rtol=1e-12)


def one(item: Input, **features: float) -> float:
    values: NDArray[np.float64] = np.zeros((1, len(NAMES)))
    for name, value in features.items():
        values[0, NAMES.index(name)] = value
    return float(InputMatrix((item,), SPEC)(values, np.array([2.0]))[0, 0])


@pytest.mark.parametrize(
    ("reason", "value", "expected"),
    [
        ("a ratio to the reference", 1.0, math.log(0.5)),
        ("no move at all is calm, not unknown", 0.0, math.log(1e-3)),
        ("an unknown feature stays unknown", math.nan, math.nan),
    ],
)
def test_log_input(reason: str, value: float, expected: float) -> None:
    item = Input(column="realized_vol_60", over=REFERENCE, form=Form.LOG, floor=1e-3)
    np.testing.assert_equal(one(item, realized_vol_60=value), expected, reason)


@pytest.mark.parametrize("divisor", [0.0, -1.0, math.nan])
def test_ratio_to_nothing_is_unknown(divisor: float) -> None:
    item = Input(column="tick_rate_10", over="tick_rate_900")
    assert math.isnan(one(item, tick_rate_10=1.0, tick_rate_900=divisor))


def test_unwanted_inputs_are_not_computed(table: FeatureTable) -> None:
    matrix = InputMatrix(learned_inputs(SPEC, long=False), SPEC)
    reference = table.column("typical_vol")
    whole, part = matrix(table.values, reference), matrix(table.values, reference, np.array([3, 7]))
    np.testing.assert_array_equal(part[:, [3, 7]], whole[:, [3, 7]])
    assert not np.delete(part, [3, 7], axis=1).any()


def test_inputs_do_not_change_with_price_level_volatility_level_or_time_of_day(table: FeatureTable) -> None:
    volatilities = (
        "log_return",
        "realized_vol",
        "bipower_vol",
        "range",
        "typical_vol",
        "ewma_vol",
        "value_at",
        "max_draw",
        "downside",
        "parkinson",
    )
    other = table.values.copy()
    other[:, NAMES.index("mid")] *= 7
    for name in NAMES:
        if name.startswith(volatilities):
            other[:, NAMES.index(name)] *= 5
        if name.startswith(("tick_rate", "spread_bps", "tick_intensity")):
            other[:, NAMES.index(name)] *= 3
        if name.startswith("time_of_day"):
            other[:, NAMES.index(name)] = 0.5
    matrix = InputMatrix(learned_inputs(SPEC, long=False), SPEC)
    before = matrix(table.values, table.column("typical_vol"))
    np.testing.assert_allclose(matrix(other, other[:, NAMES.index("typical_vol")]), before, rtol=1e-9, atol=1e-9)


def test_input_of_another_schema_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="realized_vol_77"):
        InputMatrix((Input(column="realized_vol_77"),), SPEC)


def test_columns_are_those_that_are_read_in_the_order_of_the_schema() -> None:
    items = (Input(column="vol_zscore", over="mid"), Input(column="mid", over=REFERENCE))
    assert InputMatrix(items, SPEC).columns == ("mid", "vol_zscore")


@pytest.mark.parametrize(
    "spec",
    [FeatureSpec(windows_s=(60,)), FeatureSpec(bar_ms=300_000, windows_s=(3600, 14400), reference_window_s=3600)],
)
def test_learned_inputs_exist_for_any_windows(spec: FeatureSpec) -> None:
    assert InputMatrix(learned_inputs(spec, long=True), spec).columns
