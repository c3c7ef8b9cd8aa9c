"""LogWriter: writes messages to the topics in order and tracks the broker's acknowledgements.

The producer is idempotent and never gives up on a message: while the broker is down, messages wait in the producer, so
none can overtake another. The caller bounds their number by checking `in_flight` before it sends more.
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
    """An idempotent producer of ticks and dead-letter records that counts acknowledgements.

    Parameters
    ----------
    topic : the topic of ticks.
    ends_before : by partition, the end acknowledged to earlier writers; an offset below it means that the log was lost.

    Attributes
    ----------
    sent : number of messages given to the producer.
    acknowledged : number of them, counted from the first without a gap, that the broker holds.
    ends : for each partition of the tick topic, the last acknowledged offset plus one.
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
        """Number of messages sent and not known to be acknowledged."""
        return len(self._waiting)

    def send_records(self, messages: Iterable[Message]) -> None:
        """Send records of the tracker to the tick topic.

        Raises
        ------
        BrokerUnavailable
            If the topic cannot be found within `kafka.request_timeout_ms`.
        """
        topic, partitions = self._topic, self._partitions
        give, wait, headers = self._producer.send, self._waiting.append, [VOUCHED]
        with reaching(self._kafka):
            for key, value, timestamp_ms in messages:
                if key not in partitions:  # hashing each key costs an eighth of the time
                    partitions[key] = partition_of(key.decode(), self._kafka.partitions)
                wait(give(topic, value, key, headers, partitions[key], timestamp_ms))
                self.sent += 1

    def send_dead_letter(self, letter: Message) -> None:
        """Send a dead-letter record; raises as `send_records`."""
        with reaching(self._kafka):
            key, value, timestamp_ms = letter
            topic = self._kafka.topic_deadletter
            self._waiting.append(self._producer.send(topic, value=value, key=key, timestamp_ms=timestamp_ms))
            self.sent += 1

    def settle(self) -> None:
        """Process the broker's acknowledgements.

        Raises
        ------
        BrokerUnavailable
            If it has refused a message for good; another writer must resend everything unacknowledged.
        LogLost
            If the topic was emptied meanwhile.
        """
        waiting = self._waiting
        while waiting and waiting[0].is_done:
            future = waiting.popleft()
            if future.exception is not None:
                raise BrokerUnavailable(f"{self._topic}: a message was refused: {future.exception!r}")
            metadata = future.value
            if metadata.topic == self._topic:
                known = self.ends.get(metadata.partition, self._ends_before.get(metadata.partition, 0))
                if 0 <= metadata.offset < known:
                    raise _log_lost(self._topic, metadata.partition, metadata.offset, known)
                self.ends[metadata.partition] = max(known, metadata.offset + 1)
            self.acknowledged += 1

    def close(self) -> None:
        """Drop the connection and all unacknowledged messages."""
        with contextlib.suppress(Exception):
            self._producer._sender.force_close()  # close() alone would wait for what cannot be sent, and raise
        try:
            self._producer.close(timeout=1)
        except KafkaError as error:
            logger.debug("producer closed with %r", error)


def check_topics(kafka: KafkaConfig, ticks: str, ends: dict[int, int], topic_id: str) -> str:
    """Check that the topics exist and that the tick topic still holds what was acknowledged; return its id.

    End offsets alone do not suffice: what waited while the broker was down may have filled a new topic beyond them.

    Parameters
    ----------
    ticks : the tick topic.
    ends, topic_id : as acknowledged before; not compared if empty.

    Raises
    ------
    LogLost
        If it is a different topic of that name, or a partition ends before the acknowledged offset.
    TopicMismatch
        If a topic does not exist or has another number of partitions.
    BrokerUnavailable
        If no broker answers.
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
        metadata = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    for place in places:
        if metadata[place].offset < ends.get(place.partition, 0):
            raise _log_lost(ticks, place.partition, metadata[place].offset, ends[place.partition])
    if topic_id and now_id != topic_id:
        raise LogLost(
            f"{ticks}: is not the topic that the archive was published to, but a new one of that name: the"
            " broker has lost data. `tickvol kafka rebuild` recreates the topics from the archive"
        )
    return now_id


def _log_lost(topic: str, partition: int, end: int, acknowledged: int) -> LogLost:
    return LogLost(
        f"{topic}, partition {partition}: ends at {end}, but {acknowledged} records were acknowledged: the broker has"
        " lost data. `tickvol kafka rebuild` recreates the topics from the archive"
    )


def last_connections(kafka: KafkaConfig, ticks: str) -> set[str]:
    """Connection ids of the newest ticks and heartbeats of each partition."""
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
