"""The log of runs, and the health of each step: durations and volumes against those of earlier runs."""

from typing import Any

import numpy as np
import polars as pl

from tickvol.core.times import iso
from tickvol.risk.pipeline.context import SYSTEM
from tickvol.risk.views.view import View, number, table_lines
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import WHOLE_RUN
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS

_RUNS = 30
_MADS, _NORMAL = 3.0, 1.4826


def runs(lake: Lake, *, failed: bool = False, limit: int = 20) -> View:
    """Runs with their steps, the newest first."""
    rows = _log(lake)
    whole = rows.filter(pl.col("step") == WHOLE_RUN)
    if failed:
        whole = whole.filter(pl.col("status") == "failed")
    chosen = whole.sort("run_id", descending=True).head(limit)["run_id"].to_list()
    found = [_run(rows.filter(pl.col("run_id") == run_id)) for run_id in chosen]
    lines = table_lines(
        ["run", "start (UTC)", "status", "s", "steps", "message"],
        [
            [run["run_id"], run["started"], run["status"], number(run["duration_s"], 1), _steps(run), run["message"]]
            for run in found
        ],
    )
    return View(found, tuple(lines) if found else ("no run is logged",))


def _run(rows: pl.DataFrame) -> dict[str, Any]:
    whole = rows.filter(pl.col("step") == WHOLE_RUN).row(-1, named=True)
    names = ["step", "attempt", "status", "duration_s", "rows_read", "rows_written", "rows_rejected", "message"]
    steps = rows.filter(pl.col("step") != WHOLE_RUN).sort("ended_us", "started_us").select(names)
    return {
        "run_id": whole["run_id"],
        "started": iso(whole["started_us"] * 1000),
        "status": whole["status"],
        "duration_s": whole["duration_s"],
        "message": whole["message"],
        "error_type": whole["error_type"],
        "config_hash": whole["config_hash"],
        "code_version": whole["code_version"],
        "steps": steps.to_dicts(),
    }


def _steps(run: dict[str, Any]) -> str:
    marks = {"success": "", "failed": "!", "skipped": "-"}
    return " ".join(f"{marks[step['status']]}{step['step']}" for step in run["steps"])


def health(lake: Lake) -> View:
    """Mean duration of each step over its last 30 runs, with what is unusual about the newest one."""
    rows = _log(lake)
    order = rows.sort("run_id", "ended_us", "started_us")["step"].unique(maintain_order=True).to_list()
    found = [_health(rows.filter((pl.col("step") == step) & (pl.col("status") != "skipped"))) for step in order]
    steps = [step for step in found if step is not None]
    last = rows.filter(pl.col("step") == WHOLE_RUN).sort("run_id").tail(1)
    data = {"last_run": _run(rows.filter(pl.col("run_id") == last["run_id"][0])) if len(last) else None, "steps": steps}
    lines = table_lines(
        ["step", "runs", "failed", "mean s", "last s", "last rows", "median rows", "status", "warning"],
        [
            [
                step["step"],
                str(step["runs"]),
                str(step["failed"]),
                number(step["avg_duration_s"]),
                number(step["last_duration_s"]),
                f"{step['last_rows']:,}",
                number(step["median_rows"], 0),
                step["last_status"],
                "; ".join(step["warnings"]),
            ]
            for step in steps
        ],
    )
    return View(data, tuple(lines) if steps else ("no run is logged",))


def _health(rows: pl.DataFrame) -> dict[str, Any] | None:
    if rows.is_empty():
        return None
    rows = rows.sort("run_id", "attempt").tail(_RUNS)
    durations, processed = rows["duration_s"].to_numpy(), (rows["rows_read"] + rows["rows_written"]).to_numpy()
    last = rows.row(-1, named=True)
    return {
        "step": last["step"],
        "runs": len(rows),
        "failed": int((rows["status"] == "failed").sum()),
        "avg_duration_s": float(durations.mean()),
        "last_duration_s": float(durations[-1]),
        "last_rows": int(processed[-1]),
        "median_rows": float(np.median(processed[:-1])) if len(processed) > 1 else None,
        "last_status": last["status"],
        "warnings": warnings(durations, processed),
    }


def warnings(durations: np.ndarray[Any, Any], processed: np.ndarray[Any, Any]) -> list[str]:
    """What is unusual about the last of several runs: its duration, or the rows that it processed.

    Parameters
    ----------
    durations, processed : (n,) s and rows read and written, the newest last.
    """
    found = []
    earlier, rows = durations[:-1], processed[:-1]
    if len(earlier) >= 3:
        mad = float(np.median(np.abs(earlier - np.median(earlier))))
        limit = float(earlier.mean()) + _MADS * _NORMAL * mad
        if mad > 0 and durations[-1] > limit:
            found.append(f"took {durations[-1]:.1f} s, more than {limit:.1f} s")
        if processed[-1] < np.median(rows) / 2:
            found.append(f"{processed[-1]:,} rows, less than half of the usual {np.median(rows):,.0f}")
    return found


def _log(lake: Lake) -> pl.DataFrame:
    return lake.table(PIPELINE_LOGS.name).read(where=pl.col("system") == SYSTEM)
