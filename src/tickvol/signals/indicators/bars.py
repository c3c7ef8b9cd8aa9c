"""Closed bars of one product and interval, with the checks that keep unknown values out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

Times = NDArray[np.int64]
Values = NDArray[np.float64]

COLUMNS = ("open", "high", "low", "close", "volume")
DAY_MS = 86_400_000
MIN_LENGTH_MS = 60_000
_RULE = "must hold 0 < low <= open, close <= high < inf and 0 <= volume < inf: leave the bar out, it is then a hole"


def check_length(length_ms: int) -> None:
    """Refuse a bar length below a minute: the memory of session indicators is stated for at most 1440 bars a day."""
    if length_ms < MIN_LENGTH_MS:
        raise InputError(f"length_ms: {length_ms}: must be at least {MIN_LENGTH_MS}")


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed bar.

    Parameters
    ----------
    close_time_ms : exclusive end, ms since the epoch; the bar is known from then on
    open, high, low, close : quote units
    volume : base units

    Raises
    ------
    InputError
        If a price or the volume is NaN, infinite or out of order.
    """

    close_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def __post_init__(self) -> None:
        prices = 0.0 < self.low <= min(self.open, self.close) and max(self.open, self.close) <= self.high < math.inf
        unknown = math.isnan(self.open) or math.isnan(self.close)
        if unknown or not prices or not 0.0 <= self.volume < math.inf:
            raise InputError(f"bar that closes at {self.close_time_ms}: {_RULE}")


@dataclass(frozen=True)
class Bars:
    """Closed bars, oldest first; a missing bar is absent.

    Parameters
    ----------
    close_time_ms : (n,) int64, exclusive ends, ms since the epoch, strictly rising multiples of `length_ms`
    open, high, low, close : (n,) float64, quote units, finite and above 0
    volume : (n,) float64, base units, finite and at least 0
    length_ms : length of a bar, at least a minute

    Raises
    ------
    InputError
        If arrays differ in length or type, times leave the grid or do not rise, or a bar holds an unknown or
        impossible value.
    """

    close_time_ms: Times
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values
    length_ms: int

    def __post_init__(self) -> None:
        check_length(self.length_ms)
        times = self.close_time_ms
        if times.ndim != 1 or times.dtype != np.int64:
            raise InputError(f"close_time_ms: {times.dtype} {times.shape}: must be one-dimensional int64")
        for name in COLUMNS:
            column = getattr(self, name)
            if column.shape != times.shape or column.dtype != np.float64:
                raise InputError(f"{name}: {column.dtype} {column.shape}: must be float64 {times.shape}")
        if np.any(times % self.length_ms != 0):
            first = int(times[np.argmax(times % self.length_ms != 0)])
            raise InputError(
                f"close_time_ms: {first}: must be a multiple of {self.length_ms}, the exclusive end of a bar"
            )
        rises = np.diff(times) > 0
        if not rises.all():
            first = int(times[1:][np.argmin(rises)])
            raise InputError(
                f"close_time_ms: {first}: must lie after the time before it: sort and deduplicate the bars"
            )
        self._check_values()

    def _check_values(self) -> None:
        lowest, highest = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        sound = (self.low > 0) & (self.low <= lowest) & (highest <= self.high) & (self.high < math.inf)
        sound &= (self.volume >= 0) & (self.volume < math.inf)
        if not sound.all():
            first = int(self.close_time_ms[np.argmin(sound)])
            raise InputError(f"bar that closes at {first}: {_RULE}")

    def __len__(self) -> int:
        return len(self.close_time_ms)

    def __getitem__(self, rows: slice) -> "Bars":
        columns = {name: getattr(self, name)[rows] for name in ("close_time_ms", *COLUMNS)}
        return Bars(**columns, length_ms=self.length_ms)

    def bar(self, i: int) -> Bar:
        """Bar `i`."""
        return Bar(int(self.close_time_ms[i]), *(float(getattr(self, name)[i]) for name in COLUMNS))
