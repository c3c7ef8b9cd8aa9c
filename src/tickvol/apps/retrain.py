"""`tickvol retrain`: retrain when the schedule or drift requires it, and run the challenger through the gates."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command
from tickvol.core.times import now_iso

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.promotion.retraining import Decision
    from tickvol.volatility.registry.versions import Version

_DESCRIPTION = """Decide whether to retrain; if so, train like `tickvol train`, register the challenger and compare it
with the champion like `tickvol promote`. Call it often, from cron or a scheduler.

Drift triggers retraining when several consecutive reports of `tickvol drift` reach the upper level; the trigger stays
active until a report falls below the lower level. The schedule triggers it a fixed time after the last training.
Nothing triggers it during the cool-down. Every decision is recorded in the ledger, also "not retrained". Exit code 0:
nothing to do, or promoted; 1: an error, or a failed gate kept the champion."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol retrain`."""
    parser = command_parser("retrain", _DESCRIPTION)
    parser.add_argument("--because", choices=("schedule", "drift"), help="consider this trigger only; default: both")
    parser.add_argument("--force", action="store_true", help="retrain regardless of schedule, drift and cool-down")
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; default: features.dataset_dir")
    parser.add_argument(
        "--judge-features", type=Path, metavar="DIR", help="rows for the gates; default: the training's dataset"
    )
    return run_command(parser, _retrain, argv)


def _retrain(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.volatility.jobs.retraining import alone
    from tickvol.volatility.registry.retrainings import BEGUN, WAITED, retrainings_ledger

    config = load_config(options.config)
    ledger = retrainings_ledger(config.mlflow)
    with alone(config.mlflow):
        decision = _decide(config, options)
        print(f"{'retraining' if decision.retrain else 'not retrained'}: {decision.reason}")
        content = {"at": now_iso(), "cause": decision.cause, "reason": decision.reason}
        ledger.append(BEGUN if decision.retrain else WAITED, content)
        return _train_and_judge(config, options, decision) if decision.retrain else 0


def _decide(config: "Config", options: argparse.Namespace) -> "Decision":
    from tickvol.core.errors import InputError
    from tickvol.volatility.jobs.retraining import decide_now, record_drift
    from tickvol.volatility.promotion.retraining import Cause, Decision

    at = now_iso()
    try:
        record_drift(config, at, print)
    except InputError as error:  # the schedule does not depend on a drift report
        print(f"tickvol retrain: {error}", file=sys.stderr)
    if options.force:
        return Decision(True, None, "forced")
    return decide_now(config, at, (Cause(options.because),) if options.because else tuple(Cause))


def _train_and_judge(config: "Config", options: argparse.Namespace, decision: "Decision") -> int:
    from tickvol.core.errors import TickvolError
    from tickvol.volatility.registry.retrainings import CHALLENGED, FAILED, retrainings_ledger

    ledger = retrainings_ledger(config.mlflow)
    challenger = _train(options, config)
    if challenger is None:
        ledger.append(FAILED, {"at": now_iso(), "reason": "the training ended with an error"})
        return 1
    about = {"version": challenger.number, "run": challenger.run_id}
    try:
        promoted = _judge(config, options, challenger, by=f"retrain ({decision.cause or 'forced'})")
    except TickvolError as error:
        ledger.append(FAILED, {"at": now_iso(), **about, "reason": f"the challenger could not be judged: {error}"})
        raise
    ledger.append(CHALLENGED, {"at": now_iso(), **about, "promoted": promoted})
    return 0 if promoted else 1


def _train(options: argparse.Namespace, config: "Config") -> "Version | None":
    """Train and register the challenger and run its leak check; None if the training failed."""
    from tickvol.core.errors import TickvolError
    from tickvol.volatility.registry.versions import CHALLENGER, bundle_of, find_version
    from tickvol.volatility.workflows.flags import training_rows
    from tickvol.volatility.workflows.leakcheck import check_leaks
    from tickvol.volatility.workflows.leakcheck_log import LogFiles
    from tickvol.volatility.workflows.train import train

    profile = config.profile()
    try:
        train(profile, training_rows(profile, options.features), track=True, tell=print)
    except TickvolError as error:
        print(f"tickvol retrain: {error}", file=sys.stderr)
        return None
    challenger = find_version(config.mlflow, CHALLENGER)
    until_ns = bundle_of(config.mlflow, challenger).manifest.split.last_ns  # the dataset may have grown since
    no_log = LogFiles(paths=(), ingestion=config.ingestion, batch_size=config.features.batch_size)
    rows = training_rows(profile, options.features, until_ns=until_ns)
    try:
        check_leaks(profile, rows, no_log, report_json=profile.leakcheck.report_json, tell=print)
    except TickvolError as error:  # the leak is in the report, which a gate reads
        print(f"tickvol retrain: {error}", file=sys.stderr)
    return challenger


def _judge(config: "Config", options: argparse.Namespace, challenger: "Version", *, by: str) -> bool:
    """Run the gates; return whether the challenger is the champion now."""
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.workflows.promote import failed_in_words, gate_lines, judge_candidate, settle

    profile = config.profile()
    table = read_features(options.judge_features or options.features or profile.dataset_dir)
    judged = judge_candidate(profile, challenger.number, table, None, config.products)
    if judged is None:
        print(f"version {challenger.number} is champion: the first version")
        return True
    print("\n".join(gate_lines(judged)))
    if settle(profile, judged, at=now_iso(), by=by):
        print(f"promoted    version {challenger.number} is champion; `tickvol rollback` undoes it")
        return True
    print(f"tickvol retrain: the champion stays: {failed_in_words(judged)}", file=sys.stderr)
    return False
