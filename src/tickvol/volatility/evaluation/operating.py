"""Operating points: event recall and lead time at a given false-alarm rate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.evaluation.events import event_metrics
from tickvol.volatility.evaluation.judge import JudgedRows, JudgingRules, ScoredDetector

_SHARES = np.geomspace(1e-4, 0.9, 48)
"""Shares of rows at or above a threshold: the grid of candidate thresholds."""


def operating_points(
    rows: JudgedRows, detector: ScoredDetector, rules: JudgingRules, false_alarms_per_hour: Sequence[float]
) -> list[dict[str, Any]]:
    """For each maximum false-alarm rate: the threshold that keeps to it, events caught and their lead times.

    The threshold is the lowest one such that neither it nor any higher one exceeds the rate; None, and no alarm at
    all, where even the highest score exceeds it. It is chosen on the evaluated rows themselves, the same way for every
    detector: suitable for comparison, not as a guarantee.
    """

    def at(threshold: float | None) -> dict[str, Any]:
        above = np.zeros(len(rows), np.bool_) if threshold is None else detector.probability >= threshold
        events = event_metrics(
            rows.product,
            rows.bar_end_ns,
            rows.positive,
            above,
            bar_ns=rows.bar_ns,
            horizon_ns=rules.horizon_s * NS_PER_S,
            cooldown_ns=rules.alarm_cooldown_s * NS_PER_S,
        )
        return {"threshold": threshold, **events}

    last = at(None)
    found = dict.fromkeys(false_alarms_per_hour, last)
    bearable = set(found)
    for threshold in _thresholds(detector.probability):
        last = at(threshold)
        bearable = {rate for rate in bearable if (last["false_alarms_per_hour"] or 0.0) <= rate}
        found |= dict.fromkeys(bearable, last)
        if not bearable:
            break
    return [_point(rate, found[rate]) for rate in false_alarms_per_hour]


def _thresholds(probability: NDArray[np.float64]) -> list[float]:
    """Candidate thresholds, descending and distinct."""
    return sorted(set(np.quantile(probability, 1.0 - _SHARES, method="inverted_cdf").tolist()), reverse=True)


def _point(rate: float, found: dict[str, Any]) -> dict[str, Any]:
    names = ("threshold", "events", "caught", "caught_early", "caught_share", "false_alarms_per_hour")
    return {
        "at_most": rate,
        **{name: found[name] for name in names},
        "median_lead_time_s": found["lead_time_s"]["median"],
    }
