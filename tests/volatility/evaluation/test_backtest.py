"""The backtest: the same figures as the evaluation, a threshold of one's choice, and times as users write them."""

import json

import pytest

from tests.support.trained import bundles, market
from tickvol.core.errors import UsageError
from tickvol.volatility.evaluation.backtest import backtest
from tickvol.volatility.evaluation.judge import JudgingRules
from tickvol.volatility.evaluation.report import evaluation_report

LOGISTIC = bundles()[-1]
FOUND = backtest(market(3), LOGISTIC)


def test_figures_of_an_unseen_day_are_those_of_the_evaluation():
    rules = JudgingRules(
        horizon_s=60,
        block_s=1000,
        alarm_cooldown_s=60,
        bootstrap_samples=1,
        min_blocks=99,
        min_events=1,
        max_pr_auc=0.95,
    )
    document, _ = evaluation_report(market(3), bundles(), rules, config_hash="", tickvol_version="")
    judged = document["detectors"]["logistic"]
    assert FOUND["events"] == judged["events"]
    assert FOUND["metrics"]["pr_auc"] == judged["pr_auc"]
    assert {name: part["events"] for name, part in FOUND["by_product"].items()} == {
        name: part["events"] for name, part in judged["by_product"].items()
    }


def test_the_bundles_own_test_figures_stand_beside():
    assert FOUND["bundle_test"] == LOGISTIC.manifest.metrics["test"]
    assert FOUND["model_version"] == LOGISTIC.version
    assert FOUND["threshold"] == LOGISTIC.alert_threshold


def test_every_spike_is_listed_with_its_lead_time():
    leads = [spike["lead_time_s"] for spike in FOUND["spikes"]]
    assert len(leads) == FOUND["events"]["events"] > 0
    assert sum(lead is not None for lead in leads) == FOUND["events"]["caught"]
    assert max(lead for lead in leads if lead is not None) == FOUND["events"]["lead_time_s"]["max"]


def test_threshold_0_always_rings_and_1_never():
    always, never = backtest(market(3), LOGISTIC, 0.0), backtest(market(3), LOGISTIC, 1.0)
    assert always["events"]["caught"] == always["events"]["events"]
    assert always["events"]["false_alarms_per_hour"] > 30
    assert never["events"]["alarms"] == 0
    assert never["metrics"]["precision"] is None


def test_a_longer_cool_down_never_rings_more_often():
    alarms = [backtest(market(3), LOGISTIC, alarm_cooldown_s=s)["events"]["alarms"] for s in (0, 60, 600)]
    assert alarms == sorted(alarms, reverse=True)
    assert alarms[0] > alarms[-1]


def test_rows_that_were_trained_on_are_judged_and_counted():
    counts = backtest(market(), LOGISTIC)["rows"]
    assert counts["trained_on"] > 0
    assert counts["judged"] + counts["not_scorable"] + counts["label_unknown"] == counts["table"]


def test_rows_of_which_none_can_be_judged_give_none():
    found = backtest(market(3).take(market(3).bar_end_ns < market(3).bar_end_ns.min() + 60 * 10**9), LOGISTIC)
    assert found["rows"]["judged"] == 0
    assert found["rows"]["from"] is None
    assert found["metrics"]["pr_auc"] is None
    assert found["events"]["false_alarms_per_hour"] is None
    assert found["spikes"] == []


def test_a_simulated_market_carries_the_warning():
    assert backtest(market(3, simulated=True), LOGISTIC)["warning"].startswith("simulated market")
    assert FOUND["warning"] is None


def test_a_backtest_is_plain_json_without_nan():
    json.dumps(FOUND, allow_nan=False)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_wrong_use(threshold):
    with pytest.raises(UsageError, match=r"threshold: .*must be a probability"):
        backtest(market(3), LOGISTIC, threshold)
