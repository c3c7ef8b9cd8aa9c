"""Raw answers as rows of candles, before any rule has judged them."""

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from tickvol.exchange.coinbase_candles import ParsedCandles, Source, parse_candles
from tickvol.risk.pipeline.ledger import LedgerRules, is_final

CANDLE_SCHEMA = pl.Schema(
    {
        "source": pl.String,
        "product_id": pl.String,
        "granularity_s": pl.Int32,
        "open_time_s": pl.Int64,
        "open": pl.Float64,
        "high": pl.Float64,
        "low": pl.Float64,
        "close": pl.Float64,
        "volume": pl.Float64,
        "_rescued_data": pl.String,
        "received_at_us": pl.Int64,
        "ingestion_batch_id": pl.String,
        "payload_sha256": pl.String,
        "run_id": pl.String,
        "is_asked": pl.Boolean,
        "is_placed": pl.Boolean,
        "is_final": pl.Boolean,
        "is_unique": pl.Boolean,
    }
)
_VALUES = ("open", "high", "low", "close", "volume")
_MOST_CANDLES = 350
"""No answer of the exchange holds more."""


def wire_format(source: str) -> Source:
    """The API whose answers those of a source look like."""
    return "exchange" if source == "exchange" else "advanced_trade"


def parse_answer(row: dict[str, Any]) -> ParsedCandles | None:
    """Candles of a stored answer; None unless it was good."""
    if row["outcome"] not in ("ok", "empty"):
        return None
    parsed = parse_candles(wire_format(row["source"]), row["raw_payload"].encode())
    return parsed if isinstance(parsed, ParsedCandles) else None


def candle_rows(answers: Iterable[tuple[dict[str, Any], ParsedCandles]], rules: LedgerRules) -> pl.DataFrame:
    """All candles of all answers.

    `is_asked`: inside the window of the request. `is_placed`: inside it or near it; a time in ms is far from it.
    `is_unique`: the answer has no other values for the same time.
    """
    rows = list(_rows(answers, rules))
    frame = pl.DataFrame(rows, schema={name: kind for name, kind in CANDLE_SCHEMA.items() if name != "is_unique"})
    values = pl.struct(*_VALUES)
    return frame.with_columns(
        is_unique=values.n_unique().over("ingestion_batch_id", "product_id", "open_time_s") == 1
    ).select(CANDLE_SCHEMA.names())


def _rows(answers: Iterable[tuple[dict[str, Any], ParsedCandles]], rules: LedgerRules) -> Iterator[dict[str, object]]:
    for row, parsed in answers:
        start_s, end_s, step_s = row["window_start_s"], row["window_end_s"], row["granularity_s"]
        for candle in parsed.rows:
            time_s, margin_s = candle.open_time_s, _MOST_CANDLES * step_s
            yield {
                "source": row["source"],
                "product_id": row["product_id"],
                "granularity_s": step_s,
                "open_time_s": time_s,
                **{name: getattr(candle, name) for name in _VALUES},
                "_rescued_data": candle.rescued,
                "received_at_us": row["received_at_us"],
                "ingestion_batch_id": row["ingestion_batch_id"],
                "payload_sha256": row["payload_sha256"],
                "run_id": row["run_id"],
                "is_asked": time_s is None or start_s <= time_s < end_s + step_s,
                "is_placed": time_s is not None and start_s - margin_s <= time_s < end_s + margin_s,
                "is_final": time_s is not None and is_final(time_s // step_s, row["received_at_us"], rules),
            }


def latest_candles(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per key: that of the answer that came last."""
    key = ["source", "product_id", "granularity_s", "open_time_s"]
    return rows.sort("received_at_us", "ingestion_batch_id").unique(key, keep="last", maintain_order=True).sort(key)
