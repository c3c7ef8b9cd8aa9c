"""A registry in which a baseline of one day serves and logistic regression of another day challenges it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.datasets import write_dataset
from tests.volatility.promotion.store import days, places, register_day, write_leakcheck
from tickvol.volatility.models.bundle import Bundle


@dataclass(frozen=True)
class Store:
    """Version 1 is `champion`, version 2 `challenger` with a clean leak check; `features` are two days new to both."""

    directory: Path
    features: Path
    champion: Bundle
    challenger: Bundle


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    directory = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch:
        places(patch, directory)
        champion, challenger = register_day(directory, 0, "har"), register_day(directory, 1, "logistic")
        write_leakcheck(challenger)
        return Store(directory, write_dataset(directory / "features.parquet", days(5, 7)), champion, challenger)


@pytest.fixture
def store(made: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of its own; the artifacts stay where they are."""
    shutil.copytree(
        made.directory, tmp_path / "s", ignore=shutil.ignore_patterns("artifacts", "features.parquet", "day*")
    )
    places(monkeypatch, tmp_path / "s")
    return Store(tmp_path / "s", made.features, made.champion, made.challenger)
