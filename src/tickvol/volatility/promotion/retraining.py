"""Decision to retrain: a pure function of past events and the time.

Drift has hysteresis. Its alarm is raised by several consecutive reports at or above one level, and ends only with a
report below a lower one; reports before the last training run refer to another model and do not count. Whatever the
reason, there is no retraining within the cool-down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tickvol.core.times import NS_PER_S

_HOUR_NS = 3600 * NS_PER_S


class Cause(StrEnum):
    """Cause of a training run."""

    SCHEDULE = "schedule"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRules:
    """Rules of the decision.

    Attributes
    ----------
    interval_ns : scheduled time after the last training run.
    cooldown_ns : minimum time after the last training run.
    on_share, off_share : moved share from which a report counts towards the alarm, and below which the alarm ends.
    reports : number of consecutive reports that raise it.
    """

    interval_ns: int
    cooldown_ns: int
    on_share: float
    off_share: float
    reports: int


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """A drift report and when it was seen; `share` is the moved share of the served bundle's importance."""

    at_ns: int
    share: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A training run."""

    at_ns: int


Event = DriftSeen | Trained


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision to retrain or not, with its cause and reason."""

    retrain: bool
    cause: Cause | None
    reason: str


def decide(
    events: Sequence[Event], now_ns: int, rules: RetrainRules, because: Sequence[Cause] = tuple(Cause)
) -> Decision:
    """Decide about retraining now.

    Parameters
    ----------
    events : in chronological order.
    because : causes to consider; the schedule comes first.

    >>> rules = RetrainRules(interval_ns=100, cooldown_ns=10, on_share=0.5, off_share=0.3, reports=2)
    >>> decide([Trained(0), DriftSeen(1, 0.9)], 20, rules).retrain
    False
    >>> decide([Trained(0), DriftSeen(1, 0.9), DriftSeen(2, 0.6)], 20, rules).cause
    <Cause.DRIFT: 'drift'>
    """
    trained = max((event.at_ns for event in events if isinstance(event, Trained)), default=None)
    if trained is not None and now_ns - trained < rules.cooldown_ns:
        return Decision(
            False, None, f"cool-down: trained {_hours(now_ns - trained)} ago, wait {_hours(rules.cooldown_ns)}"
        )
    reasons = []
    if Cause.SCHEDULE in because:
        if trained is None:
            return Decision(True, Cause.SCHEDULE, "no training is known")
        due = now_ns - trained >= rules.interval_ns
        reason = f"trained {_hours(now_ns - trained)} ago, due every {_hours(rules.interval_ns)}"
        if due:
            return Decision(True, Cause.SCHEDULE, reason)
        reasons.append(reason)
    if Cause.DRIFT in because:
        alarm, reason = _drift(events, rules)
        if alarm:
            return Decision(True, Cause.DRIFT, reason)
        reasons.append(reason)
    return Decision(False, None, "; ".join(reasons))


def _drift(events: Sequence[Event], rules: RetrainRules) -> tuple[bool, str]:
    """Alarm state after the last event (True if on), and the state in words."""
    last = max((place for place, event in enumerate(events) if isinstance(event, Trained)), default=-1)
    shares = [event.share for event in events[last + 1 :] if isinstance(event, DriftSeen)]
    alarm, in_a_row = False, 0
    for share in shares:
        in_a_row = in_a_row + 1 if share >= rules.on_share else 0
        alarm = share >= rules.off_share if alarm else in_a_row >= rules.reports
    if not shares:
        return False, "no drift report since the last training"
    reason = f"last drift report: {shares[-1]:.2f} of what decides has moved"
    if alarm:
        return (
            True,
            f"{reason}, not below {rules.off_share:.2f} since {rules.reports} in a row reached {rules.on_share:.2f}",
        )
    return False, f"{reason}; {in_a_row} in a row at {rules.on_share:.2f} or above, {rules.reports} needed"


def _hours(ns: int) -> str:
    return f"{ns / _HOUR_NS:.1f} h"
