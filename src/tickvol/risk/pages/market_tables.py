"""Tables of the page of market risk: VaR methods, the last anomalies, and all products by their risk."""

import math
from collections.abc import Sequence

import polars as pl
from dash.development.base_component import Component

from tickvol.pages.numbers import count, decimal, p_value, percent
from tickvol.pages.panels import panel
from tickvol.pages.states import unknown
from tickvol.pages.tables import Cell, Head, table
from tickvol.risk.pages.market_data import METHODS, MarketRisk, mean_of
from tickvol.risk.pages.market_tiles import VERDICTS, light
from tickvol.risk.pages.readings import Clock
from tickvol.risk.pages.return_charts import anomaly_table, marked_anomalies

_LAST_ANOMALIES = 10


def method_panel(data: MarketRisk, clock: Clock) -> Component:
    """Backtest of the VaR methods."""
    title = "Backtest of value at risk"
    if data.backtest.missing:
        return panel(title, "", state=data.backtest.missing)
    day = str(data.backtest.rows["as_of_day"].max())
    summary = (
        f"All days up to {day} (UTC) with a forecast made from the days before. Kupiec tests the number of exceptions, "
        "Christoffersen their independence; a p-value below 0.05 speaks against the method."
    )
    heads = (
        Head("Method"),
        Head("Light"),
        Head("Verdict", wraps=True),
        Head("Exceptions", True),
        Head("Expected", True),
        Head("Days", True),
        Head("Last 250", True),
        Head("p Kupiec", True),
        Head("p indep.", True),
        Head("p both", True),
        Head("ES z1", True),
    )
    order = {method: number for number, method in enumerate(METHODS)}
    rows = sorted(data.backtest.rows.iter_rows(named=True), key=lambda row: order.get(row["method"], len(order)))
    cells: list[Sequence[Cell]] = [
        (
            METHODS.get(row["method"], row["method"]),
            light(row["light"]),
            VERDICTS.get(row["verdict"], row["verdict"]),
            count(row["exceptions"]),
            decimal(row["expected"], 1),
            count(row["n"]),
            count(row["last_250_exceptions"]),
            p_value(row["p_pof"]),
            p_value(row["p_ind"]),
            p_value(row["p_cc"]),
            decimal(row["es_z1"]),
        )
        for row in rows
    ]
    return panel(title, summary, table(title, heads, cells), clock.state_of_day(day))


def anomaly_panel(data: MarketRisk, z_threshold: float) -> Component:
    """The last anomalies."""
    title = "Last anomalies"
    if data.anomalies.missing:
        return panel(title, "", state=data.anomalies.missing)
    marked = marked_anomalies(data).tail(_LAST_ANOMALIES)
    if marked.is_empty():
        return panel(title, f"No day with a known z-score lies beyond ±{z_threshold:g}.")
    summary = f"Days whose robust z-score lies beyond ±{z_threshold:g}; a label never changes later."
    return panel(title, summary, anomaly_table(marked))


def ranking_panel(data: MarketRisk, products: Sequence[str]) -> Component:
    """All products, the calmest first."""
    title = "Products by risk"
    if data.daily.missing:
        return panel(title, "", state=data.daily.missing)
    known = [(product, data.daily.of(product_id=product)) for product in products]
    rated = [(product, daily.rows, mean_of(daily, "vol_30_annual")) for product, daily in known if not daily.missing]
    rated.sort(key=lambda entry: math.inf if entry[2] is None else entry[2])
    heads = (
        Head("Product"),
        Head("Rank", True),
        Head("Mean volatility per year", True),
        Head("Max drawdown", True),
        Head("VaR 95%, 1 day", True),
        Head("ES 95%, 1 day", True),
        Head("Worst day", True),
        Head("Newest day (UTC)"),
    )
    cells = [
        (product, "–" if mean is None else str(number), percent(mean, 1, sign=False), *_newest_cells(rows))
        for number, (product, rows, mean) in enumerate(rated, start=1)
    ]
    absent = [product for product, daily in known if daily.missing]
    words = f" Nothing is stored of {', '.join(absent)}." if absent else ""
    summary = f"Ranked by the mean of the 30-day volatility; 1 is the calmest. VaR and ES of the newest day.{words}"
    if not cells:
        return panel(title, "", state=unknown("No configured product has figures."))
    return panel(title, summary, table(title, heads, cells))


def _newest_cells(rows: pl.DataFrame) -> tuple[str, ...]:
    row = rows.row(-1, named=True)
    figures = ("max_drawdown", "var_95_fhs", "es_95_fhs", "worst_daily_loss")
    return *(percent(row[name]) for name in figures), row["day"]


def correlation_panel(data: MarketRisk, clock: Clock) -> Component:
    """Correlation of each two products on the newest day."""
    title = "Correlation of log returns"
    if data.correlation.missing:
        return panel(title, "", state=data.correlation.missing)
    rows = data.correlation.rows
    day = str(rows["day"].max())
    heads = (Head("Products"), Head("Last 30 days", True), Head("All days", True), Head("Days", True))
    cells = [
        (
            f"{row['product_a']}, {row['product_b']}",
            decimal(row["corr_30"]),
            decimal(row["corr_full"]),
            count(row["pairs"]),
        )
        for row in rows.iter_rows(named=True)
    ]
    return panel(title, f"Pearson, up to {day} (UTC).", table(title, heads, cells), clock.state_of_day(day))
