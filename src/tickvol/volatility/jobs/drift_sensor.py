"""The sensor of drift: a new report is taken note of once, and while its alarm stands it asks for a retraining."""

import hashlib
import logging
from collections.abc import Callable

import dagster as dg

from tickvol.config import Config
from tickvol.core.errors import Busy, TickvolError
from tickvol.volatility.jobs.retraining import alone, decide_now, drift_report, note_drift
from tickvol.volatility.promotion.retraining import Cause

logger = logging.getLogger(__name__)

NAME = "drift_report"


def drift_sensor(config: Config, job_name: str, now_iso: Callable[[], str]) -> dg.SensorDefinition:
    """Asks for `job_name`; its cursor is the SHA-256 of the last report that was judged."""

    @dg.sensor(
        name=NAME,
        job_name=job_name,
        minimum_interval_seconds=config.schedules.sensor_interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A new drift report, and an alarm of drift that lasts.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return judge_report(config, context.cursor, now_iso())

    return look


def judge_report(config: Config, cursor: str | None, at: str) -> dg.SensorResult:
    """What the newest report asks for; a report that was judged before asks for nothing, whatever it holds."""
    path = drift_report(config)
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return dg.SensorResult(skip_reason=f"{path}: no such file yet; `tickvol drift` writes it")
    if found == cursor:
        return dg.SensorResult(skip_reason="no new drift report", cursor=cursor)
    try:
        with alone(config):
            judged = note_drift(config, at, logger.info)
            decision = decide_now(config, at, (Cause.DRIFT,))
    except Busy as error:
        return dg.SensorResult(skip_reason=str(error), cursor=cursor)  # looked at again when that one has ended
    except TickvolError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=found)
    if not decision.retrain:
        return dg.SensorResult(skip_reason=decision.reason, cursor=judged)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=judged, tags={"reason": decision.reason})], cursor=judged
    )
