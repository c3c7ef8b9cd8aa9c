"""The scheduler's home: a directory with its runs, ticks and settings; no telemetry is sent."""

import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import dagster as dg
import psutil
import yaml
from dagster._core.instance.ref import InstanceRef

from tickvol.core.errors import Busy
from tickvol.storage.files import exclusive, write_atomically

MAKER_TAG = "tickvol/process"
"""Tag of runs in a process of their own: the process, which distinguishes a killed run from a running one."""

SETTINGS = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {"runs": {"max_concurrent_runs": 1}},  # one at a time: trainings and promotions share directories
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",  # the output of commands is in the run's log already
    },
}

_AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def make_home(directory: Path) -> Path:
    """Create the home with our settings; return its absolute path, as Dagster requires."""
    home = directory.absolute()
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / "dagster.yaml", yaml.safe_dump(SETTINGS), durable=False)
    return home


def open_instance(directory: Path) -> dg.DagsterInstance:
    """Open the instance of a home, created if absent."""
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(make_home(directory))))


def only_scheduler(directory: Path) -> AbstractContextManager[None]:
    """Lock for one scheduler per home: two would each run the jobs that are due.

    Raises
    ------
    Busy
        If another one is running.
    """
    busy = Busy(f"schedules.home_dir: {directory}: another scheduler is at work; end that one")
    return exclusive(make_home(directory) / "scheduler.lock", refusal=busy)


def this_process() -> str:
    """Pid and start time of this process, as the value of `MAKER_TAG`."""
    return f"{os.getpid()}@{psutil.Process().create_time():.2f}"


def fail_dead_runs(instance: dg.DagsterInstance, *, of_scheduler: bool) -> int:
    """Mark runs whose process was killed as failed: they would count as running for ever, and block all others.

    Parameters
    ----------
    of_scheduler : True if a scheduler's runs are dead as well, which only the next scheduler knows.
    """
    dead = [
        run
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=_AT_WORK))
        if (not _lives(run.tags[MAKER_TAG]) if MAKER_TAG in run.tags else of_scheduler)
    ]
    for run in dead:
        instance.report_run_failed(run, "its process was killed")
    return len(dead)


def _lives(maker: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        number = int(maker.partition("@")[0])
        return f"{number}@{psutil.Process(number).create_time():.2f}" == maker
    return False
