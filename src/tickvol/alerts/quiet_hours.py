"""Quiet hours: times of day at which notifications are held back."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

from tickvol.core.times import NS_PER_S


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Daily interval from `start` (included) to `end` (excluded) in `zone`; `end` before `start` spans midnight.

    >>> night = QuietHours.parse("22:00-07:00", UTC)
    >>> [night.hold(hour * 3600 * NS_PER_S) for hour in (21, 22, 6, 7)]
    [False, True, True, False]
    """

    start: time
    end: time
    zone: tzinfo

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> "QuietHours":
        """Read `HH:MM-HH:MM`.

        Raises
        ------
        ValueError
            If the format differs, or if both ends are the same: nothing would ever be sent.
        """
        start, _, end = text.partition("-")
        try:
            first, last = (datetime.strptime(part, "%H:%M").time() for part in (start, end))
        except ValueError:
            raise ValueError(f"{text!r}: must be HH:MM-HH:MM, such as 22:00-07:00") from None
        if first == last:
            raise ValueError(f"{text!r}: start and end must differ, or nothing would ever be sent")
        return cls(first, last, zone)

    def hold(self, at_ns: int) -> bool:
        """True if the instant lies within the quiet hours."""
        at = datetime.fromtimestamp(at_ns // NS_PER_S, UTC).astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end
