"""Minimum-variance weights of several assets."""

import math

import numpy as np
import polars as pl

from tickvol.core.errors import UsageError
from tickvol.risk.figures.allocation import minimum_variance
from tickvol.risk.figures.calendar import aligned, day_number
from tickvol.risk.tables import RISK
from tickvol.risk.views.figures import products_of
from tickvol.risk.views.view import View, percent, table_lines
from tickvol.storage.delta.lake import Lake


def allocate(lake: Lake, products: tuple[str, ...] | None, *, allow_short: bool, min_days: int, year_days: int) -> View:
    """Weights with the least variance of daily returns, or the reason why there are none.

    Parameters
    ----------
    products : None: all that have figures.
    """
    stored = products_of(lake, None)
    unknown = [product for product in products or () if product not in stored]
    if unknown:
        raise UsageError(f"--product: {', '.join(unknown)}: must be among {', '.join(stored)}")
    chosen = products or tuple(stored)
    rows = lake.table(RISK.name).read(
        where=pl.col("product_id").is_in(list(chosen)), columns=["product_id", "day", "simple_return"]
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
        return View(data, (f"no weights: {found.reason}",))
    lines = table_lines(["asset", "weight"], [[name, percent(weight, 1)] for name, weight in found.weights.items()])
    equal = f"with equal weights {percent(found.equal_weight_volatility, 1)}"
    volatility = f"volatility {percent(found.volatility, 1)} a year over {found.days} common days; {equal}"
    return View(data, (*lines, "", volatility))
