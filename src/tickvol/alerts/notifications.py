"""Alerts as they are stored and sent: what, about whom, with which figures, as of when.

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
"""A number or a word; NaN and infinity travel as null."""


class Severity(enum.StrEnum):
    """How much it matters, ascending; `critical` is sent at any hour."""

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
    """Whom an alert is about; what is None does not matter to it."""

    product: str | None = None
    feature: str | None = None
    detector: str | None = None

    @property
    def text(self) -> str:
        """All that is named, as keys of messages and tables show it.

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
    event_time_ns : what the figures are as of, by the clock of the log.
    made_time_ns : when it was made, by our clock; reminders and quiet hours go by this one.
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
        """Key of its message: alerts about one subject keep their order."""
        return self.subject.text


class Digest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="digest", forbid_unknown_fields=True):
    """All alerts that quiet hours held back, in the order in which they were made."""

    severity: Severity
    alerts: tuple[Alert, ...]
    made_time_ns: int

    @property
    def key_text(self) -> str:
        """Key of its message."""
        return "digest"

    @property
    def event_time_ns(self) -> int:
        """The newest event time among its alerts."""
        return max(alert.event_time_ns for alert in self.alerts)


Notice = Alert | Digest
"""What a sink is given."""


def digest_of(notices: Sequence[Notice], made_time_ns: int) -> Digest:
    """A digest of alerts and of those in digests, as severe as the most severe; there must be one at least."""
    worst = max((notice.severity for notice in notices), key=lambda severity: severity.rank)
    alerts = [alert for notice in notices for alert in (notice.alerts if isinstance(notice, Digest) else (notice,))]
    return Digest(severity=worst, alerts=tuple(alerts), made_time_ns=made_time_ns)


encode_notice = msgspec.json.Encoder().encode
decode_notice = msgspec.json.Decoder(Notice).decode


def notice_key(notice: Notice) -> str:
    """What identifies a notice: the first 32 hex digits of the SHA-256 of its JSON.

    A notice that is sent again, because nobody knows whether it arrived, has the same one.
    """
    return hashlib.sha256(encode_notice(notice)).hexdigest()[:32]
