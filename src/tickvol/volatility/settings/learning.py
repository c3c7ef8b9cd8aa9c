"""Learning sections: labels, models, folds, leak check, promotion, retraining."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from tickvol.core.times import NS_PER_S
from tickvol.settings.fields import NotNegative, Positive, PositiveInt, Section, Share
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.models.fold_rules import FoldRules
from tickvol.volatility.models.input_groups import GROUPS
from tickvol.volatility.models.training_spec import CalibrationChoice, ModelType, TrainingSpec
from tickvol.volatility.promotion.retraining import RetrainRules
from tickvol.volatility.promotion.rules import PromotionRules
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec


class LabelsConfig(Section):
    """Definition of a spike."""

    kind: LabelKind
    horizon_s: PositiveInt
    quantile: Share
    min_positives: PositiveInt

    def spec(self) -> LabelSpec:
        """The `LabelSpec` for labels and models."""
        return LabelSpec(kind=self.kind, horizon_s=self.horizon_s, quantile=self.quantile)


class ModelsConfig(Section):
    """Training of detectors."""

    artifacts_dir: Path
    model_type: ModelType
    seed: Annotated[int, Field(ge=0)]
    train_share: Share
    validation_share: Share
    calibration: CalibrationChoice
    watch_share: Share
    leave_out: tuple[Literal[tuple(GROUPS)], ...]  # type: ignore[valid-type]
    logistic_c: Positive
    forecast_ridge: Positive
    season_ridge: Positive
    forecast_max_depth: PositiveInt
    forecast_min_child_weight: Positive
    xgboost_max_depth: PositiveInt
    xgboost_min_child_weight: Positive
    xgboost_row_share: Annotated[float, Field(gt=0, le=1)]
    xgboost_column_share: Annotated[float, Field(gt=0, le=1)]
    xgboost_learning_rate: Positive
    xgboost_max_rounds: PositiveInt
    xgboost_early_stopping_rounds: PositiveInt

    @property
    def usual_bundle(self) -> Path:
        """Path of the bundle that commands use by default."""
        return self.artifacts_dir / ("forecast" if self.model_type == "all" else self.model_type)

    @model_validator(mode="after")
    def _test_share_is_left(self) -> "ModelsConfig":
        if self.train_share + self.validation_share >= 1:
            raise ValueError("train_share + validation_share must be below 1, or no rows are left for the test")
        return self

    def spec(self, labels: LabelsConfig, *, calibration: CalibrationChoice | None = None) -> TrainingSpec:
        """The `TrainingSpec` for training, with another calibration if given."""
        own = {n: getattr(self, n) for n in TrainingSpec.__struct_fields__ if n in type(self).model_fields}
        own |= {"calibration": calibration or self.calibration}
        return TrainingSpec(min_positives=labels.min_positives, **own)


class EvaluationConfig(Section):
    """Evaluation of detectors."""

    report_json: Path
    report_html: Path
    alarm_cooldown_s: Annotated[int, Field(ge=0)]
    bootstrap_samples: PositiveInt
    min_blocks: PositiveInt
    min_events: PositiveInt
    max_pr_auc: Share


class FoldsConfig(Section):
    """Cut times of one source's folds, and its acceptable false-alarm rates."""

    folds: Annotated[int, Field(ge=2)]
    first_share: Share
    sealed_from: AwareDatetime
    false_alarms_per_hour: Annotated[tuple[Positive, ...], Field(min_length=1)]


class WalkForwardConfig(Section):
    """Candidates compared over folds, and the sealed block."""

    report_json: Path
    report_html: Path
    horizons_s: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    validation_share: Share
    calibration: CalibrationChoice
    conformal_alpha: Share
    conformal_step: Share
    ticks: FoldsConfig
    candles: FoldsConfig

    def rules(self, source: Literal["ticks", "candles"]) -> FoldRules:
        """The `FoldRules` by which folds are cut."""
        chosen: FoldsConfig = getattr(self, source)
        return FoldRules(
            folds=chosen.folds,
            first_share=chosen.first_share,
            validation_share=self.validation_share,
            sealed_from_ns=int(chosen.sealed_from.timestamp()) * NS_PER_S,
        )


class LeakcheckConfig(Section):
    """Limits of the leak checks."""

    report_json: Path
    log_cuts: PositiveInt
    permutations: Annotated[int, Field(ge=2)]
    max_shuffled_skill: Share
    max_shuffled_t: Positive
    max_foresight: Share
    min_events: PositiveInt
    min_bars: PositiveInt
    duplicate_tolerance: Annotated[float, Field(ge=0, lt=1)]

    def rules(self, *, max_pr_auc: float, seed: int) -> LeakRules:
        """The `LeakRules` for the checks."""
        own = [name for name in LeakRules.__struct_fields__ if name in type(self).model_fields]
        return LeakRules(max_pr_auc=max_pr_auc, seed=seed, **{name: getattr(self, name) for name in own})


class PromotionConfig(Section):
    """Gates between challenger and champion."""

    champion_tolerance: NotNegative
    regime_tolerance: NotNegative
    min_regimes: Annotated[int, Field(ge=1, le=3)]
    calibration_tolerance: NotNegative
    max_p99_us: Positive
    min_days: PositiveInt

    def rules(self, evaluation: EvaluationConfig) -> PromotionRules:
        """The `PromotionRules` for the gates."""
        own = self.model_dump()
        return PromotionRules(max_pr_auc=evaluation.max_pr_auc, **own)


class RetrainConfig(Section):
    """Conditions for retraining."""

    interval_h: Positive
    cooldown_h: Positive
    drift_on_share: Annotated[float, Field(gt=0, le=1)]
    drift_off_share: Annotated[float, Field(gt=0, le=1)]
    drift_reports: Annotated[int, Field(ge=2)]
    drift_apart_s: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _off_is_below_on(self) -> "RetrainConfig":
        if self.drift_off_share > self.drift_on_share:
            raise ValueError(
                f"retrain.drift_off_share: {self.drift_off_share}:"
                f" must not be above drift_on_share ({self.drift_on_share})"
            )
        if self.cooldown_h > self.interval_h:
            raise ValueError(f"retrain.cooldown_h: {self.cooldown_h}: must not be above interval_h ({self.interval_h})")
        return self

    def rules(self) -> RetrainRules:
        """The `RetrainRules` for the decision."""
        hour_ns = 3600 * NS_PER_S
        return RetrainRules(
            interval_ns=round(self.interval_h * hour_ns),
            cooldown_ns=round(self.cooldown_h * hour_ns),
            on_share=self.drift_on_share,
            off_share=self.drift_off_share,
            reports=self.drift_reports,
        )
