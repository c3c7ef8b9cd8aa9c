"""Decisions: formulas by hand, the slow reference, guards in order, explanations that add up."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.deciding.reference import plain_decision
from tests.signals.deciding.strategies import METRICS, OPEN, columns_of, context_for, one_bar, strategy_of, weighted
from tickvol.core.errors import InputError
from tickvol.signals.deciding.decide import decide, decide_all
from tickvol.signals.deciding.guards import Reason, context_of
from tickvol.signals.deciding.one_trade import hold_one_trade
from tickvol.signals.deciding.strategy import Guards, Scorer, TradeCosts
from tickvol.signals.metrics.canonical import canonical_json
from tickvol.signals.metrics.language import Group, Side

SYMBOL = "BTC-USDT"


def decided(strategy, true=(), unknown=(), **context):
    return decide(strategy, SYMBOL, one_bar(true, unknown, strategy.metrics), context_for(**context))


def test_the_edge_scorer_by_hand():
    found = decided(strategy_of(), ("B1", "B2", "S2"))
    assert (found.buy_score, found.sell_score, found.market_score) == (3.5, 1.5, 2.0)
    assert found.confidence_score == 3.5 / 5.0  # SELL has the larger sum of weights
    assert (found.raw_action, found.action, found.reason_no_trade) == ("BUY", "BUY", None)
    assert (found.tp_frac, found.sl_frac, found.lookahead_bars) == (0.01, 0.005, 6)


def test_the_groups_scorer_by_hand():
    found = decided(strategy_of(scorer=Scorer.GROUPS), ("S1", "S3", "B3"))
    assert (found.market_score, found.confidence_score) == (3.5, 3.5 / 5.0)
    found = decided(strategy_of(scorer=Scorer.GROUPS), ("B1", "B2", "S2"))
    assert (found.market_score, found.confidence_score) == (3.5, 3.5 / 4.0)
    assert found.action == "BUY"


ACTIONS = {
    "at_the_threshold": (("B1",), "BUY"),
    "below_the_threshold": (("B2",), "SIDEWAY"),
    "sell_mirrors": (("S1",), "SELL"),
    "equal_scores": (("B1", "S1"), "SIDEWAY"),
}


@pytest.mark.parametrize("case", ACTIONS)
def test_the_raw_action_needs_the_threshold_and_the_higher_score(case):
    true, expected = ACTIONS[case]
    assert decided(strategy_of(), true).raw_action == expected


ALL_ON = Guards(1.25, 0.45, 0.7, 1000, 0.1, 0.99, 720, 1.5, True)
DEAR = TradeCosts(100.0, 0.0)
STRUCK = (
    ("UNKNOWN_INPUT", {"unknown": ("S2",)}),
    ("STALE_DATA", {"age_ms": 1001}),
    ("CONFLICT", {"true": ("S1", "S2", "S3")}),
    ("WEAK_EDGE", {"true": ("S2",)}),
    ("SQUEEZE", {"bandwidth": 0.009}),
    ("HIGH_VARIANCE", {"atr_frac": 0.051}),
    ("NO_TRADE_METRIC", {"true": ("N1",)}),
    ("TP_BELOW_COSTS", {"costs": DEAR}),
    ("OPEN_TRADE", {"open_trade": True}),
)


def struck_by(*changes, true=("B1", "B3"), guards=ALL_ON):
    """Decision on a bar that passes all guards, with the changes of some guards put on top."""
    merged = {"true": true}
    for change in changes:
        merged |= {name: value for name, value in change.items() if name != "true"}
        merged["true"] = merged["true"] + change.get("true", ())
    costs = merged.pop("costs", TradeCosts(1.0, 0.0))
    return decided(strategy_of(guards=guards, costs=costs), **merged)


def test_a_bar_that_no_guard_stops_is_traded():
    assert struck_by().action == "BUY"


@pytest.mark.parametrize(("reason", "change"), STRUCK)
def test_each_guard_strikes_alone_and_keeps_the_raw_action(reason, change):
    found = struck_by(change)
    assert (found.reason_no_trade, found.action, found.metric_no_trade) == (reason, "SIDEWAY", True)
    assert found.raw_action == ("SELL" if reason == "CONFLICT" else "BUY")


@pytest.mark.parametrize("i", range(len(STRUCK) - 1))
def test_of_two_guards_the_earlier_is_the_reason(i):
    (earlier, change), (later, other) = STRUCK[i], STRUCK[i + 1]
    assert struck_by(change, other).reason_no_trade == earlier
    assert struck_by(other).reason_no_trade == later


def test_the_confidence_band_lies_between_weak_edge_and_squeeze():
    low, over = replace(ALL_ON, confidence_lowest=0.51), replace(ALL_ON, confidence_highest=0.49)
    for guards, reason in ((low, "LOW_CONF"), (over, "OVER_CONF")):
        assert struck_by(guards=guards).reason_no_trade == reason
        assert struck_by({"bandwidth": 0.009}, guards=guards).reason_no_trade == reason
        assert struck_by({"true": ("S2",)}, guards=guards).reason_no_trade == "WEAK_EDGE"


BOUNDARIES = {
    "age": {"age_ms": 1000},
    "bandwidth": {"bandwidth": 0.01},
    "atr_frac": {"atr_frac": 0.05},
    "confidence": {"guards": replace(ALL_ON, confidence_lowest=0.5)},
    "edge": {"guards": replace(ALL_ON, min_edge=2.5)},
}


@pytest.mark.parametrize("case", BOUNDARIES)
def test_a_value_on_the_limit_passes(case):
    change = dict(BOUNDARIES[case])
    guards = change.pop("guards", ALL_ON)
    assert struck_by(change, guards=guards).reason_no_trade is None


def test_a_target_at_the_multiple_of_costs_is_refused():
    costs = TradeCosts(25.0, 0.0)  # round trip 0.005; two of them are the target of 1 ATR
    guards = replace(OPEN, cost_multiple=2.0)
    assert decided(strategy_of(guards=guards, costs=costs), ("B1", "B3")).reason_no_trade == "TP_BELOW_COSTS"


@pytest.mark.parametrize("name", ["atr14", "bandwidth", "bandwidth_low", "atr_frac", "atr_frac_high"])
def test_an_unknown_value_that_a_guard_reads_stops_a_trade_and_nothing_else(name):
    assert struck_by({name: math.nan}).reason_no_trade == "UNKNOWN_INPUT"
    assert struck_by({name: math.nan}, true=()).reason_no_trade is None


def test_an_unknown_metric_without_weight_stops_nothing():
    assert decided(strategy_of(), ("B1",), ("N1", "C1")).action == "BUY"


def test_guards_on_trades_are_silent_where_there_is_none():
    assert decided(strategy_of(guards=ALL_ON), ()).reason_no_trade is None


@pytest.mark.parametrize("scorer", Scorer)
def test_the_breakdown_explains_the_scores(scorer):
    found = decided(strategy_of(scorer=scorer), ("B1", "B3", "S2", "N1", "C1"), ("S1",))
    entries = json.loads(found.breakdown)
    assert found.breakdown == canonical_json(entries)
    assert [entry["metric"] for entry in entries] == [one.metric.code for one in METRICS]
    for side, score in (("BUY", found.buy_score), ("SELL", found.sell_score)):
        assert sum(entry["weight"] for entry in entries if entry["side"] == side and entry["state"] == 1) == score
    assert entries[0] == {"metric": "B1", "observed": 0.25, "side": "BUY", "state": 1, "version": 1, "weight": 2.0}


@given(st.lists(st.floats(allow_infinity=False), min_size=8, max_size=8))
def test_the_breakdown_is_canonical_json_for_any_observed_value(observed):
    states = {one.metric.code: (1, value) for one, value in zip(METRICS, observed, strict=True)}
    text = decide(strategy_of(), SYMBOL, states, context_for()).breakdown
    assert text == canonical_json(json.loads(text))
    assert [entry["observed"] for entry in json.loads(text)] == [None if math.isnan(x) else x for x in observed]


def test_an_infinite_observation_is_refused():
    states = one_bar() | {"B2": (1, math.inf)}
    with pytest.raises(InputError, match="states: B2: observed an infinite value"):
        decide(strategy_of(), SYMBOL, states, context_for())


def test_an_unknown_observation_is_null_in_the_breakdown():
    found = decide_all(strategy_of(), SYMBOL, columns_of(np.full((8, 1), -1)), context_for())
    assert {entry["observed"] for entry in json.loads(found.breakdown(0))} == {None}


STATES = st.lists(st.lists(st.sampled_from([-1, 0, 0, 1, 1, 1]), min_size=8, max_size=8), min_size=1, max_size=12)
WEIGHTS = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.1, 1.3]), min_size=6, max_size=6)
GUARDS = st.builds(
    Guards,
    min_edge=st.sampled_from([0.2, 1.0]),
    confidence_lowest=st.sampled_from([0.0, 0.4]),
    confidence_highest=st.sampled_from([0.8, 1.0]),
    max_age_ms=st.sampled_from([None, 5]),
    squeeze_quantile=st.sampled_from([None, 0.1]),
    variance_quantile=st.sampled_from([None, 0.9]),
    cost_multiple=st.sampled_from([0.0, 5.0]),
    one_trade=st.booleans(),
)


def random_context(seed, n):
    rng = np.random.default_rng(seed)
    values = {name: rng.uniform(0.01, 0.05, n) for name in ("atr_frac", "bandwidth", "bandwidth_low", "atr_frac_high")}
    values["close"], values["atr14"] = rng.uniform(50, 150, n), rng.uniform(0.01, 5, n)
    for name in ("atr14", "atr_frac", "bandwidth", "bandwidth_low", "atr_frac_high"):
        values[name][rng.random(n) < 0.05] = np.nan
    return {**values, "age_ms": rng.integers(0, 8, n), "open_trade": rng.random(n) < 0.3}


@given(STATES, WEIGHTS, GUARDS, st.sampled_from(list(Scorer)), st.integers(0, 99), st.randoms())
def test_decisions_equal_the_slow_reference_bit_for_bit_in_any_order_of_metrics(
    rows, weights, guards, scorer, seed, shuffle
):
    metrics = [
        weighted(one.metric_id, one.metric.code, one.side, w, one.metric.group)
        for one, w in zip(METRICS, [*weights, 0.0, 0.0], strict=True)
    ]
    plain = strategy_of(tuple(metrics), scorer, 0.9, guards)
    shuffled = list(metrics)
    shuffle.shuffle(shuffled)
    bars = random_context(seed, len(rows))
    batch = decide_all(
        strategy_of(tuple(shuffled), scorer, 0.9, guards),
        SYMBOL,
        columns_of(np.array(rows).T),
        context_for(len(rows), **bars),
    )
    for i, row in enumerate(rows):
        states = {one.metric.code: state for one, state in zip(METRICS, row, strict=True)}
        bar = {name: values[i].item() for name, values in bars.items()}
        found = batch.row(i)
        assert plain_decision(plain, states, bar) == (
            *(found.buy_score, found.sell_score, found.market_score, found.confidence_score),
            *(found.raw_action, found.action, found.reason_no_trade, found.tp_frac, found.sl_frac),
            found.lookahead_bars,
        )
        newest = {
            code: (int(one.state[i]), float(one.observed[i])) for code, one in columns_of(np.array(rows).T).items()
        }
        live = decide(plain, SYMBOL, newest, context_for(1, **bar))
        assert live == found


def test_metrics_of_another_product_neither_score_nor_count():
    metrics = (
        weighted(1, "ALL", Side.BUY, 2.0),
        weighted(2, "ETH", Side.BUY, 2.0, Group.TREND, "ETH-USDT"),
    )
    strategy = strategy_of(metrics)
    states = one_bar(("ALL", "ETH"), metrics=metrics)
    bitcoin, ether = (decide(strategy, symbol, states, context_for()) for symbol in ("BTC-USDT", "ETH-USDT"))
    assert (bitcoin.buy_score, bitcoin.confidence_score, ether.buy_score) == (2.0, 1.0, 4.0)
    with pytest.raises(InputError, match="S: BTC-USDT: no metric of the strategy scores it"):
        strategy_of(metrics[1:]).metrics_for("BTC-USDT")


def test_absent_states_and_missing_closes_are_refused():
    with pytest.raises(InputError, match="states: B1: missing"):
        decide(strategy_of(), SYMBOL, {}, context_for())
    with pytest.raises(InputError, match="states: B1: 2 bars: context has 3"):
        decide_all(strategy_of(), SYMBOL, columns_of(np.zeros((8, 2))), context_for(3))
    with pytest.raises(InputError, match="close: must be above 0"):
        context_for(close=[math.nan])
    with pytest.raises(InputError, match=r"atr14: \(1,\): must have the shape of close, \(2,\)"):
        context_for(2, atr14=1.0)


def test_one_trade_at_a_time_equals_the_guard_asked_bar_by_bar():
    rng = np.random.default_rng(4)
    n = 400
    columns = columns_of(rng.choice([0, 1], size=(8, n), p=[0.6, 0.4]))
    times = np.arange(n, dtype=np.int64) * 10
    resolved = times + rng.integers(1, 6, n) * 10
    free = decide_all(strategy_of(), SYMBOL, columns, context_for(n))
    held = hold_one_trade(free, times, resolved)
    until, trades = -1, 0
    for i in range(n):
        bar = {code: (int(one.state[i]), float(one.observed[i])) for code, one in columns.items()}
        live = decide(strategy_of(), SYMBOL, bar, context_for(open_trade=times[i] < until))
        assert live == held.row(i)
        if live.action != "SIDEWAY":
            until, trades = resolved[i], trades + 1
    assert 0 < trades < np.count_nonzero(free.action)
    assert np.count_nonzero(held.reason == Reason.OPEN_TRADE) == np.count_nonzero(free.action) - trades


@given(st.integers(0, 50), st.integers(1, 59))
def test_decisions_never_depend_on_later_bars(seed, cut):
    rng = np.random.default_rng(seed)
    series = {name: rng.uniform(0.01, 1, 60) for name in ("atr14", "atr_frac", "bandwidth")}
    closes, guards = rng.uniform(50, 150, 60), replace(ALL_ON, quantile_bars=8)
    whole = context_of(guards, series, closes)
    later = {name: np.concatenate([values[:cut], rng.uniform(5, 9, 60 - cut)]) for name, values in series.items()}
    changed = context_of(guards, later, closes)
    newest = context_of(guards, {name: values[:cut] for name, values in series.items()}, closes[:cut], first=cut - 1)
    for name in ("bandwidth_low", "atr_frac_high", "bandwidth", "atr14"):
        np.testing.assert_array_equal(getattr(whole, name)[:cut], getattr(changed, name)[:cut])
        np.testing.assert_array_equal(getattr(whole, name)[cut - 1 : cut], getattr(newest, name))
