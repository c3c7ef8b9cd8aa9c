"""Daily returns, and windows of them."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_returns(closes: Array) -> Array:
    """`ln(close[t] / close[t - 1])`, (n,) float64; NaN on the first day and where either close is missing.

    A missing day costs two returns: no return bridges it. `math.log` serves each element alike, wherever it stands;
    numpy's vectorised one need not, and a return must not change when days are appended.

    >>> import numpy as np
    >>> log_returns(np.array([1.0, math.e, math.nan, 3.0])).tolist()
    [nan, 1.0, nan, nan]
    """
    returns = np.full(len(closes), np.nan)
    ratios = (closes[1:] / closes[:-1]).tolist()
    returns[1:] = [math.log(ratio) if ratio == ratio else math.nan for ratio in ratios]
    return returns


def simple_returns(closes: Array) -> Array:
    """`close[t] / close[t - 1] - 1`, (n,) float64, known where the log return is."""
    returns = np.full(len(closes), np.nan)
    returns[1:] = closes[1:] / closes[:-1] - 1.0
    return returns


def known(values: Array) -> Array:
    """Values that are not NaN, in their order."""
    return values[~np.isnan(values)]


def worst_so_far(returns: Array) -> Array:
    """Lowest known value up to each day, (n,) float64; NaN before the first."""
    return np.fmin.accumulate(returns) if len(returns) else returns.copy()


def known_counts(values: Array, window_days: int, *, with_own_day: bool) -> NDArray[np.int64]:
    """Known values of each day's window, (n,) int64.

    The window is `t - window_days + 1 .. t` with its own day, else `t - window_days .. t - 1`; it is cut at day 0.
    """
    total = np.concatenate(([0], np.cumsum(~np.isnan(values))))
    end = np.arange(len(values)) + (1 if with_own_day else 0)
    return total[end] - total[np.maximum(end - window_days, 0)]


def windows_before(values: Array, window_days: int) -> Array:
    """Values of `t - window_days .. t - 1` for each day t from `window_days + 1` on.

    Returns
    -------
    (n - window_days - 1, window_days) float64, a view; no rows where there are too few days. Day 0 is in no window:
    it has no return.
    """
    if len(values) < window_days + 2:
        return np.empty((0, window_days))
    return sliding_window_view(values, window_days)[1:-1]
