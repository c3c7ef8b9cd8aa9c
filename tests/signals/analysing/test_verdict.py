"""Verdicts: each condition alone prevents an edge, and the sentence names it."""

from dataclasses import replace

import pytest

from tickvol.signals.analysing.verdict import Evidence, Ruling, judge
from tickvol.signals.analysing.weeks import Interval

GOOD = Evidence(
    trades=1500,
    weeks=74,
    expectancy_frac=0.004,
    interval=Interval(0.002, 0.006),
    round_trip_frac=0.002,
    p_chance=0.0025,
    deflated_sharpe=0.99,
    trials=50,
    later_interval=Interval(0.001, 0.007),
    later_trades=400,
)


def test_all_conditions_together_make_an_edge():
    verdict = judge(GOOD)
    assert verdict.ruling == Ruling.EDGE
    assert verdict.text == (
        "Edge: +40.0 bp a trade after costs, 95 % interval +20.0 bp to +60.0 bp, 1500 trades in 74 weeks; "
        "p against chance 0.003, deflated Sharpe ratio 0.990 after 50 trials, confirmed on "
        "400 trades after it was recorded."
    )


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"interval": Interval(-0.001, 0.009)}, "the interval includes 0"),
        ({"p_chance": 0.05}, "p against chance is 0.050, not below 0.05"),
        ({"p_chance": None}, "p against chance is unknown"),
        ({"deflated_sharpe": 0.95}, "the deflated Sharpe ratio is 0.950 after 50 trials, not above 0.95"),
        ({"deflated_sharpe": None}, "the deflated Sharpe ratio is unknown"),
        ({"later_interval": None, "later_trades": 0}, "0 trades after the strategy was recorded do not confirm it"),
        ({"later_interval": Interval(-0.001, 0.01)}, "400 trades after the strategy was recorded do not confirm it"),
    ],
)
def test_one_missing_condition_leaves_no_evidence_and_is_named(changed, named):
    verdict = judge(replace(GOOD, **changed))
    assert verdict.ruling == Ruling.NO_EVIDENCE
    assert named in verdict.text


def test_no_evidence_names_the_smallest_edge_that_would_have_been_seen():
    verdict = judge(replace(GOOD, expectancy_frac=-0.0002, interval=Interval(-0.0008, 0.0004)))
    assert verdict.smallest_visible_frac == pytest.approx(0.0006 + 0.002)
    assert verdict.text.endswith("With this interval, a gross edge below 26.0 bp a trade cannot be seen.")


def test_an_interval_below_zero_loses():
    verdict = judge(replace(GOOD, expectancy_frac=-0.00202, interval=Interval(-0.00259, -0.00139)))
    assert verdict.ruling == Ruling.LOSES
    assert verdict.text.startswith("Loses: -20.2 bp a trade after costs, 95 % interval -25.9 bp to -13.9 bp")


@pytest.mark.parametrize("changed", [{"trades": 99}, {"weeks": 19}, {"interval": None}, {"expectancy_frac": None}])
def test_too_few_trades_have_no_verdict_however_good_they_look(changed):
    verdict = judge(replace(GOOD, **changed))
    assert verdict.ruling == Ruling.TOO_FEW
    assert "100 trades and 20 weeks" in verdict.text
