"""Rules, readings, clocks and sinks for tests of alerts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tickvol.alerts.dispatcher import AlertDispatcher, Sink
from tickvol.alerts.hysteresis import AlertRule, Measurement
from tickvol.alerts.ledger import AlertLedger
from tickvol.alerts.notifications import Alert, Digest, Notice, Severity, Subject
from tickvol.alerts.routing import SinkRoute
from tickvol.core.errors import NotDelivered

SECOND = 10**9
HOUR = 3600 * SECOND
NOON_NS = 1_775_390_400 * SECOND  # 2026-04-05T12:00:00Z
ALL = frozenset(Severity)


def rule(
    severity: Severity = Severity.WARNING, *, name: str = "drift", up: float = 1.0, down: float = 0.8
) -> AlertRule:
    return AlertRule(name, severity, raise_above=up, clear_below=down)


def reading(value: float | None, at_ns: int = NOON_NS, feature: str = "vol_zscore") -> Measurement:
    return Measurement(Subject(feature=feature, detector="logistic"), value, {"value": value}, f"it is {value}", at_ns)


class Clock:
    def __init__(self, now_ns: int = NOON_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


class Box:
    """A sink that keeps what it is given, and fails as often as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Notice]] = []
        self.errors: list[Exception] = []

    def deliver(self, notice: Notice, key: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.got.append((key, notice))

    def alerts(self) -> list[Alert]:
        """All alerts that arrived, those of digests in their places."""
        return [
            alert for _, notice in self.got for alert in (notice.alerts if isinstance(notice, Digest) else (notice,))
        ]


def new_dispatcher(
    path: Path,
    sinks: Mapping[str, Sink],
    clock: Clock,
    *,
    routes: Sequence[SinkRoute] | None = None,
    repeat_after_ns: int = HOUR,
) -> AlertDispatcher:
    ways = routes if routes is not None else [SinkRoute(name, ALL) for name in sinks]
    factories = {name: lambda sink=sink: sink for name, sink in sinks.items()}
    return AlertDispatcher(AlertLedger(path), ways, factories, now_ns=clock, repeat_after_ns=repeat_after_ns)


def down() -> NotDelivered:
    return NotDelivered("it is down")
