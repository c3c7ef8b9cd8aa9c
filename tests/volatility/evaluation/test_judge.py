"""The judgement of several detectors: verdicts, intervals that are withheld, leaks, and products and regimes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.evaluation.samples import RULES, detector, judged_rows
from tickvol.core.errors import NotEnoughData, SuspectedLeak
from tickvol.volatility.evaluation.judge import judge

ROWS = judged_rows()
WEAK = detector(ROWS, "weak", 0.5, baseline=True)
WEAKER = detector(ROWS, "weaker", 0.1, baseline=True)
AS_WEAK = detector(ROWS, "as_weak", 0.5)
STRONG = detector(ROWS, "strong", 2.5)
BLIND = detector(ROWS, "blind", -1.0)
JUDGEMENT = judge(ROWS, [STRONG, WEAK, AS_WEAK, WEAKER, BLIND], RULES)


def test_the_yardstick_is_the_best_baseline_of_the_judged_rows():
    assert JUDGEMENT["best_baseline"] == "weak"
    assert JUDGEMENT["detectors"]["weak"]["verdict"] == "best baseline"
    assert JUDGEMENT["detectors"]["weak"]["lead"] == 0.0
    assert JUDGEMENT["detectors"]["weak"]["lead_interval"]["reason"] == "is the best baseline itself"


def test_verdicts_follow_the_interval_of_the_lead():
    verdicts = {name: figures["verdict"] for name, figures in JUDGEMENT["detectors"].items()}
    assert verdicts["strong"] == "better than baseline"
    assert verdicts["as_weak"] == "not distinguishable from baseline"
    assert verdicts["blind"] == "worse than baseline"


def test_lead_lies_in_its_interval_and_is_the_difference_of_the_two_areas():
    for figures in JUDGEMENT["detectors"].values():
        assert figures["lead"] == pytest.approx(figures["pr_auc"] - JUDGEMENT["detectors"]["weak"]["pr_auc"])
        if figures["lead_interval"]["low"] is not None:
            assert figures["lead_interval"]["low"] <= figures["lead"] <= figures["lead_interval"]["high"]


def test_too_few_blocks_withhold_every_interval_and_the_best_model_is_not_distinguishable():
    found = judge(ROWS, [STRONG, WEAK], replace(RULES, min_blocks=1000))
    assert found["detectors"]["strong"]["verdict"] == "not distinguishable from baseline"
    assert found["detectors"]["strong"]["lead_interval"] == {
        "low": None, "high": None, "samples": 0, "reason": "36 blocks, at least 1000 needed",
    }  # fmt: skip
    assert found["detectors"]["strong"]["lead"] > 0


def test_too_few_events_withhold_every_interval():
    rare = replace(ROWS, positive=ROWS.positive & (np.arange(len(ROWS)) < 2000))
    found = judge(rare, [STRONG, WEAK], RULES)
    assert found["sample"]["events"] < 10
    assert "events" in found["detectors"]["strong"]["pr_auc_interval"]["reason"]


def test_without_a_baseline_there_is_no_lead():
    figures = judge(ROWS, [STRONG], RULES)["detectors"]["strong"]
    assert figures["lead"] is None
    assert figures["lead_interval"]["reason"] == "no baseline among the detectors"
    assert figures["verdict"] == "not distinguishable from baseline"


def test_rows_of_one_class_give_none_and_no_verdict():
    calm = replace(ROWS, positive=np.zeros(len(ROWS), np.bool_))
    figures = judge(calm, [STRONG, WEAK], replace(RULES, min_events=1))["detectors"]["strong"]
    assert [figures[key] for key in ("pr_auc", "lead", "brier", "recall")] == [None] * 4
    assert figures["verdict"] == "not distinguishable from baseline"


def test_a_detector_too_good_to_be_believed_is_refused_with_its_figures():
    perfect = replace(STRONG, name="oracle", margin=ROWS.positive * 0.9)
    with pytest.raises(SuspectedLeak, match=r"oracle: PR-AUC 1\.0000 at prevalence 0\.\d+ on 21600 rows"):
        judge(ROWS, [perfect, WEAK], RULES)


def test_nothing_to_judge_is_an_error():
    with pytest.raises(NotEnoughData, match="0 detectors"):
        judge(ROWS, [], RULES)


def test_parts_by_product_and_regime_add_up_to_the_whole():
    for figures in JUDGEMENT["detectors"].values():
        for key in ("by_product", "by_regime"):
            assert sum(part["rows"] for part in figures[key].values()) == figures["rows"]
            assert sum(part["positives"] for part in figures[key].values()) == figures["positives"]
        for key in ("events", "caught", "alarms", "false_alarms"):
            assert sum(part["events"][key] for part in figures["by_product"].values()) == figures["events"][key]


def test_days_add_up_to_the_whole_and_count_their_own_events():
    long = judged_rows(hours=26)
    figures = judge(long, [detector(long, "strong", 2.5)], RULES)["detectors"]["strong"]
    assert len(figures["by_day"]) > 1
    for key in ("rows", "positives"):
        assert sum(part[key] for part in figures["by_day"].values()) == figures[key]
    for part in figures["by_day"].values():
        assert 0 < part["events"]["events"] < figures["events"]["events"]
    assert sum(part["events"]["events"] for part in figures["by_day"].values()) >= figures["events"]["events"]


def test_leads_in_a_product_and_a_regime_are_over_the_yardstick_of_all_rows():
    for name, figures in JUDGEMENT["detectors"].items():
        for key in ("by_product", "by_regime"):
            for part_name, part in figures[key].items():
                lead = part["pr_auc"] - JUDGEMENT["detectors"]["weak"][key][part_name]["pr_auc"]
                interval = part["lead_interval"]
                if name == "weak":
                    assert interval["reason"] == "is the best baseline itself"
                else:
                    assert interval["low"] <= lead <= interval["high"], (name, part_name)
    by_product = JUDGEMENT["detectors"]["strong"]["by_product"].values()
    assert all(part["lead_interval"]["low"] > 0 for part in by_product)


@pytest.mark.parametrize(
    ("detectors", "rules", "reason"),
    [
        ([STRONG, WEAK], replace(RULES, min_blocks=1000), "at least 1000 needed"),
        ([STRONG], RULES, "no baseline among the detectors"),
    ],
)
def test_a_part_without_an_interval_says_why_as_the_whole_does(detectors, rules, reason):
    figures = judge(ROWS, detectors, rules)["detectors"]["strong"]
    parts = [*figures["by_product"].values(), *figures["by_regime"].values()]
    assert {part["lead_interval"]["reason"] for part in parts} == {figures["lead_interval"]["reason"]}
    assert reason in figures["lead_interval"]["reason"]


def test_a_part_without_a_spike_has_neither_lead_nor_interval():
    calm = replace(ROWS, positive=ROWS.positive & (ROWS.regime != 0))
    part = judge(calm, [STRONG, WEAK], RULES)["detectors"]["strong"]["by_regime"]["low"]
    assert (part["pr_auc"], part["lead_interval"]["low"]) == (None, None)
    assert part["lead_interval"]["reason"]


def test_same_input_same_bytes_of_json_whatever_the_order_of_detectors():
    again = judge(judged_rows(), [BLIND, WEAKER, STRONG, AS_WEAK, WEAK], RULES)
    assert json.dumps(again, sort_keys=True) == json.dumps(JUDGEMENT, sort_keys=True)


def test_a_judgement_is_plain_json_without_nan():
    json.dumps(JUDGEMENT, allow_nan=False)
