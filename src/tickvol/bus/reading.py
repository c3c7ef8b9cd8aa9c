"""Reading of a topic without a group: nothing is committed, so no consumer is disturbed."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from tickvol.bus.client import new_consumer, reaching
from tickvol.bus.messages import partition_of
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import BrokerUnavailable, LogLost, TopicMismatch

POLL_S = 0.2
_NEWEST = 100


class Stored(NamedTuple):
    """A message as stored in a topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()

    @property
    def timestamp(self) -> int:
        """The timestamp under kafka-python's name for it."""
        return self.timestamp_ms


class TopicReader:
    """All partitions of a topic; `first` and `end` are their offsets at the time of opening.

    Raises
    ------
    BrokerUnavailable
        If no broker answers.
    TopicMismatch
        If there is no such topic.
    """

    def __init__(self, kafka: KafkaConfig, topic: str, *, client_id: str) -> None:
        self.topic = topic
        self._kafka = kafka
        self._consumer = new_consumer(kafka, client_id=client_id)
        try:
            with reaching(kafka):
                numbers = self._consumer.partitions_for_topic(topic)
                if not numbers:
                    raise TopicMismatch(f"{topic}: no such topic; `tickvol kafka topics` makes the declared ones")
                self._partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
                self._consumer.assign(self._partitions)
                self.first = self._offsets(self._consumer.beginning_offsets(self._partitions))
                self.end = self.end_now()
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> "TopicReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()

    @staticmethod
    def _offsets(found: dict[Any, int]) -> dict[int, int]:
        return {place.partition: offset for place, offset in found.items()}

    def end_now(self) -> dict[int, int]:
        """Current end offset of each partition (for readers of committed records)."""
        with reaching(self._kafka):
            return self._offsets(self._consumer.end_offsets(self._partitions))

    def seek(self, offsets: dict[int, int]) -> None:
        """Continue reading at these offsets, one for each partition."""
        for place in self._partitions:
            self._consumer.seek(place, offsets[place.partition])

    def positions(self) -> dict[int, int]:
        """The next offset of each partition."""
        with reaching(self._kafka):
            return {place.partition: self._consumer.position(place) for place in self._partitions}

    def has_reached(self, offsets: dict[int, int]) -> bool:
        """True if everything before these offsets was read."""
        return all(position >= offsets[number] for number, position in self.positions().items())

    def poll(self, timeout_s: float = POLL_S) -> list[Stored]:
        """Available messages, after waiting at most `timeout_s` for any; in order within each partition."""
        try:
            with reaching(self._kafka):
                found = self._consumer.poll(timeout_ms=max(0, int(timeout_s * 1000)))
        except BrokerUnavailable as error:
            if isinstance(error.__cause__, OffsetOutOfRangeError | NoOffsetForPartitionError):
                raise LogLost(
                    f"{self.topic}: {error.__cause__}: what was to be read next is no longer there; start again"
                ) from error
            raise
        return [
            Stored(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
            for records in found.values()
            for record in records
        ]

    def whole(self, since_ms: int | None = None) -> Iterator[list[Stored]]:
        """All messages up to the end at the time of opening.

        Parameters
        ----------
        since_ms : start in each partition at the first message with this timestamp or a later one; None: at the first.

        Raises
        ------
        BrokerUnavailable
            If nothing more arrives although there must be more.
        """
        begin = self.first if since_ms is None else self._offsets_at(since_ms)
        self.seek(begin)
        timeout_s = 2 * self._kafka.request_timeout_ms / 1000
        heard, positions = time.monotonic(), begin
        while not self.has_reached(self.end):
            messages = [message for message in self.poll() if message.offset < self.end[message.partition]]
            if messages:
                yield messages
            if self.positions() != positions:
                heard, positions = time.monotonic(), self.positions()
            elif time.monotonic() - heard > timeout_s:
                raise BrokerUnavailable(
                    f"kafka.bootstrap_servers: {self._kafka.bootstrap_servers}: nothing more of {self.topic} came for"
                    f" {timeout_s:.0f} s; `tickvol kafka status` shows whether the broker is there"
                )

    def _offsets_at(self, time_ms: int) -> dict[int, int]:
        """The first offset of each partition at or after a time, its end if there is none."""
        asked = dict.fromkeys(self._partitions, max(0, time_ms))
        with reaching(self._kafka):
            found = self._consumer.offsets_for_times(asked, timeout_ms=self._kafka.request_timeout_ms)
        known = {place.partition: about.offset for place, about in found.items() if about and about.offset >= 0}
        return {number: min(known.get(number, end), end) for number, end in self.end.items()}

    def at(self, partition: int, offset: int) -> Stored | None:
        """The message at an offset; None if there is none."""
        if not self.first.get(partition, 0) <= offset < self.end.get(partition, 0):
            return None
        self.seek(self.end | {partition: offset})
        deadline = time.monotonic() + self._kafka.request_timeout_ms / 1000
        while time.monotonic() < deadline and self.positions()[partition] <= offset:
            for message in self.poll():
                if message.partition == partition and message.offset >= offset:
                    return message if message.offset == offset else None
        return None

    def newest_ms(self, key: str) -> int | None:
        """The newest timestamp of a key's messages in the last hundred of its partition; None if there are none."""
        number = partition_of(key, len(self.end))
        start = max(self.first[number], self.end[number] - _NEWEST)
        self.seek(self.end | {number: start})
        deadline = time.monotonic() + self._kafka.request_timeout_ms / 1000
        newest: int | None = None
        while time.monotonic() < deadline and self.positions()[number] < self.end[number]:
            times = [message.timestamp_ms for message in self.poll() if message.key == key.encode()]
            newest = max([*times, *([] if newest is None else [newest])], default=None)
        return newest
