"""Live performance: what grades and what does not, figures that are those of the metrics, intervals and both clocks."""

from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.evaluation.samples import S, judged_rows
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.evaluation.bootstrap import TimeAxis, percentile_interval, resample_pr_auc
from tickvol.volatility.evaluation.events import event_metrics
from tickvol.volatility.evaluation.live_report import LivePredictions, live_report
from tickvol.volatility.evaluation.metrics import at_threshold, average_precision, calibration
from tickvol.volatility.evaluation.rolling import (
    CALM,
    PENDING,
    SPIKE,
    STATES,
    UNKNOWN,
    LiveRows,
    RollingRules,
    rolling_performance,
    states,
)

HORIZON_S, LATENCY_NS = 60, 300_000_000
RULES = RollingRules(
    bar_ns=S,
    horizon_s=HORIZON_S,
    block_s=300,
    alarm_cooldown_s=60,
    bootstrap_samples=150,
    min_blocks=20,
    min_events=10,
    seed=5,
)


def live_rows(*, hours=3.0, seed=0, chance=None):
    """Rows of two products, made in time; spikes come as often as `chance` of the probability says."""
    judged = judged_rows(seed, hours=hours)
    random = np.random.default_rng([seed, 1])
    probability = random.beta(0.6, 3.0, len(judged))
    positive = random.random(len(judged)) < (probability if chance is None else chance(probability))
    return LiveRows(
        product=judged.product,
        bar_end_ns=judged.bar_end_ns,
        probability=probability,
        alarmed=probability >= 0.5,
        bundle=np.zeros(len(judged), np.int32),
        outcome=np.where(positive, SPIKE, CALM).astype(np.int8),
        made_ns=judged.bar_end_ns + LATENCY_NS,
        known_ns=judged.bar_end_ns + HORIZON_S * S + LATENCY_NS,
    )


ROWS = live_rows()
BURSTS = replace(
    ROWS,
    outcome=judged_rows(hours=3.0).positive.astype(np.int8),
    alarmed=np.random.default_rng(8).random(len(ROWS)) < 0.004,
)
"""Spikes that last a minute, and rare alarms that know nothing of them."""


@pytest.mark.parametrize("rows", [ROWS, BURSTS], ids=["many spikes", "bursts"])
def test_figures_are_those_of_the_metrics(rows):
    found = rolling_performance(rows, rows.bar_end_ns, RULES)
    positive, probability = rows.outcome == SPIKE, rows.probability
    values = {name: figure["value"] for name, figure in found["figures"].items()}
    truth = calibration(positive, probability) | at_threshold(positive, rows.alarmed.astype(float), 0.5)
    for name in ("brier", "calibration_error", "precision", "recall", "f1"):
        assert values[name] == pytest.approx(truth[name]), name
    assert values["pr_auc"] == pytest.approx(average_precision(positive, probability))
    events = event_metrics(
        rows.product, rows.bar_end_ns, positive, rows.alarmed, bar_ns=S, horizon_ns=HORIZON_S * S, cooldown_ns=60 * S
    )
    assert values["caught_share"] == pytest.approx(events["caught_share"])
    assert values["false_alarms_per_hour"] == pytest.approx(events["false_alarms_per_hour"])
    assert values["alarms_per_hour"] == pytest.approx(events["alarms"] / events["hours"])
    assert found["sample"]["events"] == events["events"]
    assert found["sample"]["alarms"] == events["alarms"]


def wide(**changes):
    return replace(RULES, min_blocks=1, min_events=1, **changes)


def test_the_interval_of_pr_auc_is_that_of_the_evaluation():
    rows = rolling_performance(ROWS, ROWS.bar_end_ns, wide())["figures"]["pr_auc"]
    (resampled,) = resample_pr_auc(
        TimeAxis.of(ROWS.bar_end_ns, S),
        ROWS.bar_end_ns,
        ROWS.outcome == SPIKE,
        ROWS.probability[None],
        block_bars=300,
        samples=RULES.bootstrap_samples,
        seed=RULES.seed,
    )
    interval = percentile_interval(resampled)
    assert (rows["low"], rows["high"]) == (interval.low, interval.high)


def test_every_interval_holds_its_value():
    for name, found in rolling_performance(BURSTS, BURSTS.bar_end_ns, wide())["figures"].items():
        if name != "calibration_error":  # resampling adds to an absolute value
            assert found["low"] <= found["value"] <= found["high"], name
        assert found["low"] < found["high"], name


def test_too_few_blocks_or_events_give_no_interval_and_the_reason():
    short = ROWS.take(ROWS.bar_end_ns < ROWS.bar_end_ns.min() + 600 * S)
    found = rolling_performance(short, short.bar_end_ns, RULES)
    assert found["sample"]["no_interval_because"] == "2 blocks, at least 20 needed; 2 events, at least 10 needed"
    for figure in (*found["figures"].values(), *(each["difference"] for each in found["estimate"].values())):
        assert figure["low"] is figure["high"] is None
        assert figure["reason"] == found["sample"]["no_interval_because"]
        assert figure["value"] is not None


def test_without_rows_all_is_none_with_a_reason():
    nothing = ROWS.take(np.zeros(len(ROWS), bool))
    found = rolling_performance(nothing, ROWS.bar_end_ns, RULES)
    assert {figure["value"] for figure in found["figures"].values()} == {None}
    assert all(figure["reason"] for figure in found["figures"].values())


@pytest.mark.parametrize("chance", [None, lambda probability: 0.5 * probability], ids=["calibrated", "miscalibrated"])
def test_the_estimate_without_labels_agrees_with_what_came_only_where_probabilities_are_calibrated(chance):
    rows = live_rows(hours=8.0, seed=3, chance=chance)
    found = rolling_performance(rows, rows.bar_end_ns, wide())["estimate"]
    for name in ("prevalence", "precision", "f1", "pr_auc"):
        about = found[name]
        assert about["difference"]["value"] == pytest.approx(about["expected"] - about["came"])
        covers_zero = about["difference"]["low"] <= 0 <= about["difference"]["high"]
        assert covers_zero is (chance is None), name


def altered(rows, **changes):
    return replace(rows, **changes)


def test_each_row_is_in_one_state_and_only_what_was_made_before_it_could_be_known_grades():
    few = ROWS.take(np.arange(len(ROWS)) < 7)
    known = few.known_ns
    rows = altered(
        few,
        probability=np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.nan, np.nan]),
        outcome=np.array([SPIKE, CALM, CALM, UNKNOWN, PENDING, SPIKE, PENDING], np.int8),
        made_ns=np.array([known[0] - 1, known[1], known[2] + 1, 0, 0, 0, 0], np.int64),
    )
    found = states(rows)
    assert set(found) == set(STATES)
    names = [[name for name in STATES if found[name][row]] for row in range(7)]
    assert names == [["graded"], ["late"], ["late"], ["unknown"], ["pending"], ["unscorable"], ["unscorable"]]


def report(rows, hours=2.0, **options):
    said = LivePredictions(rows=rows, bundles=["a" * 64], label_kind="relative", other_label=0, simulated=False)
    return live_report(said, RULES, window_s=hours * 3600, **({"as_of_event": False} | options))


def test_a_replay_grades_nothing_live_and_all_of_it_as_of_event():
    replayed = altered(ROWS, made_ns=ROWS.known_ns + 3600 * S)
    live, look_back = report(replayed), report(replayed, as_of_event=True)
    assert live["as_of_event"]["states"]["graded"] == 0
    assert live["as_of_event"]["states"]["late"] == live["as_of_event"]["predictions"] == 2 * 7200
    assert live["as_of_event"]["figures"]["pr_auc"]["value"] is None
    assert look_back["as_of_event"]["states"]["graded"] == 2 * 7200
    assert (live["clock"], look_back["clock"]) == ("live", "event")


def test_both_clocks_have_their_own_window():
    newest = ROWS.bar_end_ns.max()
    open_still = ROWS.bar_end_ns > newest - HORIZON_S * S
    rows = altered(ROWS, outcome=np.where(open_still, PENDING, ROWS.outcome).astype(np.int8))
    found = report(rows)
    event, known = found["as_of_event"], found["as_of_known"]
    assert event["until_ns"] == newest
    assert event["states"]["pending"] == 2 * HORIZON_S
    assert known["until_ns"] == newest + LATENCY_NS
    assert known["states"] == {"graded": 2 * 7200, "late": 0, "unknown": 0, "pending": 0, "unscorable": 0}
    assert event["expected"]["pending"]["rows"] == 2 * HORIZON_S


def test_performance_is_told_by_bundle():
    half = (ROWS.bar_end_ns > np.median(ROWS.bar_end_ns)).astype(np.int32)
    said = LivePredictions(
        rows=altered(ROWS, bundle=half), bundles=["old", "new"], label_kind="relative", other_label=3, simulated=True
    )
    found = live_report(said, RULES, window_s=9e9, as_of_event=False)
    assert set(found["by_bundle"]) == {"old", "new"}
    assert found["by_bundle"]["new"]["rows"] == int(half.sum())
    assert found["other_label"] == 3
    assert found["warning"]


def test_without_predictions_it_says_what_to_do():
    with pytest.raises(NotEnoughData, match="tickvol score"):
        report(ROWS.take(np.zeros(len(ROWS), bool)))
