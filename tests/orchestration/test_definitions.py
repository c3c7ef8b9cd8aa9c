"""Jobs, schedules and blocking checks as Dagster sees them; commands are stood in for, but where it says so."""

import importlib
from pathlib import Path

import dagster as dg
import psutil
import pytest

from tests.orchestration.conftest import NOW_NS, Commands
from tests.support.trained import bundles
from tests.volatility.promotion.store import config
from tickvol.apps.cli import COMMANDS
from tickvol.core.errors import ConfigError
from tickvol.orchestration import assets
from tickvol.orchestration.commands import run_command
from tickvol.orchestration.definitions import define
from tickvol.orchestration.in_process import JobResult, run_job
from tickvol.volatility.jobs.plan import jobs, steps
from tickvol.volatility.models.bundle import Bundle

PATH = Path("config.yaml")
LEAKCHECK = ("leakcheck", "--until", "2026-04-05T04:00:00Z")
"""Up to the last row of the saved bundles, however far the dataset has come since."""


def run(name: str, commands: Commands, instance: dg.DagsterInstance, now_ns: int = NOW_NS) -> JobResult:
    return run_job(define(PATH, commands, now_ns=lambda: now_ns), name, instance)


def save_bundles() -> None:
    for bundle in bundles(0):
        bundle.save(config().models.artifacts_dir / bundle.name)


def test_the_definitions_load_as_a_scheduler_loads_them(place: Path) -> None:
    found = define(PATH)
    dg.Definitions.validate_loadable(found)
    found.get_repository_def().load_all_definitions()


def test_schedules_are_those_of_the_configuration(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKVOL_SCHEDULES__DRIFT_CRON", "7 */2 * * 1-5")
    monkeypatch.setenv("TICKVOL_SCHEDULES__PERFORMANCE_CRON", "")
    monkeypatch.setenv("TICKVOL_SCHEDULES__ZONE", "Europe/Paris")
    found = define(PATH).get_repository_def().schedule_defs
    assert {(each.job_name, each.cron_schedule, each.execution_timezone) for each in found} == {
        ("drift", "7 */2 * * 1-5", "Europe/Paris"),
        ("retrain", config().schedules.retrain_cron, "Europe/Paris"),
        ("risk", config().risk.cron, "Europe/Paris"),
    }
    assert all(each.default_status is dg.DefaultScheduleStatus.RUNNING for each in found)


def test_a_cron_that_does_not_hold_stops_it_by_field_and_rule(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKVOL_SCHEDULES__RETRAIN_CRON", "30 25 * * *")
    with pytest.raises(ConfigError, match=r"schedules\.retrain_cron: '30 25 .*': hour must be \*, numbers from 0"):
        define(PATH)


def test_the_pipeline_runs_its_commands_in_order(place: Path, commands: Commands, instance: dg.DagsterInstance) -> None:
    save_bundles()
    outcome = run("pipeline", commands, instance)
    assert (outcome.success, outcome.failed, outcome.left_out) == (True, (), ())
    assert commands.calls == [("train",), LEAKCHECK, ("evaluate",), ("promote",)]


def test_features_are_replayed_first_where_the_configuration_says_so(
    place: Path, commands: Commands, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKVOL_SCHEDULES__FEATURES", "replay")
    assert run("retrain", commands, instance).success
    assert commands.calls == [("replay", "--data-file", "data/raw"), ("retrain", "--because", "schedule")]


@pytest.mark.parametrize("job", ["pipeline", "retrain", "drift"])
def test_stale_features_stop_all_that_is_built_on_them(
    place: Path, commands: Commands, instance: dg.DagsterInstance, job: str
) -> None:
    outcome = run(job, commands, instance, now_ns=NOW_NS + 40 * 3600 * 10**9)
    assert commands.calls == []
    assert (outcome.success, outcome.done, outcome.failed) == (False, ("features",), ("check_features",))
    assert outcome.left_out
    assert [problem.partition(":")[0] for problem in outcome.problems] == ["features_fresh"]


def test_a_leak_stops_report_and_promotion(place: Path, commands: Commands, instance: dg.DagsterInstance) -> None:
    save_bundles()
    commands.codes["leakcheck"] = 1
    outcome = run("pipeline", commands, instance)
    assert not outcome.success
    assert commands.calls == [("train",), LEAKCHECK]
    assert set(outcome.left_out) == {"evaluation", "promotion"}
    assert outcome.problems == ("leak_check: leakcheck said this",)


def test_a_bundle_that_cannot_be_loaded_stops_report_and_promotion(
    place: Path, commands: Commands, instance: dg.DagsterInstance
) -> None:
    outcome = run("pipeline", commands, instance)
    assert not outcome.success
    assert {"evaluate", "promote"} & {call[0] for call in commands.calls} == set()
    assert "bundles_answer" in outcome.problems[0]


def test_a_command_that_fails_is_told_by_its_last_words(
    place: Path, commands: Commands, instance: dg.DagsterInstance
) -> None:
    commands.codes["train"] = 1
    outcome = run("train", commands, instance)
    assert outcome.failed == ("training",)
    assert "training: exit code 1\ntickvol train\ntrain said this" in outcome.problems


@pytest.mark.parametrize(("job", "because"), [("retrain", "schedule"), ("retrain_on_drift", "drift")])
def test_a_retraining_says_what_asked_for_it(
    place: Path, commands: Commands, instance: dg.DagsterInstance, job: str, because: str
) -> None:
    assert run(job, commands, instance).success
    assert commands.calls == [("retrain", "--because", because)]


def test_without_live_predictions_performance_is_left_alone_and_no_failure(
    place: Path, commands: Commands, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reason, calls in (("no such topic", []), (None, [("performance",)])):
        monkeypatch.setattr("tickvol.volatility.jobs.live_topics.why_nothing_to_judge", lambda _, told=reason: told)
        assert run("performance", commands, instance).success
        assert commands.calls == calls


def test_an_unreachable_broker_is_a_failure_of_performance(
    place: Path, commands: Commands, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKVOL_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("TICKVOL_KAFKA__REQUEST_TIMEOUT_MS", "1000")
    outcome = run("performance", commands, instance)
    assert not outcome.success
    assert "127.0.0.1:1" in outcome.problems[0]
    assert commands.calls == []


def test_every_command_of_plan_and_cron_exists_with_its_flags(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = [job.command for job in jobs(config().schedules)] + [
        step.command for step in steps(config()) if step.command
    ]
    for command, *words in named:
        assert command in COMMANDS
        module = importlib.import_module(f"tickvol.apps.{command.replace('-', '_')}")
        with pytest.raises(SystemExit) as ended:
            module.main([*words, *(["drift"] if words == ["--because"] else []), "--help"])
        assert ended.value.code == 0
        assert {word for word in words if word.startswith("--")} <= set(capsys.readouterr().out.split())


def test_a_job_of_a_real_command_writes_the_report(
    place: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundles()
    for name in ("JSON", "HTML"):
        monkeypatch.setenv(f"TICKVOL_EVALUATION__REPORT_{name}", str(place / f"report.{name.lower()}"))
    outcome = run_job(define(PATH, run_command), "evaluate", instance)
    assert outcome.success, outcome.problems
    assert (place / "report.json").exists()
    latest = instance.get_latest_materialization_event(dg.AssetKey("evaluation"))
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["command"].value == "tickvol evaluate"
    assert "report.json" in str(latest.asset_materialization.metadata["said"].value)


@pytest.mark.slow
def test_a_job_of_real_commands_trains_and_checks_what_it_trained(
    place: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKVOL_LEAKCHECK__PERMUTATIONS", "2")
    outcome = run_job(define(PATH, run_command, now_ns=lambda: NOW_NS), "train", instance)
    assert outcome.success, outcome.problems
    assert set(outcome.done) == {"features", "check_features", "training", "check_bundles", "check_leaks"}
    made = Bundle.load(config().models.artifacts_dir / "forecast").manifest.provenance
    assert made.config_hash == config().profile().fingerprint()
    assert config().leakcheck.report_json.exists()


def test_a_command_is_ended_when_waiting_for_it_is_interrupted() -> None:
    children: list[psutil.Process] = []

    def interrupt(line: str) -> None:
        children.extend(child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_command(["simulate-exchange", "--port", "0"], interrupt)
    assert children
    started = [child for child in children if is_at_work(child)]
    assert started == []


def is_at_work(child: psutil.Process) -> bool:
    try:
        return "simulate-exchange" in child.cmdline()
    except psutil.NoSuchProcess:  # ended; a zombie too
        return False


def test_what_a_step_says_is_kept_to_its_last_lines(place: Path, instance: dg.DagsterInstance) -> None:
    def talk(words: object, tell: object) -> int:
        for number in range(50):
            tell(f"line {number}")  # type: ignore[operator]
        return 3

    outcome = run_job(define(PATH, talk, now_ns=lambda: NOW_NS), "evaluate", instance)
    assert outcome.problems[0].splitlines()[2:] == [f"line {n}" for n in range(50 - assets.LAST_LINES, 50)]
