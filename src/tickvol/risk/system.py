"""The risk system as it registers with the host programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tickvol.system import JobPlan, Page, System

if TYPE_CHECKING:
    from tickvol.risk.settings import RiskSections
    from tickvol.storage.delta.spec import TableSpec


def _tables() -> "Sequence[TableSpec]":
    from tickvol.risk.tables import RISK_TABLES

    return RISK_TABLES


def _jobs(config: "RiskSections") -> JobPlan:
    from tickvol.risk.jobs import job_plan

    return job_plan(config)


def _pages(config: Any) -> Sequence[Page]:
    from tickvol.risk.pages.registration import risk_pages

    return risk_pages(config, config.dashboard.stale_after_h)


RISK = System(name="risk", tables=_tables, jobs=_jobs, pages=_pages)
