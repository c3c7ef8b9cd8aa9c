"""Section `ingestion`: feed, raw archive and publishing."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tickvol.settings.fields import PortOrNone, Positive, PositiveInt, Section, TopicName


class ReconnectConfig(Section):
    """Jittered exponential back-off with a cap."""

    initial_backoff_s: Positive
    max_backoff_s: Positive
    multiplier: Annotated[float, Field(ge=1)]
    jitter: Annotated[float, Field(ge=0, le=1)]
    max_connects_per_s: Annotated[int, Field(ge=1, le=8)]


class PublishConfig(Section):
    """Publishing from the archive to Kafka."""

    linger_ms: Annotated[int, Field(ge=0)]
    max_in_flight_records: PositiveInt
    drain_timeout_s: Annotated[float, Field(ge=0)]


class IngestionConfig(Section):
    """Feed, raw archive and publishing."""

    url: Annotated[str, Field(pattern=r"^wss?://")]
    topic: TopicName
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
