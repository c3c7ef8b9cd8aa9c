"""Being here puts the project's root on `sys.path`, so that tests can import `tests.support.synthetic`."""

import os

import pytest
from hypothesis import settings

from tests.support.brokers import broker, kafka_config, kafka_env, own_broker
from tests.support.databases import database_url, mariadb, new_database, postgresql
from tests.support.order import longest_first
from tests.support.receivers import receive

__all__ = [
    "broker",
    "database_url",
    "kafka_config",
    "kafka_env",
    "mariadb",
    "new_database",
    "own_broker",
    "postgresql",
    "receive",
]

# No deadline: the first call of a compiled kernel takes longer than all that follow.
settings.register_profile("tickvol", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tickvol")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)
