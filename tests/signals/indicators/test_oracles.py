"""Values on recorded bars against TA-Lib and talipp: equal, once the seeds of both are forgotten.

The bars at which a difference ends are those of `docs/indicators.md`.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import talib
from talipp.indicators import ADX, ATR, BB, EMA, MACD, RSI
from talipp.ohlcv import OHLCV

from tests.signals.indicators.market import ABSENT, KLINES, flat, recorded, replaced, walk
from tickvol.core.errors import InputError
from tickvol.signals.indicators.compute import compute
from tickvol.signals.indicators.registry import INDICATORS

pytestmark = pytest.mark.skipif(not KLINES.is_dir(), reason=ABSENT)

BOTH = (
    *("rsi14", "ema12", "ema26", "ema50", "ema200", "macd", "macd_signal", "macd_hist", "plus_di14", "minus_di14"),
    *("adx14", "bb_upper", "bb_middle", "bb_lower", "atr14"),
)
AGREES = 1e-9
EXACT = 3e-13
TALIB_FROM = {"macd": 107, "macd_signal": 116, "macd_hist": 116, "plus_di14": 284, "minus_di14": 279, "adx14": 303}
TALIPP_FROM = {"atr14": 153, "plus_di14": 266, "minus_di14": 259}


def column(output, key=None):
    values = [getattr(each, key) if key and each is not None else each for each in output]
    return np.array([np.nan if value is None else value for value in values])


@cache
def talib_values():
    bars = recorded()
    close, ranges = bars.close, (bars.high, bars.low, bars.close)
    values = {f"ema{n}": talib.EMA(close, n) for n in (12, 26, 50, 200)}
    values |= zip(("macd", "macd_signal", "macd_hist"), talib.MACD(close, 12, 26, 9), strict=True)
    values |= zip(("bb_upper", "bb_middle", "bb_lower"), talib.BBANDS(close, 20, 2, 2), strict=True)
    values |= {"plus_di14": talib.PLUS_DI(*ranges, 14), "minus_di14": talib.MINUS_DI(*ranges, 14)}
    values |= {"adx14": talib.ADX(*ranges, 14), "atr14": talib.ATR(*ranges, 14), "rsi14": talib.RSI(close, 14)}
    return values | {"atr_frac": talib.NATR(*ranges, 14) / 100.0}


@cache
def talipp_values():
    bars = recorded()
    close = bars.close.tolist()
    candles = [OHLCV(*row) for row in zip(bars.open, bars.high, bars.low, close, bars.volume, strict=True)]
    values = {f"ema{n}": column(EMA(n, close)) for n in (12, 26, 50, 200)} | {"rsi14": column(RSI(14, close))}
    macd, bands, adx = MACD(12, 26, 9, close), BB(20, 2, close), ADX(14, 14, candles)
    values |= {f"macd{tail}": column(macd, key) for tail, key in (("", "macd"), ("_signal", "signal"))}
    values |= {f"bb_{name}": column(bands, key) for name, key in (("upper", "ub"), ("middle", "cb"), ("lower", "lb"))}
    values |= {f"{key}14": column(adx, key) for key in ("plus_di", "minus_di", "adx")}
    return values | {"atr14": column(ATR(14, candles)), "macd_hist": column(macd, "histogram")}


@cache
def ours():
    return compute(recorded(), [code for code, indicator in INDICATORS.items() if indicator.has_kernel])


def errors(code, theirs):
    """Difference at each bar, by the close where the unit is a price; 0 where there is no row."""
    bars = recorded()
    scale = bars.close if INDICATORS[code].unit == "price" else 1.0
    return np.nan_to_num(np.abs(ours()[code].on(bars.close_time_ms) - theirs) / scale)


def assert_agrees(code, theirs, first):
    warmup = INDICATORS[code].warmup_bars
    error = errors(code, theirs)
    assert not np.isnan(theirs[warmup - 1 :]).any()
    assert len(ours()[code]) == len(theirs) - warmup + 1
    assert error[first:].max() < AGREES
    assert first == 0 or first == warmup or error[first - 1] >= AGREES
    assert error[(450 if first else 0) :].max() < EXACT


@pytest.mark.parametrize("code", [*BOTH, "atr_frac"])
def test_values_agree_with_talib(code):
    assert_agrees(code, talib_values()[code], TALIB_FROM.get(code, 0))


@pytest.mark.parametrize("code", BOTH)
def test_values_agree_with_talipp(code):
    assert_agrees(code, talipp_values()[code], TALIPP_FROM.get(code, 0))


def test_obv_differs_from_talib_by_the_first_volume():
    bars = recorded()
    theirs = talib.OBV(bars.close, bars.volume)
    assert ours()["obv"].value == pytest.approx(theirs - bars.volume[0], abs=1e-9 * np.abs(theirs).max())


def test_bands_do_not_drift_as_running_sums_do():
    """Running sums, as in pandas, lose digits after a large value has passed; a window summed afresh does not."""
    bars = recorded()
    close = pd.Series(bars.close)
    exact = np.array([np.std(bars.close[i - 20 : i].astype(np.longdouble)) for i in range(20, len(close) + 1)])
    width = ours()["bb_upper"].value - ours()["bb_middle"].value
    assert np.max(np.abs(width / (2.0 * exact) - 1.0)) < 1e-9
    spiked = pd.concat([pd.Series([1e9]), close]).rolling(20).std(ddof=0).to_numpy()[-len(exact) + 20 :]
    assert np.max(np.abs(spiked / exact[20:].astype(float) - 1.0)) > 1e-9


def test_a_series_that_never_moves_is_oversold_for_talib_and_neutral_for_us():
    still = flat(100)
    assert talib.RSI(still.close, 14)[-1] == 0.0
    assert compute(still, ["rsi14"])["rsi14"].value[-1] == 50.0


def test_one_nan_is_oversold_for_ever_for_talib_and_refused_by_us():
    bars = walk(300)
    close = bars.close.copy()
    close[100] = np.nan
    assert talib.RSI(close, 14)[-1] == 0.0
    with pytest.raises(InputError, match="must hold 0 < low"):
        replaced(bars, close=close)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BNBUSDT"])
def test_values_of_other_products_agree_with_talib_once_its_seeds_are_forgotten(symbol):
    bars = recorded(symbol)
    ranges = (bars.high, bars.low, bars.close)
    columns = compute(bars, ["rsi14", "ema200", "adx14", "atr14"])
    theirs = {"rsi14": talib.RSI(bars.close, 14), "ema200": talib.EMA(bars.close, 200)}
    theirs |= {"adx14": talib.ADX(*ranges, 14), "atr14": talib.ATR(*ranges, 14)}
    for code, values in theirs.items():
        assert columns[code].on(bars.close_time_ms[660:]) == pytest.approx(values[660:], rel=1e-11), code


def test_differences_at_the_first_row_are_within_the_stated_bounds():
    """The seed weighs less than 1 %: the largest effect on recorded bars, over starts 200 bars apart."""
    bars, bounds = recorded(), {"ema200": 5e-4, "rsi14": 0.5, "adx14": 0.1}
    for code, bound in bounds.items():
        warmup, full = INDICATORS[code].warmup_bars, ours()[code].on(bars.close_time_ms)
        worst = 0.0
        for start in range(3000, len(bars) - warmup, 200):
            first = compute(bars[start : start + warmup], [code])[code]
            scale = bars.close[start + warmup - 1] if code == "ema200" else 1.0
            worst = max(worst, abs(first.value[0] - full[start + warmup - 1]) / scale)
        assert 0.0 < worst < bound, (code, worst)
