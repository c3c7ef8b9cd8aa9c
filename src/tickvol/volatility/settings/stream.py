"""Stream sections: features of ticks and of candles, scoring, drift."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tickvol.alerts.notifications import Severity
from tickvol.core.errors import ConfigError
from tickvol.settings.fields import InstanceId, PortOrNone, Positive, PositiveInt, Section, Share, TopicName
from tickvol.volatility.schema.feature_spec import FeatureSpec


class FeaturesConfig(Section):
    """The feature engine, its source and its dataset."""

    source: Literal["kafka", "archive"]
    topic: TopicName
    group_id: Annotated[str, Field(min_length=1)]
    instance_id: InstanceId
    session_timeout_ms: Annotated[int, Field(ge=6000)]
    transaction_interval_ms: Annotated[int, Field(ge=0)]
    max_poll_records: PositiveInt
    metrics_port: PortOrNone
    dataset_dir: Path
    flush_interval_s: Annotated[float, Field(gt=0, le=60)]
    batch_size: PositiveInt
    bar_ms: int
    grace_ms: int
    max_carry_s: int
    max_silence_s: int
    windows_s: tuple[int, ...]
    reference_window_s: int
    min_coverage: float
    half_lives_s: tuple[int, ...]
    duplicate_memory_s: int

    @model_validator(mode="after")
    def _spec_holds(self) -> "FeaturesConfig":
        try:
            self.spec()
        except ConfigError as error:
            raise ValueError("\n".join(error.problems)) from None
        return self

    def spec(self) -> FeatureSpec:
        """The `FeatureSpec` for the engine."""
        return FeatureSpec(**{name: getattr(self, name) for name in FeatureSpec.__struct_fields__})


class CandlesConfig(Section):
    """Closed candles instead of ticks: their bars, windows, horizon and dataset."""

    dataset_dir: Path
    artifacts_dir: Path
    bar_ms: Annotated[int, Field(ge=60_000)]
    windows_s: tuple[int, ...]
    reference_window_s: int
    half_lives_s: tuple[int, ...]
    min_coverage: float
    horizon_s: PositiveInt
    alarm_cooldown_s: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _spec_holds(self) -> "CandlesConfig":
        try:
            self.spec()
        except ConfigError as error:
            raise ValueError("\n".join(line.replace("features.", "candles.") for line in error.problems)) from None
        if self.horizon_s * 1000 % self.bar_ms:
            raise ValueError(
                f"candles.horizon_s: {self.horizon_s}: must be a multiple of candles.bar_ms ({self.bar_ms})"
            )
        return self

    def spec(self) -> FeatureSpec:
        """The `FeatureSpec` for the engine; closed candles need no grace and nothing is carried forward."""
        own = ("bar_ms", "windows_s", "reference_window_s", "half_lives_s", "min_coverage")
        return FeatureSpec(
            grace_ms=0,
            max_carry_s=0,
            max_silence_s=1,
            duplicate_memory_s=0,
            **{name: getattr(self, name) for name in own},
        )


class ScoringConfig(Section):
    """The live scorer and its performance report."""

    topic_predictions: TopicName
    topic_outcomes: TopicName
    group_id: Annotated[str, Field(min_length=1)]
    instance_id: InstanceId
    session_timeout_ms: Annotated[int, Field(ge=6000)]
    transaction_interval_ms: Annotated[int, Field(ge=0)]
    max_poll_records: PositiveInt
    reload_interval_s: Positive
    metrics_port: PortOrNone
    window_hours: Positive
    report_json: Path


class MonitoringConfig(Section):
    """Drift reports and their alarm levels."""

    report_dir: Path
    drift_method: Literal["wasserstein", "jensenshannon", "kl_div", "psi", "ks"]
    drift_threshold: Positive
    drift_share: Share
    min_rows: PositiveInt
    max_rows: PositiveInt
    recent_s: PositiveInt
    reference_days: PositiveInt
    block_s: PositiveInt
    min_blocks: Annotated[int, Field(ge=2)]
    input_rows: PositiveInt
    input_raise_distance: Positive
    input_clear_distance: Positive
    input_significance: Share
    input_permutations: Annotated[int, Field(ge=20)]
    min_importance: Share
    input_severity: Severity
    classifier_folds: Annotated[int, Field(ge=2)]
    classifier_c: Positive
    classifier_samples: PositiveInt
    performance_raise_share: Annotated[float, Field(allow_inf_nan=False)]
    performance_clear_share: Annotated[float, Field(allow_inf_nan=False)]
    performance_severity: Severity

    @model_validator(mode="after")
    def _permutations_suffice(self) -> "MonitoringConfig":
        needed = 1.0 / (self.input_significance * self.min_importance)
        if self.input_permutations < needed:
            raise ValueError(
                f"monitoring.input_permutations: {self.input_permutations}: must be at least {math.ceil(needed)},"
                " 1 / (input_significance * min_importance), or no move could ever be significant"
            )
        return self

    @model_validator(mode="after")
    def _levels_are_in_order(self) -> "MonitoringConfig":
        for clear, above in (
            ("input_clear_distance", "input_raise_distance"),
            ("performance_clear_share", "performance_raise_share"),
        ):
            if getattr(self, clear) > getattr(self, above):
                raise ValueError(
                    f"monitoring.{clear}: {getattr(self, clear)}:"
                    f" must not be above monitoring.{above} ({getattr(self, above)})"
                )
        return self
