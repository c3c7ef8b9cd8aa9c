"""Every indicator in plain Python, written from `docs/indicators.md`: slow, and readable line by line.

A function takes a list of bars, the window that ends with the bar in question, and gives its value or None. A bar is a
dictionary; `joined` says whether the bar before it in the window is the bar before it in time.
"""

import math
from itertools import pairwise
from statistics import fmean

from tickvol.signals.indicators.bars import DAY_MS


def windows(bars, warmup, memory, scope, max_bridge=0):
    """For each bar its window, oldest bar first, or None where there is no row."""
    length = bars.length_ms
    rows, first = [], 0
    for i, time in enumerate(bars.close_time_ms.tolist()):
        missing = 0 if i == 0 else (time - rows[-1]["time"]) // length - 1
        row = bars.bar(i)
        rows.append(
            {"time": time, "open": row.open, "high": row.high, "low": row.low, "close": row.close, "volume": row.volume}
            | {"joined": i > 0 and missing == 0, "missing": missing}
        )
        tolerated = max_bridge if scope == "recursion" else 0
        first = first if missing <= tolerated else i
        held = i + 1 - first
        window = rows[max(first, i + 1 - memory) if memory else first :]
        if scope == "session":
            midnight = (time - length) // DAY_MS * DAY_MS
            session = [each for each in window if each["time"] - length >= midnight]
            yield session if len(session) == (time - midnight) // length else None
        else:
            yield None if held < warmup else window


def ema(values, n):
    average = fmean(values[:n])
    for value in values[n:]:
        average = average * (1 - 2 / (n + 1)) + value * 2 / (n + 1)
    return average


def wilder(values, n):
    if len(values) < n:
        return None
    average = fmean(values[:n])
    for value in values[n:]:
        average = average * (1 - 1 / n) + value / n
    return average


def closes(window):
    return [bar["close"] for bar in window]


def joints(window):
    return [(old, new) for old, new in pairwise(window) if new["joined"]]


def rsi14(window):
    moves = [new["close"] - old["close"] for old, new in joints(window)]
    up, down = wilder([max(move, 0) for move in moves], 14), wilder([max(-move, 0) for move in moves], 14)
    if up is None:
        return None
    return 50.0 if up + down == 0 else 100 * up / (up + down)


def true_ranges(window):
    return [max(new["high"], old["close"]) - min(new["low"], old["close"]) for old, new in joints(window)]


def atr14(window):
    return wilder(true_ranges(window), 14)


def directional(window):
    plus, minus = [], []
    for old, new in joints(window):
        rise, fall = new["high"] - old["high"], old["low"] - new["low"]
        plus.append(rise if rise > fall and rise > 0 else 0.0)
        minus.append(fall if fall > rise and fall > 0 else 0.0)
    spreads, di = true_ranges(window), []
    for n in range(14, len(plus) + 1):
        spread, up, down = (wilder(values[:n], 14) for values in (spreads, plus, minus))
        di.append((100 * up / spread, 100 * down / spread) if spread else (0.0, 0.0))
    return di


def adx14(window):
    strengths = [100 * abs(up - down) / (up + down) if up + down else 0.0 for up, down in directional(window)]
    return wilder(strengths, 14)


def macd(window):
    return ema(closes(window)[-168:], 12) - ema(closes(window), 26)


def macd_signal(window):
    prices = closes(window)
    return ema([ema(prices[:n], 12) - ema(prices[:n], 26) for n in range(26, len(prices) + 1)], 9)


def deviation(window):
    middle = fmean(closes(window))
    return math.sqrt(fmean((close - middle) ** 2 for close in closes(window)))


def band(window, sigmas):
    return fmean(closes(window)) + sigmas * deviation(window)


def percent_b(window):
    width = band(window, 2) - band(window, -2)
    return (window[-1]["close"] - band(window, -2)) / width if width else None


def vwap(window):
    volume = math.fsum(bar["volume"] for bar in window)
    paid = math.fsum((bar["high"] + bar["low"] + bar["close"]) / 3 * bar["volume"] for bar in window)
    return paid / volume if volume else None


def from_vwap(window):
    average = vwap(window)
    return None if average is None else window[-1]["close"] / average - 1


def signed(window):
    return [
        math.copysign(new["volume"], move) if (move := new["close"] - old["close"]) else 0.0
        for old, new in joints(window)
    ]


def obv_share20(window):
    volume = math.fsum(bar["volume"] for bar in window[1:])
    return math.fsum(signed(window)) / volume if volume else None


def volume_ratio20(window):
    volume = fmean(bar["volume"] for bar in window)
    return window[-1]["volume"] / volume if volume else None


VALUE = {
    **{name: lambda window, name=name: window[-1][name] for name in ("open", "high", "low", "close", "volume")},
    **{f"ema{n}": lambda window, n=n: ema(closes(window), n) for n in (12, 26, 50, 200)},
    "rsi14": rsi14,
    "macd": macd,
    "macd_signal": macd_signal,
    "macd_hist": lambda window: macd(window[-364:]) - macd_signal(window),
    "plus_di14": lambda window: directional(window)[-1][0],
    "minus_di14": lambda window: directional(window)[-1][1],
    "adx14": adx14,
    "bb_upper": lambda window: band(window, 2),
    "bb_middle": lambda window: band(window, 0),
    "bb_lower": lambda window: band(window, -2),
    "percent_b": percent_b,
    "bandwidth": lambda window: (band(window, 2) - band(window, -2)) / band(window, 0),
    "atr14": atr14,
    "atr_frac": lambda window: atr14(window) / window[-1]["close"],
    "vwap20": vwap,
    "vwap_dev20": from_vwap,
    "vwap_session": vwap,
    "vwap_session_dev": from_vwap,
    "obv_share20": obv_share20,
    "obv": lambda window: math.fsum(signed(window)),
    "volume_ratio20": volume_ratio20,
}
