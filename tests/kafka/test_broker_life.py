"""The broker as a process and as a store: what it holds survives, and only our own process is ever ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from kafka import TopicPartition

from tests.kafka.conftest import config_of, environment_of, make_topics
from tickvol.broker.files import free_port, read_pid, remembered_controller_port
from tickvol.broker.local import LocalBroker
from tickvol.bus.client import new_admin, new_consumer, new_producer
from tickvol.core.errors import BrokerUnavailable

pytestmark = pytest.mark.kafka


def send(kafka, values):
    with contextlib.closing(new_producer(kafka, client_id="test")) as producer:
        for future in [producer.send(kafka.topic_ticks, value, key=b"BTC-USD", partition=0) for value in values]:
            future.get(10)


def read(kafka, count):
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


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory):
    private = LocalBroker(tmp_path_factory.mktemp("own"), free_port())
    yield private
    private.kill()


@pytest.fixture
def own(module_broker):
    """A running broker of this module, which each test may leave in any state."""
    module_broker.resume()
    module_broker.start()
    return module_broker


def controller_port(broker):
    return remembered_controller_port(broker.directory / "server.properties")


@pytest.mark.launcher
def test_what_it_holds_survives_a_stop_and_a_kill(own):
    kafka = config_of(environment_of(own))
    make_topics(kafka)
    send(kafka, [b"one"])
    first, controller = own.process().pid, controller_port(own)
    assert own.stop()
    assert not own.is_running()
    assert own.start()
    assert own.process().pid != first
    assert controller_port(own) == controller
    send(kafka, [b"two"])
    own.kill()
    assert not own.is_running()
    # What a killed broker leaves behind hinders no one.
    assert read_pid(own.directory / "broker.pid") is not None
    assert (own.data / ".lock").exists()
    assert not own.stop()
    assert own.start()
    assert read(kafka, 2) == [b"one", b"two"]
    assert make_topics(kafka) == []


def test_a_second_start_finds_the_first(own):
    pid = own.process().pid
    same = LocalBroker(own.directory, own.port)
    assert not same.start()
    assert same.process().pid == pid


@pytest.mark.launcher
def test_a_paused_broker_runs_and_does_not_answer_until_it_goes_on(own, caplog):
    own.pause()
    assert own.is_running()
    assert not own.answers(0.5)
    with pytest.raises(BrokerUnavailable, match=r"no answer after 0\.5 s"):
        own.start(timeout_s=0.5)
    own.resume()
    own.wait_until_ready()
    own.pause()
    assert own.stop()
    assert not own.is_running()
    assert "killed" not in caplog.text


def test_two_starts_at_once_start_one_broker(module_broker):
    module_broker.stop()
    brokers = [LocalBroker(module_broker.directory, module_broker.port) for _ in range(2)]
    began = []
    threads = [threading.Thread(target=lambda each=each: began.append(each.start())) for each in brokers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(began) == [False, True]


@pytest.mark.launcher
def test_a_broker_that_does_not_hear_is_killed_after_a_while(own, caplog):
    pid = own.process().pid
    assert own.stop(timeout_s=0)
    assert f"pid {pid} did not end within 0 s: killed" in caplog.text
    assert not own.is_running()
    assert not own.stop()


@pytest.mark.launcher
def test_lost_data_and_a_taken_controllers_port_give_an_empty_broker_and_a_warning(module_broker, caplog):
    module_broker.stop()
    module_broker.data.rename(module_broker.directory / "lost")
    with socket.create_server(("127.0.0.1", controller_port(module_broker))) as taken:
        module_broker.start()
        assert controller_port(module_broker) != taken.getsockname()[1]
    assert f"{module_broker.data} is gone: an empty log begins" in caplog.text
    with contextlib.closing(new_admin(config_of(environment_of(module_broker)))) as admin:
        assert admin.list_topics() == []


@pytest.mark.launcher
def test_it_outlives_its_starter_and_its_terminals_signals(tmp_path):
    broker = LocalBroker(tmp_path, free_port())
    script = (
        "import pathlib, sys, time; from tickvol.broker.local import LocalBroker;"
        "LocalBroker(pathlib.Path(sys.argv[1]), int(sys.argv[2])).start(); print('started', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(broker.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as starter:
        try:
            assert starter.stdout.readline() == b"started\n"
            os.killpg(starter.pid, signal.SIGINT)
            starter.wait(10)
            assert broker.is_running()
            assert broker.answers()
        finally:
            starter.kill()
            broker.kill()
    assert not broker.is_running()
