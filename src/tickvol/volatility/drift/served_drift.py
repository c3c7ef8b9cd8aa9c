"""What drift means to the detector that is served: which of its inputs moved, and which of that is worth an alarm.

An input that moves and decides little is reported and nothing more; so are features that the detector does not read,
and a classifier that tells the sides apart. An alarm takes an input that matters, or performance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tickvol.alerts.hysteresis import Reading, Rule
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
    """Levels between which alarms neither begin nor end.

    Attributes
    ----------
    raise_distance, clear_distance : of an input, in standard deviations of the reference.
    min_importance : from which an input matters.
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
    def of_inputs(self) -> Rule:
        """The rule of an input that matters."""
        return Rule(INPUT_DRIFT, self.input_severity, self.raise_distance, self.clear_distance)

    def of_performance(self, figure: str) -> Rule:
        """The rule of a figure of performance; each figure has its own alert."""
        name = f"{PERFORMANCE_DROP}_{figure}"
        return Rule(name, self.performance_severity, self.raise_shortfall, self.clear_shortfall)


class ServedDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Of the detector that was asked about.

    Attributes
    ----------
    inputs : all that it reads, the most important first.
    alarming : those that matter and moved; what an alert's hysteresis makes of them depends on the alerts before.
    performance : figures of the live report; empty with the reason in `performance_note`.
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
        """Importance of what matters and moved, over that of what matters and was judged; None without any."""
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
    """Compare what the bundle reads of both sides.

    Raises
    ------
    NotEnoughData
        When a side holds no row of which the bundle can say something.
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
) -> list[Reading]:
    """A reading of each input for `AlarmRules.of_inputs`, and of each that an alert stands for and is no longer there.

    The value is the distance. Of an input that has not moved beyond chance, or does not matter, it is held at the
    level that raises: it may keep an alert, not begin one. What has come to matter far less than it must is over.
    """
    readings = [_of_input(move, drift.detector, rules, event_time_ns) for move in drift.inputs]
    subjects = {reading.subject for reading in readings}
    gone = {alert.subject for alert in standing if alert.subject.detector == drift.detector} - subjects
    readings += [
        Reading(subject, 0.0, {}, "the served bundle no longer reads it", event_time_ns)
        for subject in sorted(gone, key=lambda subject: subject.text)
    ]
    return readings


def _of_input(move: InputMove, detector: str, rules: AlarmRules, event_time_ns: int) -> Reading:
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
    return Reading(Subject(feature=move.input, detector=detector), value, figures, reason, event_time_ns)


def named(bundle: Bundle) -> str:
    """Detector and bundle, as alerts are of them: a bundle that was trained later is another one."""
    return f"{bundle.name}@{bundle.version[:8]}"


def ended_readings(standing: Sequence[Alert], served: str, rule: Rule, event_time_ns: int) -> list[Reading]:
    """Readings that clear the rule's alerts of detectors which are not the served one: nobody looks after them."""
    others = [alert for alert in standing if alert.name == rule.name and alert.subject.detector != served]
    return [
        Reading(alert.subject, rule.clear_below - 1.0, {}, f"{served} is served instead", event_time_ns)
        for alert in others
    ]


def performance_readings(figures: Sequence[PerformanceFigure], detector: str) -> list[tuple[str, Reading]]:
    """Readings for `AlarmRules.of_performance`, each with the name of its figure."""
    readings = []
    for figure in figures:
        shown = {name: getattr(figure, name) for name in ("expected", "came", "low", "high")}
        reason = "no interval, so nothing can be said"
        if None not in shown.values():
            reason = "{came:.4f} came of {expected:.4f} expected, difference {low:+.4f} to {high:+.4f}".format(**shown)
        reading = Reading(Subject(detector=detector), figure.shortfall, shown, reason, figure.until_ns)
        readings.append((figure.name, reading))
    return readings
