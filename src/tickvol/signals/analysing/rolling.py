"""Figures over the last k closed trades in the order of confirmation."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rolling_expectancy(net: Array, trades: int) -> Array:
    """Mean net return of the last `trades` trades, (n,); NaN before there are as many."""
    return _rolling(net, trades, np.mean)


def rolling_win_rate(net: Array, trades: int) -> Array:
    """Share of the last `trades` trades with a net return above 0, (n,); NaN before there are as many."""
    return _rolling((net > 0).astype(np.float64), trades, np.mean)


def rolling_deviation(net: Array, trades: int) -> Array:
    """Sample standard deviation (ddof 1) of the last `trades` net returns, (n,); NaN before there are as many."""
    return _rolling(net, trades, _deviation)


def _deviation(windows: Array, axis: int) -> Any:
    return np.std(windows, axis=axis, ddof=1)


def _rolling(values: Array, trades: int, statistic: Callable[..., Any]) -> Array:
    out = np.full(len(values), np.nan)
    if len(values) >= trades:
        out[trades - 1 :] = statistic(np.lib.stride_tricks.sliding_window_view(values, trades), axis=1)
    return out
