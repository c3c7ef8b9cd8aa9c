"""Runs of the system, their rules and the gaps in the data, as the page of the pipeline's health reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tickvol.pages.states import State
from tickvol.risk.pages.readings import Clock, Reading, Readings, Row
from tickvol.risk.tables import COVERAGE
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS, QUARANTINE, RULE_COUNTS

WHOLE_RUN = "run"
SHOWN_RUNS = 30
"""Runs in the chart and in the means."""

_UNKNOWN = ("unasked", "failed")
"""States of a day of which nothing is known, by the ledger of gaps; so is a day that stayed unfinished."""


@dataclass(frozen=True, slots=True)
class PipelineHealth:
    """What is stored of the runs.

    Attributes
    ----------
    logs : of this system, oldest first; the row of a whole run after those of its steps.
    coverage : days of which nothing is known.
    """

    logs: Reading
    rules: Reading
    quarantine: Reading
    coverage: Reading
    has_coverage: bool

    @classmethod
    def read(cls, readings: Readings, system: str) -> "PipelineHealth":
        """Read the tables of the page."""
        logs = readings.read(PIPELINE_LOGS.name, where=pl.col("system") == system)
        if not logs.error:
            logs = Reading(logs.rows.sort("run_id", pl.col("step") == WHOLE_RUN, "ended_us", "attempt"))
        coverage = readings.read(COVERAGE.name, columns=("product_id", "day", "state", "reason"))
        is_left = (pl.col("state") == "unfinished") & (pl.col("day") < pl.col("day").max())
        is_unknown = pl.col("state").is_in(_UNKNOWN) | is_left
        unknown = coverage if coverage.missing else Reading(coverage.rows.filter(is_unknown))
        return cls(
            logs=logs,
            rules=readings.read(RULE_COUNTS.name),
            quarantine=readings.read(QUARANTINE.name, columns=("run_id", "table", "product_id", "rules")),
            coverage=unknown,
            has_coverage=coverage.missing is None,
        )

    @property
    def runs(self) -> pl.DataFrame:
        """Rows of whole runs, oldest first."""
        return self.logs.rows.filter(pl.col("step") == WHOLE_RUN)

    def steps_of(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """Rows of the steps of some runs."""
        return self.logs.rows.filter(pl.col("run_id").is_in(list(run_ids)), pl.col("step") != WHOLE_RUN)

    def last_run(self) -> Row | None:
        """Row of the newest run that ended."""
        return None if self.logs.missing or self.runs.is_empty() else self.runs.row(-1, named=True)

    @property
    def no_run(self) -> State:
        """State of figures of the newest run where there is none."""
        return self.logs.missing or State("unknown", "No run has ended yet.")

    def state(self, clock: Clock) -> State:
        """State of the newest run: an error if it failed."""
        last = self.last_run()
        if last is None:
            return self.no_run
        if last["status"] == "failed":
            return State("error", f"The newest run failed: {last['message']}")
        return run_state(last["ended_us"], clock)


def run_state(ended_us: int, clock: Clock) -> State:
    """Current, or stale where no run ended for too long."""
    state = clock.state(ended_us)
    if state.kind == "current":
        return state
    return State("stale", f"No run has ended within the last {clock.stale_after_h:g} h.")
