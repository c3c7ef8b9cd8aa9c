"""Dimensions: coins, intervals, indicators, metrics, risk profiles, strategies. Rows are added, never changed."""

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
    sha256,
    small,
    text,
    time_ms,
)
from tickvol.storage.warehouse.columns import flag_column, sql_table

_RECORDED = "when this version was recorded"

dim_symbol = sql_table(
    METADATA,
    "dim_symbol",
    key(small("symbol_id", "number of the symbol")),
    text("code", 33, "symbol, such as BTC-USDT", unique=True),
    text("base", 16, "currency that is bought"),
    text("quote", 16, "currency of the prices"),
    text("venue", 24, "market, such as binance-spot"),
    flag_column("active", "whether bars are still collected"),
    comment="One symbol of a market.",
)

dim_interval = sql_table(
    METADATA,
    "dim_interval",
    key(small("interval_id", "number of the interval")),
    text("code", 8, "interval, such as 1h", unique=True),
    big("length_ms", "length of a bar [ms]", unique=True),
    rule("length_ms", "length_ms > 0"),
    comment="One length of bars.",
)

dim_indicator_type = sql_table(
    METADATA,
    "dim_indicator_type",
    key(small("indicator_type_id", "number of the indicator")),
    text("code", 32, "indicator with its parameters, such as ema200"),
    small("version", "version of the formula"),
    text("source", 8, "kline: a column of the bar; stored: a value of fact_indicator"),
    text("kind", 24, "formula"),
    text("params", 200, "parameters, canonical JSON"),
    text("unit", 16, "unit of the values"),
    number("warmup_bars", "bars before the first value [bars]"),
    number("memory_bars", "bars that a value depends on [bars]"),
    sha256("formula_hash", "the definition of the formula"),
    one_of("source", "kline", "stored"),
    sa.UniqueConstraint("code", "version"),
    comment="One indicator, in one version.",
)

dim_metric = sql_table(
    METADATA,
    "dim_metric",
    key(number("metric_id", "number of the metric")),
    text("code", 64, "metric"),
    number("version", "version of the metric"),
    small("indicator_type_id", "indicator that is judged"),
    small("reference_type_id", "indicator it is compared with; null: with thresholds", nullable=True),
    text("direction", 16, "comparison that makes the metric true"),
    double("threshold_start", "threshold, or lower end of a range; in the indicator's unit", nullable=True),
    double("threshold_end", "upper end of a range; in the indicator's unit", nullable=True),
    number("window_size", "length of the window that is looked at, in window_unit"),
    text("window_unit", 8, "unit of window_size"),
    text("side", 8, "action that the metric speaks for"),
    text("metric_group", 12, "group whose metrics count together"),
    double("weight", "weight in the score, at least 0"),
    flag_column("active", "whether new strategies may use it"),
    small("symbol_id", "the only symbol it is meant for; null: all", nullable=True),
    small("interval_id", "the only interval it is meant for; null: all", nullable=True),
    sha256("definition_hash", "the definition; a return to an earlier one is a new version with its hash"),
    time_ms("recorded_at_ms", _RECORDED, info={IS_AUDIT: True}),
    time_ms("superseded_at_ms", "when a later version was recorded", nullable=True, info={IS_AUDIT: True}),
    text("note", 400, "remark of its author", nullable=True),
    sa.ForeignKeyConstraint(["indicator_type_id"], [dim_indicator_type.c.indicator_type_id]),
    sa.ForeignKeyConstraint(["reference_type_id"], [dim_indicator_type.c.indicator_type_id]),
    sa.ForeignKeyConstraint(["symbol_id"], [dim_symbol.c.symbol_id]),
    sa.ForeignKeyConstraint(["interval_id"], [dim_interval.c.interval_id]),
    one_of(
        "direction",
        *("ABOVE", "BELOW", "BETWEEN", "OUTSIDE", "TREND_UP", "TREND_DOWN"),
        *("CROSS_UP", "CROSS_DOWN", "REJECT_UP", "REJECT_DOWN"),
    ),
    one_of("window_unit", "BARS", "MINUTES", "HOURS", "DAYS"),
    one_of("side", "BUY", "SELL", "NO_TRADE", "CONTEXT"),
    one_of("metric_group", "TREND", "MOMENTUM", "VOLUME", "VOLATILITY", "SENTIMENT"),
    rule("window_size", "window_size >= 1"),
    rule("weight", "weight >= 0"),
    sa.UniqueConstraint("code", "version"),
    comment="One condition on an indicator, in one version.",
)

dim_risk_profile = sql_table(
    METADATA,
    "dim_risk_profile",
    key(number("risk_profile_id", "number of the risk profile")),
    text("code", 64, "risk profile"),
    number("version", "version of the risk profile"),
    document("definition", "targets, stops and lookahead, canonical JSON"),
    sha256("definition_hash", "the definition", unique=True),
    time_ms("recorded_at_ms", _RECORDED, info={IS_AUDIT: True}),
    sa.UniqueConstraint("code", "version"),
    comment="One way to set targets and stops, in one version.",
)

dim_strategy = sql_table(
    METADATA,
    "dim_strategy",
    key(number("strategy_id", "number of the strategy")),
    text("code", 64, "strategy"),
    number("version", "version of the strategy"),
    text("scorer", 16, "way to make scores of metrics"),
    small("interval_id", "bars on which it decides"),
    document("definition", "thresholds, guards, largest score and costs, canonical JSON"),
    sha256("definition_hash", "the definition", unique=True),
    number("risk_profile_id", "targets and stops"),
    time_ms("recorded_at_ms", _RECORDED, info={IS_AUDIT: True}),
    sa.ForeignKeyConstraint(["interval_id"], [dim_interval.c.interval_id]),
    sa.ForeignKeyConstraint(["risk_profile_id"], [dim_risk_profile.c.risk_profile_id]),
    one_of("scorer", "edge", "groups"),
    sa.UniqueConstraint("code", "version"),
    comment="One frozen set of metrics, thresholds and costs.",
)

strategy_metric = sql_table(
    METADATA,
    "strategy_metric",
    key(number("strategy_id", "strategy")),
    key(number("metric_id", "metric")),
    text("side", 8, "action that the metric speaks for in this strategy"),
    double("weight", "weight in this strategy"),
    sa.ForeignKeyConstraint(["strategy_id"], [dim_strategy.c.strategy_id]),
    sa.ForeignKeyConstraint(["metric_id"], [dim_metric.c.metric_id]),
    comment="One metric of a strategy.",
)
