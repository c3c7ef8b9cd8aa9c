"""The way back from a figure to the answer of the exchange."""

from typing import Any

import msgspec
import polars as pl

from tickvol.core.errors import UsageError
from tickvol.exchange.coinbase_candles import ParsedCandles, parse_candles
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.pipeline.candles import wire_format
from tickvol.risk.pipeline.context import GRANULARITY_S, SYSTEM
from tickvol.risk.tables import ANOMALIES, BRONZE, COVERAGE, REVISIONS, RISK, SILVER
from tickvol.risk.views.view import View, indented, time_text
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS

_TITLES = {
    "figures": "Figures (gold)",
    "anomaly": "Anomaly (gold)",
    "run": "Run that wrote them",
    "candle": "Candle (silver)",
    "answer": "Answer that brought it (bronze)",
}
_NOT_SHOWN = ("product_id", "day", "granularity_s")


def explain(lake: Lake, product: str, day: int) -> View:
    """The figures of a day, the run that wrote them, the candle that they use, its revisions and the answer behind it.

    Parameters
    ----------
    day : since the epoch.

    Raises
    ------
    UsageError
        If nothing is stored of it.
    """
    date = day_text(day)
    own_day = (pl.col("product_id") == product) & (pl.col("day") == date)
    own_time = (pl.col("product_id") == product) & (pl.col("open_time_s") == day * GRANULARITY_S)
    figures = _row(lake.table(RISK.name).read(where=own_day))
    candles = lake.table(SILVER.name).read(where=own_time)
    if figures is not None:
        candles = candles.filter(pl.col("source") == figures["source"])
    candle = _row(candles)
    ledger = lake.table(COVERAGE.name).read(where=own_day).to_dicts()
    if figures is None and candle is None and not ledger:
        raise UsageError(f"PRODUCT DAY: {product} {date}: {_stored(lake, product)}")
    data = {
        "product_id": product,
        "day": date,
        "figures": figures,
        "anomaly": _row(lake.table(ANOMALIES.name).read(where=own_day)),
        "run": None if figures is None else _run(lake, figures["run_id"]),
        "candle": candle,
        "revisions": lake.table(REVISIONS.name).read(where=own_time).to_dicts(),
        "ledger": ledger,
        "answer": None if candle is None else _answer(lake, candle),
    }
    return View(data, tuple(_lines(data)))


def _stored(lake: Lake, product: str) -> str:
    days = lake.table(COVERAGE.name).read(columns=["product_id", "day"])
    own = days.filter(pl.col("product_id") == product)["day"].sort().to_list()
    if own:
        return f"nothing is stored; it has days from {own[0]} to {own[-1]}"
    products = days["product_id"].unique().sort().to_list()
    if products:
        return f"nothing is stored; the product must be one of {', '.join(products)}"
    return "nothing is stored; `tickvol risk run` fetches candles"


def _row(rows: pl.DataFrame) -> dict[str, Any] | None:
    return None if rows.is_empty() else rows.row(0, named=True)


def _run(lake: Lake, run_id: str) -> dict[str, Any] | None:
    """Log of the step that wrote the figures: its code, its configuration and the versions of the table."""
    own = (pl.col("system") == SYSTEM) & (pl.col("run_id") == run_id) & (pl.col("step") == "gold")
    names = ["run_id", "started_us", "status", "code_version", "config_hash", "table"]
    names += ["table_version_before", "table_version_after"]
    return _row(lake.table(PIPELINE_LOGS.name).read(where=own, columns=names).tail(1))


def _answer(lake: Lake, candle: dict[str, Any]) -> dict[str, Any] | None:
    batch = candle["ingestion_batch_id"]
    stored = _row(lake.table(BRONZE.name).read(where=pl.col("ingestion_batch_id") == batch))
    if stored is None:
        return None
    payload = stored.pop("raw_payload").encode()
    found = payload_of(stored["source"], payload, candle["open_time_s"])
    return {**stored, "payload_bytes": len(payload), "payload_of_the_candle": found}


def payload_of(source: str, payload: bytes, open_time_s: int) -> list[str]:
    """The parts of a body that hold the candle of a time, letter by letter; more than one if it has the candle twice.

    >>> payload_of("exchange", b"[[86400,1,2,1,2,9.50],[0,1,2,1,2,7]]", 86400)
    ['[86400,1,2,1,2,9.50]']
    """
    parsed = parse_candles(wire_format(source), payload)
    if not isinstance(parsed, ParsedCandles):
        return []
    body = payload
    if wire_format(source) == "advanced_trade":
        body = bytes(msgspec.json.decode(payload, type=dict[str, msgspec.Raw])["candles"])
    parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    both = zip(parsed.rows, parts, strict=True)
    return [bytes(part).decode() for row, part in both if row.open_time_s == open_time_s]


def _lines(data: dict[str, Any]) -> list[str]:
    lines = [f"{data['product_id']}  {data['day']} (UTC)", ""]
    for name, title in _TITLES.items():
        lines += [title, *indented(_fields(data[name])), ""]
        if name == "candle":
            for row in data["revisions"]:
                lines += [f"Revision {row['revision']} of the candle", *indented(_fields(row)), ""]
            for row in data["ledger"]:
                lines += [f"Ledger of gaps ({row['source']})", *indented(_fields(row)), ""]
    return lines[:-1]


def _fields(values: dict[str, Any] | None) -> list[str]:
    if values is None:
        return ["nothing stored"]
    return [f"{name:<22} {_text(name, value)}" for name, value in values.items() if name not in _NOT_SHOWN]


def _text(name: str, value: object) -> str:
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, list):
        return "  ".join(map(str, value))
    if isinstance(value, int) and name.endswith(("_us", "_s")) and not isinstance(value, bool):
        return f"{value}  ({time_text(value if name.endswith('_us') else value * 1_000_000)} UTC)"
    return str(value)
