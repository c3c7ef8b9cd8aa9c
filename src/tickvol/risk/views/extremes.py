"""Extreme days: the largest robust z-scores, and the worst daily loss of each product."""

import polars as pl

from tickvol.risk.tables import ANOMALIES, RISK
from tickvol.risk.views.figures import products_of
from tickvol.risk.views.view import View, number, percent, price, table_lines
from tickvol.storage.delta.lake import Lake


def shocks(lake: Lake, top: int, product: str | None = None) -> View:
    """Days with the largest trailing |z|, the largest first."""
    names = products_of(lake, product)
    rows = lake.table(ANOMALIES.name).read(where=pl.col("product_id").is_in(names)).drop_nulls("z_trailing")
    wanted = ["product_id", "day", "log_return", "z_trailing", "z_full", "is_anomaly", "direction", "severity"]
    largest = rows.sort(pl.col("z_trailing").abs(), descending=True).head(top).select(wanted)
    lines = table_lines(
        ["day", "asset", "log return", "z", "z of all days", "", ""],
        [
            [
                row["day"],
                row["product_id"],
                percent(row["log_return"]),
                number(row["z_trailing"], 1),
                number(row["z_full"], 1),
                row["direction"] or "no anomaly",
                row["severity"] or "",
            ]
            for row in largest.iter_rows(named=True)
        ],
    )
    return View(largest.to_dicts(), tuple(lines))


def worst(lake: Lake, product: str | None = None) -> View:
    """Worst daily loss of each product, with its day."""
    names = products_of(lake, product)
    rows = lake.table(RISK.name).read(
        where=pl.col("product_id").is_in(names), columns=["product_id", "day", "simple_return", "close"]
    )
    lowest = (
        rows.drop_nulls("simple_return")
        .sort("simple_return", "day")
        .unique("product_id", keep="first", maintain_order=True)
        .sort("simple_return")
    )
    lines = table_lines(
        ["asset", "worst day", "loss", "close"],
        [
            [row["product_id"], row["day"], percent(row["simple_return"]), price(row["close"])]
            for row in lowest.iter_rows(named=True)
        ],
    )
    return View(lowest.to_dicts(), tuple(lines))
