"""Section `schedules`: due times of jobs, the features that they use, and the port of the web pages."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import model_validator

from tickvol.settings.cron import parse_cron
from tickvol.settings.fields import Port, Positive, PositiveInt, Section


class SchedulesConfig(Section):
    """Jobs of the scheduler."""

    features: Literal["dataset", "replay"]
    max_age_h: Positive
    retrain_cron: str
    performance_cron: str
    drift_cron: str
    zone: str
    sensor_interval_s: PositiveInt
    home_dir: Path
    port: Port

    @model_validator(mode="after")
    def _check_crons(self) -> "SchedulesConfig":
        for name in ("retrain_cron", "performance_cron", "drift_cron"):
            text = getattr(self, name)
            try:
                if text:
                    parse_cron(text)
            except ValueError as error:
                raise ValueError(f"schedules.{name}: {error}") from None
        return self

    @model_validator(mode="after")
    def _check_time_zone(self) -> "SchedulesConfig":
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"schedules.zone: {self.zone!r}: must be a time zone, such as Europe/Paris") from None
        return self
