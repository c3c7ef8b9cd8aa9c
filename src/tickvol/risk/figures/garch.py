"""GARCH(1,1) variance forecasts, refitted at fixed distances by maximum likelihood from several starting points.

`s2(t + 1) = omega + alpha * r(t)**2 + beta * s2(t)`, zero mean, normal, `omega > 0`, `alpha, beta >= 0`,
`alpha + beta <= 1`. Likelihood, start of the variance and its bounds are those of the package arch, so that the
log-likelihoods compare; arch itself stops at a local optimum now and then, and is slow to import.

Source: Bollerslev (1986).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.risk.figures.returns import known

Array = NDArray[np.float64]

# The likelihood is computed in percent, as arch advises: log-likelihoods depend on the unit.
PERCENT = 100.0
_BACKCAST_DAYS, _BACKCAST_DECAY = 75, 0.94
_OMEGA_BOUNDS = (1e-8, 10.0)  # times the mean square
# (alpha, beta, long-run variance over the mean square), ordered so that each reaches optima which those before it miss.
# Those with a low long-run variance find samples whose variance decays from its start.
_STARTS = (
    (0.02, 0.95, 1.0), (0.001, 0.985, 0.2), (0.4, 0.4, 1.0), (0.2, 0.4, 1.0), (0.001, 0.95, 0.2), (0.001, 0.995, 0.3),
    (0.2, 0.6, 1.0), (0.001, 0.995, 3.0), (0.05, 0.2, 1.0), (0.02, 0.2, 1.0), (0.001, 0.985, 1.0), (0.02, 0.4, 1.0),
    (0.001, 0.4, 1.0), (0.001, 0.995, 0.2), (0.02, 0.97, 0.3), (0.02, 0.001, 1.0),
)  # fmt: skip


@dataclass(frozen=True)
class GarchFit:
    """Parameters fitted to the returns before a day.

    `day` is its index; `omega` is in percent squared; `log_likelihood` is that of the returns in percent;
    `next_variance` is the forecast of the day itself, in percent squared.
    """

    day: int
    omega: float
    alpha: float
    beta: float
    log_likelihood: float
    next_variance: float


@dataclass(frozen=True)
class GarchForecast:
    """Volatility forecasts and the fits behind them.

    `sigma` : (n,) float64, fraction per day, forecast of each day from the days before it; NaN where unknown.
    `fits` : the fits in order of their days; a day of a refit without enough known returns has none.
    """

    sigma: Array
    fits: tuple[GarchFit, ...]


def garch_sigma(returns: Array, window_days: int, min_known: int, refit_days: int, starts: int) -> GarchForecast:
    """Forecast of each day, with parameters fitted at `window_days + 1` and every `refit_days` after it.

    A fit takes the known returns of the `window_days` before its day. Where fewer than `min_known` are known, or all
    are zero, forecasts are unknown until the next fit. A day without a known return leaves the variance as it is.

    Parameters
    ----------
    returns : (n,) float64, log returns
    refit_days : 0: no forecast
    starts : starting points of each fit, at most 16 are used
    """
    sigma = np.full(len(returns), np.nan)
    fits: list[GarchFit] = []
    if not refit_days:
        return GarchForecast(sigma, ())
    values = (PERCENT * returns).tolist()
    for first in range(window_days + 1, len(values), refit_days):
        window = known(returns[first - window_days : first])
        fitted = fit(window, first, starts) if len(window) >= max(min_known, 2) else None
        if fitted is None:
            continue
        fits.append(fitted)
        variance = fitted.next_variance
        for t in range(first, min(first + refit_days, len(values))):
            sigma[t] = math.sqrt(variance) / PERCENT
            if values[t] == values[t]:
                variance = fitted.omega + fitted.alpha * values[t] ** 2 + fitted.beta * variance
    return GarchForecast(sigma, tuple(fits))


def fit(returns: Array, day: int, starts: int) -> GarchFit | None:
    """Likeliest parameters for returns without NaN, the best of several local searches; None where all are zero.

    Deterministic. `day` is kept in the result.
    """
    sample = _Sample(returns * PERCENT)
    if not sample.mean_square > 0.0:
        return None
    best, negative = (0.0, 0.0, 0.0), math.inf
    for start in _STARTS[:starts]:
        found = sample.search(*start)
        value = sample.negative_log_likelihood(*found)
        if value < negative:
            best, negative = found, value
    log_likelihood = -negative - 0.5 * len(returns) * math.log(2.0 * math.pi)
    return GarchFit(day, *best, log_likelihood, sample.next_variance(*best))


class _Sample:
    """Returns in percent, with what their likelihood needs."""

    def __init__(self, returns: Array) -> None:
        self.squares = returns * returns
        self.mean_square = math.fsum(self.squares.tolist()) / len(returns)
        self.gradient = np.empty(3)
        weights = _BACKCAST_DECAY ** np.arange(min(_BACKCAST_DAYS, len(returns)))
        weights /= weights.sum()
        self.backcast = math.fsum((self.squares[: len(weights)] * weights).tolist())
        smooth = np.empty(len(returns))
        variance = self.backcast
        for t, square in enumerate(self.squares.tolist()):
            smooth[t] = variance
            variance = _BACKCAST_DECAY * variance + (1.0 - _BACKCAST_DECAY) * square
        largest = 1.0 + float(self.squares.max())
        self.lower = np.maximum(smooth / 1e6, float(np.var(returns)) / 1e8)
        self.upper = np.clip(smooth * 1e6, largest, 1e7 * largest)

    def negative_log_likelihood(self, omega: float, alpha: float, beta: float) -> float:
        """Without its constant; fills `gradient`."""
        from tickvol.risk.figures.garch_kernel import negative_log_likelihood

        value: float = negative_log_likelihood(
            omega, alpha, beta, self.squares, self.backcast, self.lower, self.upper, self.gradient
        )
        return value

    def search(self, alpha: float, beta: float, level: float) -> tuple[float, float, float]:
        """Omega, alpha and beta of the local optimum that is reached from a start."""
        from scipy.optimize import minimize

        scale = self.mean_square

        def objective(point: Array) -> tuple[float, Array]:
            value = self.negative_log_likelihood(point[0] * scale, point[1], point[2])
            return value, self.gradient * (scale, 1.0, 1.0)

        slack = np.array([0.0, -1.0, -1.0])
        result = minimize(
            objective,
            ((1.0 - alpha - beta) * level, alpha, beta),
            jac=True,
            method="SLSQP",
            bounds=(_OMEGA_BOUNDS, (0.0, 1.0), (0.0, 1.0)),
            constraints={"type": "ineq", "fun": lambda point: 1.0 - point[1] - point[2], "jac": lambda _: slack},
            options={"ftol": 1e-10, "maxiter": 200},
        )
        return _feasible(result.x, scale)

    def next_variance(self, omega: float, alpha: float, beta: float) -> float:
        """Variance of the day after the sample."""
        variance, square = self.backcast, self.backcast
        for observed, low, high in zip(self.squares.tolist(), self.lower.tolist(), self.upper.tolist(), strict=True):
            variance = max(omega + alpha * square + beta * variance, low)
            if variance > high:
                variance = high + math.log(variance / high)
            square = observed
        return omega + alpha * square + beta * variance


def _feasible(point: Array, scale: float) -> tuple[float, float, float]:
    """A solver's result without the rounding by which it leaves the bounds."""
    omega = min(max(float(point[0]), _OMEGA_BOUNDS[0]), _OMEGA_BOUNDS[1]) * scale
    alpha = min(max(float(point[1]), 0.0), 1.0)
    return omega, alpha, min(max(float(point[2]), 0.0), 1.0 - alpha)
