import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.synthetic import synthetic_table
from tests.volatility.labels.reference import future_vol_of
from tickvol.core.errors import UsageError
from tickvol.core.times import NS_PER_S
from tickvol.volatility.labels.future import future_vol
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable


def rows_of(returns: list[float], seconds: list[int], products: list[int] | None = None) -> FeatureTable:
    spec = FeatureSpec()
    values = np.zeros((len(returns), len(feature_names(spec))))
    values[:, 1] = returns
    product = np.array(products or [0] * len(returns), np.int32)
    return FeatureTable(spec, ("A-B", "C-D"), product, np.array(seconds, np.int64) * NS_PER_S, values)


def test_future_vol_takes_the_bars_after_the_row_and_not_its_own() -> None:
    table = rows_of([9.0, 3.0, 4.0, 7.0], [1, 2, 3, 4])
    assert future_vol(table, 2)[0] == 5.0


@pytest.mark.parametrize(
    ("reason", "table"),
    [
        ("the horizon ends beyond the last row", rows_of([1.0, 1.0], [1, 2])),
        ("a bar of the horizon is missing", rows_of([1.0, 1.0, 1.0], [1, 2, 4])),
        ("a return of the horizon is unknown", rows_of([1.0, np.nan, 1.0], [1, 2, 3])),
        ("the rows behind belong to another product", rows_of([1.0, 1.0, 1.0], [1, 2, 3], [0, 0, 1])),
        ("there is no row", rows_of([], [])),
    ],
)
def test_future_vol_is_unknown_where(reason: str, table: FeatureTable) -> None:
    assert np.isnan(future_vol(table, 2)[:1]).all(), reason


def test_an_unknown_own_return_does_not_hide_the_future() -> None:
    assert future_vol(rows_of([np.nan, 3.0, 4.0], [1, 2, 3]), 2)[0] == 5.0


@pytest.mark.parametrize("horizon_s", [0, -60])
def test_horizon_must_be_positive(horizon_s: int) -> None:
    with pytest.raises(UsageError, match=r"labels\.horizon_s"):
        future_vol(rows_of([1.0], [1]), horizon_s)


def test_horizon_must_be_whole_bars() -> None:
    table = synthetic_table(hours=1, spec=FeatureSpec(bar_ms=2000))
    with pytest.raises(UsageError, match="multiple of the rows' bar"):
        future_vol(table, 61)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    horizon_s=st.sampled_from([1, 2, 17, 60]),
    gaps=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 200)), max_size=3),
)
def test_future_vol_equals_the_plain_reference(seed: int, horizon_s: int, gaps: list[tuple[int, int]]) -> None:
    lost = [(first, first + length) for first, length in gaps]
    table = synthetic_table(seed, hours=0.3, products=("BTC-USD", "ETH-USD"), gaps=lost)
    np.testing.assert_allclose(future_vol(table, horizon_s), future_vol_of(table, horizon_s), rtol=1e-12, atol=0)


def test_future_vol_of_a_row_does_not_depend_on_what_else_the_table_holds() -> None:
    table = synthetic_table(3, hours=0.5)
    whole = future_vol(table, 60)
    part = future_vol(table.take(np.arange(200, 700)), 60)
    np.testing.assert_array_equal(part[:440], whole[200:640])
    assert np.isnan(part[440:]).all()
