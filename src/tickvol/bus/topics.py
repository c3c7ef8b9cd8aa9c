"""Declared topics, and the one idempotent command that creates them on the broker and corrects their settings.

The record timestamp is event time, so limits on it are lifted: a broker refuses records two hours ahead of its clock by
default, and retention by time would delete a replayed day at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from tickvol.bus.client import MAX_MESSAGE_BYTES, reaching
from tickvol.bus.contents import Validator
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import TopicMismatch, UsageError

_ANY_TIME_MS = str(2**63 - 1)


@dataclass(frozen=True)
class TopicSpec:
    """A topic as a system declares it.

    Attributes
    ----------
    key : the field of the message that is its key; messages with the same key keep their order.
    schema : msgspec type of the value.
    validator : judges messages of the topic, for `tickvol kafka-consume-check`.
    partitions : at creation; later changes are refused.
    rebuildable : True if `tickvol kafka rebuild` can refill it from the raw archive.
    numbered : True if the numbers of a group are consecutive, so that an absent one is missing.
    """

    name: str
    key: str
    schema: Any
    validator: Validator
    partitions: int
    rebuildable: bool = True
    numbered: bool = True


def topic_named(topics: Sequence[TopicSpec], name: str) -> TopicSpec:
    """Find a declared topic by its name.

    Raises
    ------
    UsageError
        For a name that no system declares, as its schema is unknown.
    """
    for topic in topics:
        if topic.name == name:
            return topic
    known = ", ".join(topic.name for topic in topics)
    raise UsageError(f"--topic: {name!r}: no such topic in the configuration; one of {known}")


def topic_settings(kafka: KafkaConfig) -> dict[str, str]:
    """Kafka's settings of every declared topic."""
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": _ANY_TIME_MS,
        "message.timestamp.after.max.ms": _ANY_TIME_MS,
        "min.insync.replicas": str(kafka.min_insync_replicas),
        "retention.bytes": "-1",
        "retention.ms": str(kafka.retention_ms),
    }


def ensure_topics(admin: KafkaAdminClient, kafka: KafkaConfig, topics: Sequence[TopicSpec]) -> list[str]:
    """Create missing topics and correct differing settings; one line per change.

    Raises
    ------
    TopicMismatch
        If a topic has another number of partitions: changing it would move products and break their order.
    BrokerUnavailable
        If the broker does not answer.
    """
    settings = topic_settings(kafka)
    with reaching(kafka):
        existing = set(admin.list_topics())
        missing = [spec for spec in topics if spec.name not in existing]
        if missing:
            admin.create_topics(
                {
                    spec.name: {
                        "num_partitions": spec.partitions,
                        "replication_factor": kafka.replication_factor,
                        "configs": settings,
                    }
                    for spec in missing
                },
                wait_for_metadata=True,
            )
        changes = [f"{spec.name}: made, {spec.partitions} partitions" for spec in missing]
        for spec in topics:
            if spec.name in existing:
                changes += _adjust(admin, spec, settings)
    return changes


def _adjust(admin: KafkaAdminClient, spec: TopicSpec, settings: dict[str, str]) -> list[str]:
    (topic,) = admin.describe_topics([spec.name])
    count = len(topic["partitions"])
    if count != spec.partitions:
        raise TopicMismatch(
            f"kafka.partitions: {spec.partitions}: topic {spec.name} has {count}; set kafka.partitions to {count}, or"
            " recreate the topics from the archive by `tickvol kafka rebuild`"
        )
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name)], config_filter="all")
    current = {name: about["value"] for name, about in found["topic"][spec.name].items()}
    differing = {name: value for name, value in settings.items() if current.get(name) != value}
    if differing:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, differing)])
    return [f"{spec.name}: {name} set to {value}, was {current.get(name)}" for name, value in differing.items()]
