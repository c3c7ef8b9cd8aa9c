"""Routing of alerts to sinks by severity, and the hours at which a sink holds them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tickvol.alerts.notifications import Severity
from tickvol.alerts.quiet_hours import QuietHours


@dataclass(frozen=True, slots=True)
class SinkRoute:
    """Severities that a sink takes, and its quiet hours.

    Attributes
    ----------
    severities : those sent to the sink; it never sees the others.
    quiet : hours at which a severity is held back. `critical` never is, whatever is configured here.
    """

    sink: str
    severities: frozenset[Severity]
    quiet: Mapping[Severity, QuietHours] = field(default_factory=dict)

    def waits(self, severity: Severity, at_ns: int) -> bool:
        """True if an alert of this severity is held back at this time."""
        hours = self.quiet.get(severity)
        return severity is not Severity.CRITICAL and hours is not None and hours.hold(at_ns)


def destinations(routes: Sequence[SinkRoute], severity: Severity, at_ns: int) -> tuple[list[str], list[str]]:
    """Sinks that get an alert at once, and sinks that hold it back."""
    takers = [route for route in routes if severity in route.severities]
    held = [route.sink for route in takers if route.waits(severity, at_ns)]
    return [route.sink for route in takers if route.sink not in held], held
