"""The leak check of a training run: all checks, cheap ones first, and the report that a promotion gate reads."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from tickvol.storage.files import write_report
from tickvol.volatility.leakcheck.result import CheckResult, leaks, require_clean
from tickvol.volatility.leakcheck.suite import control_checks, training_checks
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared, prepare, train_detectors
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.settings.profile import MarketProfile
from tickvol.volatility.workflows.leakcheck_log import LogFiles, log_checks
from tickvol.volatility.workflows.terms import fitter, leak_rules, provenance


def check_leaks(
    profile: MarketProfile,
    table: FeatureTable,
    log: LogFiles,
    *,
    report_json: Path,
    tell: Callable[[str], None],
) -> None:
    """Train as `train` does without saving, run all checks, and write the report.

    Parameters
    ----------
    log : the log that the features were computed from; without files the checks on the log are not made.
    tell : receives each result as soon as it is available.

    Raises
    ------
    SuspectedLeak
        When a check finds a leak; the report is written by then.
    """
    training, made = profile.models.spec(profile.labels), provenance(profile, table)
    prepared = prepare(table, profile.labels.spec(), training)
    bundles = list(train_detectors(prepared, training, profile.models.model_type, made))
    results = []
    for result in _checks(profile, prepared, bundles, log):
        tell(f"{result.name:<24}{result.verdict:<13}{result.reason}")
        results.append(result)
    document = _document(profile, prepared, bundles, results)
    write_report(report_json, json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")
    tell(f"report                  {report_json}")
    require_clean(results, "no figure of these detectors is to be believed")


def _checks(
    profile: MarketProfile, prepared: Prepared, bundles: Sequence[Bundle], log: LogFiles
) -> Iterator[CheckResult]:
    rules = leak_rules(profile)
    fit = fitter(profile.models.spec(profile.labels), bundles[0].manifest.provenance)
    yield from training_checks(prepared, bundles, fit, rules)
    yield from log_checks(log, prepared.table, rules)
    yield from control_checks(prepared, bundles, fit, rules)


def _document(
    profile: MarketProfile, prepared: Prepared, bundles: Sequence[Bundle], results: Sequence[CheckResult]
) -> dict[str, Any]:
    """Results with the data, configuration and bundles that were checked, for the gate."""
    manifest = bundles[0].manifest
    return {
        "schema_version": 1,
        "tickvol_version": manifest.provenance.code_version,
        "config_hash": manifest.provenance.config_hash,
        "data_fingerprint": manifest.provenance.data_fingerprint,
        "feature_schema_version": manifest.feature_schema_version,
        "feature_spec_fingerprint": manifest.feature_spec.fingerprint(),
        "simulated": prepared.table.simulated,
        "label": msgspec.to_builtins(prepared.label),
        "rules": msgspec.to_builtins(leak_rules(profile)),
        "bundles": {bundle.name: bundle.version for bundle in bundles},
        "clean": not leaks(results),
        "leaks": [result.name for result in leaks(results)],
        "not_checked": [result.name for result in results if result.passed is None],
        "checks": [asdict(result) for result in results],
    }
