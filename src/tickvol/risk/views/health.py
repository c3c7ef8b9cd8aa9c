"""Health of the pipeline: durations and volumes of each step of the last run against those of earlier runs."""

from typing import Any

import numpy as np
import polars as pl

from tickvol.risk.views.runs import NO_RUN, open_runs, read_log, run_of
from tickvol.risk.views.view import View, counted, number, table_lines, time_text
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import WHOLE_RUN

LOAD = "load"
"""Step of a run that loads files: it is compared with its like, not with runs that compute."""

_RUNS = 30
_FEWEST_EARLIER = 3
_MADS, _NORMAL = 3.0, 1.4826


def health(lake: Lake) -> View:
    """Mean duration and volume of each step over its last 30 runs, and what is unusual about the last one."""
    rows = _with_volumes(read_log(lake))
    order = rows.sort("run_id", "ended_us", "started_us")["step"].unique(maintain_order=True).to_list()
    order.sort(key=lambda step: step == WHOLE_RUN)
    steps = [_health(own) for step in order if len(own := _last_attempts(rows, step))]
    if not steps:
        return View({"last_run": None, "steps": [], "open_runs": open_runs(lake, rows)}, (NO_RUN,))
    whole = rows.filter(pl.col("step") == WHOLE_RUN).sort("run_id")["run_id"].to_list()
    last = run_of(rows.filter(pl.col("run_id") == whole[-1])) if whole else None
    opened = open_runs(lake, rows)
    data = {"last_run": last, "steps": steps, "open_runs": opened}
    return View(data, tuple(_lines(last, steps, opened)))


def _with_volumes(rows: pl.DataFrame) -> pl.DataFrame:
    """The log with `rows_processed`: rows that a step read; of a whole run, those that all its steps read."""
    of_step = pl.when(pl.col("step") != WHOLE_RUN).then("rows_read")
    return rows.with_columns(
        rows_processed=pl.when(pl.col("step") == WHOLE_RUN)
        .then(of_step.sum().over("run_id"))
        .otherwise(pl.col("rows_read"))
    )


def _last_attempts(rows: pl.DataFrame, step: str) -> pl.DataFrame:
    """A row for each of the last runs in which a step was not skipped, the newest last."""
    loads = rows.filter(pl.col("step") == LOAD)["run_id"].unique().to_list() if step == WHOLE_RUN else []
    own = rows.filter((pl.col("step") == step) & (pl.col("status") != "skipped") & ~pl.col("run_id").is_in(loads))
    return own.sort("run_id", "attempt").unique("run_id", keep="last", maintain_order=True).tail(_RUNS)


def _health(rows: pl.DataFrame) -> dict[str, Any]:
    durations, processed = rows["duration_s"].to_numpy(), rows["rows_processed"].to_numpy()
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
        "last_run_id": last["run_id"],
        "warnings": warnings(durations, processed),
    }


def warnings(durations: np.ndarray[Any, Any], processed: np.ndarray[Any, Any]) -> list[str]:
    """List what is unusual about the last of several runs: its duration, or the rows that it processed.

    It took long above the mean of the earlier runs by more than 3 x 1.4826 of their median absolute deviations, and
    processed little below half of their median. Fewer than 3 earlier runs show nothing.

    Parameters
    ----------
    durations, processed : (n,) s and rows, the newest last.

    >>> warnings(np.array([1.0, 1.1, 0.9, 9.0]), np.array([100, 100, 100, 49]))
    ['took 9.0 s: more than 1.4 s, the usual limit', '49 rows: less than half of the usual 100']
    """
    earlier, rows = durations[:-1], processed[:-1]
    if len(earlier) < _FEWEST_EARLIER:
        return []
    found = []
    deviation = float(np.median(np.abs(earlier - np.median(earlier))))
    limit = float(earlier.mean()) + _MADS * _NORMAL * deviation
    if durations[-1] > limit:
        found.append(f"took {durations[-1]:.1f} s: more than {limit:.1f} s, the usual limit")
    if processed[-1] < np.median(rows) / 2:
        found.append(f"{processed[-1]:,} rows: less than half of the usual {np.median(rows):,.0f}")
    return found


def _lines(last: dict[str, Any] | None, steps: list[dict[str, Any]], opened: list[dict[str, Any]]) -> list[str]:
    lines = [f"open run {run['run_id']}: {run['message']}" for run in opened]
    if last is not None:
        duration = f"{number(last['duration_s'], 1)} s"
        lines.append(f"last run {time_text(last['started_us'])} UTC: {last['status']}, {duration}: {last['message']}")
    header = ["step", "runs", "failed", "mean s", "last s", "rows read", "usual rows", "last status"]
    rows = [
        [
            "whole run" if step["step"] == WHOLE_RUN else step["step"],
            str(step["runs"]),
            str(step["failed"]),
            number(step["avg_duration_s"]),
            number(step["last_duration_s"]),
            f"{step['last_rows']:,}",
            "-" if step["median_rows"] is None else f"{step['median_rows']:,.0f}",
            step["last_status"],
        ]
        for step in steps
    ]
    found = [f"  {step['step']}: {warning}" for step in steps for warning in step["warnings"]]
    head = f"warnings: {counted(len(found), 'warning')}" if found else "warnings: none"
    return [*lines, "", *table_lines(header, rows), "", head, *found]
