"""Validation rules of the tick topic: each message is a record, or gets the first rule that it breaks.

A producer can write anything to the topic, so a message passes only if the exchange's own frames could have given its
record: the rules for numbers are those of `tickers.py`. In addition, a record must have its product's key, lie in its
product's partition, and be timestamped with its event time, as a rewind finds it by these. The featurizer's reader and
the audit of the topic use only these rules.
"""

import hashlib
import re
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import PRODUCT_PATTERN, Gap, GapReason, Heartbeat, Record, Tick
from tickvol.core.times import NS_PER_MS
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.tickers import Tickers, parse_numbers

MAX_SEQUENCE = 2**62
MAX_TIME_NS = 9_214_646_400_000_000_000
"""The year 2262, as for the exchange's own timestamps; sums of times still fit."""
NO_CONNECTION = -2
"""Number of the empty connection id, which no record may have."""
_KNOWN_CONNECTIONS = 4096

_KIND: dict[type, int] = {Tick: RecordKind.TICK, Heartbeat: RecordKind.HEARTBEAT, Gap: RecordKind.GAP}
_REASONS = frozenset(reason.label for reason in GapReason)
_decode = msgspec.json.Decoder(Record).decode
is_product = re.compile(PRODUCT_PATTERN).fullmatch
_quotes = (
    attrgetter("price"),
    attrgetter("best_bid"),
    attrgetter("best_ask"),
    attrgetter("best_bid_quantity"),
    attrgetter("best_ask_quantity"),
)


class StoredMessage(Protocol):
    """The fields used of a message of the topic; `timestamp` is in ms."""

    @property
    def offset(self) -> int:
        """Its offset in the partition."""

    @property
    def timestamp(self) -> int:
        """Its event time, as given to the broker."""

    @property
    def key(self) -> bytes | None:
        """The product id."""

    @property
    def value(self) -> bytes | None:
        """The encoded record."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers set by the producer."""


class CheckedMessages(NamedTuple):
    """Messages checked against the rules.

    Attributes
    ----------
    records : n decoded records; a heartbeat without a product in place of each message that is not a record.
    rows : the records as columns.
    reject : (n,) int16, `Reject`; 0 for a message that breaks no rule.
    """

    records: list[Record]
    rows: "RecordRows"
    reject: NDArray[np.int16]


class RecordRules:
    """The rules for a set of products.

    Parameters
    ----------
    products : the products that `RecordColumns.product` indexes; records of others are rejected as `unknown_product`.
    partitions : the partition of each product.
    max_bytes : longer messages are rejected unread.
    """

    def __init__(self, products: Sequence[str], partitions: Sequence[int], *, max_bytes: int) -> None:
        self._number = {product_id: number for number, product_id in enumerate(products)}
        self._key_number: dict[bytes | None, int] = {name.encode(): number for name, number in self._number.items()}
        self._partition = np.array([*partitions, -1], np.int64)
        self._max_bytes = max_bytes
        self._connection: dict[str, int] = {"": NO_CONNECTION}

    def judge(self, messages: Sequence[StoredMessage], partition: "int | NDArray[np.int64]") -> CheckedMessages:
        """Decode messages and find the first rule that each one breaks.

        Parameters
        ----------
        partition : the partition of all messages, or (n,) int64, the partition of each.
        """
        records, reject = self.decode(messages)
        rows = RecordRows(records, self)
        rows.check(messages, reject, self._partition, partition)
        return CheckedMessages(records, rows, reject)

    def connection(self, connection_id: str) -> int:
        """A number for a connection id, the same in every process; the memory for ids is bounded."""
        number = self._connection.get(connection_id)
        if number is None:
            if len(self._connection) >= _KNOWN_CONNECTIONS:
                self._connection = {"": NO_CONNECTION}
            digest = hashlib.blake2b(connection_id.encode(errors="surrogatepass"), digest_size=7).digest()
            number = self._connection[connection_id] = int.from_bytes(digest)
        return number

    def product(self, product_id: str) -> int:
        """The number of a product, -1 if it is not one of `products`."""
        return self._number.get(product_id, -1)

    def key_number(self, key: bytes | None) -> int:
        """The number of the product that a key names, -1 if it is not one of `products`."""
        return self._key_number.get(key, -1)

    def decode(self, messages: Sequence[StoredMessage]) -> tuple[list[Record], NDArray[np.int16]]:
        """Decode all messages, with a placeholder heartbeat in place of each that is not a record."""
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
            except (ValueError, RecursionError):  # msgspec's errors are ValueErrors; earlier records are in the list
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


_NOBODY = Heartbeat("", 0, 0, "nobody", 0)


class RecordRows:
    """Decoded records as columns, before validation."""

    def __init__(self, records: list[Record], rules: RecordRules) -> None:
        count = len(records)
        self.kind = np.array([_KIND[type(record)] for record in records], np.int16)
        self.product = np.array([rules.product(record.product_id) for record in records], np.int32)
        self._product_id = [record.product_id for record in records]
        self._key_number = rules.key_number
        self.until_ns = np.zeros(count, np.int64)
        self.simulated = np.zeros(count, np.bool_)
        self._bad = np.zeros(count, np.int16)
        self._gaps = np.flatnonzero(self.kind == RecordKind.GAP)
        dated = np.flatnonzero(self.kind != RecordKind.GAP)
        moments = cast("list[Tick]", records if len(dated) == count else [records[row] for row in dated])
        self.time_ns = self._integers(count, dated, [record.event_time_ns for record in moments])
        self.receive_time_ns = self._integers(count, dated, [record.receive_time_ns for record in moments])
        self.sequence_num = self._integers(count, dated, [record.sequence_num for record in moments])
        connections = list(map(rules.connection, map(attrgetter("connection_id"), moments)))
        self.connection = self._integers(count, dated, connections, otherwise=-1)
        self._bad[self.connection == NO_CONNECTION] = Reject.BAD_FIELD
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
        """Column with numbers at their rows; JSON integers may be too large for it."""
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
        self,
        messages: Sequence[StoredMessage],
        reject: NDArray[np.int16],
        partition_of: NDArray[np.int64],
        partition: "int | NDArray[np.int64]",
    ) -> None:
        """Give each row that is still good the reason of the first rule that it breaks."""
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
            wrong_key[row] = messages[int(row)].key != self._product_id[row].encode(errors="surrogatepass")
        unknown = self.product < 0
        for row in np.flatnonzero(unknown):
            if not is_product(self._product_id[row]):
                self._bad[row], unknown[row] = Reject.BAD_FIELD, False
        wrong_partition = (self.product >= 0) & (partition_of[self.product] != partition)
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
