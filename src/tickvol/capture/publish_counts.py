"""What a publisher has done, told by its process to the capture beside it."""

from dataclasses import dataclass, field

import msgspec


@dataclass
class PublishFigures:
    """Counts of one process; a record that was sent again counts again.

    Attributes
    ----------
    source, line : the last line that is acknowledged, and its file.
    files_behind : files after that one.
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
        """One line for whoever watches."""
        return msgspec.json.encode(self)

    def after(self, before: "PublishFigures") -> "PublishFigures":
        """Totals of this process and an earlier one; the rest as it is now."""
        return PublishFigures(
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
    """Counts by name of both."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def figures_of(line: bytes) -> PublishFigures:
    """What a line of `as_json` says."""
    return msgspec.json.decode(line, type=PublishFigures)
