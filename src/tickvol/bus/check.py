"""LogCheck: counts of the messages read from a topic: loss, repeats, disorder, delays; pure, in bounded memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tickvol.bus.contents import Content, Validator
from tickvol.bus.delays import Delays
from tickvol.bus.reading import Stored
from tickvol.bus.seen_numbers import SeenNumbers

MAX_GROUPS = 1000
"""Connections whose first and last numbers are kept; when there are more, the oldest are summed up."""
MAX_NAMES = 1000
"""Distinct products or reasons that are counted by name; further ones count as `others`."""
FIRST_ERRORS = 5


@dataclass(slots=True)
class _NumberRange:
    """First and last number of a group in each partition; all numbers between them must be present."""

    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)

    def note(self, partition: int, number: int) -> None:
        self.first[partition] = min(number, self.first.get(partition, number))
        self.last[partition] = max(number, self.last.get(partition, number))

    def common(self) -> tuple[int, int]:
        """The range that was read of every partition: reading begins and ends at a different moment in each."""
        return max(self.first.values()), min(self.last.values())


class LogCheck:
    """Counts of the messages of one topic.

    Parameters
    ----------
    read : validator of the topic: messages to contents.
    counts_numbers : True if a group's numbers are consecutive, so that an absent one is missing (dead letters: no).
    live_from : by partition, the offset from which messages arrived while reading; only they have a delay to us.
    """

    def __init__(
        self,
        read: Validator,
        *,
        counts_numbers: bool,
        live_from: dict[int, int],
        max_groups: int = MAX_GROUPS,
        seen: SeenNumbers | None = None,
    ) -> None:
        self.messages = 0
        self.by_partition: Counter[int] = Counter()
        self.by_product: Counter[str] = Counter()
        self.by_kind: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.first_errors: list[tuple[int, int, str]] = []
        self.repeats = 0
        self.out_of_order = 0
        self.out_of_order_most_ns = 0
        self.gap_records: Counter[str] = Counter()
        self.gap_numbers = 0
        self.newest_ns: int | None = None
        self.to_receipt = Delays()
        self.to_log = Delays()
        self._read = read
        self._counts_numbers = counts_numbers
        self._live_from = live_from
        self._max_groups = max_groups
        self._seen = SeenNumbers() if seen is None else seen
        self._groups: dict[str, _NumberRange] = {}
        self._earlier_groups = 0
        self._earlier_missing = 0
        self._highest_ns: dict[str, int] = {}
        self._gaps: dict[tuple[int, int, str], None] = {}

    def take(self, messages: Sequence[Stored], now_ns: int) -> None:
        """Count messages that were read at `now_ns`, in order within each partition."""
        self.messages += len(messages)
        for message, content in zip(messages, self._read(messages), strict=True):
            self.by_partition[message.partition] += 1
            if isinstance(content, str):
                self.errors[content] += 1
                if len(self.first_errors) < FIRST_ERRORS:
                    self.first_errors.append((message.partition, message.offset, content))
                continue
            _count(self.by_kind, content.kind)
            if content.product_id:
                _count(self.by_product, content.product_id)
            if content.gap is not None:
                self._take_gap(content)
            elif self._is_new(content, message.partition):
                self._take_time(content)
                self._take_delays(content, message, now_ns)
            else:
                self.repeats += 1

    def _is_new(self, content: Content, partition: int) -> bool:
        if content.number is None:
            return True
        new = self._seen.add(content.group, content.number)
        if content.member is not None:
            new = self._seen.add((content.group, content.member), content.number)
        if self._counts_numbers:
            stretch = self._groups.get(content.group)
            if stretch is None:
                stretch = self._groups[content.group] = _NumberRange()
                self._bound_groups()
            stretch.note(partition, content.number)
        return new

    def _bound_groups(self) -> None:
        if len(self._groups) > self._max_groups:
            oldest = next(iter(self._groups))
            self._earlier_groups += 1
            self._earlier_missing += self._missing(oldest, self._groups.pop(oldest))

    def _take_time(self, content: Content) -> None:
        """Count disorder: order is guaranteed per product, repeats aside."""
        highest = self._highest_ns.get(content.product_id)
        if highest is not None and content.time_ns < highest:
            self.out_of_order += 1
            self.out_of_order_most_ns = max(self.out_of_order_most_ns, highest - content.time_ns)
        elif highest is not None or len(self._highest_ns) < MAX_NAMES:
            self._highest_ns[content.product_id] = content.time_ns

    def _take_delays(self, content: Content, message: Stored, now_ns: int) -> None:
        if content.receive_time_ns is None:
            return
        self.newest_ns = max(self.newest_ns or 0, content.receive_time_ns)
        self.to_receipt.add(content.receive_time_ns - content.time_ns)
        if message.offset >= self._live_from.get(message.partition, 0):
            self.to_log.add(now_ns - content.receive_time_ns)

    def _take_gap(self, content: Content) -> None:
        assert content.gap is not None
        gap = content.gap
        _count(self.gap_records, gap.reason)
        key = (gap.from_time_ns, gap.first_missing or -1, gap.reason)  # one gap, reported for each product
        if gap.first_missing is not None and gap.last_missing is not None and key not in self._gaps:
            self._gaps[key] = None
            self.gap_numbers += gap.last_missing - gap.first_missing + 1
            if len(self._gaps) > self._max_groups:
                del self._gaps[next(iter(self._gaps))]

    def _missing(self, group: str, stretch: _NumberRange) -> int:
        low, high = stretch.common()
        low = max(low, self._seen.reliable_from(group))
        return high - low + 1 - self._seen.count(group, low, high) if high >= low else 0

    def missing_by_group(self) -> dict[str, int]:
        """Number of missing numbers of each group that has any."""
        found = {group: self._missing(group, stretch) for group, stretch in self._groups.items()}
        return {group: count for group, count in found.items() if count}

    def report(self) -> dict[str, Any]:
        """All counts, ready for JSON."""
        missing = self.missing_by_group() if self._counts_numbers else {}
        return {
            "messages": self.messages,
            "by_product": dict(sorted(self.by_product.items())),
            "by_partition": {str(number): count for number, count in sorted(self.by_partition.items())},
            "by_kind": dict(sorted(self.by_kind.items())),
            "schema_errors": {
                "total": self.errors.total(),
                "by_reason": dict(sorted(self.errors.items())),
                "first": [
                    {"partition": partition, "offset": offset, "reason": reason}
                    for partition, offset, reason in self.first_errors
                ],
            },
            "sequence": {
                "groups": len(self._groups) + self._earlier_groups,
                "missing": sum(missing.values()) + self._earlier_missing,
                "missing_by_group": missing,
                "gap_records": dict(sorted(self.gap_records.items())),
                "gap_numbers": self.gap_numbers,
            },
            "duplicates": self.repeats,
            "disorder": {"messages": self.out_of_order, "at_most_ms": self.out_of_order_most_ns / 1e6},
            "delay": {"exchange_to_receipt": self.to_receipt.summary(), "receipt_to_here": self.to_log.summary()},
            "forgotten_numbers": self._seen.forgotten_chunks > 0,
        }


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < MAX_NAMES else "others"] += 1
