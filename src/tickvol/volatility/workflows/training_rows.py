"""The rows that a training is made of, so that whoever looks at it later finds the same ones in a growing dataset."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.schema.feature_table import FeatureTable


def add_rows(parser: argparse.ArgumentParser) -> None:
    """The flags by which rows are chosen."""
    from pathlib import Path

    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; default: features.dataset_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="use only these; default: all of the dataset")
    parser.add_argument(
        "--until", metavar="TIME", help="rows of bars that end by then; default: as far as all products have come"
    )


def training_rows(config: "Config", options: argparse.Namespace) -> "FeatureTable":
    """The rows that the flags name.

    Of candles those before their sealed block, which only `tickvol open-sealed` looks at. A dataset of ticks is what a
    user serves from, and is trained on to its end: the newest time that all products have reached, or `--until`.
    """
    from tickvol.core.times import parse_time_ns
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.schema.feature_table import settled_end_ns

    sealed_ns = config.walk_forward.rules("candles").sealed_from_ns if options.candles else None
    named_ns = None if options.until is None else parse_time_ns("--until", options.until) + 1
    ends = [end for end in (sealed_ns, named_ns) if end is not None]
    table = read_features(
        options.features or config.features.dataset_dir, products=options.products, to_ns=min(ends, default=None)
    )
    if options.until is not None or len(table) == 0:
        return table
    return table.take(table.bar_end_ns <= settled_end_ns(table))
