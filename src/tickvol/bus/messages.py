"""Records of the log and dead-letter records as Kafka messages: JSON, keyed and timestamped for order and rewind.

A record of the log has its product as key and its event time (for a gap, its end) as timestamp.
"""

import base64
import contextlib
from typing import NamedTuple

import msgspec
from kafka.partitioner.default import murmur2

from tickvol.bus.client import MAX_MESSAGE_BYTES
from tickvol.core.records import Gap, Record
from tickvol.core.times import NS_PER_MS

DEAD_LETTER_BYTES = MAX_MESSAGE_BYTES - (1 << 16)
"""Maximum size of a dead-letter record; the rest is for its batch and its key."""


class Message(NamedTuple):
    """A message for the producer."""

    key: bytes
    value: bytes
    timestamp_ms: int


class DeadLetterRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Dead-letter record of input that gave no record or came too late: source, reason and content.

    `source` is `FILE:LINE` of the archive or `TOPIC-PARTITION@OFFSET`. `of` names, in the second form, the dead-letter
    record whose resubmission this one reports. `cut_from` is the original size in bytes of content of which only the
    beginning fits into a message.
    """

    source: str
    reason: str
    at_ns: int
    text: str | None = None
    text_base64: str | None = None
    of: str | None = None
    cut_from: int | None = None

    def content(self) -> bytes:
        """The original bytes, only their beginning if `cut_from` is set."""
        return base64.b64decode(self.text_base64) if self.text_base64 is not None else (self.text or "").encode()


_encode = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode
decode_dead_letter = msgspec.json.Decoder(DeadLetterRecord).decode


def event_time_ns(record: Record) -> int:
    """The time by which a rewind must find the record: a gap still matters at its end."""
    return record.to_time_ns if isinstance(record, Gap) else record.event_time_ns


def record_message(record: Record) -> Message:
    """A tick, heartbeat or gap for the topic of ticks."""
    return Message(record.product_id.encode(), _encode(record), event_time_ns(record) // NS_PER_MS)


def dead_letter_message(source: str, reason: str, at_ns: int, content: bytes, *, of: str | None = None) -> Message:
    """A dead-letter record; bytes that are not UTF-8, or too long once escaped for JSON, are encoded as base64."""
    letter = DeadLetterRecord(source, reason, at_ns, of=of)
    value = b""
    with contextlib.suppress(UnicodeDecodeError):
        value = _encode(msgspec.structs.replace(letter, text=content.decode()))
    if not 0 < len(value) <= DEAD_LETTER_BYTES:
        room = DEAD_LETTER_BYTES - len(_encode(letter)) - 64
        kept = content[: room // 4 * 3]
        cut_from = len(content) if len(kept) < len(content) else None
        text = base64.b64encode(kept).decode()
        value = _encode(msgspec.structs.replace(letter, text_base64=text, cut_from=cut_from))
    return Message(source.encode(), value, at_ns // NS_PER_MS)


def partition_of(product_id: str, partitions: int) -> int:
    """Partition of a product's records: Kafka's own default for keyed records."""
    return int(murmur2(product_id.encode()) & 0x7FFFFFFF) % partitions
