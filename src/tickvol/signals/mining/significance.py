"""Significance of many rules at once: exact tails, the false discovery rate, and a test of the whole family."""

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.mining.count_kernel import shifts_that_reach, smallest_counts, upper_tails
from tickvol.signals.mining.transactions import Bits, Mask, packed

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
MIN_SHIFT_TRADES = 50


def hypergeometric_tails(k: Counts, population: int, successes: int, draws: Counts) -> Array:
    """One-sided p (m,): the probability of at least k successes among each number of draws without replacement.

    >>> hypergeometric_tails(np.array([2]), 4, 2, np.array([2])).round(6).tolist()
    [0.166667]
    """
    out = np.empty(len(k), dtype=np.float64)
    upper_tails(k, population, successes, draws, out)
    return out


def false_discovery(p: Array) -> Array:
    """Benjamini-Hochberg q-values (m,) in the order of `p`.

    >>> false_discovery(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p), dtype=np.float64)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def family_p(
    columns: Bits, sets: NDArray[np.int16], n_set: Counts, won: Mask, smallest: float, *, shifts: int, seed: int
) -> float:
    """Share of circular shifts of the outcomes whose smallest p, for WIN or LOSS, is at most `smallest`.

    Shifts are by at least 50 trades either way, which keeps runs of alike outcomes together; 1 where there are no
    rules or fewer than 101 trades.

    Parameters
    ----------
    columns : (items, words) uint64, packed items
    sets, n_set : (m, 3) and (m,), the antecedents and their numbers of trades
    won : (n,) bool, outcomes in the order of time
    """
    n, wins = len(won), int(won.sum())
    if not len(sets) or n <= 2 * MIN_SHIFT_TRADES:
        return 1.0
    offsets = np.random.default_rng(seed).integers(MIN_SHIFT_TRADES, n - MIN_SHIFT_TRADES + 1, size=shifts)
    shifted = packed(np.stack([np.roll(won, offset) for offset in offsets]))
    least, least_losses = np.empty(len(sets), dtype=np.int64), np.empty(len(sets), dtype=np.int64)
    smallest_counts(smallest, n, wins, n_set, least)
    smallest_counts(smallest, n, n - wins, n_set, least_losses)
    reached = np.zeros(shifts, dtype=np.bool_)
    # The likeliest first: a shift that one set reaches needs no other.
    order = np.argsort(least - n_set * (wins / n))
    shifts_that_reach(columns, shifted, sets[order], least[order], (n_set - least_losses)[order], reached)
    return float(reached.mean())
