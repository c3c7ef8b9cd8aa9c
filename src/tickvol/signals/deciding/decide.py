"""Decisions of a strategy on one product: scores, the first guard that strikes, barriers and the explanation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.deciding.guards import Context, Reason, first_reason
from tickvol.signals.deciding.risk import Barriers
from tickvol.signals.deciding.scoring import Action, Matrix, Scores, score
from tickvol.signals.deciding.strategy import Strategy, Weighted
from tickvol.signals.metrics.canonical import canonical_json
from tickvol.signals.metrics.evaluate import States

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """One decision as it is stored; barriers are None where the raw action is SIDEWAY or no band holds the edge."""

    buy_score: float
    sell_score: float
    market_score: float
    confidence_score: float
    raw_action: str
    action: str
    metric_no_trade: bool
    reason_no_trade: str | None
    tp_frac: float | None
    sl_frac: float | None
    lookahead_bars: int | None
    close: float
    breakdown: str


@dataclass(frozen=True)
class DecisionColumns:
    """Decisions at n bars, column by column; `action` and `reason` are (n,) int8 of `Action` and `Reason`."""

    scores: Scores
    barriers: Barriers
    action: NDArray[np.int8]
    reason: NDArray[np.int8]
    close: Values
    metrics: tuple[Weighted, ...]
    states: Matrix
    observed: Values

    def __len__(self) -> int:
        return len(self.action)

    def breakdown(self, i: int) -> str:
        """Explanation of bar i: canonical JSON, one entry per metric in the order of their ids.

        The weights of a side's metrics in state 1, added in this order, are its score.
        """
        entries = (
            f"{head}{_number(observed)}{middle}{state}{tail}"
            for (head, middle, tail), state, observed in zip(
                self._frames, self.states[:, i].tolist(), self.observed[:, i].tolist(), strict=True
            )
        )
        return f"[{','.join(entries)}]"

    @cached_property
    def _frames(self) -> tuple[tuple[str, str, str], ...]:
        """Constant text of each metric's entry: before the observed value, before the state, and behind it."""
        return tuple(
            (
                f'{{"metric":{canonical_json(one.metric.code)},"observed":',
                f',"side":"{one.side.value}","state":',
                f',"version":{one.metric.version},"weight":{canonical_json(one.weight)}}}',
            )
            for one in self.metrics
        )

    def row(self, i: int) -> Decision:
        """Decision at bar i."""
        tp, reason = float(self.barriers.tp_frac[i]), Reason(int(self.reason[i]))
        none = math.isnan(tp)
        return Decision(
            buy_score=float(self.scores.buy[i]),
            sell_score=float(self.scores.sell[i]),
            market_score=float(self.scores.market[i]),
            confidence_score=float(self.scores.confidence[i]),
            raw_action=Action(int(self.scores.raw_action[i])).name,
            action=Action(int(self.action[i])).name,
            metric_no_trade=reason is not Reason.NONE,
            reason_no_trade=None if reason is Reason.NONE else reason.name,
            tp_frac=None if none else tp,
            sl_frac=None if none else float(self.barriers.sl_frac[i]),
            lookahead_bars=None if none else int(self.barriers.lookahead_bars[i]),
            close=float(self.close[i]),
            breakdown=self.breakdown(i),
        )


def decide_all(strategy: Strategy, symbol: str, states: Mapping[str, States], context: Context) -> DecisionColumns:
    """Decisions at n bars of one product; each depends on its own column of states and context only.

    Parameters
    ----------
    states : by code of the metric, (n,) each, for all metrics of the strategy that hold for the product

    Raises
    ------
    InputError
        If no metric scores the product, states are absent, or their length is not that of the context.
    """
    metrics = strategy.metrics_for(symbol)
    matrix, observed = _stacked(metrics, states, len(context.close))
    scores = score(strategy, metrics, matrix)
    barriers = strategy.risk.barriers(scores.edge, context.atr14, context.close)
    none = scores.raw_action == Action.SIDEWAY
    barriers = Barriers(
        np.where(none, np.nan, barriers.tp_frac),
        np.where(none, np.nan, barriers.sl_frac),
        np.where(none, 0, barriers.lookahead_bars),
    )
    reason = first_reason(strategy, metrics, matrix, scores, barriers, context)
    action = np.where(reason == Reason.NONE, scores.raw_action, np.int8(Action.SIDEWAY))
    return DecisionColumns(scores, barriers, action, reason, context.close, metrics, matrix, observed)


def decide(strategy: Strategy, symbol: str, states: Mapping[str, tuple[int, float]], context: Context) -> Decision:
    """Decision at one bar: `decide_all` of a single column, so that live and batch agree bit for bit.

    Parameters
    ----------
    states : state and observed value by code of the metric, as of `evaluate_newest`
    context : of one bar
    """
    columns = {
        code: States(np.array([state], dtype=np.int8), np.array([observed], dtype=np.float64))
        for code, (state, observed) in states.items()
    }
    return decide_all(strategy, symbol, columns, context).row(0)


def _stacked(metrics: tuple[Weighted, ...], states: Mapping[str, States], n: int) -> tuple[Matrix, Values]:
    for one in metrics:
        if one.metric.code not in states:
            raise InputError(f"states: {one.metric.code}: missing: evaluate all metrics of the strategy")
        if len(states[one.metric.code]) != n:
            raise InputError(f"states: {one.metric.code}: {len(states[one.metric.code])} bars: context has {n}")
        if np.isinf(states[one.metric.code].observed).any():
            raise InputError(
                f"states: {one.metric.code}: observed an infinite value: must be finite, or NaN if unknown"
            )
    held = [states[one.metric.code] for one in metrics]
    return np.stack([one.state for one in held]), np.stack([one.observed for one in held])


def _number(value: float) -> str:
    """A finite number as canonical JSON writes it, NaN as null."""
    return "null" if math.isnan(value) else repr(value + 0.0)
