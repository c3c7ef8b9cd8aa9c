"""Training of all detectors on the same splits: bundles, trial ledger, leak checks, MLflow."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tickvol.core.times import exact_iso, now_iso
from tickvol.volatility.leakcheck.result import require_clean
from tickvol.volatility.leakcheck.suite import training_checks
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.candidates import detector_names
from tickvol.volatility.models.training import Prepared, best_on_validation, prepare, train_detectors
from tickvol.volatility.registry.trials import TrialLedger, trial_of
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.settings.profile import MarketProfile
from tickvol.volatility.workflows.terms import fitter, leak_rules, provenance


def train(profile: MarketProfile, table: FeatureTable, *, track: bool, tell: Callable[[str], None]) -> Bundle:
    """Train every baseline and the models of the profile, save their bundles, and log the run.

    Parameters
    ----------
    track : True to log and register the run in MLflow.
    tell : receives the report, one line at a time.

    Returns
    -------
    Bundle
        The best one on validation.

    Raises
    ------
    NotEnoughData
        When a split has too few rows or spikes.
    SuspectedLeak
        When a check finds a leak; nothing is saved or registered then.
    TrackingUnavailable
        When MLflow cannot be reached; the bundles are saved by then.
    """
    training, made = profile.models.spec(profile.labels), provenance(profile, table)
    about = trial_of(profile.source, profile.labels.horizon_s, table)
    names = detector_names(profile.models.model_type)
    with TrialLedger(profile.mlflow.ledger_dir, clock=now_iso).trial(about, made, names) as trial:
        prepared = prepare(table, profile.labels.spec(), training)
        for line in _about(prepared):
            tell(line)
        bundles = list(train_detectors(prepared, training, profile.models.model_type, made))
        trial.ended(bundles)
        checked = training_checks(prepared, bundles, fitter(training, made), leak_rules(profile))
        require_clean(checked, "no bundle was saved or registered")
    artifacts = profile.models.artifacts_dir
    for bundle in bundles:
        bundle.save(artifacts / bundle.name)
    best = best_on_validation(bundles)
    for line in comparison(bundles, best):
        tell(line)
    tell(f"leaks       none by {', '.join(result.name for result in checked if result.passed)}")
    tell(f"bundles     {artifacts}/<detector>")
    if track:
        from tickvol.volatility.workflows.training_run import log_run  # imports MLflow and matplotlib

        for line in log_run(profile, prepared, bundles, best):
            tell(line)
    return best


def _about(prepared: Prepared) -> list[str]:
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


def comparison(bundles: Sequence[Bundle], best: Bundle) -> list[str]:
    """Table of all detectors, and in words the best one on validation."""
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
