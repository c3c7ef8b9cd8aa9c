"""The tick topic: ticks, heartbeats and gaps, keyed by product."""

from collections.abc import Sequence

import numpy as np

from tickvol.bus.contents import Content, Validator, home_partition
from tickvol.bus.reading import Stored
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import TopicSpec
from tickvol.capture.settings import IngestionConfig
from tickvol.core.records import Gap, Record, Tick
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.record_rules import RecordRules, is_product


def ticks_topic(kafka: KafkaConfig, ingestion: IngestionConfig) -> TopicSpec:
    """Declaration of `ingestion.topic`."""
    return TopicSpec(
        name=ingestion.topic,
        key="product_id",
        schema=Record,
        validator=record_validator(kafka.partitions, ingestion.max_message_bytes),
        partitions=kafka.partitions,
    )


def record_validator(partitions: int, max_bytes: int) -> Validator:
    """A validator with the rules of the featurizer's reader, for records of any product."""
    probe = RecordRules((), (), max_bytes=max_bytes)

    def validate(messages: Sequence[Stored]) -> list[Content | str]:
        products = sorted({record.product_id for record in probe.decode(messages)[0] if is_product(record.product_id)})
        rules = RecordRules(products, [home_partition(name, partitions) for name in products], max_bytes=max_bytes)
        judged = rules.judge(messages, np.array([message.partition for message in messages], np.int64))
        return [
            Reject(int(reject)).label if reject else _content(record)
            for record, reject in zip(judged.records, judged.reject, strict=True)
        ]

    return validate


def _content(record: Record) -> Content:
    if isinstance(record, Gap):
        return Content("gap", record.product_id, record.to_time_ns, None, gap=record)
    return Content(
        "tick" if isinstance(record, Tick) else "heartbeat",
        record.product_id,
        record.event_time_ns,
        record.receive_time_ns,
        record.connection_id,
        record.product_id,
        record.sequence_num,
    )
