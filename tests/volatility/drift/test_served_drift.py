"""What is an alarm: an input that matters and moved, or performance whose whole interval is worse; nothing else."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.alerts.samples import NOON_NS
from tests.support.trained import bundles, market
from tickvol.alerts.hysteresis import decide
from tickvol.alerts.notifications import Alert, AlertState, Severity, Subject
from tickvol.core.errors import InputError, NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.domain_classifier import ClassifierRules, DomainClassifier
from tickvol.volatility.drift.input_moves import InputMove, MoveRules
from tickvol.volatility.drift.performance_figures import (
    LivePerformance,
    PerformanceFigure,
    performance_figures,
    read_performance,
    why_not_judged,
)
from tickvol.volatility.drift.served_drift import (
    AlarmRules,
    ServedDrift,
    ended_readings,
    input_readings,
    performance_readings,
    served_drift,
)
from tickvol.volatility.drift.sides import DriftSides

RULES = AlarmRules(
    raise_distance=0.3,
    clear_distance=0.2,
    min_importance=0.1,
    raise_shortfall=0.0,
    clear_shortfall=-0.05,
    input_severity=Severity.WARNING,
    performance_severity=Severity.CRITICAL,
)
NO_CLASSIFIER = DomainClassifier(
    auc=0.99, auc_low=0.98, auc_high=1.0, tells_apart=True, reason=None, folds=4, reference_rows=1, current_rows=1,
    reference_blocks=4, current_blocks=4, inputs=[],
)  # fmt: skip


def move(**changes: Any) -> InputMove:
    about = {
        "input": "vol_zscore", "importance": 0.3, "matters": True, "distance": 0.5, "p_value": 0.01, "moved": True,
        "reason": None, "margin_shift": 0.1, "reference_unknown": 0.0, "current_unknown": 0.0,
    }  # fmt: skip
    return InputMove(**about | changes)


def drift_of(*moves: InputMove) -> ServedDrift:
    return ServedDrift(
        detector="logistic", block_s=3600, inputs=list(moves), alarming=[], classifier=NO_CLASSIFIER, performance=[],
        performance_note=None,
    )  # fmt: skip


def alert_of(moved: InputMove, last: Alert | None = None) -> Alert | None:
    (reading,) = input_readings(drift_of(moved), RULES, [] if last is None else [last], NOON_NS)
    return decide(last, RULES.of_inputs, reading, now_ns=NOON_NS, repeat_after_ns=10**15)


@pytest.mark.parametrize(
    ("changes", "raises"),
    [
        pytest.param({}, True, id="moved and matters"),
        pytest.param({"matters": False, "importance": 0.09}, False, id="moved, does not matter"),
        pytest.param({"moved": False, "p_value": 0.3}, False, id="far, no farther than blocks differ anyway"),
        pytest.param({"moved": False, "distance": 0.25}, False, id="matters, hardly moved"),
        pytest.param({"moved": None, "p_value": None, "reason": "3 blocks"}, False, id="could not be judged"),
        pytest.param({"moved": None, "distance": None, "p_value": None, "reason": "x"}, False, id="not known"),
    ],
)
def test_an_alarm_begins_only_with_an_input_that_moved_and_matters(changes: dict[str, Any], raises: bool) -> None:
    alert = alert_of(move(**changes))
    assert (alert is not None) is raises
    if alert:
        assert alert.subject == Subject(feature="vol_zscore", detector="logistic")
        assert alert.figures["importance"] == 0.3


@pytest.mark.parametrize(
    ("changes", "clears"),
    [
        pytest.param({"distance": 0.19, "moved": False}, True, id="near again"),
        pytest.param({"distance": 0.25, "moved": False}, False, id="between the levels"),
        pytest.param({"moved": False, "p_value": 0.06}, False, id="far, but perhaps by chance"),
        pytest.param({"importance": 0.09, "matters": False}, False, id="matters a little less than it must"),
        pytest.param({"importance": 0.06, "matters": False}, True, id="matters far less than it must"),
        pytest.param({"moved": None, "p_value": None, "reason": "3 blocks"}, False, id="could not be judged"),
    ],
)
def test_an_alarm_ends_only_when_it_is_surely_over(changes: dict[str, Any], clears: bool) -> None:
    raised = alert_of(move())
    assert raised is not None
    found = alert_of(move(**changes), raised)
    assert (found is not None) is clears
    assert found is None or found.state is AlertState.CLEARED


def test_an_alarm_of_an_input_that_is_no_longer_read_ends_and_those_of_other_detectors_stay() -> None:
    raised = alert_of(move())
    assert raised is not None
    other = msgspec.structs.replace(raised, subject=Subject(feature="vol_zscore", detector="xgboost"))
    gone, *rest = input_readings(drift_of(), RULES, [raised, other], NOON_NS)
    assert (gone.subject, gone.value, rest) == (raised.subject, 0.0, [])


def test_alarms_of_a_detector_that_is_served_no_longer_end_whatever_they_were_of() -> None:
    drop = RULES.of_performance("pr_auc")
    (reading,) = (reading for _, reading in performance_readings([figure()], "xgboost"))
    of_performance = decide(None, drop, reading, now_ns=NOON_NS, repeat_after_ns=1)
    of_input = alert_of(move())
    assert of_performance is not None
    assert of_input is not None
    for rule, alert, own in ((drop, of_performance, "xgboost"), (RULES.of_inputs, of_input, "logistic")):
        assert ended_readings([of_performance, of_input], own, rule, NOON_NS) == []
        (ended,) = ended_readings([of_performance, of_input], "har", rule, NOON_NS)
        cleared = decide(alert, rule, ended, now_ns=NOON_NS, repeat_after_ns=10**15)
        assert cleared is not None
        assert (cleared.state, cleared.reason) == (AlertState.CLEARED, "har is served instead")


@pytest.mark.parametrize(
    ("moves", "share"),
    [
        ((move(), move(importance=0.1, moved=False)), 0.75),
        ((move(), move(importance=0.1, moved=None), move(importance=0.9, matters=False)), 1.0),
        ((move(moved=None),), None),
        ((), None),
    ],
)
def test_the_share_that_moved_weighs_what_matters_and_was_judged(moves: tuple[InputMove, ...], share: float) -> None:
    assert drift_of(*moves).moved_share == pytest.approx(share)


def test_a_classifier_that_tells_the_sides_apart_is_no_alarm() -> None:
    assert NO_CLASSIFIER.tells_apart
    assert alert_of(move(moved=False, distance=0.1)) is None


def figure(**changes: Any) -> PerformanceFigure:
    about = {"name": "pr_auc", "expected": 0.4, "came": 0.2, "low": 0.15, "high": 0.25, "until_ns": NOON_NS}
    return PerformanceFigure(**about | changes)


def decided(of: PerformanceFigure, last: Alert | None) -> Alert | None:
    ((name, reading),) = performance_readings([of], "logistic")
    return decide(last, RULES.of_performance(name), reading, now_ns=NOON_NS, repeat_after_ns=10**15)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({}, AlertState.RAISED, id="all of the interval falls short"),
        pytest.param({"low": -0.01}, None, id="the interval holds 0"),
        pytest.param({"low": -0.01}, "stands", id="the interval holds 0, and an alert stands"),
        pytest.param({"low": -0.03}, AlertState.CLEARED, id="well beyond what was expected: over"),
        pytest.param({"low": None, "high": None}, None, id="no interval"),
        pytest.param({"low": None, "high": None}, "stands", id="no interval, and an alert stands"),
        pytest.param({"expected": None}, None, id="nothing was expected"),
        pytest.param({"expected": 0.0}, None, id="an expectation of 0 has no share"),
        pytest.param({"name": "brier", "low": -0.2, "high": -0.1}, AlertState.RAISED, id="an error above"),
        pytest.param({"name": "brier"}, None, id="an error far below"),
    ],
)
def test_performance_is_an_alarm_when_the_whole_interval_is_worse(
    changes: dict[str, Any], state: AlertState | str | None
) -> None:
    last = decided(figure(), None) if state in (AlertState.CLEARED, "stands") else None
    alert = decided(figure(**changes), last)
    assert (alert.state if alert else None) == (None if state == "stands" else state)
    if alert:
        assert (alert.severity, alert.name) == (Severity.CRITICAL, f"performance_drop_{figure(**changes).name}")


BUNDLE = "a" * 64


def live_report(**changes: Any) -> dict[str, Any]:
    estimate = {"expected": 0.4, "came": 0.2, "difference": {"value": 0.2, "low": 0.15, "high": 0.25, "samples": 9}}
    part = {"until_ns": NOON_NS, "until": "noon", "estimate": {"pr_auc": estimate, "recall": estimate}}
    about = {"schema_version": 1, "clock": "live", "by_bundle": {BUNDLE: {}}, "as_of_event": part, "window_s": 5}
    return about | changes


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"clock": "event"}, "graded by event time"),
        ({"by_bundle": {BUNDLE: {}, "b" * 64: {}}}, "other bundles are in it: bbbbbbbbbbbb"),
        ({"by_bundle": {}}, "other bundles are in it: none"),
        ({"as_of_event": {"until_ns": NOON_NS - 1, "estimate": {}}}, "ends before"),
        ({"as_of_event": {"until_ns": None, "estimate": {}}}, "ends before"),
    ],
)
def test_only_live_skill_of_this_bundle_in_these_days_is_judged(changes: dict[str, Any], says: str | None) -> None:
    report = msgspec.convert(live_report(**changes), LivePerformance)
    why = why_not_judged(report, BUNDLE, NOON_NS)
    assert why is None if says is None else says in str(why)


def test_performance_is_read_of_the_live_report_with_whatever_else_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    assert read_performance(path) is None
    path.write_text(json.dumps(live_report()))
    report = read_performance(path)
    assert report is not None
    assert performance_figures(report) == [figure()]


@pytest.mark.parametrize("text", ["[]", "{}", "x", json.dumps(live_report(schema_version=2))])
def test_what_is_no_live_report_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "live.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"scoring.report_json"):
        read_performance(path)


def test_of_two_days_of_one_market_nothing_is_alarming_and_a_shift_of_what_matters_is() -> None:
    bundle = bundles()[-1]
    moves = MoveRules(0.3, 0.05, 0.05, 100, 6, 200, 7)
    classifier = ClassifierRules(0.001, 4, bundle.spec.lookback_s * NS_PER_S, 4, 50, 7)

    def compared(factor: float) -> ServedDrift:
        current = market(1, 7.0)
        values = current.values.copy()
        values[:, current.names.index("realized_vol_30")] *= factor
        shifted = type(current)(current.spec, current.products, current.product, current.bar_end_ns, values)
        sides = DriftSides("two days", market(0, 7.0), shifted)
        return served_drift(sides, bundle, moves, classifier, max_rows=1500, block_s=3600)

    assert compared(1.0).alarming == []
    assert compared(3.0).alarming == ["log(realized_vol_30/reference)"]


def test_a_side_of_which_nothing_can_be_said_is_told() -> None:
    blind = market(1)
    values = np.full_like(blind.values, np.nan)
    unknown = type(blind)(blind.spec, blind.products, blind.product, blind.bar_end_ns, values)
    rules = MoveRules(0.3, 0.05, 0.05, 100, 4, 20, 7), ClassifierRules(0.001, 4, 0, 4, 50, 7)
    with pytest.raises(NotEnoughData, match="logistic can score against 0"):
        served_drift(DriftSides("x", market(0), unknown), bundles()[-1], *rules, max_rows=500, block_s=3600)
