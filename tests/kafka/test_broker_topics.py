"""Topics are as declared after one command, and a second one changes nothing."""

import contextlib
import time

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaTimeoutError

from tests.kafka.conftest import config_of, environment_of, make_topics, topics_of
from tests.kafka.featurizers import wait_until
from tickvol.bus.client import MAX_MESSAGE_BYTES, new_admin, new_producer
from tickvol.bus.topics import topic_settings
from tickvol.core.errors import BrokerUnavailable, TopicMismatch

pytestmark = pytest.mark.kafka

DAY_MS = 86_400_000


def settings_of(kafka, topic):
    with contextlib.closing(new_admin(kafka)) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: about["value"] for name, about in found.items()}


def alter(kafka, topic, settings):
    with contextlib.closing(new_admin(kafka)) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])


def test_missing_topics_are_made_and_then_nothing_changes(kafka_env):
    kafka = config_of(kafka_env)
    assert make_topics(kafka) == [
        f"{kafka.topic_ticks}: made, 3 partitions",
        f"{kafka.topic_features}: made, 3 partitions",
        f"{kafka.topic_predictions}: made, 3 partitions",
        f"{kafka.topic_outcomes}: made, 3 partitions",
        f"{kafka.topic_deadletter}: made, 1 partitions",
        f"{kafka.topic_alerts}: made, 1 partitions",
    ]
    assert make_topics(kafka) == []
    for spec in topics_of(kafka):
        assert topic_settings(kafka).items() <= settings_of(kafka, spec.name).items()


def test_a_setting_that_someone_changed_is_mended_and_told(kafka_config):
    alter(kafka_config, kafka_config.topic_ticks, {"retention.ms": "1000", "segment.bytes": "10485760"})
    wait_until(lambda: settings_of(kafka_config, kafka_config.topic_ticks)["retention.ms"] == "1000")
    (line,) = make_topics(kafka_config)
    assert line == f"{kafka_config.topic_ticks}: retention.ms set to -1, was 1000"
    settings = settings_of(kafka_config, kafka_config.topic_ticks)
    assert settings["retention.ms"] == "-1"
    assert settings["segment.bytes"] == "10485760"


def test_a_configured_retention_and_least_replicas_are_set(kafka_env):
    kafka = config_of(kafka_env, retention_ms=7 * DAY_MS)
    make_topics(kafka)
    settings = settings_of(kafka, kafka.topic_ticks)
    assert settings["retention.ms"] == str(7 * DAY_MS)
    assert settings["min.insync.replicas"] == "1"


@pytest.mark.parametrize("partitions", [2, 4])
def test_another_number_of_partitions_is_refused_and_left(kafka_config, partitions):
    changed = kafka_config.model_copy(update={"partitions": partitions})
    with pytest.raises(TopicMismatch, match=rf"kafka.partitions: {partitions}: topic {kafka_config.topic_ticks} has 3"):
        make_topics(changed)
    assert make_topics(kafka_config) == []


def test_more_replicas_than_brokers_is_said(kafka_env):
    kafka = config_of(kafka_env, replication_factor=3)
    with pytest.raises(BrokerUnavailable, match=r"(?i)replication"):
        make_topics(kafka)


@pytest.mark.parametrize(
    "timestamp_ms",
    [1_420_070_400_000, int(time.time() * 1000) + 3 * DAY_MS],
    ids=["of 2015", "three days ahead"],
)
def test_a_record_of_any_time_is_taken_with_its_time(kafka_config, timestamp_ms):
    with contextlib.closing(new_producer(kafka_config, client_id="test")) as producer:
        sent = producer.send(kafka_config.topic_ticks, b"{}", key=b"BTC-USD", timestamp_ms=timestamp_ms).get(10)
    assert sent.timestamp == timestamp_ms


def test_the_largest_message_is_taken(kafka_config):
    with contextlib.closing(new_producer(kafka_config, client_id="test")) as producer:
        producer.send(kafka_config.topic_deadletter, b"x" * (MAX_MESSAGE_BYTES - 1024)).get(20)


def test_a_topic_that_nobody_declared_is_not_made_by_use(broker):
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.bootstrap_servers, max_block_ms=500)) as producer:
        with pytest.raises(KafkaTimeoutError):
            producer.send("undeclared", b"x")
        assert producer.config["allow_auto_create_topics"]
    with contextlib.closing(new_admin(config_of(environment_of(broker)))) as admin:
        assert "undeclared" not in admin.list_topics()
