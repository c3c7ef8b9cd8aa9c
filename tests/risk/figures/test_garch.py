"""GARCH fits against the likelihood's definition, arch and a multi-start of another optimiser."""

import math
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, minimize

from tests.risk.figures import reference
from tests.risk.figures.closes import ABSENT, RECORDINGS, recorded, recorded_files, walk, without
from tickvol.risk.figures.garch import GarchFit, _Sample, fit, garch_sigma
from tickvol.risk.figures.returns import known, log_returns

Array = NDArray[np.float64]


def made(days: int, seed: int, omega: float = 0.5, alpha: float = 0.1, beta: float = 0.85) -> Array:
    """Returns of a true GARCH(1,1), as fractions."""
    random = np.random.default_rng(seed)
    variance, returns = omega / (1.0 - alpha - beta), np.empty(days)
    for t in range(days):
        returns[t] = math.sqrt(variance) * random.standard_normal()
        variance = omega + alpha * returns[t] ** 2 + beta * variance
    return returns / 100.0


POINTS = [(0.4, 0.1, 0.85), (3.0, 0.3, 0.1), (1e-3, 0.01, 0.99), (5.0, 0.0, 0.0)]


@pytest.mark.parametrize("point", POINTS)
def test_likelihood_and_forecast_follow_the_definition(point: tuple[float, float, float]) -> None:
    sample, returns = _Sample(100.0 * made(365, 1)), (100.0 * made(365, 1)).tolist()
    value = -sample.negative_log_likelihood(*point) - 0.5 * 365 * math.log(2 * math.pi)
    assert value == pytest.approx(reference.garch_log_likelihood(returns, *point), rel=1e-12)
    # The likelihood of one more return contains the forecast of its variance.
    more = reference.garch_log_likelihood([*returns, 0.0], *point) - value
    assert sample.next_variance(*point) == pytest.approx(math.exp(-2 * more) / (2 * math.pi), rel=1e-9)


@pytest.mark.parametrize("point", POINTS[:3])
def test_gradient_is_that_of_the_likelihood(point: tuple[float, float, float]) -> None:
    sample = _Sample(100.0 * made(365, 2))
    slopes = approx_fprime(np.array(point), lambda x: sample.negative_log_likelihood(*x), 1e-7)
    sample.negative_log_likelihood(*point)
    np.testing.assert_allclose(sample.gradient, slopes, rtol=2e-3, atol=2e-3)


def arch_model(returns: Array):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from arch import arch_model

    return arch_model(100.0 * returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)


def against_arch(returns: Array) -> float:
    """Our log-likelihood minus arch's; both packages mean the same by it."""
    found = fit(returns, 0, 6)
    assert found is not None
    model = arch_model(returns)
    same = model.fix([found.omega, found.alpha, found.beta]).loglikelihood
    assert found.log_likelihood == pytest.approx(same, abs=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return found.log_likelihood - float(model.fit(disp="off").loglikelihood)


def against_multi_start(returns: Array, starts: int, seed: int) -> float:
    """Our log-likelihood minus the best that Nelder and Mead's method finds from random starts."""
    found, sample = fit(returns, 0, 6), _Sample(100.0 * returns)
    assert found is not None
    random = np.random.default_rng(seed)

    def objective(point: Array) -> float:
        log_omega, alpha, beta = point
        if alpha < 0.0 or beta < 0.0 or alpha + beta > 1.0 or not -18.0 < log_omega < 2.3:
            return 1e9
        return sample.negative_log_likelihood(math.exp(log_omega) * sample.mean_square, alpha, beta)

    best = math.inf
    for _ in range(starts):
        persistence, share = random.uniform(0.0, 0.999), random.random() ** 2
        start = np.array([math.log(1.0 - persistence), persistence * share, persistence * (1.0 - share)])
        best = min(best, minimize(objective, start, method="Nelder-Mead", options={"maxiter": 600}).fun)
    return found.log_likelihood + best + 0.5 * len(returns) * math.log(2 * math.pi)


def recorded_windows(step: int) -> list[Array]:
    windows = []
    for path in recorded_files():
        returns = log_returns(recorded(path)[1])
        windows += [known(returns[t - 365 : t]) for t in range(366, len(returns), step)]
    return windows


@pytest.mark.parametrize("seed", [3, 4])
def test_fits_are_as_likely_as_those_of_arch(seed: int) -> None:
    assert against_arch(made(365, seed)) >= -1e-3


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_fits_are_as_likely_as_the_best_of_many_starts(seed: int) -> None:
    assert against_multi_start(made(365, seed, 2.0, 0.05, 0.5), 6, seed) >= -1e-3


@pytest.mark.slow
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=ABSENT)
def test_fits_to_recorded_days_are_as_likely_as_those_of_arch() -> None:
    gains = [against_arch(window) for window in recorded_windows(30)]
    assert min(gains) >= -1e-3
    assert max(gains) > 1.0, "arch alone would do: it found each optimum"


@pytest.mark.slow
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=ABSENT)
def test_fits_to_recorded_days_are_as_likely_as_the_best_of_many_starts() -> None:
    gains = np.array([against_multi_start(window, 10, seed) for seed, window in enumerate(recorded_windows(30))])
    assert gains.min() >= -0.05
    assert np.mean(gains >= -1e-3) >= 0.95


def test_a_fit_recovers_true_parameters_from_many_days() -> None:
    found = fit(made(20_000, 8), 0, 6)
    assert found is not None
    assert (found.alpha, found.beta) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.85, abs=0.03))


def test_fits_are_deterministic() -> None:
    assert fit(made(365, 9), 5, 6) == fit(made(365, 9), 5, 6)


@pytest.mark.parametrize("scale", [1e-10, 1e3])
def test_parameters_do_not_depend_on_the_scale(scale: float) -> None:
    plain, scaled = fit(made(365, 10), 0, 6), fit(scale * made(365, 10), 0, 6)
    assert plain is not None
    assert scaled is not None
    assert (scaled.alpha, scaled.beta) == (pytest.approx(plain.alpha, abs=1e-3), pytest.approx(plain.beta, abs=1e-3))


@pytest.mark.parametrize("returns", [np.full(365, 0.01), np.r_[np.zeros(300), made(65, 11)], np.r_[0.5, np.zeros(364)]])
def test_odd_returns_give_finite_parameters(returns: Array) -> None:
    found = fit(returns, 0, 6)
    assert found is not None
    assert all(map(math.isfinite, (found.omega, found.alpha, found.beta, found.log_likelihood, found.next_variance)))
    assert found.omega > 0.0
    assert min(found.alpha, found.beta) >= 0.0
    assert found.alpha + found.beta <= 1.0


def test_returns_that_are_all_zero_have_no_fit() -> None:
    assert fit(np.zeros(365), 0, 6) is None


def forecasts(returns: Array, refit_days: int = 30) -> tuple[Array, tuple[GarchFit, ...]]:
    found = garch_sigma(returns, 365, 329, refit_days, 2)
    return found.sigma, found.fits


def test_fits_are_on_day_366_and_every_30_days_after_it() -> None:
    sigma, fits = forecasts(log_returns(walk(430)))
    assert [found.day for found in fits] == [366, 396, 426]
    assert np.isnan(sigma[:366]).all()
    assert not np.isnan(sigma[366:]).any()


def test_between_fits_the_last_parameters_hold_and_an_unknown_return_changes_nothing() -> None:
    returns = log_returns(without(walk(400), 375))
    sigma, fits = forecasts(returns)
    for found, days in zip(fits, (range(366, 395), range(396, 399)), strict=True):
        assert sigma[found.day] ** 2 * 1e4 == pytest.approx(found.next_variance)
        for t in days:
            expected = (found.omega + found.alpha * (100.0 * returns[t]) ** 2) / 1e4 + found.beta * sigma[t] ** 2
            assert sigma[t + 1] ** 2 == pytest.approx(sigma[t] ** 2 if np.isnan(returns[t]) else expected)
    assert np.isnan(returns[375:377]).all()


def test_without_enough_returns_forecasts_wait_for_the_next_fit() -> None:
    returns = log_returns(without(walk(800), slice(380, 420)))
    sigma, fits = forecasts(returns)
    assert 396 in {found.day for found in fits}
    missing = [day for day in range(366, 800, 30) if day not in {found.day for found in fits}]
    assert missing
    for day in missing:
        assert np.isnan(sigma[day : day + 30]).all()


def test_no_refit_days_mean_no_forecasts() -> None:
    sigma, fits = forecasts(log_returns(walk(430)), refit_days=0)
    assert np.isnan(sigma).all()
    assert fits == ()
