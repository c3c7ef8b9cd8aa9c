"""Random tables of trades with regime-like items, and planted patterns."""

import numpy as np

from tickvol.signals.mining.transactions import Transactions, item_table

PAIRS = 6


def table(seed, n=4000, *, lone=5, planted=0.0, base=0.4):
    """Trades with complementary pairs and lone items; (`A0_UP`, `L0`) wins by `planted` more than the base rate."""
    rng = np.random.default_rng(seed)
    ups = rng.random((PAIRS, n)) < rng.uniform(0.3, 0.7, PAIRS)[:, None]
    loners = rng.random((lone, n)) < rng.uniform(0.1, 0.5, lone)[:, None]
    names = [f"A{i}_UP" for i in range(PAIRS)] + [f"A{i}_DOWN" for i in range(PAIRS)] + [f"L{i}" for i in range(lone)]
    items, has = item_table(names, np.concatenate([ups, ~ups, loners]))
    chance = base + planted * (ups[0] & loners[0])
    apart = tuple(frozenset({f"A{i}_UP", f"A{i}_DOWN"}) for i in range(PAIRS))
    return Transactions(items, has, rng.random(n) < chance, apart)


def halves(trades, share=0.6):
    early = np.arange(len(trades)) < share * len(trades)
    return trades.part(early), trades.part(~early)
