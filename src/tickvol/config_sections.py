"""Sections of the configuration as frozen objects, each with the rules that its values must keep."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from tickvol.core.errors import ConfigError
from tickvol.core.labels import LabelKind, LabelSpec
from tickvol.core.windows import FeatureSpec
from tickvol.models.training_spec import TrainingSpec

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortOrNone = Annotated[int, Field(ge=0, le=65535)]
PRODUCT_PATTERN = r"^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$"
Product = Annotated[str, Field(pattern=PRODUCT_PATTERN)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class KafkaConfig(_Section):
    """Where the broker is, how to speak to it and how the topics are declared."""

    bootstrap_servers: Annotated[str, Field(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    sasl_username: str
    sasl_password: SecretStr
    ssl_ca_file: str
    ssl_cert_file: str
    ssl_key_file: str
    request_timeout_ms: PositiveInt
    topic_ticks: TopicName
    topic_features: TopicName
    topic_deadletter: TopicName
    partitions: PositiveInt
    replication_factor: PositiveInt
    min_insync_replicas: PositiveInt
    retention_ms: Annotated[int, Field(ge=-1)]
    broker_dir: Path

    @model_validator(mode="after")
    def _is_complete(self) -> "KafkaConfig":
        if self.security_protocol.startswith("SASL") and not (self.sasl_mechanism and self.sasl_username):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_mechanism and sasl_username")
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"min_insync_replicas: {self.min_insync_replicas}:"
                f" must not be above replication_factor ({self.replication_factor})"
            )
        return self


class ReconnectConfig(_Section):
    """Jittered exponential back-off with a cap."""

    initial_backoff_s: Positive
    max_backoff_s: Positive
    multiplier: Annotated[float, Field(ge=1)]
    jitter: Annotated[float, Field(ge=0, le=1)]
    max_connects_per_s: Annotated[int, Field(ge=1, le=8)]


class PublishConfig(_Section):
    """From the archive to Kafka."""

    linger_ms: Annotated[int, Field(ge=0)]
    max_in_flight_records: PositiveInt
    drain_timeout_s: Annotated[float, Field(ge=0)]


class IngestionConfig(_Section):
    """Feed, raw archive and publishing."""

    url: Annotated[str, Field(pattern=r"^wss?://")]
    sink: Literal["file", "kafka", "both"]
    raw_dir: Path
    format: Literal["ndjson"]
    raw_keep_days: PositiveInt
    min_free_disk_mb: PositiveInt
    feed_silence_s: Positive
    subscribe_timeout_s: Annotated[float, Field(gt=0, le=5)]
    max_message_bytes: PositiveInt
    max_line_bytes: PositiveInt
    max_ahead_s: Positive
    sequence: Literal["report", "trust"]
    metrics_port: PortOrNone
    publish: PublishConfig
    reconnect: ReconnectConfig


class FeaturesConfig(_Section):
    """The feature engine, its source and its dataset."""

    source: Literal["kafka", "archive"]
    group_id: Annotated[str, Field(min_length=1)]
    instance_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,64}$")]
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
    ewma_half_life_s: float
    duplicate_memory_s: int

    @model_validator(mode="after")
    def _spec_holds(self) -> "FeaturesConfig":
        try:
            self.spec()
        except ConfigError as error:
            raise ValueError("\n".join(error.problems)) from None
        return self

    def spec(self) -> FeatureSpec:
        """The pure part, as the engine takes it."""
        return FeatureSpec(**{name: getattr(self, name) for name in FeatureSpec.__struct_fields__})


class LabelsConfig(_Section):
    """What counts as a spike."""

    kind: LabelKind
    horizon_s: PositiveInt
    quantile: Share
    min_positives: PositiveInt

    def spec(self) -> LabelSpec:
        """The pure part, as labels and models take it."""
        return LabelSpec(kind=self.kind, horizon_s=self.horizon_s, quantile=self.quantile)


class ModelsConfig(_Section):
    """Training."""

    artifacts_dir: Path
    model_type: Literal["logistic", "xgboost", "all"]
    seed: Annotated[int, Field(ge=0)]
    train_share: Share
    validation_share: Share
    calibration: Literal["platt", "isotonic"]
    watch_share: Share
    logistic_c: Positive
    xgboost_max_depth: PositiveInt
    xgboost_learning_rate: Positive
    xgboost_max_rounds: PositiveInt
    xgboost_early_stopping_rounds: PositiveInt

    @model_validator(mode="after")
    def _test_share_is_left(self) -> "ModelsConfig":
        if self.train_share + self.validation_share >= 1:
            raise ValueError("train_share + validation_share must be below 1, or no rows are left for the test")
        return self

    def spec(self, labels: LabelsConfig) -> TrainingSpec:
        """The pure part, as training takes it."""
        own = [name for name in TrainingSpec.__struct_fields__ if name in type(self).model_fields]
        return TrainingSpec(min_positives=labels.min_positives, **{name: getattr(self, name) for name in own})


class EvaluationConfig(_Section):
    """How detectors are judged."""

    report_json: Path
    report_html: Path
    alarm_cooldown_s: Annotated[int, Field(ge=0)]
    bootstrap_samples: PositiveInt
    min_blocks: PositiveInt
    min_events: PositiveInt
    max_pr_auc: Share


class MlflowConfig(_Section):
    """Experiment tracking."""

    tracking_uri: str
    artifacts_dir: Path
    experiment: str
    registered_model: str
    request_timeout_s: PositiveInt
    request_max_retries: Annotated[int, Field(ge=0)]
    port: Port

    @model_validator(mode="after")
    def _gives_up_soon(self) -> "MlflowConfig":
        longest_s = self.request_timeout_s * (self.request_max_retries + 1)
        if longest_s >= 10:
            raise ValueError(f"request_timeout_s * (request_max_retries + 1) is {longest_s}: must be below 10")
        return self


class ServingConfig(_Section):
    """The HTTP service."""

    host: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+$")]
    port: Port
    bundle_dir: str
    state_dir: Path
    timeout_s: PositiveInt
    max_body_bytes: PositiveInt
    max_frames: PositiveInt
    max_rows: PositiveInt
    max_backtest_rows: PositiveInt
    robust_z_threshold: Positive
    vol_zscore_threshold: Positive


class MonitoringConfig(_Section):
    """Drift reports."""

    report_dir: Path
    drift_method: Literal["wasserstein", "jensenshannon", "kl_div", "psi", "ks"]
    drift_threshold: Positive
    drift_share: Share
    min_rows: PositiveInt
    max_rows: PositiveInt
