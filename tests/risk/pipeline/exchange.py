"""A lake in a directory of the test, runs on a clock of the test, and an exchange that answers as it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from tickvol.config import DEFAULT_CONFIG, load_config
from tickvol.core.times import DAY_S
from tickvol.risk.figures.calendar import day_number, day_text, days_from
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ingest import Asked
from tickvol.risk.pipeline.session import FINISH, Reports, RunEnd, open_lake, run_all, run_only
from tickvol.risk.settings import RiskSections
from tickvol.risk.tables import ANOMALIES, BACKTEST, CORRELATION, EPISODES, REVISIONS, RISK, SILVER
from tickvol.simulator.rest.edits import EditedMarket, Late, Missing, Revised
from tickvol.simulator.rest.fault_plan import FaultPlan
from tickvol.simulator.rest.faults import Fault, FaultRates
from tickvol.simulator.rest.market import Market, SeededMarket
from tickvol.simulator.rest.server import RestExchange
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import LoggedStep
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS

PRODUCTS = ("BTC-USD", "ETH-USD")
NOON = "2026-03-10"
"""Day on which the runs of most tests begin, at noon."""
HISTORY_DAYS = 40
GOLD = (RISK, ANOMALIES, BACKTEST, CORRELATION, EPISODES)
COMPARED = (SILVER, REVISIONS, *GOLD)

FAST = {
    "max_requests_per_s": 2000.0,
    "burst": 1000,
    "timeout_s": 5.0,
    "max_attempts": 2,
    "initial_backoff_s": 0.001,
    "max_backoff_s": 0.002,
    "multiplier": 1.0,
    "jitter": 0.0,
}
"""Requests without the waits that a real exchange needs."""

Faults = FaultPlan | FaultRates | Sequence[str | Fault]


def noon_s(day: str = NOON, *, hours: float = 0.0) -> float:
    """Noon of a day, and hours after it, in s since the epoch."""
    return (day_number(day) + 0.5) * DAY_S + hours * 3600.0


def sections(directory: Path, url: str, *, request: Mapping[str, object] | None = None, **risk: object) -> RiskSections:
    """Sections of `config.yaml` with small histories, fast requests and all places in a directory."""
    shipped = load_config(DEFAULT_CONFIG, env_file=None)
    values = shipped.risk.model_dump() | {
        "products": PRODUCTS,
        "base_url": url,
        "history_days": HISTORY_DAYS,
        "window_days": 15,
        "garch": {"refit_days": 0, "starts": 1},
        "database_url": f"sqlite:///{directory}/risk.db",
        "export_dir": directory / "export",
        "var_window_days": 20,
        "z_window_days": 20,
        "vol_window_days": 5,
        "correlation_window_days": 5,
        "ewma_start_days": 5,
        "request": FAST | dict(request or {}),
    }
    lake = shipped.lake.model_dump() | {"dir": directory / "lake", "compact_after_files": 10_000}
    return RiskSections.model_validate({"risk": values | risk, "lake": lake})


@dataclass
class Outcome:
    """A run that ended, with what it said."""

    end: RunEnd
    lines: list[str]

    @property
    def succeeded(self) -> bool:
        return self.end.has_succeeded

    def step(self, name: str) -> LoggedStep:
        return next(step for step in self.end.steps if step.step == name)

    @property
    def statuses(self) -> dict[str, str]:
        return {step.step: step.status for step in self.end.steps}


@dataclass
class Desk:
    """An exchange, the tables of a directory, and runs between them."""

    server: RestExchange
    config: RiskSections
    lines: list[str] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        return open_lake(self.config.lake)

    def run(self, now_s: float | None = None, *, asked: Asked | None = None, fetch: bool = True) -> Outcome:
        """Run all steps at a time, which the exchange's clock shows, too."""
        return run(self.server, self.config, now_s, asked=asked, fetch=fetch)

    def only(self, step: str, now_s: float) -> Outcome:
        self.server.now_s = now_s
        lines: list[str] = []
        reports = Reports(lambda _: None, lines.append)
        end = run_only(self.config, step, Asked(self.config.risk.products), reports, now_us=lambda: round(now_s * 1e6))
        return Outcome(end, lines)

    def fetch(self, now_s: float) -> Outcome:
        """Fetch and clean only: the steps on which the ledger depends."""
        outcomes = [self.only("ingest", now_s)]
        if not outcomes[-1].end.is_blocked:
            outcomes.append(self.only("silver", now_s))
        if not outcomes[-1].end.is_blocked:
            outcomes.append(self.only(FINISH, now_s))
        steps = [step for outcome in outcomes for step in outcome.end.steps]
        return Outcome(RunEnd(outcomes[0].end.run_id, steps), [line for each in outcomes for line in each.lines])

    def script(self, *faults: str | Fault) -> None:
        """Faults of the requests from now on; none: the exchange answers truly."""
        self.server._plan = FaultPlan(faults)

    def table(self, name: str) -> pl.DataFrame:
        return self.lake.table(name).read()

    def logs(self) -> pl.DataFrame:
        return self.table(PIPELINE_LOGS.name)

    def states(self, product: str = "BTC-USD") -> dict[str, str]:
        """State of each day in the ledger."""
        ledger = read_ledgers(self.lake, self.config.risk.source, [product])[product]
        return {day_text(day): entry.state for day, entry in sorted(ledger.items())}

    def candle(self, day: str, product: str = "BTC-USD") -> dict[str, object]:
        is_it = (pl.col("product_id") == product) & (pl.col("open_time_s") == day_number(day) * DAY_S)
        return self.lake.table(SILVER.name).read(where=is_it).row(0, named=True)

    def versions(self) -> dict[str, int | None]:
        return {table.spec.name: table.version() for table in self.lake.tables()}

    def digests(self) -> dict[str, str]:
        return digests(self.lake)


def digests(lake: Lake) -> dict[str, str]:
    """Digests of the candles, their revisions and all figures."""
    return {spec.name: lake.table(spec.name).digest() for spec in COMPARED}


def run(
    server: RestExchange,
    config: RiskSections,
    now_s: float | None = None,
    *,
    asked: Asked | None = None,
    fetch: bool = True,
    clock: Callable[[], float] | None = None,
) -> Outcome:
    """Run all steps; the clock of run and exchange stands at `now_s`, or moves as `clock` says."""
    if clock is None:
        if now_s is not None:
            server.now_s = now_s
        moment = server.now_s
        clock = lambda: moment  # noqa: E731
    seen = clock
    lines: list[str] = []
    reports = Reports(lambda _: None, lines.append)
    chosen = (asked or Asked(config.risk.products)) if fetch else None
    return Outcome(run_all(config, chosen, reports, now_us=lambda: round(seen() * 1e6)), lines)


def market(
    *edits: Missing | Late | Revised, products: Sequence[str] = PRODUCTS, first_day: str | None = None
) -> Market:
    """A drawn market with some days changed."""
    return EditedMarket(SeededMarket(products, first_day=first_day), edits)


def days_to(first: str, last: str) -> list[str]:
    """All days from the first to the last, both included."""
    return days_from(day_number(first), day_number(last) - day_number(first) + 1)
