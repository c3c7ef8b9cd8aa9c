"""`tickvol kafka` as it is typed: exit codes, what it prints, and that the broker outlives the command."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from tests.kafka.conftest import environment_of
from tests.support import ROOT
from tickvol.broker.files import free_port
from tickvol.broker.local import LocalBroker
from tickvol.bus.client import new_admin, new_producer

pytestmark = pytest.mark.kafka


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tickvol", "kafka", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_start_stop_and_status_say_what_they_found(tmp_path):
    private = LocalBroker(tmp_path / "kafka", free_port())
    environment = environment_of(private)
    topic = environment["TICKVOL_INGESTION__TOPIC"]
    try:
        down = run("status", **environment)
        assert down.returncode == 1
        assert f"{private.bootstrap_servers}: does not answer\nprocess    not running" in down.stdout
        assert run("stop", **environment).stdout == f"broker     {private.bootstrap_servers}: not running\n"

        first = run("start", "--native", **environment)
        assert (first.returncode, first.stderr) == (0, "")
        assert "Kafka 4.2.1 started, pid" in first.stdout
        assert f"topics     {topic}: made, 3 partitions" in first.stdout
        assert private.is_running()
        again = run("start", "--native", **environment)
        assert "runs already, pid" in again.stdout
        assert "topics     all as declared" in again.stdout

        up = run("status", **environment)
        assert up.returncode == 0
        assert f"topic      {topic}  0:0 1:0 2:0" in up.stdout
        assert "has committed nothing yet" in up.stdout

        assert run("stop", **environment).stdout == f"broker     {private.bootstrap_servers}: stopped\n"
        assert not private.is_running()
    finally:
        private.kill()


def test_status_as_json_counts_offsets_and_the_groups_lag(kafka_config, kafka_env, broker):
    place = TopicPartition(kafka_config.topic_ticks, 1)
    with contextlib.closing(new_producer(kafka_config, client_id="test")) as producer:
        for _ in range(10):
            last = producer.send(place.topic, b"{}", partition=1)
        last.get(10)
    group = kafka_env["TICKVOL_FEATURES__GROUP_ID"]
    assert json.loads(run("status", "--json", **kafka_env).stdout)["group"] == {"id": group, "lag": None}
    with contextlib.closing(new_admin(kafka_config)) as admin:
        admin.alter_group_offsets(group, {place: OffsetAndMetadata(4, "", -1)})
    done = run("status", "--json", **kafka_env)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["answers"]
    assert told["pid"] == broker.process().pid
    assert told["version"] == "4.2.1"
    assert told["uptime_s"] >= 0
    assert told["data_bytes"] > 0
    assert told["group"] == {"id": group, "lag": 6}
    ticks = next(topic for topic in told["topics"] if topic["name"] == place.topic)
    assert [partition["end_offset"] for partition in ticks["partitions"]] == [0, 10, 0]
    assert [partition["lag"] for partition in ticks["partitions"]] == [None, 6, None]


def test_topics_tells_what_it_made_and_then_nothing(kafka_env):
    assert run("topics", **kafka_env).stdout.count(": made, ") == 6
    done = run("topics", **kafka_env)
    assert (done.returncode, done.stdout) == (0, "topics     all as declared\n")
    wrong = run("topics", **kafka_env, TICKVOL_KAFKA__PARTITIONS="5")
    assert wrong.returncode == 1
    assert "kafka.partitions: 5: topic" in wrong.stderr


def test_topics_that_are_missing_are_shown_as_missing(kafka_env):
    done = run("status", **kafka_env)
    assert done.returncode == 0
    assert done.stdout.count("missing; `tickvol kafka topics` makes it") == 6


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"BOOTSTRAP_SERVERS": "kafka.example.org:9092"}, "must be on the loopback"),
        ({"BOOTSTRAP_SERVERS": "10.0.0.1:9092"}, "must be on the loopback"),
        ({"BOOTSTRAP_SERVERS": "127.0.0.1:70000"}, "the port must be from 1 to 65535"),
        ({"BOOTSTRAP_SERVERS": "127.0.0.1:0"}, "the port must be from 1 to 65535"),
        ({"SECURITY_PROTOCOL": "SSL"}, "must be PLAINTEXT for a broker of this machine"),
    ],
)
@pytest.mark.parametrize("action", ["start", "stop"])
def test_a_broker_that_is_not_of_this_machine_is_not_started_here(variables, rule, action, monkeypatch, capsys):
    from tickvol.apps.kafka import main

    for name, value in variables.items():
        monkeypatch.setenv(f"TICKVOL_KAFKA__{name}", value)
    assert main([action, "--config", str(ROOT / "config.yaml")]) == 2
    assert rule in capsys.readouterr().err


def test_status_of_a_broker_elsewhere_tells_what_it_answers(broker, kafka_env):
    other = kafka_env | {"TICKVOL_KAFKA__BROKER_DIR": str(broker.directory / "none")}
    told = json.loads(run("status", "--json", **other).stdout)
    assert told["answers"]
    assert told["pid"] is None


@pytest.mark.parametrize("words", [[], ["nothing"], ["--verbose", "start"]])
def test_no_action_is_wrong_use(words):
    done = run(*words)
    assert done.returncode == 2
    assert "ACTION" in done.stderr


def test_a_container_is_started_where_an_engine_answers_unless_native_is_asked(tmp_path, monkeypatch, capsys):
    """With a stub for the engine: that the right broker is chosen, not that Docker works."""
    from tickvol.apps import kafka as app
    from tickvol.broker import compose as broker_compose
    from tickvol.broker import local as broker

    done = []
    monkeypatch.setattr(broker_compose, "compose_answers", lambda: True)
    monkeypatch.setattr(broker_compose, "compose_up", lambda answers: done.append("container"))
    monkeypatch.setattr(broker.LocalBroker, "start", lambda self: done.append("native") or True)
    monkeypatch.setattr(app, "_ensure_topics", lambda config: None)
    monkeypatch.setenv("TICKVOL_KAFKA__BROKER_DIR", str(tmp_path))
    config = ["--config", str(ROOT / "config.yaml")]
    assert app.main(["start", *config]) == 0
    assert app.main(["start", "--native", *config]) == 0
    monkeypatch.setenv("TICKVOL_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:19999")
    assert app.main(["start", *config]) == 0
    assert done == ["container", "native", "native"]
    assert "runs in a container" in capsys.readouterr().out
