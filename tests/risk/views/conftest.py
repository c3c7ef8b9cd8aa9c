"""The lake that the tests of the views read; none of them writes to it."""

from pathlib import Path

import pytest

from tests.risk.views.stored import Stored, store
from tickvol.storage.delta.lake import Lake


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return store(tmp_path_factory.mktemp("views"))


@pytest.fixture
def lake(stored: Stored) -> Lake:
    return stored.lake


@pytest.fixture
def empty(tmp_path: Path, stored: Stored) -> Lake:
    """A lake without a table."""
    return Lake(tmp_path / "lake", [table.spec for table in stored.lake.tables()])
