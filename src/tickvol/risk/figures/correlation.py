"""Pearson correlation of the log returns of two assets."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Correlations as of each common day.

    `rolling` : (n,) float64, over the last `window_days` common days. `expanding` : (n,) float64, over all common days
    up to this one. `pairs` : (n,) int64, days up to this one on which both returns are known. `full` : over all common
    days. NaN where there are too few pairs or a return does not vary.
    """

    rolling: Array
    expanding: Array
    pairs: NDArray[np.int64]

    @property
    def full(self) -> float:
        """Correlation over all common days; NaN without any."""
        return float(self.expanding[-1]) if len(self.expanding) else math.nan


def correlation(a: Array, b: Array, window_days: int, min_known: int) -> Correlation:
    """Correlations of two assets over days on which both returns are known.

    Parameters
    ----------
    a, b : (n,) float64, log returns on the common days: all days from the later first day to the earlier last day
    window_days, min_known : the rolling correlation of day t takes the days `t - window_days + 1 .. t`, starts at
        `t = window_days`, and needs this many pairs
    """
    both = ~(np.isnan(a) | np.isnan(b))
    return Correlation(_rolling(a, b, both, window_days, min_known), _expanding(a, b, both), np.cumsum(both))


def common_days(first_a: int, days_a: int, first_b: int, days_b: int) -> tuple[int, slice, slice]:
    """Overlap of two calendars: its first day's number, and its place in either.

    >>> common_days(10, 5, 12, 9)
    (12, slice(2, 5, None), slice(0, 3, None))
    """
    start = max(first_a, first_b)
    days = max(min(first_a + days_a, first_b + days_b) - start, 0)
    return start, slice(start - first_a, start - first_a + days), slice(start - first_b, start - first_b + days)


def _rolling(a: Array, b: Array, both: NDArray[np.bool_], window_days: int, min_known: int) -> Array:
    result = np.full(len(a), np.nan)
    if len(a) <= window_days:
        return result
    used = np.ascontiguousarray(sliding_window_view(both, window_days)[1:])
    counts = used.sum(axis=1)
    x, varies_x = _centred(a, used, counts)
    y, varies_y = _centred(b, used, counts)
    spread = np.sqrt((x * x).sum(axis=1)) * np.sqrt((y * y).sum(axis=1))
    enough = (counts >= max(min_known, 2)) & varies_x & varies_y
    values = np.full(len(counts), np.nan)
    np.divide((x * y).sum(axis=1), spread, out=values, where=enough & (spread > 0.0))
    result[window_days:] = np.clip(values, -1.0, 1.0)
    return result


def _centred(values: Array, used: NDArray[np.bool_], counts: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
    """Windows minus their means, 0 where a pair is not known, and which windows vary at all."""
    rows = sliding_window_view(values, used.shape[1])[1:]
    filled = np.where(used, rows, 0.0)
    mean = filled.sum(axis=1) / np.maximum(counts, 1)
    lowest, highest = np.where(used, rows, np.inf).min(axis=1), np.where(used, rows, -np.inf).max(axis=1)
    return np.where(used, filled - mean[:, None], 0.0), lowest < highest


def _expanding(a: Array, b: Array, both: NDArray[np.bool_]) -> Array:
    """Moments updated pair by pair about the running means (Welford 1962): no cancellation."""
    result = np.full(len(a), np.nan)
    count, mean_a, mean_b, square_a, square_b, product = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    value = math.nan
    for t, (x, y, known) in enumerate(zip(a.tolist(), b.tolist(), both.tolist(), strict=True)):
        if known:
            count += 1
            from_a, from_b = x - mean_a, y - mean_b
            mean_a += from_a / count
            mean_b += from_b / count
            square_a += from_a * (x - mean_a)
            square_b += from_b * (y - mean_b)
            product += from_a * (y - mean_b)
            if square_a > 0.0 and square_b > 0.0:
                value = max(-1.0, min(1.0, product / (math.sqrt(square_a) * math.sqrt(square_b))))
        result[t] = value
    return result
