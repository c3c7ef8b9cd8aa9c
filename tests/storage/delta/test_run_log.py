"""The log of runs: every step and every run has its row, also a run that was killed at any moment."""

import os
from pathlib import Path

import pytest

from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import WHOLE_RUN, LoggedStep, RunLog, time_of_uuid7, uuid7
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS, RULE_COUNTS, SHARED_TABLES

T0_US = 1_770_000_000_000_000


class Clock:
    """Time that passes by one second a look."""

    def __init__(self) -> None:
        self.us = T0_US

    def __call__(self) -> int:
        self.us += 1_000_000
        return self.us


def lake_in(directory: Path) -> Lake:
    return Lake(directory, SHARED_TABLES)


def begin(
    lake: Lake, clock: Clock, heard: list[LoggedStep] | None = None, system: str = "toy", *, by_steps: bool = False
) -> RunLog:
    listener = (heard if heard is not None else []).append
    return RunLog.begin(lake, system=system, config_hash="hash", now_us=clock, listener=listener, by_steps=by_steps)


def rows(lake: Lake) -> list[dict[str, object]]:
    return list(lake.table(PIPELINE_LOGS.name).read().iter_rows(named=True))


def brief(lake: Lake) -> list[tuple[object, ...]]:
    return [(row["step"], row["attempt"], row["status"], row["error_type"]) for row in rows(lake)]


def test_each_step_and_the_run_get_a_row(tmp_path: Path) -> None:
    lake, clock, heard = lake_in(tmp_path), Clock(), []
    log = begin(lake, clock, heard)
    with log.step("first", table=RULE_COUNTS.name) as step:
        step.rows_read, step.rows_written, step.rows_rejected, step.message = 5, 3, 2, "done"
    log.skip("second", "not wanted")
    assert log.end("2 steps")
    by_step = {row["step"]: row for row in rows(lake)}
    first = by_step["first"]
    assert (first["rows_read"], first["rows_written"], first["rows_rejected"], first["message"]) == (5, 3, 2, "done")
    assert (first["system"], first["config_hash"], first["table"]) == ("toy", "hash", RULE_COUNTS.name)
    assert first["table_version_before"] is None
    assert by_step["second"]["status"] == "skipped"
    assert (by_step[WHOLE_RUN]["status"], by_step[WHOLE_RUN]["message"]) == ("success", "2 steps")
    assert [step.step for step in heard] == ["first", "second", WHOLE_RUN]
    assert {row["run_id"] for row in rows(lake)} == {log.run_id}


def test_an_error_fails_the_step_and_the_run_and_is_raised_again(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    log = begin(lake, Clock())
    with pytest.raises(ValueError, match="broken"), log.step("first"):
        raise ValueError("broken\nin two lines")
    assert log.failures == ("first: broken",)
    assert not log.end("1 step")
    assert brief(lake) == [("first", 1, "failed", "ValueError"), (WHOLE_RUN, 1, "failed", None)]
    assert rows(lake)[-1]["message"] == "first: broken"


def test_a_step_that_failed_in_part_fails_the_run(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    log = begin(lake, Clock())
    with log.step("first") as step:
        step.has_failed, step.message = True, "1 of 2"
    assert not log.end("1 step")


def test_a_step_that_runs_again_is_a_further_attempt(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    log = begin(lake, Clock())
    for _ in range(3):
        with log.step("first"):
            pass
    assert [attempt for _, attempt, *_ in brief(lake)] == [1, 2, 3]


def test_another_process_continues_the_run_with_its_failures(tmp_path: Path) -> None:
    clock = Clock()
    log = begin(lake_in(tmp_path), clock, by_steps=True)
    with log.step("first") as step:
        step.has_failed = True
    resumed = RunLog.resume(lake_in(tmp_path), system="toy", now_us=clock, listener=lambda _: None)
    assert resumed is not None
    assert resumed.run_id == log.run_id
    assert not resumed.end("1 step")
    assert RunLog.resume(lake_in(tmp_path), system="toy", now_us=clock, listener=lambda _: None) is None


def test_only_runs_of_the_same_system_are_continued_or_called_killed(tmp_path: Path) -> None:
    lake, clock = lake_in(tmp_path), Clock()
    other = begin(lake, clock, system="other")
    assert RunLog.resume(lake, system="toy", now_us=clock, listener=lambda _: None) is None
    begin(lake, clock).end("none")
    assert [row["run_id"] for row in rows(lake) if row["run_id"] == other.run_id] == []
    assert other.end("none")


@pytest.mark.parametrize("in_step", [False, True])
def test_a_run_that_was_killed_is_logged_by_the_next_one(tmp_path: Path, in_step: bool) -> None:
    lake, clock = lake_in(tmp_path), Clock()
    killed = begin(lake, clock)
    with killed.step("first"):
        pass
    step = killed.step("second")  # kept: to forget the generator would end it
    if in_step:
        step.__enter__()
    log = begin(lake, clock)
    last = rows(lake)[-1]
    assert (last["run_id"], last["step"], last["status"]) == (killed.run_id, WHOLE_RUN, "failed")
    assert last["error_type"] == "Killed"
    where = "in step second" if in_step else "between steps"
    assert last["message"] == f"process {os.getpid()} ended {where} without finishing the run"
    assert last["ended_us"] >= last["started_us"]
    assert log.run_id > killed.run_id
    begin(lake, clock)
    assert len(rows(lake)) == 3


def test_a_run_that_was_killed_after_its_last_row_is_logged_once(tmp_path: Path) -> None:
    lake, clock = lake_in(tmp_path), Clock()
    log = begin(lake, clock)
    path = next((tmp_path / "runs").glob("*.json"))
    content = path.read_bytes()
    log.end("none")
    path.write_bytes(content)
    begin(lake, clock).end("none")
    assert [(row["run_id"] == log.run_id, row["status"]) for row in rows(lake)] == [
        (True, "success"),
        (False, "success"),
    ]


def test_a_killed_run_that_was_logged_before_its_file_went_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, clock = lake_in(tmp_path), Clock()
    killed = begin(lake, clock)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            begin(lake, clock)
    begin(lake, clock).end("none")
    assert [row["status"] for row in rows(lake) if row["run_id"] == killed.run_id] == ["failed"]


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ids_ascend_even_if_the_clock_goes_back(tmp_path: Path) -> None:
    lake, clock, ids = lake_in(tmp_path), Clock(), []
    for _ in range(4):
        clock.us = T0_US - 10_000_000 * len(ids)
        log = begin(lake, clock)
        log.end("none")
        ids.append(log.run_id)
    assert ids == sorted(set(ids))


def test_an_id_holds_its_time_version_and_variant() -> None:
    text = uuid7(T0_US // 1000)
    assert time_of_uuid7(text) == T0_US // 1000
    assert text[14] == "7"
    assert text[19] in "89ab"
    assert uuid7(5) < uuid7(6)
