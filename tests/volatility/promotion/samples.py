"""Evidence that passes all gates, to be spoilt in one place at a time."""

from dataclasses import replace
from typing import Any

from tickvol.volatility.evaluation.bootstrap import Interval
from tickvol.volatility.promotion.evidence import (
    AgainstChampion,
    Comparison,
    Evidence,
    Identity,
    Lead,
    LeakCheck,
    Pair,
    Parity,
)
from tickvol.volatility.promotion.rules import PromotionRules
from tickvol.volatility.schema.label_spec import LabelSpec

RULES = PromotionRules(
    champion_tolerance=0.02,
    regime_tolerance=0.05,
    min_regimes=2,
    calibration_tolerance=0.01,
    max_pr_auc=0.95,
    max_p99_us=5000.0,
    min_days=2,
)

CHALLENGER = Identity(
    name="logistic",
    bundle_hash="b" * 64,
    config_hash="c" * 64,
    data_fingerprint="d" * 64,
    data_until_ns=1_775_347_200 * 10**9,
    schema_version=1,
    spec_fingerprint="e" * 64,
    label=LabelSpec(),
    simulated=False,
)
CHAMPION = replace(CHALLENGER, bundle_hash="a" * 64, config_hash="0" * 64, data_fingerprint="1" * 64)


def lead(low: float | None, over: str = "har") -> Lead:
    if low is None:
        return Lead(over, 0.05, Interval(None, None, 0, "3 blocks, at least 20 needed"))
    return Lead(over, low + 0.02, Interval(low, low + 0.04, 1000))


AGAINST = AgainstChampion(
    lead=lead(-0.01, "champion"),
    calibration_error=Pair(0.03, 0.02),
    regimes={"low": Pair(0.30, 0.30), "middle": Pair(0.35, 0.30), "high": Pair(0.26, 0.30)},
)

EVIDENCE = Evidence(
    challenger=CHALLENGER,
    champion=CHAMPION,
    comparison=Comparison(
        rows=10_000,
        positives=1000,
        events=60,
        days=("2026-04-05", "2026-04-06"),
        pr_auc={"challenger": 0.35, "champion": 0.34, "har": 0.3},
        challenger_pr_auc=0.35,
        baseline_lead=lead(0.01),
        against_champion=AGAINST,
    ),
    p99_us=400.0,
    parity=Parity(rows=10_000, differing=0),
    leakcheck=LeakCheck(
        data_fingerprint="d" * 64,
        config_hash="c" * 64,
        bundles={"logistic": "b" * 64, "har": "9" * 64},
        rules_equal=True,
        passed=True,
        failed=(),
    ),
)


def compared(evidence: Evidence = EVIDENCE, **changes: Any) -> Evidence:
    """Evidence with another comparison."""
    return replace(evidence, comparison=replace(evidence.comparison, **changes))


def against(**changes: Any) -> Evidence:
    """Evidence with another comparison with the champion."""
    return compared(against_champion=replace(AGAINST, **changes))


NOBODY = replace(compared(against_champion=None), champion=None)
