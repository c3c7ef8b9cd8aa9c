"""Risk figures of the last complete day: price, volatility, drawdown, VaR and ES with their judgement, anomalies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.figures.drawdown import deepest
from tickvol.risk.figures.volatility import mean_of_known
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ledger import known_through
from tickvol.risk.pipeline.star import risk_hierarchy
from tickvol.risk.tables import ANOMALIES, BACKTEST, RISK
from tickvol.risk.views.ranking import ranking_data, ranking_lines
from tickvol.risk.views.view import View, indented, number, percent, price, table_lines
from tickvol.risk.views.words import METHODS, NOTES, Z_NOTE, plain
from tickvol.storage.delta.lake import Lake

_ANOMALIES_SHOWN = 5


def products_of(lake: Lake, products: Sequence[str] | None) -> list[str]:
    """The given products, or all that have figures.

    Raises
    ------
    NotEnoughData
        If there are no figures at all.
    UsageError
        If there are none of a product.
    """
    rows = lake.table(RISK.name).read(columns=["product_id"])
    stored = rows["product_id"].unique().sort().to_list()
    if not stored:
        raise NotEnoughData("no risk figures are stored; `tickvol risk run` computes them")
    if unknown := [product for product in products or () if product not in stored]:
        raise UsageError([f"--product: {name!r}: must be one of {', '.join(stored)}" for name in unknown])
    return list(products or stored)


def show(lake: Lake, products: Sequence[str] | None = None) -> View:
    """Figures of each product on its last complete day, and the order of all products by risk."""
    names = products_of(lake, products)
    found = risk_hierarchy(lake)
    ranks = {ranked.name: ranked.rank for ranked in found.ranking}
    shown = [_product(lake, name, ranks.get(name)) for name in names]
    lines = [line for figures in shown for line in _lines(figures)]
    if len(shown) > 1:
        lines += ranking_lines(found)
    return View({"products": shown, "hierarchy": ranking_data(found)}, (*lines, *NOTES, Z_NOTE))


def _product(lake: Lake, product: str, rank: int | None) -> dict[str, Any]:
    own = pl.col("product_id") == product
    rows = lake.table(RISK.name).read(where=own)
    last = rows.row(-1, named=True)
    backtest = lake.table(BACKTEST.name).read(where=own & (pl.col("as_of_day") == last["day"]))
    judged = {row["method"]: row for row in backtest.iter_rows(named=True)}
    ledger = read_ledgers(lake, last["source"], [product])[product]
    through = known_through(ledger)
    annual = mean_of_known(rows["vol_30_annual"].drop_nulls().to_numpy())
    return {
        "product_id": product,
        "day": last["day"],
        "first_day": rows["day"][0],
        "known_through": None if through is None else day_text(through),
        "source": last["source"],
        "close": last["close"],
        "log_return": last["log_return"],
        "vol_30_annual": last["vol_30_annual"],
        "vol_30_annual_mean": None if np.isnan(annual) else annual,
        "risk_rank": rank,
        "drawdown": last["drawdown"],
        "max_drawdown": _deepest(rows),
        "worst_daily_loss": _worst(rows),
        "var_95_hist_in_sample": last["var_95_hist_in_sample"],
        "value_at_risk": {method: _method(last, judged.get(method), method) for method in METHODS},
        "anomalies": _last_anomalies(lake.table(ANOMALIES.name).read(where=own & pl.col("is_anomaly"))),
        "reason": last["reason"],
    }


def _deepest(rows: pl.DataFrame) -> dict[str, Any] | None:
    days = rows["day"].to_list()
    found = deepest(rows["close"].fill_null(np.nan).to_numpy())
    if found is None:
        return None
    return {
        "depth": found.depth,
        "peak_day": days[found.peak],
        "trough_day": days[found.trough],
        "recovery_day": None if found.recovery is None else days[found.recovery],
    }


def _worst(rows: pl.DataFrame) -> dict[str, Any] | None:
    known = rows.drop_nulls("simple_return")
    if known.is_empty():
        return None
    row = known.sort("simple_return", "day").row(0, named=True)
    return {"day": row["day"], "simple_return": row["simple_return"]}


def _method(last: dict[str, Any], judged: dict[str, Any] | None, method: str) -> dict[str, Any]:
    names = ("n", "exceptions", "expected", "p_pof", "p_ind", "es_z1", "light", "verdict")
    figures = {"var_95": last[f"var_95_{method}"], "es_95": last[f"es_95_{method}"]}
    return figures | {name: None if judged is None else judged[name] for name in names}


def _last_anomalies(rows: pl.DataFrame) -> list[dict[str, Any]]:
    names = ["day", "log_return", "z_trailing", "direction", "severity"]
    return rows.sort("day", descending=True).head(_ANOMALIES_SHOWN).select(names).to_dicts()


def _lines(figures: dict[str, Any]) -> list[str]:
    drawdown, worst = figures["max_drawdown"], figures["worst_daily_loss"]
    rank = "" if figures["risk_rank"] is None else f", rank {figures['risk_rank']} from the calmest"
    volatility, mean = percent(figures["vol_30_annual"], 1), percent(figures["vol_30_annual_mean"], 1)
    quote = figures["product_id"].partition("-")[2]
    known = f"all known through {figures['known_through']}" if figures["known_through"] else "see `tickvol risk gaps`"
    lines = [
        f"{figures['product_id']}  {figures['day']} (UTC)",
        f"  candles              {figures['source']}, from {figures['first_day']}, {known}",
        f"  close                {price(figures['close'])} {quote}",
        f"  volatility           {volatility} a year over 30 days, mean of all days {mean}{rank}",
        f"  drawdown             {percent(figures['drawdown'], 1)} below the peak",
    ]
    if drawdown is not None:
        end = f"recovered {drawdown['recovery_day']}" if drawdown["recovery_day"] else "not recovered"
        where = f"{drawdown['peak_day']} to {drawdown['trough_day']}, {end}"
        lines.append(f"  maximum drawdown     {percent(drawdown['depth'], 1)}, {where}")
    if worst is not None:
        lines.append(f"  worst daily loss     {percent(worst['simple_return'])} on {worst['day']}")
    in_sample = percent(figures["var_95_hist_in_sample"])
    lines.append(f"  VaR 95% of all days  {in_sample}, in sample: no forecast, never judged")
    lines += ["", *indented(_forecast_lines(figures["value_at_risk"]))]
    lines += ["", *indented(_anomaly_lines(figures["anomalies"]))]
    if figures["reason"]:
        lines += ["", f"  unknown: {figures['reason']}"]
    return [*lines, ""]


def _forecast_lines(methods: dict[str, dict[str, Any]]) -> list[str]:
    header = ["method", "VaR 95%", "ES 95%", "exceptions", "expected", "p rate", "p indep.", "light", "verdict"]
    rows = [
        [
            method,
            percent(found["var_95"]),
            percent(found["es_95"]),
            "-" if found["n"] is None else f"{found['exceptions']} of {found['n']}",
            number(found["expected"], 1),
            number(found["p_pof"], 3),
            number(found["p_ind"], 3),
            plain(found["light"]),
            plain(found["verdict"]),
        ]
        for method, found in methods.items()
        if found["var_95"] is not None or found["n"] is not None
    ]
    return table_lines(header, rows) if rows else ["VaR 95%, ES 95%: unknown"]


def _anomaly_lines(anomalies: Sequence[dict[str, Any]]) -> list[str]:
    if not anomalies:
        return ["no anomaly"]
    rows = [
        [row["day"], percent(row["log_return"]), number(row["z_trailing"], 1), row["direction"], row["severity"]]
        for row in anomalies
    ]
    return table_lines(["anomaly", "log return", "z", "direction", "severity"], rows)
