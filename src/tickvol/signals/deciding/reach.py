"""Dead parts of a strategy: thresholds, bands and targets that no market can reach."""

from tickvol.signals.deciding.strategy import Scorer, Strategy, Weighted, most
from tickvol.signals.metrics.language import Side
from tickvol.signals.metrics.row_reader import Row

_OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def check_reach(row: Row, strategy: Strategy) -> None:
    """Refuse a threshold above the largest score, a band that no decision has, a target that never pays its costs."""
    bands, guards = strategy.risk.bands, strategy.guards
    scopes = _scopes(strategy)
    if not scopes:
        row.refuse("metrics", len(strategy.metrics), "must hold a BUY or a SELL metric with a weight")
        return
    before = len(row.problems)
    for name, metrics in scopes.items():
        largest = max(most(metrics, side) for side in _OTHER)
        if strategy.threshold > largest:
            row.refuse("threshold", strategy.threshold, f"must be at most {largest:g}, the largest score of {name}")
    if len(row.problems) > before:
        return
    if bands[0].edge_from > guards.min_edge:
        rule = f"must be at least {bands[0].edge_from:g}: the risk profile has no band below"
        row.refuse("guards.min_edge", guards.min_edge, rule)
    ranges = [_edges(strategy, metrics) for metrics in scopes.values()]
    for number, band in enumerate(bands, start=1):
        if not any(band.edge_from <= highest and lowest < band.edge_to for lowest, highest in ranges):
            shown = [f"[{lowest:g}, {highest:g}]" for lowest, highest in ranges if lowest <= highest]
            text = ", ".join(shown) or "no range: confidence_highest excludes the threshold"
            rule = f"band {number}, [{band.edge_from:g}, {band.edge_to:g}), is never reached: edges lie in {text}"
            row.refuse("risk_profile", strategy.risk.code, rule)
    needed = guards.cost_multiple * strategy.costs.round_trip_frac
    if strategy.risk.tp_max <= needed:
        rule = f"tp_max {strategy.risk.tp_max:g} must exceed {needed:g}, cost_multiple round trips of costs"
        row.refuse("risk_profile", strategy.risk.code, rule)


def _scopes(strategy: Strategy) -> dict[str, tuple[Weighted, ...]]:
    """Metrics by product that any metric names, and of all other products where a metric holds for all."""
    scored = [one for one in strategy.metrics if one.side in _OTHER and one.weight > 0]
    named = sorted({one.metric.symbol for one in scored if one.metric.symbol is not None})
    scopes = {symbol: tuple(one for one in strategy.metrics if one.metric.symbol in (None, symbol)) for symbol in named}
    if any(one.metric.symbol is None for one in scored):
        others = "any other product" if named else "any product"
        scopes[others] = tuple(one for one in strategy.metrics if one.metric.symbol is None)
    return scopes


def _edges(strategy: Strategy, metrics: tuple[Weighted, ...]) -> tuple[float, float]:
    """Bounds of the edge of decisions that pass all limits on scores; none: (inf, -inf)."""
    total = {side: most(metrics, side) for side in _OTHER}
    lowest, highest = float("inf"), float("-inf")
    for side, other in _OTHER.items():
        of = total[side] if strategy.scorer is Scorer.GROUPS else max(total.values())
        top = min(total[side], strategy.guards.confidence_highest * of)
        if top < strategy.threshold:
            continue
        floor = strategy.threshold - min(total[other], strategy.threshold)
        lowest = min(lowest, max(strategy.guards.min_edge, floor))
        highest = max(highest, top)
    return lowest, highest
