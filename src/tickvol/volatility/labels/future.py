"""Realized volatility of the bars that follow a row; the only function that looks ahead."""

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import UsageError
from tickvol.volatility.schema.feature_table import FeatureTable


def horizon_bars(table: FeatureTable, horizon_s: int) -> int:
    """Bars in a horizon.

    Raises
    ------
    UsageError
        When the horizon is not a positive multiple of the bar.
    """
    bars, rest = divmod(horizon_s * 1000, table.spec.bar_ms)
    if rest or bars < 1:
        raise UsageError(
            f"labels.horizon_s: {horizon_s}: must be a positive multiple of the rows' bar ({table.spec.bar_ms} ms)"
        )
    return bars


def future_vol(table: FeatureTable, horizon_s: int) -> NDArray[np.float64]:
    """Realized volatility of the bars in (t, t + horizon_s], t being the row's `bar_end_ns`.

    Root of the sum of the squared `bar_log_return` of exactly these bars of the same product, log-return per horizon.
    Bars are summed in time order, each row the same way, so a value does not depend on the other rows of the table.

    Returns
    -------
    (n,) float64
        NaN unless every bar of the horizon has a row with a known return.
    """
    bars = horizon_bars(table, horizon_s)
    found = np.full(len(table), np.nan)
    rows = len(table) - bars
    if rows <= 0:
        return found
    squares = table.column("bar_log_return") ** 2
    total = np.zeros(rows)
    for ahead in range(1, bars + 1):
        total += squares[ahead : ahead + rows]
    reaches_ns = table.bar_end_ns[bars:] - table.bar_end_ns[:rows]
    whole = (table.product[bars:] == table.product[:rows]) & (reaches_ns == bars * table.spec.bar_ns)
    found[:rows] = np.where(whole, np.sqrt(total), np.nan)
    return found
