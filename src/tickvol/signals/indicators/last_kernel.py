"""The compiled indicators: each takes a window of closed bars, oldest first, and returns the value at its last bar.

A value depends on the window alone: sums run in bar order from the window's first bar, and recursions start there with
their seed. NaN is unknown. `run` holds for each bar the number of bars since the last hole, itself included: 1 marks a
bar whose move and true range are unknown, because the bar before it is missing.
"""

import numpy as np

from tickvol.core.compiled import compiled

EMA_MEMORY = 14
"""Memory of an EMA in periods: (1 - 2/(n+1))**(13 n), the weight of the seed, is about 5e-12."""


@compiled
def mean(values, n):
    """Mean of the first `n` values, summed as distances from the first: that of equal values is exact."""
    total = 0.0
    for i in range(1, n):
        total += values[i] - values[0]
    return values[0] + total / n


@compiled
def ema(close, n):
    """Exponential average, `alpha = 2 / (n + 1)`, seeded by the mean of the first `n` closes."""
    if len(close) < n:
        return np.nan
    alpha = 2.0 / (n + 1.0)
    average = mean(close, n)
    for i in range(n, len(close)):
        average += alpha * (close[i] - average)
    return average


@compiled
def macd(close, fast, slow):
    """Difference of two EMAs, each with its own memory: equal to the difference of the two indicators."""
    short = close[max(0, len(close) - EMA_MEMORY * fast) :]
    long = close[max(0, len(close) - EMA_MEMORY * slow) :]
    return ema(short, fast) - ema(long, slow)


@compiled
def macd_signal(close, fast, slow, n):
    """EMA of the difference of two EMAs that start with the window, seeded by the mean of its first `n` values."""
    if len(close) < slow + n - 1:
        return np.nan
    short, long = mean(close, fast), mean(close, slow)
    for i in range(fast, slow):
        short += 2.0 / (fast + 1.0) * (close[i] - short)
    total, average = short - long, np.nan
    for i in range(slow, len(close)):
        short += 2.0 / (fast + 1.0) * (close[i] - short)
        long += 2.0 / (slow + 1.0) * (close[i] - long)
        if i < slow + n - 1:
            total += short - long
            average = total / n
        else:
            average += 2.0 / (n + 1.0) * (short - long - average)
    return average


@compiled
def rsi(run, close, n):
    """Wilder's relative strength: `100 up / (up + down)`; 50 where nothing moves (TA-Lib: 0)."""
    up, down, known = 0.0, 0.0, 0
    for i in range(1, len(close)):
        if run[i] > 1:
            known += 1
            move = close[i] - close[i - 1]
            up = wilder(up, max(move, 0.0), known, n)
            down = wilder(down, max(-move, 0.0), known, n)
    if known < n:
        return np.nan
    return 50.0 if up + down == 0.0 else 100.0 * (up / (up + down))


@compiled
def wilder(average, value, known, n):
    """Wilder's average after its `known`-th value; a sum before the n-th, which makes it the mean."""
    if known < n:
        return average + value
    if known == n:
        return (average + value) / n
    return (average * (n - 1) + value) / n


@compiled
def true_range(high, low, before):
    """Range of a bar, extended to the close before it."""
    return max(high - low, max(abs(high - before), abs(low - before)))


@compiled
def atr(run, high, low, close, n):
    """Wilder's average of the true range."""
    average, known = 0.0, 0
    for i in range(1, len(close)):
        if run[i] > 1:
            known += 1
            average = wilder(average, true_range(high[i], low[i], close[i - 1]), known, n)
    return np.nan if known < n else average


@compiled
def directional(run, high, low, close, n):
    """Return +DI, -DI and ADX; unknown is NaN, and without any range all are 0."""
    plus, minus, spread, known, strength = 0.0, 0.0, 0.0, 0, 0.0
    for i in range(1, len(close)):
        if run[i] == 1:
            continue
        known += 1
        rise, fall = high[i] - high[i - 1], low[i - 1] - low[i]
        plus = wilder(plus, rise if rise > max(fall, 0.0) else 0.0, known, n)
        minus = wilder(minus, fall if fall > max(rise, 0.0) else 0.0, known, n)
        spread = wilder(spread, true_range(high[i], low[i], close[i - 1]), known, n)
        if known >= n:
            both = plus + minus
            index = 0.0 if both == 0.0 else 100.0 * (abs(plus - minus) / both)
            strength = wilder(strength, index, known - n + 1, n)
    if known < n:
        return np.nan, np.nan, np.nan
    plus_di = 0.0 if spread == 0.0 else 100.0 * (plus / spread)
    minus_di = 0.0 if spread == 0.0 else 100.0 * (minus / spread)
    return plus_di, minus_di, strength if known >= 2 * n - 1 else np.nan


@compiled
def deviation(close):
    """Population deviation (ddof 0) from the mean, in two passes."""
    middle = mean(close, len(close))
    total = 0.0
    for i in range(len(close)):
        total += (close[i] - middle) * (close[i] - middle)
    return np.sqrt(total / len(close))


@compiled
def band(close, sigmas):
    """Bollinger band at `sigmas` deviations from the mean; 0 is the middle, negative below it."""
    return mean(close, len(close)) + sigmas * deviation(close)


@compiled
def percent_b(close, sigmas):
    """Place of the close between the bands: 0 the lower, 1 the upper; unknown at width 0."""
    upper, lower = band(close, sigmas), band(close, -sigmas)
    return np.nan if upper == lower else (close[-1] - lower) / (upper - lower)


@compiled
def bandwidth(close, sigmas):
    """Distance of the bands by the middle."""
    return (band(close, sigmas) - band(close, -sigmas)) / mean(close, len(close))


@compiled
def vwap(high, low, close, volume):
    """Average of the typical price `(high + low + close) / 3`, weighted by volume; unknown without volume."""
    paid, total = 0.0, 0.0
    for i in range(len(close)):
        paid += (high[i] + low[i] + close[i]) / 3.0 * volume[i]
        total += volume[i]
    return np.nan if total == 0.0 else paid / total


@compiled
def obv_step(before, close, volume):
    """Volume with the sign of the move."""
    return volume if close > before else -volume if close < before else 0.0


@compiled
def obv_share(close, volume):
    """Share of the signed volume in all volume of the bars after the first; unknown without volume."""
    signed, total = 0.0, 0.0
    for i in range(1, len(close)):
        signed += obv_step(close[i - 1], close[i], volume[i])
        total += volume[i]
    return np.nan if total == 0.0 else signed / total


@compiled
def volume_ratio(volume):
    """Last volume by the mean of all; unknown without volume."""
    total = 0.0
    for i in range(len(volume)):
        total += volume[i]
    return np.nan if total == 0.0 else volume[-1] / total * len(volume)
