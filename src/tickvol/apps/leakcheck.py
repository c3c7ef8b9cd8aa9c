"""`tickvol leakcheck`: check features, splits, labels and fits for look-ahead leakage."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tickvol.command import command_parser, run_command
from tickvol.volatility.models.training_spec import ModelType
from tickvol.volatility.workflows.flags import add_candles, add_rows, profile_of, selected_rows

DESCRIPTION = """Check for look-ahead leakage (docs/leakcheck.md describes what each check can and cannot detect).

Trains like `tickvol train`, without saving anything, and checks splits, fits, labels and features; with --data-file
also the log from which the features were computed. Writes a JSON report; exit code 1 when any check finds a leak."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol leakcheck`."""
    parser = command_parser("leakcheck", DESCRIPTION)
    add_rows(parser)
    parser.add_argument(
        "--data-file",
        nargs="+",
        type=Path,
        metavar="F",
        help="files or directories of the log; default: none, only the feature rows are checked",
    )
    parser.add_argument(
        "--sequence",
        choices=("trust", "report"),
        help="sequence gaps in bare recordings: trust them as data loss, or only report; default: ingestion.sequence",
    )
    parser.add_argument("--label", choices=("relative", "absolute"), help="spike definition; default: labels.kind")
    parser.add_argument(
        "--model-type",
        choices=get_args(ModelType),
        help="models besides the baselines; default: models.model_type",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="training seed; default: models.seed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="report file; default: leakcheck.report_json")
    add_candles(parser)
    return run_command(parser, _leakcheck, argv)


def _leakcheck(options: argparse.Namespace) -> int:
    from functools import partial

    from tickvol.config import load_config
    from tickvol.volatility.workflows.leakcheck import check_leaks
    from tickvol.volatility.workflows.leakcheck_log import LogFiles
    from tickvol.volatility.workflows.terms import Overrides, overridden

    config = load_config(options.config)
    overrides = Overrides(seed=options.seed, label=options.label, model_type=options.model_type)
    profile = overridden(profile_of(config, options), overrides)
    log = LogFiles(
        paths=tuple(options.data_file or ()),
        ingestion=config.ingestion.model_copy(update={"sequence": options.sequence or config.ingestion.sequence}),
        batch_size=config.features.batch_size,
    )
    report_json = options.json or profile.leakcheck.report_json
    check_leaks(profile, selected_rows(profile, options), log, report_json=report_json, tell=partial(print, flush=True))
    return 0
