"""`tickvol schedule`: scheduled jobs, run by Dagster or cron."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command
from tickvol.core.errors import UsageError

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.system import Job

DESCRIPTION = """Scheduled jobs: training, evaluation, promotion, and the checks between them (docs/schedules.md).

  list      list each job with its schedule (section `schedules`) and the equivalent command for cron
  run JOB   run a job now, in this process; exit code 1 when a step fails or a check blocks the next steps
  ui        run the scheduler, its schedules, its sensor and its UI on the loopback, until Ctrl-C or SIGTERM"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol schedule`."""
    parser = command_parser("schedule", DESCRIPTION)
    parser.add_argument("action", choices=("list", "run", "ui"), help="what to do")
    parser.add_argument("job", nargs="?", metavar="JOB", help="run: name of the job")
    parser.add_argument("--port", type=int, help="ui: port on 127.0.0.1; overrides schedules.port")
    return run_command(parser, _schedule, argv)


def _schedule(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.supervisor.scheduler_ui import run_ui

    config = load_config(options.config)
    _check(options, config)
    if options.action == "list":
        return _list(config)
    if options.action == "ui":
        return run_ui(config.schedules, options.config, options.port or config.schedules.port)
    return _run(config, options)


def _check(options: argparse.Namespace, config: "Config") -> None:
    from tickvol.systems import job_plan

    names = [job.name for job in job_plan(config).jobs]
    if options.action != "run" and options.job is not None:
        raise UsageError(f"JOB: {options.job!r}: goes with run alone")
    if options.action == "run" and options.job not in names:
        raise UsageError(f"JOB: {options.job!r}: must be one of {', '.join(names)}")
    if options.port is not None and options.action != "ui":
        raise UsageError(f"--port: {options.port}: goes with ui alone")
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"--port: {options.port}: must be from 1 to 65535")


def _list(config: "Config") -> int:
    from tickvol.systems import job_plan

    print(f"times in {config.schedules.zone}; blocking checks run between the steps")
    print(f"{'job':<18}{'due':<16}{'cron command':<44}steps")
    for job in job_plan(config).jobs:
        print(f"{job.name:<18}{_due(job):<16}{'tickvol ' + ' '.join(job.command):<44}{', '.join(job.steps)}")
    return 0


def _due(job: "Job") -> str:
    if job.cause == "drift":
        return "drift lasts"
    return job.cron or "-"


def _run(config: "Config", options: argparse.Namespace) -> int:
    from tickvol.orchestration.definitions import define
    from tickvol.orchestration.home import open_instance
    from tickvol.orchestration.in_process import run_job

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops the running step, as Ctrl-C does
    if not options.verbose:
        logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs each table of a new home
    with open_instance(config.schedules.home_dir) as instance:
        outcome = run_job(define(options.config), options.job, instance)
    print(f"done       {', '.join(outcome.done) or 'nothing'}")
    if outcome.success:
        return 0
    print(f"failed     {', '.join(outcome.failed)}")
    print(f"skipped    {', '.join(outcome.left_out) or 'nothing'}", flush=True)
    for problem in outcome.problems:
        print(f"tickvol schedule: {problem}", file=sys.stderr)
    return 1
