"""Win rate, average win and loss, expectancy: one function each over the net returns of closed trades.

All take net returns (n,) float64 as fractions of the entry value. None where there is nothing to divide by.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.confirming.outcomes import ExitReason

Array = NDArray[np.float64]


def win_rate(net: Array) -> float | None:
    """Share of trades with a net return above 0; a timeout counts by its sign."""
    return float((net > 0).mean()) if len(net) else None


def average_pnl(net: Array) -> float | None:
    """Mean net return, exactly rounded."""
    return math.fsum(net) / len(net) if len(net) else None


def average_win(net: Array) -> float | None:
    """Mean of the returns above 0."""
    return average_pnl(net[net > 0])


def average_loss(net: Array) -> float | None:
    """Mean of -r over the returns r that are not above 0."""
    return average_pnl(-net[net <= 0])


def expectancy(net: Array) -> float | None:
    """`win rate x average win - (1 - win rate) x average loss`, which equals the mean net return.

    >>> round(expectancy(np.array([0.02, -0.01, 0.02])), 12)
    0.01
    """
    rate = win_rate(net)
    if rate is None:
        return None
    return rate * (average_win(net) or 0.0) - (1.0 - rate) * (average_loss(net) or 0.0)


def profit_factor(net: Array) -> float | None:
    """Sum of wins over sum of losses; None without losses."""
    losses = math.fsum(-net[net <= 0])
    return math.fsum(net[net > 0]) / losses if losses > 0 else None


def payoff(net: Array) -> float | None:
    """Average win over average loss; None without either."""
    win, loss = average_win(net), average_loss(net)
    return win / loss if win is not None and loss else None


def break_even_rate(net: Array) -> float | None:
    """Win rate at which the expectancy is 0: `average loss / (average win + average loss)`."""
    win, loss = average_win(net), average_loss(net)
    return loss / (win + loss) if win is not None and loss is not None else None


def tp_rate(exit_reason: NDArray[np.int8]) -> float | None:
    """Share of trades that left at the target."""
    return _share(exit_reason == ExitReason.TP)


def sl_rate(exit_reason: NDArray[np.int8]) -> float | None:
    """Share of trades that left at the stop or beyond it."""
    return _share((exit_reason == ExitReason.SL) | (exit_reason == ExitReason.SL_GAP))


def timeout_rate(exit_reason: NDArray[np.int8]) -> float | None:
    """Share of trades whose window ended first."""
    return _share(exit_reason == ExitReason.TIMEOUT)


def ambiguous_rate(ambiguous: NDArray[np.bool_]) -> float | None:
    """Share of trades whose order of target and stop is unknown."""
    return _share(ambiguous)


def _share(mask: NDArray[np.bool_]) -> float | None:
    return float(mask.mean()) if len(mask) else None
