"""Messages of the log to columns: the way back from records as they travel, with each bad message and its reason.

Whoever can write to the topic can write anything, so a record passes only if the exchange's own frames would have
given it: the rules for numbers are those of `tickers.py`. Besides, a record belongs under its product's key, into its
product's partition, and at its event time, for that is how a rewind finds it.

A record more than `ahead_ns` beyond its product's highest event time, and the first of a product, wait for the
product's next record, which confirms them (its time is at least theirs minus `ahead_ns`) or refutes them: one bad clock
must not close every bar. A gap counts by its end; so the gap of an outage and the tick behind it confirm each other.
Records under the header VOUCHED do not wait: the tracker has confirmed their time by all that their connection brought,
which is more than one product tells, and a replay of the archive takes them at once too.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import VOUCHED, Gap, GapReason, Heartbeat, Record, Tick
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.tickers import Tickers, parse_numbers

MAX_SEQUENCE = 2**62
MAX_TIME_NS = 9_214_646_400_000_000_000
"""The year 2262, as for the exchange's own timestamps; sums of times still fit."""
NS_PER_MS = 1_000_000
NONE = np.iinfo(np.int64).min
_KNOWN_CONNECTIONS = 4096
_BLOCK = 256

_KIND: dict[type, int] = {Tick: RecordKind.TICK, Heartbeat: RecordKind.HEARTBEAT, Gap: RecordKind.GAP}
_REASONS = frozenset(reason.label for reason in GapReason)
_decode = msgspec.json.Decoder(Record).decode
_quotes = (
    attrgetter("price"),
    attrgetter("best_bid"),
    attrgetter("best_ask"),
    attrgetter("best_bid_quantity"),
    attrgetter("best_ask_quantity"),
)


class Message(Protocol):
    """What is read of a message of the topic; `timestamp` is in ms."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When it happened, as the broker was told."""

    @property
    def key(self) -> bytes | None:
        """The product."""

    @property
    def value(self) -> bytes | None:
        """The record."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """What else the producer said."""


@dataclass(frozen=True, slots=True)
class ReadRecords:
    """What messages of one partition gave.

    Attributes
    ----------
    messages : those that waited, then those that were read.
    records : good records in log order; `origin` counts `messages`.
    receive_time_ns : (n,) int64, when each was received; of a gap its end.
    gaps : reason of each gap.
    rejected : (index in `messages`, reason).
    """

    messages: list[Message]
    records: RecordColumns
    receive_time_ns: NDArray[np.int64]
    gaps: list[str]
    rejected: list[tuple[int, Reject]]


class RecordReader:
    """Messages in, records out; what waits for its confirmation comes with a later batch.

    Parameters
    ----------
    products : what `RecordColumns.product` indexes; records of others are rejected as `unknown_product`.
    partitions : the partition of each product.
    ahead_ns : see the module.
    max_bytes : longer messages are rejected unread.
    """

    def __init__(self, products: Sequence[str], partitions: Sequence[int], *, ahead_ns: int, max_bytes: int) -> None:
        self.products = tuple(products)
        self._number = {product_id: number for number, product_id in enumerate(products)}
        self._key_number: dict[bytes | None, int] = {name.encode(): number for name, number in self._number.items()}
        self._partition = np.array([*partitions, -1], np.int64)
        self._ahead_ns = ahead_ns
        self._max_bytes = max_bytes
        self._connection: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything that was read."""
        self.simulated = False
        self._highest = [NONE] * len(self.products)
        self._waiting: dict[int, list[Message]] = {}

    def begin_at(self, product: int, time_ns: int) -> None:
        """Let a product's log begin with what is known to have been its highest event time."""
        self._highest[product] = max(self._highest[product], time_ns)

    @property
    def waiting(self) -> int:
        """Number of messages that wait for their confirmation."""
        return sum(map(self.waiting_in, self._waiting))

    def waiting_in(self, partition: int) -> int:
        """Number of messages of a partition that wait for their confirmation."""
        return len(self._waiting.get(partition, ()))

    def waiting_since_ms(self, partition: int) -> int | None:
        """The earliest timestamp of a message of the partition that waits."""
        return min((message.timestamp for message in self._waiting.get(partition, ())), default=None)

    def highest_event_ns(self) -> dict[str, int]:
        """Highest event time that was let through, by product."""
        return {name: time for name, time in zip(self.products, self._highest, strict=True) if time != NONE}

    def read(self, partition: int, messages: Sequence[Message]) -> ReadRecords:
        """Read the next messages of a partition."""
        waited = self._waiting.pop(partition, [])
        joined = [*waited, *messages]
        records, reject = self._decode(joined)
        rows = _Rows(records, self)
        rows.check(joined, reject, self._partition, partition)
        passed, held = self._confirm(joined, rows, reject)
        if held:
            self._waiting[partition] = [joined[row] for row in held]
        self.simulated = self.simulated or bool((rows.simulated & passed).any())
        rejected = [(int(row), Reject(int(reject[row]))) for row in np.flatnonzero(reject)]
        columns = rows.columns(passed)
        gaps = [cast(Gap, records[row]).reason for row in columns.origin[columns.kind == RecordKind.GAP]]
        return ReadRecords(joined, columns, rows.receive_time_ns[passed], gaps, rejected)

    def connection(self, connection_id: str) -> int:
        """A number for a connection id, the same in every process; memory for ids that come and go is bounded."""
        number = self._connection.get(connection_id)
        if number is None:
            if len(self._connection) >= _KNOWN_CONNECTIONS:
                self._connection.clear()
            digest = hashlib.blake2b(connection_id.encode(errors="surrogatepass"), digest_size=7).digest()
            number = self._connection[connection_id] = int.from_bytes(digest)
        return number

    def product(self, product_id: str) -> int:
        """The number of a product, -1 for one that is not computed."""
        return self._number.get(product_id, -1)

    def key_number(self, key: bytes | None) -> int:
        """The product that a key names, -1 for none that is computed."""
        return self._key_number.get(key, -1)

    def _decode(self, messages: list[Message]) -> tuple[list[Record], NDArray[np.int16]]:
        """All messages, with a heartbeat of nobody in the place of each that is no record."""
        values = [message.value for message in messages]
        reject = np.zeros(len(values), np.int16)
        try:
            is_bad = max(map(len, values), default=0) > self._max_bytes  # type: ignore[arg-type]
        except TypeError:  # null has no length
            is_bad = True
        if is_bad:
            values = [b"" if value is None or len(value) > self._max_bytes else value for value in values]
        records: list[Record] = []
        rest = iter(values)
        while len(records) < len(values):
            try:
                records += map(_decode, rest)  # type: ignore[arg-type]
            except (ValueError, RecursionError):  # msgspec's errors are ValueErrors; what came before is in the list
                row = len(records)
                record, reason = self._decode_one(messages[row].value)
                records.append(_NOBODY if record is None else record)
                reject[row] = reason
        return records, reject

    def _decode_one(self, value: bytes | None) -> tuple[Record | None, Reject]:
        if value is None:
            return None, Reject.NULL_VALUE
        if len(value) > self._max_bytes:
            return None, Reject.TOO_LONG
        try:
            return _decode(value), Reject.NONE
        except msgspec.ValidationError:
            return None, Reject.BAD_FIELD
        except RecursionError:
            return None, Reject.TOO_DEEP
        except ValueError:
            try:
                value.decode()
            except UnicodeDecodeError:
                return None, Reject.NOT_UTF8
            return None, Reject.NOT_JSON

    def _confirm(
        self, messages: list[Message], rows: "_Rows", reject: NDArray[np.int16]
    ) -> tuple[NDArray[np.bool_], list[int]]:
        """Which rows pass, and which wait on; rows that are refuted get their reason."""
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
            if waits is None and highest != NONE:  # over what is in order, many at a time
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
    """Which of some rows carry the tracker's word; asked of the few that are ahead."""

    def __init__(self, messages: list[Message], rows: NDArray[np.intp]) -> None:
        self._messages = messages
        self._rows = rows

    def __contains__(self, row: int) -> bool:
        return VOUCHED in self._messages[self._rows[row]].headers


_NOBODY = Heartbeat("", 0, 0, "", 0)


class _Rows:
    """Decoded records as columns, before it is known which of them hold."""

    def __init__(self, records: list[Record], reader: RecordReader) -> None:
        count = len(records)
        self.kind = np.array([_KIND[type(record)] for record in records], np.int16)
        self.product = np.array([reader.product(record.product_id) for record in records], np.int32)
        self._product_id = [record.product_id for record in records]
        self._key_number = reader.key_number
        self.until_ns = np.zeros(count, np.int64)
        self.simulated = np.zeros(count, np.bool_)
        self._bad = np.zeros(count, np.int16)
        self._gaps = np.flatnonzero(self.kind == RecordKind.GAP)
        dated = np.flatnonzero(self.kind != RecordKind.GAP)
        moments = cast("list[Tick]", records if len(dated) == count else [records[row] for row in dated])
        self.time_ns = self._integers(count, dated, [record.event_time_ns for record in moments])
        self.receive_time_ns = self._integers(count, dated, [record.receive_time_ns for record in moments])
        self.sequence_num = self._integers(count, dated, [record.sequence_num for record in moments])
        connections = list(map(reader.connection, map(attrgetter("connection_id"), moments)))
        self.connection = self._integers(count, dated, connections, otherwise=-1)
        for row in np.flatnonzero(self.kind == RecordKind.HEARTBEAT):
            self.simulated[row] = cast(Heartbeat, records[row]).simulated
        if len(self._gaps):
            self._take_gaps([cast(Gap, records[row]) for row in self._gaps])
        self.end_ns = np.where(self.kind == RecordKind.GAP, self.until_ns, self.time_ns)
        self._ticks = np.flatnonzero(self.kind == RecordKind.TICK)
        ticks = records if len(self._ticks) == count else [records[row] for row in self._ticks]
        self._take_quotes(cast("list[Tick]", ticks))

    def _integers(
        self, count: int, rows: NDArray[np.intp], numbers: list[int], *, otherwise: int = 0
    ) -> NDArray[np.int64]:
        """Numbers at their rows; JSON's may be too large for a column."""
        try:
            column = np.array(numbers, np.int64)
        except OverflowError:
            fits = [-MAX_SEQUENCE * 2 <= number < MAX_SEQUENCE * 2 for number in numbers]
            self._bad[rows[~np.array(fits)]] = Reject.BAD_FIELD
            column = np.array([number if fit else 0 for number, fit in zip(numbers, fits, strict=True)], np.int64)
        if len(rows) == count:
            return column
        full = np.full(count, otherwise, np.int64)
        full[rows] = column
        return full

    def _take_gaps(self, gaps: list[Gap]) -> None:
        rows, count = self._gaps, len(self.kind)
        self.time_ns[rows] = self._integers(count, rows, [gap.from_time_ns for gap in gaps])[rows]
        self.until_ns[rows] = self._integers(count, rows, [gap.to_time_ns for gap in gaps])[rows]
        self.receive_time_ns[rows] = self.until_ns[rows]
        first = [-1 if gap.first_missing is None else gap.first_missing for gap in gaps]
        self.sequence_num[rows] = self._integers(count, rows, first)[rows]
        known = np.array([gap.reason in _REASONS for gap in gaps])
        self._bad[rows[~known | (self.time_ns[rows] > self.until_ns[rows])]] = Reject.BAD_FIELD

    def _take_quotes(self, ticks: list[Tick]) -> None:
        texts: list[str] = []
        for quote in _quotes:
            texts += map(quote, ticks)
        if None in texts:
            texts = [text or "" for text in texts]
        numbers, bad = parse_numbers(texts)
        self._quotes = numbers.reshape(5, -1)
        tickers = Tickers(self._ticks, self.product[self._ticks], self._quotes, bad.reshape(5, -1))
        tickers.check()
        self._bad[self._ticks] = np.where(self._bad[self._ticks] != 0, self._bad[self._ticks], tickers.reject)

    def check(
        self, messages: list[Message], reject: NDArray[np.int16], partition_of: NDArray[np.int64], partition: int
    ) -> None:
        """Give each row that is still good the first rule that it breaks."""
        sequence_bad = (self.sequence_num < np.where(self.kind == RecordKind.GAP, -1, 0)) | (
            self.sequence_num >= MAX_SEQUENCE
        )
        times_bad = (np.minimum(np.minimum(self.time_ns, self.end_ns), self.receive_time_ns) < 0) | (
            np.maximum(np.maximum(self.time_ns, self.end_ns), self.receive_time_ns) >= MAX_TIME_NS
        )
        stamps = np.array([message.timestamp for message in messages], np.int64)
        times_bad |= stamps != self.end_ns // NS_PER_MS
        keys = np.array([self._key_number(message.key) for message in messages], np.int32)
        wrong_key = keys != self.product
        for row in np.flatnonzero(~wrong_key & (keys < 0)):
            wrong_key[row] = messages[row].key != self._product_id[row].encode(errors="surrogatepass")
        unknown = self.product < 0
        wrong_partition = ~unknown & (partition_of[self.product] != partition)
        if not (self._bad.any() or (sequence_bad | times_bad | wrong_key | unknown | wrong_partition).any()):
            return
        good = reject == 0
        for breaks, reason in (
            (times_bad, Reject.BAD_TIMESTAMP),
            (sequence_bad, Reject.BAD_FIELD),
            (self._bad != 0, None),
            (wrong_partition, Reject.WRONG_PARTITION),
            (unknown, Reject.UNKNOWN_PRODUCT),
            (wrong_key, Reject.WRONG_KEY),
        ):
            chosen = good & breaks
            reject[chosen] = self._bad[chosen] if reason is None else reason

    def columns(self, passed: NDArray[np.bool_]) -> RecordColumns:
        """The rows that passed."""
        quotes = np.full((5, len(self.kind)), np.nan)
        quotes[:, self._ticks] = self._quotes
        return RecordColumns(
            kind=self.kind[passed],
            product=self.product[passed],
            connection=self.connection[passed],
            sequence_num=self.sequence_num[passed],
            event_time_ns=self.time_ns[passed],
            until_ns=self.until_ns[passed],
            bid=quotes[1, passed],
            ask=quotes[2, passed],
            bid_quantity=quotes[3, passed],
            ask_quantity=quotes[4, passed],
            origin=np.flatnonzero(passed).astype(np.int64),
        )
