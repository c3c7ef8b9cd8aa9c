"""`tickvol train`: every baseline and the models asked for, on the same splits, into bundles and MLflow."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tickvol.command import add_candles, command_parser, configuration, now_iso, run_command
from tickvol.volatility.models.training_spec import ModelType
from tickvol.volatility.workflows.training_rows import add_rows, training_rows

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.leakcheck.result import Fit
    from tickvol.volatility.leakcheck.rules import LeakRules
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.models.manifest import Provenance
    from tickvol.volatility.models.training import Prepared
    from tickvol.volatility.models.training_spec import TrainingSpec
    from tickvol.volatility.schema.feature_table import FeatureTable

DESCRIPTION = """Train and compare all detectors.

The baselines are trained every time; a model counts only by its lead over the best of them. Splits go by time,
thresholds and calibration come from train and validation alone. Bundles go to models/artifacts/<detector>/, the run to
MLflow, where the best on validation becomes the challenger (the first one ever also the champion). Every training is
written to the ledger of trials, failed ones too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol train`."""
    parser = command_parser("train", DESCRIPTION)
    parser.add_argument(
        "--model-type",
        choices=get_args(ModelType),
        help="which models beside the baselines; default: models.model_type",
    )
    add_rows(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="seed of training; default: models.seed")
    parser.add_argument("--label", choices=("relative", "absolute"), help="what a spike is; default: labels.kind")
    parser.add_argument("--artifacts-dir", type=Path, metavar="DIR", help="bundles; default: models.artifacts_dir")
    parser.add_argument("--no-tracking", action="store_true", help="do not log or register anything in MLflow")
    add_candles(parser)
    return run_command(parser, _train, argv)


def _train(options: argparse.Namespace) -> int:
    from tickvol.volatility.leakcheck.result import require_clean
    from tickvol.volatility.leakcheck.suite import training_checks
    from tickvol.volatility.models.candidates import detector_names
    from tickvol.volatility.models.training import best_on_validation, prepare, train_detectors
    from tickvol.volatility.registry.trials import TrialLedger, trial_of
    from tickvol.volatility.workflows.training_run import track

    config = overridden(configuration(options), options)
    artifacts = config.models.artifacts_dir
    table = training_rows(config, options)
    training, made = config.models.spec(config.labels), provenance(config, table)
    about = trial_of("candles" if options.candles else "ticks", config.labels.horizon_s, table)
    names = detector_names(config.models.model_type)
    with TrialLedger(config.mlflow.ledger_dir, clock=now_iso).trial(about, made, names) as trial:
        prepared = prepare(table, config.labels.spec(), training)
        print("\n".join(_about(prepared)))
        bundles = list(train_detectors(prepared, training, config.models.model_type, made))
        trial.ended(bundles)
        checked = training_checks(prepared, bundles, fitter(training, made), leak_rules(config))
        require_clean(checked, "no bundle was saved or registered")
    for bundle in bundles:
        bundle.save(artifacts / bundle.name)
    best = best_on_validation(bundles)
    print("\n".join(comparison(bundles, best)))
    print(f"leaks       none by {', '.join(result.name for result in checked if result.passed)}")
    print(f"bundles     {artifacts}/<detector>")
    if not options.no_tracking:
        print("\n".join(track(config, prepared, bundles, best)))
    return 0


def overridden(config: "Config", options: argparse.Namespace) -> "Config":
    """The configuration as the flags make it, so that its hash is that of what was run."""
    from tickvol.core.errors import UsageError
    from tickvol.volatility.schema.label_spec import LabelKind

    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed: {options.seed}: must be at least 0")
    labels = {"kind": LabelKind(options.label)} if options.label else {}
    models = {"seed": options.seed, "model_type": options.model_type, "artifacts_dir": options.artifacts_dir}
    return config.model_copy(
        update={
            "labels": config.labels.model_copy(update=labels),
            "models": config.models.model_copy(update={k: v for k, v in models.items() if v is not None}),
        }
    )


def leak_rules(config: "Config") -> "LeakRules":
    """What counts as a leak: its own section, the evaluation's highest PR-AUC, the seed of training."""
    return config.leakcheck.rules(max_pr_auc=config.evaluation.max_pr_auc, seed=config.models.seed)


def fitter(training: "TrainingSpec", made: "Provenance") -> "Fit":
    """Trains one detector on whatever rows the checks prepare."""
    from tickvol.volatility.models.training import train_detector

    return lambda name, prepared: train_detector(name, prepared, training, made)


def provenance(config: "Config", table: "FeatureTable") -> "Provenance":
    """Which configuration, program and data a bundle is made by."""
    from tickvol import __version__
    from tickvol.volatility.models.manifest import Provenance
    from tickvol.volatility.schema.feature_table import table_fingerprint

    return Provenance(
        config_hash=config.fingerprint(), code_version=__version__, data_fingerprint=table_fingerprint(table)
    )


def _about(prepared: "Prepared") -> list[str]:
    from datetime import UTC, datetime

    from tickvol.core.times import exact_iso

    def when(time_ns: int) -> str:
        return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}"

    table, split = prepared.table, prepared.split
    limits = prepared.thresholds
    limit = f"{limits.common:.4g} times the typical" if limits.common is not None else str(limits.by_product)
    lines = ["simulated market: these figures say nothing about real markets"] if table.simulated else []
    lines += [
        f"rows        {len(table)} of {', '.join(table.products)}, until {exact_iso(int(table.bar_end_ns.max()))}",
        f"label       {prepared.label.kind}, next {prepared.label.horizon_s} s, spike from {limit} volatility",
        f"cuts        {when(split.train_end_ns)}, {when(split.validation_end_ns)} UTC; {split.purged} rows lost there",
    ]
    return lines + [
        f"{name:<11} {int(rows.sum())} rows, {int(prepared.positive[rows].sum())} spike rows"
        for name, rows in split.parts().items()
    ]


def comparison(bundles: Sequence["Bundle"], best: "Bundle") -> list[str]:
    """The table of all detectors, and in words which is best on validation."""
    metrics = [bundle.manifest.metrics for bundle in bundles]
    shares = {part: metrics[0][part]["prevalence"] or 0.0 for part in ("validation", "test")}
    lines = [
        "",
        f"{'detector':<20}{'':<11}{'validation':>12}{'test':>12}",
        f"{'':<20}{'':<11}{'PR-AUC':>12}{'PR-AUC':>12}",
    ]
    for bundle, of in zip(bundles, metrics, strict=True):
        kind = "baseline" if bundle.manifest.baseline else "model"
        values = "".join(f"{_figure(of[part]['pr_auc']):>12}" for part in shares)
        lines.append(f"{bundle.name:<20}{kind:<11}{values}{'  best on validation' if bundle is best else ''}")
    lines.append(f"{'prevalence':<20}{'no skill':<11}" + "".join(f"{share:>12.4f}" for share in shares.values()))
    if best.manifest.baseline:
        lines.append(f"No model is better on validation than the baseline {best.name}: a baseline is best here.")
    return [*lines, ""]


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
