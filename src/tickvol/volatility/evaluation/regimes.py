"""Volatility regimes: terciles of the trailing volatility of the train rows, so that test rows cannot move the
boundaries."""

import numpy as np
from numpy.typing import NDArray

REGIMES = ("low", "middle", "high")
UNKNOWN = -1


def tercile_boundaries(train_vol: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 1/3 and 2/3 quantiles of the finite values; None with fewer than three of them.

    Parameters
    ----------
    train_vol : (n,) float64, realized volatility of the reference window at the train rows, log-return per window.

    >>> tercile_boundaries(np.array([1.0, 2.0, 3.0, 4.0, np.nan]))
    (2.0, 3.0)
    """
    known = train_vol[np.isfinite(train_vol)]
    if len(known) < len(REGIMES):
        return None
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    return float(low), float(high)


def regime_of(vol: NDArray[np.float64], boundaries: tuple[float, float] | None) -> NDArray[np.int8]:
    """Index into `REGIMES`; a value on a boundary belongs to the regime above; `UNKNOWN` for NaN or without
    boundaries.

    >>> regime_of(np.array([1.0, 2.0, 2.5, 9.0, np.nan]), (2.0, 3.0)).tolist()
    [0, 1, 1, 2, -1]
    """
    if boundaries is None:
        return np.full(len(vol), UNKNOWN, np.int8)
    found = np.searchsorted(np.asarray(boundaries), vol, side="right").astype(np.int8)
    return np.where(np.isfinite(vol), found, UNKNOWN).astype(np.int8)
