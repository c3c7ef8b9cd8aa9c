"""Section `risk`: products, source, windows and levels of the risk figures, rules, schedule."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from tickvol.settings.cron import parse_cron
from tickvol.settings.fields import NotNegative, Positive, PositiveInt, Product, Products, Section, Share
from tickvol.settings.lake import LakeConfig, RuleConfig

Source = Literal["advanced_trade", "exchange", "simulated"]
PriceRange = tuple[Positive, Positive]


class RiskRequestConfig(Section):
    """Requests to the exchange: pacing, deadline and retries."""

    max_requests_per_s: Positive
    burst: PositiveInt
    timeout_s: Positive
    max_attempts: PositiveInt
    initial_backoff_s: Positive
    max_backoff_s: Positive
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    jitter: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class GarchConfig(Section):
    """GARCH(1,1) forecasts; `refit_days` 0 leaves them out."""

    refit_days: Annotated[int, Field(ge=0)]
    starts: Annotated[int, Field(ge=1, le=16)]


class RiskConfig(Section):
    """Daily market risk."""

    products: Products
    source: Source
    base_url: str
    history_days: Annotated[int, Field(ge=0)]
    window_days: Annotated[int, Field(ge=1, le=299)]
    recheck_days: Annotated[int, Field(ge=0)]
    settle_delay_min: NotNegative
    retry_after_min: NotNegative
    request: RiskRequestConfig
    vol_window_days: Annotated[int, Field(ge=2)]
    year_days: PositiveInt
    min_known_share: Share
    var_level: Share
    var_window_days: Annotated[int, Field(ge=20)]
    ewma_lambda: Share
    ewma_start_days: Annotated[int, Field(ge=2)]
    garch: GarchConfig
    z_window_days: Annotated[int, Field(ge=20)]
    z_threshold: Positive
    correlation_window_days: Annotated[int, Field(ge=3)]
    max_rejected_share: Share
    rules: tuple[RuleConfig, ...]
    price_ranges: dict[Product, PriceRange]
    database_url: str
    export_dir: Path
    cron: str

    @model_validator(mode="after")
    def _check_cron(self) -> "RiskConfig":
        try:
            if self.cron:
                parse_cron(self.cron)
        except ValueError as error:
            raise ValueError(f"risk.cron: {error}") from None
        return self

    @model_validator(mode="after")
    def _check_price_ranges(self) -> "RiskConfig":
        for product, (low, high) in self.price_ranges.items():
            if not low < high:
                raise ValueError(f"risk.price_ranges.{product}: [{low:g}, {high:g}]: the first must be the smaller one")
        return self


class RiskSections(BaseModel):
    """The sections that the risk system reads, its own and shared ones."""

    risk: RiskConfig
    lake: LakeConfig
