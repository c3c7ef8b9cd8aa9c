"""The regression of prices against statsmodels-like formulas written out, and its limits."""

import math

import numpy as np
import pytest
from scipy import stats

from tickvol.core.errors import InputError
from tickvol.signals.analysing.regression import price_regression


def walk(seed, n=200):
    return 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(n)))


@pytest.mark.parametrize("seed", range(5))
def test_slope_and_fit_are_those_of_scipy(seed):
    close = walk(seed)
    line = stats.linregress(np.arange(50), np.log(close[-50:]))
    got = price_regression(close)
    assert got.slope_bps == pytest.approx(1e4 * line.slope, rel=1e-10)
    assert got.r_squared == pytest.approx(line.rvalue**2, rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_the_slope_is_newey_wests_in_matrices(seed):
    close = walk(seed)
    y, design = np.log(close[-50:]), np.column_stack([np.ones(50), np.arange(50)])
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    scores = design * (y - design @ beta)[:, None]
    meat = scores.T @ scores
    for lag in range(1, 6):
        cross = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / 6) * (cross + cross.T)
    bread = np.linalg.inv(design.T @ design)
    error = math.sqrt((bread @ meat @ bread)[1, 1])
    assert price_regression(close).slope_t == pytest.approx(beta[1] / error, rel=1e-8)


def test_the_half_life_is_that_of_a_planted_reversion():
    rng = np.random.default_rng(0)
    residual = np.zeros(5000)
    for i in range(1, 5000):
        residual[i] = 0.9 * residual[i - 1] + 0.01 * rng.standard_normal()
    got = price_regression(np.exp(residual + 1e-5 * np.arange(5000)), bars=5000)
    assert got.half_life_bars == pytest.approx(-math.log(2) / math.log(0.9), rel=0.15)


def test_a_residual_that_alternates_has_no_half_life():
    assert price_regression(np.exp(0.01 * (-1.0) ** np.arange(50))).half_life_bars is None


@pytest.mark.parametrize("close", [np.full(50, 100.0), 100 * np.exp(0.001 * np.arange(50))])
def test_closes_on_a_line_have_no_t_value(close):
    got = price_regression(close)
    assert (got.slope_t, got.half_life_bars, got.residual_sigmas) == (None, None, None)


def test_only_the_last_bars_count_and_the_unit_of_price_does_not():
    close = walk(1)
    changed = np.concatenate([close[:100] * 3, close[100:]])
    assert price_regression(changed) == price_regression(close)
    assert price_regression(close * 1000).slope_bps == pytest.approx(price_regression(close).slope_bps, rel=1e-9)


@pytest.mark.parametrize("close", [np.ones(49), np.r_[np.ones(49), np.nan], np.r_[np.ones(49), 0.0]])
def test_closes_that_are_too_few_or_none_are_refused(close):
    with pytest.raises(InputError, match=r"bars|close"):
        price_regression(close)
