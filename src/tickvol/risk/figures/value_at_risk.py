"""Value at risk and expected shortfall of the next day, as returns: negative for a loss."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tickvol.risk.figures.quantiles import lower_quantile, quantile, sorted_rows, tail_mean
from tickvol.risk.figures.returns import windows_before

Array = NDArray[np.float64]


@dataclass(frozen=True)
class InSample:
    """VaR and ES of all known returns: a description of the past, no forecast.

    `var_inverted_cdf` is the smallest observed return whose empirical distribution reaches the level.
    """

    var: float
    es: float
    var_inverted_cdf: float


@dataclass(frozen=True)
class Forecast:
    """VaR and ES of each day from the days before it; `var`, `es` : (n,) float64, NaN where unknown."""

    var: Array
    es: Array


def in_sample(returns: Array, level: float) -> InSample:
    """Quantile of all known returns, and the mean of those at or below it; NaN without any."""
    ordered, counts = sorted_rows(returns[None, :])
    var = quantile(ordered, counts, level)
    lower = lower_quantile(ordered, counts, level)
    return InSample(float(var[0]), float(tail_mean(ordered, var)[0]), float(lower[0]))


def historical(returns: Array, window_days: int, min_known: int, level: float) -> Forecast:
    """Quantile of the known returns of `t - window_days .. t - 1`, and the mean of those at or below it.

    NaN for `t <= window_days` and where fewer than `min_known` returns are known.
    """
    return historical_at(returns, window_days, min_known, (level,))[0]


def historical_at(returns: Array, window_days: int, min_known: int, levels: tuple[float, ...]) -> list[Forecast]:
    """`historical` at several levels, with one sort of the windows."""
    ordered, counts = sorted_rows(windows_before(returns, window_days))
    enough = counts >= min_known
    forecasts = []
    for level in levels:
        var = np.where(enough, quantile(ordered, counts, level), np.nan)
        es = tail_mean(ordered, var)
        forecasts.append(Forecast(_on_days(var, len(returns)), _on_days(es, len(returns))))
    return forecasts


def filtered_historical(returns: Array, sigma: Array, window_days: int, min_known: int, level: float) -> Forecast:
    """Historical quantile and tail mean of returns over their forecast volatility, times that of the day.

    A return whose forecast volatility is unknown or zero counts as unknown.

    Source: Barone-Adesi, Giannopoulos and Vosper (1999), here with EWMA volatility.
    """
    usable = sigma > 0.0
    standardised = np.full(len(returns), np.nan)
    np.divide(returns, sigma, out=standardised, where=usable)
    forecast = historical(standardised, window_days, min_known, level)
    return Forecast(forecast.var * sigma, forecast.es * sigma)


def normal(sigma: Array, level: float) -> Forecast:
    """VaR and ES of a normal distribution of mean zero: `z * sigma` and `-sigma * pdf(z) / level`, z its quantile."""
    standard = NormalDist()
    z = standard.inv_cdf(level)
    return Forecast(z * sigma, -sigma * (standard.pdf(z) / level))


def exceptions(returns: Array, var: Array) -> Array:
    """1 where the return is below the VaR, strictly, else 0; NaN where either is unknown; (n,) float64."""
    unknown = np.isnan(returns) | np.isnan(var)
    return np.where(unknown, math.nan, (returns < var).astype(np.float64))


def _on_days(values: Array, days: int) -> Array:
    spread = np.full(days, np.nan)
    if len(values):
        spread[-len(values) :] = values
    return spread
