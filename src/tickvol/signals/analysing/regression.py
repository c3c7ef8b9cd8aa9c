"""Trend of the log close by least squares, and how fast its residual returns to the line."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

Array = NDArray[np.float64]
_BPS, _LAG = 1e4, 5


@dataclass(frozen=True)
class PriceRegression:
    """Least-squares line of log close on bar number.

    `slope_bps` is in basis points per bar, `residual_std` the standard error of the regression (n - 2 degrees of
    freedom, log units), `slope_t` the slope over its Newey-West error (lag 5), `half_life_bars` that of the residual
    as an AR(1), None where its coefficient is not in (0, 1), `residual_sigmas` the last residual over `residual_std`.
    None where the closes lie on a line.
    """

    bars: int
    slope_bps: float
    r_squared: float | None
    residual_std: float
    slope_t: float | None
    half_life_bars: float | None
    residual_sigmas: float | None


def price_regression(close: Array, *, bars: int = 50) -> PriceRegression:
    """Regression over the last `bars` closes (n,), quote units.

    Raises
    ------
    InputError
        If fewer than `bars` closes are given, `bars` is below 10, or a close is not a finite number above 0.
    """
    if bars < 10 or len(close) < bars:
        raise InputError(f"bars: {bars}: must be at least 10 and at most the {len(close)} closes given")
    recent = close[-bars:]
    if not (np.isfinite(recent) & (recent > 0)).all():
        raise InputError("close: must be finite and above 0 in every bar of the window")
    y: Array = np.log(recent)
    x = np.arange(bars, dtype=np.float64) - (bars - 1) / 2
    slope = float(x @ (y - y.mean()) / (x @ x))
    residual: Array = np.asarray(y - y.mean() - slope * x, dtype=np.float64)
    spread = math.sqrt(float(residual @ residual) / (bars - 2))
    total = float(np.sum((y - y.mean()) ** 2))
    # Rounding of log alone leaves residuals of this size.
    varies = spread > 1e-14 * max(1.0, float(np.abs(y).max()))
    return PriceRegression(
        bars=bars,
        slope_bps=slope * _BPS,
        r_squared=1.0 - float(residual @ residual) / total if total > 0 else None,
        residual_std=spread,
        slope_t=slope / _newey_west(x, residual) if varies else None,
        half_life_bars=_half_life(residual) if varies else None,
        residual_sigmas=float(residual[-1]) / spread if varies else None,
    )


def _newey_west(x: Array, residual: Array) -> float:
    """Error of the slope with Bartlett weights up to lag 5, without a correction for small samples."""
    score = x * residual
    long_run = float(score @ score)
    for lag in range(1, _LAG + 1):
        long_run += 2.0 * (1.0 - lag / (_LAG + 1)) * float(score[lag:] @ score[:-lag])
    return math.sqrt(long_run) / float(x @ x)


def _half_life(residual: Array) -> float | None:
    before, after = residual[:-1], residual[1:]
    phi = float(before @ after / (before @ before))
    return -math.log(2.0) / math.log(phi) if 0.0 < phi < 1.0 else None
