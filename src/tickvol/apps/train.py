"""`tickvol train`: every baseline and the models asked for, on the same splits, into bundles and MLflow."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tickvol.command import command_parser, run_command
from tickvol.volatility.models.training_spec import ModelType
from tickvol.volatility.workflows.flags import add_candles, add_rows, profile_of, selected_rows

DESCRIPTION = """Train and compare all detectors.

The baselines are trained every time; a model counts only by its lead over the best of them. Splits go by time,
thresholds and calibration come from train and validation alone. Bundles go to models/artifacts/<detector>/, the run to
MLflow, where the best on validation becomes the challenger (the first one ever also the champion). Every training is
written to the ledger of trials, failed ones too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol train`."""
    parser = command_parser("train", DESCRIPTION)
    parser.add_argument(
        "--model-type",
        choices=get_args(ModelType),
        help="which models beside the baselines; default: models.model_type",
    )
    add_rows(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="seed of training; default: models.seed")
    parser.add_argument("--label", choices=("relative", "absolute"), help="what a spike is; default: labels.kind")
    parser.add_argument("--artifacts-dir", type=Path, metavar="DIR", help="bundles; default: models.artifacts_dir")
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
