"""The topics of the log as declared things, and the one idempotent command that makes the broker hold them.

The record timestamp is event time, so limits on it are lifted: a broker refuses records two hours ahead of its clock by
default, and retention by time would delete a replayed day at once.
"""

from dataclasses import dataclass

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from tickvol.bus.client import MAX_MESSAGE_BYTES, reaching
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import TopicMismatch

_ANY_TIME_MS = str(2**63 - 1)


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it is to be; `of_archive` where a rebuild can fill it again from the raw archive."""

    name: str
    partitions: int
    replication_factor: int
    settings: dict[str, str]
    of_archive: bool


def declared_topics(kafka: KafkaConfig) -> tuple[TopicSpec, ...]:
    """Ticks and what is made of them, a product in one partition of each; dead letters and alerts in one partition."""
    settings = {
        "cleanup.policy": "delete",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": _ANY_TIME_MS,
        "message.timestamp.after.max.ms": _ANY_TIME_MS,
        "min.insync.replicas": str(kafka.min_insync_replicas),
        "retention.bytes": "-1",
        "retention.ms": str(kafka.retention_ms),
    }
    by_product = (kafka.topic_ticks, kafka.topic_features, kafka.topic_predictions, kafka.topic_outcomes)
    partitions = dict.fromkeys(by_product, kafka.partitions) | {kafka.topic_deadletter: 1, kafka.topic_alerts: 1}
    return tuple(
        TopicSpec(name, count, kafka.replication_factor, settings, of_archive=name != kafka.topic_alerts)
        for name, count in partitions.items()
    )


def ensure_topics(admin: KafkaAdminClient, kafka: KafkaConfig) -> list[str]:
    """Make what is missing and set what differs; returns a line for each change, none where all was well.

    Raises
    ------
    TopicMismatch
        When a topic has another number of partitions: changing it would move products and tear their order.
    BrokerUnavailable
        When the broker does not answer.
    """
    specs = declared_topics(kafka)
    with reaching(kafka):
        existing = set(admin.list_topics())
        missing = [spec for spec in specs if spec.name not in existing]
        if missing:
            admin.create_topics(
                {
                    spec.name: {
                        "num_partitions": spec.partitions,
                        "replication_factor": spec.replication_factor,
                        "configs": spec.settings,
                    }
                    for spec in missing
                },
                wait_for_metadata=True,
            )
        changes = [f"{spec.name}: made, {spec.partitions} partitions" for spec in missing]
        for spec in specs:
            if spec.name in existing:
                changes += _adjust(admin, spec)
    return changes


def _adjust(admin: KafkaAdminClient, spec: TopicSpec) -> list[str]:
    (topic,) = admin.describe_topics([spec.name])
    count = len(topic["partitions"])
    if count != spec.partitions:
        raise TopicMismatch(
            f"kafka.partitions: {spec.partitions}: topic {spec.name} has {count}; set kafka.partitions to {count}, or"
            " make the topics anew from the archive by `tickvol kafka rebuild`"
        )
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name)], config_filter="all")
    current = {name: about["value"] for name, about in found["topic"][spec.name].items()}
    differing = {name: value for name, value in spec.settings.items() if current.get(name) != value}
    if differing:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, differing)])
    return [f"{spec.name}: {name} set to {value}, was {current.get(name)}" for name, value in differing.items()]
