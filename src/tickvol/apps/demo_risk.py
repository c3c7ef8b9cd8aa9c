"""`tickvol demo-risk`: market risk end to end without a network, each stage with the command that a user would run."""

import argparse
import subprocess
import time
from collections.abc import Sequence
from functools import partial

from tickvol.command import command_parser, run_command
from tickvol.core.errors import WorkError
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.supervisor.stages import Stages

DESCRIPTION = """Run market risk end to end without a network: candles of a simulated exchange, bronze, silver and
gold tables, star schema, figures and their judgement, export, and the two pages of the dashboard.

All output goes where the configuration says (lake.dir, risk.database_url, risk.export_dir); a directory that holds real
candles is refused."""

ANSWER_S = 30.0
PAGES = ("risk", "pipeline")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol demo-risk`."""
    return run_command(command_parser("demo-risk", DESCRIPTION), _demo, argv)


def _demo(options: argparse.Namespace) -> int:
    from tickvol.config import load_config

    config = load_config(options.config)
    stages = Stages(options.config, partial(print, flush=True))
    try:
        stages.run("daily run", f"{config.lake.dir}, tickvol risk runs", "risk", "run", "--simulate")
        stages.run("figures", "above, tickvol risk show", "risk", "show")
        stages.run("judgement", "above, tickvol risk backtest", "risk", "backtest")
        stages.run("export", str(config.risk.export_dir), "risk", "export")
        _open_pages(stages)
    finally:
        stages.end_children()
    print(f"\n{stages.table()}")
    print("\nsimulated market: these figures say nothing about real markets")
    return 0


def _open_pages(stages: Stages) -> None:
    """Start the dashboard on a free port and request both pages."""
    print("\n== pages: tickvol dashboard", flush=True)
    started = time.monotonic()
    dashboard = stages.start("dashboard", "--port", "0", stdout=subprocess.PIPE)
    assert dashboard.stdout is not None
    address = dashboard.stdout.readline().strip()
    if not address:
        raise WorkError("stage 'pages': the dashboard did not start; see its message above")
    with HttpClient(HttpRules.one_attempt(ANSWER_S)) as client:
        for page in PAGES:
            response = client.request("GET", f"{address}{page}")
            if response.status != 200:
                raise WorkError(f"stage 'pages': {address}{page}: {response.status}: must be 200")
            print(f"GET {address}{page}: {response.status}, {len(response.body):,} bytes")
    stages.done("pages", started, "make dashboard")
