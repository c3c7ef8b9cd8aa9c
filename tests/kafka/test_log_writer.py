"""A writer that was given up sends nothing more: its messages would stand behind those of the next one."""

import time

import pytest

from tests.kafka.filling import topic_messages
from tests.support.brokers import config_of, environment_of, make_topics
from tickvol.bus.log_writer import LogWriter
from tickvol.bus.messages import Message

pytestmark = pytest.mark.kafka


def test_closed_writer_sends_nothing_when_the_broker_comes_back(own_broker):
    broker = own_broker()
    kafka = config_of(environment_of(broker))
    make_topics(kafka)
    writer = LogWriter(kafka, kafka.topic_ticks, linger_ms=0)
    writer.send_records([Message(b"BTC-USD", b"one", 1)])
    while writer.in_flight:
        writer.settle()
    broker.kill()
    writer.send_records([Message(b"BTC-USD", b"two", 2)])
    writer.close()
    broker.start()
    time.sleep(2)  # a writer that lived on would connect again within a second
    assert [message.value for message in topic_messages(kafka, kafka.topic_ticks)] == [b"one"]
