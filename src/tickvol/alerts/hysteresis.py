"""Hysteresis of alerts: a pure decision, from the last alert of its kind, to raise, repeat or clear one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tickvol.alerts.notifications import Alert, AlertState, Figure, Severity, Subject


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A named alert: raised above one level and cleared below a lower one; between them nothing changes.

    Raises
    ------
    ValueError
        If `clear_below` is above `raise_above`.
    """

    name: str
    severity: Severity
    raise_above: float
    clear_below: float

    def __post_init__(self) -> None:
        if not self.clear_below <= self.raise_above:
            raise ValueError(f"rule {self.name}: clear_below {self.clear_below} must not be above {self.raise_above}")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value for a rule to judge.

    Attributes
    ----------
    value : None or NaN if unknown, which neither raises nor clears.
    figures, reason : copied into the alert.
    event_time_ns : event time of the value.
    """

    subject: Subject
    value: float | None
    figures: Mapping[str, Figure]
    reason: str
    event_time_ns: int


def decide(
    last: Alert | None, rule: AlertRule, reading: Measurement, *, now_ns: int, repeat_after_ns: int
) -> Alert | None:
    """The alert that a reading causes; None if it causes none.

    Parameters
    ----------
    last : the last alert of this name and subject, None if there is none. It is the whole state: raised means that the
        alert stands.
    now_ns : our clock; becomes `made_time_ns`.
    repeat_after_ns : a standing alert is repeated this long after it was last created, not sooner.

    Notes
    -----
    A reading older than the last alert, by event time, is ignored: a second look at past days must not clear an alert
    that stands today.
    """
    value = reading.value
    if value is None or math.isnan(value) or (last is not None and reading.event_time_ns < last.event_time_ns):
        return None
    if last is None or last.state is AlertState.CLEARED:
        return _made(rule.severity, AlertState.RAISED, 0, rule, reading, now_ns) if value > rule.raise_above else None
    if value < rule.clear_below:
        return _made(last.severity, AlertState.CLEARED, 0, rule, reading, now_ns)
    if now_ns - last.made_time_ns >= repeat_after_ns:
        return _made(last.severity, AlertState.RAISED, last.repeat + 1, rule, reading, now_ns)
    return None


def _made(
    severity: Severity, state: AlertState, repeat: int, rule: AlertRule, reading: Measurement, now_ns: int
) -> Alert:
    return Alert(
        name=rule.name,
        severity=severity,
        subject=reading.subject,
        state=state,
        repeat=repeat,
        figures=dict(reading.figures),
        reason=reading.reason,
        event_time_ns=reading.event_time_ns,
        made_time_ns=now_ns,
    )
