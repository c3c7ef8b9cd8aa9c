"""The scheduler's home: a directory that holds runs, ticks and its own settings; nothing is sent from there."""

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
"""Of runs in a process of their own: which one it is, so that a killed one is told from one at work."""

SETTINGS = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {"runs": {"max_concurrent_runs": 1}},  # one at a time: trainings and promotions share their places
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",  # what commands say is in the log of the run already
    },
}

_AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def make_home(directory: Path) -> Path:
    """Make it with our settings; returns it as an absolute path, as Dagster wants it."""
    home = directory.absolute()
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / "dagster.yaml", yaml.safe_dump(SETTINGS), durable=False)
    return home


def open_instance(directory: Path) -> dg.DagsterInstance:
    """The instance of a home, made where there is none."""
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(make_home(directory))))


def only_scheduler(directory: Path) -> AbstractContextManager[None]:
    """One scheduler a home: two would each run what is due.

    Raises
    ------
    Busy
        When another one is at work.
    """
    busy = Busy(f"schedules.home_dir: {directory}: another scheduler is at work; end that one")
    return exclusive(make_home(directory) / "scheduler.lock", refusal=busy)


def this_process() -> str:
    """Number and start of this process, as `MAKER_TAG` keeps them."""
    return f"{os.getpid()}@{psutil.Process().create_time():.2f}"


def fail_dead_runs(instance: dg.DagsterInstance, *, of_scheduler: bool) -> int:
    """Mark runs as failed whose process was killed: they would count as at work for ever, and hold up all others.

    Parameters
    ----------
    of_scheduler : whether those of a scheduler are dead as well, which only the next scheduler knows.
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
