"""Risk figures of the last complete day: price, volatility, drawdown, VaR and ES with their judgement, anomalies."""

from typing import Any

import numpy as np
import polars as pl

from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.figures.drawdown import deepest
from tickvol.risk.figures.volatility import mean_of_known
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ledger import known_through
from tickvol.risk.pipeline.star import risk_ranks
from tickvol.risk.tables import ANOMALIES, BACKTEST, RISK
from tickvol.risk.views.view import View, number, percent, price, table_lines
from tickvol.storage.delta.lake import Lake

METHODS = ("fhs", "roll", "ewma", "garch")
"""Methods of VaR, the default first."""

_ANOMALIES_SHOWN = 5


def products_of(lake: Lake, product: str | None) -> list[str]:
    """The given product, or all that have figures.

    Raises
    ------
    NotEnoughData
        If there are no figures at all.
    UsageError
        If there are none of the product.
    """
    rows = lake.table(RISK.name).read(columns=["product_id"])
    stored = rows["product_id"].unique().sort().to_list()
    if not stored:
        raise NotEnoughData("no risk figures are stored; `tickvol risk run` computes them")
    if product is not None and product not in stored:
        raise UsageError(f"--product: {product!r}: must be one of {', '.join(stored)}")
    return stored if product is None else [product]


def show(lake: Lake, product: str | None = None) -> View:
    """Figures of each product on its last complete day."""
    ranks = risk_ranks(lake)
    shown = [_product(lake, name, ranks.get(name)) for name in products_of(lake, product)]
    lines = [line for figures in shown for line in _lines(figures)]
    return View(shown, tuple(lines))


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
        "source": last["source"],
        "close": last["close"],
        "log_return": last["log_return"],
        "vol_30_annual": last["vol_30_annual"],
        "vol_30_annual_mean": None if annual != annual else annual,
        "risk_rank": rank,
        "drawdown": last["drawdown"],
        "max_drawdown": _deepest(rows),
        "worst_daily_loss": _worst(rows),
        "var_95_hist_in_sample": last["var_95_hist_in_sample"],
        "value_at_risk": {method: _method(last, judged.get(method), method) for method in METHODS},
        "anomalies": _last_anomalies(lake.table(ANOMALIES.name).read(where=own & pl.col("is_anomaly"))),
        "known_through": None if through is None else day_text(through),
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
    row = known.sort("simple_return").row(0, named=True)
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
    lines = [
        f"{figures['product_id']}  {figures['day']} (UTC), candles: {figures['source']}",
        f"  close                {price(figures['close'])}",
        f"  volatility           {volatility} a year over 30 days, mean {mean}{rank}",
        f"  drawdown             {percent(figures['drawdown'], 1)} now",
    ]
    if drawdown is not None:
        end = f"recovered {drawdown['recovery_day']}" if drawdown["recovery_day"] else "not recovered"
        where = f"{drawdown['peak_day']} to {drawdown['trough_day']}, {end}"
        lines.append(f"  maximum drawdown     {percent(drawdown['depth'], 1)}, {where}")
    if worst is not None:
        lines.append(f"  worst daily loss     {percent(worst['simple_return'])} on {worst['day']}")
    lines.append(f"  VaR 95% in sample    {percent(figures['var_95_hist_in_sample'])} of all days, judged by nothing")
    rows = [
        [
            method,
            percent(found["var_95"]),
            percent(found["es_95"]),
            "-" if found["n"] is None else f"{found['exceptions']}/{found['n']}",
            number(found["expected"], 1),
            number(found["p_pof"], 3),
            number(found["p_ind"], 3),
            found["light"] or "-",
            found["verdict"] or "-",
        ]
        for method, found in figures["value_at_risk"].items()
    ]
    header = ["method", "VaR 95%", "ES 95%", "exceptions", "expected", "p rate", "p indep.", "light", "verdict"]
    lines += ["", *(f"  {line}" for line in table_lines(header, rows))]
    if figures["anomalies"]:
        rows = [
            [row["day"], percent(row["log_return"]), number(row["z_trailing"], 1), row["direction"], row["severity"]]
            for row in figures["anomalies"]
        ]
        lines += ["", *(f"  {line}" for line in table_lines(["anomaly", "log return", "z", "", ""], rows))]
    if figures["reason"]:
        lines += ["", f"  unknown: {figures['reason']}"]
    return [*lines, ""]
