"""Messages of the tick topic to columns, with the reason for each rejected message, and confirmation of times.

`record_rules.py` decides which messages are records. A record more than `ahead_ns` beyond its product's highest event
time, and the first of a product, wait for the product's next record, which confirms them (its time is at least theirs
minus `ahead_ns`) or refutes them: one bad clock must not close every bar. The time of a gap is its end; so the gap of
an outage and the tick after it confirm each other. Records with the header VOUCHED do not wait: the tracker has
confirmed their time by all frames of their connection, not just one product's, and a replay of the archive takes them
at once too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import VOUCHED, Gap
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.record_rules import RecordRows, RecordRules, StoredMessage

NONE = np.iinfo(np.int64).min
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class ReadRecords:
    """Result of reading messages of one partition.

    Attributes
    ----------
    messages : those that waited, then those just read.
    records : good records in log order; `origin` indexes `messages`.
    receive_time_ns : (n,) int64, receive time of each record; for a gap its end.
    gaps : reason of each gap.
    rejected : (index in `messages`, reason).
    """

    messages: list[StoredMessage]
    records: RecordColumns
    receive_time_ns: NDArray[np.int64]
    gaps: list[str]
    rejected: list[tuple[int, Reject]]


class RecordReader:
    """Messages in, records out; a record that waits for its confirmation comes with a later batch.

    Parameters
    ----------
    products : the products that `RecordColumns.product` indexes; records of others are rejected as `unknown_product`.
    partitions : the partition of each product.
    ahead_ns : see the module's docstring.
    max_bytes : longer messages are rejected unread.
    """

    def __init__(self, products: Sequence[str], partitions: Sequence[int], *, ahead_ns: int, max_bytes: int) -> None:
        self.products = tuple(products)
        self._rules = RecordRules(products, partitions, max_bytes=max_bytes)
        self._ahead_ns = ahead_ns
        self.reset()

    def reset(self) -> None:
        """Drop all state."""
        self.simulated = False
        self._highest = [NONE] * len(self.products)
        self._waiting: dict[int, list[StoredMessage]] = {}

    def begin_at(self, product: int, time_ns: int) -> None:
        """Start a product's log at a known highest event time."""
        self._highest[product] = max(self._highest[product], time_ns)

    @property
    def waiting(self) -> int:
        """Number of messages that wait for their confirmation."""
        return sum(map(self.waiting_in, self._waiting))

    def waiting_in(self, partition: int) -> int:
        """Number of messages of a partition that wait for their confirmation."""
        return len(self._waiting.get(partition, ()))

    def waiting_since_ms(self, partition: int) -> int | None:
        """The earliest timestamp of the partition's waiting messages; None if none wait."""
        return min((message.timestamp for message in self._waiting.get(partition, ())), default=None)

    def highest_event_ns(self) -> dict[str, int]:
        """Highest confirmed event time by product."""
        return {name: time for name, time in zip(self.products, self._highest, strict=True) if time != NONE}

    def read(self, partition: int, messages: Sequence[StoredMessage]) -> ReadRecords:
        """Read the next messages of a partition."""
        waited = self._waiting.pop(partition, [])
        joined = [*waited, *messages]
        records, rows, reject = self._rules.judge(joined, partition)
        passed, held = self._confirm(joined, rows, reject)
        if held:
            self._waiting[partition] = [joined[row] for row in held]
        self.simulated = self.simulated or bool((rows.simulated & passed).any())
        rejected = [(int(row), Reject(int(reject[row]))) for row in np.flatnonzero(reject)]
        columns = rows.columns(passed)
        gaps = [cast(Gap, records[row]).reason for row in columns.origin[columns.kind == RecordKind.GAP]]
        return ReadRecords(joined, columns, rows.receive_time_ns[passed], gaps, rejected)

    def _confirm(
        self, messages: list[StoredMessage], rows: RecordRows, reject: NDArray[np.int16]
    ) -> tuple[NDArray[np.bool_], list[int]]:
        """Return the rows that pass and those that wait; refuted rows get their reason."""
        passed = reject == 0
        held: list[int] = []
        for product in np.unique(rows.product[passed]).tolist():
            own = np.flatnonzero(passed & (rows.product == product))
            times = rows.end_ns[own]
            highest = self._highest[product]
            before = np.maximum.accumulate(np.append(highest, times[:-1]))
            if highest != NONE and not (times - before > self._ahead_ns).any():
                self._highest[product] = max(int(before[-1]), int(times[-1]))
                continue
            vouched = _Vouched(messages, own)
            refuted, waits = self._confirm_one_by_one(product, times, vouched)
            reject[own[refuted]] = Reject.UNCONFIRMED_TIME
            passed[own[refuted]] = False
            if waits is not None:
                passed[own[waits]] = False
                held.append(int(own[waits]))
        return passed, sorted(held)

    def _confirm_one_by_one(
        self, product: int, times: NDArray[np.int64], vouched: "_Vouched"
    ) -> tuple[list[int], int | None]:
        highest, refuted, waits, row = self._highest[product], [], None, 0
        while row < len(times):
            if waits is None and highest != NONE:  # skip over rows in order, many at a time
                block = times[row : row + _BLOCK]
                before = np.maximum.accumulate(np.append(highest, block))
                ahead_rows = np.flatnonzero(block - before[:-1] > self._ahead_ns)
                skipped = int(ahead_rows[0]) if len(ahead_rows) else len(block)
                highest, row = int(before[skipped]), row + skipped
                if not len(ahead_rows):
                    continue
            time = int(times[row])
            if waits is not None:
                if time >= times[waits] - self._ahead_ns:
                    highest = max(highest, int(times[waits]))
                else:
                    refuted.append(waits)
            ahead = (highest == NONE or time > highest + self._ahead_ns) and row not in vouched
            waits = row if ahead else None
            if not ahead:
                highest = max(highest, time)
            row += 1
        self._highest[product] = highest
        return refuted, waits


class _Vouched:
    """Rows confirmed by the tracker, checked lazily for the few that are ahead."""

    def __init__(self, messages: list[StoredMessage], rows: NDArray[np.intp]) -> None:
        self._messages = messages
        self._rows = rows

    def __contains__(self, row: int) -> bool:
        return VOUCHED in self._messages[self._rows[row]].headers
