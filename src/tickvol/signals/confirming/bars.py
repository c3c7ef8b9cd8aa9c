"""Closed bars of one product and interval, and the stretches for which no bar will ever come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

Prices = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Bars:
    """Closed bars, oldest first; a missing bar is absent.

    Parameters
    ----------
    open_time_ms : (n,) int64, ms since the epoch, strictly rising multiples of `length_ms`
    open, high, low, close : (n,) float64, quote units, finite and above 0
    length_ms : length of a bar; bar i is known at `open_time_ms[i] + length_ms`

    Raises
    ------
    InputError
        If the arrays differ in length, times leave the grid or do not rise, or a price breaks `low <= open, close <=
        high`.
    """

    open_time_ms: Times
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    length_ms: int

    def __post_init__(self) -> None:
        if self.length_ms <= 0:
            raise InputError(f"length_ms: {self.length_ms}: must be above 0")
        for name in ("open", "high", "low", "close"):
            if getattr(self, name).shape != self.open_time_ms.shape:
                raise InputError(f"{name}: {getattr(self, name).shape}: must have one value for each open_time_ms")
        if np.any(self.open_time_ms % self.length_ms != 0) or np.any(np.diff(self.open_time_ms) <= 0):
            raise InputError(
                f"open_time_ms: must be strictly rising multiples of {self.length_ms}: sort and deduplicate"
            )
        lowest, highest = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        sound = (self.low > 0) & (self.low <= lowest) & (highest <= self.high) & np.isfinite(self.high)
        if not sound.all():
            first = int(self.open_time_ms[np.argmin(sound)])
            raise InputError(f"bar that opens at {first}: must hold 0 < low <= open, close <= high: reject it upstream")

    def __len__(self) -> int:
        return len(self.open_time_ms)


@dataclass(frozen=True)
class NoData:
    """Stretches [from_ms, to_ms) of close times whose bars can no longer come; (k,) int64 each."""

    from_ms: Times
    to_ms: Times


def no_stretches() -> NoData:
    """The absence of such stretches: every missing bar may still come."""
    return NoData(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
