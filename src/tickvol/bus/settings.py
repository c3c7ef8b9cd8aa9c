"""Section `kafka`: the broker, its security and the settings of topics."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from tickvol.settings.fields import PositiveInt, Section, TopicName


class KafkaConfig(Section):
    """Address and security of the broker, and settings of the topics."""

    bootstrap_servers: Annotated[str, Field(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    sasl_username: str
    sasl_password: SecretStr
    ssl_ca_file: str
    ssl_cert_file: str
    ssl_key_file: str
    request_timeout_ms: PositiveInt
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
