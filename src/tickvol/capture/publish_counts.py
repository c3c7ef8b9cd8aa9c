"""Counts of a publisher, which its process sends to the capture."""

from dataclasses import dataclass, field

import msgspec


@dataclass
class PublishCounts:
    """Counts of one process; resent records count again.

    Attributes
    ----------
    source, line : the last acknowledged line, and its file.
    files_behind : number of files after that one.
    """

    connected: bool = False
    records: int = 0
    letters: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    files_behind: int = 0
    source: str = ""
    line: int = 0

    def as_json(self) -> bytes:
        """JSON line for the capture."""
        return msgspec.json.encode(self)

    def after(self, before: "PublishCounts") -> "PublishCounts":
        """Totals of this process and an earlier one; the other fields as they are now."""
        return PublishCounts(
            self.connected,
            self.records + before.records,
            self.letters + before.letters,
            added(self.rejected, before.rejected),
            added(self.gaps, before.gaps),
            self.in_flight,
            self.files_behind,
            self.source,
            self.line,
        )


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """Sums of two sets of counts, by name."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def decode_counts(line: bytes) -> PublishCounts:
    """Decode a line of `as_json`."""
    return msgspec.json.decode(line, type=PublishCounts)
