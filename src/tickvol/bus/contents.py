"""What the messages of each topic say, or what is wrong with them: each by its own topic's schema."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tickvol.alerts.notifications import Alert, decode_notice
from tickvol.bus.messages import (
    NS_PER_MS,
    FeatureMessage,
    OutcomeMessage,
    PredictionMessage,
    decode_features,
    decode_letter,
    decode_outcome,
    decode_prediction,
    decode_record,
    event_time_ns,
    partition_of,
)
from tickvol.bus.reading import Stored
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import declared_topics
from tickvol.core.errors import UsageError
from tickvol.core.records import Gap, Record, Tick
from tickvol.settings.fields import PRODUCT_PATTERN
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import DAY_S, NS_PER_S, FeatureSpec

_MOST_AHEAD_NS = DAY_S * NS_PER_S
"""A bar ends before the record that closes it is received, but for clocks that are off."""

MAX_INTEGER = 2**62
_home = lru_cache(maxsize=1024)(partition_of)
_fits_product = re.compile(PRODUCT_PATTERN).fullmatch


class Content(NamedTuple):
    """A message that holds.

    `number` counts within `group` and, of ticks and heartbeats, is told to each `member`, a product; None where a
    message has no identity of that kind. `gap` is set for gap records alone.
    """

    kind: str
    product_id: str
    time_ns: int
    receive_time_ns: int | None
    group: str = ""
    member: str | None = None
    number: int | None = None
    gap: Gap | None = None


Judge = Callable[[Sequence[Tick]], Sequence[str | None]]
"""Rules for the numbers of ticks, which this package does not know: for each the first that it breaks."""
ContentReader = Callable[[Sequence[Stored]], list[Content | str]]
"""Messages to contents, or the name of what is wrong."""


def reader_of(topic: str, kafka: KafkaConfig, spec: FeatureSpec, judge: Judge) -> ContentReader:
    """The reader for one of the declared topics.

    Raises
    ------
    UsageError
        For any other topic, as nobody knows its schema.
    """
    if topic == kafka.topic_ticks:
        return lambda messages: _placed(messages, read_records(messages, judge), kafka.partitions)
    if topic == kafka.topic_features:
        return lambda messages: [_feature_content(message, kafka.partitions, spec) for message in messages]
    if topic in (kafka.topic_predictions, kafka.topic_outcomes):
        decode = decode_prediction if topic == kafka.topic_predictions else decode_outcome
        return lambda messages: _placed(
            messages, [_said_of_row(message, decode, spec.bar_ns) for message in messages], kafka.partitions
        )
    if topic == kafka.topic_deadletter:
        return lambda messages: [_letter(message) for message in messages]
    if topic == kafka.topic_alerts:
        return lambda messages: [_alert(message) for message in messages]
    known = ", ".join(spec.name for spec in declared_topics(kafka))
    raise UsageError(f"--topic: {topic!r}: no such topic in the configuration; one of {known}")


def _placed(messages: Sequence[Stored], contents: list[Content | str], partitions: int) -> list[Content | str]:
    """Contents, but a fault for each that lies in another partition than its product's."""
    return [
        content
        if isinstance(content, str) or message.partition == _home(content.product_id, partitions)
        else "wrong_partition"
        for message, content in zip(messages, contents, strict=True)
    ]


def read_records(messages: Sequence[Stored], judge: Judge) -> list[Content | str]:
    """Contents of the topic of ticks."""
    contents: list[Content | str] = []
    ticks: list[Tick] = []
    places: list[int] = []
    for place, message in enumerate(messages):
        record = _decoded(message, decode_record)
        contents.append(record if isinstance(record, str) else _record_content(record, message))
        if isinstance(record, Tick) and not isinstance(contents[-1], str):
            ticks.append(record)
            places.append(place)
    for place, fault in zip(places, judge(ticks), strict=True):
        if fault is not None:
            contents[place] = fault
    return contents


def decoding_fault(value: bytes, error: Exception) -> str:
    """What kept a value from being decoded, in the words of the dead letters."""
    if isinstance(error, msgspec.ValidationError):
        return "bad_field"
    if isinstance(error, RecursionError):
        return "too_deep"
    try:
        value.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return "not_json"


def _decoded(message: Stored, decode: Callable[[bytes], Any]) -> Any:
    """The decoded value, or what is wrong as a str."""
    if message.value is None:
        return "null_value"
    try:
        return decode(message.value)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return decoding_fault(message.value, error)


def _record_content(record: Record, message: Stored) -> Content | str:
    if isinstance(record, Gap):
        numbers = [record.from_time_ns, record.to_time_ns, record.first_missing or 0, record.last_missing or 0]
        holds = record.from_time_ns <= record.to_time_ns
    else:
        numbers = [record.event_time_ns, record.receive_time_ns, record.sequence_num]
        holds = bool(record.connection_id)
    if not holds or min(numbers) < 0 or max(numbers) >= MAX_INTEGER or not _fits_product(record.product_id):
        return "bad_field"
    time_ns = event_time_ns(record)
    if wrong := _wrong_envelope(message, record.product_id, time_ns):
        return wrong
    if isinstance(record, Gap):
        return Content("gap", record.product_id, time_ns, None, gap=record)
    kind = "tick" if isinstance(record, Tick) else "heartbeat"
    return Content(
        kind,
        record.product_id,
        time_ns,
        record.receive_time_ns,
        record.connection_id,
        record.product_id,
        record.sequence_num,
    )


def _wrong_envelope(message: Stored, key: str, time_ns: int) -> str | None:
    """Order in a partition rests on the key, rewinding on the timestamp."""
    if message.key != key.encode():
        return "wrong_key"
    return None if message.timestamp_ms == time_ns // NS_PER_MS else "bad_timestamp"


@lru_cache(maxsize=4)
def _identity(spec: FeatureSpec) -> tuple[str, int]:
    """Fingerprint, and number of values of a row."""
    return spec.fingerprint(), len(feature_names(spec))


def read_feature_row(message: Stored, partitions: int, spec: FeatureSpec) -> FeatureMessage | str:
    """A row of our schema and spec, or what is wrong with it."""
    row = _decoded(message, decode_features)
    if not isinstance(row, FeatureMessage):
        return str(row)
    fits = 0 <= row.bar_end_ns < MAX_INTEGER and 0 <= row.closed_by_ns < MAX_INTEGER
    if not fits or not _fits_product(row.product_id):
        return "bad_field"
    if message.partition != _home(row.product_id, partitions):
        return "wrong_partition"
    if wrong := _wrong_envelope(message, row.product_id, row.bar_end_ns):
        return wrong
    fingerprint, width = _identity(spec)
    if row.schema_version != SCHEMA_VERSION or row.features != fingerprint:
        return "other_features"
    if len(row.values) != width or row.bar_end_ns % spec.bar_ns:
        return "bad_field"
    return "bad_timestamp" if row.bar_end_ns > row.closed_by_ns + _MOST_AHEAD_NS else row


def _feature_content(message: Stored, partitions: int, spec: FeatureSpec) -> Content | str:
    row = read_feature_row(message, partitions, spec)
    if isinstance(row, str):
        return row
    return Content(
        "features",
        row.product_id,
        row.bar_end_ns,
        row.closed_by_ns,
        row.product_id,
        number=row.bar_end_ns // spec.bar_ns,
    )


def _said_of_row(message: Stored, decode: Callable[[bytes], Any], bar_ns: int) -> Content | str:
    """A prediction, which knows when it was made, or an outcome, which knows when it could be known."""
    said = _decoded(message, decode)
    if not isinstance(said, PredictionMessage | OutcomeMessage):
        return str(said)
    at_ns = said.made_time_ns if isinstance(said, PredictionMessage) else said.known_time_ns
    fits = 0 <= said.bar_end_ns < MAX_INTEGER and 0 <= at_ns < MAX_INTEGER and said.bar_end_ns % bar_ns == 0
    if not fits or not _fits_product(said.product_id):
        return "bad_field"
    if wrong := _wrong_envelope(message, said.product_id, said.bar_end_ns):
        return wrong
    kind = (said.signal or "unscorable") if isinstance(said, PredictionMessage) else said.outcome.value
    return Content(kind, said.product_id, said.bar_end_ns, at_ns, said.product_id, number=said.bar_end_ns // bar_ns)


def _letter(message: Stored) -> Content | str:
    letter = _decoded(message, decode_letter)
    if isinstance(letter, str):
        return letter
    try:
        letter.content()
    except ValueError:
        return "bad_field"
    if not letter.source or not letter.reason or not 0 <= letter.at_ns < MAX_INTEGER:
        return "bad_field"
    if wrong := _wrong_envelope(message, letter.source, letter.at_ns):
        return wrong
    origin, _, number = letter.source.replace("@", ":").rpartition(":")
    if letter.of is not None or not number.isdecimal() or int(number) >= MAX_INTEGER:
        return Content(letter.reason, "", letter.at_ns, letter.at_ns)
    return Content(letter.reason, "", letter.at_ns, letter.at_ns, f"{origin} {letter.reason}", number=int(number))


def _alert(message: Stored) -> Content | str:
    notice = _decoded(message, decode_notice)
    if isinstance(notice, str):
        return notice
    alerts = (notice,) if isinstance(notice, Alert) else notice.alerts
    times = [notice.made_time_ns, *(alert.event_time_ns for alert in alerts)]
    if not alerts or min(times) < 0 or max(times) >= MAX_INTEGER:
        return "bad_field"
    if wrong := _wrong_envelope(message, notice.key_text, notice.event_time_ns):
        return wrong
    kind = f"{notice.name} {notice.state}" if isinstance(notice, Alert) else "digest"
    return Content(kind, "", notice.event_time_ns, notice.made_time_ns)
