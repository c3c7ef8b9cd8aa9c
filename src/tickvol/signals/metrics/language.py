"""The language of metrics: one condition on one series, with the side and the weight that it speaks for."""

from dataclasses import dataclass
from enum import StrEnum

from tickvol.core.errors import InputError
from tickvol.signals.metrics.canonical import hash_of


class Direction(StrEnum):
    """Condition on the series d (the anchor, less the reference if there is one) with thresholds a and b, window W."""

    ABOVE = "ABOVE"
    BELOW = "BELOW"
    BETWEEN = "BETWEEN"
    OUTSIDE = "OUTSIDE"
    TREND_UP = "TREND_UP"
    TREND_DOWN = "TREND_DOWN"
    CROSS_UP = "CROSS_UP"
    CROSS_DOWN = "CROSS_DOWN"
    REJECT_UP = "REJECT_UP"
    REJECT_DOWN = "REJECT_DOWN"

    @property
    def takes_end(self) -> bool:
        """The condition needs `threshold_end`."""
        return self in (Direction.BETWEEN, Direction.OUTSIDE)

    @property
    def is_trend(self) -> bool:
        """The condition compares the two ends of the window."""
        return self in (Direction.TREND_UP, Direction.TREND_DOWN)

    @property
    def is_reject(self) -> bool:
        """The condition compares prices with the level that the anchor is."""
        return self in (Direction.REJECT_UP, Direction.REJECT_DOWN)

    @property
    def bars_before(self) -> int:
        """Bars read before the window: 1 where the condition reads bar i - W, else 0."""
        return int(self not in (Direction.ABOVE, Direction.BELOW, Direction.BETWEEN, Direction.OUTSIDE))


class Side(StrEnum):
    """The action that a metric speaks for; CONTEXT describes a market and never scores."""

    BUY = "BUY"
    SELL = "SELL"
    NO_TRADE = "NO_TRADE"
    CONTEXT = "CONTEXT"


class Group(StrEnum):
    """Family of a metric; the order is that in which the scorer `groups` adds."""

    TREND = "TREND"
    MOMENTUM = "MOMENTUM"
    VOLUME = "VOLUME"
    VOLATILITY = "VOLATILITY"
    SENTIMENT = "SENTIMENT"


class WindowUnit(StrEnum):
    """Unit of a window: bars, or a duration that must be a whole number of bars."""

    BARS = "BARS"
    MINUTES = "MINUTES"
    HOURS = "HOURS"
    DAYS = "DAYS"


_UNIT_MS = {WindowUnit.MINUTES: 60_000, WindowUnit.HOURS: 3_600_000, WindowUnit.DAYS: 86_400_000}


@dataclass(frozen=True)
class Metric:
    """One version of a condition; `symbol` and `interval` are None where it holds for all.

    Thresholds are in the unit of the series (`REJECT_*`: fraction of the level); defaults are written out, so that
    rows of one meaning have one hash.
    """

    code: str
    anchor: str
    direction: Direction
    side: Side
    group: Group
    weight: float
    reference: str | None = None
    threshold_start: float | None = None
    threshold_end: float | None = None
    window_size: int = 1
    window_unit: WindowUnit = WindowUnit.BARS
    symbol: str | None = None
    interval: str | None = None
    active: bool = True
    version: int = 1
    note: str = ""

    def window_bars(self, length_ms: int) -> int:
        """Bars in the window, for bars of `length_ms`.

        Raises
        ------
        InputError
            If the window is no whole number of bars.
        """
        if self.window_unit is WindowUnit.BARS:
            return self.window_size
        window_ms = self.window_size * _UNIT_MS[self.window_unit]
        if window_ms % length_ms:
            raise InputError(
                f"{self.code}: window: {self.window_size} {self.window_unit}: must be a whole number of bars of"
                f" {length_ms} ms"
            )
        return window_ms // length_ms

    def applies_to(self, symbol: str, interval: str) -> bool:
        """The metric is defined for this product and interval."""
        return self.symbol in (None, symbol) and self.interval in (None, interval)

    @property
    def definition_hash(self) -> str:
        """SHA-256 of the canonical JSON of all that gives the row its meaning: not code, version or note."""
        return hash_of(
            {
                "active": self.active,
                "anchor": self.anchor,
                "direction": self.direction.value,
                "group": self.group.value,
                "interval": self.interval,
                "reference": self.reference,
                "side": self.side.value,
                "symbol": self.symbol,
                "threshold_end": self.threshold_end,
                "threshold_start": self.threshold_start,
                "weight": self.weight,
                "window_size": self.window_size,
                "window_unit": self.window_unit.value,
            }
        )
