"""Daily closes of each product from the stored final candles, on a calendar without holes."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickvol.risk.figures.calendar import days_from
from tickvol.risk.pipeline.context import FILE, GRANULARITY_S, SIMULATED
from tickvol.risk.tables import SILVER
from tickvol.storage.delta.lake import Lake


@dataclass(frozen=True, slots=True)
class Closes:
    """Closes of a product.

    Attributes
    ----------
    first_day : since the epoch.
    values : (n,) float64, one for each calendar day from the first to the last final one; NaN on a missing day.
    """

    source: str
    first_day: int
    values: NDArray[np.float64]

    @property
    def days(self) -> list[str]:
        """ISO dates of the values."""
        return days_from(self.first_day, len(self.values))


def daily_closes(lake: Lake, source: str) -> dict[str, Closes]:
    """Closes of every product that has a final candle, by product.

    Parameters
    ----------
    source : preferred origin; a product without candles of it uses those from files, then simulated ones.
    """
    is_daily = pl.col("is_final") & (pl.col("granularity_s") == GRANULARITY_S)
    rows = lake.table(SILVER.name).read(where=is_daily, columns=["source", "product_id", "open_time_s", "close"])
    found: dict[str, Closes] = {}
    for origin in dict.fromkeys((source, FILE, SIMULATED)):
        own = rows.filter(pl.col("source") == origin)
        for product in own["product_id"].unique().sort().to_list():
            if product not in found:
                found[product] = _closes(origin, own.filter(pl.col("product_id") == product))
    return dict(sorted(found.items()))


def _closes(source: str, rows: pl.DataFrame) -> Closes:
    days = rows["open_time_s"].to_numpy() // GRANULARITY_S
    first = int(days.min())
    values = np.full(int(days.max()) - first + 1, np.nan)
    values[days - first] = rows["close"].to_numpy()
    return Closes(source, first, values)
