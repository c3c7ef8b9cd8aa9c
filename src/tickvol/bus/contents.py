"""What the messages of each topic say, or what is wrong with them: each by its own topic's schema."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tickvol.bus.messages import (
    NS_PER_MS,
    FeatureMessage,
    decode_features,
    decode_letter,
    decode_record,
    event_time_ns,
    partition_of,
)
from tickvol.bus.reading import Stored
from tickvol.config_sections import PRODUCT_PATTERN, KafkaConfig
from tickvol.core.errors import UsageError
from tickvol.core.feature_row import SCHEMA_VERSION, feature_names
from tickvol.core.records import Gap, Record, Tick
from tickvol.core.windows import FeatureSpec

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
    """The reader for one of the three topics.

    Raises
    ------
    UsageError
        For any other topic, as nobody knows its schema.
    """
    if topic == kafka.topic_ticks:
        return lambda messages: _placed(messages, read_records(messages, judge), kafka.partitions)
    if topic == kafka.topic_features:
        width, fingerprint = len(feature_names(spec)), spec.fingerprint()
        return lambda messages: _placed(
            messages,
            [_feature_row(message, width, fingerprint, spec.bar_ns) for message in messages],
            kafka.partitions,
        )
    if topic == kafka.topic_deadletter:
        return lambda messages: [_letter(message) for message in messages]
    known = ", ".join((kafka.topic_ticks, kafka.topic_features, kafka.topic_deadletter))
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


def _feature_row(message: Stored, width: int, fingerprint: str, bar_ns: int) -> Content | str:
    row = _decoded(message, decode_features)
    if not isinstance(row, FeatureMessage):
        return str(row)
    if row.schema_version != SCHEMA_VERSION or row.features != fingerprint:
        return "other_features"
    fits = 0 <= row.bar_end_ns < MAX_INTEGER and 0 <= row.closed_by_ns < MAX_INTEGER and row.bar_end_ns % bar_ns == 0
    if not fits or len(row.values) != width or not _fits_product(row.product_id):
        return "bad_field"
    if wrong := _wrong_envelope(message, row.product_id, row.bar_end_ns):
        return wrong
    return Content(
        "features",
        row.product_id,
        row.bar_end_ns,
        row.closed_by_ns,
        row.product_id,
        number=row.bar_end_ns // bar_ns,
    )


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
