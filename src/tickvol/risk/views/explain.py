"""The way back from a figure to the answer of the exchange."""

import json
from typing import Any

import polars as pl

from tickvol.core.errors import UsageError
from tickvol.exchange.coinbase_candles import ParsedCandles, parse_candles
from tickvol.risk.figures.calendar import day_number
from tickvol.risk.pipeline.candles import wire_format
from tickvol.risk.pipeline.context import GRANULARITY_S
from tickvol.risk.tables import ANOMALIES, BRONZE, REVISIONS, RISK, SILVER
from tickvol.risk.views.view import View
from tickvol.storage.delta.lake import Lake


def explain(lake: Lake, product: str, day: str) -> View:
    """The figures of a day, the candle that they use, its revisions, and the answer that brought it.

    Raises
    ------
    UsageError
        If the day is not an ISO date, or nothing is stored of it.
    """
    try:
        time_s = day_number(day) * GRANULARITY_S
    except ValueError:
        raise UsageError(f"DAY: {day!r}: must be a date such as 2025-03-03") from None
    own_day = (pl.col("product_id") == product) & (pl.col("day") == day)
    own_time = (pl.col("product_id") == product) & (pl.col("open_time_s") == time_s)
    risk = _row(lake.table(RISK.name).read(where=own_day))
    candles = lake.table(SILVER.name).read(where=own_time)
    if risk is not None:
        candles = candles.filter(pl.col("source") == risk["source"])
    candle = _row(candles)
    if risk is None and candle is None:
        raise UsageError(f"PRODUCT DAY: {product} {day}: nothing is stored; see `tickvol risk gaps`")
    data = {
        "figures": risk,
        "anomaly": _row(lake.table(ANOMALIES.name).read(where=own_day)),
        "candle": candle,
        "revisions": lake.table(REVISIONS.name).read(where=own_time).to_dicts(),
        "answer": None if candle is None else _answer(lake, candle),
    }
    return View(data, tuple(_lines(data)))


def _row(rows: pl.DataFrame) -> dict[str, Any] | None:
    return None if rows.is_empty() else rows.row(0, named=True)


def _answer(lake: Lake, candle: dict[str, Any]) -> dict[str, Any] | None:
    batch = candle["ingestion_batch_id"]
    stored = _row(lake.table(BRONZE.name).read(where=pl.col("ingestion_batch_id") == batch))
    if stored is None:
        return None
    parsed = parse_candles(wire_format(stored["source"]), stored["raw_payload"].encode())
    rows = parsed.rows if isinstance(parsed, ParsedCandles) else ()
    found = [row for row in rows if row.open_time_s == candle["open_time_s"]]
    payload = stored.pop("raw_payload")
    return {**stored, "payload_bytes": len(payload), "candle_as_received": [_as_dict(row) for row in found]}


def _as_dict(row: Any) -> dict[str, Any]:
    names = ("open_time_s", "open", "high", "low", "close", "volume", "rescued")
    return {name: getattr(row, name) for name in names}


def _lines(data: dict[str, Any]) -> list[str]:
    titles = {
        "figures": "figures (gold)",
        "anomaly": "anomaly (gold)",
        "candle": "candle (silver)",
        "answer": "answer of the exchange (bronze)",
    }
    lines: list[str] = []
    for name, title in titles.items():
        lines += [title, *_fields(data[name]), ""]
        if name == "candle" and data["revisions"]:
            lines += ["revisions of the candle", *(f"  {json.dumps(row)}" for row in data["revisions"]), ""]
    return lines


def _fields(values: dict[str, Any] | None) -> list[str]:
    if values is None:
        return ["  nothing stored"]
    return [f"  {name:<22} {'-' if value is None else value}" for name, value in values.items()]
