"""Candles as columns: closed bars from a source, which the engine takes in place of ticks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CandleColumns:
    """Closed candles, ascending in time within each product.

    Attributes
    ----------
    product : (n,) int32, index into the products that producer and engine agreed on.
    start_ns : (n,) int64, first ns of the candle, a multiple of the bar.
    high, low, close : (n,) float64, quote currency, of trades; `low <= close <= high`, positive and finite.
    """

    product: NDArray[np.int32]
    start_ns: NDArray[np.int64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start_ns)
