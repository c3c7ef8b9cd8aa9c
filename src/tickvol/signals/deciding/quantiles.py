"""Trailing quantile by nearest rank: a value that occurred, with no interpolation and no running state."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_ROWS = 1024
MIN_KNOWN_SHARE = 0.5
_SLACK = 1e-9
"""0.07 * 100 is 7.000000000000001 in floating point: rank 7, not 8."""


def trailing_quantile(
    values: NDArray[np.float64], bars: int, quantile: float | None, *, first: int = 0
) -> NDArray[np.float64]:
    """Quantile of the last `bars` values up to each bar, itself included, by nearest rank: (n - first,) float64.

    The smallest value that at least a share `quantile` of the known values does not exceed. NaN where fewer than half
    of the `bars` values are known, and throughout where `quantile` is None.

    >>> trailing_quantile(np.array([4.0, 2.0, 3.0, 1.0]), 3, 0.5).tolist()
    [nan, 2.0, 3.0, 2.0]
    """
    n = len(values)
    found = np.full(n - first, np.nan)
    if quantile is None or n == first:
        return found
    begin = max(0, first - bars + 1)
    padding = np.full(bars - 1 - (first - begin), np.nan)
    windows = sliding_window_view(np.concatenate([padding, values[begin:]]), bars)
    for row in range(0, n - first, _ROWS):
        ranked = np.sort(windows[row : row + _ROWS], axis=1)
        known = np.count_nonzero(~np.isnan(ranked), axis=1)
        rank = np.maximum(np.ceil(quantile * known - _SLACK).astype(np.int64), 1) - 1
        chosen = ranked[np.arange(len(ranked)), rank]
        found[row : row + _ROWS] = np.where(known >= math.ceil(MIN_KNOWN_SHARE * bars), chosen, np.nan)
    return found
