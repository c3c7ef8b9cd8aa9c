"""Ranking of products by volatility, and which differences are distinguishable."""

import math
from typing import Any

from tickvol.risk.figures.hierarchy import Difference, Hierarchy
from tickvol.risk.views.view import number, percent


def ranking_data(found: Hierarchy) -> dict[str, Any]:
    """The order and the differences, for JSON; a bound that is not known is null."""
    return {
        "ranking": [
            {"product_id": ranked.name, "rank": ranked.rank, "mean_volatility": ranked.mean_volatility}
            for ranked in found.ranking
        ],
        "differences": [
            {
                "lower": pair.lower,
                "higher": pair.higher,
                "difference": _known(pair.difference),
                "low": _known(pair.low),
                "high": _known(pair.high),
                "days": pair.days,
                "distinguishable": pair.distinguishable,
            }
            for pair in found.differences
        ],
    }


def ranking_lines(found: Hierarchy) -> list[str]:
    """The order as a line, and a line for each pair; none for fewer than two products."""
    if len(found.ranking) < 2:
        return []
    order = " < ".join(ranked.name for ranked in found.ranking)
    means = ", ".join(percent(ranked.mean_volatility, 1) for ranked in found.ranking)
    head = f"Risk from the calmest: {order}; mean volatility {means} a year"
    return [head, *(f"  {_pair(pair)}" for pair in found.differences), ""]


def _pair(pair: Difference) -> str:
    names = f"{pair.lower} and {pair.higher}"
    if math.isnan(pair.low):
        return f"{names}: not distinguishable, as {pair.days} common days are too few"
    points = [number(100 * value, 1) for value in (pair.difference, pair.low, pair.high)]
    verdict = "distinguishable" if pair.distinguishable else "not distinguishable"
    return f"{names}: {verdict}; {points[0]} points apart, 95% interval {points[1]} to {points[2]}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
