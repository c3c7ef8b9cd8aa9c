"""The compiled loop over bars and indicators: chooses each window and calls the indicator's kernel."""

import numpy as np

from tickvol.core.compiled import compiled
from tickvol.signals.indicators.last_kernel import (
    atr,
    band,
    bandwidth,
    directional,
    ema,
    macd,
    macd_signal,
    obv_share,
    obv_step,
    percent_b,
    rsi,
    volume_ratio,
    vwap,
)

KINDS = (
    *("column", "obv", "ema", "macd", "macd_signal", "macd_hist", "rsi", "atr", "atr_frac", "plus_di", "minus_di"),
    *("adx", "band", "percent_b", "bandwidth", "vwap", "vwap_dev", "obv_share", "volume_ratio"),
)
_COLUMN, _OBV, _EMA, _MACD, _MACD_SIGNAL, _MACD_HIST, _RSI, _ATR, _ATR_FRAC, _PLUS_DI, _MINUS_DI = range(11)
_ADX, _BAND, _PERCENT_B, _BANDWIDTH, _VWAP, _VWAP_DEV, _OBV_SHARE, _VOLUME_RATIO = range(11, 19)
SCOPES = ("window", "recursion", "session")
_WINDOW, _RECURSION, _SESSION = range(3)
OPEN, HIGH, LOW, CLOSE, VOLUME, OBV = range(6)
RUN, STRETCH, SESSION = range(3)


@compiled
def last(kind, a, b, c, run, bars):
    """Value at the last bar of a window; `bars` is (6, m), `run` (m,), and a, b, c are the indicator's parameters."""
    high, low, close, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    if kind == _COLUMN:
        return bars[a, -1]
    if kind == _OBV:
        return bars[OBV, -1]
    if kind == _EMA:
        return ema(close, a)
    if kind == _MACD:
        return macd(close, a, b)
    if kind == _MACD_SIGNAL:
        return macd_signal(close, a, b, c)
    if kind == _MACD_HIST:
        return macd(close, a, b) - macd_signal(close, a, b, c)
    if kind == _RSI:
        return rsi(run, close, a)
    if kind == _ATR:
        return atr(run, high, low, close, a)
    if kind == _ATR_FRAC:
        return atr(run, high, low, close, a) / close[-1]
    if kind == _PLUS_DI:
        return directional(run, high, low, close, a)[0]
    if kind == _MINUS_DI:
        return directional(run, high, low, close, a)[1]
    if kind == _ADX:
        return directional(run, high, low, close, a)[2]
    if kind == _BAND:
        return band(close, b)
    if kind == _PERCENT_B:
        return percent_b(close, b)
    if kind == _BANDWIDTH:
        return bandwidth(close, b)
    if kind == _VWAP:
        return vwap(high, low, close, volume)
    if kind == _VWAP_DEV:
        average = vwap(high, low, close, volume)
        return (close[-1] - average) / average
    if kind == _OBV_SHARE:
        return obv_share(close, volume)
    return volume_ratio(volume)


@compiled
def count(i, step, max_bridge, session, counts, bars):
    """Fill column `i` of `counts` and of OBV; `step` is the number of bar lengths since the bar before, 0 for none.

    `counts` is (3, n) int64: bars since the last hole, bars since the last hole that is not bridged, and bars that the
    session has had by this one, itself included.
    """
    counts[RUN, i] = counts[RUN, i - 1] + 1 if step == 1 else 1
    bridged = 1 <= step <= max_bridge + 1
    counts[STRETCH, i] = counts[STRETCH, i - 1] + 1 if bridged else 1
    counts[SESSION, i] = session
    bars[OBV, i] = bars[OBV, i - 1] if bridged else 0.0
    if step == 1:
        bars[OBV, i] += obv_step(bars[CLOSE, i - 1], bars[CLOSE, i], bars[VOLUME, i])


@compiled
def count_all(steps, sessions, max_bridge, counts, bars):
    """Fill all columns of `counts` and of OBV in bar order."""
    for i in range(len(steps)):
        count(i, steps[i], max_bridge, sessions[i], counts, bars)


@compiled
def fill(table, first, end, counts, bars, values, history):
    """Fill values and history of the bars [first, end) for all indicators; NaN where there is no row.

    Parameters
    ----------
    table : (k, 7) int64, for each indicator its kind, scope, warm-up, memory (0: unbounded) and three parameters
    counts : (3, n) int64, as of `count`; `bars` : (6, n) float64, prices, volume and OBV
    values, history : (k, end - first), written
    """
    for row in range(len(table)):
        kind, scope, warmup, memory, a, b, c = table[row]
        for i in range(first, end):
            held = counts[STRETCH, i] if scope == _RECURSION else counts[RUN, i]
            known = held if memory == 0 else min(held, memory)
            size = counts[SESSION, i] if scope == _SESSION else 1 if memory == 0 else known
            history[row, i - first] = known
            values[row, i - first] = np.nan
            if held >= warmup and held >= size:
                begin = i + 1 - size
                value = last(kind, a, b, c, counts[RUN, begin : i + 1], bars[:, begin : i + 1])
                values[row, i - first] = value if np.isfinite(value) else np.nan
