"""Probabilistic and deflated Sharpe ratio (Bailey and Lopez de Prado, 2012 and 2014), on daily series.

All Sharpe ratios are a day's, never annual: `days` counts the same unit.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

Array = NDArray[np.float64]
_NORMAL = NormalDist()


def probabilistic_sharpe(sharpe: float, *, days: int, skew: float, kurtosis: float, benchmark: float = 0.0) -> float:
    """Probability that the true daily Sharpe ratio is above `benchmark`.

    `Phi((SR - SR0) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))`; `kurtosis` g4 is 3 for a normal series.

    >>> round(probabilistic_sharpe(0.1, days=401, skew=0.0, kurtosis=3.0), 6)
    0.97698
    """
    if days < 2:
        raise InputError(f"days: {days}: must be at least 2")
    spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not spread > 0:
        raise InputError(f"skew, kurtosis: {skew}, {kurtosis}: no series has them: kurtosis >= 1 + skew^2")
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(days - 1) / math.sqrt(spread))


def expected_maximum(trials: float, variance: float) -> float:
    """Expected best Sharpe ratio of so many trials without skill; 0 for one trial.

    `sqrt(V) ((1 - g) Phi^-1(1 - 1 / N) + g Phi^-1(1 - 1 / (N e)))` with Euler's constant g.
    """
    if trials <= 1:
        return 0.0
    first, second = _NORMAL.inv_cdf(1.0 - 1.0 / trials), _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    # Near one trial the approximation falls below 0, which no choice among trials can.
    return max(0.0, math.sqrt(variance) * ((1.0 - np.euler_gamma) * first + np.euler_gamma * second))


def effective_trials(series: Array) -> float:
    """Participation ratio of the correlation matrix of daily series (trials, days): 1 if all are alike.

    `N^2 / sum of squared correlations`; series that do not vary are left out, at least 1.
    """
    varying = series[np.ptp(series, axis=1) > 0]
    if len(varying) < 2:
        return 1.0
    centred = varying - varying.mean(axis=1, keepdims=True)
    scaled = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return float(len(scaled) ** 2 / np.sum((scaled @ scaled.T) ** 2))


@dataclass(frozen=True)
class DeflatedSharpe:
    """Probability that the chosen strategy's Sharpe ratio beats the best of `trials` without skill.

    `benchmark` is that expected best; `variance` that of the trials' Sharpe ratios, never less than 1 / days.
    `effective` and `effective_benchmark` are the same for the effective number of trials.
    """

    probability: float
    benchmark: float
    trials: int
    variance: float
    effective: float
    effective_benchmark: float
    effective_trials: float


def deflated_sharpe(
    sharpe: float,
    *,
    days: int,
    skew: float,
    kurtosis: float,
    trial_sharpes: Array,
    trial_effective: float | None = None,
) -> DeflatedSharpe:
    """Deflate a daily Sharpe ratio by all trials of the ledger, the chosen one among them.

    Parameters
    ----------
    trial_sharpes : (trials,) float64, daily Sharpe ratio of every trial
    trial_effective : effective number of trials; None: all count
    """
    trials = max(1, len(trial_sharpes))
    variance = 1.0 / days
    if trials > 1:
        variance = max(variance, float(np.var(trial_sharpes, ddof=1)))
    effective = float(trials) if trial_effective is None else trial_effective
    benchmarks = [expected_maximum(n, variance) for n in (trials, effective)]
    first, second = (
        probabilistic_sharpe(sharpe, days=days, skew=skew, kurtosis=kurtosis, benchmark=b) for b in benchmarks
    )
    return DeflatedSharpe(first, benchmarks[0], trials, variance, second, benchmarks[1], effective)
