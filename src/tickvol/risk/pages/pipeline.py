"""Page of the pipeline's health: the runs, their durations, their rules, and the log of all steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from dash import html
from dash.development.base_component import Component

from tickvol.pages.charts import BLUE, RED, axis, chart, figure
from tickvol.pages.numbers import NONE, count, counted, duration, utc_text
from tickvol.pages.panels import panel
from tickvol.pages.states import State, signed_word
from tickvol.pages.tables import Cell, Head, table
from tickvol.pages.tiles import tile_row
from tickvol.risk.pages.pipeline_data import SHOWN_RUNS, WHOLE_RUN, PipelineHealth, run_state
from tickvol.risk.pages.pipeline_tiles import pipeline_tiles, status_word
from tickvol.risk.pages.readings import Clock, Readings, Row

PATH = "pipeline"
_SHOWN_ROWS, _TICKS, _FEW_RUNS = 60, 6, 8


@dataclass(frozen=True, slots=True)
class PipelinePage:
    """The page of the pipeline's health.

    Attributes
    ----------
    system : name of the system whose runs are shown.
    """

    readings: Readings
    system: str
    clock: Clock

    def state(self) -> State:
        """State of the newest run."""
        return PipelineHealth.read(self.readings, self.system).state(self.clock)

    def layout(self, _query: Mapping[str, str]) -> Component:
        """The content of the page."""
        health = PipelineHealth.read(self.readings, self.system)
        return html.Div(
            [
                html.H2("Key figures", className="unseen"),
                tile_row("Key figures of the pipeline", pipeline_tiles(health, self.clock)),
                html.Div([_durations(health, self.clock), _step_panel(health)], className="charts"),
                _audit_panel(health),
                html.Div([_rule_panel(health), _gap_panel(health)], className="charts"),
            ]
        )


def _durations(health: PipelineHealth, clock: Clock) -> Component:
    title = "Duration of each run"
    last = health.last_run()
    if last is None:
        return chart("durations", title=title, summary="", state=health.no_run, drawn=None, alternative=None)
    recent = health.runs.tail(SHOWN_RUNS)
    bars = [_bars(recent, "success", BLUE, ""), _bars(recent, "failed", RED, "/")]
    seconds = recent["duration_s"].to_list()
    summary = (
        f"The last {counted(len(recent), 'run')}: shortest {duration(min(seconds))}, longest "
        f"{duration(max(seconds))}; failed runs are hatched."
    )
    heads = (Head("Start (UTC)"), Head("Status"), Head("Duration", True))
    cells: list[tuple[Cell, ...]] = [
        (utc_text(row["started_us"]), status_word(row["status"]), duration(row["duration_s"]))
        for row in recent.reverse().iter_rows(named=True)
    ]
    drawn = figure(
        bars,
        x=axis(
            type="category",
            showgrid=False,
            range=[-0.5, max(len(recent), _FEW_RUNS) - 0.5],
            **_ticks(recent["started_us"].to_list()),
        ),
        y=axis(rangemode="tozero"),
        unit="s",
        showlegend=True,
        barmode="overlay",
    )
    return chart(
        "durations",
        title=title,
        summary=summary,
        state=run_state(last["ended_us"], clock),
        drawn=drawn,
        alternative=table(f"Durations of the last {len(cells)} runs", heads, cells),
    )


def _ticks(starts_us: Sequence[int]) -> dict[str, object]:
    shown = starts_us[:: -(-len(starts_us) // _TICKS)]
    labels = [utc_text(start, seconds=False) for start in shown]
    return {"tickvals": labels, "ticktext": [label[5:10] for label in labels], "tickangle": 0}


def _bars(runs: pl.DataFrame, status: str, colour: str, pattern: str) -> dict[str, object]:
    is_of = [value == status for value in runs["status"].to_list()]
    seconds = runs["duration_s"].to_list()
    return {
        "type": "bar",
        "x": [utc_text(start, seconds=False) for start in runs["started_us"].to_list()],
        "y": [value if shown else None for value, shown in zip(seconds, is_of, strict=True)],
        "marker": {"color": colour, "pattern": {"shape": pattern}},
        "name": status,
        "hovertemplate": f"%{{x}} UTC<br>%{{y:.2f}} s<extra>{status}</extra>",
    }


def _step_panel(health: PipelineHealth) -> Component:
    title = "Mean duration of each step"
    if health.last_run() is None:
        return panel(title, "", state=health.no_run)
    steps = health.steps_of(health.runs.tail(SHOWN_RUNS)["run_id"].to_list())
    means = (
        steps.filter(pl.col("status") != "skipped")
        .group_by("step", maintain_order=True)
        .agg(
            pl.len().alias("runs"),
            pl.col("duration_s").mean(),
            pl.col("duration_s").last().alias("last_s"),
            pl.col("rows_read").last(),
            (pl.col("status") == "failed").sum().alias("failures"),
        )
        .sort("duration_s", descending=True)
    )
    heads = (
        Head("Step"),
        Head("Mean", True),
        Head("Newest", True),
        Head("Rows read", True),
        Head("Times", True),
        Head("Failures", True),
    )
    cells = [
        (
            row["step"],
            duration(row["duration_s"]),
            duration(row["last_s"]),
            count(row["rows_read"]),
            count(row["runs"]),
            count(row["failures"]),
        )
        for row in means.iter_rows(named=True)
    ]
    summary = f"Over the last {counted(min(len(health.runs), SHOWN_RUNS), 'run')}, the longest first."
    return panel(title, summary, table(title, heads, cells))


def _audit_panel(health: PipelineHealth) -> Component:
    title = "Log of runs and steps"
    if health.logs.missing:
        return panel(title, "", state=health.logs.missing)
    newest = health.logs.rows.tail(_SHOWN_ROWS).reverse()
    heads = (
        Head("Start (UTC)"),
        Head("Run"),
        Head("Step"),
        Head("Status"),
        Head("Duration", True),
        Head("Read", True),
        Head("Written", True),
        Head("Rejected", True),
        Head("Message", wraps=True),
    )
    cells = [_logged(row) for row in newest.iter_rows(named=True)]
    summary = f"The newest {len(cells)} of {len(health.logs.rows):,} entries. A run is named by the end of its id."
    return panel(title, summary, table(title, heads, cells))


def _logged(row: Row) -> tuple[Cell, ...]:
    is_whole = row["step"] == WHOLE_RUN
    attempt = f" (attempt {row['attempt']})" if row["attempt"] > 1 else ""
    counts = (row["rows_read"], row["rows_written"], row["rows_rejected"])
    return (
        utc_text(row["started_us"]),
        html.Code(row["run_id"][-8:], title=row["run_id"]),
        html.Strong("whole run") if is_whole else row["step"] + attempt,
        status_word(row["status"]),
        duration(row["duration_s"]),
        *(NONE if is_whole else count(number) for number in counts),
        html.Span(row["message"] or NONE, className="message"),
    )


def _rule_panel(health: PipelineHealth) -> Component:
    title = "Rules of the newest run"
    last = health.last_run()
    if last is None:
        return panel(title, "", state=health.no_run)
    if health.rules.missing:
        return panel(title, "", state=health.rules.missing)
    counts = (
        health.rules.rows.filter(pl.col("run_id") == last["run_id"])
        .filter(pl.col("attempt") == pl.col("attempt").max().over("table"))
        .group_by("table", "rule", "action", maintain_order=True)
        .agg(pl.col("checked").sum(), pl.col("violated").sum())
        .sort("violated", descending=True, maintain_order=True)
    )
    if counts.is_empty():
        return panel(title, "", state=State("unknown", "The newest run applied no rule."))
    heads = (Head("Rule"), Head("Action"), Head("Checked", True), Head("Violated", True), Head("Table"))
    cells: list[tuple[Cell, ...]] = [
        (row["rule"], row["action"], count(row["checked"]), _violations(row["violated"]), row["table"])
        for row in counts.iter_rows(named=True)
    ]
    broken = sum(1 for value in counts["violated"].to_list() if value)
    summary = f"{broken} of {len(counts)} rules were broken; quarantine rejects the row, warn only counts it."
    return panel(title, summary, table(title, heads, cells))


def _violations(number: int) -> Cell:
    return signed_word("stale", "▲", count(number)) if number else count(number)


def _gap_panel(health: PipelineHealth) -> Component:
    title = "Unknown days"
    if not health.has_coverage:
        return panel(title, "", state=health.coverage.missing or State("unknown"))
    rows = health.coverage.rows
    if rows.is_empty():
        return panel(title, "Each day that was asked for is known, or was never traded.")
    heads = (Head("Day (UTC)"), Head("Product"), Head("State"), Head("Reason", wraps=True))
    newest = rows.sort("day", "product_id", descending=[True, False]).head(_SHOWN_ROWS)
    cells = [
        (row["day"], row["product_id"], row["state"], row["reason"] or NONE) for row in newest.iter_rows(named=True)
    ]
    summary: list[Component | str] = [
        f"The newest {len(cells)} of {counted(len(rows), 'day')}. All: ",
        html.Code("tickvol risk gaps"),
    ]
    return panel(title, summary, table(title, heads, cells))
