"""Mined rules: exact counts, known p-values, few discoveries where there is nothing, a planted pair where there is."""

from itertools import combinations

import numpy as np
import pytest

from tests.signals.mining.tables import halves, table
from tickvol.core.errors import InputError
from tickvol.signals.mining.rules import MiningParams, Outcome, RuleVerdict, mine
from tickvol.signals.mining.transactions import Transactions, item_table, packed, split_in_time

SMALL = MiningParams(shifts=20)
OUTCOMES = {"WIN", "LOSS"}


def mined(trades, params=SMALL, seed=0):
    return mine(*halves(trades), params, seed=seed)


def test_counts_are_those_of_plain_sets():
    train, test = halves(table(0, n=1500))
    got = mine(train, test, SMALL, seed=0)
    rows = {name: set(np.flatnonzero(row).tolist()) for name, row in zip(train.items, train.has, strict=True)}
    later = {name: set(np.flatnonzero(row).tolist()) for name, row in zip(test.items, test.has, strict=True)}
    won, won_later = (set(np.flatnonzero(part.won).tolist()) for part in (train, test))
    expected = {}
    for size in (1, 2, 3):
        for names in combinations(train.items, size):
            members = set.intersection(*(rows[name] for name in names))
            if len(members) >= 30 and not any(pair <= set(names) for pair in train.apart):
                oos = set.intersection(*(later[name] for name in names))
                expected[names] = (len(members), len(members & won), len(oos), len(oos & won_later))
    wins = {
        r.antecedent: (r.n_antecedent, r.n_both, r.n_antecedent_oos, r.n_both_oos)
        for r in got.rules
        if r.outcome is Outcome.WIN
    }
    assert wins == expected
    losses = {r.antecedent: r.n_antecedent - r.n_both for r in got.rules if r.outcome is Outcome.LOSS}
    assert losses == {names: counts[1] for names, counts in expected.items()}
    assert len(got.rules) == 2 * len(expected) > 400


def test_the_table_equals_that_of_mlxtend():
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    train, test = halves(table(1, n=2000))
    columns = dict(zip(train.items, train.has, strict=True)) | {"WIN": train.won, "LOSS": ~train.won}
    sets = fpgrowth(pd.DataFrame(columns), min_support=1e-9, max_len=4, use_colnames=True)
    table_of = association_rules(sets, metric="support", min_threshold=0.0)
    theirs = {}
    for row in table_of.itertuples():
        to_outcome = len(row.consequents) == 1 and row.consequents <= OUTCOMES and not row.antecedents & OUTCOMES
        if to_outcome and len(row.antecedents) <= 3 and row._3 >= 30 / len(train) - 1e-12:
            theirs[tuple(sorted(row.antecedents)), next(iter(row.consequents))] = row
    ours = {(r.antecedent, r.outcome.value): r for r in mine(train, test, SMALL, seed=0).rules}
    assert set(ours) == set(theirs)
    for key, rule in ours.items():
        other = theirs[key]
        assert rule.n_both == round(other.support * len(train))
        for name in ("support", "confidence", "lift", "leverage"):
            assert getattr(rule, name) == pytest.approx(getattr(other, name), abs=1e-12), (key, name)


def test_the_order_of_items_does_not_matter():
    trades = table(2, n=1500)
    order = np.random.default_rng(0).permutation(len(trades.items))
    items, has = item_table([trades.items[i] for i in order], trades.has[order])
    assert mined(Transactions(items, has, trades.won, trades.apart)) == mined(trades)


def test_a_rule_no_better_than_a_part_of_it_is_redundant():
    trades = table(3, n=3000)
    rules = [rule for rule in mined(trades).rules if rule.outcome is Outcome.WIN]
    confidence = {rule.antecedent: (rule.n_both, rule.n_antecedent) for rule in rules}
    for rule in rules:
        parts = [p for size in range(1, len(rule.antecedent)) for p in combinations(rule.antecedent, size)]
        better = any(confidence[p][0] * rule.n_antecedent >= rule.n_both * confidence[p][1] for p in parts)
        assert rule.redundant == better
    assert 0 < sum(rule.redundant for rule in rules) < len(rules)


def test_few_null_tables_hold_a_discovery():
    found, confirmed = 0, 0
    for seed in range(30):
        result = mined(table(100 + seed))
        found += any(rule.q_value < 0.1 for rule in result.rules)
        confirmed += any(rule.verdict is RuleVerdict.CONFIRMED for rule in result.rules)
    assert found <= 5
    assert confirmed <= 2


def test_a_planted_pair_is_found_and_confirmed():
    hits = 0
    for seed in range(10):
        result = mined(table(200 + seed, planted=0.2), MiningParams(shifts=100))
        hits += any(
            set(rule.antecedent) == {"A0_UP", "L0"}
            and rule.outcome is Outcome.WIN
            and rule.verdict is RuleVerdict.CONFIRMED
            for rule in result.rules
        )
    assert hits >= 8


def test_a_planted_loss_is_found_as_a_loss():
    trades = table(300, n=8000, planted=0.25)
    result = mine(*halves(Transactions(trades.items, trades.has, ~trades.won, trades.apart)), SMALL, seed=0)
    best = min((rule for rule in result.rules if rule.verdict is RuleVerdict.CONFIRMED), key=lambda rule: rule.p_value)
    assert best.outcome is Outcome.LOSS
    assert "L0" in best.antecedent


def test_what_held_only_in_the_train_part_is_not_confirmed():
    train, _ = halves(table(4, planted=0.3))
    _, test = halves(table(5))
    rules = mine(train, test, MiningParams(shifts=50), seed=0).rules
    planted = next(rule for rule in rules if rule.antecedent == ("A0_UP", "L0") and rule.outcome is Outcome.WIN)
    assert planted.q_value < 1e-6
    assert planted.verdict is RuleVerdict.NOT_CONFIRMED
    significant = [rule for rule in rules if rule.verdict is not RuleVerdict.NOT_SIGNIFICANT]
    assert sum(rule.verdict is RuleVerdict.CONFIRMED for rule in significant) < 0.1 * len(significant)


def test_rules_are_not_significant_where_the_family_is_not():
    """Items and outcomes that come in runs make small q-values by themselves."""
    judged = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rows = np.repeat(rng.random((7, 80)) < 0.4, 25, axis=1)
        rows = np.stack([np.roll(row, rng.integers(25)) for row in rows])
        trades = Transactions(tuple("ABCDEF"), rows[:6], rows[6])
        result = mine(trades, trades, MiningParams(shifts=50), seed=0)
        if result.family_p >= 0.1 and any(rule.q_value < 1e-3 for rule in result.rules):
            judged += [rule.verdict for rule in result.rules]
    assert set(judged) == {RuleVerdict.NOT_SIGNIFICANT}


def test_too_few_trades_out_of_sample_are_named():
    train, test = halves(table(6, planted=0.3))
    result = mine(train, test.part(np.arange(len(test)) < 19), MiningParams(shifts=50), seed=0)
    assert {rule.verdict for rule in result.rules} == {RuleVerdict.TOO_FEW, RuleVerdict.NOT_SIGNIFICANT}
    none = mine(train, test.part(np.zeros(len(test), dtype=bool)), MiningParams(shifts=50), seed=0)
    assert none.rules[0].confidence_oos is None


def test_the_title_counts_what_was_confirmed():
    result = mined(table(7))
    assert result.sentence == f"0 of {len(result.rules)} rules confirmed"


@pytest.mark.parametrize("won", [np.zeros(500, dtype=bool), np.ones(500, dtype=bool)])
def test_trades_that_all_end_alike_have_no_significant_rule(won):
    trades = table(8, n=500)
    result = mined(Transactions(trades.items, trades.has, won, trades.apart))
    assert {rule.verdict for rule in result.rules} == {RuleVerdict.NOT_SIGNIFICANT}


def test_no_trades_have_no_rules():
    result = mined(table(9, n=10))
    assert (result.rules, result.family_p) == ((), 1.0)


def test_a_higher_floor_only_leaves_rules_out():
    loose = {(r.antecedent, r.outcome): r.n_both for r in mined(table(10, n=2000)).rules}
    strict = {
        (r.antecedent, r.outcome): r.n_both
        for r in mined(table(10, n=2000), MiningParams(min_count=200, shifts=5)).rules
    }
    assert strict.items() < loose.items()
    pairs = mined(table(10, n=2000), MiningParams(max_items=2, shifts=5)).rules
    assert {r.antecedent for r in pairs} == {a for a, _ in loose if len(a) <= 2}


def test_trades_open_at_the_split_are_in_neither_part():
    at = np.array([0, 10, 20, 30, 40])
    split = split_in_time(at, at + 15, share=0.6)
    assert (split.split_ms, split.left_out) == (30, 1)
    assert split.train.tolist() == [True, True, False, False, False]
    assert split.test.tolist() == [False, False, False, True, True]
    assert split_in_time(at, at + 15, split_ms=100).test.sum() == 0
    with pytest.raises(InputError, match="no trades"):
        split_in_time(at[:0], at[:0])


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_packing_keeps_every_bit_and_adds_none(n):
    rows = np.random.default_rng(n).random((3, n)) < 0.5
    bits = packed(rows)
    assert bits.shape == (3, -(-n // 64))
    assert np.bitwise_count(bits).sum(axis=1).tolist() == rows.sum(axis=1).tolist()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"items": ("B", "A")}, "items"),
        ({"items": ("A", "A")}, "items"),
        ({"has": np.zeros((2, 9), dtype=bool)}, "has"),
        ({"apart": (frozenset({"A", "C"}),)}, "apart: C"),
    ],
)
def test_transactions_that_are_none_are_refused(changed, named):
    sound = {"items": ("A", "B"), "has": np.zeros((2, 5), dtype=bool), "won": np.zeros(5, dtype=bool)}
    with pytest.raises(InputError, match=named):
        Transactions(**(sound | changed))


def test_parts_with_other_items_and_impossible_limits_are_refused():
    with pytest.raises(InputError, match="test"):
        mine(halves(table(0))[0], halves(table(0, lone=4))[1], SMALL, seed=0)
    with pytest.raises(InputError, match="max_items: 4"):
        MiningParams(max_items=4)
    with pytest.raises(InputError, match="min_count"):
        MiningParams(min_count=0)


def test_a_large_table_is_mined_in_bounded_memory():
    """The number of sets grows with the items; the memory with packed columns and the shifts of one outcome."""
    import tracemalloc

    rng = np.random.default_rng(0)
    has, won = rng.random((25, 20_000)) < 0.3, rng.random(20_000) < 0.4
    trades = Transactions(tuple(f"I{i:02}" for i in range(25)), has, won)
    tracemalloc.start()
    try:
        mine(*halves(trades), MiningParams(shifts=50), seed=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30e6
