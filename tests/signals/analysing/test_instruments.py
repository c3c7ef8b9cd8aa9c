"""All figures together on simulated markets: an edge is seen where one was planted, and seldom where none was."""

import numpy as np
import pytest

from tests.signals.analysing.markets import market
from tests.signals.confirming.paths import COARSE
from tickvol.signals.analysing.chance import against_chance
from tickvol.signals.analysing.daily import daily_figures, daily_series
from tickvol.signals.analysing.expectancy import expectancy
from tickvol.signals.analysing.overfitting import deflated_sharpe
from tickvol.signals.analysing.trades import Confirmed, closed_trades
from tickvol.signals.analysing.verdict import Evidence, Ruling, judge
from tickvol.signals.analysing.weeks import draw_weeks, mean_interval
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.outcomes import Costs

COSTS, HOURS, TRIALS = Costs(fee_bps=10.0), 12_000, 50
PLANTED = 0.03  # about 60 bp a trade before costs: the barriers cut it


def judged(seed, drift, shifts=100):
    entries = market(seed, drift_after=drift, n=1500, hours=HOURS, hold=12)
    results = confirm(entries.shifted(0), entries.bars, costs=COSTS)
    trades = closed_trades([Confirmed(0, np.arange(1500), results)])
    net, times = trades.net_frac, trades.confirmed_at_ms
    recorded_at_ms = HOURS // 2 * COARSE
    later = times > recorded_at_ms
    drawn = draw_weeks(times, seed=seed)
    figures = daily_figures(daily_series(net, times, from_ms=0, to_ms=int(times[-1]), symbols=1))
    others = np.random.default_rng(seed).standard_normal(TRIALS - 1) / np.sqrt(figures.days)
    deflated = deflated_sharpe(
        figures.sharpe,
        days=figures.days,
        skew=figures.skew,
        kurtosis=figures.kurtosis,
        trial_sharpes=np.append(others, figures.sharpe),
    )
    chance = against_chance(expectancy(net), [entries], costs=COSTS, shifts=shifts, seed=seed)
    return judge(
        Evidence(
            trades=len(trades),
            weeks=drawn.weeks,
            expectancy_frac=expectancy(net),
            interval=mean_interval(drawn, net),
            round_trip_frac=COSTS.round_trip_frac,
            p_chance=chance.p_value,
            deflated_sharpe=deflated.probability,
            trials=deflated.trials,
            later_interval=mean_interval(draw_weeks(times[later], seed=seed), net[later]),
            later_trades=int(later.sum()),
        )
    )


def test_an_edge_well_above_its_costs_is_called_one():
    assert [judged(seed, PLANTED).ruling for seed in range(3)] == [Ruling.EDGE] * 3


def test_a_market_without_an_edge_loses_its_costs():
    verdicts = [judged(seed, 0.0) for seed in range(3)]
    assert {verdict.ruling for verdict in verdicts} <= {Ruling.LOSES, Ruling.NO_EVIDENCE}
    assert all(verdict.smallest_visible_frac > COSTS.round_trip_frac for verdict in verdicts)


@pytest.mark.slow
def test_no_market_without_an_edge_is_said_to_have_one():
    rulings = [judged(seed, 0.0, shifts=40).ruling for seed in range(100)]
    assert rulings.count(Ruling.EDGE) <= 1


@pytest.mark.slow
def test_a_planted_edge_is_found_in_nearly_all_markets():
    rulings = [judged(seed, PLANTED, shifts=100).ruling for seed in range(20)]
    assert rulings.count(Ruling.EDGE) >= 18
