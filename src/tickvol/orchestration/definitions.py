"""Everything that Dagster runs: assets, checks, jobs, schedules and sensors, as the systems declare them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from tickvol.config import Config, load_config
from tickvol.core.times import iso
from tickvol.orchestration.assets import CauseConfig, Commands, asset, asset_check
from tickvol.orchestration.commands import Run, run_command
from tickvol.orchestration.run_log import run_log
from tickvol.settings.schedules import SchedulesConfig
from tickvol.system import Job, JobPlan, Sensor, System
from tickvol.systems import SYSTEMS, job_plan


def define(
    config_path: Path,
    run: Run = run_command,
    *,
    now_ns: Callable[[], int] = time.time_ns,
    systems: Sequence[System] = SYSTEMS,
    config_type: type[Config] = Config,
) -> dg.Definitions:
    """Definitions from a configuration file.

    Parameters
    ----------
    run : runs a command of `tickvol`; the configuration file is among its words.
    now_ns : current time, ns since the epoch.
    systems, config_type : the systems with the jobs, and the sections that they read.
    """
    config = load_config(config_path, config_type=config_type)
    plan, commands = job_plan(config, systems), Commands(config_path, run)
    jobs = {job.name: _job(job, plan) for job in plan.jobs}
    return dg.Definitions(
        assets=[asset(step, commands) for step in plan.steps],
        asset_checks=[asset_check(check, commands, now_ns) for check in plan.checks],
        jobs=list(jobs.values()),
        schedules=[_schedule(config.schedules, job, jobs[job.name]) for job in plan.jobs if job.cron],
        sensors=[_sensor(sensor, lambda: iso(now_ns())) for sensor in plan.sensors],
        executor=dg.in_process_executor,
        loggers={"console": run_log},
    )


def _job(job: Job, plan: JobPlan) -> UnresolvedAssetJobDefinition:
    caused = [step.name for step in plan.steps if step.takes_cause and step.name in job.steps]
    return dg.define_asset_job(
        job.name,
        selection=dg.AssetSelection.assets(*job.steps),
        config=dg.RunConfig(ops={name: CauseConfig(because=job.cause) for name in caused}, loggers={"console": {}}),
    )


def _schedule(schedules: SchedulesConfig, job: Job, made: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=made,
        cron_schedule=job.cron,
        execution_timezone=schedules.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _sensor(sensor: Sensor, now_iso: Callable[[], str]) -> dg.SensorDefinition:
    @dg.sensor(
        name=sensor.name,
        job_name=sensor.job,
        minimum_interval_seconds=sensor.interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=sensor.about,
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        found = sensor.observe(context.cursor, now_iso())
        if found.run_key is None:
            return dg.SensorResult(skip_reason=found.reason, cursor=found.cursor)
        request = dg.RunRequest(run_key=found.run_key, tags={"reason": found.reason})
        return dg.SensorResult(run_requests=[request], cursor=found.cursor)

    return look
