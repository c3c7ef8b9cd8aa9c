"""Closed candles through the engine: the slow reference, any cut of the input, and what a candle cannot know."""

import numpy as np
import pytest

from tests.volatility.features.reference import ReferenceCandles
from tickvol.core.candle_columns import CandleColumns
from tickvol.volatility.features.engine import FeatureEngine, FeatureRows
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPEC = FeatureSpec(
    bar_ms=300_000,
    grace_ms=0,
    max_carry_s=0,
    max_silence_s=1,
    windows_s=(900, 1800, 7200),
    reference_window_s=900,
    half_lives_s=(900, 3600),
    duplicate_memory_s=0,
)
START = 5_900_000
QUOTED = ("tick_rate", "spread_bps", "quote_imbalance", "order_flow_imbalance", "tick_intensity")


def candles(seed: int, count: int = 400, *, absent: float = 0.05, products: int = 1) -> CandleColumns:
    """Random candles; some are absent, some come twice, and once a day is absent."""
    rng = np.random.default_rng(seed)
    number = START + np.flatnonzero(rng.random(count) >= absent)
    number = number[(number < START + count // 2) | (number > START + count // 2 + 60)]
    number = np.insert(number, 50, number[49])
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, len(number)) * (rng.random(len(number)) < 0.9)))
    high, low = close * np.exp(rng.gamma(1, 1e-4, len(number))), close * np.exp(-rng.gamma(1, 1e-4, len(number)))
    product = (
        np.zeros(len(number), np.int32) if products == 1 else rng.integers(0, products, len(number)).astype(np.int32)
    )
    return CandleColumns(product, number * SPEC.bar_ns, high, low, close)


def part(table: CandleColumns, rows: slice) -> CandleColumns:
    return CandleColumns(
        table.product[rows], table.start_ns[rows], table.high[rows], table.low[rows], table.close[rows]
    )


@pytest.mark.parametrize("seed", range(3))
def test_candles_give_the_rows_of_the_reference(seed: int) -> None:
    table = candles(seed)
    found = FeatureEngine(SPEC, ("A",)).push_candles(table)
    slow, rows, late = ReferenceCandles(SPEC), [], []
    numbers = (table.start_ns // SPEC.bar_ns).tolist()
    for i, candle in enumerate(zip(numbers, table.high, table.low, table.close, strict=True)):
        made, too_late = slow.take(*candle)
        rows += made
        late += [i] if too_late else []
    assert found.late.tolist() == late != []
    assert found.bar_end_ns.tolist() == [row.bar_end_ns for row in rows]
    for column, name in enumerate(feature_names(SPEC)):
        expected = np.array([row.values[name] for row in rows])
        floor = 1e-7 if name == "vol_zscore" else 1e-11
        np.testing.assert_allclose(found.values[:, column], expected, rtol=1e-9, atol=floor, err_msg=name)


def test_any_cut_of_the_candles_gives_the_same_bits() -> None:
    table = candles(7, products=3)
    names = ("A", "B", "C")
    whole = FeatureEngine(SPEC, names).push_candles(table)
    engine, rng, parts, start = FeatureEngine(SPEC, names), np.random.default_rng(1), [], 0
    while start < len(table):
        size = int(rng.integers(1, 40))
        parts.append(engine.push_candles(part(table, slice(start, start + size))))
        start += size
    assert joined(parts, "values").tobytes() == whole.values.tobytes()
    assert joined(parts, "bar_end_ns").tobytes() == whole.bar_end_ns.tobytes()


def joined(parts: list[FeatureRows], name: str) -> np.ndarray:
    return np.concatenate([getattr(rows, name) for rows in parts])


def test_a_row_does_not_move_when_later_candles_change() -> None:
    table = candles(3)
    changed = CandleColumns(table.product, table.start_ns, table.high * 9, table.low.copy(), table.close.copy())
    changed.low[200:] /= 3
    changed.close[200:] *= 2
    changed.high[:200] = table.high[:200]
    before = table.start_ns[199] + SPEC.bar_ns
    rows = [FeatureEngine(SPEC, ("A",)).push_candles(one) for one in (table, changed)]
    kept = [one.values[one.bar_end_ns <= before] for one in rows]
    assert kept[0].tobytes() == kept[1].tobytes()
    assert rows[0].values.tobytes() != rows[1].values.tobytes()


def test_what_needs_quotes_is_unknown_and_what_needs_prices_is_not() -> None:
    rows = FeatureEngine(SPEC, ("A",)).push_candles(candles(1, absent=0.0))
    last = dict(zip(feature_names(SPEC), rows.values[-1], strict=True))
    for name, value in last.items():
        assert np.isnan(value) == name.startswith(QUOTED), name


def test_an_absent_candle_is_unknown_and_not_calm() -> None:
    table = candles(1, absent=0.0)
    hole = slice(100, 101)
    rows = FeatureEngine(SPEC, ("A",)).push_candles(
        CandleColumns(
            *(np.delete(getattr(table, name), hole) for name in ("product", "start_ns", "high", "low", "close"))
        )
    )
    of_hole = rows.bar_end_ns == table.start_ns[100] + SPEC.bar_ns
    values = dict(zip(feature_names(SPEC), rows.values[of_hole][0], strict=True))
    assert np.isnan(values["mid"])
    assert np.isnan(values["bar_log_return"])
    assert values["coverage_900"] == pytest.approx(2 / 3)
