"""Weights of the portfolio with the least variance, or the reason why there are none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MAX_CONDITION = 1e12


@dataclass(frozen=True)
class Allocation:
    """Minimum-variance weights; `weights` is empty and `reason` says why where there are none.

    Weights sum to 1. `volatility` and `equal_weight_volatility` (each asset alike) are fractions per year, NaN without
    weights. `days` is the number of days on which all returns are known.
    """

    weights: dict[str, float]
    volatility: float
    equal_weight_volatility: float
    days: int
    reason: str = ""


def minimum_variance(returns: Mapping[str, Array], *, long_only: bool, min_days: int, year_days: int) -> Allocation:
    """Minimise `w' C w` subject to `sum(w) = 1`, and to `w >= 0` where long only.

    Parameters
    ----------
    returns : by asset: (n,) float64, daily simple returns on one calendar, NaN where unknown
    min_days : fewest days on which the returns of all assets are known
    year_days : days by which the volatility is annualised

    Returns
    -------
    Allocation
        C is the sample covariance (ddof 1) of the common days. Without the bound `w` is `inv(C) 1`, scaled; with it,
        the non-negative least-squares solution of the same problem, scaled.
    """
    names = list(returns)
    if len(names) < 2:
        return _infeasible(0, f"assets: {len(names)}: a portfolio needs at least 2")
    matrix = np.column_stack([returns[name] for name in names])
    matrix = matrix[~np.isnan(matrix).any(axis=1)]
    if len(matrix) < max(min_days, len(names) + 1):
        return _infeasible(len(matrix), _too_few(returns, len(matrix), max(min_days, len(names) + 1)))
    covariance = np.cov(matrix, rowvar=False, ddof=1)
    deviation = np.sqrt(np.diag(covariance))
    # A constant column's deviation is what its mean's rounding leaves.
    still = [name for name, column in zip(names, matrix.T, strict=True) if column.min() == column.max()]
    if still:
        return _infeasible(len(matrix), f"returns of {', '.join(still)}: they do not vary: leave it out")
    correlation = covariance / np.outer(deviation, deviation)
    if np.linalg.cond(correlation) > _MAX_CONDITION:
        return _infeasible(len(matrix), f"covariance: singular, {_most_alike(names, correlation)}: leave one out")
    weights = (_long_only if long_only else _closed_form)(correlation, deviation)
    return Allocation(
        weights=dict(zip(names, weights.tolist(), strict=True)),
        volatility=_volatility(weights, covariance, year_days),
        equal_weight_volatility=_volatility(np.full(len(names), 1.0 / len(names)), covariance, year_days),
        days=len(matrix),
    )


def _closed_form(correlation: Array, deviation: Array) -> Array:
    weights = np.linalg.solve(correlation, 1.0 / deviation) / deviation
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _long_only(correlation: Array, deviation: Array) -> Array:
    """Scaled minimum of `v' C v / 2 - sum(v)` over `v >= 0`, in units of each asset's deviation.

    With `C = L L'` that is the least-squares problem `|L' v - inv(L) 1|`, which has an exact active-set solution.
    """
    from scipy.optimize import nnls

    factor = np.linalg.cholesky(correlation)
    solution, _ = nnls(factor.T, np.linalg.solve(factor, 1.0 / deviation))
    weights = solution / deviation
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _volatility(weights: Array, covariance: Array, year_days: int) -> float:
    return math.sqrt(float(weights @ covariance @ weights) * year_days)


def _too_few(returns: Mapping[str, Array], days: int, needed: int) -> str:
    known = {name: int(np.count_nonzero(~np.isnan(values))) for name, values in returns.items()}
    fewest = min(known, key=lambda name: known[name])
    return f"common days: {days}: at least {needed} are needed; {fewest} has the fewest returns, {known[fewest]}"


def _most_alike(names: list[str], correlation: Array) -> str:
    size = np.abs(np.triu(correlation, 1))
    i, j = np.unravel_index(int(np.argmax(size)), size.shape)
    return f"most alike are {names[int(i)]} and {names[int(j)]} with a correlation of {correlation[i, j]:.6f}"


def _infeasible(days: int, reason: str) -> Allocation:
    return Allocation({}, math.nan, math.nan, days, reason)
