"""Probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey et al., 2017).

A small probability alone is no edge: costs give strategies stable ranks, so the winner of half the days may win in the
other half and still lose money. It is therefore never computed without its companions.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BacktestOverfitting:
    """Figures over all splits of the days into two halves.

    `probability` is the share of splits in which the best strategy in sample ranks in the lower half out of sample,
    `loss_probability` that in which its Sharpe ratio out of sample is below 0; the mean daily Sharpe ratios of the
    chosen in and out of sample show what the choice was worth.
    """

    probability: float
    loss_probability: float
    mean_sharpe_in: float
    mean_sharpe_out: float
    splits: int
    strategies: int
    days: int


def backtest_overfitting(series: Array, *, blocks: int = 12) -> BacktestOverfitting:
    """Split daily series (strategies, days) in all `C(blocks, blocks / 2)` ways.

    Blocks are contiguous, of equal length; days left over at the start are dropped. Equal ranks are averaged; a
    strategy that does not vary has Sharpe ratio 0.

    Raises
    ------
    InputError
        With fewer than 2 strategies, an odd number of blocks, or fewer than 2 days a block.
    """
    strategies, days = series.shape
    if strategies < 2:
        raise InputError(f"strategies: {strategies}: must be at least 2: there is no choice to judge")
    if blocks < 2 or blocks % 2:
        raise InputError(f"blocks: {blocks}: must be even and at least 2")
    length = days // blocks
    if length < 2:
        raise InputError(f"days: {days}: must be at least {2 * blocks}, 2 for each of {blocks} blocks")
    cut = series[:, days - length * blocks :].reshape(strategies, blocks, length)
    halves = np.array(list(combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(halves), blocks))
    np.put_along_axis(chosen, halves, 1.0, axis=1)
    inside, outside = (_sharpes(cut, mask) for mask in (chosen, 1.0 - chosen))
    best = inside.argmax(axis=1)
    rows = np.arange(len(halves))
    out = outside[rows, best]
    rank = (outside < out[:, None]).sum(axis=1) + ((outside == out[:, None]).sum(axis=1) + 1) / 2
    return BacktestOverfitting(
        # rank / (N + 1) <= 1/2, the same as a logit of at most 0 and exact.
        probability=float((2 * rank <= strategies + 1).mean()),
        loss_probability=float((out < 0).mean()),
        mean_sharpe_in=float(inside[rows, best].mean()),
        mean_sharpe_out=float(out.mean()),
        splits=len(halves),
        strategies=strategies,
        days=length * blocks,
    )


def _sharpes(cut: Array, mask: Array) -> Array:
    """Daily Sharpe ratios (splits, strategies) over the blocks that `mask` (splits, blocks) marks."""
    n = mask[0].sum() * cut.shape[2]
    # Centred first: the sum of squares of small means would lose digits.
    centre = cut.mean(axis=(1, 2), keepdims=True)
    sums = mask @ (cut - centre).sum(axis=2).T
    squares = mask @ ((cut - centre) ** 2).sum(axis=2).T
    variance = (squares - sums**2 / n) / (n - 1)
    mean = sums / n + centre[:, 0, 0]
    scale = np.abs(cut).max(axis=(1, 2)) ** 2
    varies = variance > 1e-24 * scale
    result: Array = np.divide(mean, np.sqrt(np.where(varies, variance, 1.0)), out=np.zeros_like(mean), where=varies)
    return result
