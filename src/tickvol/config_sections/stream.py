"""Sections of the stream: broker, capture, features of ticks and of candles."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from tickvol.config_sections.fields import InstanceId, PortOrNone, Positive, PositiveInt, Section, TopicName
from tickvol.core.errors import ConfigError
from tickvol.volatility.schema.feature_spec import FeatureSpec


class KafkaConfig(Section):
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
    topic_predictions: TopicName
    topic_outcomes: TopicName
    topic_deadletter: TopicName
    topic_alerts: TopicName
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


class ReconnectConfig(Section):
    """Jittered exponential back-off with a cap."""

    initial_backoff_s: Positive
    max_backoff_s: Positive
    multiplier: Annotated[float, Field(ge=1)]
    jitter: Annotated[float, Field(ge=0, le=1)]
    max_connects_per_s: Annotated[int, Field(ge=1, le=8)]


class PublishConfig(Section):
    """From the archive to Kafka."""

    linger_ms: Annotated[int, Field(ge=0)]
    max_in_flight_records: PositiveInt
    drain_timeout_s: Annotated[float, Field(ge=0)]


class IngestionConfig(Section):
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


class FeaturesConfig(Section):
    """The feature engine, its source and its dataset."""

    source: Literal["kafka", "archive"]
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
        """The pure part, as the engine takes it."""
        return FeatureSpec(**{name: getattr(self, name) for name in FeatureSpec.__struct_fields__})


class CandlesConfig(Section):
    """Closed candles in the place of ticks: their bars, windows, horizon and dataset."""

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
        """As the engine takes it; a closed candle needs no grace and nothing is carried."""
        own = ("bar_ms", "windows_s", "reference_window_s", "half_lives_s", "min_coverage")
        return FeatureSpec(
            grace_ms=0,
            max_carry_s=0,
            max_silence_s=1,
            duplicate_memory_s=0,
            **{name: getattr(self, name) for name in own},
        )
