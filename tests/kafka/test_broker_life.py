"""The broker as a process and as a store: what it holds survives a stop and a kill."""

import contextlib
import time

import pytest

from tests.kafka.conftest import config_of, environment_of, make_topics
from tickvol.bus.client import new_consumer, new_producer

pytestmark = pytest.mark.kafka


def send(kafka, values):
    with contextlib.closing(new_producer(kafka, client_id="test")) as producer:
        for future in [producer.send(kafka.topic_ticks, value, key=b"BTC-USD", partition=0) for value in values]:
            future.get(10)


def read(kafka, count):
    from kafka import TopicPartition

    place = TopicPartition(kafka.topic_ticks, 0)
    found = []
    with contextlib.closing(new_consumer(kafka, client_id="test")) as consumer:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        deadline = time.monotonic() + 20
        while len(found) < count and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=200).values():
                found += [record.value for record in records]
    return found


def test_what_it_holds_survives_a_stop_and_a_kill(own_broker):
    broker = own_broker()
    kafka = config_of(environment_of(broker))
    make_topics(kafka)
    send(kafka, [b"one"])
    first = broker.process().pid
    assert broker.stop()
    assert not broker.is_running()
    assert broker.start()
    assert broker.process().pid != first
    send(kafka, [b"two"])
    broker.kill()
    assert not broker.is_running()
    assert broker.start()
    assert read(kafka, 2) == [b"one", b"two"]
    assert make_topics(kafka) == []
