"""Write the star schema from the gold tables."""

import math

from tickvol.risk.figures.calendar import aligned, day_number
from tickvol.risk.figures.hierarchy import Hierarchy, hierarchy
from tickvol.risk.pipeline.context import RunContext
from tickvol.risk.star.build import Star, star_rows
from tickvol.risk.star.store import read_asset_keys, write_star
from tickvol.risk.tables import ANOMALIES, RISK
from tickvol.storage.delta.lake import Lake


def update_star(run: RunContext) -> None:
    """Bring the star schema of `risk.database_url` to the gold tables and log the step."""
    with run.log.step("star") as step:
        star = stored_star(run.lake, run.config.database_url)
        loaded = write_star(star, run.config.database_url)
        step.rows_read = len(star.fact_risk_daily)
        step.rows_written = sum(table.inserted + table.updated + table.deleted for table in loaded.values())
        step.message = f"{len(star.fact_risk_daily):,} facts, {len(star.dim_asset)} assets"


def stored_star(lake: Lake, url: str) -> Star:
    """The star schema of the stored gold tables, with the keys that its database has given."""
    risk, anomalies = lake.table(RISK.name).read(), lake.table(ANOMALIES.name).read()
    return star_rows(risk, anomalies, risk_ranks(lake), read_asset_keys(url))


def risk_ranks(lake: Lake) -> dict[str, int]:
    """Rank of each product by its mean annual volatility, the calmest first; products without one have no rank."""
    return {ranked.name: ranked.rank for ranked in risk_hierarchy(lake).ranking}


def risk_hierarchy(lake: Lake) -> Hierarchy:
    """Order of all products by their mean annual volatility, with 95% intervals of the differences."""
    rows = lake.table(RISK.name).read(columns=["product_id", "day", "vol_30_annual"])
    series = {
        str(product): (day_number(own["day"][0]), own["vol_30_annual"].fill_null(math.nan).to_numpy())
        for (product,), own in rows.group_by("product_id", maintain_order=True)  # a row for each day, in their order
    }
    _, volatilities = aligned(series)
    return hierarchy(volatilities, block_days=90, samples=1000, confidence=0.95, seed=1)
