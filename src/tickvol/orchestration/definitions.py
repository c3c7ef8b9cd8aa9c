"""Everything that Dagster runs: assets, checks, jobs, schedules and the sensor, by one configuration."""

import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from tickvol.config import Config, load_config
from tickvol.core.times import iso
from tickvol.orchestration.assets import RETRAINING, Commands, RetrainingConfig, asset_checks, assets
from tickvol.orchestration.commands import Run, run_command
from tickvol.orchestration.run_log import run_log
from tickvol.volatility.jobs.drift_sensor import drift_sensor
from tickvol.volatility.jobs.plan import Job, jobs

ON_DRIFT = "retrain_on_drift"


def define(config_path: Path, run: Run = run_command, *, now_ns: Callable[[], int] = time.time_ns) -> dg.Definitions:
    """Definitions by a configuration file.

    Parameters
    ----------
    run : runs a command of `tickvol`; the configuration file is among its words.
    now_ns : the time, ns since the epoch.
    """
    config = load_config(config_path)
    commands = Commands(config_path, run)
    made = {job.name: _job(job) for job in jobs(config)}
    return dg.Definitions(
        assets=assets(config, commands),
        asset_checks=asset_checks(config, commands, now_ns),
        jobs=list(made.values()),
        schedules=[_schedule(config, job, made[job.name]) for job in jobs(config) if job.cron],
        sensors=[drift_sensor(config, ON_DRIFT, lambda: iso(now_ns()))],
        executor=dg.in_process_executor,
        loggers={"console": run_log},
    )


def _job(job: Job) -> UnresolvedAssetJobDefinition:
    asked = {RETRAINING: RetrainingConfig(because=job.because)} if RETRAINING in job.steps else {}
    return dg.define_asset_job(
        job.name,
        selection=dg.AssetSelection.assets(*job.steps),
        config=dg.RunConfig(ops=asked, loggers={"console": {}}),
    )


def _schedule(config: Config, job: Job, made: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=made,
        cron_schedule=job.cron,
        execution_timezone=config.schedules.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
