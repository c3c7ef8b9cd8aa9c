"""Stretches of a history for which no bar will ever come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]


@dataclass(frozen=True)
class NoData:
    """Stretches [from_ms, to_ms) of close times whose bars can no longer come; (k,) int64 each."""

    from_ms: Times
    to_ms: Times


def no_stretches() -> NoData:
    """The absence of such stretches: every missing bar may still come."""
    return NoData(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
