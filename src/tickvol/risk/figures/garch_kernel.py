"""The compiled likelihood of a GARCH(1,1) and its gradient."""

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled

Array = NDArray[np.float64]


def _negative_log_likelihood(
    omega: float,
    alpha: float,
    beta: float,
    squares: Array,
    backcast: float,
    lower: Array,
    upper: Array,
    gradient: Array,
) -> float:
    """Return `0.5 * sum(ln(s2) + r**2 / s2)` and fill `gradient` (3,) by omega, alpha and beta.

    `squares`, `lower` and `upper` are (n,) float64: squared returns, and bounds of the variance. Above the upper bound
    the variance grows with its logarithm only.
    """
    total = 0.0
    gradient[:] = 0.0
    variance = backcast
    square = backcast
    by_omega, by_alpha, by_beta = 0.0, 0.0, 0.0
    for t in range(len(squares)):
        by_omega = 1.0 + beta * by_omega
        by_alpha = square + beta * by_alpha
        by_beta = variance + beta * by_beta
        variance = omega + alpha * square + beta * variance
        if variance < lower[t]:
            variance = lower[t]
            by_omega, by_alpha, by_beta = 0.0, 0.0, 0.0
        elif variance > upper[t]:
            by_omega /= variance
            by_alpha /= variance
            by_beta /= variance
            variance = upper[t] + np.log(variance / upper[t])
        square = squares[t]
        total += np.log(variance) + square / variance
        slope = (1.0 - square / variance) / variance
        gradient[0] += slope * by_omega
        gradient[1] += slope * by_alpha
        gradient[2] += slope * by_beta
    gradient *= 0.5
    return 0.5 * total


negative_log_likelihood = compiled(_negative_log_likelihood)
