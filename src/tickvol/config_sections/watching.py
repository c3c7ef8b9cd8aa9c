"""Sections of serving and watching: HTTP, drift, alerts."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, model_validator

from tickvol.alerts.notifications import Severity
from tickvol.alerts.quiet_hours import QuietHours
from tickvol.config_sections.fields import (
    InstanceId,
    Port,
    PortOrNone,
    Positive,
    PositiveInt,
    Section,
    Share,
)


class ServingConfig(Section):
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


class ScoringConfig(Section):
    """The live scorer and the report of its performance."""

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
    """Drift reports and what of them is an alarm."""

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
    def _deals_can_be_rare(self) -> "MonitoringConfig":
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


class WebhookConfig(Section):
    """Where alerts are posted; neither the secret nor the rest of the address is ever shown."""

    url: SecretStr
    secret: SecretStr
    timeout_s: Positive
    max_attempts: PositiveInt
    initial_backoff_s: Positive
    max_backoff_s: Positive
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    jitter: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _url_is_one(self) -> "WebhookConfig":
        url = self.url.get_secret_value()
        try:
            holds = re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(/[\x21-\x7e]*)?", url) and urlsplit(url).port != 0
        except ValueError:
            holds = False
        if url and not holds:
            raise ValueError(
                "alerts.webhook.url: (not shown): must be like https://host/path, without user, password and blanks"
            )
        return self


class AlertsConfig(Section):
    """When alerts are sent again, where they go, and at which hours they wait."""

    ledger: Path
    file: Path
    repeat_after_s: PositiveInt
    topic_severities: frozenset[Severity]
    file_severities: frozenset[Severity]
    webhook_severities: frozenset[Severity]
    quiet_sinks: frozenset[Literal["topic", "file", "webhook"]]
    quiet_info: str
    quiet_warning: str
    quiet_zone: str
    webhook: WebhookConfig

    @model_validator(mode="after")
    def _hours_hold(self) -> "AlertsConfig":
        self.quiet_hours()
        return self

    def quiet_hours(self) -> Mapping[Severity, QuietHours]:
        """Hours in which a severity waits in the quiet sinks; `critical` has none."""
        try:
            zone = ZoneInfo(self.quiet_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"alerts.quiet_zone: {self.quiet_zone!r}: must be a time zone, such as Europe/Paris"
            ) from None
        given = {Severity.INFO: self.quiet_info, Severity.WARNING: self.quiet_warning}
        found: dict[Severity, QuietHours] = {}
        for severity, text in given.items():
            try:
                found |= {severity: QuietHours.parse(text, zone)} if text else {}
            except ValueError as error:
                raise ValueError(f"alerts.quiet_{severity}: {error}") from None
        return found
