"""Extreme days: the largest robust z-scores, and the worst daily loss of each product."""

from collections.abc import Sequence

import polars as pl

from tickvol.risk.tables import ANOMALIES, RISK
from tickvol.risk.views.figures import products_of
from tickvol.risk.views.view import View, counted, number, percent, price, table_lines
from tickvol.risk.views.words import Z_NOTE
from tickvol.storage.delta.lake import Lake


def shocks(lake: Lake, top: int, products: Sequence[str] | None = None) -> View:
    """Days with the largest trailing |z|, the largest first; of equal ones the newest."""
    names = products_of(lake, products)
    rows = lake.table(ANOMALIES.name).read(where=pl.col("product_id").is_in(names))
    scored = rows.drop_nulls("z_trailing")
    wanted = ["product_id", "day", "log_return", "z_trailing", "z_full", "is_anomaly", "direction", "severity"]
    by_size = [pl.col("z_trailing").abs(), pl.col("day"), pl.col("product_id")]
    largest = scored.sort(by_size, descending=[True, True, False]).head(top).select(wanted)
    if largest.is_empty():
        needed = "a z needs most of the 365 days before it"
        return View([], (f"no day has a z yet: {counted(len(rows), 'day')} stored, {needed}",))
    lines = table_lines(
        ["day", "asset", "log return", "z", "z of all days", "direction", "severity"],
        [
            [
                row["day"],
                row["product_id"],
                percent(row["log_return"]),
                number(row["z_trailing"], 1),
                number(row["z_full"], 1),
                "up" if row["log_return"] > 0 else "down",
                row["severity"] or "no anomaly",
            ]
            for row in largest.iter_rows(named=True)
        ],
    )
    note = f"{Z_NOTE} z of all days changes as days are added."
    return View(largest.to_dicts(), (*lines, "", note))


def worst(lake: Lake, products: Sequence[str] | None = None) -> View:
    """Worst daily loss of each product, with its day; the worst first."""
    names = products_of(lake, products)
    rows = lake.table(RISK.name).read(
        where=pl.col("product_id").is_in(names), columns=["product_id", "day", "simple_return", "close"]
    )
    known = rows.drop_nulls("simple_return")
    lowest = (
        known.with_columns(days=pl.len().over("product_id"))
        .sort("simple_return", "day")
        .unique("product_id", keep="first", maintain_order=True)
        .select(*rows.columns, "days")
    )
    if lowest.is_empty():
        return View([], ("no return is known yet: one needs two days in a row",))
    lines = table_lines(
        ["asset", "worst day", "loss", "close", "quoted in", "returns known"],
        [
            [
                row["product_id"],
                row["day"],
                percent(row["simple_return"]),
                price(row["close"]),
                row["product_id"].partition("-")[2],
                f"{row['days']:,}",
            ]
            for row in lowest.iter_rows(named=True)
        ],
    )
    return View(lowest.to_dicts(), tuple(lines))
