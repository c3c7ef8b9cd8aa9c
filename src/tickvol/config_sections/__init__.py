"""Sections of the configuration as frozen objects, each with the rules that its values must keep."""

from tickvol.config_sections.fields import PRODUCT_PATTERN, Product
from tickvol.config_sections.learning import (
    EvaluationConfig,
    FoldsConfig,
    LabelsConfig,
    LeakcheckConfig,
    MlflowConfig,
    ModelsConfig,
    PromotionConfig,
    RetrainConfig,
    WalkForwardConfig,
)
from tickvol.config_sections.schedules import SchedulesConfig
from tickvol.config_sections.stream import (
    CandlesConfig,
    FeaturesConfig,
    IngestionConfig,
    KafkaConfig,
    PublishConfig,
    ReconnectConfig,
)
from tickvol.config_sections.watching import AlertsConfig, MonitoringConfig, ScoringConfig, ServingConfig, WebhookConfig

__all__ = [
    "PRODUCT_PATTERN",
    "AlertsConfig",
    "CandlesConfig",
    "EvaluationConfig",
    "FeaturesConfig",
    "FoldsConfig",
    "IngestionConfig",
    "KafkaConfig",
    "LabelsConfig",
    "LeakcheckConfig",
    "MlflowConfig",
    "ModelsConfig",
    "MonitoringConfig",
    "Product",
    "PromotionConfig",
    "PublishConfig",
    "ReconnectConfig",
    "RetrainConfig",
    "SchedulesConfig",
    "ScoringConfig",
    "ServingConfig",
    "WalkForwardConfig",
    "WebhookConfig",
]
