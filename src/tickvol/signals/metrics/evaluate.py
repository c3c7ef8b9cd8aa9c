"""States of a metric at closed bars: true, false or unknown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.metrics.evaluate_kernel import states
from tickvol.signals.metrics.language import Direction, Metric

Values = NDArray[np.float64]
Series = Mapping[str, Values]
"""Values by indicator code, all on one grid of bars without holes, oldest first; NaN is unknown."""

TRUE, FALSE, UNKNOWN = 1, 0, -1
_NUMBER = {direction: number for number, direction in enumerate(Direction)}


@dataclass(frozen=True)
class States:
    """States of one metric.

    Parameters
    ----------
    state : (n,) int8, 1 true, 0 false, -1 unknown
    observed : (n,) float64, the anchor, less the reference if there is one; NaN where unknown
    """

    state: NDArray[np.int8]
    observed: Values

    def __len__(self) -> int:
        return len(self.state)


def evaluate(
    metric: Metric, series: Series, lows: Values, highs: Values, closes: Values, *, length_ms: int, first: int = 0
) -> States:
    """States of a metric at all bars from `first` on; bar i depends on the bars up to i only.

    A state is unknown as soon as one value that the condition reads is, whatever the others say. All windows are
    (i - W, i]; trends, crosses and rejections read bar i - W as well.

    Parameters
    ----------
    series : holds the anchor and the reference
    lows, highs, closes : (n,) float64, prices of the bars, read by `REJECT_*` only
    length_ms : length of a bar
    first : index of the first bar wanted

    Raises
    ------
    InputError
        If a series is absent, arrays differ in length, or the window is no whole number of bars.
    """
    window = metric.window_bars(length_ms)
    observed = _observed(metric, series)
    for name, prices in (("lows", lows), ("highs", highs), ("closes", closes)):
        if prices.shape != observed.shape:
            raise InputError(f"{name}: {prices.shape}: must have the shape of {metric.anchor}, {observed.shape}")
    if not 0 <= first <= len(observed):
        raise InputError(f"first: {first}: must lie in [0, {len(observed)}]")
    a = 0.0 if metric.threshold_start is None else metric.threshold_start
    b = a if metric.threshold_end is None else metric.threshold_end
    state = states(first, _NUMBER[metric.direction], float(a), float(b), window, observed, highs, lows, closes)
    return States(state, observed[first:])


def evaluate_newest(
    metric: Metric, series: Series, lows: Values, highs: Values, closes: Values, *, length_ms: int
) -> tuple[int, float]:
    """State and observed value at the newest bar: the last of `evaluate`, at the cost of one bar."""
    if not len(closes):
        raise InputError(f"{metric.code}: no bar: needs at least one closed bar")
    n = min(bars_needed(metric, length_ms), len(closes))
    read = {code: values[-n:] for code, values in series.items() if code in (metric.anchor, metric.reference)}
    newest = evaluate(metric, read, lows[-n:], highs[-n:], closes[-n:], length_ms=length_ms, first=n - 1)
    return int(newest.state[0]), float(newest.observed[0])


def bars_needed(metric: Metric, length_ms: int) -> int:
    """Bars up to and including the newest that a state reads."""
    return metric.window_bars(length_ms) + metric.direction.bars_before


def never_true(metric: Metric, evaluated: States) -> str | None:
    """Warning for a metric that no bar of the history makes true, with the count of bars; None if one does."""
    if np.any(evaluated.state == TRUE):
        return None
    known = int(np.count_nonzero(evaluated.state != UNKNOWN))
    return f"{metric.code}: {metric.direction}: true at 0 of {known} bars with a known state: check its thresholds"


def _observed(metric: Metric, series: Series) -> Values:
    for code in (metric.anchor, metric.reference):
        if code is not None and code not in series:
            raise InputError(f"{metric.code}: {code}: must be among the series: {', '.join(sorted(series))}")
    anchor = np.asarray(series[metric.anchor], dtype=np.float64)
    if metric.reference is None:
        return anchor
    reference = np.asarray(series[metric.reference], dtype=np.float64)
    if reference.shape != anchor.shape:
        raise InputError(f"{metric.reference}: {reference.shape}: must have the shape of {metric.anchor}")
    return anchor - reference
