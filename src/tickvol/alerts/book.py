"""State folded from the ledger's lines: the last alert of each kind, and the state of each delivery."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from tickvol.alerts.notifications import Alert, AlertState, Notice


class Fate(enum.StrEnum):
    """Delivery state of a notification in a sink; `due` and `failed` are retried, `held` waits for its digest."""

    DUE = "due"
    HELD = "held"
    IN_DIGEST = "in_digest"
    FAILED = "failed"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    DELIVERED = "delivered"


OPEN = (Fate.DUE, Fate.FAILED)
"""States of notifications that are still to be delivered."""


class Made(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="made", forbid_unknown_fields=True):
    """A notification with its target sinks; for a digest, `of` holds the keys of the held notifications in it."""

    key: str
    notice: Notice
    due: tuple[str, ...]
    held: tuple[str, ...] = ()
    of: tuple[str, ...] = ()


class Tried(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tried", forbid_unknown_fields=True):
    """Outcome of a delivery to a sink, or a manual decision to give up or retry a notification."""

    key: str
    sink: str
    fate: Fate
    at_ns: int
    detail: str | None = None


Line = Made | Tried


@dataclass(slots=True)
class Delivery:
    """State of a notification's delivery to one sink; `tries` counts visits to the sink, each with its own attempts."""

    fate: Fate
    tries: int = 0
    at_ns: int | None = None
    detail: str | None = None


@dataclass(slots=True)
class TrackedNotice:
    """A notification and its deliveries by sink."""

    key: str
    notice: Notice
    deliveries: dict[str, Delivery] = field(default_factory=dict)


class Book:
    """A fold over the ledger's lines; the same lines give the same book."""

    def __init__(self) -> None:
        self.entries: dict[str, TrackedNotice] = {}
        self._last: dict[tuple[str, str], Alert] = {}

    def add(self, line: Line) -> None:
        """Apply the next line; a line about an unknown notification is ignored."""
        if isinstance(line, Made):
            self._made(line)
        elif line.key in self.entries:
            delivery = self.entries[line.key].deliveries.setdefault(line.sink, Delivery(line.fate))
            delivery.fate, delivery.at_ns, delivery.detail = line.fate, line.at_ns, line.detail
            delivery.tries += line.fate in (Fate.DELIVERED, Fate.FAILED, Fate.REFUSED)

    def _made(self, line: Made) -> None:
        entry = self.entries.setdefault(line.key, TrackedNotice(line.key, line.notice))
        entry.deliveries |= {sink: Delivery(Fate.DUE) for sink in line.due}
        entry.deliveries |= {sink: Delivery(Fate.HELD) for sink in line.held}
        for key in self.entries.keys() & set(line.of):
            for sink in line.due:
                self.entries[key].deliveries[sink] = Delivery(Fate.IN_DIGEST, detail=line.key)
        if isinstance(line.notice, Alert):
            self._last[line.notice.name, line.notice.subject.text] = line.notice

    def last(self, name: str, subject_text: str) -> Alert | None:
        """The last alert of a name and subject; None if there is none."""
        return self._last.get((name, subject_text))

    def standing(self, name: str | None = None) -> list[Alert]:
        """Alerts that are raised and not cleared, of one name or of all."""
        raised = (alert for alert in self._last.values() if alert.state is AlertState.RAISED)
        return [alert for alert in raised if name is None or alert.name == name]

    def with_fate(self, *fates: Fate, sink: str | None = None) -> Iterator[tuple[TrackedNotice, str]]:
        """Notifications and sinks whose delivery is in one of these states, in order of creation."""
        for entry in self.entries.values():
            for name, delivery in entry.deliveries.items():
                if delivery.fate in fates and sink in (None, name):
                    yield entry, name
