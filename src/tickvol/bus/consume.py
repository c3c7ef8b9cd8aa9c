"""GroupConsumer: a static group member that reads a topic and reports changes of its partitions.

A static member (`group_instance_id`) that is killed and restarted gets its partitions back at once: the broker knows it
by name and does not wait for its session to expire. The caller sets the positions after every change.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedVersionError,
)

from tickvol.bus.client import new_consumer
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import TopicSpec
from tickvol.core.errors import BrokerUnavailable, LogLost, TopicMismatch, WorkError

logger = logging.getLogger(__name__)


class Group(NamedTuple):
    """A consumer group: its identity, the topic that it reads and the topics that it writes.

    Attributes
    ----------
    section : section of the configuration that holds these settings.
    reads : the consumed topic; a message and its results lie in partitions of the same number.
    writes : the produced topics.
    choices : the user's options after a loss in the log, for the error message.
    """

    section: str
    group_id: str
    instance_id: str
    session_timeout_ms: int
    max_poll_records: int
    reads: TopicSpec
    writes: tuple[TopicSpec, ...]
    choices: str

    @property
    def member(self) -> str:
        """Name of this instance at the broker."""
        return f"{self.group_id}-{self.instance_id}"


class Partition(NamedTuple):
    """State of a partition at the broker: the group's committed offset with its note, and the log's two ends."""

    number: int
    committed: int | None
    note: str
    begin: int
    end: int

    def loss(self, topic: str) -> str | None:
        """Description of the loss if the committed offset lies outside the log, else None."""
        where = f"{topic}-{self.number}"
        if self.committed is not None and self.committed < self.begin:
            return f"{where}: begins at {self.begin}, beyond the committed offset {self.committed}: lost"
        if self.committed is not None and self.committed > self.end:
            return f"{where}: ends at {self.end}, before the committed offset {self.committed}: lost"
        return None


class GroupConsumer:
    """A topic's partitions that the group assigns to this member.

    Parameters
    ----------
    on_revoked : called (on the client's thread) before partitions are revoked.

    Raises
    ------
    BrokerUnavailable
        From every method: the broker is down, or membership was lost; set the positions again after the next change.
    LogLost
        If the log no longer holds the next message.
    WorkError
        If another process has taken this instance's name.
    """

    def __init__(self, kafka: KafkaConfig, group: Group, *, on_revoked: Callable[[], None]) -> None:
        self._kafka = kafka
        self._group = group
        self._timeout_ms = kafka.request_timeout_ms
        self._listener = _Listener(on_revoked, lambda: self._consumer.group_metadata())
        self._consumer = new_consumer(
            kafka,
            client_id=group.member,
            group_id=group.group_id,
            group_instance_id=group.instance_id,
            session_timeout_ms=group.session_timeout_ms,
            heartbeat_interval_ms=min(1000, group.session_timeout_ms // 4),
            max_poll_records=group.max_poll_records,
        )

    def subscribe(self) -> None:
        """Join the group.

        Raises
        ------
        TopicMismatch
            If a topic is absent or does not have the declared number of partitions.
        """
        kafka, group = self._kafka, self._group
        with self._reaching():
            existing = self._consumer.topics()
            for topic in (group.reads, *group.writes):
                if topic.name not in existing:
                    raise TopicMismatch(
                        f"{topic.name}: no such topic on {kafka.bootstrap_servers}; `tickvol kafka topics`"
                        " makes the declared ones"
                    )
                found = len(self._consumer.partitions_for_topic(topic.name) or ())
                if found != topic.partitions and topic.name != kafka.topic_deadletter:
                    raise TopicMismatch(
                        f"kafka.partitions: {topic.partitions}: topic {topic.name} has {found}; set"
                        f" kafka.partitions to {found}, or recreate the topics by"
                        " `tickvol kafka rebuild`"
                    )
            self._consumer.subscribe([group.reads.name], listener=self._listener)

    def poll(self, timeout_s: float) -> dict[int, list[Any]]:
        """New messages by partition, in order; none if the partitions have just changed."""
        with self._reaching():
            try:
                found = self._consumer.poll(timeout_ms=max(0.0, timeout_s * 1000))
            except NoOffsetForPartitionError:
                return {}
        if self._listener.changed:
            return {}
        return {place.partition: messages for place, messages in found.items()}

    def take_change(self) -> list[int] | None:
        """The assigned partitions, once after each change; the caller must then set their positions. None otherwise."""
        if not self._listener.changed:
            return None
        self._listener.changed = False
        return sorted(place.partition for place in self._consumer.assignment())

    def partitions(self, numbers: Sequence[int]) -> list[Partition]:
        """States of partitions at the broker."""
        places = [self._place(number) for number in numbers]
        with self._reaching():
            begins = self._consumer.beginning_offsets(places, timeout_ms=self._timeout_ms) if places else {}
            ends = self._consumer.end_offsets(places, timeout_ms=self._timeout_ms) if places else {}
            found = []
            for place in places:
                committed = self._committed(place)
                known = committed is not None and committed.offset >= 0
                found.append(
                    Partition(
                        place.partition,
                        committed.offset if known else None,
                        (committed.metadata or "") if known else "",
                        begins[place],
                        ends[place],
                    )
                )
        return found

    def _committed(self, place: TopicPartition) -> Any:
        try:
            return self._consumer.committed(place, metadata=True, timeout_ms=self._timeout_ms)
        except KafkaTimeoutError:  # the client keeps asking while a transaction is open
            raise BrokerUnavailable(
                f"{self._group.group_id}: its offset of {place.topic}-{place.partition} was not told within"
                f" {self._timeout_ms / 1000:g} s; where this lasts, a transaction with that offset never ended"
                " (docs/runbook.md, The broker)"
            ) from None

    def offset_at(self, partition: int, time_ms: int) -> int | None:
        """The first offset whose message has this timestamp or a later one; None if there is none."""
        place = self._place(partition)
        with self._reaching():
            found = self._consumer.offsets_for_times({place: max(0, time_ms)}, timeout_ms=self._timeout_ms)[place]
        return None if found is None or found.offset < 0 else int(found.offset)

    def seek(self, partition: int, offset: int) -> None:
        """Continue reading a partition at an offset."""
        with self._reaching():
            self._consumer.seek(self._place(partition), offset)

    def position(self, partition: int) -> int:
        """The next offset to read."""
        with self._reaching():
            position = self._consumer.position(self._place(partition), timeout_ms=self._timeout_ms)
        if position is None:
            raise BrokerUnavailable(f"{self._group.reads.name}-{partition}: its position is not known")
        return int(position)

    def ends(self, numbers: Sequence[int]) -> dict[int, int]:
        """Last known end offsets of partitions, without asking the broker."""
        with self._reaching():
            known = {number: self._consumer.highwater(self._place(number)) for number in numbers}
        return {number: end for number, end in known.items() if end is not None}

    def rejoin(self) -> None:
        """Rejoin the group under the same name; the broker then reports whether the name is still ours."""
        self._consumer._coordinator.request_rejoin()  # the client has no public way to do this

    def group_metadata(self) -> Any:
        """Membership as of the last assignment, by which the broker fences a member that has lost it.

        The client's own runs ahead: it is already of the next generation before this one's partitions are revoked.
        """
        return self._listener.membership

    def close(self) -> None:
        """Close the connection; a static member stays in the group until its session expires."""
        with contextlib.suppress(KafkaError, OSError):
            self._consumer.close(autocommit=False, timeout_ms=1000)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._group.reads.name, partition)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except FencedInstanceIdError as error:
            raise WorkError(
                f"{self._group.section}.instance_id: {self._group.instance_id}: another process works under this name;"
                " give each instance its own"
            ) from error
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            raise LogLost(
                f"{self._group.reads.name}: what was to be read next is lost ({error}); {self._group.choices}"
            ) from error
        except (AuthorizationError, UnsupportedVersionError) as error:
            raise WorkError(f"kafka.bootstrap_servers: {self._kafka.bootstrap_servers}: refused: {error}") from error
        except (KafkaError, OSError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise BrokerUnavailable(f"kafka.bootstrap_servers: {self._kafka.bootstrap_servers}: {text}") from error


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Records changes; applying them needs the broker and is done outside the client's thread."""

    def __init__(self, on_revoked: Callable[[], None], membership: Callable[[], Any]) -> None:
        self.changed = False
        self.membership: Any = None
        self._on_revoked = on_revoked
        self._ask_membership = membership

    def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            self._on_revoked()

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.membership = self._ask_membership()
        self.changed = True


def holds_messages(kafka: KafkaConfig, topic: str, partition: int) -> bool:
    """True if a partition holds any committed message (an aborted transaction leaves offsets without messages)."""
    consumer = new_consumer(kafka, client_id="tickvol-look", max_poll_records=1)
    place = TopicPartition(topic, partition)
    try:
        consumer.assign([place])
        end = consumer.end_offsets([place], timeout_ms=kafka.request_timeout_ms)[place]
        consumer.seek(place, consumer.beginning_offsets([place], timeout_ms=kafka.request_timeout_ms)[place])
        until = time.monotonic() + kafka.request_timeout_ms / 1000
        while consumer.position(place, timeout_ms=kafka.request_timeout_ms) < end:
            if consumer.poll(timeout_ms=200):
                return True
            if time.monotonic() > until:
                raise BrokerUnavailable(f"kafka.bootstrap_servers: {kafka.bootstrap_servers}: no answer")
        return False
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(f"kafka.bootstrap_servers: {kafka.bootstrap_servers}: {error}") from error
    finally:
        consumer.close()
