"""Offsets of topics on a broker, and the lag of their readers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    NotCoordinatorError,
)

from tickvol.bus.client import reaching
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import TopicSpec

_COORDINATOR_PATIENCE_S = 5.0
_POLL_S = 0.1


@dataclass(frozen=True)
class PartitionStatus:
    """First and next offset of a partition, and the group's committed offset; None if it committed nothing."""

    partition: int
    first_offset: int
    end_offset: int
    committed: int | None

    @property
    def lag(self) -> int | None:
        """Offsets that the group has not processed yet, transaction markers included."""
        return None if self.committed is None else max(0, self.end_offset - self.committed)


@dataclass(frozen=True)
class TopicStatus:
    """A declared topic; without partitions if it does not exist."""

    name: str
    partitions: tuple[PartitionStatus, ...]


def topics_status(
    admin: KafkaAdminClient, kafka: KafkaConfig, topics: Sequence[TopicSpec], group_id: str
) -> list[TopicStatus]:
    """Status of the declared topics.

    Raises
    ------
    BrokerUnavailable
        If the broker does not answer.
    """
    names = [spec.name for spec in topics]
    with reaching(kafka):
        existing = [name for name in names if name in set(admin.list_topics())]
        places = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in (admin.describe_topics(existing) if existing else [])
            for partition in topic["partitions"]
        ]
        first = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST)) if places else {}
        end = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)) if places else {}
        committed = _committed(admin, group_id)
    return [
        TopicStatus(
            name,
            tuple(
                PartitionStatus(place.partition, first[place].offset, end[place].offset, committed.get(place))
                for place in sorted(places)
                if place.topic == name
            ),
        )
        for name in names
    ]


def _committed(admin: KafkaAdminClient, group_id: str) -> dict[TopicPartition, int]:
    deadline = time.monotonic() + _COORDINATOR_PATIENCE_S
    while True:
        try:
            found = admin.list_group_offsets(group_id)[group_id]
        except GroupIdNotFoundError:
            return {}
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError):
            # The first request about any group makes the broker create its offsets topic.
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return {place: about.offset for place, about in found.items() if about.offset >= 0}


def directory_bytes(directory: Path) -> int:
    """Disk space used; the sizes of Kafka's index files exceed the space that they use."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:  # a segment that was just deleted
            continue
    return total
