"""The sensor of drift: each report counts once, a lasting alarm asks once a report, who is at work is waited for."""

from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration.conftest import Commands
from tests.volatility.promotion.conftest import Store, made, store  # noqa: F401 (fixtures)
from tests.volatility.promotion.store import config, report_drift
from tickvol.orchestration.definitions import define
from tickvol.system import Observation
from tickvol.volatility.jobs.drift_sensor import judge_report
from tickvol.volatility.jobs.retraining import alone, drift_report
from tickvol.volatility.registry.retrainings import BEGUN, retrainings_ledger

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]

AT = "2026-04-08T00:00:00Z"


@pytest.fixture
def place(store: Store, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811 (the fixture)
    """As elsewhere, with a champion that reports can be of."""
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(dataset))
    monkeypatch.setenv("TICKVOL_SCHEDULES__HOME_DIR", str(store.directory / "home"))
    return store.directory


def look(cursor: str | None, at: str = AT) -> Observation:
    return judge_report(config(), cursor, at)


def skipped(result: Observation) -> str:
    assert result.run_key is None
    return result.reason


def noted() -> int:
    return len(retrainings_ledger(config().mlflow).entries())


def after(*shares: float) -> Observation:
    """What the last of these reports brings."""
    result = look(None)
    for number, share in enumerate(shares):
        report_drift(share, hour=number)
        result = look(result.cursor)
    return result


def test_without_a_report_it_waits(place: Path) -> None:
    assert "no such file yet" in skipped(look(None))


def test_an_alarm_that_lasts_asks_for_a_retraining_once_a_report(place: Path) -> None:
    third = after(0.9, 0.8, 0.7)
    assert third.run_key == third.cursor
    for _ in range(3):
        assert skipped(look(third.cursor)) == "no new drift report"
    assert noted() == 3
    report_drift(0.6, hour=9)
    assert look(third.cursor).run_key not in (None, third.run_key)


def test_a_lost_cursor_notes_nothing_twice_and_asks_by_the_same_key(place: Path) -> None:
    third = after(0.9, 0.8, 0.7)
    assert look(None).run_key == third.cursor
    assert noted() == 3


@pytest.mark.parametrize("shares", [(0.9,), (0.9, 0.9), (0.9, 0.9, 0.15, 0.9), (0.9, 0.9, 0.9, 0.01)])
def test_one_bad_report_asks_for_nothing_nor_does_an_alarm_that_has_ended(
    place: Path, shares: tuple[float, ...]
) -> None:
    assert "needed" in skipped(after(*shares))


def test_within_the_cool_down_it_asks_for_nothing(place: Path) -> None:
    after(0.9, 0.9)
    retrainings_ledger(config().mlflow).append(BEGUN, {"at": AT, "cause": "schedule", "reason": "due"})
    report_drift(0.9, hour=7)
    assert "cool-down" in skipped(look(None, at="2026-04-08T01:00:00Z"))


def test_while_a_retraining_is_at_work_the_report_stays_unseen(place: Path) -> None:
    second = after(0.9, 0.9)
    report_drift(0.9, hour=7)
    with alone(config().mlflow):
        busy = look(second.cursor)
    assert "at work" in skipped(busy)
    assert busy.cursor == second.cursor
    assert look(busy.cursor).run_key


def test_a_torn_report_is_told_and_not_looked_at_again(place: Path) -> None:
    first = after(0.9)
    drift_report(config().monitoring).write_text("{")
    torn = look(first.cursor)
    assert "is no drift summary" in skipped(torn)
    assert skipped(look(torn.cursor)) == "no new drift report"


def test_the_scheduler_evaluates_it_and_its_job_is_asked_for_drift(
    place: Path, commands: Commands, instance: dg.DagsterInstance
) -> None:
    after(0.9, 0.9)
    report_drift(0.9, hour=7)
    repository = define(Path("config.yaml"), commands).get_repository_def()
    sensor = repository.get_sensor_def("drift_report")
    assert sensor.job_name == "retrain_on_drift"
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
        data = sensor.evaluate_tick(context)
    assert [request.run_key for request in data.run_requests or ()] == [data.cursor]
