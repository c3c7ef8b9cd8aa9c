"""Decisions to confirm, what trading costs, and the results."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

_BPS = 1e4


class Status(IntEnum):
    """State of a result. PENDING has no row in any store: the path is not known far enough."""

    PENDING = 0
    WIN = 1
    LOSS = 2
    TIMEOUT = 3
    UNKNOWN = 4


class ExitReason(IntEnum):
    """Event that ended a trade, or made its result unknowable."""

    NONE = 0
    TP = 1
    SL = 2
    SL_GAP = 3
    TIMEOUT = 4
    DATA_GAP = 5
    NO_ENTRY = 6


@dataclass(frozen=True)
class Costs:
    """Fee per side and slippage of entries and stops, both in basis points of the traded value."""

    fee_bps: float = 10.0
    slippage_bps: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps"):
            if not 0 <= getattr(self, name) < _BPS:
                raise InputError(f"{name}: {getattr(self, name)}: must lie in [0, {_BPS:g})")

    @property
    def fee_frac(self) -> float:
        """Fee per side as a fraction."""
        return self.fee_bps / _BPS

    @property
    def slippage_frac(self) -> float:
        """Slippage as a fraction of the price."""
        return self.slippage_bps / _BPS

    @property
    def round_trip_frac(self) -> float:
        """Both fees and both slippages of a trade that leaves at its entry price.

        >>> Costs(fee_bps=10.0).round_trip_frac
        0.002
        """
        return 2 * (self.fee_frac + self.slippage_frac)


@dataclass(frozen=True)
class Decisions:
    """BUY and SELL decisions on one product and interval, with the barriers fixed when they were made.

    Parameters
    ----------
    predicting_at_ms : (k,) int64, close time of the deciding bar; entry is at the open of the bar that begins there
    side : (k,) int8, +1 for BUY, -1 for SELL
    tp_frac, sl_frac : (k,) float64, distance of target and stop from the entry price, in (0, 1)
    lookahead_bars : (k,) int64, bars from predicting_at to the timeout, at least 1

    Raises
    ------
    InputError
        If the arrays differ in length or a value breaks its rule.
    """

    predicting_at_ms: NDArray[np.int64]
    side: NDArray[np.int8]
    tp_frac: NDArray[np.float64]
    sl_frac: NDArray[np.float64]
    lookahead_bars: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("side", "tp_frac", "sl_frac", "lookahead_bars"):
            if getattr(self, name).shape != self.predicting_at_ms.shape:
                raise InputError(f"{name}: {getattr(self, name).shape}: must have one value for each predicting_at_ms")
        if not np.all(np.abs(self.side) == 1):
            raise InputError("side: must be +1 (BUY) or -1 (SELL): leave SIDEWAY out, it has no result")
        for name in ("tp_frac", "sl_frac"):
            values = getattr(self, name)
            if not np.all((values > 0) & (values < 1)):
                raise InputError(f"{name}: must lie in (0, 1): a fraction of the entry price, not percent")
        if np.any(self.lookahead_bars < 1):
            raise InputError("lookahead_bars: must be at least 1")

    def __len__(self) -> int:
        return len(self.predicting_at_ms)


@dataclass(frozen=True)
class Results:
    """Results of decisions, one entry each (k,).

    `status` and `exit_reason` hold `Status` and `ExitReason`. Returns are fractions of the entry value, NaN where
    PENDING or UNKNOWN; `max_return_frac` and `min_return_frac` reach to the deciding bar inclusive and decide nothing.
    `resolution_ms` is the length of the bar that decided, `confirmed_at_ms` its close time (0 where PENDING).
    `ambiguous` marks a bar that touched both barriers at the finest resolution: the net return is that of the stop,
    `pnl_net_optimistic_frac` that of the target.
    """

    status: NDArray[np.int8]
    exit_reason: NDArray[np.int8]
    entry_price: NDArray[np.float64]
    exit_price: NDArray[np.float64]
    pnl_gross_frac: NDArray[np.float64]
    pnl_net_frac: NDArray[np.float64]
    pnl_net_optimistic_frac: NDArray[np.float64]
    max_return_frac: NDArray[np.float64]
    min_return_frac: NDArray[np.float64]
    bars_held: NDArray[np.int64]
    resolution_ms: NDArray[np.int64]
    ambiguous: NDArray[np.bool_]
    confirmed_at_ms: NDArray[np.int64]

    @property
    def closed(self) -> NDArray[np.bool_]:
        """Trades that count in figures: WIN, LOSS and TIMEOUT."""
        return np.isin(self.status, (Status.WIN, Status.LOSS, Status.TIMEOUT))
