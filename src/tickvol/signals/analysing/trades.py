"""Closed trades of several products in the order of their confirmation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.confirming.outcomes import Results, Status

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Confirmed:
    """Results of one product; `symbol` is its rank by name, `prediction_id` (k,) breaks ties of time."""

    symbol: int
    prediction_id: Indices
    results: Results


@dataclass(frozen=True)
class ClosedTrades:
    """WIN, LOSS and TIMEOUT, ordered by (confirmed_at_ms, symbol, prediction_id); (n,) each.

    `net_frac` is a fraction of the entry value after costs. `pending` and `unknown` count the decisions left out.
    """

    net_frac: Array
    gross_frac: Array
    optimistic_frac: Array
    confirmed_at_ms: Indices
    symbol: Indices
    prediction_id: Indices
    exit_reason: NDArray[np.int8]
    ambiguous: NDArray[np.bool_]
    pending: int
    unknown: int

    def __len__(self) -> int:
        return len(self.net_frac)


def closed_trades(parts: Sequence[Confirmed]) -> ClosedTrades:
    """Closed trades of all parts in their order.

    Raises
    ------
    InputError
        If ids and results of a part differ in number, or a closed trade has no finite return.
    """
    for part in parts:
        if part.prediction_id.shape != part.results.status.shape:
            raise InputError(f"prediction_id of symbol {part.symbol}: must have one value for each result")
    kept = [part.results.closed for part in parts]

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([np.empty(0), *(getattr(p.results, name)[k] for p, k in zip(parts, kept, strict=True))])

    symbol = np.repeat([part.symbol for part in parts], [int(k.sum()) for k in kept]).astype(np.int64)
    ids = np.concatenate([np.empty(0, dtype=np.int64), *(p.prediction_id[k] for p, k in zip(parts, kept, strict=True))])
    confirmed = column("confirmed_at_ms").astype(np.int64)
    order = np.lexsort((ids, symbol, confirmed))
    net = column("pnl_net_frac").astype(np.float64)[order]
    if not np.isfinite(net).all():
        raise InputError("pnl_net_frac: a closed trade must have a finite return: confirm it again")
    return ClosedTrades(
        net_frac=net,
        gross_frac=column("pnl_gross_frac").astype(np.float64)[order],
        optimistic_frac=column("pnl_net_optimistic_frac").astype(np.float64)[order],
        confirmed_at_ms=confirmed[order],
        symbol=symbol[order],
        prediction_id=ids[order],
        exit_reason=column("exit_reason").astype(np.int8)[order],
        ambiguous=column("ambiguous").astype(np.bool_)[order],
        pending=sum(int((p.results.status == Status.PENDING).sum()) for p in parts),
        unknown=sum(int((p.results.status == Status.UNKNOWN).sum()) for p in parts),
    )
