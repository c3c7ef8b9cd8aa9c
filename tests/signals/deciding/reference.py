"""Decisions in plain Python, one bar at a time, written from the rules: the slow reference."""

import math

GROUPS = ("TREND", "MOMENTUM", "VOLUME", "VOLATILITY", "SENTIMENT")


def add(weights):
    total = 0.0
    for weight in weights:
        total = total + weight
    return total


def plain_decision(strategy, states, bar):
    """(buy, sell, market, confidence, raw action, action, reason, tp, sl, lookahead); `bar` maps names to numbers."""
    held = sorted(strategy.metrics, key=lambda one: one.metric_id)
    lit = {side: [one for one in held if one.side == side and states[one.metric.code] == 1] for side in ("BUY", "SELL")}
    every = {side: [one for one in held if one.side == side] for side in ("BUY", "SELL")}
    score = {side: add(one.weight for one in lit[side]) for side in lit}
    buy, sell = score["BUY"], score["SELL"]
    edge = abs(buy - sell)
    if strategy.scorer == "edge":
        market = edge
        confidence = max(buy, sell) / max(add(one.weight for one in every[side]) for side in every)
    else:
        winner = "BUY" if buy >= sell else "SELL"
        by_group = [
            [add(one.weight for one in chosen[winner] if one.metric.group == group) for group in GROUPS]
            for chosen in (lit, every)
        ]
        market = add(by_group[0])
        confidence = market / add(by_group[1])
    raw = "SIDEWAY"
    if buy >= strategy.threshold and buy > sell:
        raw = "BUY"
    elif sell >= strategy.threshold and sell > buy:
        raw = "SELL"
    tp, sl, bars = plain_barriers(strategy.risk, edge, bar) if raw != "SIDEWAY" else (None, None, None)
    reason = plain_reason(strategy, held, states, bar, (buy, sell, edge, confidence), raw, tp)
    return buy, sell, market, confidence, raw, raw if reason is None else "SIDEWAY", reason, tp, sl, bars


def plain_barriers(risk, edge, bar):
    for band in risk.bands:
        if band.edge_from <= edge < band.edge_to and not math.isnan(bar["atr14"]):
            tp, sl = (m * bar["atr14"] / bar["close"] for m in (band.tp_atr, band.sl_atr))
            return min(max(tp, risk.tp_min), risk.tp_max), min(max(sl, risk.sl_min), risk.sl_max), band.lookahead_bars
    return None, None, None


def plain_reason(strategy, held, states, bar, scores, raw, tp):
    guards, (buy, sell, edge, confidence) = strategy.guards, scores
    if any(one.weight > 0 and states[one.metric.code] == -1 for one in held):
        return "UNKNOWN_INPUT"
    read = ["atr14"] if raw != "SIDEWAY" else []
    if read and guards.squeeze_quantile is not None:
        read += ["bandwidth", "bandwidth_low"]
    if read and guards.variance_quantile is not None:
        read += ["atr_frac", "atr_frac_high"]
    if any(math.isnan(bar[name]) for name in read):
        return "UNKNOWN_INPUT"
    if guards.max_age_ms is not None and bar["age_ms"] > guards.max_age_ms:
        return "STALE_DATA"
    if buy >= strategy.threshold and sell >= strategy.threshold:
        return "CONFLICT"
    if raw == "SIDEWAY":
        return None
    if edge < guards.min_edge:
        return "WEAK_EDGE"
    if confidence < guards.confidence_lowest:
        return "LOW_CONF"
    if confidence > guards.confidence_highest:
        return "OVER_CONF"
    if guards.squeeze_quantile is not None and bar["bandwidth"] < bar["bandwidth_low"]:
        return "SQUEEZE"
    if guards.variance_quantile is not None and bar["atr_frac"] > bar["atr_frac_high"]:
        return "HIGH_VARIANCE"
    if any(one.side == "NO_TRADE" and states[one.metric.code] == 1 for one in held):
        return "NO_TRADE_METRIC"
    if tp is not None and tp <= guards.cost_multiple * strategy.costs.round_trip_frac:
        return "TP_BELOW_COSTS"
    return "OPEN_TRADE" if guards.one_trade and bar["open_trade"] else None
