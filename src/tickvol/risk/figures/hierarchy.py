"""Ranking of assets by volatility, with a confidence interval for each difference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tickvol.risk.figures.returns import known
from tickvol.risk.figures.volatility import mean_of_known

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """One asset; rank 1 is the least volatile. `mean_volatility` is a fraction per year."""

    name: str
    rank: int
    mean_volatility: float


@dataclass(frozen=True)
class Difference:
    """Mean volatility of `higher` minus that of `lower` on their common days, fraction per year.

    `low`, `high` bound it at the confidence that was asked for; NaN where there are too few days. `days` is the number
    of common days.
    """

    lower: str
    higher: str
    difference: float
    low: float
    high: float
    days: int

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0

    def __str__(self) -> str:
        pair = f"{self.lower} and {self.higher}"
        if math.isnan(self.low):
            return f"{pair}: not distinguishable, too few common days ({self.days})"
        interval = f"difference {self.difference:.3f} per year, interval {self.low:.3f} to {self.high:.3f}"
        return f"{pair}: {'distinguishable' if self.distinguishable else 'not distinguishable'}, {interval}"


@dataclass(frozen=True)
class Hierarchy:
    """Assets from the least to the most volatile, and the difference of each pair."""

    ranking: tuple[Ranked, ...]
    differences: tuple[Difference, ...]


def hierarchy(
    volatilities: Mapping[str, Array], *, block_days: int, samples: int, confidence: float, seed: int
) -> Hierarchy:
    """Rank assets by the mean of their annual volatility.

    Parameters
    ----------
    volatilities : by asset: (n,) float64, annual volatility on one calendar, NaN where unknown; an asset without a
        known day has no rank
    block_days : mean length of a block of the bootstrap. Neighbouring rolling volatilities share most of their
        returns: take several times their window.
    samples, confidence, seed : of the bootstrap; equal arguments give equal intervals
    """
    means = {name: mean_of_known(values) for name, values in volatilities.items()}
    order = sorted((name for name in means if not math.isnan(means[name])), key=lambda name: (means[name], name))
    ranking = tuple(Ranked(name, rank, means[name]) for rank, name in enumerate(order, start=1))
    differences = []
    for lower, higher in combinations(order, 2):
        daily = known(volatilities[higher] - volatilities[lower])
        low, high = mean_interval(daily, block_days=block_days, samples=samples, confidence=confidence, seed=seed)
        differences.append(Difference(lower, higher, mean_of_known(daily), low, high, len(daily)))
    return Hierarchy(ranking, tuple(differences))


def mean_interval(values: Array, *, block_days: int, samples: int, confidence: float, seed: int) -> tuple[float, float]:
    """Interval of the mean of dependent values by the stationary bootstrap; NaN below three blocks of values.

    Blocks of geometric length start anywhere and wrap around the end. Source: Politis and Romano (1994).

    The interval is somewhat narrow: of values that remember a month, with blocks of 90 days, one of 95% covers the mean
    in 80% of series of 700 days, 84% of 1,500 and 89% of 3,500.

    Parameters
    ----------
    values : (n,) float64, without NaN
    """
    n = len(values)
    if n < 3 * block_days:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    mean = mean_of_known(values)
    sums = np.concatenate(([0.0], np.cumsum(np.concatenate((values, values)) - mean)))
    totals, filled = np.zeros(samples), np.zeros(samples, dtype=np.int64)
    while (filled < n).any():
        starts = random.integers(n, size=samples)
        lengths = np.minimum(random.geometric(1.0 / block_days, size=samples), n - filled)
        totals += sums[starts + lengths] - sums[starts]
        filled += lengths
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(totals / n, (tail, 1.0 - tail)) + mean
    return float(low), float(high)
