"""Tiles of the page of the pipeline's health."""

from dash.development.base_component import Component

from tickvol.pages.numbers import age_text, count, duration, duration_parts, utc_text
from tickvol.pages.states import State, signed_word
from tickvol.pages.tiles import Tile
from tickvol.risk.pages.pipeline_data import SHOWN_RUNS, PipelineHealth, run_state
from tickvol.risk.pages.readings import Clock, Reading

_STATUS_SIGNS = {"success": "✓", "failed": "✕", "skipped": "↷"}


def status_word(status: str) -> Component:
    """A status as sign, word and colour."""
    return signed_word(f"status-{status}", _STATUS_SIGNS.get(status, "?"), status)


def pipeline_tiles(health: PipelineHealth, clock: Clock) -> list[Tile]:
    """Status, records and duration of the newest run, unknown days, rejected rows."""
    return [*_run_tiles(health, clock), _unknown_days(health), _quarantine(health)]


def _run_tiles(health: PipelineHealth, clock: Clock) -> list[Tile]:
    labels = ("Status of the newest run", "Records processed by the newest run", "Mean duration of a run")
    last = health.last_run()
    if last is None:
        missing = health.logs.missing or State("unknown", "No run has ended yet.")
        return [Tile(label=label, state=missing) for label in labels]
    ended_us = int(str(last["ended_us"]))
    state = run_state(ended_us, clock)
    of, age = f"ended {utc_text(ended_us, seconds=False)} UTC", age_text(clock.age_s(ended_us))
    steps = health.steps_of([str(last["run_id"])])
    read, written, rejected = (int(steps[name].sum()) for name in ("rows_read", "rows_written", "rows_rejected"))
    recent = health.runs.tail(SHOWN_RUNS)
    done = recent["duration_s"].to_numpy()
    mean_step = health.steps_of(recent["run_id"].to_list())["duration_s"].drop_nulls().to_numpy()
    value, unit = duration_parts(float(done.mean()))
    step_note = f"; of a step {duration(float(mean_step.mean()))}" if len(mean_step) else ""
    failed = recent["status"].to_list().count("failed")
    return [
        Tile(
            label=labels[0],
            state=state,
            value=str(last["status"]),
            of=of,
            age=age,
            note=[status_word(str(last["status"])), f" {failed} of the last {len(recent)} runs failed"],
        ),
        Tile(
            label=labels[1],
            state=state,
            value=count(read),
            unit="rows read",
            of=of,
            age=age,
            note=[f"{count(written)} written, {count(rejected)} rejected, in {len(steps)} steps"],
        ),
        Tile(
            label=labels[2],
            state=state,
            value=value,
            unit=unit,
            of=of,
            age=age,
            note=[f"Of the last {len(recent)} runs{step_note}"],
        ),
    ]


def _unknown_days(health: PipelineHealth) -> Tile:
    label = "Unknown days"
    if not health.has_coverage:
        return Tile(label=label, state=health.coverage.missing or State("unknown"))
    rows = health.coverage.rows
    if rows.is_empty():
        return Tile(label=label, state=State("current"), value="0", unit="days", note=["No gap in the candles"])
    oldest, newest = rows["day"].min(), rows["day"].max()
    note = f"{rows['product_id'].n_unique()} products, from {oldest!s} to {newest!s} (UTC)"
    return Tile(label=label, state=State("current"), value=count(len(rows)), unit="days", note=[note])


def _quarantine(health: PipelineHealth) -> Tile:
    label = "Rows in quarantine"
    if health.quarantine.error:
        return Tile(label=label, state=_missing(health.quarantine))
    if health.logs.missing:
        return Tile(label=label, state=health.logs.missing)
    rows = health.quarantine.rows
    last = health.last_run()
    own = 0 if last is None else rows["run_id"].to_list().count(last["run_id"])
    note = f"{count(own)} by the newest run"
    return Tile(label=label, state=State("current"), value=count(len(rows)), unit="rows", note=[note])


def _missing(reading: Reading) -> State:
    assert reading.missing is not None
    return reading.missing
