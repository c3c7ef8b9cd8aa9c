"""Prices within a day: a path from the open to the close of a daily bar that touches its high and its low.

From it follow shorter candles, the bar of a day that is not over, and the price at any moment. The bars of a whole day
are those of the market, unchanged.
"""

import zlib
from functools import lru_cache

import numpy as np

from tickvol.core.times import DAY_S
from tickvol.simulator.rest.market import Bar, Floats, Market, significant

_MINUTES = DAY_S // 60


def bars(
    market: Market, product_id: str, granularity_s: int, window_s: tuple[int, int], now_s: float
) -> list[tuple[int, Bar]]:
    """Opening times and bars that open in a window, both ends inclusive, oldest first; none opens after `now_s`."""
    first = -(-window_s[0] // granularity_s) * granularity_s
    found = []
    for open_s in range(first, min(window_s[1], int(now_s)) + 1, granularity_s):
        bar = _bar(market, product_id, open_s, min(open_s + granularity_s, now_s), now_s)
        if bar is not None:
            found.append((open_s, bar))
    return found


def price(market: Market, product_id: str, time_s: float) -> float | None:
    """Price of the last trade at a moment; on a day without a bar the close of the last day that has one."""
    day, second = divmod(time_s, DAY_S)
    bar = market.day_bar(product_id, int(day), time_s)
    if bar is not None:
        return _price(_path(bar, product_id, int(day)), second)
    earlier = (market.day_bar(product_id, int(day) - days, time_s) for days in range(1, 4000))
    return next((bar.close for bar in earlier if bar is not None), None)


def _bar(market: Market, product_id: str, open_s: int, end_s: float, now_s: float) -> Bar | None:
    day, begin = divmod(open_s, DAY_S)
    whole = market.day_bar(product_id, day, now_s)
    end = end_s - day * DAY_S
    if whole is None or (begin == 0 and end == DAY_S):
        return whole
    path = _path(whole, product_id, day)
    prices = [*path[begin // 60 : int(end // 60) + 1].tolist(), _price(path, end)]
    volume = round(whole.volume * (end - begin) / DAY_S, 8)
    return Bar(prices[0], max(prices), min(prices), prices[-1], volume)


def _price(path: Floats, second: float) -> float:
    minute, rest = divmod(second, 60)
    before, after = float(path[int(minute)]), float(path[min(int(minute) + 1, _MINUTES)])
    if rest == 0 or before == after:
        return before
    return min(
        max(float(significant(np.array([before + (after - before) * rest / 60]))[0]), min(before, after)),
        max(before, after),
    )


@lru_cache(maxsize=512)
def _path(bar: Bar, product_id: str, day: int) -> Floats:
    random = np.random.Generator(np.random.PCG64([zlib.crc32(product_id.encode()), day]))
    turns = sorted((bar.low, bar.high), reverse=bool(random.random() < 0.5))
    at = np.array([0, random.integers(200, 700), random.integers(750, 1240), _MINUTES])
    values = np.array([bar.open, *turns, bar.close])
    minutes = np.arange(_MINUTES + 1)
    walk = np.concatenate(([0.0], np.cumsum(random.standard_normal(_MINUTES)))) * (bar.high - bar.low) * 0.007
    noise = walk - np.interp(minutes, at, walk[at])
    path = np.clip(significant(np.interp(minutes, at, values) + noise), bar.low, bar.high)
    path[at] = values
    return path
