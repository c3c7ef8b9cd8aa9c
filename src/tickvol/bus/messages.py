"""How records, feature rows and dead letters travel: JSON, in Kafka messages keyed and stamped for order and rewind.

A record of the log has its product as key and its event time (of a gap: its end) as timestamp. A feature row::

    {"type":"features","product_id":"BTC-USD","bar_end_ns":1775427314000000000,"schema_version":1,"features":"5f0c...",
     "closed_by_ns":1775427314260000000,"values":[67468.94,null,...]}

`values` are in the order of `tickvol.volatility.schema.feature_row.feature_names`, NaN as null; `features` is the fingerprint of the
`FeatureSpec`; `closed_by_ns` is when the record that closed the bar was received.

A prediction and, once its horizon has passed, its outcome have the row's key and timestamp. A prediction states its
own terms (label, horizon, threshold), so that its outcome does not depend on what is served by then::

    {"type":"prediction","product_id":"BTC-USD","bar_end_ns":1775427314000000000,"schema_version":1,
     "model_version":"a137...","made_time_ns":1775427314263000000,"scorable":true,"reason":null,"probability":0.071,
     "margin":-1.2,"signal":"CALM","label_kind":"relative","horizon_s":60,"spike_threshold":1.87,"simulated":false}
    {"type":"outcome","product_id":"BTC-USD","bar_end_ns":1775427314000000000,"model_version":"a137...",
     "label_kind":"relative","horizon_s":60,"value":1.02,"threshold":1.87,"outcome":"calm","reason":null,
     "known_event_ns":1775427374000000000,"known_time_ns":1775427374260000000}
"""

import base64
import contextlib
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from kafka.partitioner.default import murmur2

from tickvol.alerts.notifications import Notice, encode_notice
from tickvol.bus.client import MAX_MESSAGE_BYTES
from tickvol.core.records import Gap, Record
from tickvol.volatility.labels.maturing import Outcome
from tickvol.volatility.schema.label_spec import LabelKind

NS_PER_MS = 1_000_000
LETTER_BYTES = MAX_MESSAGE_BYTES - (1 << 16)
"""What a dead letter may weigh; the rest is for its batch and its key."""


class Message(NamedTuple):
    """What a producer is given."""

    key: bytes
    value: bytes
    timestamp_ms: int


class FeatureMessage(msgspec.Struct, frozen=True, tag_field="type", tag="features", gc=False):
    """A row as it travels."""

    product_id: str
    bar_end_ns: int
    schema_version: int
    features: str
    closed_by_ns: int
    values: list[float | None]

    def numbers(self) -> list[float]:
        """Values with NaN where they are unknown."""
        return [math.nan if value is None else value for value in self.values]


class PredictionMessage(msgspec.Struct, frozen=True, tag_field="type", tag="prediction", gc=False, kw_only=True):
    """What a bundle said of a row.

    `made_time_ns` is the scorer's clock when it was computed, the only clock of ours in any message.
    """

    product_id: str
    bar_end_ns: int
    schema_version: int
    model_version: str
    made_time_ns: int
    scorable: bool
    reason: str | None
    probability: float | None
    margin: float | None
    signal: Literal["CALM", "WATCH", "ALERT"] | None
    label_kind: LabelKind
    horizon_s: int
    spike_threshold: float | None
    simulated: bool


class OutcomeMessage(msgspec.Struct, frozen=True, tag_field="type", tag="outcome", gc=False, kw_only=True):
    """What became of a row: the label under the terms of its prediction.

    It could be known in event time at `known_event_ns`, the end of the horizon, and by the receiver's clock at
    `known_time_ns`, when the record came that closed the bar which decided it.
    """

    product_id: str
    bar_end_ns: int
    model_version: str
    label_kind: LabelKind
    horizon_s: int
    value: float | None
    threshold: float | None
    outcome: Outcome
    reason: str | None
    known_event_ns: int
    known_time_ns: int


class LetterMessage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What gave no record or came too late: whence, why and the bytes.

    `source` is `FILE:LINE` of the archive or `TOPIC-PARTITION@OFFSET`. `of` names the dead letter, in the second form,
    whose fate this one tells: it was sent in again. `cut_from` is the size in bytes of content of which only the
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
        """The bytes as they were."""
        return base64.b64decode(self.text_base64) if self.text_base64 is not None else (self.text or "").encode()


_encode = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode
decode_features = msgspec.json.Decoder(FeatureMessage).decode
decode_prediction = msgspec.json.Decoder(PredictionMessage).decode
decode_outcome = msgspec.json.Decoder(OutcomeMessage).decode
decode_letter = msgspec.json.Decoder(LetterMessage).decode


def event_time_ns(record: Record) -> int:
    """The time by which a rewind must find the record: a gap still matters at its end."""
    return record.to_time_ns if isinstance(record, Gap) else record.event_time_ns


def record_message(record: Record) -> Message:
    """A tick, heartbeat or gap for the topic of ticks."""
    return Message(record.product_id.encode(), _encode(record), event_time_ns(record) // NS_PER_MS)


def feature_message(
    product_id: str, bar_end_ns: int, schema_version: int, features: str, closed_by_ns: int, values: Sequence[float]
) -> Message:
    """A row for the topic of features; JSON has no NaN, so it travels as null."""
    message = FeatureMessage(product_id, bar_end_ns, schema_version, features, closed_by_ns, list(values))
    return Message(product_id.encode(), _encode(message), bar_end_ns // NS_PER_MS)


def row_message(about: PredictionMessage | OutcomeMessage) -> Message:
    """A prediction or an outcome, keyed and stamped as its row; NaN travels as null."""
    return Message(about.product_id.encode(), _encode(about), about.bar_end_ns // NS_PER_MS)


def letter_message(source: str, reason: str, at_ns: int, content: bytes, *, of: str | None = None) -> Message:
    """A dead letter; bytes that are no UTF-8, or that JSON would escape beyond its size, travel as base64."""
    letter = LetterMessage(source, reason, at_ns, of=of)
    value = b""
    with contextlib.suppress(UnicodeDecodeError):
        value = _encode(msgspec.structs.replace(letter, text=content.decode()))
    if not 0 < len(value) <= LETTER_BYTES:
        room = LETTER_BYTES - len(_encode(letter)) - 64
        kept = content[: room // 4 * 3]
        cut_from = len(content) if len(kept) < len(content) else None
        text = base64.b64encode(kept).decode()
        value = _encode(msgspec.structs.replace(letter, text_base64=text, cut_from=cut_from))
    return Message(source.encode(), value, at_ns // NS_PER_MS)


def notice_message(notice: Notice) -> Message:
    """An alert or a digest for the topic of alerts; its subject is the key."""
    return Message(notice.key_text.encode(), encode_notice(notice), notice.event_time_ns // NS_PER_MS)


def partition_of(product_id: str, partitions: int) -> int:
    """Where a product's records are: Kafka's own default for keyed records."""
    return int(murmur2(product_id.encode()) & 0x7FFFFFFF) % partitions
