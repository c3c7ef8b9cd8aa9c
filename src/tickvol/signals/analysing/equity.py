"""Equity of staking a fraction per trade, its drawdown, and the share of resampled paths that come to ruin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.analysing.weeks import week_of

Array = NDArray[np.float64]
Times = NDArray[np.int64]


def most_open(entered_at_ms: Times, confirmed_at_ms: Times) -> int:
    """Largest number of trades open at once; one that closes at t makes room for one that opens at t.

    >>> most_open(np.array([0, 10, 10]), np.array([10, 20, 30]))
    2
    """
    times = np.concatenate([entered_at_ms, confirmed_at_ms])
    steps = np.concatenate([np.ones(len(entered_at_ms), dtype=np.int64), np.full(len(confirmed_at_ms), -1)])
    return int(np.cumsum(steps[np.lexsort((steps, times))]).max(initial=0))


def equity_curve(net: Array, *, stake: float = 0.1, fixed: bool = False, open_at_once: int = 1) -> Array:
    """Equity (n + 1,) from 1: `E_k = E_(k-1) (1 + f r_k)`, or `E_(k-1) + f r_k` where the stake is fixed.

    Raises
    ------
    InputError
        If the stake is not in (0, 1] or the trades open at once would need more than the whole equity.

    >>> equity_curve(np.array([0.1, -0.1]), stake=0.5).round(6).tolist()
    [1.0, 1.05, 0.9975]
    """
    if not 0 < stake <= 1:
        raise InputError(f"stake: {stake}: must lie in (0, 1]")
    if stake * open_at_once > 1 + 1e-12:
        raise InputError(
            f"stake: {stake}: {open_at_once} trades are open at once, which needs more than the equity: "
            f"at most {1 / open_at_once:.4g}"
        )
    path = 1.0 + np.cumsum(stake * net) if fixed else np.cumprod(np.maximum(1.0 + stake * net, 0.0))
    return np.concatenate([[1.0], path])


@dataclass(frozen=True)
class Drawdown:
    """Fall from the highest equity so far.

    `series` (n + 1,) is `E_k / max_{j<=k} E_j - 1`. `maximum` is its least value, from the equity at index `start`
    to that at `end`; `recovery` is the first index at or above the old peak, None if there is none. `under_water_ms`
    is the time between confirmations at which the equity was below its peak.
    """

    series: Array
    maximum: float
    start: int
    end: int
    recovery: int | None
    under_water_ms: int


def drawdown(equity: Array, confirmed_at_ms: Times) -> Drawdown:
    """Drawdown of an equity curve (n + 1,) whose points after the first are at `confirmed_at_ms` (n,)."""
    peaks = np.maximum.accumulate(equity)
    series = equity / peaks - 1.0
    end = int(np.argmin(series))
    start = int(np.argmax(equity[: end + 1]))
    back = np.flatnonzero(equity[end:] >= peaks[end])
    below = series[1:-1] < 0
    return Drawdown(
        series=series,
        maximum=float(series[end]),
        start=start,
        end=end,
        recovery=end + int(back[0]) if len(back) else None,
        under_water_ms=int(np.diff(confirmed_at_ms)[below].sum()),
    )


def ruin_share(
    net: Array, confirmed_at_ms: Times, *, stake: float = 0.1, ruin: float = 0.5, paths: int = 1000, seed: int
) -> float | None:
    """Share of resampled equity paths that fall below `1 - ruin`; None without trades.

    A path puts as many calendar weeks as hold trades behind each other, drawn with replacement; the trades of a week
    keep their order.
    """
    if not len(net):
        return None
    starts = np.flatnonzero(np.diff(week_of(confirmed_at_ms), prepend=-1))
    growth = [np.cumprod(np.maximum(1.0 + stake * week, 0.0)) for week in np.split(net, starts[1:])]
    lowest, total = np.array([week.min() for week in growth]), np.array([week[-1] for week in growth])
    drawn = np.random.default_rng(seed).integers(0, len(growth), size=(paths, len(growth)))
    before = np.cumprod(np.concatenate([np.ones((paths, 1)), total[drawn[:, :-1]]], axis=1), axis=1)
    return float(((before * lowest[drawn]).min(axis=1) < 1.0 - ruin).mean())
