"""`tickvol leakcheck`: look for leaks of the future in features, splits, labels and fits."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tickvol.command import add_candles, command_parser, configuration, run_command, write_report
from tickvol.volatility.models.training_spec import ModelType
from tickvol.volatility.workflows.training_rows import add_rows, training_rows

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.leakcheck.result import CheckResult, Fit
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.models.training import Prepared

DESCRIPTION = """Look for leaks of the future (docs/leakcheck.md says what each check finds and what it cannot).

Trains as `tickvol train` does, saving nothing, and checks splits, fits, labels and features; with --data-file also
the log that the features were made of. Writes a JSON document; exit code 1 when any check finds a leak."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol leakcheck`."""
    parser = command_parser("leakcheck", DESCRIPTION)
    add_rows(parser)
    parser.add_argument(
        "--data-file",
        nargs="+",
        type=Path,
        metavar="F",
        help="files or directories of the log; default: none, features are checked by their rows alone",
    )
    parser.add_argument(
        "--sequence",
        choices=("trust", "report"),
        help="whether jumps of bare recordings are loss; default: ingestion.sequence",
    )
    parser.add_argument("--label", choices=("relative", "absolute"), help="what a spike is; default: labels.kind")
    parser.add_argument(
        "--model-type",
        choices=get_args(ModelType),
        help="which models beside the baselines; default: models.model_type",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of training; default: models.seed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="document; default: leakcheck.report_json")
    parser.set_defaults(artifacts_dir=None)  # one of the overrides that training has; nothing is saved here
    add_candles(parser)
    return run_command(parser, _leakcheck, argv)


def _leakcheck(options: argparse.Namespace) -> int:
    from tickvol.apps.train import fitter, overridden, provenance
    from tickvol.volatility.leakcheck.result import require_clean
    from tickvol.volatility.models.training import prepare, train_detectors

    config = overridden(configuration(options), options)
    table = training_rows(config, options)
    training = config.models.spec(config.labels)
    prepared = prepare(table, config.labels.spec(), training)
    made = provenance(config, table)
    bundles = list(train_detectors(prepared, training, config.models.model_type, made))
    results = []
    for result in _checks(options, config, prepared, bundles, fitter(training, made)):
        print(f"{result.name:<24}{result.verdict:<13}{result.reason}", flush=True)
        results.append(result)
    path = options.json or config.leakcheck.report_json
    document = _document(config, prepared, bundles, results)
    write_report(path, json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")
    print(f"report                  {path}")
    require_clean(results, "no figure of these detectors is to be believed")
    return 0


def _checks(
    options: argparse.Namespace, config: "Config", prepared: "Prepared", bundles: "Sequence[Bundle]", fit: "Fit"
) -> "Iterator[CheckResult]":
    """Cheap ones first; each is shown as soon as it is there."""
    from tickvol.apps.train import leak_rules
    from tickvol.volatility.leakcheck.suite import control_checks, training_checks
    from tickvol.volatility.workflows.leakcheck_log import log_checks

    rules = leak_rules(config)
    yield from training_checks(prepared, bundles, fit, rules)
    trust = (options.sequence or config.ingestion.sequence) == "trust"
    yield from log_checks(config, prepared.table, options.data_file, rules, trust_bare=trust)
    yield from control_checks(prepared, bundles, fit, rules)


def _document(
    config: "Config", prepared: "Prepared", bundles: "Sequence[Bundle]", results: "Sequence[CheckResult]"
) -> dict[str, Any]:
    """What a gate has to know: which data, configuration and bundles were checked, and what was found."""
    import msgspec

    from tickvol.apps.train import leak_rules
    from tickvol.volatility.leakcheck.result import leaks

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
        "rules": msgspec.to_builtins(leak_rules(config)),
        "bundles": {bundle.name: bundle.version for bundle in bundles},
        "clean": not leaks(results),
        "leaks": [result.name for result in leaks(results)],
        "not_checked": [result.name for result in results if result.passed is None],
        "checks": [asdict(result) for result in results],
    }
