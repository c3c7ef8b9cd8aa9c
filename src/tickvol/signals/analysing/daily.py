"""Daily series of net returns and its Sharpe ratio, skew and kurtosis."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DAY_MS = 86_400_000
YEAR_DAYS = 365


def daily_series(net: Array, confirmed_at_ms: NDArray[np.int64], *, from_ms: int, to_ms: int, symbols: int) -> Array:
    """Sum of net returns confirmed on each UTC day over the number of symbols; 0 on days without.

    Days run from that of `from_ms` to that of `to_ms`, both inclusive; trades outside are left out.
    """
    first, last = from_ms // DAY_MS, to_ms // DAY_MS
    day = confirmed_at_ms // DAY_MS - first
    within = (day >= 0) & (day <= last - first)
    return np.bincount(day[within], weights=net[within], minlength=last - first + 1) / symbols


@dataclass(frozen=True)
class DailyFigures:
    """Moments of a daily series of `days` days; None where the series does not vary.

    `sharpe` is mean over standard deviation (ddof 1) a day, `sharpe_annual` that times sqrt(365). `skew` and
    `kurtosis` are standardised population moments; a normal series has kurtosis 3.
    """

    days: int
    sharpe: float | None
    sharpe_annual: float | None
    skew: float | None
    kurtosis: float | None


def daily_figures(series: Array) -> DailyFigures:
    """Sharpe ratio, skew and kurtosis of a daily series (days,)."""
    if len(series) < 2 or series.min() == series.max():
        return DailyFigures(len(series), None, None, None, None)
    centred = series - series.mean()
    variance = float(np.mean(centred**2))
    sharpe = float(series.mean() / series.std(ddof=1))
    return DailyFigures(
        days=len(series),
        sharpe=sharpe,
        sharpe_annual=sharpe * math.sqrt(YEAR_DAYS),
        skew=float(np.mean(centred**3)) / variance**1.5,
        kurtosis=float(np.mean(centred**4)) / variance**2,
    )
