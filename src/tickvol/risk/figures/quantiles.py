"""Quantiles, tail means and medians of rows of numbers, of which some are NaN."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDING = 1e-9


def sorted_rows(rows: Array) -> tuple[Array, NDArray[np.int64]]:
    """Rows in ascending order, NaN last, and the number of values that are not NaN in each."""
    ordered = np.sort(rows, axis=1)
    return ordered, np.count_nonzero(~np.isnan(ordered), axis=1)


def quantile(ordered: Array, counts: NDArray[np.int64], level: float) -> Array:
    """Quantile with linear interpolation (Hyndman and Fan, type 7; numpy's `linear`) of each row.

    Parameters
    ----------
    ordered, counts : of `sorted_rows`
    level : in [0, 1]

    Returns
    -------
    (rows,) float64; NaN for a row without a value

    >>> rows = np.array([[3.0, 1.0, 2.0, math.nan]])
    >>> quantile(*sorted_rows(rows), 0.25).tolist()
    [1.5]
    """
    if not ordered.size:
        return np.full(len(ordered), np.nan)
    position = _snapped((np.maximum(counts, 1) - 1) * level)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(counts, 1) - 1)
    row = np.arange(len(ordered))
    low, high, share = ordered[row, below], ordered[row, above], position - below
    # From the nearer end, so that the result is monotonic in the level, and equal values give that value.
    step = high - low
    return np.asarray(np.where(share < 0.5, low + step * share, high - step * (1.0 - share)), dtype=np.float64)


def lower_quantile(ordered: Array, counts: NDArray[np.int64], level: float) -> Array:
    """Smallest value of each row whose empirical distribution reaches the level (numpy's `inverted_cdf`).

    Engines with an approximate percentile, such as Spark, return this one.
    """
    if not ordered.size:
        return np.full(len(ordered), np.nan)
    rank = np.ceil(_snapped(counts * level)).astype(np.int64)
    return ordered[np.arange(len(ordered)), np.clip(rank, 1, np.maximum(counts, 1)) - 1]


def tail_mean(ordered: Array, limit: Array) -> Array:
    """Mean of the values of each row that are at or below its limit, (rows,) float64; NaN where there is none."""
    taken = np.count_nonzero(ordered <= limit[:, None], axis=1).tolist()
    means = np.full(len(ordered), np.nan)
    for i, count in enumerate(taken):
        if count:
            means[i] = math.fsum(ordered[i, :count].tolist()) / count
    return means


def _snapped(position: NDArray[np.floating]) -> Array:
    """Positions; one that misses an integer by rounding only is that integer: a tail mean would lose a value."""
    nearest = np.rint(position)
    return np.asarray(np.where(np.abs(position - nearest) < _ROUNDING, nearest, position), dtype=np.float64)
