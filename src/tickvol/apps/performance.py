"""`tickvol performance`: metrics of the last hours' live predictions, and the estimate for pending ones."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tickvol.command import command_parser, run_command
from tickvol.storage.files import write_report

DESCRIPTION = """Evaluate the live predictions of `tickvol score` in the last hours: PR-AUC with prevalence, Brier
score, calibration error, alarms and spikes caught, each with its confidence interval or the reason for its absence; and
the performance expected from the calibrated probabilities alone (CBPE), compared with the realized performance.

Only predictions made before their outcome could be known are graded; the others are counted. --as-of-event uses event
time for both clocks and grades a replay as if it had been live: a backtest, not evidence of live skill. Prints a table
and writes scoring.report_json (docs/live_performance.md)."""

SHOWN = (
    ("PR-AUC", "pr_auc"),
    ("prevalence", "prevalence"),
    ("Brier", "brier"),
    ("calibration error", "calibration_error"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("alarm share", "alarm_share"),
    ("alarms per hour", "alarms_per_hour"),
    ("false alarms per hour", "false_alarms_per_hour"),
    ("share of spikes caught", "caught_share"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol performance`."""
    parser = command_parser("performance", DESCRIPTION)
    parser.add_argument(
        "--hours", type=float, metavar="H", help="window in hours of event time; overrides scoring.window_hours"
    )
    parser.add_argument("--as-of-event", action="store_true", help="grade by event time only; default: both clocks")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table; default: table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="report file; overrides scoring.report_json")
    return run_command(parser, _performance, argv)


def _performance(options: argparse.Namespace) -> int:
    from tickvol import __version__
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.volatility.evaluation.live_report import live_report
    from tickvol.volatility.evaluation.rolling import RollingRules
    from tickvol.volatility.scorer.performance_rows import read_live_predictions

    config = load_config(options.config)
    hours = config.scoring.window_hours if options.hours is None else options.hours
    if not 0 < hours < float("inf"):
        raise UsageError(f"--hours: {hours:g}: must be above 0")
    window_s = hours * 3600
    said, horizon_s = read_live_predictions(config, window_s)
    spec, chosen = config.features.spec(), config.evaluation
    rules = RollingRules(
        bar_ns=spec.bar_ns,
        horizon_s=horizon_s,
        block_s=spec.lookback_s + horizon_s,
        alarm_cooldown_s=chosen.alarm_cooldown_s,
        bootstrap_samples=chosen.bootstrap_samples,
        min_blocks=chosen.min_blocks,
        min_events=chosen.min_events,
        seed=config.models.seed,
    )
    document = live_report(said, rules, window_s=window_s, as_of_event=options.as_of_event)
    document |= {"tickvol_version": __version__, "config_hash": config.profile().fingerprint()}
    text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
    path = options.output or config.scoring.report_json
    write_report(path, text + "\n")
    print(text if options.json else "\n".join([*_table(document), f"report   {path}"]))
    return 0


def _table(document: dict[str, Any]) -> list[str]:
    lines = [document["warning"]] if document["warning"] else []
    if document["clock"] == "event":
        lines.append("both clocks are event time: a replay graded as if it had been live, no live skill")
    for name, words in (("as_of_event", "as of event"), ("as_of_known", "as of known")):
        part = document[name]
        states, sample = part["states"], part["sample"]
        lines.append(f"{words:<12} until {part['until'] or '-'}, {document['window_s'] / 3600:g} h")
        counted = " + ".join(f"{count} {state}" for state, count in states.items())
        lines.append(f"  {part['predictions']} predictions = {counted}")
        lines.append(f"  {sample['positives']} of the graded rows are spikes, in {sample['events']} events")
        lines += [_line(words, part["figures"][figure]) for words, figure in SHOWN]
        lines.append(f"  no interval because: {sample['no_interval_because'] or '-'}")
    lines.append("graded rows: expected without labels, realized, difference")
    for name, found in document["as_of_event"]["estimate"].items():
        differs = found["difference"]
        lines.append(f"  {name:<24} {_figure(found['expected'])} {_figure(found['came'])}  {_between(differs, '+.3f')}")
    pending = document["as_of_event"]["expected"]["pending"]
    expected = ", ".join(f"{name} {_figure(pending[name]).strip()}" for name in ("prevalence", "precision", "recall"))
    return [*lines, f"expected for the {pending['rows']} pending rows: {expected}"]


def _line(words: str, found: dict[str, Any]) -> str:
    return f"  {words:<24} {_figure(found['value'])}  {_between(found, '.3f')}"


def _figure(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:>8.4f}"


def _between(found: dict[str, Any], form: str) -> str:
    low, high = found["low"], found["high"]
    return "none" if low is None else f"{low:{form}} to {high:{form}}"
