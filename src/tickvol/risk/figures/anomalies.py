"""Robust z-scores of daily returns, and what counts as an anomaly."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.risk.figures.quantiles import quantile, sorted_rows
from tickvol.risk.figures.returns import windows_before

Array = NDArray[np.float64]

# Standard deviation of a normal distribution over its median absolute deviation.
MAD_TO_SIGMA = 1.4826
STRONG, EXTREME = 5.0, 8.0


@dataclass(frozen=True)
class RobustZ:
    """Robust z of each day; `z`, `median`, `mad` : (n,) float64, NaN where unknown."""

    z: Array
    median: Array
    mad: Array


def trailing_z(returns: Array, window_days: int, min_known: int) -> RobustZ:
    """`(r - median) / (1.4826 * MAD)` against the known returns of `t - window_days .. t - 1`.

    Never changes when days are appended. NaN for `t <= window_days`, where fewer than `min_known` returns are known,
    and where the MAD is 0.
    """
    windows = windows_before(returns, window_days)
    ordered, counts = sorted_rows(windows)
    enough = counts >= min_known
    median = np.where(enough, quantile(ordered, counts, 0.5), np.nan)
    mad = np.where(enough, quantile(*sorted_rows(np.abs(windows - median[:, None])), 0.5), np.nan)
    first = len(returns) - len(windows)
    z = np.full(len(median), np.nan)
    np.divide(returns[first:] - median, MAD_TO_SIGMA * mad, out=z, where=mad > 0.0)
    before = np.full(first, np.nan)
    return RobustZ(np.concatenate((before, z)), np.concatenate((before, median)), np.concatenate((before, mad)))


def full_z(returns: Array) -> Array:
    """Robust z against all known returns, later ones too: it changes as days are added.

    0 on each day with a return where the MAD is 0. (n,) float64.
    """
    ordered, counts = sorted_rows(returns[None, :])
    median = quantile(ordered, counts, 0.5)
    mad = float(quantile(*sorted_rows(np.abs(returns - median)[None, :]), 0.5)[0])
    if mad > 0.0:
        return (returns - median) / (MAD_TO_SIGMA * mad)
    return np.where(np.isnan(returns), np.nan, 0.0)


def is_anomaly(z: Array, threshold: float) -> Array:
    """1 where |z| exceeds the threshold, strictly, else 0; NaN where z is unknown; (n,) float64."""
    return np.where(np.isnan(z), math.nan, (np.abs(z) > threshold).astype(np.float64))


def direction(z: float, threshold: float) -> str | None:
    """`up` or `down`; None where z is no anomaly or unknown."""
    return None if not abs(z) > threshold else "up" if z > 0.0 else "down"


def severity(z: float, threshold: float) -> str | None:
    """`moderate` (|z| to 5), `strong` (to 8) or `extreme`; None where z is no anomaly or unknown.

    >>> [severity(z, 3.5) for z in (3.5, -3.6, 5.0, -5.1, 8.1, math.nan)]
    [None, 'moderate', 'moderate', 'strong', 'extreme', None]
    """
    size = abs(z)
    if not size > threshold:
        return None
    return "moderate" if size <= STRONG else "strong" if size <= EXTREME else "extreme"
