"""Quantiles of delays in bounded memory: a histogram whose buckets are one percent wide."""

import math
from collections import Counter

_WIDTH = math.log(1.01)


class Delays:
    """Delays in ns, negative ones (clocks that differ) included; quantiles are within 1%, the extremes exact.

    >>> delays = Delays()
    >>> for milliseconds in range(1, 101):
    ...     delays.add(milliseconds * 1_000_000)
    >>> summary = delays.summary()
    >>> 49.5 < summary["p50_ms"] < 50.5, summary["max_ms"]
    (True, 100.0)
    """

    def __init__(self) -> None:
        self.count = 0
        self._smallest = math.inf
        self._largest = -math.inf
        self._buckets: Counter[tuple[int, int]] = Counter()

    def add(self, delay_ns: int) -> None:
        """Add one delay."""
        self.count += 1
        self._smallest = min(self._smallest, delay_ns)
        self._largest = max(self._largest, delay_ns)
        sign = (delay_ns > 0) - (delay_ns < 0)
        self._buckets[sign, sign * round(math.log(abs(delay_ns)) / _WIDTH) if sign else 0] += 1

    def quantile_ns(self, share: float) -> float:
        """The smallest delay that at least `share` of all do not exceed; NaN if there are none."""
        rank = max(1, math.ceil(share * self.count))
        for (sign, bucket), count in sorted(self._buckets.items()):
            rank -= count
            if rank <= 0:
                middle = sign * math.exp(abs(bucket) * _WIDTH)
                return min(max(middle, self._smallest), self._largest)
        return math.nan

    def summary(self) -> dict[str, float]:
        """Count, p50, p99 and extremes in ms; only the count if there are none."""
        if not self.count:
            return {"count": 0}
        return {
            "count": self.count,
            "min_ms": self._smallest / 1e6,
            "p50_ms": self.quantile_ns(0.5) / 1e6,
            "p99_ms": self.quantile_ns(0.99) / 1e6,
            "max_ms": self._largest / 1e6,
        }
