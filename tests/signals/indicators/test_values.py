"""Values of the indicators: against plain references, and where nothing moves or nothing is traded."""

import numpy as np
import pytest

from tests.signals.indicators.market import COMPUTED, flat, replaced, walk, without
from tests.signals.indicators.reference import VALUE, windows
from tickvol.core.errors import InputError
from tickvol.signals.indicators.compute import compute
from tickvol.signals.indicators.registry import INDICATORS

SCALE_IS_PRICE = {"macd", "macd_signal", "macd_hist"}
HOLES = (100, 340, 341, 342, 700, 701, 702, 703, 900)


def assert_equals_reference(bars, code, *, max_bridge=0, every=1):
    indicator, column = INDICATORS[code], compute(bars, [code], max_bridge_bars=max_bridge)[code]
    rows = dict(zip(column.close_time_ms.tolist(), column.value.tolist(), strict=True))
    checked = 0
    chosen = windows(bars, indicator.warmup_bars, indicator.memory_bars, indicator.scope, max_bridge)
    for i, (time, window) in enumerate(zip(bars.close_time_ms.tolist(), chosen, strict=True)):
        if window is None:
            assert time not in rows
        elif i % every == 0:
            expected = VALUE[code](window)
            assert (expected is None) == (time not in rows)
            if expected is not None:
                scale = window[-1]["close"] if code in SCALE_IS_PRICE else max(1.0, abs(expected))
                assert rows[time] == pytest.approx(expected, rel=0, abs=1e-12 * scale), (code, i)
                checked += 1
    return checked


@pytest.mark.parametrize("code", COMPUTED)
def test_values_are_those_of_the_plain_reference(code):
    slow = code in ("macd_signal", "macd_hist", "adx14", "plus_di14", "minus_di14")
    assert assert_equals_reference(walk(1000), code, every=97 if slow else 7) > 3


@pytest.mark.parametrize("code", COMPUTED)
def test_values_near_holes_are_those_of_the_plain_reference(code):
    slow = code in ("macd_signal", "macd_hist", "adx14", "plus_di14", "minus_di14")
    bars = without(walk(1100, seed=2), *HOLES)
    for max_bridge in (0, 3):
        assert_equals_reference(bars, code, max_bridge=max_bridge, every=97 if slow else 11)


def test_a_series_that_never_moves_has_neutral_values():
    columns = compute(flat(800), COMPUTED)
    for code, neutral in (("rsi14", 50.0), ("macd", 0.0), ("macd_signal", 0.0), ("macd_hist", 0.0), ("adx14", 0.0)):
        assert len(columns[code]) == 801 - INDICATORS[code].warmup_bars
        assert np.all(columns[code].value == neutral), code
    for code in ("ema200", "bb_upper", "bb_middle", "bb_lower"):
        assert np.all(columns[code].value == 0.1), code
    for code in ("plus_di14", "minus_di14", "atr14", "atr_frac", "bandwidth", "obv", "obv_share20"):
        assert np.all(columns[code].value == 0.0), code
    assert np.all(columns["volume_ratio20"].value == pytest.approx(1.0))


def test_macd_is_the_difference_of_the_two_averages_bit_for_bit():
    columns = compute(walk(1500), ["ema12", "ema26", "macd", "macd_signal", "macd_hist"])
    times = columns["macd_hist"].close_time_ms
    fast, slow, macd, signal, histogram = (columns[code].on(times) for code in columns.codes)
    assert np.array_equal(macd, fast - slow)
    assert np.array_equal(histogram, macd - signal)


def test_percent_b_is_unknown_while_the_bands_have_no_width():
    bars = walk(80)
    close, high, low = bars.close.copy(), bars.high.copy(), bars.low.copy()
    close[30:60] = high[30:60] = low[30:60] = 0.7
    bars = replaced(bars, open=close, close=close, high=np.maximum(close, high), low=np.minimum(close, low))
    unknown = np.isnan(compute(bars, ["percent_b"])["percent_b"].on(bars.close_time_ms))
    assert np.flatnonzero(unknown).tolist() == [*range(19), *range(49, 60)]


@pytest.mark.parametrize("code", ["vwap20", "vwap_dev20", "volume_ratio20", "obv_share20"])
def test_a_window_without_volume_is_unknown(code):
    volume = np.full(100, 2.0)
    volume[30:60] = 0.0
    bars = replaced(walk(100), volume=volume)
    unknown = np.isnan(compute(bars, [code])[code].on(bars.close_time_ms))
    warmup = INDICATORS[code].warmup_bars
    assert np.flatnonzero(unknown).tolist() == [*range(warmup - 1), *range(49, 60)]


def test_a_session_without_volume_so_far_is_unknown():
    volume = np.ones(48)
    volume[24:30] = 0.0
    bars = replaced(walk(48), volume=volume)
    known = np.isfinite(compute(bars, ["vwap_session"])["vwap_session"].on(bars.close_time_ms))
    assert np.flatnonzero(~known).tolist() == [*range(24, 30)]


@pytest.mark.parametrize("seed", range(5))
def test_values_stay_in_their_range(seed):
    columns = compute(walk(900, seed=seed), COMPUTED)
    for code in COMPUTED:
        indicator, values = INDICATORS[code], columns[code].value
        assert np.all((indicator.lowest <= values) & (values <= indicator.highest)), code


def test_ranges_are_reached_but_not_left_where_all_moves_go_one_way():
    n = 700
    close = 100.0 * 1.01 ** np.arange(n)
    bars = replaced(walk(n), open=close, high=close, low=close, close=close, volume=np.full(n, 0.1))
    columns = compute(bars, ["rsi14", "plus_di14", "minus_di14", "adx14", "obv_share20"])
    assert np.all(columns["rsi14"].value == 100.0)
    assert np.all(columns["plus_di14"].value == 100.0)
    assert np.all(columns["minus_di14"].value == 0.0)
    assert np.all(columns["adx14"].value == 100.0)
    assert np.all(columns["obv_share20"].value == 1.0)


def test_prices_too_large_for_a_sum_give_no_rows():
    bars = flat(30, price=1e307, volume=1e10)
    assert len(compute(bars, ["vwap20"])["vwap20"]) == 0


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (["rsi15"], "indicator: rsi15: must be one of open, high"),
        (["rsi14", "rsi14"], "indicator: rsi14: must be named once"),
        (["sentiment_24h"], "indicator: sentiment_24h: is not computed from bars"),
    ],
)
def test_codes_that_cannot_be_computed_are_refused(codes, message):
    with pytest.raises(InputError, match=message):
        compute(walk(10), codes)


def test_a_negative_bridge_is_refused():
    with pytest.raises(InputError, match="max_bridge_bars: -1: must be at least 0"):
        compute(walk(10), ["close"], max_bridge_bars=-1)
