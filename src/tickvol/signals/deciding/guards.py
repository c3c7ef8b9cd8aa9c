"""Guards: reasons not to trade, in a fixed order of which the first that strikes counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.deciding.quantiles import trailing_quantile
from tickvol.signals.deciding.risk import Barriers
from tickvol.signals.deciding.scoring import Action, Matrix, Scores
from tickvol.signals.deciding.strategy import Guards, Strategy, Weighted
from tickvol.signals.metrics.evaluate import TRUE, UNKNOWN, Series
from tickvol.signals.metrics.language import Side

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Reason(IntEnum):
    """Guards in the order of evaluation; NONE: no guard applied."""

    NONE = 0
    UNKNOWN_INPUT = 1
    STALE_DATA = 2
    CONFLICT = 3
    WEAK_EDGE = 4
    LOW_CONF = 5
    OVER_CONF = 6
    SQUEEZE = 7
    HIGH_VARIANCE = 8
    NO_TRADE_METRIC = 9
    TP_BELOW_COSTS = 10
    OPEN_TRADE = 11


@dataclass(frozen=True)
class Context:
    """What the guards read about n bars besides the scores.

    Parameters
    ----------
    close : (n,) float64, above 0
    atr14, atr_frac, bandwidth : (n,) float64, NaN where unknown
    bandwidth_low, atr_frac_high : (n,) float64, trailing quantiles; NaN where unknown or switched off
    age_ms : (n,) int64, age of the bar when a live decision is made; None in history
    open_trade : (n,) bool, an earlier decision is unresolved; None: none is
    """

    close: Values
    atr14: Values
    atr_frac: Values
    bandwidth: Values
    bandwidth_low: Values
    atr_frac_high: Values
    age_ms: NDArray[np.int64] | None = None
    open_trade: Flags | None = None

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            values = getattr(self, name)
            if values is not None and values.shape != self.close.shape:
                raise InputError(f"{name}: {values.shape}: must have the shape of close, {self.close.shape}")
        if not np.all(self.close > 0):
            raise InputError("close: must be above 0 in each bar: leave out the bars that are missing")


def context_of(
    guards: Guards,
    series: Series,
    closes: Values,
    *,
    first: int = 0,
    age_ms: NDArray[np.int64] | None = None,
    open_trade: Flags | None = None,
) -> Context:
    """Context of the bars from `first` on, from whole series; the quantiles read the bars before them too.

    `bandwidth` and `atr_frac` are read only where their guards are on.
    """
    nothing = np.full(len(closes), np.nan)
    bandwidth = series["bandwidth"] if guards.squeeze_quantile is not None else nothing
    atr_frac = series["atr_frac"] if guards.variance_quantile is not None else nothing
    return Context(
        *(closes[first:], series["atr14"][first:], atr_frac[first:], bandwidth[first:]),
        trailing_quantile(bandwidth, guards.quantile_bars, guards.squeeze_quantile, first=first),
        trailing_quantile(atr_frac, guards.quantile_bars, guards.variance_quantile, first=first),
        *(age_ms, open_trade),
    )


def first_reason(
    strategy: Strategy,
    metrics: tuple[Weighted, ...],
    states: Matrix,
    scores: Scores,
    barriers: Barriers,
    context: Context,
) -> NDArray[np.int8]:
    """(n,) int8 values of `Reason`: the first guard that strikes at each bar.

    UNKNOWN_INPUT, STALE_DATA and CONFLICT question the scores and are asked at each bar; the others question a trade
    and are asked where the raw action is BUY or SELL.
    """
    reason = np.zeros(len(context.close), dtype=np.int8)
    trade = scores.raw_action != Action.SIDEWAY
    for guard, struck in _strikes(strategy, metrics, states, scores, barriers, context, trade):
        asked = struck if guard <= Reason.CONFLICT else struck & trade
        reason[(reason == Reason.NONE) & asked] = guard
    return reason


def _strikes(
    strategy: Strategy,
    metrics: tuple[Weighted, ...],
    states: Matrix,
    scores: Scores,
    barriers: Barriers,
    context: Context,
    trade: Flags,
) -> Iterator[tuple[Reason, Flags]]:
    guards, never = strategy.guards, np.zeros(len(trade), dtype=np.bool_)
    weighted = np.array([one.weight > 0 for one in metrics])
    unknown = (states[weighted] == UNKNOWN).any(axis=0)
    yield Reason.UNKNOWN_INPUT, unknown | (trade & _unknown_context(guards, context))
    stale = never if context.age_ms is None or guards.max_age_ms is None else context.age_ms > guards.max_age_ms
    yield Reason.STALE_DATA, stale
    yield Reason.CONFLICT, (scores.buy >= strategy.threshold) & (scores.sell >= strategy.threshold)
    yield Reason.WEAK_EDGE, scores.edge < guards.min_edge
    yield Reason.LOW_CONF, scores.confidence < guards.confidence_lowest
    yield Reason.OVER_CONF, scores.confidence > guards.confidence_highest
    yield Reason.SQUEEZE, never if guards.squeeze_quantile is None else context.bandwidth < context.bandwidth_low
    yield (
        Reason.HIGH_VARIANCE,
        never if guards.variance_quantile is None else context.atr_frac > context.atr_frac_high,
    )
    forbids = np.array([one.side is Side.NO_TRADE for one in metrics])
    yield Reason.NO_TRADE_METRIC, (states[forbids] == TRUE).any(axis=0)
    yield Reason.TP_BELOW_COSTS, barriers.tp_frac <= guards.cost_multiple * strategy.costs.round_trip_frac
    yield Reason.OPEN_TRADE, never if context.open_trade is None or not guards.one_trade else context.open_trade


def _unknown_context(guards: Guards, context: Context) -> Flags:
    """A value that an active guard or the barriers need is unknown: not guessed, so no trade."""
    unknown = np.isnan(context.atr14)
    if guards.squeeze_quantile is not None:
        unknown = unknown | np.isnan(context.bandwidth) | np.isnan(context.bandwidth_low)
    if guards.variance_quantile is not None:
        unknown = unknown | np.isnan(context.atr_frac) | np.isnan(context.atr_frac_high)
    return unknown
