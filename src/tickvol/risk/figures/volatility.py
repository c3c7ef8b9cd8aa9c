"""Volatility of daily returns: rolling, annual, and exponentially weighted."""

import math

import numpy as np
from numpy.typing import NDArray

from tickvol.risk.figures.returns import known

Array = NDArray[np.float64]


def rolling_volatility(returns: Array, window_days: int, min_known: int) -> Array:
    """Sample standard deviation (ddof 1) of the known returns of `t - window_days + 1 .. t`.

    Returns
    -------
    (n,) float64, fraction per day; NaN for `t < window_days` and where fewer than `min_known` returns, or fewer than
    two, are known. Sums are correctly rounded.
    """
    volatility = np.full(len(returns), np.nan)
    values = returns.tolist()
    for t in range(window_days, len(values)):
        window = [value for value in values[t - window_days + 1 : t + 1] if value == value]
        if len(window) >= max(min_known, 2):
            mean = math.fsum(window) / len(window)
            volatility[t] = math.sqrt(math.fsum([(value - mean) ** 2 for value in window]) / (len(window) - 1))
    return volatility


def mean_of_known(values: Array) -> float:
    """Arithmetic mean of the known values; NaN where there is none."""
    present = known(values).tolist()
    return math.fsum(present) / len(present) if present else math.nan


def ewma_sigma(returns: Array, decay: float, start_days: int) -> Array:
    """EWMA volatility forecast of each day from the days before it, zero mean.

    `s2(t + 1) = decay * s2(t) + (1 - decay) * r(t)**2`, unchanged over a day without a known return. The mean square
    of the first `start_days` known returns is the forecast of the day after the last of them.

    Returns
    -------
    (n,) float64, fraction per day; NaN up to and including the day of the return that completes the start

    Source: RiskMetrics Technical Document (1996), with a start value that uses no later day.
    """
    sigma = np.full(len(returns), np.nan)
    start: list[float] = []
    variance = math.nan
    for t, value in enumerate(returns.tolist()):
        sigma[t] = math.sqrt(variance) if len(start) == start_days else math.nan
        if value != value:
            continue
        if len(start) < start_days:
            start.append(value * value)
            variance = math.fsum(start) / start_days
        else:
            variance = decay * variance + (1.0 - decay) * value * value
    return sigma
