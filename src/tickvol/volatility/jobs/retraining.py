"""Retraining decision: drift reports are recorded once, and one process decides at a time."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from tickvol.core.errors import Busy, InputError
from tickvol.core.times import NS_PER_S, parse_time_ns
from tickvol.storage.files import exclusive
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.drift.summary import DriftSummary
from tickvol.volatility.promotion.retraining import Cause, Decision, decide
from tickvol.volatility.registry.champions import champions_ledger
from tickvol.volatility.registry.retrainings import DRIFT, counted_until_ns, events_of, is_known, retrainings_ledger
from tickvol.volatility.registry.versions import CHAMPION, aliases, bundle_hash_of, find_version
from tickvol.volatility.settings.profile import VolatilityConfig
from tickvol.volatility.settings.stream import MonitoringConfig


def alone(mlflow: MlflowConfig) -> AbstractContextManager[None]:
    """Lock of the retraining decision: a second process would decide on a state that the first is about to change.

    Raises
    ------
    Busy
        When another process holds it.
    """
    ledger = retrainings_ledger(mlflow).path
    path = ledger.with_name(f"{ledger.name}.running")
    return exclusive(path, refusal=Busy(f"{path}: another retraining is at work; wait for it"))


def drift_report(monitoring: MonitoringConfig) -> Path:
    """Path of the newest summary of `tickvol drift`."""
    return monitoring.report_dir / "drift_summary.json"


def record_drift(config: VolatilityConfig, at: str, tell: Callable[[str], None]) -> str | None:
    """Record the newest drift report, once; returns its SHA-256, None if there is no report.

    A report counts if it is about the champion, could judge the champion's important inputs, and its rows end well
    after those of the last one that counted; `tell` receives the reason if it does not count.

    Raises
    ------
    InputError
        When the file is not a drift summary.
    """
    path = drift_report(config.monitoring)
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return None
    ledger, sha256 = retrainings_ledger(config.mlflow), hashlib.sha256(written).hexdigest()
    if is_known(ledger.entries(), sha256):
        return sha256
    try:
        summary = msgspec.json.decode(written, type=DriftSummary)
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: is no drift summary ({error}); write it again by `tickvol drift`") from error
    share = None if summary.served is None else summary.served.moved_share
    if summary.bundle is None or summary.bundle != _served_bundle(config.mlflow):
        tell("drift report: does not count, it is not of the champion; `tickvol drift --recent --served` makes one")
        return sha256
    if share is None:
        tell("drift report: does not count, no input that matters could be judged")
        return sha256
    before_ns = counted_until_ns(ledger.entries(), summary.bundle)
    if before_ns is not None and summary.current.to_ns < before_ns + config.retrain.drift_apart_s * NS_PER_S:
        tell(
            "drift report: does not count, its rows do not end "
            f"{config.retrain.drift_apart_s} s (retrain.drift_apart_s) after those of the one before"
        )
        return sha256
    content = {"at": at, "share": share, "report_sha256": sha256, "bundle": summary.bundle}
    ledger.append(DRIFT, content | {"current_to_ns": summary.current.to_ns, "comparison": summary.comparison})
    return sha256


def decide_now(config: VolatilityConfig, at: str, because: Sequence[Cause]) -> Decision:
    """Decide about retraining by the ledgers; `at` is the time, ISO 8601."""
    events = events_of(
        champions_ledger(config.mlflow).entries(),
        retrainings_ledger(config.mlflow).entries(),
        _served_bundle(config.mlflow),
    )
    return decide(events, parse_time_ns("now", at), config.retrain.rules(), because)


def _served_bundle(mlflow: MlflowConfig) -> str | None:
    """Hash of the champion's bundle, which this program may be unable to read; None if there is no champion."""
    if CHAMPION not in aliases(mlflow):
        return None
    return bundle_hash_of(mlflow, find_version(mlflow, CHAMPION))
