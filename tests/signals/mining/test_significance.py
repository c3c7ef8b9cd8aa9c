"""Tails, false discoveries and the family test against scipy and plain loops."""

import numpy as np
import pytest
from scipy import stats

from tests.signals.mining.tables import halves, table
from tickvol.signals.mining.half_life import MonthlyTest, half_life_months, monthly_tests
from tickvol.signals.mining.rules import MiningParams, mine
from tickvol.signals.mining.significance import false_discovery, family_p, hypergeometric_tails
from tickvol.signals.mining.transactions import packed


@pytest.mark.parametrize("seed", range(8))
def test_tails_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    population = int(rng.integers(2, 5000))
    successes = int(rng.integers(0, population + 1))
    draws = rng.integers(0, population + 1, size=60)
    expected = draws * successes / population
    k = np.maximum(0, np.rint(expected + rng.standard_normal(60) * 3 * np.sqrt(expected + 1)).astype(np.int64))
    got = hypergeometric_tails(k, population, successes, draws)
    np.testing.assert_allclose(got, stats.hypergeom.sf(k - 1, population, successes, draws), rtol=1e-8, atol=1e-14)


def test_tails_are_exact_at_their_ends_and_by_counting():
    from fractions import Fraction
    from math import comb

    for successes in range(8):
        for draws in range(8):
            for k in range(9):
                ways = [comb(successes, x) * comb(7 - successes, draws - x) for x in range(k, draws + 1)]
                exact = float(Fraction(sum(ways), comb(7, draws)))
                got = hypergeometric_tails(np.array([k]), 7, successes, np.array([draws]))[0]
                assert got == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_q_values_are_those_of_scipy(seed):
    p = np.random.default_rng(seed).random(200) ** 3
    assert false_discovery(p) == pytest.approx(stats.false_discovery_control(p), rel=1e-12)
    assert len(false_discovery(p[:0])) == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_family_test_is_that_of_mining_each_shifted_table(seed):
    """Counting again under each shift, with all p-values, gives the same share."""
    train, test = halves(table(seed, n=700))
    result = mine(train, test, MiningParams(shifts=25), seed=4)
    smallest = min(rule.p_value for rule in result.rules)
    offsets = np.random.default_rng(4).integers(50, len(train) - 49, size=25)
    reached = 0
    for offset in offsets:
        shifted = type(train)(train.items, train.has, np.roll(train.won, offset), train.apart)
        again = mine(shifted, test, MiningParams(shifts=1), seed=0)
        reached += min(rule.p_value for rule in again.rules) <= smallest
    assert result.family_p == reached / 25


def test_the_family_test_is_calibrated_where_outcomes_cluster():
    """Runs of wins and of items make small p-values; the shifted table has them as well."""
    low, tiny = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        blocks = np.repeat(rng.random((6, 60)) < 0.4, 25, axis=1)
        blocks = np.stack([np.roll(row, rng.integers(25)) for row in blocks])
        has, won = blocks[:5], blocks[5]
        sets = np.array([[i, -1, -1] for i in range(5)], dtype=np.int16)
        n_set, both = has.sum(axis=1), (has & won).sum(axis=1)
        p = np.minimum(
            hypergeometric_tails(both, 1500, int(won.sum()), n_set),
            hypergeometric_tails(n_set - both, 1500, int((~won).sum()), n_set),
        ).min()
        tiny += p < 0.001
        low += family_p(packed(has), sets, n_set, won, float(p), shifts=100, seed=seed) < 0.1
    assert tiny > 30
    assert low <= 10


def test_few_trades_have_no_family_test():
    has = np.ones((1, 100), dtype=bool)
    sets, n = np.array([[0, -1, -1]], dtype=np.int16), np.array([100])
    assert family_p(packed(has), sets, n, has[0], 1e-9, shifts=10, seed=0) == 1.0


def test_a_rule_is_tested_again_at_the_end_of_each_month():
    times = np.array(["2025-01-31T23:59", "2025-02-01", "2025-02-10", "2025-04-01"], dtype="datetime64[ms]").astype(int)
    members, hits = np.array([False, True, True, True]), np.array([True, True, False, False])
    tests = monthly_tests(times, members, hits)
    assert [test.month - tests[0].month for test in tests] == [0, 1, 3]
    assert [(test.n_antecedent, test.n_both) for test in tests] == [(0, 0), (2, 1), (3, 1)]
    assert tests[0].confidence is None
    assert tests[1].lift == pytest.approx((1 / 2) / (2 / 3))
    assert tests[2].p_value == pytest.approx(stats.hypergeom.sf(0, 4, 2, 3))


@pytest.mark.parametrize(
    ("lifts", "months"), [([1.0, 1.4, 1.3, 1.2, 1.1], 2), ([1.4, 1.3], None), ([0.9, 0.8], None), ([None, 2.0, 0.5], 1)]
)
def test_the_half_life_counts_months_from_the_best_lift(lifts, months):
    assert half_life_months([MonthlyTest(660 + i, 10, 5, 0.5, lift, 0.1) for i, lift in enumerate(lifts)]) == months
