"""Market risk: a backfill of six assets since their listing, the daily run after it, and the figures alone.

Goals are budgets in seconds and megabytes; the yardstick is the budget, so a ratio of at most 1 meets it.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from outcome import Outcome, cpu_seconds
from stream import ROOT

from tickvol.config import Config
from tickvol.risk.figures.daily import backtests, risk_of
from tickvol.risk.pipeline.context import risk_spec
from tickvol.simulator.rest.market import SeededMarket, day_number
from tickvol.simulator.rest.server import RestExchange

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD", "DOGE-USD", "BNB-USD")
NOW_S = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
SINCE, QUICK_SINCE = "2015-07-20", "2025-06-01"
BACKFILL_S, BACKFILL_CPU_S, DAILY_S, DAILY_MB, FIGURES_S = 60.0, 10.0, 15.0, 600.0, 3.0
FIGURE_DAYS, QUICK_FIGURE_DAYS = 4_000, 800


class _Spent(NamedTuple):
    wall_s: float
    cpu_s: float
    peak_mb: float


def market_risk(config: Config, *, quick: bool, repeats: int) -> list[Outcome]:
    """Wall clock, CPU and memory of whole commands, and CPU of the figures without GARCH."""
    since = QUICK_SINCE if quick else SINCE
    with (
        tempfile.TemporaryDirectory(prefix="tickvol-bench-") as directory,
        RestExchange(SeededMarket(PRODUCTS)) as exchange,
    ):
        environment = _environment(Path(directory), exchange.url)
        backfill = _run(environment, "backfill", "--from", since)
        requests = len(exchange.log.requests)
        daily = _run(environment, "run")
    about = f"{len(PRODUCTS)} assets of the seeded market since {since}, {requests} requests at 5 a second"
    return [
        _within("risk_backfill", backfill.wall_s, "s", BACKFILL_S, f"{about}, wall clock of the whole command"),
        _within("risk_backfill_cpu", backfill.cpu_s, "s", BACKFILL_CPU_S, f"{about}, CPU of the whole command"),
        _within("risk_daily_run", daily.wall_s, "s", DAILY_S, f"the run after that backfill, {len(PRODUCTS)} assets"),
        _within("risk_daily_memory", daily.peak_mb, "MB", DAILY_MB, "the same run, peak resident memory"),
        _figures(config, QUICK_FIGURE_DAYS if quick else FIGURE_DAYS, min(repeats, 3)),
    ]


def _within(name: str, value: float, unit: str, budget: float, text: str) -> Outcome:
    return Outcome(
        name=name, value=value, unit=unit, yardstick="the budget", yardstick_value=budget, input=text
    ).at_most(1.0)


def _figures(config: Config, days: int, repeats: int) -> Outcome:
    settings = config.risk.model_copy(update={"garch": config.risk.garch.model_copy(update={"refit_days": 0})})
    spec, market = risk_spec(settings), SeededMarket(PRODUCTS, first_day="2015-07-20")
    first = day_number("2015-07-20")
    closes = []
    for product in PRODUCTS:
        bars = [market.day_bar(product, first + number, NOW_S) for number in range(days)]
        closes.append(np.array([np.nan if bar is None else bar.close for bar in bars]))

    def work() -> None:
        for values in closes:
            backtests(risk_of(values, spec))

    (seconds,) = cpu_seconds(work, repeats=repeats)
    text = f"{len(PRODUCTS)} assets x {days:,} days, all figures and judgements without GARCH, CPU"
    return _within("risk_figures", seconds, "s", FIGURES_S, text)


def _environment(directory: Path, url: str) -> dict[str, str]:
    return os.environ | {
        "TICKVOL_LAKE__DIR": str(directory / "lake"),
        "TICKVOL_RISK__DATABASE_URL": f"sqlite:///{directory / 'risk.db'}",
        "TICKVOL_RISK__BASE_URL": url,
        "TICKVOL_RISK__PRODUCTS": json.dumps(PRODUCTS),
    }


def _run(environment: dict[str, str], *words: str) -> _Spent:
    """A command as a process on all cores; it must succeed."""
    program = f"import os; os.sched_setaffinity(0, range({os.cpu_count()})); from tickvol.apps.cli import main"
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-c", f"{program}; raise SystemExit(main())", "risk", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"tickvol risk {' '.join(words)}: exit code {child.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Spent(time.monotonic() - started, cpu_s, usage.ru_maxrss / 1000)
