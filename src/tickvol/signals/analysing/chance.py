"""Comparison with chance: the same decisions at shifted times, under the same risk profile."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.outcomes import Costs, Decisions
from tickvol.signals.indicators.bars import Bars

Array = NDArray[np.float64]
MIN_SHIFT_BARS = 200


@dataclass(frozen=True)
class Entries:
    """Decisions on one product, with barriers in units of volatility.

    Parameters
    ----------
    bars : closed bars of the product
    atr_frac : (n,) float64, average true range over close, known at the close of each bar; NaN where unknown
    bar : (k,) int64, index of the deciding bar
    side : (k,) int8, +1 or -1
    tp_atr, sl_atr : (k,) float64, barriers as multiples of atr_frac
    lookahead_bars : (k,) int64
    tp_bounds, sl_bounds : ends to which tp_frac and sl_frac are clipped
    """

    bars: Bars
    atr_frac: Array
    bar: NDArray[np.int64]
    side: NDArray[np.int8]
    tp_atr: Array
    sl_atr: Array
    lookahead_bars: NDArray[np.int64]
    tp_bounds: tuple[float, float] = (1e-6, 0.5)
    sl_bounds: tuple[float, float] = (1e-6, 0.5)

    def shifted(self, bars: int) -> Decisions:
        """Decisions `bars` later, wrapping within the bars of known volatility; unknown ones are left out."""
        known = np.flatnonzero(np.isfinite(self.atr_frac))
        first, span = int(known[0]), int(known[-1]) - int(known[0]) + 1
        at = first + (self.bar - first + bars) % span
        kept = np.isfinite(self.atr_frac[at])
        at, atr = at[kept], self.atr_frac[at[kept]]
        return Decisions(
            self.bars.close_time_ms[at],
            self.side[kept],
            np.clip(self.tp_atr[kept] * atr, *self.tp_bounds),
            np.clip(self.sl_atr[kept] * atr, *self.sl_bounds),
            self.lookahead_bars[kept],
        )


@dataclass(frozen=True)
class Chance:
    """Expectancies (shifts,) of the shifted decisions and `p = (1 + #{shifted >= observed}) / (1 + shifts)`."""

    expectancies: Array
    p_value: float


def against_chance(
    observed: float,
    products: Sequence[Entries],
    *,
    costs: Costs,
    shifts: int = 400,
    seed: int,
    finer: Sequence[Bars] = (),
) -> Chance:
    """Expectancy of the decisions at circularly shifted times, all products by the same number of bars.

    Offsets are uniform, at least 200 bars either way of the shortest history. `finer` applies only to one product.

    Raises
    ------
    InputError
        If a product has no more than 400 bars of known volatility, or `finer` is given for several products.
    """
    products = [product for product in products if len(product.bar)]
    if finer and len(products) > 1:
        raise InputError("finer: bars belong to one product: leave them out for several")
    offsets = _offsets(products, shifts, seed)
    means = np.empty(shifts)
    for n, offset in enumerate(offsets):
        nets = [confirm(p.shifted(int(offset)), p.bars, costs=costs, finer=finer).pnl_net_frac for p in products]
        pooled = np.concatenate(nets)
        pooled = pooled[np.isfinite(pooled)]
        means[n] = pooled.mean() if len(pooled) else np.nan
    return Chance(means, float(1 + np.sum(means >= observed)) / (1 + shifts))


def _offsets(products: Sequence[Entries], shifts: int, seed: int) -> NDArray[np.int64]:
    if not products:
        raise InputError("products: none has a decision: nothing to compare with chance")
    shortest = min(int(np.isfinite(product.atr_frac).sum()) for product in products)
    if shortest <= 2 * MIN_SHIFT_BARS:
        raise InputError(f"atr_frac: {shortest} known bars: must be more than {2 * MIN_SHIFT_BARS}: load more history")
    return np.random.default_rng(seed).integers(MIN_SHIFT_BARS, shortest - MIN_SHIFT_BARS + 1, size=shifts)
