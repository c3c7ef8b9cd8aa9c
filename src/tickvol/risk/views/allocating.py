"""Minimum-variance weights of several assets."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from tickvol.risk.figures.allocation import minimum_variance
from tickvol.risk.figures.calendar import aligned, day_number
from tickvol.risk.tables import RISK
from tickvol.risk.views.figures import products_of
from tickvol.risk.views.view import View, percent, table_lines
from tickvol.storage.delta.lake import Lake


def allocate(
    lake: Lake, products: Sequence[str] | None = None, *, allow_short: bool, min_days: int, year_days: int
) -> View:
    """Weights with the least variance of daily returns, or the reason why there are none.

    Parameters
    ----------
    products : None: all that have figures.
    """
    chosen = list(dict.fromkeys(products_of(lake, products)))
    rows = lake.table(RISK.name).read(
        where=pl.col("product_id").is_in(chosen), columns=["product_id", "day", "simple_return"]
    )
    series = {}
    for product in chosen:
        own = rows.filter(pl.col("product_id") == product).sort("day")
        values = own["simple_return"].fill_null(np.nan).to_numpy()
        series[product] = (day_number(own["day"][0]), values)
    _, returns = aligned(series)
    found = minimum_variance(returns, long_only=not allow_short, min_days=min_days, year_days=year_days)
    data = {
        "weights": found.weights,
        "volatility": None if math.isnan(found.volatility) else found.volatility,
        "equal_weight_volatility": None if math.isnan(found.equal_weight_volatility) else found.equal_weight_volatility,
        "days": found.days,
        "long_only": not allow_short,
        "reason": found.reason,
    }
    if found.reason:
        return View(data, (f"no weights: {found.reason}",), is_known=False)
    lines = table_lines(["asset", "weight"], [[name, percent(weight, 1)] for name, weight in found.weights.items()])
    kind = "negative weights allowed" if allow_short else "no negative weights; --short allows them"
    volatility, equal = percent(found.volatility, 1), percent(found.equal_weight_volatility, 1)
    about = (
        f"Least variance over {found.days:,} common days, {kind}.",
        f"Volatility {volatility} a year; with equal weights {equal}.",
    )
    return View(data, (*lines, "", *about))
