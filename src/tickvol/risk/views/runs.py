"""The log of runs, and those that have not ended."""

from typing import Any

import msgspec
import polars as pl

from tickvol.core.times import iso
from tickvol.risk.pipeline.context import SYSTEM
from tickvol.risk.views.view import View, counted, number, table_lines, time_text
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import WHOLE_RUN, OpenRun
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS

NO_RUN = "no run is logged; `tickvol risk run` makes one"


def runs(lake: Lake, *, failed: bool = False, limit: int = 20) -> View:
    """Runs with their steps, the newest first; first of all those that have not ended.

    Parameters
    ----------
    failed : only failed runs, killed ones among them.
    """
    rows = read_log(lake)
    whole = rows.filter(pl.col("step") == WHOLE_RUN)
    opened = [] if failed else open_runs(lake, rows)
    if failed:
        whole = whole.filter(pl.col("status") == "failed")
    chosen = whole.sort("run_id", descending=True)["run_id"].to_list()
    found = [*opened, *(run_of(rows.filter(pl.col("run_id") == run_id)) for run_id in chosen[:limit])][:limit]
    if not found:
        return View([], ("no run has failed" if failed and len(rows) else NO_RUN,))
    lines = table_lines(
        ["run", "start (UTC)", "status", "seconds", "steps", "message"],
        [
            [
                run["run_id"],
                time_text(run["started_us"]),
                run["status"],
                number(run["duration_s"], 1),
                _steps(run),
                run["message"] or "-",
            ]
            for run in found
        ],
    )
    if (total := len(chosen) + len(opened)) > len(found):
        lines += ["", f"{len(found)} of {counted(total, 'run')}; --limit N shows more"]
    return View(found, tuple(lines))


def read_log(lake: Lake) -> pl.DataFrame:
    """Rows of the log of this system."""
    return lake.table(PIPELINE_LOGS.name).read(where=pl.col("system") == SYSTEM)


def run_of(rows: pl.DataFrame) -> dict[str, Any]:
    """A run that has ended, from its rows."""
    whole = rows.filter(pl.col("step") == WHOLE_RUN).row(-1, named=True)
    names = ("message", "error_type", "config_hash", "code_version")
    return {
        "run_id": whole["run_id"],
        "started": iso(whole["started_us"] * 1000),
        "started_us": whole["started_us"],
        "status": whole["status"],
        "duration_s": whole["duration_s"],
        **{name: whole[name] for name in names},
        "steps": _logged_steps(rows),
    }


def _logged_steps(rows: pl.DataFrame) -> list[dict[str, Any]]:
    names = ["step", "attempt", "status", "duration_s", "rows_read", "rows_written", "rows_rejected", "message"]
    return rows.filter(pl.col("step") != WHOLE_RUN).sort("ended_us", "started_us").select(names).to_dicts()


def open_runs(lake: Lake, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Runs that have begun and not ended, the newest first: at work, between two steps, or killed."""
    ended = set(rows.filter(pl.col("step") == WHOLE_RUN)["run_id"].to_list())
    found = []
    for path in sorted((lake.directory / "runs").glob("*.json"), reverse=True):
        try:
            run = msgspec.json.decode(path.read_bytes(), type=OpenRun)
        except FileNotFoundError:  # it has just ended
            continue
        if run.system != SYSTEM or run.run_id in ended:
            continue
        where = f"in step {run.step}" if run.step else "between two steps"
        found.append(
            {
                "run_id": run.run_id,
                "started": iso(run.started_us * 1000),
                "started_us": run.started_us,
                "status": "open",
                "duration_s": None,
                "message": f"{where}, begun by process {run.pid}; if that was killed, the next run logs it as failed",
                "error_type": None,
                "config_hash": run.config_hash,
                "code_version": None,
                "steps": _logged_steps(rows.filter(pl.col("run_id") == run.run_id)),
            }
        )
    return found


def _steps(run: dict[str, Any]) -> str:
    """Steps by their last attempt, such as `7 done, 1 skipped`; failed ones by name."""
    last = {step["step"]: step["status"] for step in run["steps"]}
    statuses = list(last.values())
    words = (("done", "success"), ("skipped", "skipped"))
    counts = [f"{statuses.count(status)} {word}" for word, status in words if status in statuses]
    return ", ".join([*counts, *(f"{step} failed" for step, status in last.items() if status == "failed")]) or "none"
