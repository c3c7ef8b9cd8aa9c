"""The order book of the simulated REST exchange: levels around the market's price, and planted walls with a known fate.

The book changes once a second. Between two moves of the price a level keeps its size for 20 s. Depth follows what
Coinbase showed on 2026-08-09: the best 100 levels of BTC-USD reach 5.5 basis points from the mid, those of ETH-USD 9.6.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from tickvol.simulator.rest import intraday
from tickvol.simulator.rest.market import Floats, Market

LEVELS = {"BTC-USD": (18_261, 23_429), "ETH-USD": (12_000, 15_000)}
LEVELS_ELSE = (4_000, 5_000)
REACH_BP = {"BTC-USD": 5.5, "ETH-USD": 9.6}
"""Distance of the 100th level from the mid."""
REACH_BP_ELSE = 15.0
TICKS = {"BTC-USD": 0.01, "ETH-USD": 0.01, "SOL-USD": 0.01, "BNB-USD": 0.01, "ADA-USD": 0.0001, "DOGE-USD": 0.00001}
TICK_ELSE = 0.0001
_BEND = 211.0
_STRAIGHT_FROM = 1_000
_SIZE_LIFE_S = 20
_FILL_S = 5
_STEP_BP = 0.5


class Level(NamedTuple):
    """Price in the quote currency, size in the base currency, number of orders."""

    price: float
    size: float
    orders: int


@dataclass(frozen=True, slots=True)
class Book:
    """Levels of one moment, best first."""

    time_s: float
    sequence: int
    bids: list[Level]
    asks: list[Level]
    auction_mode: bool = False


@dataclass(frozen=True, slots=True)
class Wall:
    """A large order that stands from `opens_s` until before `ends_s`, in s since the epoch.

    Parameters
    ----------
    price : a multiple of the tick.
    fate : pulled: it vanishes at once. filled: in its last 5 s the price comes to it, and one trade a second takes a
        fifth of it. While it stands, the price does not pass it.
    """

    product_id: str
    side: Literal["bid", "ask"]
    price: float
    size: float
    opens_s: int
    ends_s: int
    fate: Literal["pulled", "filled"] = "pulled"

    def left(self, second: int) -> float:
        """Size that stands during a second; 0 before and after."""
        if not self.opens_s <= second < self.ends_s:
            return 0.0
        return self.size * min(self.ends_s - second, _FILL_S) / _FILL_S if self.fate == "filled" else self.size

    def traded(self, second: int) -> float:
        """Size that the trade of a second takes from it; 0 if none does."""
        return self.size / _FILL_S if self.fate == "filled" and 0 < self.ends_s - second <= _FILL_S else 0.0


class BookModel:
    """Books of a market at any second; the same second gives the same book."""

    def __init__(self, market: Market, walls: Sequence[Wall] = (), *, seed: int = 7) -> None:
        self._market = market
        self.walls = tuple(walls)
        self._seed = seed

    def mid(self, product_id: str, time_s: float) -> float | None:
        """Middle of the best bid and ask; None before the first day of the product."""
        second = int(time_s)
        price = intraday.price(self._market, product_id, second)
        if price is None:
            return None
        unit = tick(product_id)
        coarse = max(round(price * _STEP_BP / 1e4 / unit), 1)
        mid = (round(price / unit / coarse) * coarse + 0.5) * unit
        for wall in self.walls:
            if wall.product_id != product_id or not wall.left(second):
                continue
            nearest = wall.price - unit / 2 if wall.side == "ask" else wall.price + unit / 2
            if wall.traded(second):
                return nearest
            mid = min(mid, nearest - unit) if wall.side == "ask" else max(mid, nearest + unit)
        return mid

    def book(self, product_id: str, time_s: float) -> Book | None:
        """The whole book of a second; None before the first day of the product."""
        second = int(time_s)
        mid = self.mid(product_id, second)
        if mid is None:
            return None
        counts = LEVELS.get(product_id, LEVELS_ELSE)
        bids, asks = (
            self._levels(product_id, second, mid, side, count) for side, count in zip((-1, 1), counts, strict=True)
        )
        return Book(float(second), second * 50, bids, asks)

    def _levels(self, product_id: str, second: int, mid: float, side: int, count: int) -> list[Level]:
        """Levels of bids (side -1) or asks (side 1)."""
        unit = tick(product_id)
        away = _distances(count, REACH_BP.get(product_id, REACH_BP_ELSE))
        steps = np.round(np.abs(np.expm1(side * away)) * mid / unit)
        steps[0] = 0
        ticks = round(touch(mid, unit)[side > 0] / unit) + side * np.unique(steps)
        ticks = ticks[ticks > 0].astype(np.int64)
        key = np.uint64(zlib.crc32(f"{self._seed}/{product_id}/{side}/{second // _SIZE_LIFE_S}".encode()))
        uniforms = _uniforms(ticks.astype(np.uint64) ^ (key << np.uint64(32)))
        sizes = np.round(2_000 / mid * np.minimum((1 - uniforms) ** -0.7, 400), 8)
        orders = (1 + 8 * uniforms * uniforms).astype(np.int64)
        columns = (np.round(ticks * unit, 10).tolist(), sizes.tolist(), orders.tolist())
        levels = {values[0]: Level(*values) for values in zip(*columns, strict=True)}
        for wall in self.walls:
            if wall.product_id == product_id and (wall.side == "ask") == (side > 0) and wall.left(second):
                levels[wall.price] = Level(wall.price, wall.left(second), 1)
        return sorted(levels.values(), key=lambda level: side * level.price)


def tick(product_id: str) -> float:
    """Smallest step of a product's price.

    >>> tick("BTC-USD"), tick("DOGE-USD")
    (0.01, 1e-05)
    """
    return TICKS.get(product_id, TICK_ELSE)


def touch(mid: float, unit: float) -> tuple[float, float]:
    """Best bid and ask, one tick apart, around a mid that lies half-way between two ticks.

    >>> touch(67000.005, 0.01)
    (67000.0, 67000.01)
    """
    return round(math.floor(mid / unit) * unit, 10), round(math.ceil(mid / unit) * unit, 10)


@lru_cache(maxsize=64)
def _distances(count: int, reach_bp: float) -> Floats:
    """Distances from the mid in log-price: dense near it, in equal steps from the 1000th level on."""
    number = np.arange(1, count + 1, dtype=np.float64)
    scale = reach_bp / (100 * (1 + 100 / _BEND))
    near = np.minimum(number, _STRAIGHT_FROM)
    slope = 1 + 2 * _STRAIGHT_FROM / _BEND
    distances: Floats = (near * (1 + near / _BEND) + (number - near) * slope) * scale / 1e4
    return distances


def _uniforms(keys: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Floats:
    """Uniforms on [0, 1) by the finaliser of splitmix64."""
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniforms: Floats = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return uniforms
