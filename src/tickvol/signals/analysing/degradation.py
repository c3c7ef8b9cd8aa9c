"""Change of the expectancy in the latest trades."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.analysing.weeks import Interval, WeekDraws, difference_interval

Array = NDArray[np.float64]
_LATE_SHARE = 0.2


@dataclass(frozen=True)
class Degradation:
    """Expectancy of the last 20 % of trades minus that of the first 80 %, with its interval."""

    value: float | None
    interval: Interval | None
    n: int

    @property
    def flagged(self) -> bool:
        """The interval excludes 0."""
        return self.interval is not None and self.interval.excludes_zero


def degradation(net: Array, drawn: WeekDraws) -> Degradation:
    """Degradation of net returns (n,) in the order of confirmation; None with fewer than 2 trades."""
    late = np.arange(len(net)) >= len(net) - int(len(net) * _LATE_SHARE)
    if not late.any() or late.all():
        return Degradation(None, None, len(net))
    return Degradation(float(net[late].mean() - net[~late].mean()), difference_interval(drawn, net, late), len(net))
