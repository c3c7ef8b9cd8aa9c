"""Random price paths as ticks and as bars of several lengths."""

import numpy as np

from tickvol.signals.indicators.bars import Bars

FINE, MIDDLE, COARSE = 300_000, 900_000, 3_600_000


def ticks(rng, hours, *, per_fine=4, step=0.004):
    """(n,) prices, `per_fine` in each bar of 5 minutes; heavy tails make gaps between bars."""
    moves = step * rng.standard_t(4, size=hours * 12 * per_fine)
    return 100.0 * np.exp(np.cumsum(moves))


def bars_from(prices, per_fine, length_ms):
    rows = prices.reshape(-1, per_fine * (length_ms // FINE))
    times = np.arange(1, len(rows) + 1, dtype=np.int64) * length_ms
    volume = np.ones(len(rows))
    return Bars(times, rows[:, 0].copy(), rows.max(axis=1), rows.min(axis=1), rows[:, -1].copy(), volume, length_ms)


def without(bars, missing):
    keep = ~np.isin(np.arange(len(bars)), missing)
    columns = (bars.close_time_ms, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Bars(*(column[keep] for column in columns), bars.length_ms)
