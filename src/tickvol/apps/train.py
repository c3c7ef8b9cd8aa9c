"""`tickvol train`: train the baselines and the selected models on the same splits."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tickvol.command import command_parser, run_command
from tickvol.volatility.models.training_spec import ModelType
from tickvol.volatility.workflows.flags import add_candles, add_rows, profile_of, selected_rows

DESCRIPTION = """Train and compare all detectors.

The baselines are always trained; a model is judged by its lead over the best baseline. Splits are chronological;
thresholds and calibration use train and validation rows only. Bundles are written to models/artifacts/<detector>/. The
run is logged to MLflow, where the best detector on validation becomes the challenger (the first one ever also the
champion). Every training, including failed ones, is recorded in the trial ledger."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol train`."""
    parser = command_parser("train", DESCRIPTION)
    parser.add_argument(
        "--model-type",
        choices=get_args(ModelType),
        help="models besides the baselines; default: models.model_type",
    )
    add_rows(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="training seed; default: models.seed")
    parser.add_argument("--label", choices=("relative", "absolute"), help="spike definition; default: labels.kind")
    parser.add_argument(
        "--artifacts-dir", type=Path, metavar="DIR", help="directory of the bundles; default: models.artifacts_dir"
    )
    parser.add_argument("--no-tracking", action="store_true", help="do not log or register anything in MLflow")
    add_candles(parser)
    return run_command(parser, _train, argv)


def _train(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.volatility.workflows.terms import Overrides, overridden
    from tickvol.volatility.workflows.train import train

    overrides = Overrides(
        seed=options.seed,
        label=options.label,
        model_type=options.model_type,
        artifacts_dir=options.artifacts_dir,
    )
    profile = overridden(profile_of(load_config(options.config), options), overrides)
    train(profile, selected_rows(profile, options), track=not options.no_tracking, tell=print)
    return 0
