"""LogWriter: messages onto the topics in order, and how far the broker has acknowledged them.

The producer is idempotent and never gives a message up: while the broker is away its messages wait in it, so none can
overtake another. How many may wait is bounded by whoever asks `in_flight` before sending on.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec
from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from tickvol.bus.client import new_admin, new_consumer, new_producer, reaching
from tickvol.bus.messages import Message, decode_record, partition_of
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import BrokerUnavailable, LogLost, TopicMismatch
from tickvol.core.records import VOUCHED, Gap

logger = logging.getLogger(__name__)

FOREVER_MS = 2**31 - 1
LAST_RECORDS = 100


class LogWriter:
    """An idempotent producer for ticks and dead letters that counts what was acknowledged.

    Parameters
    ----------
    topic : the topic of ticks.
    ends_before : ends of the partitions as acknowledged to earlier writers; none may begin before its.

    Attributes
    ----------
    sent : messages given to the producer.
    acknowledged : how many of them, from the first on without a hole, the broker holds.
    ends : for each partition of the topic of ticks one more than the last acknowledged offset.
    """

    def __init__(
        self, kafka: KafkaConfig, topic: str, *, linger_ms: int, ends_before: dict[int, int] | None = None
    ) -> None:
        self._ends_before = ends_before or {}
        self.sent = 0
        self.acknowledged = 0
        self.ends: dict[int, int] = {}
        self._kafka = kafka
        self._topic = topic
        self._waiting: deque[Any] = deque()
        self._partitions: dict[bytes, int] = {}
        self._producer = new_producer(
            kafka, client_id="tickvol-publisher", linger_ms=linger_ms, delivery_timeout_ms=FOREVER_MS
        )

    @property
    def in_flight(self) -> int:
        """Messages that are sent and not known to be acknowledged."""
        return len(self._waiting)

    def send_records(self, messages: Iterable[Message]) -> None:
        """Give records that the tracker made to the producer for the topic of ticks.

        Raises
        ------
        BrokerUnavailable
            When the topic cannot be found for `kafka.request_timeout_ms`.
        """
        topic, partitions = self._topic, self._partitions
        give, wait, headers = self._producer.send, self._waiting.append, [VOUCHED]
        with reaching(self._kafka):
            for key, value, timestamp_ms in messages:
                if key not in partitions:  # hashing each key costs an eighth of all
                    partitions[key] = partition_of(key.decode(), self._kafka.partitions)
                wait(give(topic, value, key, headers, partitions[key], timestamp_ms))
                self.sent += 1

    def send_letter(self, letter: Message) -> None:
        """Give a dead letter to the producer; errors as of `send_records`."""
        with reaching(self._kafka):
            key, value, timestamp_ms = letter
            topic = self._kafka.topic_deadletter
            self._waiting.append(self._producer.send(topic, value=value, key=key, timestamp_ms=timestamp_ms))
            self.sent += 1

    def settle(self) -> None:
        """Look how far the broker has acknowledged.

        Raises
        ------
        BrokerUnavailable
            When it has refused a message for good; everything not acknowledged is to be sent again by another writer.
        LogLost
            When the topic was emptied under us.
        """
        waiting = self._waiting
        while waiting and waiting[0].is_done:
            future = waiting.popleft()
            if future.exception is not None:
                raise BrokerUnavailable(f"{self._topic}: a message was refused: {future.exception!r}")
            told = future.value
            if told.topic == self._topic:
                known = self.ends.get(told.partition, self._ends_before.get(told.partition, 0))
                if 0 <= told.offset < known:
                    raise _log_lost(self._topic, told.partition, told.offset, known)
                self.ends[told.partition] = max(known, told.offset + 1)
            self.acknowledged += 1

    def close(self) -> None:
        """Drop the connection and what is not acknowledged."""
        with contextlib.suppress(Exception):
            self._producer._sender.force_close()  # close() alone would wait for what cannot be sent, and raise
        try:
            self._producer.close(timeout=1)
        except KafkaError as error:
            logger.debug("producer closed with %r", error)


def check_topics(kafka: KafkaConfig, ticks: str, ends: dict[int, int], topic_id: str) -> str:
    """See that the topics are there and that ticks still holds what was acknowledged before; its id.

    Ends alone do not tell: what waited while the broker was away may have filled a new topic beyond them.

    Parameters
    ----------
    ticks : the topic of ticks.
    ends, topic_id : as acknowledged before; empty ones are not compared.

    Raises
    ------
    LogLost
        When the topic is another one of that name, or a partition ends before the offset that was acknowledged.
    TopicMismatch
        When a topic does not exist or has another number of partitions.
    BrokerUnavailable
        When no broker answers.
    """
    admin = new_admin(kafka)
    with reaching(kafka), contextlib.closing(admin):
        found = {topic["name"]: topic for topic in admin.describe_topics([ticks, kafka.topic_deadletter])}
        for name, topic in found.items():
            if topic["error_code"] == UnknownTopicOrPartitionError.errno:
                raise TopicMismatch(f"kafka: topic {name} does not exist; make the topics by `tickvol kafka topics`")
            if topic["error_code"]:
                raise for_code(topic["error_code"])(name)
        count, now_id = len(found[ticks]["partitions"]), str(found[ticks]["topic_id"])
        if count != kafka.partitions:
            raise TopicMismatch(f"kafka.partitions: {kafka.partitions}: topic {ticks} has {count}; set it to that")
        places = [TopicPartition(ticks, number) for number in range(count)]
        told = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    for place in places:
        if told[place].offset < ends.get(place.partition, 0):
            raise _log_lost(ticks, place.partition, told[place].offset, ends[place.partition])
    if topic_id and now_id != topic_id:
        raise LogLost(
            f"{ticks}: is not the topic that the archive was published to, but a new one of that name: the"
            " broker has lost data. `tickvol kafka rebuild` makes the topics anew from the archive"
        )
    return now_id


def _log_lost(topic: str, partition: int, end: int, acknowledged: int) -> LogLost:
    return LogLost(
        f"{topic}, partition {partition}: ends at {end}, but {acknowledged} records were acknowledged: the broker has"
        " lost data. `tickvol kafka rebuild` makes the topics anew from the archive"
    )


def last_connections(kafka: KafkaConfig, ticks: str) -> set[str]:
    """Connections of the newest ticks and heartbeats, one of each partition."""
    consumer = new_consumer(kafka, client_id="tickvol-publisher-check", max_poll_records=LAST_RECORDS)
    found = set()
    with reaching(kafka):
        try:
            partitions = [TopicPartition(ticks, number) for number in range(kafka.partitions)]
            until = time.monotonic() + kafka.request_timeout_ms / 1000
            ends = consumer.end_offsets(partitions)
            begins = consumer.beginning_offsets(partitions)
            for place in partitions:
                consumer.assign([place])
                consumer.seek(place, max(ends[place] - LAST_RECORDS, begins[place]))
                while consumer.position(place) < ends[place]:
                    if time.monotonic() > until:
                        raise BrokerUnavailable(f"kafka.bootstrap_servers: {kafka.bootstrap_servers}: no answer")
                    for message in consumer.poll(timeout_ms=200).get(place, ()):
                        with contextlib.suppress(msgspec.DecodeError, TypeError):
                            record = decode_record(message.value)
                            if not isinstance(record, Gap):
                                found.add(record.connection_id)
        finally:
            consumer.close()
    return found
