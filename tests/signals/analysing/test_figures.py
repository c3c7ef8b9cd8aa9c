"""Figures of closed trades against definitions written out, and their behaviour where there is nothing to divide by."""

import math

import numpy as np
import pytest

from tests.signals.confirming.paths import COARSE, bars_from, ticks
from tests.signals.confirming.reference import decisions_of
from tickvol.core.errors import InputError
from tickvol.signals.analysing import daily, degradation, equity, expectancy, rolling, weeks
from tickvol.signals.analysing.trades import Confirmed, closed_trades
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.outcomes import Costs, ExitReason, Status

DAY, WEEK = 86_400_000, 7 * 86_400_000
MONDAY = 4 * DAY
EMPTY = np.empty(0)


def returns(seed, n=500):
    return 0.02 * np.random.default_rng(seed).standard_t(4, size=n)


@pytest.mark.parametrize("seed", range(50))
def test_expectancy_is_the_mean_net_return(seed):
    net = returns(seed, n=1 + 7 * seed)
    assert abs(expectancy.expectancy(net) - math.fsum(net) / len(net)) <= 1e-15


@pytest.mark.parametrize("net", [np.array([0.01, 0.02]), np.array([-0.01, -0.02]), np.array([0.0])])
def test_expectancy_without_wins_or_without_losses_is_the_mean(net):
    assert expectancy.expectancy(net) == pytest.approx(net.mean(), abs=1e-15)


def test_a_return_of_zero_is_no_win():
    net = np.array([0.02, 0.0, -0.01])
    assert expectancy.win_rate(net) == pytest.approx(1 / 3)
    assert expectancy.average_win(net) == 0.02
    assert expectancy.average_loss(net) == pytest.approx(0.005)
    assert expectancy.profit_factor(net) == pytest.approx(2.0)
    assert expectancy.payoff(net) == pytest.approx(4.0)


def test_at_the_break_even_rate_the_expectancy_is_zero():
    net = returns(3)
    rate = expectancy.break_even_rate(net)
    assert rate * expectancy.average_win(net) - (1 - rate) * expectancy.average_loss(net) == pytest.approx(0, abs=1e-17)


@pytest.mark.parametrize(
    "figure",
    [
        expectancy.win_rate,
        expectancy.average_pnl,
        expectancy.average_win,
        expectancy.average_loss,
        expectancy.expectancy,
        expectancy.profit_factor,
        expectancy.payoff,
        expectancy.break_even_rate,
        expectancy.ambiguous_rate,
    ],
)
def test_a_figure_of_no_trades_is_none(figure):
    assert figure(EMPTY) is None


def test_no_losses_leave_ratios_without_value():
    assert expectancy.profit_factor(np.array([0.01])) is None
    assert expectancy.payoff(np.array([0.01, 0.0])) is None


def test_exits_are_counted_by_reason():
    reasons = np.array([ExitReason.TP, ExitReason.SL, ExitReason.SL_GAP, ExitReason.TIMEOUT], dtype=np.int8)
    rates = (expectancy.tp_rate(reasons), expectancy.sl_rate(reasons), expectancy.timeout_rate(reasons))
    assert rates == (0.25, 0.5, 0.25)


def test_trades_are_ordered_by_confirmation_then_symbol_then_id_and_what_is_open_is_counted():
    rng = np.random.default_rng(0)
    parts = []
    for symbol in (1, 0):
        bars = bars_from(ticks(rng, 60), 4, COARSE)
        decisions = decisions_of(COARSE * rng.integers(0, 65, 80), 1, 0.01, 0.01, 6)
        parts.append(Confirmed(symbol, rng.permutation(80), confirm(decisions, bars, costs=Costs())))
    trades = closed_trades(parts)
    keys = list(zip(trades.confirmed_at_ms, trades.symbol, trades.prediction_id, strict=True))
    assert keys == sorted(keys)
    pending = sum(int((part.results.status == Status.PENDING).sum()) for part in parts)
    assert (trades.pending, trades.unknown) == (pending, 0)
    assert len(trades) + pending == 160
    assert pending > 0
    swapped = closed_trades(parts[::-1])
    assert np.array_equal(swapped.net_frac, trades.net_frac)
    assert len(closed_trades([])) == 0


def test_a_week_begins_on_monday():
    times = np.array([MONDAY - 1, MONDAY, MONDAY + WEEK - 1, MONDAY + WEEK])
    assert np.diff(weeks.week_of(times)).tolist() == [1, 0, 1]


def spread(n, n_weeks, seed=0):
    return np.sort(np.random.default_rng(seed).integers(MONDAY, MONDAY + n_weeks * WEEK, size=n))


@pytest.mark.parametrize(
    ("n", "n_weeks", "given"), [(100, 19, False), (29, 60, False), (30, 60, True), (100, 21, True)]
)
def test_an_interval_needs_20_weeks_and_30_trades(n, n_weeks, given):
    drawn = weeks.draw_weeks(spread(n, n_weeks), seed=1)
    assert (weeks.mean_interval(drawn, returns(0, n)) is not None) == given


def test_the_interval_resamples_whole_weeks():
    """A plain resampling of lists of trades by the same counts gives the same ends."""
    times, net = spread(200, 30), returns(1, 200)
    drawn = weeks.draw_weeks(times, draws=300, seed=2)
    by_week = [net[drawn.week == week].tolist() for week in range(drawn.weeks)]
    means = []
    for counts in drawn.counts:
        pool = [r for trades, count in zip(by_week, counts, strict=True) for r in trades * count]
        means.append(np.mean(pool))
    interval = weeks.mean_interval(drawn, net)
    assert [interval.low, interval.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), rel=1e-12)
    assert interval == weeks.mean_interval(weeks.draw_weeks(times, draws=300, seed=2), net)
    assert interval != weeks.mean_interval(weeks.draw_weeks(times, draws=300, seed=3), net)


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        times = spread(600, 60, seed)
        shocks = 0.01 * rng.standard_normal(61)
        net = shocks[weeks.week_of(times) - weeks.week_of(times).min()] + 0.01 * rng.standard_normal(600)
        interval = weeks.mean_interval(weeks.draw_weeks(times, draws=400, seed=seed), net)
        covered += interval.low <= 0 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_difference_interval_is_that_of_members_minus_others():
    times, net = spread(400, 40), returns(2, 400)
    members = np.arange(400) % 2 == 0
    drawn = weeks.draw_weeks(times, seed=0)
    higher = weeks.difference_interval(drawn, net + 0.05 * members, members)
    assert higher.excludes_zero
    assert (higher.low + higher.high) / 2 == pytest.approx(0.05 + net[members].mean() - net[~members].mean(), abs=2e-3)
    assert weeks.difference_interval(drawn, net, np.arange(400) < 10) is None


@pytest.mark.parametrize("trades", [5, 10, 20])
def test_rolling_figures_are_those_of_each_window(trades):
    net = returns(4, 60)
    for figure, plain in (
        (rolling.rolling_expectancy, np.mean),
        (rolling.rolling_win_rate, lambda window: (window > 0).mean()),
        (rolling.rolling_deviation, lambda window: np.std(window, ddof=1)),
    ):
        got = figure(net, trades)
        assert np.isnan(got[: trades - 1]).all()
        assert got[trades - 1 :] == pytest.approx([plain(net[i - trades : i]) for i in range(trades, 61)], abs=1e-16)
        assert np.isnan(figure(net[: trades - 1], trades)).all()


def test_equity_compounds_or_adds():
    net = returns(5, 50)
    path = [1.0]
    for r in net:
        path.append(path[-1] * (1 + 0.1 * r))
    assert equity.equity_curve(net) == pytest.approx(path, rel=1e-14)
    assert equity.equity_curve(net, fixed=True)[-1] == pytest.approx(1 + 0.1 * net.sum(), rel=1e-14)


def test_a_stake_that_open_trades_cannot_all_have_is_refused():
    entered, left = np.array([0, 1, 2, 10]), np.array([10, 11, 12, 20])
    assert equity.most_open(entered, left) == 3
    assert equity.most_open(EMPTY.astype(int), EMPTY.astype(int)) == 0
    with pytest.raises(InputError, match=r"stake: 0.4: 3 trades are open at once.*0\.3333"):
        equity.equity_curve(returns(0), stake=0.4, open_at_once=3)
    with pytest.raises(InputError, match="stake: 0"):
        equity.equity_curve(returns(0), stake=0.0)


def test_drawdown_names_its_peak_its_low_and_its_recovery():
    curve = np.array([1.0, 1.2, 0.9, 1.1, 1.2, 1.3, 1.25])
    fall = equity.drawdown(curve, np.arange(6) * 10)
    assert fall.maximum == pytest.approx(-0.25)
    assert (fall.start, fall.end, fall.recovery, fall.under_water_ms) == (1, 2, 4, 20)
    losing = equity.drawdown(np.array([1.0, 0.9, 0.8]), np.array([0, 5]))
    assert (losing.start, losing.end, losing.recovery, losing.under_water_ms) == (0, 2, None, 5)


def test_ruin_grows_with_the_stake_and_is_certain_for_a_hopeless_one():
    times, net = spread(300, 40), returns(6, 300) - 0.002
    shares = [equity.ruin_share(net, times, stake=stake, seed=0) for stake in (0.01, 0.3, 1.0)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert equity.ruin_share(np.full(100, -0.1), spread(100, 30), stake=1.0, seed=0) == 1.0
    assert equity.ruin_share(EMPTY, EMPTY.astype(int), seed=0) is None


def test_a_resampled_path_dips_within_its_weeks():
    net, times = np.array([-0.6, 2.0]), np.array([MONDAY, MONDAY + 1])
    assert equity.ruin_share(net, times, stake=1.0, seed=0) == 1.0


def test_the_daily_series_has_a_zero_for_each_day_without_trades():
    net, times = np.array([0.01, 0.02, -0.03, 9.0]), np.array([0, DAY - 1, 2 * DAY, 9 * DAY])
    series = daily.daily_series(net, times, from_ms=0, to_ms=3 * DAY, symbols=2)
    assert series == pytest.approx([0.015, 0.0, -0.015, 0.0])


def test_daily_moments_are_those_of_scipy():
    from scipy import stats

    series = returns(7, 400) + 0.001
    got = daily.daily_figures(series)
    assert got.sharpe == pytest.approx(series.mean() / series.std(ddof=1), rel=1e-14)
    assert got.sharpe_annual == pytest.approx(got.sharpe * math.sqrt(365), rel=1e-14)
    assert got.skew == pytest.approx(stats.skew(series), rel=1e-12)
    assert got.kurtosis == pytest.approx(stats.kurtosis(series, fisher=False), rel=1e-12)


@pytest.mark.parametrize("series", [EMPTY, np.array([0.1]), np.full(30, 0.1)])
def test_a_series_that_does_not_vary_has_no_sharpe_ratio(series):
    assert daily.daily_figures(series).sharpe is None


def test_degradation_compares_the_last_fifth_and_flags_what_is_no_chance():
    times, net = spread(500, 60), returns(8)
    drawn = weeks.draw_weeks(times, seed=0)
    steady = degradation.degradation(net, drawn)
    assert steady.value == pytest.approx(net[400:].mean() - net[:400].mean(), abs=1e-17)
    assert not steady.flagged
    worse = net - 0.03 * (np.arange(500) >= 400)
    assert degradation.degradation(worse, drawn).flagged
    assert degradation.degradation(net[:1], weeks.draw_weeks(times[:1], seed=0)).value is None
