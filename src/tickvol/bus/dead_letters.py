"""The dead-letter topic: each record once, however often it was sent, with its resubmissions."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tickvol.bus.contents import MAX_INTEGER, Content, decoded, each, envelope_fault
from tickvol.bus.messages import DeadLetterRecord, decode_dead_letter
from tickvol.bus.reading import Stored, TopicReader
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import TopicSpec
from tickvol.core.errors import InputError, UsageError

CLIENT_ID = "tickvol-deadletters"
RESUBMITTED = "resubmitted"
"""Reason of a record that reports the resubmission of another."""

_is_place = re.compile(r"(?P<topic>[a-zA-Z0-9._-]+)-(?P<partition>\d{1,9})@(?P<offset>\d{1,18})").fullmatch


class MessagePosition(NamedTuple):
    """Partition and offset of a message; `str()` gives its id, `TOPIC-PARTITION@OFFSET`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"


def dead_letter_topic(kafka: KafkaConfig) -> TopicSpec:
    """Declaration of `kafka.topic_deadletter`."""
    return TopicSpec(
        name=kafka.topic_deadletter,
        key="source",
        schema=DeadLetterRecord,
        validator=each(_content),
        partitions=1,
        numbered=False,
    )


def _content(message: Stored) -> Content | str:
    letter = decoded(message, decode_dead_letter)
    if isinstance(letter, str):
        return letter
    try:
        letter.content()
    except ValueError:
        return "bad_field"
    if not letter.source or not letter.reason or not 0 <= letter.at_ns < MAX_INTEGER:
        return "bad_field"
    if fault := envelope_fault(message, letter.source, letter.at_ns):
        return fault
    origin, _, number = letter.source.replace("@", ":").rpartition(":")
    if letter.of is not None or not number.isdecimal() or int(number) >= MAX_INTEGER:
        return Content(letter.reason, "", letter.at_ns, letter.at_ns)
    return Content(letter.reason, "", letter.at_ns, letter.at_ns, f"{origin} {letter.reason}", number=int(number))


def place_of(text: str) -> MessagePosition | None:
    """Parse an id or a record's `source`; None if it names a line of the archive.

    >>> place_of("ticks.raw-0@17")
    MessagePosition(topic='ticks.raw', partition=0, offset=17)
    >>> place_of("20260405T223513Z_20260405T22.ndjson:4") is None
    True
    """
    found = _is_place(text)
    return None if found is None else MessagePosition(found["topic"], int(found["partition"]), int(found["offset"]))


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead-letter record, its partition and offset, and the number of its resubmissions."""

    place: MessagePosition
    letter: DeadLetterRecord
    resubmitted: int = 0


@dataclass(slots=True)
class DeadLetterSummary:
    """Contents of the dead-letter topic.

    Attributes
    ----------
    by_reason : distinct records.
    newest : the newest of the requested records, oldest first.
    repeats : records with the source and reason of an earlier one.
    unreadable : messages that are not dead-letter records.
    """

    by_reason: Counter[str] = field(default_factory=Counter)
    newest: list[StoredDeadLetter] = field(default_factory=list)
    resubmitted: int = 0
    repeats: int = 0
    unreadable: int = 0


def read_dead_letters(kafka: KafkaConfig, *, limit: int, reason: str | None = None) -> DeadLetterSummary:
    """Read the whole topic; keep the `limit` newest records (of a reason) and a hash of each of the others.

    Raises
    ------
    BrokerUnavailable, TopicMismatch
        As `TopicReader`.
    """
    book = DeadLetterSummary()
    newest: deque[tuple[MessagePosition, DeadLetterRecord]] = deque(maxlen=limit)
    first: dict[int, MessagePosition] = {}
    other_ids: dict[str, str] = {}
    fates: Counter[str] = Counter()
    with TopicReader(kafka, kafka.topic_deadletter, client_id=CLIENT_ID) as reader:
        for place, letter in _letters(reader, book):
            if letter.of is not None:
                fates[letter.of] += 1
                continue
            known = first.setdefault(hash((letter.source, letter.reason)), place)
            if known != place:
                book.repeats += 1
                other_ids[str(place)] = str(known)
                continue
            book.by_reason[letter.reason] += 1
            if reason is None or letter.reason == reason:
                newest.append((place, letter))
    settled: Counter[str] = Counter()
    for of, count in fates.items():
        settled[other_ids.get(of, of)] += count
    book.resubmitted = len(settled)
    book.newest = [StoredDeadLetter(place, letter, settled[str(place)]) for place, letter in newest]
    return book


def _letters(reader: TopicReader, book: DeadLetterSummary) -> Iterator[tuple[MessagePosition, DeadLetterRecord]]:
    for messages in reader.whole():
        for message in messages:
            letter = _decoded(message)
            if letter is None:
                book.unreadable += 1
            else:
                yield MessagePosition(reader.topic, message.partition, message.offset), letter


def _decoded(message: Stored) -> DeadLetterRecord | None:
    try:
        letter = decode_dead_letter(message.value or b"")
        letter.content()
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return letter


def find_dead_letter(kafka: KafkaConfig, letter_id: str) -> StoredDeadLetter:
    """Find a dead-letter record by its id, and the number of resubmissions of it or its repeats.

    Raises
    ------
    UsageError
        If the id is not one of this topic.
    InputError
        If there is no such record.
    BrokerUnavailable, TopicMismatch
        As `TopicReader`.
    """
    place = place_of(letter_id)
    if place is None or place.topic != kafka.topic_deadletter:
        raise UsageError(
            f"ID: {letter_id!r}: must be {kafka.topic_deadletter}-PARTITION@OFFSET, as `deadletters list` shows"
        )
    with TopicReader(kafka, kafka.topic_deadletter, client_id=CLIENT_ID) as reader:
        message = reader.at(place.partition, place.offset)
        letter = None if message is None else _decoded(message)
        if letter is None:
            first, end = reader.first.get(place.partition, 0), reader.end.get(place.partition, 0)
            about = "no message" if message is None else "a message that is no dead letter"
            raise InputError(
                f"ID: {letter_id}: {about} is there; the partition holds offsets from {first} to below {end}"
            )
        own, fates = {letter_id}, Counter[str]()
        for other_place, other in _letters(reader, DeadLetterSummary()):
            if other.of is not None:
                fates[other.of] += 1
            elif (other.source, other.reason) == (letter.source, letter.reason):
                own.add(str(other_place))
    return StoredDeadLetter(place, letter, sum(fates[one] for one in own))
