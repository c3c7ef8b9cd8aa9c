"""Half a day of synthetic rows, places for all that jobs write, and a scheduler's home of its own."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from tests.support.datasets import write_dataset
from tests.support.trained import market
from tests.volatility.promotion.store import places
from tickvol.core.times import NS_PER_S
from tickvol.orchestration.home import open_instance

NOW_NS = int(market(0, hours=4.0).bar_end_ns.max()) + 3600 * NS_PER_S
"""An hour after the newest row."""


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("jobs") / "features.parquet", market(0, hours=4.0))


@pytest.fixture
def place(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory below which everything is written."""
    places(monkeypatch, tmp_path)
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(dataset))
    monkeypatch.setenv("TICKVOL_SCHEDULES__HOME_DIR", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scheduler")


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as opened:
        yield opened


class Commands:
    """In the place of processes: notes each command, and ends as it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.codes: dict[str, int] = {}

    def __call__(self, words: Sequence[str], tell: Callable[[str], None]) -> int:
        assert tuple(words[-2:]) == ("--config", "config.yaml")
        self.calls.append(tuple(words[:-2]))
        tell(f"{words[0]} said this")
        return self.codes.get(words[0], 0)


@pytest.fixture
def commands() -> Commands:
    return Commands()
