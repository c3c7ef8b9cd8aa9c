"""Alerts on a real broker: key, time and idempotency key of each, and what waits while there is none."""

import contextlib
import itertools

import pytest

from tests.alerts.samples import NOON_NS, Clock, new_dispatcher, reading, rule
from tests.kafka.conftest import config_of, make_topics, topics_of, whole_config
from tickvol.alerts.hysteresis import decide
from tickvol.alerts.notifications import Subject, decode_notice, digest_of, notice_key
from tickvol.alerts.topic_sink import AlertTopic, alerts_topic
from tickvol.apps import kafka_consume_check
from tickvol.bus.client import new_admin
from tickvol.bus.contents import Content
from tickvol.bus.reading import TopicReader
from tickvol.bus.recreate import recreate_topics
from tickvol.core.errors import BrokerUnavailable, DeliveryRefused, TopicMismatch

pytestmark = pytest.mark.kafka


def raised():
    return decide(None, rule(), reading(2.0), now_ns=NOON_NS + 7, repeat_after_ns=1)


def stored(kafka):
    with TopicReader(kafka, kafka.topic_alerts, client_id="test") as reader:
        return list(itertools.chain.from_iterable(reader.whole()))


@pytest.fixture
def sink(kafka_config):
    with contextlib.closing(AlertTopic(kafka_config, kafka_config.topic_alerts)) as opened:
        yield opened


def test_a_notice_is_in_the_topic_under_its_subject_its_event_time_and_its_key(kafka_config, sink):
    digest = digest_of([raised()], NOON_NS + 9)
    for notice in (raised(), digest):
        sink.deliver(notice, notice_key(notice))
    first, second = stored(kafka_config)
    assert [decode_notice(message.value) for message in (first, second)] == [raised(), digest]
    assert (first.key, second.key) == (Subject(feature="vol_zscore", detector="logistic").text.encode(), b"digest")
    assert first.timestamp_ms == NOON_NS // 1_000_000
    assert dict(first.headers) == {"idempotency_key": notice_key(raised()).encode()}
    read = alerts_topic(whole_config(kafka_config).alerts).validator([first, second])
    assert read == [Content("drift raised", "", NOON_NS, NOON_NS + 7), Content("digest", "", NOON_NS, NOON_NS + 9)]


def test_what_waited_for_a_broker_is_in_the_topic_after_its_start(own_broker, tmp_path):
    broker = own_broker()
    kafka = config_of(
        {"TICKVOL_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers}, topic_alerts="alerts", request_timeout_ms=2000
    )
    make_topics(kafka)
    broker.stop()

    class Connects:
        def deliver(self, notice, key):
            with contextlib.closing(AlertTopic(kafka, kafka.topic_alerts)) as topic:
                topic.deliver(notice, key)

    desk = new_dispatcher(tmp_path / "ledger", {"topic": Connects()}, Clock())
    desk.observe(rule(), [reading(2.0)])
    (visit,) = desk.deliver()
    assert (visit.delivered, visit.open) == (0, 1)
    assert "is a broker there?" in visit.detail
    broker.start()
    (visit,) = desk.deliver()
    assert (visit.delivered, visit.open) == (1, 0)
    assert len(stored(kafka)) == 1


def test_a_topic_that_is_not_there_is_told_at_once(kafka_env):
    with pytest.raises(TopicMismatch, match="tickvol kafka topics"):
        AlertTopic(config_of(kafka_env), kafka_env["TICKVOL_ALERTS__TOPIC"])


def test_no_broker_is_told(kafka_env):
    with pytest.raises(BrokerUnavailable):
        AlertTopic(config_of(kafka_env, bootstrap_servers="127.0.0.1:9", request_timeout_ms=500), "alerts")


def test_a_digest_that_no_message_can_hold_is_refused_and_not_tried_for_ever(sink):
    digest = digest_of([raised()] * 20_000, NOON_NS)
    with pytest.raises(DeliveryRefused, match="bytes"):
        sink.deliver(digest, notice_key(digest))


def test_a_rebuild_of_the_topics_leaves_the_alerts(kafka_config, sink):
    sink.deliver(raised(), "k")
    with contextlib.closing(new_admin(kafka_config)) as admin:
        lines = recreate_topics(admin, kafka_config, topics_of(kafka_config), ["nobody"])
    assert sum(line.endswith(": deleted") for line in lines) == 5
    assert len(stored(kafka_config)) == 1


def test_the_check_reads_the_topic(kafka_config, kafka_env, sink, monkeypatch, capsys):
    for name, value in kafka_env.items():
        monkeypatch.setenv(name, value)
    sink.deliver(raised(), "k")
    code = kafka_consume_check.main(["--topic", kafka_config.topic_alerts, "--from-beginning", "--max-schema-errors=0"])
    assert code == 0
    assert "drift raised" in capsys.readouterr().out
