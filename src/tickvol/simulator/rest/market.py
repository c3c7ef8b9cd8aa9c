"""Markets of the simulated REST exchange: daily bars by product, given, recorded or drawn from a seed."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import UsageError
from tickvol.core.times import DAY_S
from tickvol.simulator.market import KNOWN_START_PRICES

Floats = NDArray[np.float64]
Day = str | date | int
"""A day as ISO text, date, or days since the epoch."""

LISTED = {"BTC-USD": "2015-07-20", "ETH-USD": "2016-05-18", "SOL-USD": "2021-06-17", "DOGE-USD": "2021-06-03"}
"""First days on Coinbase."""
LISTED_ELSE = "2021-01-01"
_START_PRICES = {"BTC-USD": 280.0, "ETH-USD": 14.0, "SOL-USD": 36.0, "DOGE-USD": 0.4, "ADA-USD": 0.2, "BNB-USD": 38.0}
_TREND_DAY = "2026-01-05"
"""Day on which the trend of a product reaches the start price that it has on the simulated feed."""
_LAST_DAY = "2036-01-01"

ANNUAL_VOLS = {"BTC-USD": 0.5, "ETH-USD": 0.65, "SOL-USD": 0.85}
ANNUAL_VOL_ELSE = 0.8
REGIME_VOLS = (0.6, 1.0, 1.9)
"""Volatility of the calm, the ordinary and the wild regime, relative to the product's own."""
REGIME_NEXT = ((0.97, 0.03, 0.0), (0.02, 0.96, 0.02), (0.0, 0.06, 0.94))
COMMON_WEIGHT = 0.8
"""Weight of the shock that all products share; 0.64 is the correlation of two products in equal regimes."""
REVERSION_HALF_LIFE_DAYS = 250.0
"""Half-life of a price's distance from its trend, which keeps all seeds within a factor of a few of real prices."""
DIGITS = 7
"""Significant digits of a price."""


class Bar(NamedTuple):
    """Prices of a bar in the quote currency, volume in the base currency."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Market(Protocol):
    """Whole daily bars; those of the current day and of shorter candles follow from them (`intraday`)."""

    @property
    def products(self) -> Sequence[str]:
        """Products that the exchange knows."""

    def day_bar(self, product_id: str, day: int, now_s: float) -> Bar | None:
        """The bar of a day (days since the epoch) as the exchange publishes it at `now_s`; None if it has none."""


class DailyMarket:
    """Given bars.

    Parameters
    ----------
    bars : product to day to open, high, low, close, volume.
    """

    def __init__(self, bars: Mapping[str, Mapping[Day, tuple[float, float, float, float, float]]]) -> None:
        self._bars = {
            product: {day_number(day): Bar(*bar) for day, bar in days.items()} for product, days in bars.items()
        }

    @property
    def products(self) -> Sequence[str]:
        """Products in the order given."""
        return tuple(self._bars)

    def day_bar(self, product_id: str, day: int, now_s: float) -> Bar | None:
        """The bar given for the day."""
        return self._bars[product_id].get(day)


class SeededMarket:
    """Drawn bars: log returns whose volatility follows a chain of three regimes, from a product's listing to 2035.

    A product's bars depend on the seed and its name alone; `first_day` hides those before it.

    Raises
    ------
    UsageError
        If the seed is negative or no product is named.
    """

    def __init__(self, products: Iterable[str], seed: int = 7, *, first_day: Day | None = None) -> None:
        self._products = tuple(dict.fromkeys(products))
        if seed < 0:
            raise UsageError(f"--seed: {seed}: must not be negative")
        if not self._products:
            raise UsageError("--products: name at least one")
        self._seed = seed
        self._first_day = None if first_day is None else day_number(first_day)
        self._drawn: dict[str, tuple[int, list[Bar]]] = {}

    @property
    def products(self) -> Sequence[str]:
        """Products in the order given."""
        return self._products

    def day_bar(self, product_id: str, day: int, now_s: float) -> Bar | None:
        """The bar drawn for the day."""
        if product_id not in self._drawn:
            self._drawn[product_id] = _drawn(product_id, self._seed)
        listed, bars = self._drawn[product_id]
        if day < max(listed, self._first_day or listed) or day - listed >= len(bars):
            return None
        return bars[day - listed]


def day_number(day: Day) -> int:
    """Days since the epoch.

    >>> day_number("1970-01-02"), day_number(date(1970, 1, 3)), day_number(3)
    (1, 2, 3)
    """
    if isinstance(day, int):
        return day
    if isinstance(day, str):
        day = date.fromisoformat(day)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // DAY_S


def significant(values: Floats) -> Floats:
    """Round to `DIGITS` significant digits; what is not finite or 0 stays."""
    known = np.isfinite(values) & (values != 0)
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values, where=known, out=np.ones_like(values)))))
    return np.where(known, np.round(values * scale) / scale, values)


def _drawn(product_id: str, seed: int) -> tuple[int, list[Bar]]:
    listed = day_number(LISTED.get(product_id, LISTED_ELSE))
    count = day_number(_LAST_DAY) - listed
    normals = _generator(seed, product_id, "normals").standard_normal((count, 4))
    vol = ANNUAL_VOLS.get(product_id, ANNUAL_VOL_ELSE) / np.sqrt(365) * _regimes(seed, product_id, count)
    start = _START_PRICES.get(product_id) or 10 ** (3 * (zlib.crc32(product_id.encode()) % 1000) / 1000)
    until = day_number(_TREND_DAY) - listed
    trend = np.log(KNOWN_START_PRICES.get(product_id, start) / start) * np.minimum(np.arange(count) / until, 1)
    skipped = listed - day_number(LISTED["BTC-USD"])
    common = _generator(seed, "", "common").standard_normal(skipped + count)[skipped:]
    shocks = vol * (COMMON_WEIGHT * common + np.sqrt(1 - COMMON_WEIGHT**2) * normals[:, 0])
    closes = significant(start * np.exp(trend + _reverting(shocks)))
    opens = np.concatenate(([start], closes[:-1]))
    highs = significant(np.maximum(opens, closes) * np.exp(0.4 * vol * np.abs(normals[:, 1])))
    lows = significant(np.minimum(opens, closes) * np.exp(-0.4 * vol * np.abs(normals[:, 2])))
    highs, lows = np.maximum(highs, np.maximum(opens, closes)), np.minimum(lows, np.minimum(opens, closes))
    volumes = significant(4e8 / closes * np.exp(0.5 * normals[:, 3] + np.log(vol / vol.mean())))
    columns = (opens, highs, lows, closes, volumes)
    return listed, [Bar(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def _reverting(shocks: Floats) -> Floats:
    decay, level, levels = 0.5 ** (1 / REVERSION_HALF_LIFE_DAYS), 0.0, []
    for shock in shocks.tolist():
        level = decay * level + shock
        levels.append(level)
    return np.array(levels)


def _regimes(seed: int, product_id: str, count: int) -> Floats:
    limits = np.cumsum(REGIME_NEXT, axis=1).tolist()
    vols, regime = np.empty(count), 1
    for day, uniform in enumerate(_generator(seed, product_id, "regimes").random(count).tolist()):
        regime = next(number for number, limit in enumerate(limits[regime]) if uniform < limit or number == 2)
        vols[day] = REGIME_VOLS[regime]
    return vols


def _generator(seed: int, product_id: str, stream: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(product_id.encode()), zlib.crc32(stream.encode())]))
