"""Rows of a strategies file become strategies, or all of their problems at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tickvol.signals.deciding.reach import check_reach
from tickvol.signals.deciding.risk import RiskProfile
from tickvol.signals.deciding.strategy import Guards, Scorer, Strategy, TradeCosts, Weighted
from tickvol.signals.metrics.language import Metric, Side
from tickvol.signals.metrics.row_reader import Row, raise_all, repeated_codes, rows_of

_KEYS = ("code", "scorer", "interval", "threshold", "metrics", "guards", "costs", "risk_profile", "note")
_MAX_BPS = 1000.0
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Stored:
    """What strategies may name: current metric versions with their ids, risk profiles, and intervals, by code."""

    metrics: Mapping[str, tuple[int, Metric]]
    profiles: Mapping[str, RiskProfile]
    intervals: Mapping[str, int]


def parse_strategies(raw: object, stored: Stored) -> tuple[Strategy, ...]:
    """Strategies of a file, all as version 1, in the order of its rows.

    Raises
    ------
    UsageError
        If any rule is broken: one line for each problem, with row, key, value and rule.
    """
    rows, problems = rows_of(raw)
    repeated_codes(rows)
    strategies = [(row, _strategy(row, stored)) for row in rows]
    first: dict[str, str] = {}
    for row, strategy in strategies:
        if strategy is not None and first.setdefault(strategy.definition_hash, strategy.code) != strategy.code:
            twin = first[strategy.definition_hash]
            row.refuse("code", strategy.code, f"has the definition of {twin}: give each definition one code")
    raise_all(problems)
    return tuple(strategy for _, strategy in strategies if strategy is not None)


def _strategy(row: Row, stored: Stored) -> Strategy | None:
    before = len(row.problems)
    row.only(_KEYS)
    code, note = row.named(), row.note()
    scorer = _scorer(row)
    interval = row.text("interval", required=True)
    if interval is not None and interval not in stored.intervals:
        row.refuse("interval", interval, f"must be a known interval: {', '.join(stored.intervals)}")
    threshold = row.number_in("threshold", 1e-9, required=True)
    metrics = _metrics(row, stored, interval)
    guards, costs = _guards(row.section("guards")), _costs(row.section("costs"))
    profile = row.text("risk_profile", required=True)
    if profile is not None and profile not in stored.profiles:
        row.refuse("risk_profile", profile, f"must be a known risk profile: {', '.join(sorted(stored.profiles))}")
    if len(row.problems) > before or scorer is None or interval is None or threshold is None or profile is None:
        return None
    risk = stored.profiles[profile]
    strategy = Strategy(code, scorer, interval, threshold, metrics, guards, risk, costs, note=note)
    check_reach(row, strategy)
    return strategy if len(row.problems) == before else None


def _scorer(row: Row) -> Scorer | None:
    value = row.text("scorer", required=True)
    if value is None or value in list(Scorer):
        return None if value is None else Scorer(value)
    row.refuse("scorer", value, f"must be one of {', '.join(Scorer)}")
    return None


def _metrics(row: Row, stored: Stored, interval: str | None) -> tuple[Weighted, ...]:
    listed = row.values.get("metrics")
    if not isinstance(listed, list) or not listed:
        row.refuse("metrics", listed, "must be a list of codes, or of mappings with code, side and weight")
        return ()
    found: dict[str, Weighted] = {}
    for number, entry in enumerate(listed, start=1):
        values = entry if isinstance(entry, Mapping) else {"code": entry}
        one = _weighted(row, f"metrics[{number}].", values, stored)
        if one is None:
            continue
        code = one.metric.code
        if code in found:
            row.refuse(f"metrics[{number}]", code, "is named twice: each metric once")
        if interval is not None and one.metric.interval not in (None, interval):
            row.refuse(f"metrics[{number}]", code, f"holds for {one.metric.interval}, not for {interval}")
        found[code] = one
    return tuple(found.values())


def _weighted(row: Row, prefix: str, values: Mapping[str, Any], stored: Stored) -> Weighted | None:
    entry = Row(row.number, values, [], prefix)
    entry.only(("code", "side", "weight"))
    code = entry.text("code", required=True)
    side = entry.one_of("side", Side) if "side" in values else None
    weight = entry.number_in("weight", 0.0)
    if code is not None and code not in stored.metrics:
        entry.refuse("code", code, "must be a known metric: apply the metrics first")
    elif code is not None and not stored.metrics[code][1].active:
        entry.refuse("code", code, "is deactivated: leave it out")
    known = stored.metrics.get(code or "")
    used = side or (known[1].side if known else Side.CONTEXT)
    weight = (known[1].weight if known else 0.0) if weight is None else weight
    if used is Side.CONTEXT and weight > 0:
        entry.refuse("weight", weight, "must be 0: CONTEXT never scores")
    for problem in entry.problems:
        row.refuse(problem.key, problem.value, problem.rule)
    return None if entry.problems or known is None else Weighted(known[0], known[1], used, weight)


def _guards(row: Row) -> Guards:
    row.only(tuple(Guards.__dataclass_fields__))
    default = Guards(min_edge=0.0)
    low, high = (
        _or(row.number_in(f"confidence_{end}", 0.0, 1.0), getattr(default, f"confidence_{end}"))
        for end in ("lowest", "highest")
    )
    if low >= high:
        row.refuse("confidence_lowest", low, f"must be below confidence_highest, {high:g}")
    age = row.number_in("max_age_ms", 1, _DAY_MS * 10_000, whole=True)
    bars = row.number_in("quantile_bars", 2, 100_000, whole=True)
    return Guards(
        min_edge=_or(row.number_in("min_edge", 0.0, required=True), 0.0),
        confidence_lowest=low,
        confidence_highest=high,
        max_age_ms=None if age is None else int(age),
        squeeze_quantile=_quantile(row, "squeeze_quantile", default.squeeze_quantile),
        variance_quantile=_quantile(row, "variance_quantile", default.variance_quantile),
        quantile_bars=int(_or(bars, default.quantile_bars)),
        cost_multiple=_or(row.number_in("cost_multiple", 0.0, 1000.0), default.cost_multiple),
        one_trade=row.flag("one_trade", default.one_trade),
    )


def _quantile(row: Row, key: str, default: float | None) -> float | None:
    """The default where the key is absent; null switches the guard off."""
    return row.number_in(key, 0.0, 1.0) if key in row.values else default


def _costs(row: Row) -> TradeCosts:
    row.only(("fee_bps", "slippage_bps"))
    default = TradeCosts()
    fee, slippage = (row.number_in(key, 0.0, _MAX_BPS) for key in ("fee_bps", "slippage_bps"))
    return TradeCosts(_or(fee, default.fee_bps), _or(slippage, default.slippage_bps))


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
