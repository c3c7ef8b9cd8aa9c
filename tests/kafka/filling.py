"""The log of an archive put onto the topic of ticks, as the publisher does, but at once and from within the test."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kafka import KafkaProducer, TopicPartition

from tickvol.bus.client import new_consumer, new_producer
from tickvol.bus.messages import Message, partition_of, record_message
from tickvol.core.records import Record
from tickvol.eventlog.archive_follow import FollowedArchive
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameTracker
from tickvol.volatility.messages import decode_features

PRODUCTS = ("BTC-USD", "ETH-USD")


def archive_records(raw_dir: Path, products: tuple[str, ...] = PRODUCTS) -> list[Record]:
    """All records of an archive, in log order."""
    decoder = FrameDecoder(products, 1 << 20)
    tracker = FrameTracker(products, grace_ms=250, max_ahead_s=5.0)
    archive = FollowedArchive(raw_dir, decoder, [], batch_size=512)
    found: list[Record] = []
    for item in archive.batches(None, follow=lambda: False, stopped=lambda: False):
        assert item is not None
        tracked = tracker.push(item[1].frames, bare=False)
        found += records_of(tracked, products, decoder.connection_id)
    return found


@contextlib.contextmanager
def producing(kafka: Any) -> Iterator[KafkaProducer]:
    producer = new_producer(kafka, client_id="test-filling", linger_ms=2)
    try:
        yield producer
        producer.flush(60)
    finally:
        producer.close()


def put(producer: KafkaProducer, topic: str, partitions: int, messages: Iterable[Message]) -> None:
    """Send messages; they arrive with the producer's next flush."""
    for key, value, timestamp_ms in messages:
        partition = partition_of(key.decode(), partitions)
        producer.send(topic, value=value, key=key, timestamp_ms=timestamp_ms, partition=partition)


def fill(kafka: Any, records: Iterable[Record]) -> None:
    """Records onto the topic of ticks, acknowledged."""
    with producing(kafka) as producer:
        put(producer, kafka.topic_ticks, kafka.partitions, map(record_message, records))


def topic_messages(kafka: Any, topic: str) -> list[Any]:
    """All committed messages of a topic; each partition in order."""
    consumer = new_consumer(kafka, client_id="test-reading")
    try:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(places)
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, begins[place])
        found = []
        while any(consumer.position(place) < ends[place] for place in places):
            found += [message for messages in consumer.poll(timeout_ms=200).values() for message in messages]
        return found
    finally:
        consumer.close()


def feature_rows(kafka: Any) -> dict[str, list[tuple[int, str]]]:
    """(bar end, values) of each product's rows in the topic, in its order."""
    rows: dict[str, list[tuple[int, str]]] = {}
    for message in topic_messages(kafka, kafka.topic_features):
        row = decode_features(message.value)
        assert message.key.decode() == row.product_id
        assert message.timestamp == row.bar_end_ns // 1_000_000
        assert message.partition == partition_of(row.product_id, kafka.partitions)
        rows.setdefault(row.product_id, []).append((row.bar_end_ns, repr(row.numbers())))
    return rows
