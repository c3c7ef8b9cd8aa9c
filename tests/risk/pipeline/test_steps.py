"""Steps of a run: what follows when one fails, one writer at a time, and runs of single steps."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import GOLD, Desk, noon_s
from tests.support import ROOT
from tickvol.core.errors import Busy, UsageError, WorkError
from tickvol.risk.pipeline import session, steps
from tickvol.risk.pipeline.context import RunContext
from tickvol.risk.pipeline.session import FINISH
from tickvol.risk.pipeline.steps import STEPS, steps_after
from tickvol.risk.star.store import star_digest
from tickvol.risk.tables import BRONZE, COVERAGE, RISK, SILVER
from tickvol.simulator.rest.faults import Fault


def break_step(patched: pytest.MonkeyPatch, step: str, error: Exception) -> None:
    def work(run: RunContext) -> None:
        with run.log.step(step):
            raise error

    patched.setattr(steps, "_WORK", dict(steps._WORK) | {step: work})


@pytest.mark.parametrize("step", STEPS[1:])
def test_what_builds_on_a_failed_step_is_skipped_and_logged(
    new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    desk = new_desk()
    break_step(monkeypatch, step, WorkError("broken"))
    ended = desk.run(noon_s())
    assert not ended.succeeded
    assert ended.lines == [f"{step}: broken"]
    logged = {row["step"]: row for row in desk.logs().iter_rows(named=True)}
    for name in STEPS:
        expected = "failed" if name == step else "skipped" if name in steps_after(step) else "success"
        assert logged[name]["status"] == expected
    assert logged["run"]["status"] == "failed"
    assert logged["run"]["message"] == f"{step}: broken"
    assert logged[step]["error_type"] == "WorkError"
    for name in steps_after(step):
        assert logged[name]["message"] == f"{step} failed"


def test_tables_behind_a_failed_step_keep_their_versions(new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = new_desk()
    assert desk.run(noon_s()).succeeded
    versions, star = desk.versions(), star_digest(desk.config.risk.database_url)
    with monkeypatch.context() as patched:
        break_step(patched, "silver", WorkError("broken"))
        assert not desk.run(noon_s(hours=24)).succeeded
    for spec in (SILVER, *GOLD):
        assert desk.versions()[spec.name] == versions[spec.name]
    assert star_digest(desk.config.risk.database_url) == star
    assert desk.run(noon_s(hours=25)).succeeded
    assert desk.table(RISK.name)["day"].max() == "2026-03-10"


def test_a_database_that_cannot_be_reached_fails_only_the_last_step(new_desk: NewDesk) -> None:
    desk = new_desk(database_url="postgresql://nobody@127.0.0.1:9/none")
    ended = desk.run(noon_s())
    assert (ended.statuses["audit"], ended.statuses["star"], ended.statuses["run"]) == ("success", "failed", "failed")
    assert len(desk.table(RISK.name)) == 80


def test_an_error_that_is_a_bug_ends_the_run_in_the_log(new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = new_desk()
    break_step(monkeypatch, "gold", ZeroDivisionError("oh"))
    with pytest.raises(ZeroDivisionError):
        desk.run(noon_s())
    statuses = dict(desk.logs().select("step", "status").iter_rows())
    assert statuses["gold"] == statuses["run"] == "failed"
    assert statuses["star"] == "skipped"


HOLD = """
import sys
from pathlib import Path
from tickvol.storage.delta.lake import Lake
with Lake(Path(sys.argv[1]), ()).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another_process(directory: Path) -> Iterator[int]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder.pid
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(timeout=30)


def test_a_second_process_is_refused_while_one_writes(new_desk: NewDesk) -> None:
    desk = new_desk()
    with held_by_another_process(desk.config.lake.dir) as holder:
        with pytest.raises(Busy, match=f"process {holder} is writing"):
            desk.run(noon_s())
        with pytest.raises(Busy):
            desk.only("ingest", noon_s())
        assert desk.logs().is_empty()
        assert not desk.server.log.requests
    assert desk.run(noon_s()).succeeded


def test_a_window_that_fails_leaves_the_other_products_done_and_the_run_failed(new_desk: NewDesk) -> None:
    desk = new_desk(faults=[Fault("500", product_id="BTC-USD", at_s=int(noon_s("2026-02-20")), times=0)])
    ended = desk.run(noon_s())
    assert not ended.succeeded
    assert ended.statuses == dict.fromkeys(ended.statuses, "success") | {"ingest": "failed", "run": "failed"}
    assert len(ended.lines) == 1
    assert set(desk.states("ETH-USD").values()) == {"known", "unfinished"}
    assert list(desk.states("BTC-USD").values()).count("failed") == 15
    risk = desk.table(RISK.name)
    assert risk["day"].max() == "2026-03-09"
    unknown = risk.filter(risk["close"].is_null())
    assert (len(unknown), set(unknown["product_id"])) == (15, {"BTC-USD"})
    assert ended.step("ingest").message.startswith("5 of 6 windows")


def test_a_fetch_without_any_good_answer_fails_the_run_and_its_days_are_in_the_ledger(new_desk: NewDesk) -> None:
    desk = new_desk(faults=[Fault("500", times=0)])
    ended = desk.run(noon_s())
    assert {step for step, status in ended.statuses.items() if status == "failed"} == {"ingest", "run"}
    assert len(desk.table(BRONZE.name)) == 6
    assert desk.table(SILVER.name).is_empty()
    assert set(desk.table(COVERAGE.name)["state"]) == {"failed"}
    assert "--simulate" in ended.lines[-1]


def test_a_whole_run_that_was_killed_is_not_continued_by_single_steps(
    new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    desk = new_desk()
    with monkeypatch.context() as patched:
        patched.setattr(session, "run_steps", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.run(noon_s())
    with pytest.raises(UsageError, match="no run is open"):
        desk.only("silver", noon_s())


def all_steps(desk: Desk, now_s: float) -> list[bool]:
    return [desk.only(step, now_s).end.is_blocked for step in (*STEPS, FINISH)]


def test_single_steps_give_the_tables_of_a_whole_run(new_desk: NewDesk) -> None:
    single, whole = new_desk(), new_desk()
    for hours in (0, 24):
        assert all_steps(single, noon_s(hours=hours)) == [False] * 7
        assert whole.run(noon_s(hours=hours)).succeeded
    assert single.digests() == whole.digests()
    assert star_digest(single.config.risk.database_url) == star_digest(whole.config.risk.database_url)
    logs = single.logs()
    assert logs["run_id"].n_unique() == 2
    assert set(logs["status"]) == {"success"}


def test_finish_fails_when_a_window_failed(new_desk: NewDesk) -> None:
    desk = new_desk(faults=[Fault("404")])
    assert all_steps(desk, noon_s()) == [False] * 6 + [True]
    assert desk.table(RISK.name)["day"].max() == "2026-03-09"


def test_a_step_that_fails_ends_the_run(new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = new_desk()
    desk.only("ingest", noon_s())
    break_step(monkeypatch, "silver", WorkError("broken"))
    assert desk.only("silver", noon_s()).end.is_blocked
    statuses = dict(desk.logs().select("step", "status").iter_rows())
    assert statuses == {"ingest": "success", "silver": "failed", "run": "failed"} | dict.fromkeys(STEPS[2:], "skipped")
    with pytest.raises(UsageError, match="no run is open"):
        desk.only("gold", noon_s())


def test_a_fetch_that_fails_as_a_whole_ends_the_run_of_single_steps(new_desk: NewDesk) -> None:
    desk = new_desk(faults=[Fault("500", times=0)])
    assert desk.only("ingest", noon_s()).end.is_blocked
    with pytest.raises(UsageError, match="no run is open; begin one with --only ingest"):
        desk.only(FINISH, noon_s())


def test_a_step_without_an_open_run_is_refused(new_desk: NewDesk) -> None:
    with pytest.raises(UsageError, match="no run is open"):
        new_desk().only("silver", noon_s())
