"""Runs of the risk system from their start to their end: the tables' lock, the log, the client, the steps."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl

from tickvol.core.errors import TickvolError, UsageError
from tickvol.exchange.coinbase_rest import CoinbaseRest
from tickvol.exchange.http_rules import HttpRules
from tickvol.exchange.pacing import TokenBucket
from tickvol.risk.pipeline.candles import wire_format
from tickvol.risk.pipeline.context import SIMULATED, SYSTEM, RunContext, config_hash
from tickvol.risk.pipeline.ingest import Asked
from tickvol.risk.pipeline.load import CandleFile, load_files
from tickvol.risk.pipeline.steps import STEPS, Fetching, run_step, run_steps, skip_after
from tickvol.risk.settings import RiskSections
from tickvol.risk.tables import RISK_TABLES, SILVER
from tickvol.settings.lake import LakeConfig
from tickvol.simulator.rest.market import SeededMarket
from tickvol.simulator.rest.server import RestExchange
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import Listener, LoggedStep, RunLog
from tickvol.storage.delta.shared_tables import SHARED_TABLES
from tickvol.storage.delta.upkeep import upkeep_in_child

FINISH = "finish"
"""Ends a run whose steps ran one by one."""


def _now_us() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Reports:
    """Takers of what a run has to say while it works.

    Attributes
    ----------
    step : takes the end of each step. line : takes a line about what went wrong, or was loaded.
    """

    step: Listener
    line: Callable[[str], None]


@dataclass(slots=True)
class RunEnd:
    """A run that has ended, or a part of it.

    Attributes
    ----------
    steps : ends of its steps, in their order; `run` is the run as a whole.
    is_blocked : whether a step failed so that nothing may build on it; a fetch that failed in part does not.
    """

    run_id: str
    steps: list[LoggedStep] = field(default_factory=list)
    is_blocked: bool = False

    @property
    def has_succeeded(self) -> bool:
        """Whether no step failed."""
        return all(step.status != "failed" for step in self.steps)


def open_lake(lake: LakeConfig) -> Lake:
    """The tables of the risk system and those that all systems share."""
    return Lake(
        lake.dir,
        (*RISK_TABLES, *SHARED_TABLES),
        retention_h=lake.retention_h,
        checkpoint_commits=lake.checkpoint_commits,
    )


def run_all(
    config: RiskSections,
    asked: Asked | None,
    reports: Reports,
    *,
    simulate: bool = False,
    now_us: Callable[[], int] = _now_us,
) -> RunEnd:
    """Run all steps.

    Parameters
    ----------
    asked : what to fetch; None: compute from what is stored.
    simulate : fetch from a simulated exchange in this process, as candles of the source `simulated`.

    Raises
    ------
    Busy
        If another process is writing to the tables.
    UsageError
        If real and simulated candles would mix.
    """
    source = SIMULATED if simulate else config.risk.source
    with _begun(config, source, reports, now_us) as (run, end):
        if asked is None:
            run_steps(run, None, reports.line)
        else:
            with _client(run, asked) as client:
                run_steps(run, Fetching(asked, client), reports.line)
    _keep_up(config.lake)
    return end


def run_only(
    config: RiskSections, step: str, asked: Asked, reports: Reports, *, now_us: Callable[[], int] = _now_us
) -> RunEnd:
    """Run one step, for a scheduler: `ingest` begins a run, each further step continues it, `finish` ends it.

    A step that fails ends the run, with the later steps logged as skipped; so does a fetch without any good answer, so
    that the scheduler can try it again.

    Raises
    ------
    UsageError
        If no run is open.
    """
    if step == STEPS[0]:
        with (
            _begun(config, config.risk.source, reports, now_us, by_steps=True) as (run, end),
            _client(run, asked) as client,
        ):
            end.is_blocked = not _one(run, step, Fetching(asked, client), reports)
        return end
    with _resumed(config, reports, now_us) as (run, end):
        if step == FINISH:
            end.is_blocked = not run.log.end(f"{len(STEPS)} steps")
        else:
            end.is_blocked = not _one(run, step, None, reports)
    if step == FINISH:
        _keep_up(config.lake)
    return end


def end_blocked_run(config: RiskSections, step: str, problems: Sequence[str], now_us: Callable[[], int]) -> None:
    """End the open run after a failed check of a step, with the later steps logged as skipped."""
    silent = Reports(lambda _: None, lambda _: None)
    with _resumed(config, silent, now_us) as (run, _):
        with run.log.step(f"{step}_checks") as report:
            report.message, report.has_failed = "; ".join(problems), True
        skip_after(run, step)
        run.log.end("")


def load(
    config: RiskSections, files: Sequence[CandleFile], reports: Reports, *, now_us: Callable[[], int] = _now_us
) -> RunEnd:
    """Store the candles of files, as a run of its own.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    with _begun(config, config.risk.source, reports, now_us) as (run, end):
        try:
            for line in load_files(run, files):
                reports.line(line)
        finally:
            run.log.end(f"{len(files)} files")
    return end


def _one(run: RunContext, step: str, fetching: Fetching | None, reports: Reports) -> bool:
    try:
        is_done = run_step(run, step, fetching, reports.line)
    except TickvolError as error:
        reports.line(f"{step}: {error}")
        is_done = False
    if not is_done:
        skip_after(run, step)
        run.log.end("")
    return is_done


@contextmanager
def _begun(
    config: RiskSections, source: str, reports: Reports, now_us: Callable[[], int], *, by_steps: bool = False
) -> Iterator[tuple[RunContext, RunEnd]]:
    lake = open_lake(config.lake)
    with lake.writing():
        end = RunEnd("")
        log = RunLog.begin(
            lake,
            system=SYSTEM,
            config_hash=config_hash(config.risk),
            now_us=now_us,
            listener=_both(end.steps.append, reports.step),
            by_steps=by_steps,
        )
        end.run_id = log.run_id
        yield RunContext(lake, config.risk, log, source, now_us), end


@contextmanager
def _resumed(config: RiskSections, reports: Reports, now_us: Callable[[], int]) -> Iterator[tuple[RunContext, RunEnd]]:
    lake = open_lake(config.lake)
    with lake.writing():
        end = RunEnd("")
        log = RunLog.resume(lake, system=SYSTEM, now_us=now_us, listener=_both(end.steps.append, reports.step))
        if log is None:
            raise UsageError(f"--only: no run is open; begin one with --only {STEPS[0]}")
        end.run_id = log.run_id
        yield RunContext(lake, config.risk, log, config.risk.source, now_us), end


def _both(first: Listener, second: Listener) -> Listener:
    def listen(step: LoggedStep) -> None:
        first(step)
        second(step)

    return listen


@contextmanager
def _client(run: RunContext, asked: Asked) -> Iterator[CoinbaseRest]:
    """Client of the run's source; a simulated exchange runs in this process as long as its client."""
    if run.source != SIMULATED:
        with _open_client(run, run.config.base_url) as client:
            yield client
        return
    _refuse_mixing(run)
    market = SeededMarket(asked.products)  # of each product the same in every run
    with (
        RestExchange(market, now_s=lambda: run.now_us() / 1e6) as exchange,
        _open_client(run, exchange.url) as client,
    ):
        yield client


def _open_client(run: RunContext, base_url: str) -> CoinbaseRest:
    request = run.config.request
    rules = HttpRules(
        deadline_s=request.max_attempts * (request.timeout_s + request.max_backoff_s),
        timeout_s=request.timeout_s,
        max_attempts=request.max_attempts,
        initial_backoff_s=request.initial_backoff_s,
        max_backoff_s=request.max_backoff_s,
        multiplier=request.multiplier,
        jitter=request.jitter,
        shows_path=True,
    )
    pacing = TokenBucket(request.max_requests_per_s, request.burst)
    return CoinbaseRest(
        wire_format(run.source), base_url=base_url, rules=rules, pacing=pacing, now_s=lambda: run.now_us() / 1e6
    )


def _refuse_mixing(run: RunContext) -> None:
    real = run.lake.table(SILVER.name).read(where=pl.col("source") != SIMULATED, columns=["source"])
    if real.is_empty():
        return
    sources = ", ".join(real["source"].unique().sort().to_list())
    try:
        with run.log.step(STEPS[0]):
            raise UsageError(
                f"risk.source: simulated: {run.lake.directory} holds candles of {sources}: must hold none but simulated"
                " ones; set TICKVOL_LAKE__DIR to another directory"
            )
    finally:
        skip_after(run, STEPS[0])
        run.log.end("")


def _keep_up(config: LakeConfig) -> None:
    """Compact the tables in a process of its own, when one has many files."""
    lake = open_lake(config)
    if any(table.files() > config.compact_after_files for table in lake.tables() if not table.spec.partition_by):
        upkeep_in_child(lake, compact_after_files=config.compact_after_files)
