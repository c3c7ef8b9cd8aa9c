"""All tables and views of the warehouse."""

import sqlalchemy as sa

from tickvol.signals.warehouse import dimensions, facts, progress, research

TABLES: tuple[sa.Table, ...] = (
    dimensions.dim_symbol,
    dimensions.dim_interval,
    dimensions.dim_indicator_type,
    dimensions.dim_metric,
    dimensions.dim_risk_profile,
    dimensions.dim_strategy,
    dimensions.strategy_metric,
    facts.fact_kline,
    facts.kline_correction,
    facts.kline_gap,
    facts.fact_indicator,
    facts.fact_metric_value,
    facts.fact_prediction,
    facts.fact_prediction_result,
    research.trial_ledger,
    research.mining_run,
    research.fp_growth_patterns,
    research.fp_growth_rules,
    progress.etl_run,
    progress.etl_watermark,
    progress.kafka_offset,
)
"""Each after those that it refers to."""

VIEWS = {
    "v_history": """
SELECT p.prediction_id, s.code AS symbol, i.code AS interval_code, p.predicting_at_ms, p.action, p.market_score,
  p.confidence_score, p.reason_no_trade,
  COALESCE(r.result_status, CASE WHEN p.action = 'SIDEWAY' THEN 'NONE' ELSE 'PENDING' END) AS result_status,
  r.exit_reason, r.entry_price, r.exit_price, 100.0 * r.pnl_net_frac AS pnl_pct, r.confirmed_at_ms
FROM fact_prediction p
JOIN dim_symbol s ON s.symbol_id = p.symbol_id
JOIN dim_interval i ON i.interval_id = p.interval_id
LEFT JOIN fact_prediction_result r ON r.prediction_id = p.prediction_id""",
    "fp_growth_win_patterns": """
SELECT mining_id, pattern_hash, items, item_count, n_trades, n_pattern, support
FROM fp_growth_patterns WHERE outcome = 'WIN'""",
    "fp_growth_win_rules": """
SELECT mining_id, rule_hash, antecedent, n_antecedent, n_both, support, confidence, lift, p_value, q_value,
  n_antecedent_oos, confidence_oos, base_rate_oos, verdict
FROM fp_growth_rules WHERE outcome = 'WIN'""",
}
"""Queries by name of the view; percentages appear in `v_history` alone."""
