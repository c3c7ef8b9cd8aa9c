"""Confirmation of decisions: entry at the next open, barriers in price order, costs, and doubt as both ends."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.confirming.gaps import NoData, no_stretches
from tickvol.signals.confirming.outcomes import Costs, Decisions, ExitReason, Results, Status
from tickvol.signals.confirming.path_kernel import walk
from tickvol.signals.indicators.bars import Bars


def confirm(
    decisions: Decisions,
    bars: Bars,
    *,
    costs: Costs,
    finer: Sequence[Bars] = (),
    no_data: NoData | None = None,
    entry_delay_bars: int = 0,
) -> Results:
    """Results of decisions on one product.

    A trade enters at the open of the bar that begins at `predicting_at_ms` (plus the delay), worsened by slippage. Its
    bars are read in order, the entry bar included, until `predicting_at_ms + lookahead_bars` bars. A later bar that
    opens beyond the stop leaves at its open, beyond the target at the target. Where one bar touches both, the finest
    of `finer` that covers it without a hole says which was first; if one of its bars holds both too, the stop counts
    and the result is ambiguous. Slippage worsens entries and stops; targets are limit orders, timeouts leave at the
    close. A missing bar leaves the decision PENDING, or UNKNOWN where it lies in `no_data`.

    Parameters
    ----------
    decisions : times on the grid of `bars`
    finer : bars of shorter lengths, each a divisor of `bars.length_ms`, in any order
    entry_delay_bars : bars between the decision and the entry; below each lookahead

    Raises
    ------
    InputError
        If a length is no divisor, a decision lies off the grid, or the delay reaches the timeout.
    """
    _check(decisions, bars, finer, entry_delay_bars)
    exits = _walked(decisions, bars, finer, no_data or no_stretches(), costs, entry_delay_bars)
    side = decisions.side.astype(np.float64)
    net = _net(side, exits.entry, exits.leave, costs)
    return Results(
        status=_status(exits.reason, net),
        exit_reason=exits.reason,
        entry_price=exits.entry,
        exit_price=exits.leave,
        pnl_gross_frac=side * (exits.leave - exits.entry) / exits.entry,
        pnl_net_frac=net,
        pnl_net_optimistic_frac=np.where(exits.ambiguous, _net(side, exits.entry, exits.target, costs), net),
        max_return_frac=exits.best,
        min_return_frac=exits.worst,
        bars_held=exits.held,
        resolution_ms=exits.resolution,
        ambiguous=exits.ambiguous,
        confirmed_at_ms=exits.confirmed,
    )


@dataclass(frozen=True)
class _Exits:
    """Outputs of the walk (k,) in its order; prices and returns are NaN where a trade has not ended."""

    reason: NDArray[np.int8]
    entry: NDArray[np.float64]
    leave: NDArray[np.float64]
    target: NDArray[np.float64]
    best: NDArray[np.float64]
    worst: NDArray[np.float64]
    held: NDArray[np.int64]
    resolution: NDArray[np.int64]
    ambiguous: NDArray[np.bool_]
    confirmed: NDArray[np.int64]


def _walked(
    decisions: Decisions, bars: Bars, finer: Sequence[Bars], gaps: NoData, costs: Costs, entry_delay_bars: int
) -> _Exits:
    k = len(decisions)
    entry, leave, target, best, worst = (np.full(k, np.nan) for _ in range(5))
    held, resolution, confirmed = (np.zeros(k, dtype=np.int64) for _ in range(3))
    reason, ambiguous = np.zeros(k, dtype=np.int8), np.zeros(k, dtype=np.bool_)
    exits = _Exits(reason, entry, leave, target, best, worst, held, resolution, ambiguous, confirmed)
    walk(
        *(decisions.predicting_at_ms, decisions.side, decisions.tp_frac, decisions.sl_frac, decisions.lookahead_bars),
        *(entry_delay_bars, costs.slippage_frac, bars.length_ms),
        *(_opens_at(bars), bars.open, bars.high, bars.low, bars.close),
        *_behind_each_other(finer),
        *(gaps.from_ms, gaps.to_ms),
        *(getattr(exits, field.name) for field in fields(exits)),
    )
    return exits


def _net(
    side: NDArray[np.float64], entry: NDArray[np.float64], leave: NDArray[np.float64], costs: Costs
) -> NDArray[np.float64]:
    return side * (leave - entry) / entry - costs.fee_frac * (1.0 + leave / entry)


def _status(reason: NDArray[np.int8], net: NDArray[np.float64]) -> NDArray[np.int8]:
    """WIN needs the target first and a net return above 0: a target below its costs is a LOSS."""
    status = np.zeros(len(reason), dtype=np.int8)
    status[np.isin(reason, (ExitReason.TP, ExitReason.SL, ExitReason.SL_GAP))] = Status.LOSS
    status[(reason == ExitReason.TP) & (net > 0)] = Status.WIN
    status[reason == ExitReason.TIMEOUT] = Status.TIMEOUT
    status[np.isin(reason, (ExitReason.DATA_GAP, ExitReason.NO_ENTRY))] = Status.UNKNOWN
    return status


def _opens_at(bars: Bars) -> NDArray[np.int64]:
    return bars.close_time_ms - bars.length_ms


def _behind_each_other(finer: Sequence[Bars]) -> tuple[NDArray[np.int64] | NDArray[np.float64], ...]:
    ordered = sorted(finer, key=lambda bars: bars.length_ms)
    lengths = np.array([bars.length_ms for bars in ordered], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum([len(bars) for bars in ordered], dtype=np.int64))).astype(np.int64)
    times = np.concatenate([np.empty(0, dtype=np.int64), *(_opens_at(bars) for bars in ordered)])
    prices = (
        np.concatenate([np.empty(0), *(getattr(bars, name) for bars in ordered)]) for name in ("open", "high", "low")
    )
    return lengths, starts, times, *prices


def _check(decisions: Decisions, bars: Bars, finer: Sequence[Bars], entry_delay_bars: int) -> None:
    off = decisions.predicting_at_ms % bars.length_ms != 0
    if off.any():
        at = int(decisions.predicting_at_ms[np.argmax(off)])
        raise InputError(f"predicting_at_ms: {at}: must be the close time of a bar of {bars.length_ms} ms")
    for shorter in finer:
        if shorter.length_ms >= bars.length_ms or bars.length_ms % shorter.length_ms:
            raise InputError(f"finer: {shorter.length_ms} ms: must be a proper divisor of {bars.length_ms} ms")
    if len(decisions) and not 0 <= entry_delay_bars < int(decisions.lookahead_bars.min()):
        raise InputError(f"entry_delay_bars: {entry_delay_bars}: must lie in [0, lookahead_bars)")
