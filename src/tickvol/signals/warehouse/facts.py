"""Facts: bars, indicators, metrics, predictions and their results. No clock, no run and no sequence is in a fact."""

from typing import Any

import sqlalchemy as sa

from tickvol.signals.warehouse.declaring import (
    IS_AUDIT,
    METADATA,
    big,
    document,
    double,
    key,
    number,
    one_of,
    rule,
    small,
    text,
    time_ms,
)
from tickvol.signals.warehouse.dimensions import (
    dim_indicator_type,
    dim_interval,
    dim_metric,
    dim_strategy,
    dim_symbol,
)
from tickvol.storage.warehouse.columns import flag_column, sql_table

_CLOSE = "end of the bar, exclusive: its open time plus its length"


def _symbol() -> sa.Column[Any]:
    return small("symbol_id", "symbol")


def _interval() -> sa.Column[Any]:
    return small("interval_id", "length of the bar")


def _to_symbol_and_interval() -> tuple[sa.ForeignKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.ForeignKeyConstraint(["symbol_id"], [dim_symbol.c.symbol_id]),
        sa.ForeignKeyConstraint(["interval_id"], [dim_interval.c.interval_id]),
    )


fact_kline = sql_table(
    METADATA,
    "fact_kline",
    key(_symbol()),
    key(_interval()),
    key(time_ms("close_time_ms", _CLOSE)),
    double("open", "first price [quote]"),
    double("high", "highest price [quote]"),
    double("low", "lowest price [quote]"),
    double("close", "last price [quote]"),
    double("volume", "traded amount [base]"),
    double("quote_volume", "traded value [quote]; null: the source has none", nullable=True),
    number("trades", "number of trades; null: the source has none", nullable=True),
    double("taker_base_volume", "amount bought by takers [base]; null: the source has none", nullable=True),
    text("origin", 8, "way on which the bar came"),
    small("revision", "0, and one more after each correction"),
    *_to_symbol_and_interval(),
    one_of("origin", "ws", "rest", "dump", "file", "agg"),
    rule("positive", "open > 0 AND low > 0 AND close > 0 AND volume >= 0"),
    rule("ordered", "high >= open AND high >= close AND low <= open AND low <= close"),
    comment="One closed bar.",
    by_key=True,
)

kline_correction = sql_table(
    METADATA,
    "kline_correction",
    key(_symbol()),
    key(_interval()),
    key(time_ms("close_time_ms", _CLOSE)),
    key(small("revision", "revision that was replaced")),
    text("before_values", 300, "values of that revision, canonical JSON"),
    text("reason", 40, "why it was replaced"),
    time_ms("noticed_at_ms", "when the difference was noticed", info={IS_AUDIT: True}),
    *_to_symbol_and_interval(),
    comment="A bar before it was corrected. Only appended to.",
    by_key=True,
)

kline_gap = sql_table(
    METADATA,
    "kline_gap",
    key(_symbol()),
    key(_interval()),
    key(time_ms("from_ms", "first absent close time")),
    time_ms("to_ms", "first close time that is present again"),
    text("state", 10, "open: to be fetched; healed: fetched; no_data: the exchange has none"),
    number("attempts", "requests for its bars", info={IS_AUDIT: True}),
    *_to_symbol_and_interval(),
    one_of("state", "open", "healed", "no_data"),
    comment="A range of absent bars.",
    by_key=True,
)

fact_indicator = sql_table(
    METADATA,
    "fact_indicator",
    key(_symbol()),
    key(_interval()),
    key(small("indicator_type_id", "indicator")),
    key(time_ms("close_time_ms", _CLOSE)),
    double("value", "value, in the indicator's unit"),
    number("history_bars", "bars behind the value, at most the indicator's memory_bars [bars]"),
    *_to_symbol_and_interval(),
    sa.ForeignKeyConstraint(["indicator_type_id"], [dim_indicator_type.c.indicator_type_id]),
    comment="A known value of an indicator at a bar; an unknown one has no row.",
    by_key=True,
)

fact_metric_value = sql_table(
    METADATA,
    "fact_metric_value",
    key(_symbol()),
    key(_interval()),
    key(number("metric_id", "metric")),
    key(time_ms("calculating_at_ms", _CLOSE)),
    small("state", "1 true, 0 false, -1 unknown"),
    double("observed", "value of the indicator; null: unknown", nullable=True),
    *_to_symbol_and_interval(),
    sa.ForeignKeyConstraint(["metric_id"], [dim_metric.c.metric_id]),
    rule("state", "state IN (-1, 0, 1)"),
    comment="State of a metric at a bar.",
    by_key=True,
)

fact_prediction = sql_table(
    METADATA,
    "fact_prediction",
    key(big("prediction_id", "first 63 bits of the SHA-256 of strategy, symbol, interval and time")),
    number("strategy_id", "strategy"),
    _symbol(),
    _interval(),
    time_ms("predicting_at_ms", _CLOSE),
    double("buy_score", "score for buying"),
    double("sell_score", "score for selling"),
    double("market_score", "score of the market"),
    double("confidence_score", "confidence"),
    text("raw_action", 8, "action before the guards"),
    text("action", 8, "action"),
    flag_column("metric_no_trade", "whether a metric of side NO_TRADE was true"),
    text("reason_no_trade", 24, "guard that prevented the trade; null: none", nullable=True),
    double("tp_frac", "distance of the target from the entry [fraction]", nullable=True),
    double("sl_frac", "distance of the stop from the entry [fraction]", nullable=True),
    number("lookahead_bars", "longest holding time [bars]", nullable=True),
    double("close", "last price of the bar [quote]"),
    document("breakdown", "contribution of each metric, canonical JSON"),
    *_to_symbol_and_interval(),
    sa.ForeignKeyConstraint(["strategy_id"], [dim_strategy.c.strategy_id]),
    one_of("raw_action", "BUY", "SELL", "SIDEWAY"),
    one_of("action", "BUY", "SELL", "SIDEWAY"),
    sa.UniqueConstraint("strategy_id", "symbol_id", "interval_id", "predicting_at_ms"),
    sa.Index("ix_prediction_time", "symbol_id", "interval_id", "predicting_at_ms"),
    comment="Decision of a strategy at a bar.",
)

fact_prediction_result = sql_table(
    METADATA,
    "fact_prediction_result",
    key(big("prediction_id", "prediction")),
    text("result_status", 8, "outcome; a pending prediction has no row"),
    text("exit_reason", 10, "event that ended the trade"),
    double("entry_price", "price of the entry [quote]", nullable=True),
    double("exit_price", "price of the exit [quote]", nullable=True),
    double("pnl_gross_frac", "profit before costs [fraction]", nullable=True),
    double("pnl_net_frac", "profit after costs [fraction]", nullable=True),
    double("pnl_net_optimistic_frac", "the same if within a bar the target came first [fraction]", nullable=True),
    double("max_return_frac", "best return while the trade was open [fraction]", nullable=True),
    double("min_return_frac", "worst return while the trade was open [fraction]", nullable=True),
    number("bars_held", "holding time [bars]", nullable=True),
    text("resolution", 8, "interval of the bars that decided the order of prices", nullable=True),
    flag_column("ambiguous", "whether target and stop lie in one bar of that interval"),
    time_ms("confirmed_at_ms", "end of the bar that decided the outcome"),
    sa.ForeignKeyConstraint(["prediction_id"], [fact_prediction.c.prediction_id]),
    one_of("result_status", "WIN", "LOSS", "TIMEOUT", "UNKNOWN"),
    one_of("exit_reason", "TP", "SL", "SL_GAP", "TIMEOUT", "DATA_GAP", "NO_ENTRY"),
    sa.Index("ix_result_confirmed", "confirmed_at_ms"),
    comment="Outcome of a prediction.",
)
