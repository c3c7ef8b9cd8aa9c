"""Bars for the tests: made ones, and recorded ones of an hour."""

import os
from pathlib import Path

import numpy as np

from tests.support import ROOT
from tickvol.signals.indicators.bars import COLUMNS, Bars
from tickvol.signals.indicators.registry import INDICATORS

KLINES = Path(os.environ.get("TICKVOL_DATA", ROOT.parent / "shared" / "data")) / "klines"
ABSENT = f"no recordings at {KLINES}; set TICKVOL_DATA"
HOUR_MS = 3_600_000
MONDAY_MS = 1_704_067_200_000
COMPUTED = tuple(code for code, indicator in INDICATORS.items() if indicator.has_kernel)
FINITE = tuple(code for code in COMPUTED if INDICATORS[code].memory_bars)


def walk(n, seed=1, length_ms=HOUR_MS):
    """Bars of a random walk from Monday, 2024-01-01 on, a few of them without volume or without a move."""
    random = np.random.default_rng(seed)
    moves = 0.004 * random.standard_t(4, n) * (random.random(n) > 0.05)
    close = 30_000.0 * np.exp(np.cumsum(moves))
    before = np.concatenate(([30_000.0], close))[:n]
    high = np.maximum(before, close) * np.exp(0.002 * random.random(n))
    low = np.minimum(before, close) * np.exp(-0.002 * random.random(n))
    volume = random.lognormal(5.0, 1.0, n) * (random.random(n) > 0.03)
    times = MONDAY_MS // length_ms * length_ms + length_ms * np.arange(1, n + 1)
    return Bars(times, before, high, low, close, volume, length_ms)


def flat(n, price=0.1, volume=3.0):
    """Bars that never move."""
    prices = np.full(n, price)
    times = MONDAY_MS + HOUR_MS * np.arange(1, n + 1)
    return Bars(times, prices, prices, prices, prices, np.full(n, volume), HOUR_MS)


def recorded(symbol="BTCUSDT"):
    """All recorded bars of an hour; the last may be partial."""
    from pyarrow import feather

    table = feather.read_table(KLINES / f"{symbol}-1h.feather")
    opens_ms = table["date"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    columns = {name: table[name].to_numpy() for name in COLUMNS}
    return Bars(opens_ms + HOUR_MS, **columns, length_ms=HOUR_MS)


def keep(bars, kept):
    """Bars at these indices or where this mask holds."""
    columns = {name: getattr(bars, name)[kept] for name in ("close_time_ms", *COLUMNS)}
    return Bars(**columns, length_ms=bars.length_ms)


def without(bars, *missing):
    """Bars but for those at these indices."""
    return keep(bars, np.delete(np.arange(len(bars)), missing))


def replaced(bars, **columns):
    """Bars with other columns."""
    held = {name: getattr(bars, name) for name in ("close_time_ms", *COLUMNS)}
    return Bars(**(held | columns), length_ms=bars.length_ms)
