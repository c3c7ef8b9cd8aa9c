"""Drift of the served bundle by the configured rules, and the resulting alerts."""

from collections.abc import Sequence
from pathlib import Path

from tickvol.alerts.dispatcher import AlertDispatcher
from tickvol.alerts.notifications import Alert
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.domain_classifier import ClassifierRules
from tickvol.volatility.drift.input_moves import MoveRules
from tickvol.volatility.drift.performance_figures import (
    HIGHER_IS_BETTER,
    PerformanceFigure,
    performance_figures,
    read_performance,
    why_not_judged,
)
from tickvol.volatility.drift.served_drift import (
    INPUT_DRIFT,
    AlarmRules,
    ServedDrift,
    ended_readings,
    input_readings,
    named,
    performance_readings,
    served_drift,
)
from tickvol.volatility.drift.sides import DriftSides
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.settings.profile import VolatilityConfig
from tickvol.volatility.settings.stream import MonitoringConfig


def compare_served(
    config: VolatilityConfig, sides: DriftSides, bundle: Bundle, performance: Path | None
) -> ServedDrift:
    """Compare both sides for a bundle; `performance` overrides `scoring.report_json`.

    Raises
    ------
    NotEnoughData
        When the bundle can score no row of a side.
    InputError
        When the performance file is not such a report.
    """
    rules, seed = config.monitoring, config.models.seed
    figures, note = _performance(
        performance or config.scoring.report_json, bundle.version, int(sides.current.bar_end_ns.min())
    )
    return served_drift(
        sides,
        bundle,
        MoveRules(
            distance=rules.input_raise_distance,
            significance=rules.input_significance,
            min_importance=rules.min_importance,
            min_rows=rules.min_rows,
            min_blocks=rules.min_blocks,
            permutations=rules.input_permutations,
            seed=seed,
        ),
        ClassifierRules(
            c=rules.classifier_c,
            folds=rules.classifier_folds,
            embargo_ns=bundle.spec.lookback_s * NS_PER_S,
            min_blocks=rules.min_blocks,
            samples=rules.classifier_samples,
            seed=seed,
        ),
        max_rows=rules.input_rows,
        block_s=rules.block_s,
        performance=figures,
        performance_note=note,
    )


def _performance(path: Path, bundle: str, since_ns: int) -> tuple[list[PerformanceFigure], str | None]:
    """Metrics of the bundle's live performance, or the reason why there are none."""
    report = read_performance(path)
    note = f"{path}: no such file" if report is None else why_not_judged(report, bundle, since_ns)
    return ([], note) if report is None or note is not None else (performance_figures(report), None)


def raise_alerts(
    config: VolatilityConfig, dispatcher: AlertDispatcher, drift: ServedDrift, event_time_ns: int, *, is_served: bool
) -> list[str]:
    """Evaluate inputs and performance, record and deliver alerts; returns a line per alert made and per sink.

    Parameters
    ----------
    is_served : True if the detector is the serving one; alerts of all others are ended then.
    """
    rules = alarm_rules(config.monitoring)
    standing = dispatcher.book().standing(INPUT_DRIFT)
    made = dispatcher.observe(rules.of_inputs, input_readings(drift, rules, standing, event_time_ns))
    made += _observe_performance(rules, dispatcher, drift.performance, drift.detector)
    if is_served:
        for rule in (rules.of_inputs, *map(rules.of_performance, HIGHER_IS_BETTER)):
            made += dispatcher.observe(
                rule, ended_readings(dispatcher.book().standing(), drift.detector, rule, event_time_ns)
            )
    return _sent(dispatcher, made)


def raise_performance_alerts(
    config: VolatilityConfig, dispatcher: AlertDispatcher, bundle: Bundle, performance: Path | None, since_ns: int
) -> list[str]:
    """Raise performance alerts where inputs cannot be compared; performance does not depend on them.

    Parameters
    ----------
    performance : overrides `scoring.report_json`. since_ns : a report that ends earlier is out of date.
    """
    figures, note = _performance(performance or config.scoring.report_json, bundle.version, since_ns)
    made = _observe_performance(alarm_rules(config.monitoring), dispatcher, figures, named(bundle))
    return [*([f"live       not judged: {note}"] if note else []), *_sent(dispatcher, made)]


def _observe_performance(
    rules: AlarmRules, dispatcher: AlertDispatcher, figures: Sequence[PerformanceFigure], detector: str
) -> list[Alert]:
    made: list[Alert] = []
    for figure, reading in performance_readings(figures, detector):
        made += dispatcher.observe(rules.of_performance(figure), [reading])
    return made


def _sent(dispatcher: AlertDispatcher, made: Sequence[Alert]) -> list[str]:
    from tickvol.alerts.configured import delivery_lines

    lines = [f"alerts     {len(made)} made, {len(dispatcher.book().standing())} stand"]
    lines += [f"  {alert.severity} {alert.name} {alert.state}  {alert.subject.text}: {alert.reason}" for alert in made]
    return [*lines, *delivery_lines(dispatcher.deliver())]


def alarm_rules(monitoring: MonitoringConfig) -> AlarmRules:
    """Alarm levels of drift."""
    return AlarmRules(
        raise_distance=monitoring.input_raise_distance,
        clear_distance=monitoring.input_clear_distance,
        min_importance=monitoring.min_importance,
        raise_shortfall=monitoring.performance_raise_share,
        clear_shortfall=monitoring.performance_clear_share,
        input_severity=monitoring.input_severity,
        performance_severity=monitoring.performance_severity,
    )


def served_drift_lines(drift: ServedDrift) -> list[str]:
    """Summary lines of the classifier, the important inputs, and live performance."""
    found = drift.classifier
    if found.auc is None:
        lines = [f"classifier none: {found.reason}"]
    else:
        interval = found.reason or f"{found.auc_low:.3f} to {found.auc_high:.3f}"
        most = ", ".join(item.input for item in found.inputs[:3])
        lines = [f"classifier AUC {found.auc:.3f} ({interval}), 0.5 is chance; by {most}"]
    matter = [move for move in drift.inputs if move.matters]
    judged = sum(move.moved is not None for move in matter)
    lines.append(
        f"{drift.detector:<10} {len(matter)} of {len(drift.inputs)} inputs matter, {len(drift.alarming)} of these moved"
        + (f", {len(matter) - judged} could not be judged" if judged < len(matter) else "")
        + ("" if drift.moved_share is None else f": {drift.moved_share:.2f} of their importance")
    )
    for move in matter:
        distance = "unknown" if move.distance is None else f"{move.distance:.2f} sd"
        verdict = move.reason or ("moved" if move.moved else "no move beyond chance")
        chance = "" if move.p_value is None else f" (p {move.p_value:.3f})"
        lines.append(f"  {move.input:<36} {move.importance:4.0%}  {distance}{chance}  {verdict}")
    readings = performance_readings(drift.performance, drift.detector)
    lines += [f"live       {figure}: {reading.reason}" for figure, reading in readings]
    return lines if drift.performance_note is None else [*lines, f"live       not judged: {drift.performance_note}"]
