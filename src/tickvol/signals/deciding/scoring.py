"""Scores of both sides, what they say together, and the action that they suggest."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.deciding.strategy import Scorer, Strategy, Weighted, most, most_by_group
from tickvol.signals.metrics.evaluate import TRUE
from tickvol.signals.metrics.language import Group, Side

Values = NDArray[np.float64]
Matrix = NDArray[np.int8]


class Action(IntEnum):
    """Direction of a decision; the sign of its returns."""

    BUY = 1
    SIDEWAY = 0
    SELL = -1


@dataclass(frozen=True)
class Scores:
    """Scores of n bars, (n,) float64 each; `raw_action` (n,) int8 holds values of `Action`."""

    buy: Values
    sell: Values
    edge: Values
    market: Values
    confidence: Values
    raw_action: NDArray[np.int8]


def score(strategy: Strategy, metrics: tuple[Weighted, ...], states: Matrix) -> Scores:
    """Scores of n bars.

    A side's score is the sum of the weights of its metrics in state 1, added one by one in the order of their ids.
    `edge`: the market score is |buy - sell|, confidence max(buy, sell) over the largest score of either side.
    `groups`: the market score is trend + momentum + volume + volatility (+ sentiment) of the side with the higher
    score, BUY if they are equal, and confidence is that over the largest such sum of the side.
    BUY where buy >= threshold and buy > sell, SELL mirrored, else SIDEWAY.

    Parameters
    ----------
    metrics : those of the strategy that hold for the product, in the order of their ids
    states : (k, n) int8, one row per metric
    """
    buy, sell = (_sum(metrics, states, side) for side in (Side.BUY, Side.SELL))
    edge = np.abs(buy - sell)
    if strategy.scorer is Scorer.EDGE:
        market = edge
        highest = max(most(metrics, Side.BUY), most(metrics, Side.SELL))
        confidence = _over(np.maximum(buy, sell), highest)
    else:
        grouped = {side: _grouped_sum(metrics, states, side) for side in (Side.BUY, Side.SELL)}
        buys = buy >= sell
        market = np.where(buys, grouped[Side.BUY], grouped[Side.SELL])
        confidence = np.where(
            buys,
            _over(grouped[Side.BUY], most_by_group(metrics, Side.BUY)),
            _over(grouped[Side.SELL], most_by_group(metrics, Side.SELL)),
        )
    raw = np.full(len(buy), Action.SIDEWAY, dtype=np.int8)
    raw[(buy >= strategy.threshold) & (buy > sell)] = Action.BUY
    raw[(sell >= strategy.threshold) & (sell > buy)] = Action.SELL
    return Scores(buy, sell, edge, market, confidence, raw)


def _sum(metrics: tuple[Weighted, ...], states: Matrix, side: Side, group: Group | None = None) -> Values:
    """Plain addition, metric by metric: adding 0.0 for a state other than 1 changes no bit."""
    total = np.zeros(states.shape[1])
    for one, state in zip(metrics, states, strict=True):
        if one.side is side and group in (None, one.metric.group):
            total += np.where(state == TRUE, one.weight, 0.0)
    return total


def _grouped_sum(metrics: tuple[Weighted, ...], states: Matrix, side: Side) -> Values:
    total = np.zeros(states.shape[1])
    for group in Group:
        total += _sum(metrics, states, side, group)
    return total


def _over(values: Values, highest: float) -> Values:
    return values / highest if highest > 0 else np.zeros_like(values)
