"""Tiles of the page of the pipeline's health."""

from dataclasses import replace

import polars as pl
from dash.development.base_component import Component

from tickvol.pages.numbers import age_text, count, counted, duration, duration_parts, utc_text
from tickvol.pages.panels import CURRENT
from tickvol.pages.states import State, signed_word, unreadable
from tickvol.pages.tiles import Tile
from tickvol.risk.pages.pipeline_data import SHOWN_RUNS, PipelineHealth, run_state
from tickvol.risk.pages.readings import Clock, Row

_LABELS = (
    "Status of the newest run",
    "Records processed by it",
    "Duration of a run",
    "Unknown days",
    "Rows in quarantine",
)
_STATUS_SIGNS = {"success": "✓", "failed": "✕", "skipped": "↷"}


def status_word(status: str) -> Component:
    """A status as sign, word and colour."""
    return signed_word(f"status-{status}", _STATUS_SIGNS.get(status, "?"), status)


def pipeline_tiles(health: PipelineHealth, clock: Clock) -> list[Tile]:
    """Status, records and duration of the newest run, unknown days, rejected rows; each as the newest run left it."""
    last = health.last_run()
    if last is None:
        absent = [Tile(label=label, state=health.no_run) for label in _LABELS]
        return [*absent[:3], _unknown_days(health), _quarantine(health, "")] if health.logs.error else absent
    steps = health.steps_of([last["run_id"]])
    recent = health.runs.tail(SHOWN_RUNS)
    tiles = (
        _status(last, recent),
        _records(steps),
        _durations(recent, health.steps_of(recent["run_id"].to_list())),
        _unknown_days(health),
        _quarantine(health, last["run_id"]),
    )
    return [_dated(tile, last["ended_us"], clock) for tile in tiles]


def _dated(tile: Tile, ended_us: int, clock: Clock) -> Tile:
    state = run_state(ended_us, clock) if tile.state.has_value else tile.state
    of = f"after the run of {utc_text(ended_us, seconds=False)} UTC"
    return replace(tile, state=state, of=of, age=age_text(clock.age_s(ended_us)))


def _status(last: Row, recent: pl.DataFrame) -> Tile:
    status = last["status"]
    failed = recent["status"].to_list().count("failed")
    note = f"{failed} of the last {counted(len(recent), 'run')} failed"
    return Tile(
        label=_LABELS[0],
        state=CURRENT,
        value=f"{_STATUS_SIGNS.get(status, '?')} {status}",
        note=[f"{last['message']}. {note}" if status == "failed" else note],
        is_bad=status == "failed",
    )


def _records(steps: pl.DataFrame) -> Tile:
    read, written, rejected = (int(steps[name].sum()) for name in ("rows_read", "rows_written", "rows_rejected"))
    note = f"{count(written)} written, {count(rejected)} rejected, in {counted(len(steps), 'step')}"
    return Tile(label=_LABELS[1], state=CURRENT, value=count(read), unit="rows read", note=[note])


def _durations(runs: pl.DataFrame, steps: pl.DataFrame) -> Tile:
    value, unit = duration_parts(float(runs["duration_s"].to_numpy().mean()))
    worked = steps.filter(pl.col("status") != "skipped")["duration_s"].to_numpy()
    of_step = f", {duration(float(worked.mean()))} for a step" if len(worked) else ""
    note = f"Mean of the last {counted(len(runs), 'run')}{of_step}"
    return Tile(label=_LABELS[2], state=CURRENT, value=value, unit=unit, note=[note])


def _unknown_days(health: PipelineHealth) -> Tile:
    label = _LABELS[3]
    if not health.has_coverage:
        return Tile(label=label, state=health.coverage.missing or State("unknown"))
    rows = health.coverage.rows
    note = "No gap in the candles"
    if not rows.is_empty():
        days = f"{rows['day'].min()!s} to {rows['day'].max()!s} (UTC)"
        note = f"{', '.join(sorted(rows['product_id'].unique()))}: {days}"
    return Tile(
        label=label, state=CURRENT, value=count(len(rows)), unit="day" if len(rows) == 1 else "days", note=[note]
    )


def _quarantine(health: PipelineHealth, run_id: str) -> Tile:
    label = _LABELS[4]
    if health.quarantine.error:
        return Tile(label=label, state=unreadable(health.quarantine.error))
    rows = health.quarantine.rows
    own = 0 if rows.is_empty() else rows["run_id"].to_list().count(run_id)
    return Tile(
        label=label,
        state=CURRENT,
        value=count(len(rows)),
        unit="row" if len(rows) == 1 else "rows",
        note=[f"{count(own)} by this run"],
    )
