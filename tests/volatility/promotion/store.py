"""A registry with versions of synthetic days, for tests of commands that change who serves."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.support import ROOT
from tests.support.trained import bundles, market
from tests.volatility.drift.test_served_drift import drift_of, move
from tickvol.config import Config, load_config
from tickvol.volatility.drift.summary import DriftSummary, Side
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.registry.runs import DetectorRecord, log_training, resolve_alias
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.workflows.terms import leak_rules

AT = "2026-04-06T00:00:00Z"


def places(patch: pytest.MonkeyPatch, directory: Path) -> None:
    """All that commands write lies below a directory; gates are as wide as synthetic days need."""
    patch.chdir(ROOT)
    for name, value in {
        "MLFLOW__TRACKING_URI": f"sqlite:///{directory}/mlflow/mlflow.db",
        "MLFLOW__ARTIFACTS_DIR": str(directory / "mlflow" / "artifacts"),
        "MLFLOW__LEDGER_DIR": str(directory / "mlflow" / "ledgers"),
        "MODELS__ARTIFACTS_DIR": str(directory / "bundles"),
        "LEAKCHECK__REPORT_JSON": str(directory / "leakcheck.json"),
        "PROMOTION__MAX_P99_US": "1000000",
        "PROMOTION__CHAMPION_TOLERANCE": "1",
        "PROMOTION__REGIME_TOLERANCE": "1",
        "PROMOTION__CALIBRATION_TOLERANCE": "1",
        "MONITORING__REPORT_DIR": str(directory / "drift"),
        "EVALUATION__BOOTSTRAP_SAMPLES": "40",
        "EVALUATION__MIN_BLOCKS": "5",
    }.items():
        patch.setenv(f"TICKVOL_{name}", value)


def config() -> Config:
    """As the environment of the test makes it."""
    return load_config(env_file=None)


def register_day(directory: Path, day: int, name: str) -> Bundle:
    """Log some bundles of a day's training and register one of them, as a training would."""
    trained = [bundle for bundle in bundles(day) if bundle.name in ("har", "zscore", "logistic")]
    for bundle in trained:
        bundle.save(directory / f"day{day}" / bundle.name)
    records = [
        DetectorRecord(bundle=bundle, directory=directory / f"day{day}" / bundle.name, metrics={}, figures={})
        for bundle in trained
    ]
    best = next(bundle for bundle in trained if bundle.name == name)
    figures = {"pr.png": Figure()}
    log_training(config().mlflow, params={"seed": 7}, figures=figures, records=records, best=best, at=AT)
    return best


def write_leakcheck(bundle: Bundle, **changes: object) -> None:
    """A clean report of a bundle."""
    made = bundle.manifest.provenance
    clean = {
        "data_fingerprint": made.data_fingerprint,
        "config_hash": made.config_hash,
        "bundles": {bundle.name: bundle.version},
        "rules": msgspec.to_builtins(leak_rules(config().profile())),
        "clean": True,
        "checks": [],
    }
    config().leakcheck.report_json.write_text(json.dumps(clean | changes), encoding="utf-8")


def days(*numbers: int, hours: float = 4.0) -> FeatureTable:
    """Rows of several synthetic days."""
    parts = [market(day, hours=hours) for day in numbers]
    product = np.concatenate([part.product for part in parts])
    order = np.argsort(product, kind="stable")
    return replace(
        parts[0],
        product=product[order],
        bar_end_ns=np.concatenate([part.bar_end_ns for part in parts])[order],
        values=np.concatenate([part.values for part in parts])[order],
    )


def report_drift(share: float | None, hour: int = 1, bundle: Bundle | None = None) -> None:
    """What `tickvol drift` leaves where all features drifted and that share of what decides in the bundle."""
    to_ns = hour * 3600 * 10**9
    side = Side(from_ns=0, to_ns=to_ns, products=[], rows=1, scorable_rows=1, compared_rows=1, quality=None)
    summary = DriftSummary(
        summary_version=1,
        note=None,
        simulated=False,
        feature_schema_version=1,
        comparison="two stretches",
        bundle=(bundle or Bundle.load(resolve_alias(config().mlflow))).version,
        reference=side,
        current=side,
        judged_features=50,
        drifted_features=50,
        drifted_share=1.0,
        drift_share_threshold=0.5,
        drifted=True,
        features=[],
        served=None if share is None else drift_of(move(importance=share), move(importance=1 - share, moved=False)),
    )
    directory = config().monitoring.report_dir
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "drift_summary.json").write_bytes(msgspec.json.encode(summary))
