"""Block bootstrap over calendar weeks: intervals that respect how trades of one week move together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

WEEK_MS = 7 * 86_400_000
_MONDAY_MS = 3 * 86_400_000  # the epoch is a Thursday
MIN_WEEKS, MIN_TRADES = 20, 30
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Interval:
    """The 95 % interval, both ends in the unit of the figure."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Both ends on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class WeekDraws:
    """Weeks drawn with replacement from those that hold trades, all products together.

    `week` (n,) is the index of each trade's week, `counts` (draws, weeks) how often each week is drawn.
    """

    week: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def weeks(self) -> int:
        """Number of weeks that hold trades."""
        return int(self.counts.shape[1])


def week_of(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the calendar week, Monday 00:00 UTC inclusive to the next exclusive."""
    return (time_ms + _MONDAY_MS) // WEEK_MS


def draw_weeks(confirmed_at_ms: NDArray[np.int64], *, draws: int = 2000, seed: int) -> WeekDraws:
    """Draw calendar weeks for all figures of one set of trades; equal for equal seed and times."""
    weeks, week = np.unique(week_of(confirmed_at_ms), return_inverse=True)
    rng = np.random.default_rng(seed)
    n = len(weeks)
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=draws) if n else np.zeros((draws, 0), dtype=np.int64)
    return WeekDraws(week.astype(np.int64), counts)


def mean_interval(drawn: WeekDraws, values: Array, members: Mask | None = None) -> Interval | None:
    """Interval of the mean of `values` (n,) over the members; None below 20 weeks or 30 trades."""
    members = np.ones(len(values), dtype=np.bool_) if members is None else members
    if not _enough(drawn, members):
        return None
    return _interval(_means(drawn, values, members))


def difference_interval(drawn: WeekDraws, values: Array, members: Mask) -> Interval | None:
    """Interval of the mean over the members minus that over all others; None if either is too few."""
    if not (_enough(drawn, members) and _enough(drawn, ~members)):
        return None
    return _interval(_means(drawn, values, members) - _means(drawn, values, ~members))


def _enough(drawn: WeekDraws, members: Mask) -> bool:
    return drawn.weeks >= MIN_WEEKS and int(members.sum()) >= MIN_TRADES


def _means(drawn: WeekDraws, values: Array, members: Mask) -> Array:
    sums = np.bincount(drawn.week, weights=np.where(members, values, 0.0), minlength=drawn.weeks)
    sizes = np.bincount(drawn.week, weights=members.astype(np.float64), minlength=drawn.weeks)
    drawn_sizes = drawn.counts @ sizes
    means: Array = np.full(len(drawn.counts), np.nan)
    np.divide(drawn.counts @ sums, drawn_sizes, out=means, where=drawn_sizes > 0)
    return means


def _interval(figures: Array) -> Interval:
    low, high = np.nanquantile(figures, _TAILS)
    return Interval(float(low), float(high))
