"""Clients that end, or never begin, leave no open file and no thread behind, with no help of the garbage collector."""

import contextlib
import gc
import os
import threading
import time

import pytest

from tests.support.brokers import config_of
from tickvol.broker.files import free_port
from tickvol.bus.client import new_admin, new_consumer, new_producer
from tickvol.core.errors import BrokerUnavailable

MAKERS = {
    "admin": new_admin,
    "consumer": lambda kafka: new_consumer(kafka, client_id="test-sockets"),
    "producer": lambda kafka: new_producer(kafka, client_id="test-sockets"),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@contextlib.contextmanager
def nothing_left():
    """Fails when more files are open, or more threads run, than at its begin."""

    gc.collect()
    gc.disable()
    try:
        files, threads = os.listdir("/proc/self/fd"), threading.enumerate()
        yield
        assert len(os.listdir("/proc/self/fd")) <= len(files)
        assert set(threading.enumerate()) <= set(threads)
    finally:
        gc.enable()


def test_a_client_that_cannot_connect_leaves_nothing(make):
    kafka = config_of({}, bootstrap_servers=f"127.0.0.1:{free_port()}", request_timeout_ms=1000)
    with nothing_left(), pytest.raises(BrokerUnavailable):
        make(kafka)


@pytest.mark.kafka
def test_a_closed_client_leaves_nothing(make, kafka_config):
    with nothing_left():
        make(kafka_config).close()


@pytest.mark.kafka
def test_a_client_closed_while_it_has_something_to_send_leaves_nothing(kafka_config):
    with nothing_left():
        admin = new_admin(kafka_config)
        admin.list_topics()
        wrote = threading.Event()
        (connection,) = admin._manager._conns.values()
        write = connection.transport.write

        def write_and_hold(data):
            write(data)
            wrote.set()
            until = time.monotonic() + 10
            while not admin._net._stop and time.monotonic() < until:  # the loop stands still until the client is closed
                time.sleep(0.001)

        connection.transport.write = write_and_hold
        admin._manager.cluster.request_update()
        assert wrote.wait(5)
        assert connection.transport._write_buffer
        admin.close()
