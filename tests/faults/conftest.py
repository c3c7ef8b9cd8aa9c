"""A live path on the shared broker, and one on a broker that the test may break."""

import pytest

from tests.faults.line import Line
from tests.support.brokers import environment_of


@pytest.fixture
def line(tmp_path, kafka_env):
    """Processes on the shared broker; whatever still runs at the end is killed."""
    path = Line(tmp_path, kafka_env)
    try:
        yield path
    finally:
        path.close()


@pytest.fixture
def breakable(tmp_path, own_broker):
    """(line, broker): processes on a broker of their own."""
    private = own_broker()
    path = Line(tmp_path, environment_of(private))
    try:
        yield path, private
    finally:
        path.close()
