"""The client reads on at once, whatever the moment at which an answer comes."""

import threading
import time

import pytest
from kafka import TopicPartition

from tests.kafka.filling import producing
from tickvol.bus.client import new_consumer

pytestmark = pytest.mark.kafka

HELD_S = 0.5
"""How long the broker holds a fetch for partitions that have nothing."""


def answers_between_reading_and_fetching(fetcher):
    """Make the rare moment the rule: what was asked for is answered after the client has looked, before it asks on."""
    send = fetcher.send_fetches

    def send_late():
        until = time.monotonic() + 0.05
        while fetcher._nodes_with_pending_fetch_requests and time.monotonic() < until:
            time.sleep(0.001)
        return send()

    fetcher.send_fetches = send_late


def test_an_answer_that_comes_before_the_next_fetch_does_not_hold_its_partition_up(kafka_config):
    topic, over = kafka_config.topic_ticks, threading.Event()

    def send():
        with producing(kafka_config) as producer:
            while not over.wait(0.02):
                producer.send(topic, value=b"x", partition=0)

    sender = threading.Thread(target=send)
    consumer = new_consumer(kafka_config, client_id="test-gaps")
    places = [TopicPartition(topic, number) for number in range(kafka_config.partitions)]
    assert len(places) > 1  # the others are silent
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    answers_between_reading_and_fetching(consumer._fetcher)
    sender.start()
    try:
        count, held, last = 0, 0, None
        until = time.monotonic() + 3
        while time.monotonic() < until:
            if found := consumer.poll(timeout_ms=10):
                count += sum(map(len, found.values()))
                now = time.monotonic()
                held += last is not None and now - last > 0.8 * HELD_S
                last = now
    finally:
        over.set()
        sender.join()
        consumer.close()
    assert count > 50
    assert held <= 1  # a busy machine may stall once


def test_a_poll_that_finds_nothing_waits_while_a_heartbeat_is_not_answered(kafka_config):
    consumer = new_consumer(kafka_config, client_id="test-late", group_id=f"test-late.{kafka_config.topic_ticks}")
    try:
        places = [TopicPartition(kafka_config.topic_ticks, number) for number in range(kafka_config.partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        # What it says while one is on its way and the next one is due.
        consumer._coordinator.time_to_next_heartbeat = lambda: 0.0
        looks, look = [], consumer._fetcher.fetch_records
        consumer._fetcher.fetch_records = lambda *given, **named: looks.append(1) or look(*given, **named)
        assert consumer.poll(timeout_ms=1000) == {}
    finally:
        consumer.close()
    assert 1 <= len(looks) <= 40
