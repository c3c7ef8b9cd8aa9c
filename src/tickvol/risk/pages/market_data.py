"""The risk figures of one product, as the page of market risk reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from tickvol.pages.states import State, unknown, worst
from tickvol.risk.pages.readings import Clock, Reading, Readings
from tickvol.risk.tables import ANOMALIES, BACKTEST, CORRELATION, EPISODES, RISK

DEFAULT_METHOD = "fhs"
METHODS = {
    "fhs": "Filtered historical",
    "roll": "Rolling historical",
    "ewma": "EWMA, normal",
    "garch": "GARCH(1,1), normal",
}
_DAILY = (
    "product_id",
    "day",
    "source",
    "close",
    "simple_return",
    "log_return",
    "vol_30_annual",
    "drawdown",
    "max_drawdown",
    "var_95_fhs",
    "es_95_fhs",
    "worst_daily_loss",
    "reason",
)
_NO_REASON = "This figure is not known for the newest day."


@dataclass(frozen=True, slots=True)
class MarketRisk:
    """What is stored of all products.

    Attributes
    ----------
    daily, anomalies, backtest, episodes : of all products; of the backtest the newest day of each.
    correlation : of each two products, on the newest day.
    """

    daily: Reading
    anomalies: Reading
    backtest: Reading
    episodes: Reading
    correlation: Reading

    @classmethod
    def read(cls, readings: Readings) -> "MarketRisk":
        """Read the tables of the page."""
        return cls(
            daily=readings.read(RISK.name, columns=_DAILY),
            anomalies=readings.read(ANOMALIES.name),
            backtest=_newest(readings.read(BACKTEST.name), "as_of_day", "product_id", "method"),
            episodes=readings.read(EPISODES.name),
            correlation=_newest(readings.read(CORRELATION.name), "day"),
        )

    def of(self, product: str) -> "MarketRisk":
        """The same of one product."""
        daily, anomalies, backtest, episodes = (reading.of(product_id=product) for reading in self._of_products())
        return MarketRisk(daily, anomalies, backtest, episodes, self.correlation)

    def products(self, configured: Sequence[str]) -> tuple[str, ...]:
        """The configured products, then others that have figures, such as those loaded from files."""
        stored = [] if self.daily.missing else self.daily.rows["product_id"].unique().sort().to_list()
        return tuple(dict.fromkeys((*configured, *stored)))

    def _of_products(self) -> Sequence[Reading]:
        return self.daily, self.anomalies, self.backtest, self.episodes

    def state(self, products: Sequence[str], clock: Clock) -> State:
        """The worst state of the newest figures of some products, and of the tables."""
        readings = (*self._of_products(), self.correlation)
        if errors := [reading.missing for reading in readings if reading.missing and reading.error]:
            return errors[0]
        if self.daily.missing:
            return self.daily.missing
        return worst(_named(product, self.of(product).daily, clock) for product in products)


def _named(product: str, daily: Reading, clock: Clock) -> State:
    state = daily.missing or clock.state_of_day(daily.rows["day"][-1])
    return replace(state, text=f"{product}: {state.text}") if state.text else state


def _newest(reading: Reading, day: str, *of: str) -> Reading:
    if reading.missing:
        return reading
    newest = pl.col(day).max().over(of) if of else pl.col(day).max()
    return Reading(reading.rows.filter(pl.col(day) == newest))


@dataclass(frozen=True, slots=True)
class Newest:
    """A figure of the newest day, with its state.

    Attributes
    ----------
    day : "" where there are no rows.
    """

    value: float | None
    day: str
    state: State


def newest(daily: Reading, column: str, clock: Clock) -> Newest:
    """A column's value on the newest day: stale, or unknown with the reason that the row gives."""
    if daily.missing:
        return Newest(None, "", daily.missing)
    row = daily.rows.row(-1, named=True)
    value = row[column]
    if value is None:
        return Newest(None, row["day"], unknown(row["reason"] or _NO_REASON))
    return Newest(float(value), row["day"], clock.state_of_day(row["day"]))


def mean_of(daily: Reading, column: str) -> float | None:
    """Mean over the days on which the column is known."""
    known = daily.rows[column].drop_nulls()
    return None if known.is_empty() else float(known.to_numpy().mean())
