"""Each gate alone: both sides of its boundary, what is not known, and that one failed gate is one failed gate."""

from dataclasses import replace
from typing import Any

import pytest

from tests.volatility.promotion.samples import (
    AGAINST,
    CHALLENGER,
    CHAMPION,
    EVIDENCE,
    NOBODY,
    RULES,
    against,
    compared,
    lead,
)
from tickvol.volatility.promotion.evidence import Evidence, Identity, LeakCheck, Pair, Parity
from tickvol.volatility.promotion.gates import GATES, MAY_BE_UNCHECKED, GateResult, run_gates
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec


def result(gate: str, evidence: Evidence) -> GateResult:
    return {found.name: found for found in run_gates(evidence, RULES)}[gate]


def challenger(**changes: Any) -> Evidence:
    return replace(EVIDENCE, challenger=replace(CHALLENGER, **changes))


def champion(**changes: Any) -> Evidence:
    return replace(EVIDENCE, champion=replace(CHAMPION, **changes))


def regimes(low: float | None, middle: float | None, high: float | None) -> Evidence:
    values = {"low": low, "middle": middle, "high": high}
    return against(regimes={name: Pair(value, 0.25) for name, value in values.items()})


def leaks(**changes: Any) -> Evidence:
    assert isinstance(EVIDENCE.leakcheck, LeakCheck)
    return replace(EVIDENCE, leakcheck=replace(EVIDENCE.leakcheck, **changes))


def parity(**changes: Any) -> Evidence:
    return replace(EVIDENCE, parity=replace(EVIDENCE.parity, **changes))


def test_good_evidence_passes_every_gate_and_each_says_why() -> None:
    found = run_gates(EVIDENCE, RULES)
    assert [gate.name for gate in found] == list(GATES)
    assert [gate.name for gate in found if not gate.passed] == []
    assert all(gate.reason for gate in found)


UNREADABLE = replace(compared(against_champion="bundle version 1"), champion="bundle version 1")
"""One serves, but this program cannot read it."""

CASES = [
    ("lead over baseline", compared(baseline_lead=lead(1e-9)), True, "95% interval"),
    ("lead over baseline", compared(baseline_lead=lead(0.0)), False, "must lie above 0"),
    ("lead over baseline", compared(baseline_lead=lead(-0.1)), False, "lead over har -0.080"),
    ("lead over baseline", compared(baseline_lead=lead(None)), False, "3 blocks, at least 20 needed"),
    ("lead over baseline", compared(baseline_lead=None), False, "no baseline"),
    ("lead over champion", against(lead=lead(-0.02, "champion")), True, "-0.020"),
    ("lead over champion", against(lead=lead(-0.0201, "champion")), False, "must not reach below -0.020"),
    ("lead over champion", against(lead=lead(None, "champion")), False, "no interval"),
    ("lead over champion", compared(against_champion="reads other features"), False, "not comparable: reads other"),
    ("lead over champion", compared(against_champion=None), False, "was not compared"),
    ("lead over champion", NOBODY, True, "nobody serves"),
    ("lead over champion", UNREADABLE, False, "version 1"),
    ("calibration", against(calibration_error=Pair(0.25, 0.2400001)), True, "champion 0.2400"),
    ("calibration", against(calibration_error=Pair(0.25, 0.2399)), False, "at most 0.0100 more"),
    ("calibration", against(calibration_error=Pair(0.01, 0.3)), True, ""),
    ("calibration", against(calibration_error=Pair(None, 0.3)), False, "undefined"),
    ("calibration", against(calibration_error=Pair(0.01, None)), False, "undefined"),
    ("calibration", compared(against_champion="other"), False, "not comparable"),
    ("calibration", NOBODY, True, "nobody serves"),
    ("regimes", regimes(0.25, 0.25, 0.2000001), True, "high -0.050"),
    ("regimes", regimes(0.25, 0.25, 0.1999), False, "none below -0.050"),
    ("regimes", regimes(0.9, 0.1, 0.9), False, "middle -0.150"),
    ("regimes", regimes(0.25, 0.25, None), True, ""),
    ("regimes", regimes(0.25, None, None), False, "1 judged, at least 2"),
    ("regimes", regimes(None, None, None), False, "none"),
    ("regimes", compared(against_champion="other"), False, "not comparable"),
    ("regimes", NOBODY, True, "nobody serves"),
    ("latency", replace(EVIDENCE, p99_us=5000.0), True, "5000 us"),
    ("latency", replace(EVIDENCE, p99_us=5000.1), False, "at most 5000"),
    ("latency", replace(EVIDENCE, p99_us=float("nan")), False, ""),
    ("parity", parity(differing=1), False, "1 of 10000 answers"),
    ("parity", parity(rows=0), False, "0 of 0"),
    ("parity", parity(replayed=500), True, "0 of 500 rows of the log"),
    ("parity", parity(replayed=500, replayed_differing=1), False, "1 of 500 rows of the log"),
    ("parity", parity(replayed=0), False, "0 of 0 rows of the log"),
    ("leak check", replace(EVIDENCE, leakcheck="reports/leakcheck.json: no such file"), False, "no such file"),
    ("leak check", leaks(data_fingerprint="f" * 64), False, "is of other data (ffffffffffff"),
    ("leak check", leaks(config_hash="f" * 64), False, "is of other configuration"),
    ("leak check", leaks(passed=False, failed=("shuffled labels",)), False, "leaks found: shuffled labels"),
    ("leak check", leaks(passed=False), False, "not said which"),
    ("leak check", leaks(unchecked=MAY_BE_UNCHECKED), True, "clean (not checked: future_of_the_log, served_"),
    ("leak check", leaks(unchecked=("time_shift",)), False, "could not check time_shift"),
    ("leak check", leaks(rules_equal=False), False, "other limits"),
    ("leak check", leaks(bundles={"logistic": "a" * 64}), False, "did not check the challenger's bundle"),
    ("leak check", leaks(bundles={"xgboost": "b" * 64}), False, "leakcheck --model-type logistic --until 2026"),
    ("leak check", replace(leaks(rules_equal=False), candles=True), False, "leakcheck --candles --model-type logistic"),
    ("leak check", leaks(failed=("shuffled labels",)), False, "leaks found"),
    ("leak check", compared(challenger_pr_auc=0.95), True, "believed up to 0.95"),
    ("leak check", compared(challenger_pr_auc=0.9501), False, "too good"),
    ("leak check", compared(challenger_pr_auc=None), True, "undefined"),
    ("days", compared(days=("2026-04-05",)), False, "1 UTC days judged (2026-04-05); at least 2"),
    ("days", compared(days=()), False, "none"),
    ("days", compared(days=("a", "b", "c", "d")), True, "a, b, c, ..."),
    ("feature schema", challenger(schema_version=2), False, "the serving one 1"),
    ("feature schema", champion(spec_fingerprint="f" * 64), False, "ffffffffffff"),
    ("feature schema", NOBODY, True, "nobody serves"),
    ("feature schema", UNREADABLE, False, "version 1"),
    ("label", challenger(label=LabelSpec(horizon_s=30)), False, "relative, 30 s"),
    ("label", challenger(label=LabelSpec(quantile=0.8)), False, "quantile 0.8"),
    ("label", champion(label=LabelSpec(kind=LabelKind.ABSOLUTE)), False, "the serving one: absolute"),
    ("label", NOBODY, True, "nobody serves"),
    ("label", UNREADABLE, False, "version 1"),
    ("real market", challenger(simulated=True), False, "simulated market"),
    ("real market", champion(simulated=True), True, "real data"),
    ("real market", replace(challenger(simulated=True), champion=replace(CHAMPION, simulated=True)), True, ""),
    ("real market", replace(challenger(simulated=True), champion=None), False, ""),
    ("real market", replace(UNREADABLE, challenger=replace(CHALLENGER, simulated=True)), False, ""),
    ("history", replace(EVIDENCE, rolled_back="2026-04-07, rang all night"), False, "rang all night"),
]


@pytest.mark.parametrize(("gate", "evidence", "passed", "words"), CASES)
def test_a_gate_opens_and_shuts_at_its_boundary(gate: str, evidence: Evidence, passed: bool, words: str) -> None:
    found = result(gate, evidence)
    assert found.passed is passed, found
    assert words in found.reason


def test_every_gate_has_a_case_in_which_it_shuts() -> None:
    assert {gate for gate, _, passed, _ in CASES if not passed} == set(GATES)


@pytest.mark.parametrize("evidence", [compared(baseline_lead=lead(0.0)), parity(differing=1), leaks(passed=False)])
def test_one_spoilt_figure_shuts_one_gate(evidence: Evidence) -> None:
    assert sum(not gate.passed for gate in run_gates(evidence, RULES)) == 1


def test_what_cannot_be_compared_is_what_differs_in_features_or_label() -> None:
    other = replace(CHALLENGER, spec_fingerprint="f" * 64)
    assert CHALLENGER.why_not_comparable(CHAMPION) is None
    assert CHALLENGER.why_not_comparable(other) == "the champion reads other features"
    told = CHALLENGER.why_not_comparable(replace(CHALLENGER, label=LabelSpec(horizon_s=30)))
    assert told == "the champion foretells something else"
    assert isinstance(CHALLENGER, Identity)
    assert AGAINST.calibration_error.difference == pytest.approx(0.01)
    assert EVIDENCE.parity == Parity(rows=10_000, differing=0)
