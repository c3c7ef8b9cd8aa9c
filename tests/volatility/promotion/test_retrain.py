"""`tickvol retrain`: decisions by state, each of them written, and the same gates behind a training."""

import fcntl
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.support.datasets import write_dataset
from tests.support.trained import market
from tests.volatility.promotion.conftest import Store
from tests.volatility.promotion.store import config, register_day, report_drift, write_leakcheck
from tickvol.apps import promote, reproduce, retrain
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.registry.champions import champions_ledger
from tickvol.volatility.registry.retrainings import retrainings_ledger
from tickvol.volatility.registry.runs import resolve_alias
from tickvol.volatility.registry.versions import aliases
from tickvol.volatility.settings.profile import MarketProfile
from tickvol.volatility.workflows import train as workflow

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]

Clock = Callable[[str], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time; the store's first version is of 2026-04-06T00:00:00Z, the cool-down 24 h, the interval a week."""

    def at(time: str) -> None:
        monkeypatch.setattr(retrain, "now_iso", lambda: time)

    return at


WORKFLOWS = "tickvol.volatility.workflows"


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of rows: the directory that they would be read from."""
    monkeypatch.setattr(f"{WORKFLOWS}.flags.training_rows", lambda profile, directory, **_: directory)


@pytest.fixture
def trainings(store: Store, rows: None, monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """In the place of training: registers what was trained before; with the dataset of each call."""
    calls: list[Path | None] = []

    def register_another(profile: MarketProfile, table: Path | None, *, track: bool, tell: object) -> None:
        assert track
        calls.append(table)
        register_day(store.directory, 1, "logistic")

    monkeypatch.setattr(f"{WORKFLOWS}.train.train", register_another)
    monkeypatch.setattr(f"{WORKFLOWS}.leakcheck.check_leaks", lambda *_, **__: write_leakcheck(store.challenger))
    return calls


def run(store: Store, *more: str) -> int:
    return retrain.main(["--judge-features", str(store.features), *more])


def kinds() -> list[str]:
    return [entry.kind for entry in retrainings_ledger(config().mlflow).entries()]


def test_within_the_cool_down_nothing_is_trained_and_that_is_written(
    store: Store, clock: Clock, trainings: list[Path | None], capsys: pytest.CaptureFixture[str]
) -> None:
    clock("2026-04-06T23:59:59Z")
    report_drift(0.9)
    assert run(store) == 0
    assert "not retrained: cool-down: trained 24.0 h ago" in capsys.readouterr().out
    assert trainings == []
    assert kinds() == ["drift report", "not retrained"]


def test_one_bad_report_however_often_it_is_seen_does_not_retrain_and_three_do(
    store: Store, clock: Clock, trainings: list[Path | None], capsys: pytest.CaptureFixture[str]
) -> None:
    report_drift(0.9)
    for hour in range(4):
        clock(f"2026-04-08T0{hour}:00:00Z")
        assert run(store, "--because", "drift") == 0
    assert kinds().count("drift report") == 1
    assert retrainings_ledger(config().mlflow).entries()[0].content["share"] == pytest.approx(0.9)
    for number in (2, 3):
        clock(f"2026-04-08T1{number}:00:00Z")
        report_drift(0.6, hour=number)
        assert run(store, "--because", "drift", "--features", "mine") == 0
    assert trainings == [Path("mine")]
    assert kinds()[-2:] == ["retraining", "challenged"]
    assert aliases(config().mlflow) == {"champion": "3", "challenger": "3", "previous": "1"}
    promoted = champions_ledger(config().mlflow).entries()[-1]
    assert (promoted.kind, promoted.content["by"]) == ("promoted", "retrain (drift)")
    clock("2026-04-08T14:00:00Z")
    report_drift(0.95, hour=4)
    assert run(store) == 0
    assert len(trainings) == 1
    assert "cool-down: trained 1.0 h ago" in capsys.readouterr().out


def test_a_report_that_says_nothing_of_the_champion_does_not_count(
    store: Store, clock: Clock, trainings: list[Path | None], capsys: pytest.CaptureFixture[str]
) -> None:
    clock("2026-04-08T00:00:00Z")
    report_drift(0.9, bundle=store.challenger)
    assert run(store, "--because", "drift") == 0
    assert "does not count, it is not of the champion; `tickvol drift --recent --served`" in capsys.readouterr().out
    report_drift(None)
    assert run(store, "--because", "drift") == 0
    assert "does not count, no input that matters could be judged" in capsys.readouterr().out
    assert kinds() == ["not retrained", "not retrained"]


def test_the_schedule_retrains_and_a_shut_gate_keeps_the_champion(
    store: Store,
    clock: Clock,
    trainings: list[Path | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TICKVOL_PROMOTION__MIN_DAYS", "9")
    clock("2026-04-12T23:00:00Z")
    assert run(store, "--because", "schedule") == 0
    clock("2026-04-13T00:00:00Z")
    assert run(store, "--because", "schedule") == 1
    assert len(trainings) == 1
    assert "the champion stays: days: 2 UTC days" in capsys.readouterr().err
    assert aliases(config().mlflow) == {"champion": "1", "challenger": "3"}
    assert retrainings_ledger(config().mlflow).entries()[-1].content["promoted"] is False
    assert champions_ledger(config().mlflow).entries()[-1].kind == "refused"


def test_a_training_that_fails_is_written_and_not_tried_again_within_the_cool_down(
    store: Store, clock: Clock, rows: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def fail(*about: object, **_: object) -> None:
        calls.append(about)
        raise NotEnoughData("too few spikes")

    monkeypatch.setattr(f"{WORKFLOWS}.train.train", fail)
    clock("2026-04-20T00:00:00Z")
    assert run(store) == 1
    clock("2026-04-20T01:00:00Z")
    assert run(store) == 0
    assert len(calls) == 1
    assert "tickvol retrain: too few spikes" in capsys.readouterr().err
    assert kinds() == ["retraining", "training failed", "not retrained"]


def test_a_challenger_that_cannot_be_judged_is_written(
    store: Store, clock: Clock, trainings: list[Path | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock("2026-04-20T00:00:00Z")
    assert retrain.main(["--judge-features", str(write_dataset(tmp_path / "seen", market(1, hours=2.0)))]) == 1
    assert "no row to judge" in capsys.readouterr().err
    last = retrainings_ledger(config().mlflow).entries()[-1]
    assert last.kind == "training failed"
    assert "no row to judge" in last.content["reason"]


def test_force_goes_past_the_cool_down(store: Store, clock: Clock, trainings: list[Path | None]) -> None:
    clock("2026-04-06T00:00:01Z")
    assert run(store, "--force") == 0
    assert len(trainings) == 1
    assert champions_ledger(config().mlflow).entries()[-1].content["by"] == "retrain (forced)"


def test_only_one_retraining_is_at_work(
    store: Store, clock: Clock, trainings: list[Path | None], capsys: pytest.CaptureFixture[str]
) -> None:
    clock("2026-04-20T00:00:00Z")
    path = retrainings_ledger(config().mlflow).path
    with path.with_name(f"{path.name}.running").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(store) == 1
    assert "another retraining is at work" in capsys.readouterr().err
    assert trainings == []


def test_a_drift_report_that_is_none_is_told_and_the_schedule_does_not_wait_for_another(
    store: Store, clock: Clock, trainings: list[Path | None], capsys: pytest.CaptureFixture[str]
) -> None:
    clock("2026-04-20T00:00:00Z")
    report_drift(0.1)
    (config().monitoring.report_dir / "drift_summary.json").write_text("{")
    assert run(store, "--because", "schedule") == 0
    assert "is no drift summary" in capsys.readouterr().err
    assert len(trainings) == 1


def test_reports_of_nearly_the_same_rows_are_one(
    store: Store, clock: Clock, trainings: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKVOL_RETRAIN__DRIFT_APART_S", "7200")
    clock("2026-04-08T00:00:00Z")
    for hour in (1, 2, 3, 4):
        report_drift(0.9, hour=hour)
        assert run(store, "--because", "drift") == 0
    entries = retrainings_ledger(config().mlflow).entries()
    assert [e.content["current_to_ns"] // (3600 * 10**9) for e in entries if e.kind == "drift report"] == [1, 3]
    assert trainings == []


def test_reports_of_a_former_champion_do_not_speak_against_the_next(
    store: Store, clock: Clock, trainings: list[Path | None]
) -> None:
    clock("2026-04-06T12:00:00Z")
    for hour in (1, 2, 3):
        report_drift(0.9, hour=hour)
        assert run(store, "--because", "drift") == 0
    assert promote.main(["--features", str(store.features), "--force", "because"]) == 0
    (config().monitoring.report_dir / "drift_summary.json").unlink()
    clock("2026-04-08T00:00:00Z")
    assert run(store, "--because", "drift") == 0
    assert trainings == []


def test_it_trains_and_checks_for_leaks_on_the_rows_that_were_there_when_it_began(
    store: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pr_figure", "calibration_figure", "timeline_figure"):
        monkeypatch.setattr(f"{WORKFLOWS}.training_run.{name}", lambda *_, **__: Figure())
    clock("2026-04-20T00:00:00Z")
    monkeypatch.setenv("TICKVOL_LEAKCHECK__PERMUTATIONS", "2")
    table = market(3)
    behind = table.bar_end_ns.max() - 60 * 10**9 * (table.product == 1) - 30 * 10**9
    features = write_dataset(tmp_path / "features.parquet", table.take(table.bar_end_ns <= behind))

    train = workflow.train

    def train_while_it_grows(*arguments: Any, **options: Any) -> Bundle:
        best = train(*arguments, **options)
        write_dataset(features, table)
        return best

    monkeypatch.setattr(workflow, "train", train_while_it_grows)
    assert run(store, "--features", str(features)) == 1
    said = capsys.readouterr()
    assert re.search(r"^pass  leak check ", said.out, re.M), said.err
    assert "lead over baseline" in said.err
    challenger = Bundle.load(resolve_alias(config().mlflow, "challenger"))
    assert challenger.manifest.split.last_ns == table.bar_end_ns.max() - 90 * 10**9
    assert challenger.manifest.provenance.config_hash == config().profile().fingerprint()
    assert aliases(config().mlflow)["champion"] == "1"
    assert reproduce.main([challenger.version, "--features", str(features)]) == 0
