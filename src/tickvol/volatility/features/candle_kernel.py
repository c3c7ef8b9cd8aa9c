"""The compiled driver for bars delivered closed: one row per candle, absent candles as unknown bars."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled
from tickvol.volatility.features.bar_kernel import CLOSING, DONE, FULL_ROWS, N_LATE, N_ROWS, NONE, OPEN_BAR, emit
from tickvol.volatility.features.window_kernel import Q_MID, QUOTE_FIELDS, SUMMARY, reset_product


class Candles(NamedTuple):
    """Input columns, see `CandleColumns`."""

    product: NDArray[np.int32]
    start: NDArray[np.int64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]


@compiled
def scan_candles(candles, start, bars, spec, windows, window_spec, rows, late, count):
    """Process candles from `start` on; returns the stop index and the cause: DONE, or rows are full.

    A candle at or before the last one of its product is late. A stretch without candles gives at most as many unknown
    bars as a row can depend on.
    """
    total = np.zeros(SUMMARY + 4 * len(window_spec.full_weight))
    quote = np.full(QUOTE_FIELDS, np.nan)
    for i in range(start, len(candles.start)):
        if count[N_ROWS] + spec.rows_at_once > len(rows.key):
            return i, FULL_ROWS
        p, number = candles.product[i], candles.start[i] // spec.bar_ns
        product = bars.product[p]
        following = number if product[OPEN_BAR] == NONE else product[OPEN_BAR]
        if number < following:
            late[count[N_LATE]] = i
            count[N_LATE] += 1
            continue
        count[CLOSING] = i
        missing = 0
        while following < number:
            if missing > spec.memory_bars:
                reset_product(windows, p)
                following = number
                break
            emit(windows, window_spec, rows, count, p, following, False, quote, np.nan, np.nan, np.nan, total)
            missing, following = missing + 1, following + 1
        quote[Q_MID] = candles.close[i]
        emit(windows, window_spec, rows, count, p, number, True, quote, candles.high[i], candles.low[i], np.nan, total)
        product[OPEN_BAR] = number + 1
    return len(candles.start), DONE
