"""Sharpe ratios discounted for search: published cases, limits, and what they say where there is no skill."""

import math

import numpy as np
import pytest

from tickvol.core.errors import InputError
from tickvol.signals.analysing.backtest_overfitting import backtest_overfitting
from tickvol.signals.analysing.daily import daily_figures
from tickvol.signals.analysing.overfitting import (
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    probabilistic_sharpe,
)

NORMAL = {"skew": 0.0, "kurtosis": 3.0}


def test_the_deflated_ratio_of_the_published_example():
    """Bailey and Lopez de Prado (2014): annual 2.5, 5 years of 250 days, 100 trials of annual variance 1/2: 0.9004."""
    benchmark = expected_maximum(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    got = probabilistic_sharpe(2.5 / math.sqrt(250), days=1250, skew=-3.0, kurtosis=10.0, benchmark=benchmark)
    assert got == pytest.approx(0.9004, abs=5e-5)


def test_with_normal_returns_the_probabilistic_ratio_is_that_of_a_t_statistic():
    from scipy import stats

    z = 0.1 * math.sqrt(399) / math.sqrt(1 + 0.1**2 / 2)
    assert probabilistic_sharpe(0.1, days=400, **NORMAL) == pytest.approx(stats.norm.cdf(z), rel=1e-12)
    assert probabilistic_sharpe(0.0, days=400, **NORMAL) == 0.5


def test_moments_that_no_series_has_and_too_few_days_are_refused():
    with pytest.raises(InputError, match="kurtosis"):
        probabilistic_sharpe(1.0, days=400, skew=3.0, kurtosis=1.0)
    with pytest.raises(InputError, match="days: 1"):
        probabilistic_sharpe(1.0, days=1, **NORMAL)


@pytest.mark.parametrize("trials", [5, 50, 500])
def test_the_expected_maximum_is_that_of_normal_draws(trials):
    draws = np.random.default_rng(0).standard_normal((4000, trials)).max(axis=1)
    assert expected_maximum(trials, 1.0) == pytest.approx(draws.mean(), rel=0.04)
    assert expected_maximum(trials, 0.25) == pytest.approx(expected_maximum(trials, 1.0) / 2)


def test_one_trial_needs_no_discount():
    got = deflated_sharpe(0.1, days=400, trial_sharpes=np.array([0.1]), **NORMAL)
    assert got.benchmark == 0.0
    assert got.probability == probabilistic_sharpe(0.1, days=400, **NORMAL)
    assert expected_maximum(1.0001, 1.0) == 0.0


def test_the_variance_of_alike_trials_is_never_below_that_of_chance():
    alike = deflated_sharpe(0.1, days=400, trial_sharpes=np.full(50, 0.1), **NORMAL)
    assert alike.variance == 1 / 400
    spread = deflated_sharpe(0.1, days=400, trial_sharpes=np.linspace(-1, 1, 50), **NORMAL)
    assert spread.variance == pytest.approx(np.var(np.linspace(-1, 1, 50), ddof=1))
    assert spread.probability < alike.probability


def test_the_effective_number_is_one_for_copies_and_all_for_independent_trials():
    rng = np.random.default_rng(0)
    one = rng.standard_normal(4000)
    assert effective_trials(np.tile(one, (10, 1))) == pytest.approx(1.0)
    assert effective_trials(np.tile(one, (10, 1)) * np.arange(1, 11)[:, None] + 3) == pytest.approx(1.0)
    assert effective_trials(rng.standard_normal((10, 4000))) == pytest.approx(10, rel=0.02)
    assert effective_trials(np.zeros((3, 10))) == 1.0
    two = deflated_sharpe(0.1, days=400, trial_sharpes=np.zeros(50), trial_effective=2.0, **NORMAL)
    assert two.effective_benchmark < two.benchmark
    assert two.effective > two.probability


def judged(series):
    """PSR(0) and deflated ratio of the best of daily series (trials, days)."""
    sharpes = series.mean(axis=1) / series.std(axis=1, ddof=1)
    best = daily_figures(series[sharpes.argmax()])
    moments = {"days": best.days, "skew": best.skew, "kurtosis": best.kurtosis}
    deflated = deflated_sharpe(best.sharpe, trial_sharpes=sharpes, **moments)
    return best, probabilistic_sharpe(best.sharpe, **moments), deflated.probability


def searched(seeds, planted=0.0, trials=200):
    runs = []
    for seed in range(seeds):
        series = np.random.default_rng(seed).standard_normal((trials, 503))
        series[0] += planted
        runs.append(judged(series))
    return runs


def test_the_best_of_many_without_skill_looks_good_until_it_is_deflated():
    runs = searched(30)
    assert np.mean([best.sharpe_annual for best, _, _ in runs]) == pytest.approx(2.3, abs=0.15)
    assert all(psr > 0.95 for _, psr, _ in runs)
    assert sum(deflated > 0.95 for _, _, deflated in runs) <= 1


def test_an_edge_that_no_search_could_make_is_confirmed():
    assert all(deflated > 0.95 for _, _, deflated in searched(10, planted=0.4))


@pytest.mark.slow
def test_a_small_planted_edge_is_rarely_proven_in_17_months():
    proven = np.mean([deflated > 0.95 for _, _, deflated in searched(300, planted=0.15)])
    assert 0.05 < proven < 0.35
    assert np.mean([deflated > 0.95 for _, _, deflated in searched(300)]) <= 0.02


def test_noise_is_overfitted_in_half_of_the_splits():
    rng = np.random.default_rng(0)
    shares = [backtest_overfitting(rng.standard_normal((40, 480))).probability for _ in range(20)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_a_strategy_that_is_always_best_is_never_overfitted():
    series = 0.1 * np.random.default_rng(1).standard_normal((20, 240))
    series[7] += 1.0
    got = backtest_overfitting(series)
    assert (got.probability, got.loss_probability, got.splits) == (0.0, 0.0, 924)
    assert got.mean_sharpe_out == pytest.approx(got.mean_sharpe_in, rel=0.1)


def test_a_strategy_good_in_each_half_alone_is_always_overfitted():
    """With 2 blocks, each strategy is good in one block and bad in the other."""
    wiggle = np.tile([0.1, -0.1], 10)
    series = np.stack([np.r_[wiggle + 1, wiggle - 1], np.r_[wiggle - 1, wiggle + 1], np.r_[wiggle, wiggle]])
    got = backtest_overfitting(series, blocks=2)
    assert (got.probability, got.loss_probability, got.splits) == (1.0, 1.0, 2)
    assert got.mean_sharpe_in == pytest.approx(-got.mean_sharpe_out)


def test_a_small_probability_goes_with_certain_losses_where_costs_rank_the_strategies():
    rng = np.random.default_rng(2)
    series = rng.standard_normal((30, 480)) - np.linspace(0.5, 3.0, 30)[:, None]
    got = backtest_overfitting(series)
    assert got.probability < 0.2
    assert got.loss_probability == 1.0


def test_the_splits_are_those_of_a_plain_loop():
    from itertools import combinations

    series = np.random.default_rng(3).standard_normal((7, 50)) + 0.05
    got = backtest_overfitting(series, blocks=6)
    cut = series[:, 2:].reshape(7, 6, 8)
    below, lost, ins, outs = [], [], [], []
    for half in combinations(range(6), 3):
        rest = [b for b in range(6) if b not in half]
        inside, outside = (cut[:, list(h)].reshape(7, -1) for h in (half, rest))
        si, so = (x.mean(axis=1) / x.std(axis=1, ddof=1) for x in (inside, outside))
        chosen = si.argmax()
        omega = (1 + (so < so[chosen]).sum()) / 8
        below.append(math.log(omega / (1 - omega)) <= 0)
        lost.append(so[chosen] < 0)
        ins.append(si[chosen])
        outs.append(so[chosen])
    assert (got.probability, got.loss_probability) == (np.mean(below), np.mean(lost))
    assert (got.mean_sharpe_in, got.mean_sharpe_out) == pytest.approx((np.mean(ins), np.mean(outs)), rel=1e-10)
    assert got.days == 48


def test_series_that_do_not_vary_have_ratio_zero():
    got = backtest_overfitting(np.full((3, 48), -0.1))
    assert (got.mean_sharpe_in, got.loss_probability, got.probability) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("shape", "blocks", "named"), [((1, 99), 12, "strategies"), ((3, 23), 12, "days: 23"), ((3, 99), 5, "blocks")]
)
def test_what_cannot_be_split_is_refused(shape, blocks, named):
    with pytest.raises(InputError, match=named):
        backtest_overfitting(np.zeros(shape), blocks=blocks)
