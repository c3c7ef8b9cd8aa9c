"""The log of runs with open and killed ones, and what is unusual about the last."""

import numpy as np
import pytest

from tests.risk.pages.stored import frame
from tests.risk.views.stored import DAYS
from tickvol.risk.views.health import health, warnings
from tickvol.risk.views.runs import runs
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import RunLog
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS

START_US = 1_767_225_600_000_000  # 2026-01-01
DAY_US = 86_400_000_000


def row(run: int, step: str, **values: object) -> dict[str, object]:
    at = START_US + run * DAY_US
    place = 9 if step == "run" else 1
    usual = {"duration_s": 1.0, "status": "success", "rows_read": 100, "attempt": 1}
    fixed = {"run_id": f"run {run:02}", "system": "risk", "step": step, "started_us": at, "ended_us": at + place}
    return usual | ({"rows_read": 0} if step == "run" else {}) | fixed | values


def logged(lake: Lake, *rows: dict[str, object]) -> Lake:
    lake.table(PIPELINE_LOGS.name).append(frame(PIPELINE_LOGS, rows), run_id="x")
    return lake


def begun(lake: Lake, now_us: int) -> RunLog:
    return RunLog.begin(lake, system="risk", config_hash="c", now_us=lambda: now_us, listener=lambda _: None)


def steps_of(lake: Lake) -> dict[str, dict[str, object]]:
    return {step["step"]: step for step in health(lake).data["steps"]}  # type: ignore[index]


def test_runs_are_listed_with_their_steps_the_newest_first(lake: Lake) -> None:
    view = runs(lake)
    computed, loaded = view.data  # type: ignore[misc]
    assert [step["step"] for step in loaded["steps"]] == ["load"]
    assert [step["step"] for step in computed["steps"]][:3] == ["ingest", "silver", "silver_checks"]
    assert (computed["started"], loaded["started"]) == ("2026-03-10T12:01:00Z", "2026-03-10T12:00:00Z")
    assert "2026-03-10 12:01:00" in view.lines[1]
    assert "7 done, 1 skipped" in view.lines[1]
    assert runs(lake, limit=1).lines[-1] == "1 of 2 runs; --limit N shows more"
    assert runs(lake, failed=True).lines == ("no run has failed",)


def test_failed_runs_name_the_step(empty: Lake) -> None:
    logged(
        empty,
        row(1, "ingest"),
        row(1, "run"),
        row(2, "ingest", status="failed"),
        row(2, "silver", status="skipped"),
        row(2, "run", status="failed", message="ingest: 404"),
    )
    view = runs(empty, failed=True)
    assert [run["run_id"] for run in view.data] == ["run 02"]  # type: ignore[attr-defined]
    assert "1 skipped, ingest failed" in view.lines[1]
    assert view.lines[1].endswith("ingest: 404")


def test_a_step_that_succeeded_at_last_counts_as_done(empty: Lake) -> None:
    logged(empty, row(1, "ingest", status="failed"), row(1, "ingest", attempt=2), row(1, "run"))
    assert "  1 done  " in runs(empty).lines[1]
    assert (steps_of(empty)["ingest"]["runs"], steps_of(empty)["ingest"]["failed"]) == (1, 0)


def test_a_run_that_has_not_ended_is_shown_as_open_and_a_killed_one_as_failed(empty: Lake) -> None:
    begun(empty, START_US)
    (found,) = runs(empty).data  # type: ignore[misc]
    assert (found["status"], found["duration_s"], found["started"]) == ("open", None, "2026-01-01T00:00:00Z")
    assert "if that was killed, the next run logs it as failed" in runs(empty).lines[1]
    assert health(empty).data["open_runs"] == [found]  # type: ignore[index]
    assert runs(empty, failed=True).data == []
    begun(empty, START_US + DAY_US).end("6 steps")
    ended, killed = runs(empty).data  # type: ignore[misc]
    assert (ended["status"], killed["run_id"], killed["error_type"]) == ("success", found["run_id"], "Killed")
    assert "without finishing the run" in runs(empty, failed=True).lines[1]


def test_the_whole_run_counts_what_its_steps_read_and_is_not_mixed_with_loads(lake: Lake) -> None:
    steps = steps_of(lake)
    assert list(steps)[-1] == "run"
    assert steps["run"]["runs"] == 1
    others = [step["last_rows"] for name, step in steps.items() if name not in ("run", "load")]
    assert steps["run"]["last_rows"] == sum(others)  # type: ignore[arg-type]
    assert steps["load"]["last_rows"] == 3 * DAYS
    assert "ingest" not in steps  # it was skipped
    text = "\n".join(health(lake).lines)
    assert text.startswith("last run 2026-03-10 12:01:00 UTC: success")
    assert text.endswith("warnings: none")


def test_the_mean_is_that_of_the_last_30_runs(empty: Lake) -> None:
    logged(empty, *(row(n, "gold", duration_s=float(n)) for n in range(40)))
    step = steps_of(empty)["gold"]
    assert (step["runs"], step["avg_duration_s"], step["last_duration_s"]) == (30, np.mean(range(10, 40)), 39.0)


def test_a_slow_step_and_one_with_few_rows_warn_though_they_succeeded(empty: Lake) -> None:
    rows = [row(n, "gold", duration_s=1.0 + n / 100) for n in range(5)]
    logged(empty, *rows, row(5, "gold", duration_s=3.0, rows_read=49), row(5, "run"))
    view = health(empty)
    assert steps_of(empty)["gold"]["warnings"] == [
        "took 3.0 s: more than 1.1 s, the usual limit",
        "49 rows: less than half of the usual 100",
    ]
    assert view.lines[-3] == "warnings: 2 warnings"
    assert view.lines[-1] == "  gold: 49 rows: less than half of the usual 100"


@pytest.mark.parametrize(
    ("durations", "rows", "count", "reason"),
    [
        ([1, 2, 3, 6.44], [9] * 4, 0, "at 2 + 3 x 1.4826 x 1 = 6.4478 s and below is usual"),
        ([1, 2, 3, 6.45], [9] * 4, 1, "above it is not"),
        ([2, 2, 2, 2.1], [9] * 4, 1, "equal durations leave no tolerance"),
        ([2, 2, 9], [9] * 3, 0, "two earlier runs are too few"),
        ([1] * 4, [10, 10, 10, 5], 0, "exactly half is enough"),
        ([1] * 4, [10, 10, 10, 4], 1, "less than half is not"),
        ([1] * 4, [0, 0, 0, 0], 0, "a step without rows never has any"),
        ([], [], 0, "no run"),
    ],
)
def test_the_limits_are_exact(durations: list[float], rows: list[int], count: int, reason: str) -> None:
    assert len(warnings(np.array(durations, dtype=float), np.array(rows, dtype=np.int64))) == count, reason


def test_runs_of_other_systems_do_not_count(empty: Lake) -> None:
    logged(empty, row(1, "gold", system="book"), row(1, "run", system="book"))
    assert runs(empty).lines == health(empty).lines == ("no run is logged; `tickvol risk run` makes one",)
