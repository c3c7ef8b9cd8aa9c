"""Alerts as they are stored and sent: name, severity, subject, values and event time.

An alert travels as JSON::

    {"type":"alert","name":"input_drift","severity":"warning",
     "subject":{"feature":"vol_zscore","detector":"logistic@c99ceae5"},"state":"raised","repeat":0,"figures":{"distance":0.31,"importance":0.12},"reason":"...",
     "event_time_ns":1775427314000000000,"made_time_ns":1775427400000000000}
"""

import enum
import hashlib
from collections.abc import Sequence

import msgspec

Figure = float | int | str | None
"""A number or a word; NaN and infinity are encoded as null."""


class Severity(enum.StrEnum):
    """Severity of an alert, ascending; `critical` is sent at any hour."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        return list(Severity).index(self)


class AlertState(enum.StrEnum):
    """An alert stands from `raised` to `cleared`."""

    RAISED = "raised"
    CLEARED = "cleared"


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Subject of an alert; a field that is None does not apply."""

    product: str | None = None
    feature: str | None = None
    detector: str | None = None

    @property
    def text(self) -> str:
        """All fields that are set, as message keys and tables show them.

        >>> Subject(detector="logistic", feature="vol_zscore").text
        'feature=vol_zscore detector=logistic'
        """
        named = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return " ".join(f"{name}={value}" for name, value in named if value is not None)


class Alert(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="alert", forbid_unknown_fields=True):
    """One alert.

    Attributes
    ----------
    repeat : 0 for the raise itself; n for the n-th reminder that it still stands, whose state is `raised` too.
    event_time_ns : event time of the figures, by the clock of the log.
    made_time_ns : creation time by our clock; reminders and quiet hours use this one.
    """

    name: str
    severity: Severity
    subject: Subject
    state: AlertState
    repeat: int = 0
    figures: dict[str, Figure]
    reason: str
    event_time_ns: int
    made_time_ns: int

    @property
    def key_text(self) -> str:
        """Message key: alerts about one subject keep their order."""
        return self.subject.text


class Digest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="digest", forbid_unknown_fields=True):
    """All alerts that quiet hours held back, in the order in which they were made."""

    severity: Severity
    alerts: tuple[Alert, ...]
    made_time_ns: int

    @property
    def key_text(self) -> str:
        """Message key."""
        return "digest"

    @property
    def event_time_ns(self) -> int:
        """The newest event time among its alerts."""
        return max(alert.event_time_ns for alert in self.alerts)


Notice = Alert | Digest
"""A notification as sinks receive it."""


def digest_of(notices: Sequence[Notice], made_time_ns: int) -> Digest:
    """A digest of alerts, including those in digests, as severe as the most severe; needs at least one notification."""
    worst = max((notice.severity for notice in notices), key=lambda severity: severity.rank)
    alerts = [alert for notice in notices for alert in (notice.alerts if isinstance(notice, Digest) else (notice,))]
    return Digest(severity=worst, alerts=tuple(alerts), made_time_ns=made_time_ns)


encode_notice = msgspec.json.Encoder().encode
decode_notice = msgspec.json.Decoder(Notice).decode


def notice_key(notice: Notice) -> str:
    """Idempotency key of a notification: the first 32 hex digits of the SHA-256 of its JSON.

    A notification that is sent again because its delivery is uncertain has the same key.
    """
    return hashlib.sha256(encode_notice(notice)).hexdigest()[:32]
