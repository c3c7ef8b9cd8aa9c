"""Section `alerts`: sinks, severities, quiet hours and the webhook."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, model_validator

from tickvol.alerts.notifications import Severity
from tickvol.alerts.quiet_hours import QuietHours
from tickvol.settings.fields import Positive, PositiveInt, Section, TopicName


class WebhookConfig(Section):
    """Webhook URL, secret and retries; neither the secret nor the URL beyond its host is ever shown."""

    url: SecretStr
    secret: SecretStr
    timeout_s: Positive
    max_attempts: PositiveInt
    initial_backoff_s: Positive
    max_backoff_s: Positive
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    jitter: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _check_url(self) -> "WebhookConfig":
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
    """Repetition, sinks and quiet hours of alerts."""

    topic: TopicName
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
    def _check_hours(self) -> "AlertsConfig":
        self.quiet_hours()
        return self

    def quiet_hours(self) -> Mapping[Severity, QuietHours]:
        """Quiet hours by severity, for the quiet sinks; `critical` has none."""
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
