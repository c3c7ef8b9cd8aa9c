"""Shifted entries: what they keep, what they change, and how their p-value behaves."""

from dataclasses import replace

import numpy as np
import pytest

from tests.signals.analysing.markets import market
from tests.signals.confirming.paths import COARSE
from tickvol.core.errors import InputError
from tickvol.signals.analysing.chance import against_chance
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.outcomes import Costs

HOURS = 1500


def p_value(entries, shifts=60):
    observed = np.nanmean(confirm(entries.shifted(0), entries.bars, costs=Costs()).pnl_net_frac)
    return against_chance(float(observed), [entries], costs=Costs(), shifts=shifts, seed=0)


def test_no_shift_gives_the_decisions_themselves():
    entries = market(0)
    same = entries.shifted(0)
    assert np.array_equal(same.predicting_at_ms, entries.bars.close_time_ms[entries.bar])
    assert same.tp_frac == pytest.approx(np.full(150, 0.015))


def test_a_shift_wraps_within_the_bars_of_known_volatility():
    entries = market(0)
    for bars in (200, 700, HOURS - 41):
        at = entries.shifted(bars).predicting_at_ms // COARSE - 1
        assert at.min() >= 40
        assert at.max() < HOURS
        assert len(np.unique(at)) == 150


def test_barriers_follow_the_volatility_of_the_new_time_within_their_bounds():
    entries = market(0)
    atr = np.linspace(0.001, 0.1, HOURS)
    moved = replace(entries, atr_frac=atr, tp_bounds=(0.01, 0.05)).shifted(300)
    at = moved.predicting_at_ms // COARSE - 1
    assert moved.tp_frac == pytest.approx(np.clip(1.5 * atr[at], 0.01, 0.05))
    assert moved.sl_frac == pytest.approx(1.0 * atr[at])


def test_a_planted_edge_is_no_chance_and_a_random_one_may_be():
    assert p_value(market(1, drift_after=0.03)).p_value == pytest.approx(1 / 61)
    nulls = [p_value(market(seed)).p_value for seed in range(10, 22)]
    assert min(nulls) > 1 / 61
    assert 0.25 < np.mean(nulls) < 0.75


def test_equal_seeds_give_equal_shifts_and_products_move_together():
    entries = market(2)
    one = against_chance(0.0, [entries], costs=Costs(), shifts=20, seed=4)
    twice = against_chance(0.0, [entries, entries], costs=Costs(), shifts=20, seed=4)
    assert one.expectancies == pytest.approx(twice.expectancies, abs=1e-16)
    other = against_chance(0.0, [entries], costs=Costs(), shifts=20, seed=5)
    assert not np.array_equal(one.expectancies, other.expectancies)


def test_what_cannot_be_shifted_is_refused():
    short = replace(market(0), atr_frac=np.where(np.arange(HOURS) < 1100, np.nan, 0.01))
    with pytest.raises(InputError, match="400 known bars"):
        against_chance(0.0, [short], costs=Costs(), seed=0)
    with pytest.raises(InputError, match="products"):
        against_chance(0.0, [], costs=Costs(), seed=0)
    both = [market(0), market(1)]
    with pytest.raises(InputError, match="finer"):
        against_chance(0.0, both, costs=Costs(), seed=0, finer=[both[0].bars])


def test_a_bar_of_unknown_volatility_leaves_its_decision_out():
    entries = market(0)
    holed = entries.atr_frac.copy()
    holed[500:600] = np.nan
    assert len(replace(entries, atr_frac=holed).shifted(250)) < 150
