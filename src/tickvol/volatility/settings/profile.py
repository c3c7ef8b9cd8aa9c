"""The sections read by the volatility system, and the market profile used for learning."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, model_validator

from tickvol.alerts.settings import AlertsConfig
from tickvol.bus.settings import KafkaConfig
from tickvol.capture.settings import IngestionConfig
from tickvol.settings.fields import Products
from tickvol.settings.schedules import SchedulesConfig
from tickvol.settings.serving import ServingConfig
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.settings.learning import (
    EvaluationConfig,
    LabelsConfig,
    LeakcheckConfig,
    ModelsConfig,
    PromotionConfig,
    RetrainConfig,
    WalkForwardConfig,
)
from tickvol.volatility.settings.stream import CandlesConfig, FeaturesConfig, MonitoringConfig, ScoringConfig

Source = Literal["ticks", "candles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketProfile:
    """Market profile for learning: bars and windows, label, rules, and locations of data, bundles and models.

    Attributes
    ----------
    source : the market's data source, ticks or candles.
    spec : bars and windows of its features.
    candle_spec : bars and windows of closed candles, whatever the source.
    """

    source: Source
    spec: FeatureSpec
    candle_spec: FeatureSpec
    dataset_dir: Path
    labels: LabelsConfig
    models: ModelsConfig
    evaluation: EvaluationConfig
    walk_forward: WalkForwardConfig
    leakcheck: LeakcheckConfig
    promotion: PromotionConfig
    mlflow: MlflowConfig
    candles: CandlesConfig

    def fingerprint(self) -> str:
        """SHA-256 over what determines results: features, labels, models and evaluation rules, not file locations."""
        sections: dict[str, BaseModel] = {
            "labels": self.labels,
            "models": self.models,
            "evaluation": self.evaluation,
            "walk_forward": self.walk_forward,
            "candles": self.candles,
        }
        locations = {
            "models": {"artifacts_dir", "model_type"},
            "evaluation": {"report_json", "report_html"},
            "walk_forward": {"report_json", "report_html"},
            "candles": {"dataset_dir", "artifacts_dir"},
        }
        decisive: dict[str, object] = {
            name: section.model_dump(mode="json", exclude=locations.get(name)) for name, section in sections.items()
        }
        decisive["features"] = self.spec.fingerprint()
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


class VolatilityConfig(BaseModel):
    """The sections read by the volatility system, its own and shared ones."""

    products: Products
    kafka: KafkaConfig
    ingestion: IngestionConfig
    features: FeaturesConfig
    candles: CandlesConfig
    labels: LabelsConfig
    models: ModelsConfig
    evaluation: EvaluationConfig
    walk_forward: WalkForwardConfig
    leakcheck: LeakcheckConfig
    mlflow: MlflowConfig
    promotion: PromotionConfig
    retrain: RetrainConfig
    schedules: SchedulesConfig
    serving: ServingConfig
    scoring: ScoringConfig
    monitoring: MonitoringConfig
    alerts: AlertsConfig

    @model_validator(mode="after")
    def _horizon_is_whole_bars(self) -> "VolatilityConfig":
        if self.labels.horizon_s * 1000 % self.features.bar_ms:
            raise ValueError(
                f"labels.horizon_s: {self.labels.horizon_s}:"
                f" must be a multiple of features.bar_ms ({self.features.bar_ms})"
            )
        return self

    def profile(self, source: Source = "ticks") -> MarketProfile:
        """The market of a source: ticks, or closed candles with the bars, windows and horizon of section `candles`."""
        own = self.candles
        ticks = MarketProfile(
            source="ticks",
            spec=self.features.spec(),
            candle_spec=own.spec(),
            dataset_dir=self.features.dataset_dir,
            labels=self.labels,
            models=self.models,
            evaluation=self.evaluation,
            walk_forward=self.walk_forward,
            leakcheck=self.leakcheck,
            promotion=self.promotion,
            mlflow=self.mlflow,
            candles=own,
        )
        if source == "ticks":
            return ticks
        return replace(
            ticks,
            source="candles",
            spec=own.spec(),
            dataset_dir=own.dataset_dir,
            labels=self.labels.model_copy(update={"horizon_s": own.horizon_s}),
            models=self.models.model_copy(update={"artifacts_dir": own.artifacts_dir}),
            evaluation=self.evaluation.model_copy(update={"alarm_cooldown_s": own.alarm_cooldown_s}),
            mlflow=self.mlflow.model_copy(update={"registered_model": f"{self.mlflow.registered_model}-candles"}),
        )
