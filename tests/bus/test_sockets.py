"""Attempts to connect leave no open sockets behind, without any help of the garbage collector."""

import gc
import os

import pytest

from tests.broker_fixtures import config_of
from tickvol.bus.broker_files import free_port
from tickvol.bus.client import new_admin
from tickvol.core.errors import BrokerUnavailable


def open_files():
    return len(os.listdir("/proc/self/fd"))


def test_failed_attempts_leave_no_open_sockets():
    kafka = config_of({}, bootstrap_servers=f"127.0.0.1:{free_port()}", request_timeout_ms=1000)
    gc.collect()
    gc.disable()
    try:
        before = open_files()
        with pytest.raises(BrokerUnavailable):
            new_admin(kafka)
        after = open_files()
    finally:
        gc.enable()
    assert after <= before + 3  # the abandoned client's selector and its pair of sockets may still be there
