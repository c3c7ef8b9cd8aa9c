"""Records of research: the ledger of trials, and mined patterns and rules."""

import sqlalchemy as sa

from tickvol.signals.warehouse.declaring import (
    IS_AUDIT,
    METADATA,
    document,
    double,
    key,
    number,
    one_of,
    sha256,
    small,
    text,
    time_ms,
)
from tickvol.signals.warehouse.dimensions import dim_strategy
from tickvol.storage.warehouse.columns import sql_table

trial_ledger = sql_table(
    METADATA,
    "trial_ledger",
    key(number("trial_no", "number of the trial, from 1")),
    number("strategy_id", "strategy that was evaluated"),
    sha256("data_hash", "the bars"),
    time_ms("from_ms", "start of the evaluated range, inclusive"),
    time_ms("to_ms", "end of the evaluated range, exclusive"),
    number("trades", "closed trades"),
    double("expectancy_frac", "mean net profit of a trade [fraction]; null: no trades", nullable=True),
    double("sharpe_daily", "Sharpe ratio of the daily profits, not annualised", nullable=True),
    number("days", "days of the range"),
    double("skew", "skewness of the daily profits", nullable=True),
    double("kurtosis", "kurtosis of the daily profits", nullable=True),
    document("daily_pnl", "daily net profits, canonical JSON"),
    sha256("previous_hash", "the previous entry"),
    sha256("entry_hash", "this entry and previous_hash"),
    time_ms("recorded_at_ms", "when the trial was recorded", info={IS_AUDIT: True}),
    sa.ForeignKeyConstraint(["strategy_id"], [dim_strategy.c.strategy_id]),
    comment="An evaluated strategy. Only appended to, chained by hashes.",
)

mining_run = sql_table(
    METADATA,
    "mining_run",
    key(number("mining_id", "number of the run")),
    number("strategy_id", "strategy whose trades were mined"),
    time_ms("from_ms", "start of the training range, inclusive"),
    time_ms("split_ms", "end of the training range and start of the test range"),
    time_ms("to_ms", "end of the test range, exclusive"),
    text("params", 400, "parameters, canonical JSON"),
    number("n_train", "trades of the training range"),
    number("n_test", "trades of the test range"),
    double("family_p", "p-value of the best rule against shifted labels"),
    sha256("input_hash", "trades and parameters", unique=True),
    sa.ForeignKeyConstraint(["strategy_id"], [dim_strategy.c.strategy_id]),
    comment="A search for patterns in the trades of a strategy.",
)

fp_growth_patterns = sql_table(
    METADATA,
    "fp_growth_patterns",
    key(number("mining_id", "run")),
    key(text("outcome", 8, "outcome of the counted trades")),
    key(sha256("pattern_hash", "the items")),
    text("items", 400, "metrics that were true together, sorted"),
    small("item_count", "number of items"),
    number("n_trades", "trades of the training range"),
    number("n_pattern", "trades with all items and this outcome"),
    double("support", "n_pattern / n_trades"),
    sa.ForeignKeyConstraint(["mining_id"], [mining_run.c.mining_id]),
    one_of("outcome", "WIN", "LOSS"),
    comment="A frequent set of true metrics.",
)

fp_growth_rules = sql_table(
    METADATA,
    "fp_growth_rules",
    key(number("mining_id", "run")),
    key(sha256("rule_hash", "antecedent and outcome")),
    text("outcome", 8, "outcome that the rule expects"),
    text("antecedent", 400, "metrics that are true, sorted"),
    number("n_antecedent", "trades with the antecedent"),
    number("n_both", "trades with antecedent and outcome"),
    double("support", "share of the trades with both"),
    double("confidence", "n_both / n_antecedent"),
    double("lift", "confidence / share of the outcome"),
    double("p_value", "p-value of Fisher's exact test"),
    double("q_value", "p-value after Benjamini and Hochberg"),
    number("n_antecedent_oos", "trades of the test range with the antecedent"),
    double("confidence_oos", "confidence in the test range; null: no such trades", nullable=True),
    double("base_rate_oos", "share of the outcome in the test range; null: no trades", nullable=True),
    text("verdict", 16, "judgement by test range and family_p"),
    sa.ForeignKeyConstraint(["mining_id"], [mining_run.c.mining_id]),
    one_of("outcome", "WIN", "LOSS"),
    one_of("verdict", "CONFIRMED", "NOT_CONFIRMED", "NOT_SIGNIFICANT", "TOO_FEW"),
    comment="A rule from true metrics to an outcome.",
)
