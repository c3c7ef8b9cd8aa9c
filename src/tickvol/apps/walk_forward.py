"""`tickvol walk-forward`: walk-forward evaluation of all candidates, as a table, JSON and an HTML page."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from tickvol.command import command_parser, run_command
from tickvol.storage.files import write_report

DESCRIPTION = """Walk-forward evaluation of all candidates.

Each fold trains on all earlier rows. Every choice (label threshold, calibration, alarm threshold, number of trees,
selected candidate) is made on the last part of these rows, and the fold's own rows evaluate it. Rows from
walk_forward.*.sealed_from on are the sealed block, which this command never reads.

Ticks are evaluated at every horizon of walk_forward.horizons_s, candles at candles.horizon_s. Every training is
recorded in the trial ledger, and the best lead is deflated by the number of trials."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol walk-forward`."""
    parser = command_parser("walk-forward", DESCRIPTION)
    parser.add_argument(
        "--source", nargs="+", choices=("ticks", "candles"), help="datasets; default: ticks and candles, if they exist"
    )
    parser.add_argument(
        "--horizons",
        nargs="+",
        type=int,
        metavar="S",
        help="tick horizons in seconds; default: walk_forward.horizons_s",
    )
    parser.add_argument("--models", nargs="+", metavar="NAME", help="candidates besides the baselines; default: all")
    parser.add_argument("--no-tracking", action="store_true", help="do not log to MLflow; the ledger is still written")
    return run_command(parser, _walk_forward, argv)


def _walk_forward(options: argparse.Namespace) -> int:
    from tickvol import __version__
    from tickvol.config import load_config
    from tickvol.volatility.reports.study_html import render
    from tickvol.volatility.workflows.studies import Study, named_candidates, planned

    config = load_config(options.config)
    names = named_candidates(options.models)
    studies: list[Study] = [
        plan.run_study(names, track=not options.no_tracking, tell=print)
        for plan in planned(config, options.source, options.horizons)
    ]
    document: dict[str, Any] = {
        "schema_version": 1,
        "tickvol_version": __version__,
        "config_hash": config.profile().fingerprint(),
        "studies": [study.document for study in studies],
    }
    chosen = config.walk_forward
    write_report(chosen.report_json, json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")
    write_report(chosen.report_html, render(document, [study.figures for study in studies if study.figures]))
    print(f"report      {chosen.report_json}\npage        {chosen.report_html}")
    return 0
