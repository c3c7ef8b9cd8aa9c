"""Drawdown from the highest close so far, and its episodes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Episode:
    """A fall from a peak until a close reaches it again; positions are indices of days.

    `recovery` is None while no later close has reached the peak. `depth` is the drawdown at the trough, a negative
    fraction; the trough is the first day that attains it.
    """

    peak: int
    trough: int
    recovery: int | None
    depth: float

    @property
    def days_down(self) -> int:
        """Days from peak to trough."""
        return self.trough - self.peak

    @property
    def days_up(self) -> int | None:
        """Days from trough to recovery; None: not yet."""
        return None if self.recovery is None else self.recovery - self.trough


def peaks(closes: Array) -> Array:
    """Highest known close up to each day, (n,) float64; NaN before the first."""
    return np.fmax.accumulate(closes) if len(closes) else closes.copy()


def drawdowns(closes: Array) -> Array:
    """`(close - peak) / peak`, (n,) float64, zero or negative; NaN on a day without a close."""
    peak = peaks(closes)
    return (closes - peak) / peak


def deepest_so_far(drawdown: Array) -> Array:
    """Lowest known drawdown up to each day, (n,) float64; NaN before the first."""
    return np.fmin.accumulate(drawdown) if len(drawdown) else drawdown.copy()


def episodes(closes: Array) -> tuple[Episode, ...]:
    """All falls below a peak, in the order of their peaks.

    The peak is the first day on which its close was reached, so equal closes without a fall between them belong to
    one peak, and one peak that is reached again and left again starts a second episode at the day of the recovery.
    """
    found: list[Episode] = []
    peak, trough = -1, -1
    price = low = math.nan
    for t, close in enumerate(closes.tolist()):
        if close != close:
            continue
        if peak < 0 or close >= price:
            if trough >= 0:
                found.append(Episode(peak, trough, t, (low - price) / price))
            if peak < 0 or close > price or trough >= 0:
                peak, price = t, close
            trough = -1
        elif trough < 0 or close < low:
            trough, low = t, close
    if trough >= 0:
        found.append(Episode(peak, trough, None, (low - price) / price))
    return tuple(found)


def deepest(closes: Array) -> Episode | None:
    """Maximum drawdown: the first trough of the lowest drawdown, its peak and its recovery.

    The peak day is the first on which the running maximum that stood at the trough was set. None where no close ever
    fell below an earlier one.
    """
    drawdown = drawdowns(closes)
    if not len(drawdown) or not np.nanmin(drawdown, initial=0.0) < 0.0:
        return None
    trough = int(np.nanargmin(drawdown))
    price = float(np.nanmax(closes[: trough + 1]))
    peak = int(np.argmax(closes[: trough + 1] == price))
    later = np.flatnonzero(closes[trough + 1 :] >= price)
    recovery = trough + 1 + int(later[0]) if len(later) else None
    return Episode(peak, trough, recovery, float(drawdown[trough]))
