"""`tickvol gaps --from-kafka`: the ledger of the topic is that of the archive, also after everything was sent twice."""

import contextlib
import json

import pytest

from tests.apps.test_gaps import archive  # noqa: F401
from tests.kafka.filling import archive_records
from tickvol.apps import gaps
from tickvol.bus.client import new_producer
from tickvol.bus.messages import Message, record_message

pytestmark = pytest.mark.kafka


def test_the_topic_gives_the_ledger_of_the_archive_even_when_sent_twice(
    kafka_config,
    kafka_env,
    monkeypatch,
    capsys,
    archive,  # noqa: F811
):
    for name, value in kafka_env.items():
        monkeypatch.setenv(name, value)
    records = [record_message(record) for record in archive_records(archive)]
    with contextlib.closing(new_producer(kafka_config, client_id="test")) as producer:
        for key, value, at in [*records, *records, Message(b"x", b"{", 5)]:
            producer.send(kafka_config.topic_ticks, value=value, key=key, timestamp_ms=at)
        producer.flush(30)
    assert gaps.main(["--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert gaps.main(["--json", "--from-kafka"]) == 0
    topic = json.loads(capsys.readouterr().out)
    assert len(topic["gaps"]) == 2
    assert (topic["gaps"], topic["totals"]) == (plain["gaps"], plain["totals"])
    assert topic["unreadable"] == [f"{kafka_config.topic_ticks}: 1 messages that are no records"]
