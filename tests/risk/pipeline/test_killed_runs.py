"""Runs that are killed at any moment: the next run gives the tables of one that was never disturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl
import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import PRODUCTS, Desk, market, noon_s
from tests.support import ROOT
from tickvol.risk.star.store import star_digest
from tickvol.simulator.rest.edits import Missing, Revised

DAYS = 20
SETTINGS = {"products": ["BTC-USD", "ETH-USD", "SOL-USD"], "history_days": DAYS, "window_days": 4}
ENVIRONMENT = {
    "TICKVOL_RISK__HISTORY_DAYS": str(DAYS),
    "TICKVOL_RISK__WINDOW_DAYS": "4",
    "TICKVOL_RISK__GARCH__REFIT_DAYS": "0",
    "TICKVOL_RISK__REQUEST__MAX_REQUESTS_PER_S": "2000",
    "TICKVOL_RISK__REQUEST__BURST": "1000",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}


@dataclass
class Starter:
    """Starts `tickvol risk run` processes with the code loaded."""

    process: "subprocess.Popen[str]"

    def start(self, desk: Desk, now_s: float) -> int:
        """Start a run and return its process id."""
        desk.server.now_s = now_s
        places = {
            "TICKVOL_RISK__BASE_URL": desk.server.url,
            "TICKVOL_LAKE__DIR": str(desk.config.lake.dir),
            "TICKVOL_RISK__DATABASE_URL": desk.config.risk.database_url,
        }
        order = {"now_s": now_s, "environment": ENVIRONMENT | places}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._number()

    def wait(self) -> int:
        """Exit code of the run; negative: the signal that ended it."""
        return self._number()

    def _number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.risk.pipeline.killed"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    yield Starter(process)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(timeout=30)
    process.stdout.close()


def traces(directory: Path) -> int:
    """Number of files and commits that a run has left so far; it only grows while the run works."""
    return sum(len(files) for _, _, files in os.walk(directory))


def kill_after(starter: Starter, desk: Desk, now_s: float, new_traces: int, wait_s: float) -> bool:
    """Start a run and kill it once it has left so many traces; True if it was killed before its end."""
    directory = desk.config.lake.dir
    limit = traces(directory) + new_traces
    process = starter.start(desk, now_s)
    deadline = time.monotonic() + 60
    while traces(directory) < limit and _lives(process) and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(wait_s)
    if _lives(process):
        os.kill(process, signal.SIGKILL)
    return starter.wait() == -signal.SIGKILL


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def a_market() -> object:
    revised = Revised("BTC-USD", "2026-03-09", noon_s(hours=23), (60_000.0, 61_000.0, 59_000.0, 60_500.0, 5.0))
    return market(revised, Missing("ETH-USD", "2026-03-01"), products=SETTINGS["products"])


@pytest.mark.parametrize(
    ("seed", "kills"), [(1, (3, 2)), *(pytest.param(seed, (3, 2), marks=pytest.mark.slow) for seed in range(2, 12))]
)
def test_after_kills_the_tables_are_those_of_undisturbed_runs(
    new_desk: NewDesk, starter: Starter, seed: int, kills: tuple[int, int]
) -> None:
    random = Random(seed)
    calm, desk = (new_desk(a_market(), **SETTINGS) for _ in range(2))
    open_runs = set[str]()
    for hours, times in zip((0.0, 24.0), kills, strict=True):
        now_s = noon_s(hours=hours)
        before = traces(calm.config.lake.dir)
        starter.start(calm, now_s)
        assert starter.wait() == 0
        most, killed = traces(calm.config.lake.dir) - before, 0
        while killed < times:
            if kill_after(starter, desk, now_s, random.randrange(most), random.choice([0, 0.002, 0.02, 0.1])):
                killed += 1
            else:
                most = max(most // 2, 1)  # it ended: less was left to do than in an undisturbed run
            open_runs |= {path.stem for path in (desk.config.lake.dir / "runs").glob("*.json")}
        starter.start(desk, now_s)
        assert starter.wait() == 0
    assert desk.digests() == calm.digests()
    for product in PRODUCTS:
        assert desk.states(product) == calm.states(product)
    assert star_digest(desk.config.risk.database_url) == star_digest(calm.config.risk.database_url)
    assert_every_run_is_logged(desk, open_runs)


def assert_every_run_is_logged(desk: Desk, open_runs: set[str]) -> None:
    logs = desk.logs()
    runs = logs.filter(pl.col("step") == "run")
    assert runs["run_id"].is_unique().all()
    assert set(logs["run_id"]) == set(runs["run_id"])
    of_killed = runs.filter(pl.col("error_type") == "Killed")
    assert open_runs <= set(runs["run_id"])
    assert set(of_killed["run_id"]) <= open_runs
    assert set(of_killed["status"]) == {"failed"}
    assert set(runs.filter(pl.col("error_type").is_null())["status"]) == {"success"}
    assert set(desk.table("bronze_coinbase_candles_raw")["run_id"]) <= set(runs["run_id"])
    assert list((desk.config.lake.dir / "runs").glob("*.json")) == []
