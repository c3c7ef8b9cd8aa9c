"""`tickvol train`: every baseline and the models asked for, on the same splits, into bundles and MLflow."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.apps.command import command_parser, run_command

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.core.feature_table import FeatureTable
    from tickvol.models.bundle import Bundle
    from tickvol.models.manifest import Provenance
    from tickvol.models.training import Prepared

DESCRIPTION = """Train and compare all detectors.

The five baselines are trained every time; a model counts only by its lead over the best of them. Splits go by time,
thresholds and calibration come from train and validation alone. Bundles go to models/artifacts/<detector>/, the run to
MLflow, where the best on validation becomes the challenger (the first one ever also the champion)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol train`."""
    parser = command_parser("train", DESCRIPTION)
    parser.add_argument(
        "--model-type",
        choices=("logistic", "xgboost", "all"),
        help="which models beside the baselines; default: models.model_type",
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; default: features.dataset_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="use only these; default: all of the dataset")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of training; default: models.seed")
    parser.add_argument("--label", choices=("relative", "absolute"), help="what a spike is; default: labels.kind")
    parser.add_argument("--artifacts-dir", type=Path, metavar="DIR", help="bundles; default: models.artifacts_dir")
    parser.add_argument("--no-tracking", action="store_true", help="do not log or register anything in MLflow")
    return run_command(parser, _train, argv)


def _train(options: argparse.Namespace) -> int:
    from tickvol.apps.training_run import track
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.models.training import best_on_validation, prepare, train_detectors
    from tickvol.storage.dataset import read_features

    config = _overridden(load_config(options.config), options)
    if options.seed is not None and options.seed < 0:
        raise UsageError(f"--seed: {options.seed}: must be at least 0")
    artifacts = config.models.artifacts_dir
    table = read_features(options.features or config.features.dataset_dir, products=options.products)
    training = config.models.spec(config.labels)
    prepared = prepare(table, config.labels.spec(), training)
    print("\n".join(_about(prepared)))
    bundles = []
    for bundle in train_detectors(prepared, training, config.models.model_type, _provenance(config, table)):
        bundle.save(artifacts / bundle.name)
        bundles.append(bundle)
    best = best_on_validation(bundles)
    print("\n".join(comparison(bundles, best)))
    print(f"bundles     {artifacts}/<detector>")
    if not options.no_tracking:
        print("\n".join(track(config, prepared, bundles, best)))
    return 0


def _overridden(config: "Config", options: argparse.Namespace) -> "Config":
    """The configuration as the flags make it, so that its hash is that of what was run."""
    from tickvol.core.labels import LabelKind

    labels = {"kind": LabelKind(options.label)} if options.label else {}
    models = {"seed": options.seed, "model_type": options.model_type, "artifacts_dir": options.artifacts_dir}
    return config.model_copy(
        update={
            "labels": config.labels.model_copy(update=labels),
            "models": config.models.model_copy(update={k: v for k, v in models.items() if v is not None}),
        }
    )


def _provenance(config: "Config", table: "FeatureTable") -> "Provenance":
    from tickvol import __version__
    from tickvol.core.feature_table import table_fingerprint
    from tickvol.models.manifest import Provenance

    return Provenance(
        config_hash=config.fingerprint(), code_version=__version__, data_fingerprint=table_fingerprint(table)
    )


def _about(prepared: "Prepared") -> list[str]:
    from datetime import UTC, datetime

    def when(time_ns: int) -> str:
        return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}"

    table, split = prepared.table, prepared.split
    limits = prepared.thresholds
    limit = f"{limits.common:.4g} times the typical" if limits.common is not None else str(limits.by_product)
    lines = ["simulated market: these figures say nothing about real markets"] if table.simulated else []
    lines += [
        f"rows        {len(table)} of {', '.join(table.products)}",
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
