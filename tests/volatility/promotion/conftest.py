"""A registry in which a baseline of one day serves and logistic regression of another day challenges it."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.cached import PACKAGE, cached, source_hash
from tests.support.datasets import write_dataset
from tests.support.stores import new_store, remember_schema
from tests.volatility.promotion.store import config, days, places, register_day, write_leakcheck
from tickvol.volatility.models.bundle import Bundle


@dataclass(frozen=True)
class Store:
    """Version 1 is `champion`, version 2 `challenger` with a clean leak check; `features` are two days new to both."""

    directory: Path
    features: Path
    champion: Bundle
    challenger: Bundle


@pytest.fixture(scope="session")
def made() -> Store:
    """The store that all copy; it lies in the cache, for MLflow writes down where artifacts are."""

    def register(directory: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            places(patch, directory)
            new_store(directory / "mlflow" / "mlflow.db")
            register_day(directory, 0, "har")
            write_leakcheck(register_day(directory, 1, "logistic"))
        write_dataset(directory / "features.parquet", days(11, 13))

    source = source_hash(PACKAGE, ROOT / "tests" / "support", Path(__file__).parent)
    directory = cached("registry", source, register)
    champion, challenger = (Bundle.load(directory / name) for name in ("day0/har", "day1/logistic"))
    return Store(directory, directory / "features.parquet", champion, challenger)


@pytest.fixture
def store(made: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of its own; the artifacts stay where they are, new ones come into the copy."""
    remember_schema()
    directory = tmp_path / "s"
    shutil.copytree(made.directory, directory, ignore=shutil.ignore_patterns("artifacts", "features.parquet", "day*"))
    places(monkeypatch, directory)
    with closing(sqlite3.connect(directory / "mlflow" / "mlflow.db")) as database:
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE name = ?",
            ((directory / "mlflow" / "artifacts").as_uri(), config().mlflow.experiment),
        )
        database.commit()
    return Store(directory, made.features, made.champion, made.challenger)
