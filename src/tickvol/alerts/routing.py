"""Which sinks an alert goes to, and at which hours it waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tickvol.alerts.notifications import Severity
from tickvol.alerts.quiet_hours import QuietHours


@dataclass(frozen=True, slots=True)
class Route:
    """What a sink takes.

    Attributes
    ----------
    severities : those that it is given; the others pass it by.
    quiet : hours in which a severity waits there. `critical` never does, whatever is written here.
    """

    sink: str
    severities: frozenset[Severity]
    quiet: Mapping[Severity, QuietHours] = field(default_factory=dict)

    def waits(self, severity: Severity, at_ns: int) -> bool:
        """Whether an alert of that severity is held back at that time."""
        hours = self.quiet.get(severity)
        return severity is not Severity.CRITICAL and hours is not None and hours.hold(at_ns)


def destinations(routes: Sequence[Route], severity: Severity, at_ns: int) -> tuple[list[str], list[str]]:
    """Sinks that an alert goes to at once, and those that hold it back."""
    takers = [route for route in routes if severity in route.severities]
    held = [route.sink for route in takers if route.waits(severity, at_ns)]
    return [route.sink for route in takers if route.sink not in held], held
