"""Rules, provenance and overrides shared by training, leak check, studies and promotion."""

from dataclasses import dataclass, replace
from pathlib import Path

from tickvol import __version__
from tickvol.core.errors import UsageError
from tickvol.volatility.evaluation.judge import JudgingRules
from tickvol.volatility.leakcheck.result import Fit
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.models.training import train_detector
from tickvol.volatility.models.training_spec import ModelType, TrainingSpec
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint
from tickvol.volatility.schema.label_spec import LabelKind
from tickvol.volatility.settings.profile import MarketProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Values that override the configuration's; None keeps those."""

    seed: int | None = None
    label: str | None = None
    model_type: ModelType | None = None
    artifacts_dir: Path | None = None


def overridden(profile: MarketProfile, overrides: Overrides) -> MarketProfile:
    """The profile with the overrides applied, so that its hash matches the actual run.

    Raises
    ------
    UsageError
        When the seed is negative.
    """
    if overrides.seed is not None and overrides.seed < 0:
        raise UsageError(f"--seed: {overrides.seed}: must be at least 0")
    labels = {"kind": LabelKind(overrides.label)} if overrides.label else {}
    models = {name: getattr(overrides, name) for name in ("seed", "model_type", "artifacts_dir")}
    return replace(
        profile,
        labels=profile.labels.model_copy(update=labels),
        models=profile.models.model_copy(update={k: v for k, v in models.items() if v is not None}),
    )


def leak_rules(profile: MarketProfile) -> LeakRules:
    """Limits of the leak checks: their own section, the evaluation's highest PR-AUC, the training seed."""
    return profile.leakcheck.rules(max_pr_auc=profile.evaluation.max_pr_auc, seed=profile.models.seed)


def fitter(training: TrainingSpec, made: Provenance) -> Fit:
    """Function that trains one detector on the rows prepared by the checks."""
    return lambda name, prepared: train_detector(name, prepared, training, made)


def provenance(profile: MarketProfile, table: FeatureTable) -> Provenance:
    """Configuration, program and data behind a bundle."""
    return Provenance(
        config_hash=profile.fingerprint(), code_version=__version__, data_fingerprint=table_fingerprint(table)
    )


def judging_rules(profile: MarketProfile, spec: FeatureSpec, horizon_s: int) -> JudgingRules:
    """Evaluation rules for a horizon; the block length is the spec's look-back plus the horizon."""
    chosen = profile.evaluation
    return JudgingRules(
        horizon_s=horizon_s,
        block_s=spec.lookback_s + horizon_s,
        alarm_cooldown_s=chosen.alarm_cooldown_s,
        bootstrap_samples=chosen.bootstrap_samples,
        min_blocks=chosen.min_blocks,
        min_events=chosen.min_events,
        max_pr_auc=chosen.max_pr_auc,
        seed=profile.models.seed,
    )
