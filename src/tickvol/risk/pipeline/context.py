"""What every step of a run works with: the tables, the settings, the log of the run and its clock."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from tickvol.risk.figures.spec import RiskSpec
from tickvol.risk.pipeline.ledger import LedgerRules
from tickvol.risk.settings import RiskConfig
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.run_log import RunLog

SYSTEM = "risk"
GRANULARITY_S = 86_400
FILE, SIMULATED = "file", "simulated"

_NOT_DECISIVE = {"base_url", "request", "cron", "database_url", "export_dir", "window_days", "recheck_days"}


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run at work.

    Attributes
    ----------
    source : origin of the candles that the run fetches.
    now_us : Unix time.
    """

    lake: Lake
    config: RiskConfig
    log: RunLog
    source: str
    now_us: Callable[[], int]

    @property
    def ledger_rules(self) -> LedgerRules:
        """Times by which a day is judged."""
        return LedgerRules(
            settle_delay_us=round(self.config.settle_delay_min * 60e6),
            retry_after_us=round(self.config.retry_after_min * 60e6),
        )


def config_hash(config: RiskConfig) -> str:
    """SHA-256 of the settings that decide the figures, not of those about requests and places."""
    decisive = config.model_dump(mode="json", exclude=_NOT_DECISIVE)
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def risk_spec(config: RiskConfig) -> RiskSpec:
    """Windows and levels of the figures, as configured."""
    return RiskSpec(
        vol_window_days=config.vol_window_days,
        year_days=config.year_days,
        min_known_share=config.min_known_share,
        var_level=config.var_level,
        var_window_days=config.var_window_days,
        ewma_lambda=config.ewma_lambda,
        ewma_start_days=config.ewma_start_days,
        garch_refit_days=config.garch.refit_days,
        garch_starts=config.garch.starts,
        z_window_days=config.z_window_days,
        z_threshold=config.z_threshold,
        correlation_window_days=config.correlation_window_days,
    )
