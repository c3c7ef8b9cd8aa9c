"""Rows of strategies: what is read, what is refused, and all problems at once."""

import dataclasses
import math

import pytest

from tests.signals.deciding.strategies import METRICS, OPEN, RISK, metric, strategy_of, weighted
from tickvol.core.errors import UsageError
from tickvol.signals.deciding.risk import Band
from tickvol.signals.deciding.strategy import Guards, Scorer, Strategy, TradeCosts
from tickvol.signals.deciding.strategy_rows import Stored, parse_strategies
from tickvol.signals.metrics.language import Side

DEAD = metric("DEAD", Side.BUY, 1.0)
HOURLY = {"15m": 900_000, "1h": 3_600_000}
STORED = Stored(
    {one.metric.code: (one.metric_id, one.metric) for one in METRICS}
    | {
        "DEAD": (20, dataclasses.replace(DEAD, active=False)),
        "SHORT": (21, dataclasses.replace(DEAD, code="SHORT", interval="15m")),
        "ETH": (22, metric("ETH", Side.BUY, 1.0, symbol="ETH-USDT")),
    },
    {
        "R": RISK,
        "LATE": dataclasses.replace(RISK, bands=RISK.bands[1:]),
        "FAR": dataclasses.replace(RISK, bands=(RISK.bands[0], Band(3.0, 9.0, 2, 1, 12), Band(9.0, 99.0, 2, 1, 12))),
        "ONE": dataclasses.replace(RISK, bands=(Band(0.0, math.inf, 1, 1, 6),)),
        "NEAR": dataclasses.replace(RISK, tp_max=0.003),
    },
    HOURLY,
)
CODES = [one.metric.code for one in METRICS]
ROW = {
    "code": "S",
    "scorer": "edge",
    "interval": "1h",
    "threshold": 2,
    "metrics": CODES,
    "guards": {
        "min_edge": 1,
        "squeeze_quantile": None,
        "variance_quantile": None,
        "cost_multiple": 0,
        "max_age_ms": 1000,
    },
    "costs": {"fee_bps": 10, "slippage_bps": 0},
    "risk_profile": "R",
}


def problems(*rows):
    with pytest.raises(UsageError) as caught:
        parse_strategies(list(rows), STORED)
    return list(caught.value.problems)


def guarded(**changes):
    return {"guards": {**ROW["guards"], **changes}}


def test_a_row_becomes_a_strategy():
    (found,) = parse_strategies([ROW], STORED)
    assert found == strategy_of()


def test_defaults_have_all_guards_on():
    row = {**ROW, "guards": {"min_edge": 1}}
    del row["costs"]
    (found,) = parse_strategies([row], STORED)
    assert (found.guards, found.costs) == (Guards(min_edge=1.0), TradeCosts(10.0, 0.0))
    assert (found.guards.squeeze_quantile, found.guards.variance_quantile, found.guards.one_trade) == (0.1, 0.99, True)


def test_a_strategy_may_use_a_metric_with_another_side_and_weight():
    (found,) = parse_strategies([{**ROW, "metrics": [*CODES[:-1], {"code": "C1", "side": "BUY", "weight": 3}]}], STORED)
    assert (found.metrics[-1].side, found.metrics[-1].weight) == (Side.BUY, 3.0)


def test_metrics_stand_in_the_order_of_their_ids():
    (found,) = parse_strategies([{**ROW, "metrics": CODES[::-1]}], STORED)
    assert found == strategy_of()
    assert found.definition_hash == strategy_of().definition_hash


REFUSED = {
    "unknown_scorer": ({"scorer": "magic"}, "scorer: magic: must be one of edge, groups"),
    "unknown_interval": ({"interval": "2h"}, "interval: 2h: must be a known interval"),
    "unknown_profile": ({"risk_profile": "X"}, "risk_profile: X: must be a known risk profile"),
    "unknown_metric": ({"metrics": [*CODES, "X"]}, "metrics[9].code: X: must be a known metric"),
    "deactivated_metric": ({"metrics": [*CODES, "DEAD"]}, "metrics[9].code: DEAD: is deactivated"),
    "metric_of_another_interval": ({"metrics": [*CODES, "SHORT"]}, "metrics[9]: SHORT: holds for 15m, not for 1h"),
    "metric_twice": ({"metrics": [*CODES, "B1"]}, "metrics[9]: B1: is named twice"),
    "no_metrics": ({"metrics": []}, "must be a list of codes"),
    "only_context": ({"metrics": ["C1"]}, "must hold a BUY or a SELL metric"),
    "weight_not_finite": ({"metrics": [{"code": "B1", "weight": float("nan")}]}, "weight: nan: must be a finite"),
    "weight_on_context": ({"metrics": [{"code": "C1", "weight": 1}]}, "metrics[1].weight: 1.0: must be 0"),
    "threshold_beyond_reach": ({"threshold": 5.5}, "threshold: 5.5: must be at most 5, the largest score of any prod"),
    "threshold_of_zero": ({"threshold": 0}, "threshold: 0: must be at least 1e-09"),
    "confidence_reversed": (guarded(confidence_lowest=0.8, confidence_highest=0.7), "must be below confidence_highest"),
    "unknown_guard": (guarded(min_egde=2), "guards.min_egde: 2: unknown key"),
    "no_min_edge": ({"guards": {}}, "guards.min_edge: None: missing"),
    "quantile_beyond_one": (guarded(squeeze_quantile=10), "guards.squeeze_quantile: 10: must be in [0, 1]"),
    "fee_reversed": ({"costs": {"fee_bps": -1}}, "costs.fee_bps: -1: must be in [0, 1000]"),
    "no_band_for_small_edges": ({"risk_profile": "LATE"}, "min_edge: 1.0: must be at least 3: the risk profile has no"),
    "weak_band_dead_by_min_edge": (guarded(min_edge=3), "band 1, [1, 3), is never reached: edges lie in [3, 5]"),
    "strong_band_dead_by_weights": ({"risk_profile": "FAR"}, "band 3, [9, 99), is never reached: edges lie in [1, 5]"),
    "confidence_below_the_threshold": (
        {"risk_profile": "ONE", **guarded(confidence_highest=0.3)},
        "band 1, [0, inf), is never reached: edges lie in no range: confidence_highest excludes the threshold",
    ),
    "strong_band_dead_by_confidence": (guarded(confidence_highest=0.5), "band 2, [3, inf), is never reached"),
    "target_below_costs": (
        {"risk_profile": "NEAR", **guarded(cost_multiple=1.5)},
        "risk_profile: R: tp_max 0.003 must exceed 0.003, cost_multiple round trips",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_rule_is_named_with_row_key_and_value(case):
    change, expected = REFUSED[case]
    found = problems({**ROW, **change})
    assert len(found) == 1
    assert found[0].startswith("row 1 (S): ")
    assert expected in found[0]


def test_all_problems_of_all_rows_are_found_at_once():
    found = problems({**ROW, "scorer": "x", "interval": "y", "guards": {"min_edge": -1}}, 7, {**ROW, "threshold": "5"})
    assert [line[:5] for line in found] == ["row 1"] * 3 + ["row 2", "row 3", "row 3"]


def test_one_definition_under_two_codes_is_refused():
    assert problems(ROW, {**ROW, "code": "T"}) == [
        "row 2 (T): code: T: has the definition of S: give each definition one code"
    ]


def test_a_threshold_must_be_in_reach_of_each_product():
    found = problems({**ROW, "metrics": ["B1", "ETH"], "threshold": 2.5})
    assert found[0].endswith("the largest score of any other product")


def test_the_hash_of_a_strategy_never_changes():
    assert strategy_of().definition_hash == "5bb6406afd483352c3a160961734fd5a2ce010dc13925632d38dc2abe56a0cf2"


CHANGES = {
    "scorer": Scorer.GROUPS,
    "interval": "15m",
    "threshold": 2.5,
    "metrics": METRICS[:-1],
    "guards": dataclasses.replace(OPEN, one_trade=False),
    "risk": dataclasses.replace(RISK, tp_max=0.3),
    "costs": TradeCosts(9.0, 0.0),
}


@pytest.mark.parametrize("field", CHANGES)
def test_each_part_of_the_meaning_changes_the_hash(field):
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Strategy)} - {"code", "version", "note"}
    changed = dataclasses.replace(strategy_of(), **{field: CHANGES[field]})
    assert changed.definition_hash != strategy_of().definition_hash


def test_ids_of_metrics_have_no_part_in_the_hash():
    moved = tuple(dataclasses.replace(one, metric_id=100 - one.metric_id) for one in METRICS)
    assert strategy_of(moved).definition_hash == strategy_of().definition_hash
    assert (
        strategy_of((*METRICS[1:], weighted(1, "B1", Side.BUY, 2.1))).definition_hash != strategy_of().definition_hash
    )
