"""Drift as it affects the served detector: the inputs that moved, and the moves that deserve an alarm.

An input that moves but has little weight is only reported; so are features that the detector does not read, and a
classifier that separates the sides. An alarm needs an important input, or performance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tickvol.alerts.hysteresis import AlertRule, Measurement
from tickvol.alerts.notifications import Alert, Severity, Subject
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.drift.domain_classifier import ClassifierRules, DomainClassifier, domain_classifier
from tickvol.volatility.drift.input_moves import InputMove, MoveRules, input_moves
from tickvol.volatility.drift.input_rows import input_rows
from tickvol.volatility.drift.performance_figures import PerformanceFigure
from tickvol.volatility.drift.sides import DriftSides
from tickvol.volatility.models.bundle import Bundle

INPUT_DRIFT = "input_drift"
PERFORMANCE_DROP = "performance_drop"


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """Hysteresis levels of the alarms: between them an alarm neither starts nor ends.

    Attributes
    ----------
    raise_distance, clear_distance : of an input, in standard deviations of the reference.
    min_importance : share at or above which an input matters.
    raise_shortfall, clear_shortfall : of performance, see `PerformanceFigure.shortfall`.
    """

    raise_distance: float
    clear_distance: float
    min_importance: float
    raise_shortfall: float
    clear_shortfall: float
    input_severity: Severity
    performance_severity: Severity

    @property
    def of_inputs(self) -> AlertRule:
        """Rule for an input that matters."""
        return AlertRule(INPUT_DRIFT, self.input_severity, self.raise_distance, self.clear_distance)

    def of_performance(self, figure: str) -> AlertRule:
        """Rule for a performance metric; each metric has its own alert."""
        name = f"{PERFORMANCE_DROP}_{figure}"
        return AlertRule(name, self.performance_severity, self.raise_shortfall, self.clear_shortfall)


class ServedDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Drift for one detector.

    Attributes
    ----------
    inputs : all inputs of the detector, the most important first.
    alarming : those that matter and moved; their alerts also depend on earlier alerts (hysteresis).
    performance : metrics of the live report; if empty, `performance_note` gives the reason.
    """

    detector: str
    block_s: int
    inputs: list[InputMove]
    alarming: list[str]
    classifier: DomainClassifier
    performance: list[PerformanceFigure]
    performance_note: str | None

    @property
    def moved_share(self) -> float | None:
        """Importance of the inputs that matter and moved, relative to all judged ones that matter; None without any."""
        judged = [move for move in self.inputs if move.matters and move.moved is not None]
        if not judged:
            return None
        return sum(move.importance for move in judged if move.moved) / sum(move.importance for move in judged)


def served_drift(
    sides: DriftSides,
    bundle: Bundle,
    moves: MoveRules,
    classifier: ClassifierRules,
    *,
    max_rows: int,
    block_s: int,
    performance: Sequence[PerformanceFigure] = (),
    performance_note: str | None = None,
) -> ServedDrift:
    """Compare the inputs of the bundle on both sides.

    Raises
    ------
    NotEnoughData
        When a side holds no row that the bundle can score.
    """
    reference, current = (
        input_rows(side, bundle, max_rows=max_rows, block_s=block_s) for side in (sides.reference, sides.current)
    )
    if min(len(reference.x), len(current.x)) == 0:
        raise NotEnoughData(f"drift: {len(reference.x)} rows that {bundle.name} can score against {len(current.x)}")
    found = input_moves(reference, current, bundle.input_names, moves)
    return ServedDrift(
        detector=named(bundle),
        block_s=block_s,
        inputs=found,
        alarming=[move.input for move in found if move.moved and move.matters],
        classifier=domain_classifier(reference, current, bundle.input_names, classifier),
        performance=list(performance),
        performance_note=performance_note,
    )


def input_readings(
    drift: ServedDrift, rules: AlarmRules, standing: Sequence[Alert], event_time_ns: int
) -> list[Measurement]:
    """Readings for `AlarmRules.of_inputs`: one per input, and one per alert whose input no longer exists.

    The value is the distance. For an input that has not moved beyond chance, or does not matter, it is capped at the
    raise level: it may keep an alert active, but not start one. An input whose importance has dropped far below the
    minimum ends its alert.
    """
    readings = [_of_input(move, drift.detector, rules, event_time_ns) for move in drift.inputs]
    subjects = {reading.subject for reading in readings}
    gone = {alert.subject for alert in standing if alert.subject.detector == drift.detector} - subjects
    readings += [
        Measurement(subject, 0.0, {}, "the served bundle no longer reads it", event_time_ns)
        for subject in sorted(gone, key=lambda subject: subject.text)
    ]
    return readings


def _of_input(move: InputMove, detector: str, rules: AlarmRules, event_time_ns: int) -> Measurement:
    value: float | None = None
    reason = f"not judged: {move.reason}"
    if move.moved is not None and move.distance is not None:
        value = move.distance if move.moved and move.matters else min(move.distance, rules.raise_distance)
        reason = (
            f"{move.distance:.2f} standard deviations of the reference away (p {move.p_value:.3f}), "
            f"{move.importance:.0%} of what moves the margin"
        )
        if move.importance < rules.min_importance * rules.clear_distance / rules.raise_distance:
            value, reason = 0.0, f"only {move.importance:.1%} of what moves the margin"
    figures = {
        "distance": move.distance,
        "p_value": move.p_value,
        "importance": move.importance,
        "margin_shift": move.margin_shift,
    }
    return Measurement(Subject(feature=move.input, detector=detector), value, figures, reason, event_time_ns)


def named(bundle: Bundle) -> str:
    """Detector and bundle, the subject of alerts: a bundle trained later is another one."""
    return f"{bundle.name}@{bundle.version[:8]}"


def ended_readings(standing: Sequence[Alert], served: str, rule: AlertRule, event_time_ns: int) -> list[Measurement]:
    """Readings that clear the rule's alerts of detectors other than the served one, which are no longer monitored."""
    others = [alert for alert in standing if alert.name == rule.name and alert.subject.detector != served]
    return [
        Measurement(alert.subject, rule.clear_below - 1.0, {}, f"{served} is served instead", event_time_ns)
        for alert in others
    ]


def performance_readings(figures: Sequence[PerformanceFigure], detector: str) -> list[tuple[str, Measurement]]:
    """Readings for `AlarmRules.of_performance`, each with the name of its metric."""
    readings = []
    for figure in figures:
        shown = {name: getattr(figure, name) for name in ("expected", "came", "low", "high")}
        reason = "no interval, so nothing can be said"
        if None not in shown.values():
            reason = "{came:.4f} came of {expected:.4f} expected, difference {low:+.4f} to {high:+.4f}".format(**shown)
        reading = Measurement(Subject(detector=detector), figure.shortfall, shown, reason, figure.until_ns)
        readings.append((figure.name, reading))
    return readings
