"""When a figure raises an alert, repeats it and clears it: one pure decision on the last alert of its kind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tickvol.alerts.notifications import Alert, AlertState, Figure, Severity, Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert by name: it is raised above one level and cleared below a lower one; between them nothing changes.

    Raises
    ------
    ValueError
        When the levels are not in this order.
    """

    name: str
    severity: Severity
    raise_above: float
    clear_below: float

    def __post_init__(self) -> None:
        if not self.clear_below <= self.raise_above:
            raise ValueError(f"rule {self.name}: clear_below {self.clear_below} must not be above {self.raise_above}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule is asked about.

    Attributes
    ----------
    value : None or NaN where it is not known, which neither raises nor clears.
    figures, reason : go into the alert.
    event_time_ns : what the value is as of.
    """

    subject: Subject
    value: float | None
    figures: Mapping[str, Figure]
    reason: str
    event_time_ns: int


def decide(last: Alert | None, rule: Rule, reading: Reading, *, now_ns: int, repeat_after_ns: int) -> Alert | None:
    """The alert that a reading makes, None for none.

    Parameters
    ----------
    last : the last alert of this name and subject, None without any. It is all that is remembered: raised means that
        the alert stands.
    now_ns : our clock; becomes `made_time_ns`.
    repeat_after_ns : an alert that stands is sent again this long after it was last made, not sooner.

    Notes
    -----
    A reading older than the last alert, by event time, says nothing: whoever looks at past days again must not clear
    what stands today.
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


def _made(severity: Severity, state: AlertState, repeat: int, rule: Rule, reading: Reading, now_ns: int) -> Alert:
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
