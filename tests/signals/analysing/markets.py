"""Simulated markets with decisions on them, with or without a drift that follows each decision."""

import numpy as np

from tests.signals.confirming.paths import COARSE, bars_from
from tickvol.signals.analysing.chance import Entries

_PER_HOUR = 48


def market(seed, drift_after=0.0, n=150, hours=1500, hold=6):
    """Entries on a random path; each decision is followed by a move of `drift_after` in its favour over `hold` bars."""
    rng = np.random.default_rng(seed)
    moves = 0.001 * rng.standard_normal(hours * _PER_HOUR)
    at = np.sort(rng.choice(np.arange(50, hours - 20), size=n, replace=False))
    side = rng.choice([-1, 1], size=n).astype(np.int8)
    for bar, s in zip(at, side, strict=True):
        moves[(bar + 1) * _PER_HOUR : (bar + 1 + hold) * _PER_HOUR] += s * drift_after / (hold * _PER_HOUR)
    bars = bars_from(100 * np.exp(np.cumsum(moves)), 4, COARSE)
    atr = np.full(hours, 0.01)
    atr[:40] = np.nan
    return Entries(bars, atr, at, side, np.full(n, 1.5), np.full(n, 1.0), np.full(n, hold))
