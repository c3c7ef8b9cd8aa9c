"""The page of studies over folds: what is undefined is a dash, never an error."""

from typing import Any

import pytest

from tickvol.volatility.reports.study_html import verdict_of

SEALED = {"from": "2026-04-05T00:00:00Z", "openings": [{"date": "2026-04-06", "bundle_hash": None, "pr_auc": None}]}
AFTER = {"trials": 14, "luck": 0.0, "lead": 0.0, "probability_above_zero": None}


def study(**changes: Any) -> dict[str, Any]:
    chosen = {
        "verdict": "not distinguishable from baseline",
        "lead": 0.0,
        "lead_after_trials": None,
        "days_to_settle": {"days": None, "rough": True},
    }
    return {
        "detectors": {"selected": chosen | changes},
        "sample": {"no_interval_because": "19 blocks, at least 20 needed"},
        "sealed": SEALED,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "no interval: 19 blocks"),
        ({}, "no number of days would settle a lead of +0.000"),
        ({}, "bundle none, PR-AUC –"),
        ({"lead": None}, "settle a lead of –"),
        ({"lead_after_trials": AFTER}, "above zero with probability –"),
        ({"days_to_settle": {"days": 0.3, "rough": True}}, "0.30 days of test rows would settle"),
        ({"days_to_settle": {"days": 0.3, "rough": True}}, "rough: too few blocks"),
    ],
)
def test_a_verdict_says_what_is_known_and_what_is_not(changes: dict[str, Any], words: str) -> None:
    lines = [text + bold for text, bold in verdict_of(study(**changes)).lines]
    assert words in "\n".join(lines)
