"""The drift sensor: records each new report once, and requests retraining while the drift alarm is active."""

import hashlib
import logging

from tickvol.core.errors import Busy, TickvolError
from tickvol.system import Observation
from tickvol.volatility.jobs.retraining import alone, decide_now, drift_report, record_drift
from tickvol.volatility.promotion.retraining import Cause
from tickvol.volatility.settings.profile import VolatilityConfig

logger = logging.getLogger(__name__)


def judge_report(config: VolatilityConfig, cursor: str | None, at: str) -> Observation:
    """Request of the newest report; a report that was judged before requests nothing, whatever it holds."""
    path = drift_report(config.monitoring)
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return Observation(cursor=cursor, reason=f"{path}: no such file yet; `tickvol drift` writes it")
    if found == cursor:
        return Observation(cursor=cursor, reason="no new drift report")
    try:
        with alone(config.mlflow):
            judged = record_drift(config, at, logger.info)
            decision = decide_now(config, at, (Cause.DRIFT,))
    except Busy as error:
        return Observation(cursor=cursor, reason=str(error))  # tried again when that one has ended
    except TickvolError as error:
        return Observation(cursor=found, reason=str(error))
    if not decision.retrain:
        return Observation(cursor=judged, reason=decision.reason)
    return Observation(cursor=judged, reason=decision.reason, run_key=judged)
